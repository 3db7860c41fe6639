"""Which volumes are in a folder, whatever their formats."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from monitor.sources.folder.files import Changes, files_below
from monitor.sources.folder.growing import Growing
from monitor.sources.folder.hdf5_files import Hdf5File, Hdf5Parts, parts_in
from monitor.sources.folder.single_files import FILES, TiffPages, has_pages
from monitor.sources.folder.stacks import INFOS, Numbered, Stack, stacks_in
from monitor.sources.folder.zarr_folders import ZarrFolder
from monitor.sources.volumes.hdf5 import SUFFIXES as HDF5
from monitor.sources.volumes.ome_zarr import is_image
from monitor.sources.volumes.tiff import SUFFIXES as TIFF

HISTOGRAM = "histogram_*"
"""nabu's files with numbers of grey levels, beside a volume."""


class Discovery:
    """Finds volumes, and keeps what is known of them from one poll to the next."""

    def __init__(self, folders: Sequence[Path], pattern: str, changes: Changes) -> None:
        self._folders = folders
        self._pattern = pattern
        self._changes = changes
        self._volumes: dict[str, Growing] = {}

    def volumes(self) -> list[Growing]:
        """In natural order. Raises OSError if one of the folders cannot be listed."""
        self._volumes = {
            volume.name: volume
            for root in self._folders
            for folder, files in files_below(root, is_image)
            for volume in self._in_folder(root, folder, files)
        }
        return list(self._volumes.values())

    def _in_folder(self, root: Path, folder: Path, files: Sequence[Path]) -> Iterator[Growing]:
        if is_image(folder):
            if self._wanted(name := self._name(root, folder)):
                known = self._volumes.get(name)
                yield (
                    known
                    if isinstance(known, ZarrFolder)
                    else ZarrFolder(name, folder, self._changes)
                )
            return
        if (parts := parts_in(folder, files)) and self._wanted(name := self._name(root, folder)):
            yield self._parts(name, folder, parts)
        taken = set(parts.values())
        stacks = stacks_in(files)
        several = {_without_numbers(key) for key, stack in stacks.items() if len(stack) > 1}
        for (before, behind, form), stack in stacks.items():
            label = before.rstrip("_-. ") + behind.rstrip("_-. ")
            name = self._name(root, folder / label if label else folder)
            alone = len(stack) == 1 and not isinstance(self._volumes.get(name), Stack)
            if alone and several and _without_numbers((before, behind, form)) not in several:
                continue  # another image, such as a dark field
            if form == "tif" and not self._is_stack(root, name, stack):
                continue
            taken.update(stack.values())
            if self._wanted(name):
                yield self._stack(name, folder, before, stack)
        for path in files:
            name = self._name(root, path.with_suffix(""))
            if path not in taken and self._wanted(name):
                yield from self._single(root, name, path)

    def _is_stack(self, root: Path, name: str, files: Numbered) -> bool:
        """Whether TIFF files hold one slice each. One file with one page may be the first of a
        stack, or begin to be a volume: it is neither yet."""
        if isinstance(self._volumes.get(name), Stack):
            return True
        return len(files) > 1 and not self._is_volume(root, files[min(files)])

    def _single(self, root: Path, name: str, path: Path) -> Iterator[Growing]:
        suffix = path.suffix.lower()
        kind = Hdf5File if suffix in HDF5 else FILES.get(suffix)
        if kind is None or fnmatch(path.name, HISTOGRAM):
            return
        if suffix in TIFF and not self._is_volume(root, path):
            return
        known = self._volumes.get(name)
        yield known if isinstance(known, kind) else kind(name, path, self._changes)

    def _is_volume(self, root: Path, path: Path) -> bool:
        """Whether a TIFF file has many pages."""
        known = self._volumes.get(self._name(root, path.with_suffix("")))
        return isinstance(known, TiffPages) or has_pages(path)

    def _parts(self, name: str, folder: Path, parts: dict[int, Path]) -> Growing:
        known = self._volumes.get(name)
        if isinstance(known, Hdf5Parts):
            known.update(parts)
            return known
        master = folder.with_name(folder.name + next(iter(parts.values())).suffix)
        return Hdf5Parts(name, parts, master, self._changes)

    def _stack(self, name: str, folder: Path, before: str, files: Numbered) -> Growing:
        known = self._volumes.get(name)
        if isinstance(known, Stack):
            known.update(files)
            return known
        infos = folder / (before.rstrip("_") + INFOS)
        return Stack(name, files, infos, self._changes)

    def _name(self, root: Path, path: Path) -> str:
        """From the watched folder on, which is told apart from the others by its own name."""
        within = path.relative_to(root).as_posix()
        if len(self._folders) == 1:
            return root.name if within == "." else within
        return root.name if within == "." else f"{root.name}/{within}"

    def _wanted(self, name: str) -> bool:
        return fnmatch(name, self._pattern) or fnmatch(name.rpartition("/")[2], self._pattern)


def _without_numbers(key: tuple[str, str, str]) -> tuple[str, ...]:
    """The names of files of a stack without their numbers: those of the next scan are the same."""
    return tuple(re.sub(r"\d+", "", part) for part in key)
