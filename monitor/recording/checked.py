"""HDF5 files that anybody may have written: datasets are looked at before memory is taken."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - registers the filter of the slices
import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.plain_text import visible
from monitor.recording import unclosed
from monitor.recording.folder_lock import is_growing

MAX_ARRAY_BYTES = 2**30
MAX_CHUNK_BYTES = 2**28
MAX_TEXT_BYTES = 1024
MAX_ITEMS = 1000
"""Datasets in a group, or attributes of one: several times as many as any has."""
PITS = "entry/pits/"
MOST_PITS, MOST_ROWS = 2**18, 2**24
MOST_PACKED, SMALL_TABLE_BYTES = 100, 2**20
"""A table, whose length its file alone says, takes at most so many times the bytes that it has in
the file. The recorder compresses none; 3 million rows of zeros are 25 kB."""
UNREADABLE = (KeyError, OSError, RuntimeError, TypeError, ValueError, AttributeError, MemoryError)
"""What h5py raises where bytes of a file are not what they must be."""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, for reading, whatever state its writer left it in. Raises RecordingError."""
    with opened_file(path) as file:
        try:
            yield file
        except UNREADABLE as error:
            raise RecordingError(f"{path}: is damaged ({one_line(error)})") from None


def opened_file(path: Path) -> h5py.File:
    """The file, to be closed by the caller. Raises RecordingError.

    A file that is growing opens in SWMR mode only. No other is opened so: where it is damaged, HDF5
    would wait for its writer for ever.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: is not there")
    try:
        if not unclosed.is_unclosed(path):
            return h5py.File(path, "r", locking=False)
        if is_growing(path.parent.parent):
            return h5py.File(path, "r", libver="latest", swmr=True, locking=False)
        return unclosed.opened_unclosed(path)
    except UNREADABLE as error:
        raise RecordingError(f"{path}: cannot be read ({one_line(error)})") from None


def attributes(file: h5py.File, path: str) -> dict[str, Any]:
    """The attributes of a group in this file. Raises RecordingError for those of another one, and
    for what is larger than any attribute."""
    group = file[path]
    if group.file.filename != file.filename:
        raise damaged(file, path, "a link into another file", "a group")
    if len(group.attrs) > MAX_ITEMS:
        raise damaged(file, path, f"of {len(group.attrs)} attributes", f"{MAX_ITEMS} at most")
    found = {}
    for key in group.attrs:
        stored = group.attrs.get_id(key)
        size = math.prod(stored.shape or ()) * stored.dtype.itemsize
        if size > MAX_TEXT_BYTES:
            raise damaged(file, f"{path}.{key}", f"{size} bytes", f"{MAX_TEXT_BYTES} at most")
        found[key] = group.attrs[key]
    return found


def names(file: h5py.File, path: str) -> tuple[str, ...]:
    """What is in a group. Raises RecordingError for more than is in any."""
    group = file[path]
    if len(group) > MAX_ITEMS:
        raise damaged(file, path, f"a group of {len(group)}", f"{MAX_ITEMS} at most")
    return tuple(group)


def find(file: h5py.File, path: str) -> h5py.Dataset | None:
    """The dataset, None where there is none. Raises RecordingError for one whose numbers lie in
    another file: what is opened is one folder, and nothing else."""
    found = file.get(path)
    if found is None:
        return None
    if not isinstance(found, h5py.Dataset):
        raise damaged(file, path, "a group", "a dataset")
    made = found.id.get_create_plist()
    elsewhere = made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count()
    if elsewhere or found.file.filename != file.filename:
        raise damaged(file, path, "a link into another file", "its own numbers")
    return found


def array(
    file: h5py.File, path: str, shape: tuple[int | None, ...], *types: str
) -> NDArray[Any] | None:
    """The numbers of a dataset of this shape (None: any length) and one of these types; None where
    it is not there, or was never written. Raises RecordingError for any other, and for a table with
    more rows than one can have."""
    dataset = find(file, path)
    if dataset is None or not is_written(dataset):
        return None
    check(file, path, dataset, shape, types)
    if len(dataset.shape) == 1:
        check_rows(file, path, dataset)
    stored = dataset.id.get_storage_size()
    plain = not dataset.id.get_create_plist().get_nfilters()
    # of a file that grows, the length may be known before the numbers are
    if plain and stored < dataset.nbytes and not file.swmr_mode:
        raise damaged(file, path, f"{stored} bytes", f"{dataset.nbytes}")
    return np.asarray(dataset[...], dataset.dtype.newbyteorder("="))


def check_rows(file: h5py.File, path: str, dataset: h5py.Dataset) -> None:
    """Raises RecordingError for a table with more rows than one can have, or than its bytes in the
    file can stand for."""
    rows, most = dataset.shape[0], MOST_PITS if path.startswith(PITS) else MOST_ROWS
    if rows > most:
        raise damaged(file, path, f"{rows} rows", f"{most} at most")
    stored = dataset.id.get_storage_size()
    packed = dataset.id.get_create_plist().get_nfilters()
    if packed and dataset.nbytes > SMALL_TABLE_BYTES + MOST_PACKED * stored:
        raise damaged(file, path, f"{rows} rows in {stored} bytes", "rows that are not compressed")


def is_written(dataset: h5py.Dataset) -> bool:
    """False for one that was laid out and never written; one without elements counts as written."""
    return bool(dataset.size == 0 or dataset.id.get_storage_size() > 0)


def check(
    file: h5py.File,
    path: str,
    dataset: h5py.Dataset,
    shape: tuple[int | None, ...],
    types: tuple[str, ...],
    most_bytes: float = MAX_ARRAY_BYTES,
) -> None:
    """Raises RecordingError where shape, type or size are not as they must be."""
    wanted = "×".join("n" if side is None else str(side) for side in shape)
    expected = f"{wanted} {' or '.join(types)}"
    fits = len(dataset.shape) == len(shape) and all(
        side in (None, have) for have, side in zip(dataset.shape, shape, strict=True)
    )
    if not fits or dataset.dtype.name not in types:
        came = "×".join(map(str, dataset.shape))
        raise damaged(file, path, f"{came} {dataset.dtype.name}", expected)
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if dataset.nbytes > most_bytes or chunk > MAX_CHUNK_BYTES:
        size = max(dataset.nbytes, chunk)
        raise damaged(file, path, f"{size / 1e6:.0f} MB at once", f"{expected} of a real size")


def scalar(dataset: h5py.Dataset) -> Any:
    """A number or bytes; None for anything that cannot be a scalar of a summary."""
    kind = dataset.dtype
    if dataset.shape != () or kind.kind not in "fiubS" or kind.itemsize > MAX_TEXT_BYTES:
        return None
    return dataset[()]


def damaged(file: h5py.File, path: str, came: str, expected: str) -> RecordingError:
    """The error that says which dataset of which file is not what it must be."""
    return RecordingError(f"{file.filename}: is damaged ({path} is {came}, expected {expected})")


def one_line(error: BaseException) -> str:
    """What an error of HDF5 says, without its line breaks."""
    return visible(" ".join(str(error).split())) or type(error).__name__
