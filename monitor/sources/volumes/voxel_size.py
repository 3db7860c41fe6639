"""Voxel sizes as files tell them → (z, y, x) in µm, None if they say nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

UM_PER_CM = 1.0e4
UM = {
    "m": 1e6, "meter": 1e6, "cm": 1e4, "mm": 1e3, "nm": 1e-3, "pm": 1e-6,
    "inch": 25400.0, "in": 25400.0,
    "centimeter": 1e4, "millimeter": 1e3, "nanometer": 1e-3, "å": 1e-4, "angstrom": 1e-4,
    "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
}  # fmt: skip
COARSEST_DPI_UM = 20.0
"""A resolution tag coarser than this is that of a printer or a screen (72 to 1200 dpi), not of the
detector."""
FINEST_UM, COARSEST_UM = 0.002, 200.0
"""No tomography of a cell has finer or coarser voxels: a size beyond is likely in another unit."""
RESOLUTION_UNITS = {2: "inch", 3: "cm"}

Size = tuple[float, float, float]

_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?")
_INFOS = (
    (re.compile(r"^\s*voxel_size_cm\s*[=:]\s*(.+)$", re.MULTILINE), UM_PER_CM),
    (re.compile(r"^\s*pixel_size_cm\s*[=:]\s*(.+)$", re.MULTILINE), UM_PER_CM),
    (re.compile(r"^\s*voxel_size_(?:um|micron)\s*[=:]\s*(.+)$", re.MULTILINE), 1.0),
    (re.compile(r"^\s*voxel_size\s*[=:]\s*(.+)$", re.MULTILINE), 1.0),
)
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})|\\x([0-9a-f]{2})", re.IGNORECASE)
_OME_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")


def voxel_size_from_cm(value: Any) -> Size | None:
    """From nabu's number, array or text in cm."""
    return _from_text(value, UM_PER_CM)


def from_infos(path: Path) -> Size | None:
    """From the `{name}_infos.txt` that nabu writes beside a stack or a single TIFF file."""
    if not path.is_file():
        return None
    text = path.read_text("utf-8", "replace")
    for pattern, um in _INFOS:
        if (line := pattern.search(text)) is not None:
            return _from_text(line[1], _um_of(line[1]) or um)
    return None


def from_imagej(told: Mapping[str, Any], per_pixel: tuple[float, float] | None) -> Size | None:
    """From ImageJ's units and `spacing`, cubes without it; `per_pixel`: the sides (y, x) of a pixel
    in these units."""
    units = [told.get(axis, told.get("unit", "")) for axis in ("zunit", "yunit")]
    found = [_um(_unescaped(str(unit))) for unit in (*units, told.get("unit", ""))]
    um = [factor for factor in found if factor is not None]
    if len(um) < len(found) or per_pixel is None:
        return None
    y, x = (abs(side) * factor for side, factor in zip(per_pixel, um[1:], strict=True))
    depth = abs(float(told["spacing"])) * um[0] if "spacing" in told else y
    return three(np.array([depth, y, x]))


def from_ome(xml: str) -> Size | None:
    """From `PhysicalSizeZ`, `…Y`, `…X` of OME-XML; µm where it gives no unit."""
    pixels = _OME_PIXELS.search(xml)
    sizes = []
    for side in "ZYX":
        size = re.search(rf'\bPhysicalSize{side}="([^"]*)"', pixels[0]) if pixels else None
        unit = re.search(rf'\bPhysicalSize{side}Unit="([^"]*)"', pixels[0]) if pixels else None
        um = _um(html.unescape(unit[1])) if unit else 1.0
        if size is None or um is None or not _NUMBER.fullmatch(size[1].strip()):
            return None
        sizes.append(float(size[1]) * um)
    return three(np.array(sizes))


def from_resolution(unit: int, per_pixel: tuple[float, float] | None) -> Size | None:
    """From TIFF's resolution tags, for cubes: they say nothing about z. None for unequal sides."""
    um = UM.get(RESOLUTION_UNITS.get(unit, ""))
    if um is None or per_pixel is None or not np.isclose(*per_pixel, rtol=1e-3):
        return None
    side = um * per_pixel[1]
    return three(np.array([side])) if side <= COARSEST_DPI_UM else None


def doubt(size: Size | None) -> str:
    """What is doubtful of a voxel size, "" if nothing is."""
    if size is None or all(FINEST_UM <= side <= COARSEST_UM for side in size):
        return ""
    return (
        f"voxel size is {as_text(size)}: is it in another unit (m, mm, nm)? If it is wrong, set it "
        "in µm with --voxel-um"
    )


def as_text(size: Size) -> str:
    """One side of a cube, or all three, (z, y, x)."""
    sides = [f"{side:.4g}" for side in size]
    return f"{sides[0] if len(set(sides)) == 1 else ' × '.join(sides)} µm"


def alike(one: Size, other: Size) -> bool:
    """Whether two sizes differ by rounding only."""
    return bool(np.allclose(one, other, rtol=1e-3, atol=0.0))


def three(values: NDArray[np.float64]) -> Size | None:
    """(z, y, x) from one or three positive numbers."""
    if values.size == 1:
        values = np.repeat(values, 3)
    if values.size != 3 or not np.isfinite(values).all() or (values <= 0).any():
        return None
    z, y, x = (float(value) for value in values.ravel())
    return (z, y, x)


def _from_text(value: Any, um: float) -> Size | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = [float(number) for number in _NUMBER.findall(value)]
    return three(np.atleast_1d(np.asarray(value, float)) * um)


def _unescaped(text: str) -> str:
    """Signs beyond ASCII as ImageJ and Python escape them."""
    return _ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _um(unit: str) -> float | None:
    return UM.get(unit.strip().lower())


def _um_of(text: str) -> float | None:
    """The unit behind the numbers, as in `(0.7, 0.7, 0.7) um`."""
    words = re.findall(r"[^\W\d]+", re.sub(r"\d[eE]", "0", text))
    return next((um for word in words if (um := _um(word)) is not None), None)
