"""Volumes of PyHST and of nabu's `vol`: float32 pixels alone, with a text beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.formats import Format
from monitor.sources.volumes.planes import Planes
from monitor.sources.volumes.voxel_size import Size, three

SUFFIXES = (".vol",)
FORMAT = Format("vol", ", ".join(SUFFIXES))
NOT_SET_UM = 40.0
"""What nabu writes if it does not know the voxel size."""
SMALLEST, LARGEST, MOST_ODD = 1e-20, 1e33, 0.05
"""Grey levels are between these, whatever their unit, but for a share of the pixels; of bytes that
are taken for float32, at least a tenth are not."""
SAMPLE = 2**20
"""About so many pixels of a slice are looked at."""
ORDERS = {"lowbytefirst": "<f4", "highbytefirst": ">f4"}

_ENTRY = re.compile(r"^[ \t]*(\w+)[ \t]*=([^#\n]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class VolInfo:
    """What `NAME.vol.info` says; `shape` is (nz, ny, nx)."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    voxel_size_um: Size | None

    @property
    def plane_bytes(self) -> int:
        return self.dtype.itemsize * self.shape[1] * self.shape[2]


def recognises(path: Path, head: bytes) -> bool:
    """By its suffix."""
    return path.suffix.lower() in SUFFIXES


def read(path: Path, dataset: str) -> Planes:
    """The volume in `NAME.vol`, as `NAME.vol.info` describes it. Raises SourceError if the text is
    missing or does not fit the size of the file."""
    info = read_info(path)
    check_size(path, info)
    for at in {0, info.shape[0] // 2}:
        check_pixels(path, info, at)
    return Planes(info.shape, info.dtype, info.voxel_size_um, lambda: _planes(path, info))


def read_info(path: Path) -> VolInfo:
    """Raises SourceError if the text beside the volume is missing, or lacks something."""
    beside = path.with_name(path.name + ".info")
    try:
        text = beside.read_text("utf-8", "replace")
    except OSError:
        raise SourceError(f"{path}: {beside.name} is missing; restore it") from None
    names = {name.upper(): value.strip() for name, value in _ENTRY.findall(text)}
    sides = [names.get(name, "") for name in ("NUM_Z", "NUM_Y", "NUM_X")]
    order = ORDERS.get(names.get("BYTEORDER", "lowbytefirst").lower())
    if order is None or not all(side.isdigit() and int(side) for side in sides):
        raise SourceError(
            f"{beside}: NUM_Z, NUM_Y, NUM_X are {sides}, BYTEORDER is {names.get('BYTEORDER')}; "
            "expected the shape of the volume, and LOWBYTEFIRST or HIGHBYTEFIRST"
        )
    nz, ny, nx = map(int, sides)
    return VolInfo((nz, ny, nx), np.dtype(order), _voxel_size(names.get("VOXELSIZE", "")))


def check_size(path: Path, info: VolInfo, growing: bool = False) -> None:
    """Raises SourceError for a file that does not have the size that its text says; if it is
    `growing`, for one that is larger."""
    voxels, there = math.prod(info.shape), path.stat().st_size
    size = voxels * info.dtype.itemsize
    if there > size or (there < size and not growing):
        raise SourceError(
            f"{path}: has {there} bytes, expected {size} for {info.shape} as in its .info "
            f"({there / voxels:.3g} bytes a voxel, float32 has 4); wait until the reconstruction "
            "is complete, copy it again, or save it as float32"
        )


def check_pixels(path: Path, info: VolInfo, at: int) -> None:
    """Nothing in the file says its type: bytes of another type, or in another order, are read as
    numbers of any size. Raises SourceError if that is what slice `at` looks like."""
    plane = np.memmap(path, info.dtype, "r", at * info.plane_bytes, info.shape[1:])
    sizes = np.abs(plane[:: 1 + plane.size // SAMPLE])
    sizes = sizes[sizes != 0]
    odd = np.count_nonzero(~((sizes > SMALLEST) & (sizes < LARGEST) | np.isnan(sizes)))
    if odd > MOST_ODD * sizes.size:
        raise SourceError(
            f"{path}: in slice {at}, {100 * odd / sizes.size:.0f} % of the pixels are not between "
            f"{SMALLEST:g} and {LARGEST:g}: they are not float32, or BYTEORDER in the .info is "
            "wrong; save the volume as float32, or correct the .info"
        )


def _voxel_size(text: str) -> Size | None:
    try:
        side_um = float(text)
    except ValueError:
        return None
    return None if side_um == NOT_SET_UM else three(np.array([side_um]))


def _planes(path: Path, info: VolInfo) -> Iterator[NDArray[Any]]:
    yield from np.memmap(path, info.dtype, "r", shape=info.shape)
