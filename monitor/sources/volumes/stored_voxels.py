"""Whether every voxel of an HDF5 dataset is stored: HDF5 itself delivers fill values for what is
not, without a word."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5z

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.volumes.virtual_datasets import (
    SAME_FILE,
    Box,
    Mapping,
    mappings,
    open_source,
    unmapped,
)

MAX_LEVELS = 32
WAIT = "wait until the reconstruction has written it, or restore it"


def check_stored(
    data: h5py.Dataset,
    region: Box | None = None,
    above: tuple[tuple[str, str], ...] = (),
    axis: int = 0,
) -> int:
    """How many slices along `axis` lie in one chunk that is there because it was written; 0 if
    allocation cannot tell, as in contiguous datasets, which are allocated whole.

    Raises SourceError for what of `region` (default: all) was never written or is missing, in this
    file and in all that its virtual datasets name, and MissingSoftware for a filter that is not
    installed. `above`: the datasets that led here."""
    region = tuple((0, size) for size in data.shape) if region is None else region
    here = (os.path.realpath(data.file.filename), data.name)
    if here in above or len(above) >= MAX_LEVELS:
        raise SourceError(
            f"{_name(data)}: its virtual datasets refer to each other in a circle; write it again"
        )
    if data.is_virtual:
        return int(_check_mapped(data, region, (*above, here)) and axis == 0)
    if data.chunks:
        _check_filters(data)
        _check_chunks(data, region)
        early = data.id.get_create_plist().get_alloc_time() == h5d.ALLOC_TIME_EARLY
        return 0 if early or axis >= data.ndim else int(data.chunks[axis])
    if data.external:
        _check_external(data)
    else:
        _check_allocated(data)
    return 0


def _name(data: h5py.Dataset) -> str:
    return f"{data.file.filename}::{data.name}"


def _check_mapped(data: h5py.Dataset, region: Box, above: tuple[tuple[str, str], ...]) -> bool:
    """Whether all its sources store slice by slice: where deeper chunks end is not followed."""
    found = mappings(data)
    depths = [
        _check_source(data, mapping, above)
        for mapping in found
        if any(_overlap(spans, region) for spans in mapping.target)
    ]
    total = math.prod(high - low for low, high in region)
    mapped, first = unmapped(data, found, region)
    if first is not None:
        twice = sum(mapping.points for mapping in found) > mapped
        raise SourceError(
            f"{_name(data)}: its chunk files cover {mapped} of {total} voxels"
            f"{', some of them twice' if twice else ''}; the first slice that lacks some is "
            f"{first}; wait until the reconstruction is complete"
        )
    return all(depth == 1 for depth in depths)


def _overlap(spans: list[list[tuple[int, int]]], region: Box) -> bool:
    return all(
        any(low < stop and high > start for low, high in axis)
        for axis, (start, stop) in zip(spans, region, strict=True)
    )


def _check_source(data: h5py.Dataset, mapping: Mapping, above: tuple[tuple[str, str], ...]) -> int:
    holder = data.file.filename
    if mapping.file == SAME_FILE:
        return _check_source_dataset(data, data.file, mapping, above)
    file = open_source(data.file, mapping.file)
    if file is None:
        chunk = Path(holder).parent / mapping.file
        state = "cannot be read as HDF5" if chunk.is_file() else "is missing"
        raise SourceError(f"{_name(data)}: chunk file {chunk} {state}; {WAIT}")
    with file:
        return _check_source_dataset(data, file, mapping, above)


def _check_source_dataset(
    data: h5py.Dataset,
    file: h5py.File,
    mapping: Mapping,
    above: tuple[tuple[str, str], ...],
) -> int:
    what = f"{_name(data)}: chunk file {file.filename}"
    try:
        source = file[mapping.dataset]
    except (KeyError, OSError, RuntimeError):
        source = None
    if not isinstance(source, h5py.Dataset):
        raise SourceError(f"{what} has no dataset {mapping.dataset}; {WAIT}")
    if not _keeps_values(source.dtype, data.dtype):
        raise SourceError(
            f"{what} has {source.dtype} pixels, which HDF5 would cut to the {data.dtype} of the "
            "virtual dataset; write the virtual dataset with the type of its sources"
        )
    bounds = mapping.source
    if bounds is None:
        if source.size < mapping.points:
            raise SourceError(
                f"{what} has {source.shape} in {mapping.dataset}, expected {mapping.points} "
                f"voxels; {WAIT}"
            )
    elif len(bounds) != source.ndim or any(
        high > size for (_, high), size in zip(bounds, source.shape, strict=True)
    ):
        expected = tuple(high for _, high in bounds)
        raise SourceError(
            f"{what} has {source.shape} in {mapping.dataset}, expected {expected} or more; {WAIT}"
        )
    return check_stored(source, bounds, above)


def _keeps_values(source: np.dtype[Any], virtual: np.dtype[Any]) -> bool:
    """float64 may be rounded to float32, as it is for the engine."""
    return np.can_cast(source, virtual) or source.kind == virtual.kind == "f"


def _check_filters(data: h5py.Dataset) -> None:
    properties = data.id.get_create_plist()
    for index in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(index)
        if not h5z.filter_avail(code):
            label = name.decode("utf-8", "replace") or "no name"
            raise MissingSoftware(
                f"{_name(data)}: is compressed with the HDF5 filter {code} ({label}), which is not "
                "installed; install its plugin and set HDF5_PLUGIN_PATH, or save it with gzip"
            )


def _check_chunks(data: h5py.Dataset, region: Box) -> None:
    chunks = np.array(data.chunks)
    shape = -(-np.array(data.shape) // chunks)
    end = Path(data.file.filename).stat().st_size
    written = np.zeros(shape, bool)
    cut: list[int] = []
    plain = 0 if data.id.get_create_plist().get_nfilters() else math.prod(data.chunks)
    plain *= data.dtype.itemsize

    def note(info: Any) -> None:
        place = tuple(np.array(info.chunk_offset) // chunks)
        if all(index < size for index, size in zip(place, shape, strict=True)):
            written[place] = True
            if info.byte_offset + info.size > end or info.size < plain:
                cut.append(int(info.chunk_offset[0]))

    data.id.chunk_iter(note)
    wanted = [
        slice(low // size, -(-high // size))
        for (low, high), size in zip(region, chunks, strict=True)
    ]
    if cut:
        raise SourceError(f"{_name(data)}: is cut short within slice {min(cut)}; copy it again")
    whole = written[tuple(wanted)].reshape(wanted[0].stop - wanted[0].start, -1).all(axis=1)
    if whole.all():
        return
    planes = np.repeat(~whole, chunks[0])[region[0][0] % chunks[0] :][: region[0][1] - region[0][0]]
    first = region[0][0] + int(np.argmax(planes))
    raise SourceError(
        f"{_name(data)}: {int(planes.sum())} of {planes.size} slices were never written, or only "
        f"in part, the first is {first}; was its writer stopped? Wait for it, or write them again"
    )


def _check_external(data: h5py.Dataset) -> None:
    """Raw data in files of its own, sought at HDF5_EXTFILE_PREFIX, otherwise in the working
    folder."""
    folder = Path(data.file.filename).absolute().parent
    prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", str(folder))
    left = data.nbytes
    for name, offset, size in data.external:
        part = min(size, left)
        file = Path(prefix) / os.fsencode(name).decode("utf-8", "replace")
        if not file.is_file() or file.stat().st_size < offset + part:
            raise SourceError(f"{_name(data)}: data file {file} is missing or cut short; {WAIT}")
        left -= part
    if left:
        raise SourceError(
            f"{_name(data)}: data files are missing {left} of {data.nbytes} bytes; {WAIT}"
        )


def _check_allocated(data: h5py.Dataset) -> None:
    if data.id.get_space_status() != h5d.SPACE_STATUS_ALLOCATED:
        raise SourceError(
            f"{_name(data)}: none of its slices was ever written; was its writer stopped? Wait for "
            "it, or write them again"
        )
    offset = data.id.get_offset()
    end = Path(data.file.filename).stat().st_size
    if offset is not None and offset + data.id.get_storage_size() > end:
        raise SourceError(f"{_name(data)}: is cut short; copy the file again")
