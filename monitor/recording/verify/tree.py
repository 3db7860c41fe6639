"""Two HDF5 trees compared: what a file holds with what its writer would have laid out.

The walk goes along the expected tree, so that a file that anybody may have written cannot lead it
elsewhere: links are compared, never followed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from monitor.recording.checksums import NAME
from monitor.recording.read.checked_hdf5 import (
    MAX_ARRAY_BYTES,
    MAX_TEXT_BYTES,
    OURS,
    attributes,
    damaged,
    is_elsewhere,
    is_foreign,
    numbers,
)

MAX_OBJECTS = 2000
"""Groups and datasets: several times as many as any file of a recording has."""

Difference = tuple[str, str, str]
"""Path within the file, what is there, what was expected."""


def visit(file: h5py.File) -> None:
    """Goes to every object as other readers of HDF5 do, which also looks at bookkeeping that says
    nothing of the contents. Raises RuntimeError if that is damaged, RecordingError if there
    is more than any file of a recording has."""
    seen = itertools.count(1)
    if file.visit(lambda name: name if next(seen) > MAX_OBJECTS else None) is not None:
        raise damaged(file, "/", "a tree of more objects", f"{MAX_OBJECTS} at most")


def differences(
    have: h5py.Group,
    want: h5py.Group,
    *,
    equal: Callable[[str], bool],
    optional: Callable[[str], bool] = lambda path: False,
    more: Callable[[str], bool] = lambda path: False,
    path: str = "",
) -> Iterator[Difference]:
    """`equal`: datasets whose numbers must be those of `want`; `optional`: may lack; `more`: groups
    that may hold other datasets too. May raise what h5py raises for damaged files."""
    yield from _attributes(have, want, path)
    for name in want:
        where = f"{path}/{name}".lstrip("/")
        link, wanted = have.get(name, getlink=True), want.get(name, getlink=True)
        if link is None:
            if not optional(where):
                yield where, "missing", "it"
        elif isinstance(wanted, h5py.ExternalLink):
            came = link if isinstance(link, h5py.ExternalLink) else None
            if came is None or (came.filename, came.path) != (wanted.filename, wanted.path):
                yield where, "another link", f"one to {wanted.filename}{wanted.path}"
        elif not isinstance(link, h5py.HardLink):
            yield where, "a link to another place", "its own numbers"
        else:
            item, like = have[name], want[name]
            if isinstance(item, h5py.Group) and isinstance(like, h5py.Group):
                yield from differences(
                    item, like, equal=equal, optional=optional, more=more, path=where
                )
            elif isinstance(item, h5py.Dataset) and isinstance(like, h5py.Dataset):
                yield from _dataset(item, like, where, equal=equal(where))
            else:
                yield where, type(item).__name__.lower(), f"a {type(like).__name__.lower()}"
    if not more(path):
        for name in have:
            if name not in want:
                yield f"{path}/{name}".lstrip("/"), "there", "nothing of this name"


def _attributes(have: Any, want: Any, path: str) -> Iterator[Difference]:
    found = _small(have)
    for key, wanted in want.attrs.items():
        if key == NAME:
            continue
        if key not in found:
            yield f"{path}.{key}", "missing", _short(wanted)
        elif not _same(found[key], wanted):
            yield f"{path}.{key}", _short(found[key]), _short(wanted)
    for key in found:
        if key not in want.attrs and key != NAME:
            yield f"{path}.{key}", "there", "no attribute of this name"


def _small(item: Any) -> Mapping[str, object]:
    return attributes(item.file, item.name.strip("/"))


def _dataset(have: Any, want: Any, path: str, *, equal: bool) -> Iterator[Difference]:
    if want.is_virtual or is_elsewhere(have):
        if have.is_virtual != want.is_virtual or have.external or want.external:
            yield path, "numbers in another file", "its own"
            return
        # the sources first: for a shape, HDF5 may open them
        if _sources(have) != _sources(want) or have.shape != want.shape or have.dtype != want.dtype:
            yield path, "another stack", "one of the recorded scans"
            return
    if is_foreign(have):
        yield path, "compressed in another way", OURS
        return
    fits = all(
        limit is None or side == wanted
        for side, wanted, limit in zip(have.shape, want.shape, want.maxshape, strict=False)
    )
    if len(have.shape) != len(want.shape) or not fits or have.dtype != want.dtype:
        yield path, _kind(have), _kind(want)
        return
    yield from _attributes(have, want, path)
    if equal and not want.is_virtual:
        if have.nbytes > MAX_ARRAY_BYTES:
            yield path, f"{have.nbytes} bytes", f"{want.nbytes}"
        elif not _same(found := have[()] if have.shape == () else numbers(have), want[()]):
            yield path, _short(found), _short(want[()])


def _sources(dataset: h5py.Dataset) -> list[Any]:
    return [
        (s.file_name, s.dset_name, s.vspace.get_select_bounds()) for s in dataset.virtual_sources()
    ]


def _same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool((one == other).all()) if one.dtype.hasobject else one.tobytes() == other.tobytes()


def _kind(dataset: Any) -> str:
    return f"{'×'.join(map(str, dataset.shape)) or 'one'} {dataset.dtype.name}"


def _short(value: Any) -> str:
    array = np.asarray(value)
    if math.prod(array.shape) * array.itemsize > MAX_TEXT_BYTES:
        return f"{array.size} numbers"
    text = repr(array.tolist())
    return text if len(text) < 80 else f"{text[:79]}…"
