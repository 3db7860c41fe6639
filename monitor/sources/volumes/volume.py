"""Volume files → planes in the order z, one volume a scan, never a whole volume in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.volumes.planes import Planes, to_wire, wire_dtype
from monitor.sources.volumes.readers import reader_of

CHECKED_BYTES = 2**31
"""Up to this size compressed volumes are decoded once before anything is sent."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """One volume in a file: its planes are read as they are asked for.

    `shape` is (nz, ny, nx); `dtype` the wire type that the planes come in; `voxel_size_um` is
    (z, y, x), None if the file does not say it; `notes` are for the operator.
    """

    name: str
    shape: tuple[int, int, int]
    dtype: str
    voxel_size_um: tuple[float, float, float] | None
    _planes: Planes
    keep_blank: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know of how the file is read, a line each."""
        return self._planes.notes

    def slices(self) -> Iterator[NDArray[Any] | None]:
        """Planes (ny, nx) of `dtype` in the order z; None for one that was never written.

        That is one that holds 0, or the file's fill value, throughout, if the format does not show
        that it was written (see `Planes.written`): a writer that was stopped leaves such planes.
        With `keep_blank` they are taken as written. Raises SourceError, which names the slice, and
        for a volume that holds nothing else.
        """
        read = there = 0
        for index, (plane, blank, written) in enumerate(self._planes.written()):
            kept = written or self.keep_blank
            yield to_wire(plane, self.dtype, self.name, index) if kept else None
            read += 1
            there += not blank
        if read != self.shape[0]:
            raise SourceError(f"{self.name}: gave {read} slices, expected {self.shape[0]}")
        if not there:
            raise SourceError(
                f"{self.name}: all {read} slices contain a single value; was it ever written?"
            )

    def check(self) -> None:
        """Reads the volume once if that can fail and it is not large: if it is compressed, or has
        pixels that may not fit the wire type (NaN, large integers). Raises SourceError."""
        size = int(np.prod(self.shape)) * self._planes.dtype.itemsize
        if size > CHECKED_BYTES or not (self._planes.encoded or self.dtype == "float32"):
            return
        for index, plane in enumerate(self._planes.read()):
            to_wire(plane, self.dtype, self.name, index)


def open_volumes(paths: Sequence[str | Path], keep_blank: bool = False) -> list[Volume]:
    """The volumes in these files, folders or patterns, one a scan, in the order given.

    `keep_blank`: slices of one value are padding, even if the format cannot tell. Raises
    SourceError for what cannot be read whole, as far as that shows before it is read: files of
    planes, layouts and codecs are looked at; what is compressed or has real numbers is read once,
    up to 2 GiB.
    """
    if not paths:
        raise SourceError("volumes: got none, expected at least one file; name it")
    volumes = [replace(_open(str(path)), keep_blank=keep_blank) for path in paths]
    for volume in volumes:
        volume.check()
    return volumes


def _open(given: str) -> Volume:
    text, _, dataset = given.partition("::")
    path = Path(text)
    planes = reader_of(path).read(path, dataset)
    dtype = wire_dtype(planes.dtype, given)
    name = path.name + (f"::{dataset}" if dataset else "")
    return Volume(name, planes.shape, dtype, planes.voxel_size_um, planes)
