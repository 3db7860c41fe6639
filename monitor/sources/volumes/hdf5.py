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
from monitor.sources.volumes.planes import Planes
from monitor.sources.volumes.stored_voxels import check_stored
from monitor.sources.volumes.voxel_size import three, voxel_size_from_cm

SUFFIXES = (".h5", ".hdf5", ".hdf", ".nx", ".nxs")
FORMAT = Format("HDF5", ", ".join(SUFFIXES))
NABU_DATA = re.compile(r"/[^/]+/reconstruction/results/data")
OWN_DATA = "/entry/reconstruction/data"
OWN_LEDGER = "/entry/ledger/received"
SLAB_BYTES = 2**28
MAX_NODES, MOST_SLICES = 20_000, 2**17
AXIS_NAME = re.compile(r"(?:axis|dim)?_?([xyz])(?:[_ \[(/].*)?", re.IGNORECASE)
OTHER_AXES = re.compile(r"c|ch|channels?|colou?rs?|rgb|t|time|angle|rotation_angle|theta", re.I)
PER_PROJECTION = ("theta", "rotation_angle", "image_key", "image_key_control")
"""Datasets of DXchange and NXtomo beside projections, with one value for each."""
IN_ORDER = (0, 1, 2)
UNREADABLE = (KeyError, OSError, RuntimeError, ValueError)

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
        check_no_projections(file, data, name, path)
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
            notes=_order_note(path, name, order),
        )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Whatever h5py raises for a file that is damaged becomes one SourceError."""
    try:
        yield
    except PitwatchError:
        raise
    except Exception as error:
        raise SourceError(
            f"{path}: cannot be read as HDF5 ({one_line(error)}); check the file, or copy it again"
        ) from None


def only_volume(file: h5py.File, path: Path) -> str:
    stored, linked, broken = _volumes(file)
    found = stored or linked
    candidates = (
        [name for name in found if NABU_DATA.fullmatch(name)]
        or [name for name in found if name == OWN_DATA]
        or found
    )
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        why = f" ({'; '.join(broken[:3])})" if broken else ""
        raise SourceError(
            f"{path}: contains no 3-D dataset of numbers{why}; expected a volume (nz, ny, nx)"
        )
    raise SourceError(
        f"{path}: holds {len(candidates)} 3-D datasets: {', '.join(candidates[:8])}; name one, "
        f"e.g. {path.name}::{candidates[0]}"
    )


def _volumes(file: h5py.File) -> tuple[list[str], list[str], list[str]]:
    """Names of the 3-D datasets that lie in the file, of those that links lead to, and what is
    wrong with links that lead nowhere. Each dataset counts once, whatever leads to it."""
    stored: list[str] = []
    linked: list[str] = []
    broken: list[str] = []
    first = [OWN_DATA] if OWN_DATA in file else []  # it has another name too
    queue, links = [(name, stored) for name in (*first, "/")], list[str]()
    seen: set[tuple[str, int]] = set()
    while (queue or links) and len(seen) < MAX_NODES:
        name, found = queue.pop(0) if queue else (links.pop(0), linked)
        try:
            node = file[name]
        except UNREADABLE:
            broken.append(_link_text(file, name))
            continue
        if _identity(node) in seen:
            continue
        seen.add(_identity(node))
        if isinstance(node, h5py.Dataset) and node.ndim == 3 and node.dtype.kind in "biuf":
            found.append(name)
        for key in node if isinstance(node, h5py.Group) else ():
            child = f"{name.rstrip('/')}/{key}"
            if isinstance(node.get(key, getlink=True), h5py.SoftLink | h5py.ExternalLink):
                links.append(child)
            else:
                queue.append((child, found))
    return sorted(stored), sorted(linked), broken


def _identity(node: Any) -> tuple[str, int]:
    return node.file.filename, int(h5py.h5o.get_info(node.id).addr)


def _link_text(file: h5py.File, name: str) -> str:
    """`/a/b leads to far.h5::/data, which cannot be opened`, of the first link on the way."""
    parts = name.strip("/").split("/")
    link = None
    for count in range(1, len(parts) + 1):
        part = "/" + "/".join(parts[:count])
        try:
            link = file.get(part, getlink=True)
            if file[part] is not None:
                continue
        except UNREADABLE:
            if isinstance(link, h5py.ExternalLink):
                return f"{part} points to {link.filename}::{link.path}, which cannot be opened"
            if isinstance(link, h5py.SoftLink):
                return f"{part} points to {link.path}, which cannot be opened"
            break
    return f"{name} cannot be opened"


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    try:
        node = file[name]
    except UNREADABLE:
        node = None
    if not isinstance(node, h5py.Dataset):
        why = f" ({_link_text(file, name)})" if node is None else ""
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


def _order_note(path: Path, name: str, order: Order) -> tuple[str, ...]:
    if order == IN_ORDER:
        return ()
    axes = ["", "", ""]
    for axis, letter in zip(order, "zyx", strict=True):
        axes[axis] = letter
    return (f"{path}::{name}: its axes are ({', '.join(axes)}): read as (z, y, x)",)


def check_no_projections(file: h5py.File, data: h5py.Dataset, name: str, path: Path) -> None:
    """Projections have an angle, or NXtomo's key, for each image; a volume has neither."""
    if NABU_DATA.fullmatch(name) or name == OWN_DATA:
        return
    entry = "/" + name.strip("/").partition("/")[0]
    holders = (name.rpartition("/")[0], f"{entry}/sample", f"{entry}/instrument/detector")
    for holder in holders:
        for key in PER_PROJECTION:
            angles = _readable_node(file, f"{holder}/{key}")
            if isinstance(angles, h5py.Dataset) and angles.shape == data.shape[:1]:
                raise SourceError(
                    f"{path}::{name}: contains projections ({angles.name} has one value for each), "
                    "expected a reconstructed volume; reconstruct it first, or name the volume"
                )


def _readable_node(file: h5py.File, name: str) -> Any:
    try:
        return file.get(name)
    except UNREADABLE:
        return None


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
            try:
                slab = data[tuple(part)].transpose(order)
            except (OSError, RuntimeError, ValueError) as error:
                raise SourceError(
                    f"{path}::{name}: slice {z} cannot be read ({one_line(error)}); the file is "
                    "damaged there, copy it again"
                ) from None
            yield from slab


def voxel_size_of(file: h5py.File, name: str) -> tuple[float, float, float] | None:
    if NABU_DATA.fullmatch(name):
        options = name.replace("/results/data", "/configuration/processing_options/reconstruction/")
        for key in ("voxel_size_cm", "pixel_size_cm"):
            if options + key in file:
                return voxel_size_from_cm(file[options + key][()])
    if name == OWN_DATA and file["entry"].attrs.get("length_unit") == "µm":
        return three(np.asarray(file["entry"].attrs["voxel_size"], float))
    return None
