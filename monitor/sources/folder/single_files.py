"""One file that grows by slices at its end: `.vol`, `.npy`, TIFF with many pages."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.folder.files import Changes, Stat
from monitor.sources.folder.growing import Progress
from monitor.sources.folder.stacks import INFOS, acquired
from monitor.sources.volumes import npy, tiff, vol
from monitor.sources.volumes.tiff_pages import decoded, grey_pages, opened, tagged_voxel_size


class _SingleFile:
    """A file is read once it has not changed since the poll before."""

    def __init__(self, name: str, path: Path, changes: Changes) -> None:
        self.name = name
        self.path = path
        self.sources: set[Path] = set()
        self.lacking = ""
        self._changes = changes
        self._infos = path.with_name(path.stem + INFOS)
        self._after_ns = 0

    def glance(self) -> Hashable:
        return self._changes.stat(self.path), self._changes.stat(self._infos)

    def files(self) -> Mapping[Path, Stat | None]:
        return {self.path: None}

    def begin_again(self, after_ns: int) -> None:
        self._after_ns = after_ns

    def progress(self) -> Progress | None:
        self.lacking = ""
        if not self._changes.is_settled(self.path, self._after_ns):
            return None
        changed_ns = self._changes.newest_ns([self.path])
        now = self._progress(changed_ns)
        if now is not None and self._changes.is_settled(self._infos, changed_ns - 1):
            return replace(now, finished=True, times=acquired(self._infos))
        return now

    def _progress(self, changed_ns: int) -> Progress | None:
        raise NotImplementedError


class VolFile(_SingleFile):
    """nabu rewrites the text beside it with each part, PyHST writes the final one first."""

    def _progress(self, changed_ns: int) -> Progress | None:
        beside = self.path.with_name(self.path.name + ".info")
        if not self._changes.is_settled(beside):
            self.lacking = "" if beside.is_file() else f"{beside} is missing"
            return None
        info = vol.read_info(self.path)
        vol.check_size(self.path, info, growing=True)
        there = self.path.stat().st_size // info.plane_bytes
        if there:
            vol.check_pixels(self.path, info, there - 1)
        return Progress(
            info.shape[1:],
            info.dtype,
            range(there),
            first_file=self.path,
            first_ns=changed_ns,
            newest_ns=changed_ns,
            total=info.shape[0] if info.shape[0] > there else None,
            voxel_size_um=info.voxel_size_um,
        )

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        info = vol.read_info(self.path)
        yield from _planes(self.path, info.dtype, 0, info.shape[1:], indices)


class NpyFile(_SingleFile):
    """Its shape is that of the whole volume from the start, and so may be its size."""

    def _progress(self, changed_ns: int) -> Progress | None:
        shape, dtype, offset = npy.read_header(self.path)
        plane_bytes = dtype.itemsize * shape[1] * shape[2]
        there = min(shape[0], (self.path.stat().st_size - offset) // plane_bytes)
        return Progress(
            shape[1:],
            dtype,
            range(there),
            first_file=self.path,
            first_ns=changed_ns,
            newest_ns=changed_ns,
            total=shape[0],
            in_place=there == shape[0],
        )

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        shape, dtype, offset = npy.read_header(self.path)
        yield from _planes(self.path, dtype, offset, shape[1:], indices)


class TiffPages(_SingleFile):
    """One page for each slice."""

    def _progress(self, changed_ns: int) -> Progress | None:
        with opened(self.path) as tif:
            pages, kind, _ = grey_pages(tif, self.path, set())
            voxel, notes = tagged_voxel_size(self.path, self.path.stem, tif)
            if len(pages) == 1 and any(series.ndim != 2 for series in tif.series):
                raise SourceError(
                    f"{self.path}: one page stands for the whole volume; publish it once it is "
                    "complete"
                )
            encoded = all(int(tif.pages[page].compression) != 1 for page in pages)
        _, axes_notes = tiff.in_order(self.path, pages)
        return Progress(
            kind.shape,
            kind.dtype,
            range(len(pages)),
            first_file=self.path,
            first_ns=changed_ns,
            newest_ns=changed_ns,
            written=encoded,
            voxel_size_um=voxel,
            notes=notes + axes_notes,
        )

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        with opened(self.path) as tif:
            pages, _, _ = grey_pages(tif, self.path, set())
            pages, _ = tiff.in_order(self.path, pages)
            for index in indices:
                yield decoded(tif.pages[pages[index]], pages[index], self.path)


FILES: dict[str, type[VolFile] | type[NpyFile] | type[TiffPages]] = {
    **dict.fromkeys(vol.SUFFIXES, VolFile),
    **dict.fromkeys(npy.SUFFIXES, NpyFile),
    **dict.fromkeys(tiff.SUFFIXES, TiffPages),
}


def has_pages(path: Path) -> bool:
    """Whether a TIFF file has more than one page, or is to have: nabu writes volumes in one file as
    BigTIFF, slices as TIFF."""
    try:
        with opened(path) as tif:
            return len(tif.pages) > 1 or bool(tif.is_bigtiff)
    except SourceError:
        return False


def _planes(
    path: Path, dtype: np.dtype[Any], offset: int, plane: tuple[int, int], indices: Sequence[int]
) -> Iterator[NDArray[Any]]:
    count = plane[0] * plane[1]
    for index in indices:
        start = offset + index * count * dtype.itemsize
        yield np.fromfile(path, dtype, count, offset=start).reshape(plane)
