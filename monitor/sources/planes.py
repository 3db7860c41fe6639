"""What a reader of volume files hands over, and the rule by which pixels become a wire type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError

WIRE_DTYPES = ("uint8", "uint16", "float32")
FLOAT32_EXACT = 2**24
"""Integers up to this size keep their exact value as float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A volume as it lies in a file: `read` yields its (ny, nx) planes in z order, in `dtype`.

    A plane that was never written holds `fill` throughout; `encoded`: pixels are decoded or put
    together as they are read, which may fail; `notes` are for the operator.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    voxel_size_um: tuple[float, float, float] | None
    read: Callable[[], Iterator[NDArray[Any]]]
    fill: float = 0.0
    encoded: bool = False
    notes: tuple[str, ...] = ()

    def blank(self, plane: NDArray[Any]) -> bool:
        """Whether every pixel is 0 or `fill`: no detector and no reconstruction gives that."""
        first = plane.flat[0]
        return bool(first in (0, self.fill) and (plane == first).all())


def wire_dtype(source: np.dtype[Any], what: str) -> str:
    """The wire type for a file's dtype.

    uint8, uint16 and float32 stay; bool becomes uint8 (0, 1); every other real number becomes
    float32, float64 by rounding, integers only where float32 holds them exactly.
    """
    if source.name in WIRE_DTYPES:
        return source.name
    if source.kind == "b":
        return "uint8"
    if source.kind in "iuf":
        return "float32"
    raise SourceError(f"{what}: pixels are {source}, expected real numbers; choose another dataset")


def to_wire(plane: NDArray[Any], dtype: str, what: str, index: int) -> NDArray[Any]:
    """The plane in its wire type: (ny, nx), C order, little-endian; copied only where it must be.

    Raises SourceError where a pixel is not finite, or an integer would lose its exact value.
    """
    if dtype == "float32" and plane.dtype.kind in "iu":
        largest = max(abs(int(plane.min())), abs(int(plane.max())))
        if largest > FLOAT32_EXACT:
            raise SourceError(
                f"{what}: slice {index} holds the integer {largest}, beyond ±{FLOAT32_EXACT} that "
                "float32 keeps exactly; rescale the volume to uint16 or float32"
            )
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(plane, np.dtype(dtype).newbyteorder("<"))
    if dtype == "float32" and not np.isfinite(pixels).all():
        count = int(pixels.size - np.isfinite(pixels).sum())
        raise SourceError(
            f"{what}: slice {index} has {count} pixels that are not finite (NaN or infinite), "
            "expected numbers; fill them before publishing"
        )
    return pixels
