"""The formats of volumes that can be read: a module each, in the order they are tried in."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from monitor.errors import SourceError
from monitor.sources.formats import Reader, head_of, is_pattern, listed
from monitor.sources.volumes import hdf5, npy, ome_zarr, tiff, vol
from monitor.sources.volumes.planes import Planes
from monitor.sources.volumes.stacks import edf, jpeg2000, stack


class VolumeReader(Reader, Protocol):
    """A module that reads one format."""

    def read(self, path: Path, dataset: str) -> Planes:
        """The volume in a file, folder or pattern; `dataset` is what is behind `::`, or "".

        Raises SourceError, MissingSoftware.
        """
        ...


READERS: tuple[VolumeReader, ...] = (ome_zarr, stack, tiff, vol, npy, hdf5)


def reader_of(path: Path) -> VolumeReader:
    """The reader of this file, folder or pattern. Raises SourceError if none recognises it."""
    if not path.exists() and not is_pattern(path):
        raise SourceError(f"{path}: does not exist, expected a volume file; check the path")
    head = head_of(path) if path.is_file() else b""
    for reader in READERS:
        if reader.recognises(path, head):
            return reader
    if path.suffix.lower() in (*edf.SUFFIXES, *jpeg2000.SUFFIXES):
        raise SourceError(
            f"{path}: is one slice of a stack; name its folder, or a quoted pattern such as "
            f"'name_*{path.suffix}'"
        )
    raise SourceError(
        f"{path}: type {path.suffix or '(none)'} is not known, expected {listed(READERS)}"
    )
