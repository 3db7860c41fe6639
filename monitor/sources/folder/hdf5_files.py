"""HDF5 while it is written: nabu's files of a few slices each, or one file that grows.

Nothing is locked: a lock of a reader would stop the writer.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - registers the compression filters
import numpy as np
from numpy.typing import NDArray

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.folder.files import Changes, Stat
from monitor.sources.folder.growing import Progress, Times, acquisition
from monitor.sources.formats import one_line
from monitor.sources.volumes.hdf5 import (
    IN_ORDER,
    SUFFIXES,
    axis_order,
    fill_of,
    notes_on,
    read_part,
    readable,
    voxel_size_of,
)
from monitor.sources.volumes.hdf5_contents import NABU_DATA, check_is_volume, only_volume
from monitor.sources.volumes.stored_voxels import check_stored
from monitor.sources.volumes.virtual_datasets import SAME_FILE, mappings, source_names
from monitor.sources.volumes.voxel_size import Size

PART = re.compile(r"(.+)_(\d{5,})", re.DOTALL)
"""nabu numbers with five digits; with fewer, the files are volumes of their own."""


def opened(path: Path) -> h5py.File:
    """For reading, without a lock. Raises OSError while it cannot be read."""
    why: Exception | None = None
    for options in ({}, {"libver": "latest", "swmr": True}):
        try:
            return h5py.File(path, "r", locking=False, **options)
        except Exception as error:  # damaged files raise RuntimeError too
            why = why or error
    raise OSError(str(why))


class Hdf5File:
    """One file, that grows or that is complete at once; its virtual datasets lead to others."""

    def __init__(self, name: str, path: Path, changes: Changes) -> None:
        self.name = name
        self.path = path
        self.sources: set[Path] = set()
        self.lacking = ""
        self._changes = changes
        self._whole = 0
        self._after_ns = 0

    def glance(self) -> Hashable:
        return self._changes.stat(self.path)

    def files(self) -> Mapping[Path, Stat | None]:
        return dict.fromkeys((self.path, *sorted(self.sources)))

    def begin_again(self, after_ns: int) -> None:
        self._whole, self._after_ns = 0, after_ns

    def progress(self) -> Progress | None:
        self.lacking = ""
        stat = self._changes.stat(self.path)
        if stat is None or stat[1] <= self._after_ns:
            return None
        try:
            with opened(self.path) as file:
                if not file.swmr_mode and not self._changes.is_settled(self.path):
                    return None
                with readable(self.path):
                    return self._progress(file)
        except OSError as error:
            self.lacking = f"{self.path}: cannot be read ({one_line(error)})"
        return None

    def _progress(self, file: h5py.File) -> Progress | None:
        name = only_volume(file, self.path)
        data = file[name]
        if 0 in data.shape:
            return None
        if axis_order(file, data, name, self.path) != IN_ORDER:
            raise SourceError(
                f"{self.path}::{name}: its slices are not along its first axis; publish it once it "
                "is complete"
            )
        check_is_volume(file, data, name, self.path)
        nz, ny, nx = data.shape
        self._whole = self._stored(data)
        depth = data.chunks[0] if data.chunks else 1
        held = depth if depth > 1 and file.swmr_mode and self._whole < nz else 0
        whole = max(0, self._whole - held)
        grows = data.maxshape[0] != nz
        return Progress(
            (ny, nx),
            data.dtype,
            range(whole),
            first_file=self._first_file(data),
            first_ns=self._changes.newest_ns([self._first_file(data)]),
            newest_ns=self._changes.newest_ns([self.path, *self.sources]),
            maybe=range(whole, self._whole),
            total=None if grows else nz,
            in_place=not data.is_virtual and data.chunks is None,
            written=data.chunks is not None,
            fill=fill_of(data),
            voxel_size_um=voxel_size_of(file, name),
            times=acquired(file, name),
            notes=notes_on(file, data, name, IN_ORDER),
        )

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        with readable(self.path), opened(self.path) as file:
            data = file[only_volume(file, self.path)]
            for index in indices:
                yield read_part(data, index, index)

    def _stored(self, data: h5py.Dataset) -> int:
        """How many slices from the first on are stored; those that were are not checked again."""
        nz = int(data.shape[0])
        whole = min(self._whole, nz)
        if data.is_virtual:
            edges = self._edges(data, whole)
            for low, high in pairwise(edges):
                if not self._is_stored(data, low, high):
                    return int(low)
            return int(edges[-1])
        if not data.chunks:
            return nz if self._is_stored(data, 0, nz) else 0
        depth = int(data.chunks[0])
        layers, least = -(-nz // depth), whole // depth
        while least < layers:  # bisection: layers are written in their order
            middle = (least + layers + 1) // 2
            if self._is_stored(data, 0, min(middle * depth, nz)):
                least = middle
            else:
                layers = middle - 1
        return min(least * depth, nz)

    def _edges(self, data: h5py.Dataset, begin: int) -> list[int]:
        """Where the parts of a virtual dataset that are complete files begin, from `begin` on, and
        where the last of them ends."""
        edges = {begin}
        end = data.shape[0]
        for mapping in mappings(data):
            file = self._source(data, mapping.file)
            spans = [span for target in mapping.target for span in target[0]]
            edges.update(edge for span in spans for edge in span if edge >= begin)
            first = min((low for low, high in spans if high > begin), default=end)
            if first < end and file != self.path and not self._changes.is_settled(file):
                end, self.lacking = first, f"{file} is {self._changes.unsettled(file)}"
        return sorted(edge for edge in edges if edge <= max(end, begin))

    def _source(self, data: h5py.Dataset, name: str) -> Path:
        if name == SAME_FILE:
            return self.path
        places = list(source_names(data.file.filename, name))
        found = next((place for place in places if place.is_file()), places[-1])
        self.sources.add(found.resolve())
        return found

    def _first_file(self, data: h5py.Dataset) -> Path:
        if not data.is_virtual:
            return self.path
        first = min(mappings(data), key=lambda mapping: mapping.target[0][0][0][0])
        return self._source(data, first.file)

    def _is_stored(self, data: h5py.Dataset, low: int, high: int) -> bool:
        try:
            check_stored(data, ((low, high), (0, data.shape[1]), (0, data.shape[2])))
        except MissingSoftware:
            raise
        except SourceError as error:
            self.lacking = str(error)
            return False
        return True


class Hdf5Parts:
    """nabu's files of a few slices each, `rec/rec_00000.hdf5`, `rec/rec_00100.hdf5`, …; the number
    is that of the first slice. nabu writes `rec.hdf5`, which joins them, when it has ended; others
    write it first."""

    def __init__(self, name: str, parts: dict[int, Path], master: Path, changes: Changes) -> None:
        self.name = name
        self.sources = {master.resolve()}
        self.lacking = ""
        self._parts = parts
        self._master = master
        self._changes = changes
        self.begin_again(0)

    def update(self, parts: dict[int, Path]) -> None:
        """The files that there are now, by the numbers in their names."""
        self._parts = parts

    def glance(self) -> Hashable:
        first = self._parts[min(self._parts)]
        return len(self._parts), self._changes.stat(first), self._changes.stat(self._master)

    def files(self) -> Mapping[Path, Stat | None]:
        return {path: self._stats.get(path) for path in self._parts.values()}

    def begin_again(self, after_ns: int) -> None:
        self._after_ns = self._newest_ns = after_ns
        self._complete: dict[Path, int] = {}
        self._stats: dict[Path, Stat | None] = {}
        self._kind: tuple[tuple[int, int], np.dtype[Any]] | None = None

    def progress(self) -> Progress | None:
        self.lacking = ""
        begins = min(self._parts)
        first = self._parts[begins]
        if not self._changes.is_settled(first, self._after_ns):
            return None
        if self._changes.stat(first) != self._stats.get(first):
            self._complete.pop(first, None)  # it is written again, and may not be complete
        ready: list[int] = []
        for number, path in sorted(self._parts.items()):
            if ready and number - begins <= ready[-1]:
                raise SourceError(
                    f"{path}: has the number {number}, but the files before it hold the slices up "
                    f"to {begins + ready[-1]}: are these volumes of their own? Name their folder "
                    f"{path.parent.name!r} differently"
                )
            ready += range(number - begins, number - begins + self._slices(path))
        if self._kind is None or not ready:
            return None
        plane, dtype = self._kind
        total, voxel, times = self._joined(plane)
        if total is not None and total <= ready[-1]:
            total = None  # of an earlier volume of this name
        return Progress(
            plane,
            dtype,
            ready,
            first_file=first,
            first_ns=self._changes.newest_ns([first]),
            newest_ns=self._newest_ns,
            total=total,
            finished=total is not None
            and self._changes.is_settled(self._master, self._newest_ns - 1),
            begins_at=begins,
            voxel_size_um=voxel,
            times=times,
        )

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        begins = min(self._parts)
        numbers = sorted(self._parts)
        for index in indices:
            number = max(number for number in numbers if number <= begins + index)
            path = self._parts[number]
            with readable(path), opened(path) as file:
                yield read_part(file[only_volume(file, path)], begins + index - number, index)

    def _slices(self, path: Path) -> int:
        """How many slices are in the file, 0 as long as it is not complete. It is looked into
        until it is."""
        if path in self._complete or not self._changes.is_settled(path, self._after_ns):
            return self._complete.get(path, 0)
        try:
            with opened(path) as file, readable(path):
                data = file[only_volume(file, path)]
                check_stored(data)
                nz, ny, nx = data.shape
                dtype = data.dtype
        except (OSError, SourceError) as error:
            self.lacking = str(error)
            return 0
        self._kind = self._kind or ((ny, nx), dtype)
        if self._kind != ((ny, nx), dtype):
            raise SourceError(
                f"{path}: contains slices of {(ny, nx)} {dtype}, the volume began with "
                f"{self._kind[0]} {self._kind[1]}; write them into another folder"
            )
        self._complete[path] = int(nz)
        self._stats[path] = self._changes.stat(path)
        self._newest_ns = max(self._newest_ns, self._changes.newest_ns([path]))
        return int(nz)

    def _joined(self, plane: tuple[int, int]) -> tuple[int | None, Size | None, Times | None]:
        """Number of slices, voxel size and times in the file that joins the others."""
        if not self._changes.is_settled(self._master):
            return None, None, None
        with (
            suppress(OSError, SourceError),
            opened(self._master) as file,
            readable(self._master),
        ):
            name = only_volume(file, self._master)
            if file[name].shape[1:] == plane:
                total = int(file[name].shape[0])
                return total, voxel_size_of(file, name), acquired(file, name)
        return None, None, None


def parts_in(folder: Path, files: Sequence[Path]) -> dict[int, Path]:
    """nabu's files in a folder of the same name, by their numbers."""
    parts = {}
    for path in files:
        match = PART.fullmatch(path.stem) if path.suffix.lower() in SUFFIXES else None
        if match is not None and match[1] == folder.name:
            parts[int(match[2])] = path
    return parts


def acquired(file: h5py.File, name: str) -> Times | None:
    """Begin and end of the acquisition, UTC s, as nabu writes them."""
    if not NABU_DATA.fullmatch(name):
        return None
    group = name.replace("/results/data", "/configuration/acquisition/")
    return acquisition(*(_text(file, group + key) for key in ("start_time", "end_time")))


def _text(file: h5py.File, name: str) -> str:
    try:
        return str(file[name][()].decode())
    except (KeyError, OSError, ValueError, AttributeError):
        return ""
