"""Virtual datasets of HDF5: what is mapped from which file, by the rules of HDF5 itself."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5s

from monitor.errors import SourceError

Span = tuple[int, int]
"""First and one past the last index along one axis."""
Box = tuple[Span, ...]

SAME_FILE = "."
MAX_CELLS = 10_000_000
MAX_SPANS = 1_000_000
NEAR_NUMBERS = 64
"""So far behind the first missing numbered source file another one is looked for."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A part of a virtual dataset, and where it comes from.

    `target` is a list of products of spans, one list of spans an axis; `source` the bounds of what
    is read from the dataset `dataset` in `file`, None for all of it.
    """

    file: str
    dataset: str
    target: list[list[list[Span]]]
    source: Box | None

    @property
    def points(self) -> int:
        """How many voxels are mapped."""
        return sum(
            math.prod(sum(high - low for low, high in axis) for axis in spans)
            for spans in self.target
        )


def mappings(data: h5py.Dataset) -> list[Mapping]:
    """All mappings of a virtual dataset, numbered source files (`%b`) one by one."""
    found: list[Mapping] = []
    for entry in data.virtual_sources():
        if entry.vspace.get_select_type() == h5s.SEL_NONE:
            continue
        mapping = Mapping(entry.file_name, entry.dset_name, [], _bounds(entry.src_space))
        if "%b" in entry.file_name or "%b" in entry.dset_name:
            found += _numbered(data, mapping, entry.vspace)
        else:
            found.append(replace(mapping, target=_target(data, entry.vspace)))
    return found


def unmapped(data: h5py.Dataset, found: list[Mapping], region: Box) -> tuple[int, int | None]:
    """How many voxels of `region` are mapped, and the first index along axis 0 that lacks one.

    The union counts: what is mapped twice is counted once.
    """
    edges = []
    for axis, (low, high) in enumerate(region):
        found_edges = [edge for m in found for p in m.target for span in p[axis] for edge in span]
        edges.append(np.unique(np.clip([low, high, *found_edges], low, high)))
    shape = [edge.size - 1 for edge in edges]
    if np.prod(shape, dtype=float) > MAX_CELLS:
        raise SourceError(
            f"{data.file.filename}::{data.name}: is mapped in too many pieces to be checked; copy "
            "it into one plain dataset"
        )
    covered = np.zeros(shape, bool)
    for mapping in found:
        for spans in mapping.target:
            cells = [_cells(edge, axis) for edge, axis in zip(edges, spans, strict=True)]
            covered[np.ix_(*cells)] = True
    sizes = np.ones(1)
    for edge in edges:
        sizes = np.multiply.outer(sizes, np.diff(edge).astype(float))
    mapped = int((covered * sizes[0]).sum())
    lacking = np.flatnonzero(~covered.reshape(shape[0], -1).all(axis=1))
    return mapped, int(edges[0][lacking[0]]) if lacking.size else None


def source_names(holder: str, name: str) -> Iterator[Path]:
    """Where HDF5 looks for a source file, in its order: an absolute name as it is; then
    HDF5_VDS_PREFIX, the folder of the file that names it (`holder`, as it was opened), the working
    folder, the folder of the real file behind a symbolic link."""
    name = name.replace("%%", "%")
    if Path(name).is_absolute():
        yield Path(name)
        name = Path(name).name
    folder = Path(holder).absolute().parent
    for prefix in filter(None, os.environ.get("HDF5_VDS_PREFIX", "").split(":")):
        yield Path(prefix.replace("${ORIGIN}", str(folder))) / name
    yield folder / name
    yield Path(name).absolute()
    yield Path(holder).resolve().parent / name


def open_source(holder: h5py.File, name: str) -> h5py.File | None:
    """The source file that HDF5 takes, for reading; None if there is none. It is locked if the file
    that names it is: HDF5 opens no file in both ways."""
    locked, _ = holder.id.get_access_plist().get_file_locking()
    for candidate in source_names(holder.filename, name):
        try:
            return h5py.File(candidate, "r", locking=None if locked else False)
        except OSError:
            continue
    return None


def _numbered(data: h5py.Dataset, mapping: Mapping, space: Any) -> list[Mapping]:
    """One mapping for each block that lies in the dataset as far as HDF5 shows it."""
    start, stride, counts, block = (list(part) for part in space.get_regular_hyperslab())
    axis = counts.index(int(h5s.UNLIMITED))
    found = []
    for number in count():
        first = start[axis] + number * stride[axis]
        if first >= data.shape[axis]:
            break
        parts = zip(data.shape, start, stride, counts, block, strict=True)
        spans = [_spans(*part) for part in parts]
        spans[axis] = [(first, min(first + block[axis], data.shape[axis]))]
        found.append(_named(replace(mapping, target=[spans]), number))
    for number in range(len(found), len(found) + NEAR_NUMBERS):
        later = _named(mapping, number)
        if (file := open_source(data.file, later.file)) is not None:
            there = later.dataset in file
            file.close()
            if there and later.file != mapping.file:
                missing = _named(mapping, len(found))
                raise SourceError(
                    f"{data.file.filename}::{data.name}: chunk file {missing.file} is missing, but "
                    f"{later.file} exists; restore it"
                )
    return found


def _named(mapping: Mapping, number: int) -> Mapping:
    file, dataset = (text.replace("%b", str(number)) for text in (mapping.file, mapping.dataset))
    return replace(mapping, file=file, dataset=dataset)


def _target(data: h5py.Dataset, space: Any) -> list[list[list[Span]]]:
    if space.get_select_type() == h5s.SEL_ALL:
        return [[[(0, size)] for size in data.shape]]
    if space.get_select_type() != h5s.SEL_HYPERSLABS:
        raise SourceError(
            f"{data.file.filename}::{data.name}: is mapped point by point, which "
            "cannot be checked; copy it into one plain dataset"
        )
    if space.is_regular_hyperslab():
        parts = zip(data.shape, *space.get_regular_hyperslab(), strict=True)
        return [[_spans(*part) for part in parts]]
    blocks = space.get_select_hyper_blocklist()
    return [[[(int(a), int(b) + 1)] for a, b in zip(*block, strict=True)] for block in blocks]


def _spans(size: int, start: int, stride: int, counts: int, block: int) -> list[Span]:
    if block == int(h5s.UNLIMITED):
        return [(start, size)]
    counts = min(counts, -(-max(0, size - start) // stride), MAX_SPANS)
    if stride == block or counts == 1:
        return [(start, start + (counts - 1) * stride + block)]
    return [(start + i * stride, start + i * stride + block) for i in range(counts)]


def _bounds(space: Any) -> Box | None:
    if space.get_select_type() != h5s.SEL_HYPERSLABS:
        return None
    if space.is_regular_hyperslab():
        _, _, counts, block = space.get_regular_hyperslab()
        if int(h5s.UNLIMITED) in (*counts, *block):
            return None
    low, high = space.get_select_bounds()
    return tuple((int(a), int(b) + 1) for a, b in zip(low, high, strict=True))


def _cells(edges: Any, spans: list[Span]) -> Any:
    """Indices of the cells between `edges` that lie in one of the spans."""
    chosen = np.zeros(edges.size - 1, bool)
    for low, high in spans:
        chosen[np.searchsorted(edges, low) : np.searchsorted(edges, high)] = True
    return np.flatnonzero(chosen)
