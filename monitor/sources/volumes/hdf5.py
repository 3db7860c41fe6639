"""Volumes in HDF5: nabu's layout, our own recordings, or the one 3-D dataset of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - registers the compression filters
import numpy as np
from numpy.typing import NDArray

from monitor.errors import PitwatchError, SourceError
from monitor.sources.formats import Format, one_line
from monitor.sources.volumes.hdf5_contents import (
    OWN_DATA,
    UNREADABLE,
    check_is_volume,
    link_text,
    only_volume,
)
from monitor.sources.volumes.planes import Planes
from monitor.sources.volumes.stored_voxels import check_stored
from monitor.sources.volumes.voxel_size import three, voxel_size_from_cm

SUFFIXES = (".h5", ".hdf5", ".hdf", ".nx", ".nxs")
FORMAT = Format("HDF5", ", ".join(SUFFIXES))
RESULTS, OPTIONS = "/results/data", "/configuration/processing_options/reconstruction/"
"""Of a process of nabu and tomoscan: its volume, and how it was made."""
OWN_LEDGER = "/entry/ledger/received"
SLAB_BYTES = 2**28
MOST_SLICES = 2**17
AXIS_NAME = re.compile(r"(?:axis|dim|[a-z]+[_ ])?_?([xyz])(?:[_ \[(/].*)?", re.IGNORECASE)
OTHER_AXES = re.compile(r"c|ch|channels?|colou?rs?|rgb|t|time|angle|rotation_angle|theta", re.I)
SAVU_AXES = ["voxel_x", "voxel_y", "voxel_z"]
"""Savu calls the axis of rotation, along which its slices are, y."""
SCALES = ("scale_factor", "add_offset", "scaling_factor")
"""Attributes of netCDF, and a dataset of NXdata, by which stored values are to be converted."""
IN_ORDER = (0, 1, 2)

Order = tuple[int, int, int]
"""Which axis of a dataset is z, which y, which x."""


def recognises(path: Path, head: bytes) -> bool:
    """By its suffix, or as HDF5 itself does."""
    return path.suffix.lower() in SUFFIXES or (path.is_file() and bool(h5py.is_hdf5(path)))


def read(path: Path, dataset: str) -> Planes:
    """The volume in an HDF5 file: `dataset`, or if that is "" the one that is plainly meant.

    Raises SourceError if there is none, if there are several, or if anything of it was not written
    or cannot be found: HDF5 itself would deliver fill values in its place.
    """
    with readable(path), h5py.File(path, "r") as file:
        name = "/" + dataset.strip("/") if dataset else only_volume(file, path)
        data = _dataset(file, name, path)
        order = axis_order(file, data, name, path)
        _check_ledger(file, name, path)
        check_is_volume(file, data, name, path)
        depth = check_stored(data, axis=order[0])
        nz, ny, nx = (data.shape[axis] for axis in order)
        return Planes(
            (nz, ny, nx),
            data.dtype,
            voxel_size_of(file, name),
            lambda: _planes(path, name, order),
            fill=fill_of(data),
            depth=depth,
            encoded=_encoded(data),
            notes=notes_on(file, data, name, order),
        )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Whatever h5py raises for a file that is damaged becomes one SourceError."""
    try:
        yield
    except PitwatchError:
        raise
    except Exception as error:
        if isinstance(error, BlockingIOError) or "already open for write" in str(error):
            raise SourceError(
                f"{path}: another program is writing it; wait until it has ended, or send it while "
                f"it grows with publish-folder. If that program was killed: h5clear -s {path.name}"
            ) from None
        raise SourceError(
            f"{path}: cannot be read as HDF5 ({one_line(error)}); check the file, or copy it again"
        ) from None


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    try:
        node = file[name]
    except UNREADABLE:
        node = None
    if not isinstance(node, h5py.Dataset):
        why = f" ({link_text(file, name)})" if node is None else ""
        raise SourceError(f"{path}: has no dataset {name}{why}; check the path behind '::'")
    if node.ndim != 3 or 0 in node.shape:
        why = ": are its source files missing?" if node.is_virtual and 0 in node.shape else ""
        raise SourceError(f"{path}::{name}: shape is {node.shape}, expected (nz, ny, nx){why}")
    return node


def axis_order(file: h5py.File, data: h5py.Dataset, name: str, path: Path) -> Order:
    """As the labels of its dimensions or the `axes` of NeXus say, (z, y, x) where they say nothing.

    Raises SourceError for axes that are not those of a volume.
    """
    names = [part.strip() for part in _axis_names(file, data, name)]
    if len(names) != 3:
        return IN_ORDER
    if sorted(names) == SAVU_AXES:
        along, row, column = sorted(range(3), key=lambda axis: names[axis] != "voxel_y")
        return (along, row, column)
    letters = [match[1].lower() if (match := AXIS_NAME.fullmatch(part)) else "" for part in names]
    if sorted(letters) == ["x", "y", "z"]:
        return (letters.index("z"), letters.index("y"), letters.index("x"))
    if any(OTHER_AXES.fullmatch(part) for part in names):
        raise SourceError(
            f"{path}::{name}: its axes are ({', '.join(names)}), expected (z, y, x); choose a "
            "reconstructed volume of grey levels"
        )
    return IN_ORDER


def _axis_names(file: h5py.File, data: h5py.Dataset, name: str) -> list[str]:
    labels = [dimension.label for dimension in data.dims]
    if all(labels):
        return labels
    parent = file[name.rpartition("/")[0] or "/"]
    signal = _texts(parent.attrs.get("signal", name.rpartition("/")[2]))
    for holder in (data, parent if signal == [name.rpartition("/")[2]] else data):
        if names := _texts(holder.attrs.get("axes", "")):
            return names
    return []


def _texts(value: Any) -> list[str]:
    """From a text, `z:y:x` too, or an array of texts."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return [part for part in re.split(r"[:,\s\[\]]+", value) if part]
    return [
        text
        for part in np.ravel(value)
        for text in _texts(part if isinstance(part, str | bytes) else "")
    ]


def notes_on(file: h5py.File, data: h5py.Dataset, name: str, order: Order) -> tuple[str, ...]:
    """Lines for the operator: axes in another order, a scale that is not applied."""
    what = f"{Path(file.filename)}::{name}"
    lines = []
    if order != IN_ORDER:
        axes = [re.split(r"[ \[(/]", part.strip())[0] for part in _axis_names(file, data, name)]
        wanted = [axes[axis] for axis in order]
        lines.append(f"{what}: its axes are ({', '.join(axes)}): read as ({', '.join(wanted)})")
    beside = name.rpartition("/")[0]
    scales = [key for key in SCALES if key in data.attrs or f"{beside}/{key}" in file]
    if scales:
        lines.append(f"{what}: has {' and '.join(scales)}: grey levels are used as they are stored")
    return tuple(lines)


def _check_ledger(file: h5py.File, name: str, path: Path) -> None:
    ledger = file.get(OWN_LEDGER) if name == OWN_DATA else None
    if not isinstance(ledger, h5py.Dataset) or ledger.size > MOST_SLICES:
        return
    received = ledger[()]
    if not np.all(received):
        missing = np.flatnonzero(received == 0)
        raise SourceError(
            f"{path}: {missing.size} slices of this recorded scan were never received, the "
            "first is "
            f"{missing[0]}; choose a complete scan"
        )


def fill_of(data: h5py.Dataset) -> float:
    """Asked for only if one was set: HDF5 crashes on some that are damaged."""
    own = data.id.get_create_plist().fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED
    return float(data.fillvalue) if own and data.dtype.kind in "biuf" else 0.0


def _encoded(data: h5py.Dataset) -> bool:
    return bool(data.is_virtual or data.id.get_create_plist().get_nfilters())


def _planes(path: Path, name: str, order: Order) -> Iterator[NDArray[Any]]:
    with readable(path), h5py.File(path, "r") as file:
        data = file[name]
        check_stored(data)  # again: files may have gone since it was opened
        plane_bytes = max(1, data.dtype.itemsize * data.shape[order[1]] * data.shape[order[2]])
        deep = data.chunks[order[0]] if data.chunks else 1 if order[0] == 0 else SLAB_BYTES
        # Whole chunks at a time: each is then decompressed once, not once a plane.
        step = max(1, min(deep, SLAB_BYTES // plane_bytes))
        for z in range(0, data.shape[order[0]], step):
            part = [slice(None)] * 3
            part[order[0]] = slice(z, z + step)
            yield from read_part(data, tuple(part), z).transpose(order)


def read_part(data: h5py.Dataset, part: Any, index: int) -> Any:
    """Pixels of a dataset from slice `index` on. Raises SourceError if they are damaged."""
    try:
        return data[part]
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(
            f"{data.file.filename}::{data.name}: slice {index} cannot be read ({one_line(error)}); "
            "the file is damaged there, copy it again"
        ) from None


def voxel_size_of(file: h5py.File, name: str) -> tuple[float, float, float] | None:
    if name.endswith(RESULTS):
        options = name.removesuffix(RESULTS) + OPTIONS
        for key in ("voxel_size_cm", "pixel_size_cm"):
            if options + key in file:
                return voxel_size_from_cm(file[options + key][()])
    if name == OWN_DATA and file["entry"].attrs.get("length_unit") == "µm":
        return three(np.asarray(file["entry"].attrs["voxel_size"], float))
    return None
