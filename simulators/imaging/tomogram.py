"""Truth → slices: what the reconstruction would hand out for a height map.

The grey value of a voxel at height z (in voxels) above slice 0 is

    lithium + (electrolyte - lithium) S(z - top) + (collector - lithium) (1 - S(z - bottom))
    S(u) = Φ(u/s) + a (u/w) exp((1 - (u/w)²)/2)

plus noise and artefacts. Where moss of porosity p lies between `top` and `front`, S(z - top) is
replaced by p S(z - top) + (1 - p) S(z - front): a grey level between, and two edges.
Φ is the normal distribution function (an edge blurred by a Gaussian of
s voxels); the second term is the bright/dark pair that phase contrast leaves at an edge, of
extreme ±a at u = ±w.
A slice is a pure function of (heights, imaging, scan seed, index): order and repeats do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtr

from simulators.truth.deposit import Moss

BANK_LENGTH = 2**20
EDGE_REACH = 8.0  # in blurs or fringe widths: beyond it a layer has its plain grey level
EDGE_STEPS = 2048


@dataclass(frozen=True, slots=True)
class Levels:
    """Grey level of each layer; lithium is darkest, the collector brightest."""

    collector: float
    lithium: float
    electrolyte: float

    @property
    def contrast(self) -> float:
        return self.electrolyte - self.lithium


LEVELS = {
    "uint8": Levels(collector=200.0, lithium=80.0, electrolyte=112.0),
    "uint16": Levels(collector=42000.0, lithium=20000.0, electrolyte=26000.0),
    "float32": Levels(collector=0.80, lithium=0.0755, electrolyte=0.235),
}


@dataclass(frozen=True, slots=True)
class Imaging:
    """How the beamline sees a cell. Lengths in voxels along z, fractions of the contrast."""

    dtype: Literal["uint8", "uint16", "float32"] = "uint16"
    axis: Literal["z", "y"] = "z"
    reversed_z: bool = False
    voxel_um: float = 0.717
    slices: int = 250
    collector_slices: float = 12.0
    cnr: float = 3.0
    blur: float = 0.8
    fringe: float = 0.3
    fringe_width: float = 1.4
    rings: float = 0.0
    gain_drift: float = 0.002
    offset_drift: float = 0.01
    z_drift: float = 0.3

    @property
    def levels(self) -> Levels:
        return LEVELS[self.dtype]


class Tomogram:
    """One scan of a height map. `slice(i)` renders slice `i` along `imaging.axis`, as sent."""

    def __init__(
        self,
        heights_um: NDArray[np.float64],
        imaging: Imaging,
        seed: int | tuple[int, ...] = 0,
        moss: Moss | None = None,
    ) -> None:
        """`heights_um`: (ny, nx) float64 µm, thickness of dense lithium above the collector.

        `moss`: what lies on it, if anything. `seed` names the scan: the same seed gives the same
        noise and drift.
        """
        self.imaging = imaging
        self._seed = (seed,) if isinstance(seed, int) else tuple(seed)
        rng = np.random.default_rng((*self._seed, 0))
        levels = imaging.levels
        self._gain = 1.0 + imaging.gain_drift * rng.normal()
        self._offset = imaging.offset_drift * levels.contrast * rng.normal()
        self.bottom = imaging.collector_slices - 0.5 + imaging.z_drift * rng.normal()
        self.top = (self.bottom + heights_um / imaging.voxel_um).astype(np.float32)
        self.front: NDArray[np.float32] | None = None
        self._porosity = 1.0
        if moss is not None:
            front_um = heights_um + moss.thickness_um
            self.front = (self.bottom + front_um / imaging.voxel_um).astype(np.float32)
            self._porosity = moss.porosity
        self._edge = _edge_table(imaging.blur, imaging.fringe, imaging.fringe_width)
        self._reach = EDGE_REACH * max(imaging.blur, imaging.fringe_width)
        self._radius = _radius_map(*heights_um.shape) if imaging.rings > 0.0 else None

    @property
    def volume_shape(self) -> tuple[int, int, int]:
        """(nz, ny, nx)."""
        ny, nx = self.top.shape
        return (self.imaging.slices, ny, nx)

    @property
    def slice_count(self) -> int:
        return self.imaging.slices if self.imaging.axis == "z" else self.top.shape[0]

    def slice(self, index: int) -> NDArray[Any]:
        """Slice `index`: (ny, nx), or (nz, nx) for axis y, in the imaging's dtype."""
        if not 0 <= index < self.slice_count:
            raise IndexError(f"slice {index} of {self.slice_count}")
        rng = np.random.default_rng((*self._seed, 1, index))
        if self.imaging.axis == "z":
            z = np.full(self.top.shape[0], self._upright(index))
            top, front = self.top, self.front
        else:
            z = self._upright(np.arange(self.imaging.slices))
            top = _upended(self.top[index], len(z))
            front = None if self.front is None else _upended(self.front[index], len(z))
        return self._expose(top, front, z.astype(np.float32), rng, index)

    def _upright(self, index: Any) -> Any:
        return self.imaging.slices - 1 - index if self.imaging.reversed_z else index

    def _expose(
        self,
        top: NDArray[np.float32],
        front: NDArray[np.float32] | None,
        z: NDArray[np.float32],
        rng: np.random.Generator,
        index: int,
    ) -> NDArray[Any]:
        levels, dtype = self.imaging.levels, np.dtype(self.imaging.dtype)
        floor = levels.collector - levels.lithium
        edge = np.interp(z - self.bottom, self._edge_axis, self._edge)
        base = levels.lithium + floor * (1.0 - edge)
        noise = levels.contrast / self.imaging.cnr if np.isfinite(self.imaging.cnr) else 0.0
        out = np.empty(top.shape, dtype)
        span = BANK_LENGTH - top.shape[1]
        seen = (
            z,
            (self._offset + self._gain * base).astype(np.float32),
            np.float32(self._gain * levels.contrast),
            self._edge,
            np.float32(self._reach),
            _noise_bank(),
            rng.integers(0, span, len(z)),
            (noise * rng.choice((-1.0, 1.0), len(z))).astype(np.float32),
            np.float32(0.0 if dtype.kind == "f" else np.iinfo(dtype).max),
        )
        if front is None:
            _render(out, top, *seen)
        else:
            _render_moss(out, top, front, np.float32(self._porosity), *seen)
        if self._radius is not None and self.imaging.axis == "z":
            rings = (
                self.imaging.rings * levels.contrast * rng.normal(size=int(self._radius.max()) + 1)
            )
            out = _added(out, rings[self._radius])
        return out

    @property
    def _edge_axis(self) -> NDArray[np.float64]:
        return np.linspace(-self._reach, self._reach, EDGE_STEPS + 1)


def edge_shape(
    u: NDArray[np.float64], blur: float, fringe: float, fringe_width: float
) -> NDArray[np.float64]:
    """S(u) of the module: 0 far below an edge, 1 far above it. `u` in voxels, any shape."""
    v = u / fringe_width
    return np.asarray(ndtr(u / blur) + fringe * v * np.exp(0.5 * (1.0 - v * v)))


def _upended(row: NDArray[np.float32], nz: int) -> NDArray[np.float32]:
    """(nz, nx): one row of heights for every height z."""
    return np.broadcast_to(row, (nz, len(row))).copy()


@cache
def _edge_table(blur: float, fringe: float, fringe_width: float) -> NDArray[np.float32]:
    reach = EDGE_REACH * max(blur, fringe_width)
    u = np.linspace(-reach, reach, EDGE_STEPS + 1)
    return edge_shape(u, blur, fringe, fringe_width).astype(np.float32)


@cache
def _noise_bank() -> NDArray[np.float32]:
    """White Gaussian noise of mean 0 and variance 1; each image row reads it at a random place."""
    noise = np.random.default_rng(20240229).standard_normal(BANK_LENGTH)
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


@cache
def _radius_map(ny: int, nx: int) -> NDArray[np.int32]:
    """(ny, nx) int32: distance from the axis of rotation, in whole voxels."""
    y, x = np.ogrid[:ny, :nx]
    return np.hypot(y - 0.5 * (ny - 1), x - 0.5 * (nx - 1)).astype(np.int32)


def _added(image: NDArray[Any], extra: NDArray[np.float64]) -> NDArray[Any]:
    total = image + extra
    if image.dtype.kind == "u":
        total = np.clip(np.rint(total), 0, np.iinfo(image.dtype).max)
    return total.astype(image.dtype)


@njit(nogil=True, cache=True)
def _render(out, top, z, base, contrast, edge, reach, bank, offset, noise, ceiling):  # type: ignore[no-untyped-def]
    """Fills `out` (rows, nx) with grey levels; row r lies at height z[r] (one value a row).

    `top`: (rows, nx) float32 height of the interface in voxels; `base`: (rows,) level below it;
    `edge`: table of S over [-reach, reach]; `bank`, `offset`, `noise`: noise of row r is
    `noise[r] * bank[offset[r]:]`; `ceiling` > 0 rounds and clips to [0, ceiling].
    """
    scale = np.float32(len(edge) - 1) / (np.float32(2.0) * reach)
    for r in range(out.shape[0]):
        start, sigma = offset[r], noise[r]
        for x in range(out.shape[1]):
            step = _step(z[r] - top[r, x], edge, reach, scale)
            grey = base[r] + contrast * step + sigma * bank[start + x]
            if ceiling > 0:
                grey = min(max(grey + np.float32(0.5), np.float32(0.0)), ceiling)
            out[r, x] = grey


@njit(nogil=True, cache=True)
def _render_moss(  # type: ignore[no-untyped-def]
    out, top, front, porosity, z, base, contrast, edge, reach, bank, offset, noise, ceiling
):
    """As `_render`, with moss of a porosity between `top` and `front` (rows, nx) float32."""
    scale = np.float32(len(edge) - 1) / (np.float32(2.0) * reach)
    for r in range(out.shape[0]):
        start, sigma = offset[r], noise[r]
        for x in range(out.shape[1]):
            low = _step(z[r] - top[r, x], edge, reach, scale)
            high = _step(z[r] - front[r, x], edge, reach, scale)
            step = high + porosity * (low - high)
            grey = base[r] + contrast * step + sigma * bank[start + x]
            if ceiling > 0:
                grey = min(max(grey + np.float32(0.5), np.float32(0.0)), ceiling)
            out[r, x] = grey


@njit(inline="always")
def _step(u, edge, reach, scale):  # type: ignore[no-untyped-def]
    """S(u), linear between the entries of its table over [-reach, reach]."""
    if u <= -reach:
        return np.float32(0.0)
    if u >= reach:
        return np.float32(1.0)
    place = (u + reach) * scale
    cell = min(int(place), len(edge) - 2)
    part = place - np.float32(cell)
    return edge[cell] + part * (edge[cell + 1] - edge[cell])
