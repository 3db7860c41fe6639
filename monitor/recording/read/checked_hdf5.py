"""HDF5 files that anybody may have written: datasets are looked at before memory is taken."""

from __future__ import annotations

import math
import os
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
from monitor.recording import files
from monitor.recording.file_descriptors import are_exhausted, when_free
from monitor.recording.folder_lock import is_growing
from monitor.recording.read import unclosed_hdf5
from monitor.recording.read.compressed_chunks import window

MAX_ARRAY_BYTES = 2**30
MAX_AHEAD_BYTES = 2**26
"""Of a file that grows, how far lengths may be ahead of the numbers; of compressed numbers (maps of
older versions), what is always taken."""
MAX_RATIO = 20
"""Larger ones are taken if they are not compressed to less than this part."""
MAX_ITEMS = 1000
"""Datasets of a group: the summary, which has most, has some 200."""
MAX_CHUNK_BYTES = 2**28
MAX_TEXT_BYTES = 1024
PITS = "entry/pits/"
MOST_PITS, MOST_ROWS = 2**18, 2**24
BITSHUFFLE = 32008
"""The only filter that any version of pitwatch has used: for slices, and once for maps. Another one
may make gigabytes of a small chunk, or trust what the chunk says of itself."""
MAX_CHUNKS = 2**22
OURS = "numbers without compression, or with bitshuffle and LZ4"
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
    """The file, to be closed by the caller. Raises RecordingError, also for a link and whatever
    else is not a regular file: `path` is that of a file in a cell's folder in a recording. OSError
    if too many files are open.

    A file that is growing opens in SWMR mode only. No other is opened so: if it is damaged, HDF5
    would wait for its writer forever.
    """
    try:
        known = files.descriptor(path, path.parent.parent)
    except FileNotFoundError:
        raise RecordingError(f"{path}: does not exist") from None
    except OSError as error:
        if are_exhausted(error):
            raise
        raise RecordingError(f"{path}: cannot be read ({error.strerror or error})") from None
    try:
        file = when_free(lambda: _opened_by_hdf5(path))
        if file.driver != "fileobj" and not os.path.sameopenfile(known, file.id.get_vfd_handle()):
            file.close()
            raise RecordingError(f"{path}: was replaced by another file while it was opened")
    finally:
        os.close(known)
    return file


def _opened_by_hdf5(path: Path) -> h5py.File:
    try:
        if not unclosed_hdf5.is_unclosed(path):
            return h5py.File(path, "r", locking=False)
        if is_growing(path.parent.parent):
            return h5py.File(path, "r", libver="latest", swmr=True, locking=False)
        return unclosed_hdf5.opened_unclosed(path)
    except UNREADABLE as error:
        if are_exhausted(error):
            raise
        raise RecordingError(f"{path}: cannot be read ({one_line(error)})") from None


def item(file: h5py.File, path: str) -> h5py.Group | h5py.Dataset | None:
    """What is at a path of this file, None if there is nothing. Raises RecordingError for
    what a link leads to: the kind of each link is looked at before HDF5 follows it."""
    at: Any = file
    for name in path.split("/"):
        if not isinstance(at, h5py.Group):
            raise damaged(file, path, "within a dataset", "within a group")
        link = at.get(name, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise damaged(file, path, "a link into another file", "its own numbers")
        if not isinstance(link, h5py.HardLink):
            raise damaged(file, path, "a link to another place", "its own numbers")
        at = at[name]
    return at


def group(file: h5py.File, path: str) -> h5py.Group:
    """A group of this file ("": the file). Raises RecordingError if there is none, and for one that
    holds more than any group."""
    found = item(file, path) if path else file
    if not isinstance(found, h5py.Group):
        raise damaged(file, path, "missing" if found is None else "not a group", "a group")
    if (count := found.id.get_num_objs()) > MAX_ITEMS:
        raise damaged(file, path, f"a group of {count}", f"{MAX_ITEMS} at most")
    return found


Attributes = dict[str, Any]
"""Of a group or dataset: numbers, texts and arrays."""


def attributes(file: h5py.File, path: str) -> Attributes:
    """The attributes of a group or dataset in this file ("": of the file). Raises RecordingError
    for those of another one, and for what is larger than any attribute."""
    owner = item(file, path) if path else file
    if owner is None:
        raise damaged(file, path, "missing", "a group")
    if len(owner.attrs) > MAX_ITEMS:
        raise damaged(file, path, f"of {len(owner.attrs)} attributes", f"{MAX_ITEMS} at most")
    found = {}
    for key in owner.attrs:
        stored = owner.attrs.get_id(key)
        size = math.prod(stored.shape or ()) * stored.dtype.itemsize
        if size <= MAX_TEXT_BYTES:
            found[key] = owner.attrs[key]
            texts = [one for one in np.ravel(found[key]) if isinstance(one, str)]
            size = max(map(len, texts), default=0)  # of text, known once it is read
        if size > MAX_TEXT_BYTES:
            raise damaged(file, f"{path}.{key}", f"{size} bytes", f"{MAX_TEXT_BYTES} at most")
    return found


def find(file: h5py.File, path: str) -> h5py.Dataset | None:
    """The dataset, None if there is none. Raises RecordingError for one whose numbers lie in
    another file: what is opened is one folder, and nothing else."""
    found = item(file, path)
    if found is None:
        return None
    if not isinstance(found, h5py.Dataset):
        raise damaged(file, path, "a group", "a dataset")
    if is_elsewhere(found):
        raise damaged(file, path, "a link into another file", "its own numbers")
    if is_foreign(found):
        raise damaged(file, path, "compressed in another way", OURS)
    return found


def is_elsewhere(dataset: h5py.Dataset) -> bool:
    """Whether its numbers lie in other files, or in other datasets. To be asked before its shape,
    as HDF5 may open those files for that."""
    made = dataset.id.get_create_plist()
    return bool(made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count())


def filters_of(dataset: h5py.Dataset) -> list[int]:
    """Numbers of the filters that its chunks go through."""
    made = dataset.id.get_create_plist()
    return [made.get_filter(n)[0] for n in range(made.get_nfilters())]


def is_foreign(dataset: h5py.Dataset) -> bool:
    """Whether its chunks go through a filter that no version of pitwatch used for such numbers."""
    return filters_of(dataset) not in ([], [BITSHUFFLE] if len(dataset.shape) > 1 else [])


def numbers(dataset: h5py.Dataset) -> NDArray[Any]:
    """All of a dataset that was found and checked, in the byte order of this machine. Raises one of
    `UNREADABLE` if it is damaged."""
    if filters_of(dataset):
        return window(dataset, *map(range, dataset.shape))
    return np.asarray(dataset[...], dataset.dtype.newbyteorder("="))


def array(
    file: h5py.File, path: str, shape: tuple[int | None, ...], *types: str
) -> NDArray[Any] | None:
    """The numbers of a dataset of this shape (None: any length) and one of these types; None if
    it is missing, or was never written. Raises RecordingError for any other, and for a table with
    more rows than one can have."""
    dataset = find(file, path)
    if dataset is None:
        return None
    check(file, path, dataset, shape, types)
    if not is_written(dataset):
        return None
    check_stored(file, path, dataset)
    return numbers(dataset)


def check_stored(file: h5py.File, path: str, dataset: h5py.Dataset) -> None:
    """Raises RecordingError for a dataset that would take far more memory than it has numbers in
    the file, and for a table with more rows than one can have."""
    if len(dataset.shape) == 1:
        rows, most = dataset.shape[0], MOST_PITS if path.startswith(PITS) else MOST_ROWS
        if rows > most:
            raise damaged(file, path, f"{rows} rows", f"{most} at most")
    if dataset.nbytes > MAX_ARRAY_BYTES:
        raise damaged(file, path, f"{dataset.nbytes} bytes", f"{MAX_ARRAY_BYTES} at most")
    stored = most = dataset.id.get_storage_size()
    if filters_of(dataset):
        most = max(MAX_RATIO * stored, MAX_AHEAD_BYTES)
    elif file.swmr_mode:  # of a file that grows, the length may be known before the numbers are
        most = stored + MAX_AHEAD_BYTES
    if dataset.nbytes > most:
        raise damaged(file, path, f"{stored} bytes", f"{dataset.nbytes}")


def is_written(dataset: h5py.Dataset) -> bool:
    """False for one that was laid out and never written; one without elements counts as written.
    To be asked after `check`: HDF5 goes through all chunks for that."""
    return bool(dataset.size == 0 or dataset.id.get_storage_size() > 0)


def check(
    file: h5py.File,
    path: str,
    dataset: h5py.Dataset,
    shape: tuple[int | None, ...],
    types: tuple[str, ...],
    most_bytes: float = MAX_ARRAY_BYTES,
) -> None:
    """Raises RecordingError if shape, type or size are not as they must be."""
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
        raise damaged(file, path, f"{size / 1e6:.0f} MB at once", f"{expected} of a realistic size")
    sides = zip(dataset.shape, dataset.chunks or dataset.shape, strict=True)
    if (count := math.prod(-(-side // long) for side, long in sides if long)) > MAX_CHUNKS:
        raise damaged(file, path, f"{count} chunks", f"{MAX_CHUNKS} at most")


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
