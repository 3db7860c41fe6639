"""What a reader of volume files hands over, and the rule by which pixels become a wire type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError

WIRE_DTYPES = ("uint8", "uint16", "float32")
COLOURS, LEAST_SIDE = (3, 4), 16
"""Values a pixel, and pixels along the sides, of an image in colours."""
FLOAT32_EXACT = 2**24
"""Integers up to this size keep their exact value as float32."""


@dataclass(frozen=True, slots=True)
class PlaneKind:
    """What planes of one volume have in common; `shape` is (ny, nx)."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype}"


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A volume as it lies in a file: `read` yields its (ny, nx) planes in z order, in `dtype`.

    A plane that was never written holds `fill` throughout. `depth`: planes from a multiple of it up
    to the next were stored together, and are known to have been written if all are blank; 0 if the
    format cannot report what was written. `encoded`: pixels are decoded or put together as they are
    read, which may fail; `notes` are for the operator.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    voxel_size_um: tuple[float, float, float] | None
    read: Callable[[], Iterator[NDArray[Any]]]
    fill: float = 0.0
    depth: int = 0
    encoded: bool = False
    notes: tuple[str, ...] = ()

    def blank(self, plane: NDArray[Any]) -> bool:
        """Whether every pixel is 0 or `fill`: padding, or never written."""
        first = plane.flat[0]
        return bool(first in (0, self.fill) and (plane == first).all())

    def written(self) -> Iterator[tuple[NDArray[Any], bool, bool]]:
        """Each plane, whether it is blank, and whether it was written as far as can be known.

        A blank plane was written if its whole block is blank: HDF5 allocates a chunk, and TIFF a
        compressed strip, only when something is written into it. Beside planes that are not blank
        it may be the part of a chunk that its writer did not reach.
        """
        blanks: list[NDArray[Any]] = []
        mixed = False
        for index, plane in enumerate(self.read()):
            if self.depth and index % self.depth == 0:
                yield from ((waiting, True, True) for waiting in blanks)
                blanks, mixed = [], False
            if not self.blank(plane):
                mixed = True
                yield from ((waiting, True, False) for waiting in blanks)
                blanks = []
                yield plane, False, True
            elif mixed or not self.depth:
                yield plane, True, False
            else:
                # Not the plane itself: a chunk may be as deep as the volume.
                blanks.append(np.broadcast_to(plane.flat[0], plane.shape))
        yield from ((waiting, True, True) for waiting in blanks)


def looks_coloured(shape: tuple[int, ...]) -> bool:
    """Whether a volume of this shape is rather one image in colours."""
    return shape[2] in COLOURS and min(shape[:2]) >= LEAST_SIDE


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

    Raises SourceError if a pixel is not finite, or an integer would lose its exact value.
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
            "expected numbers; replace them before publishing"
        )
    return pixels
