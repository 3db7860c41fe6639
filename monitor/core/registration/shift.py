"""Two height maps of one surface → how far it has moved sideways between them.

Both maps are binned by two and lightly smoothed. The correlation of their slopes, of which steep
ones count by their direction alone, gives the shift to a bin: its peak must stand out from all
other lags, and the next highest must be well below. Least squares then finds the fraction (Lucas &
Kanade, IJCAI 1981): the difference of the maps is fitted by the slope of the earlier one. What
pits do to the difference while they grow is fitted with it, tile by tile: a sinking plateau
(constant), pits that deepen in proportion (the height itself) and walls that step back evenly
(steepness); none of these is odd as a shift is. Where the difference is far from the usual, as in
a new pit, it counts less. Errors are those of a jackknife over the tiles: they hold noise and
uneven growth alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray
from scipy import fft

from monitor.core.registration import shift_kernels as kernels
from monitor.core.registration.shift_kernels import BIN

WINDOW = 2048
STEEP_SIGMA = 4.0
USUAL_SIGMA = 4.0
NOISE_ENERGY = 1.0 / 32.0
TILE, LEAST_TILE, TILES_A_SIDE = 32, 8, 8
LEAST_SIDE = 16
SIGNIFICANT = 7.0
UNIQUE = 1.3
EXPECTED, MISSED = 2.0, 0.3
NEAR_PEAK = 12
ITERATIONS = 12
SETTLED_BINS = 0.01
FARTHEST_STEP = 3.0
LEAST_TILES = 6
LEAST_ERROR_PX, LARGEST_ERROR_PX = 0.003, 0.5
CAUTION = 1.2
"""Pieces of one wall are not quite independent: phantoms scatter by this much more."""
FAR_PX = 4.0

Map = NDArray[np.float32]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Structure:
    """What of a height map can be found again: binned by two, the middle of a large map.

    `surface`: (ny, nx) float32, mean height 0, NaN = not measured; `slope_y`, `slope_x`: of it, per
    bin; `spectrum`: of the directions of the slope, zero-padded; `energy`: the sum of their squares
    beyond that of noise; `usual`: how far the difference of two maps may be from its middle.
    """

    surface: Map
    slope_y: Map
    slope_x: Map
    spectrum: NDArray[np.complex64]
    energy: float
    usual: float


@dataclass(frozen=True, eq=False)
class Shift:
    """`yx`: (2,) pixels by which a structure lies farther along y and x in the later map, with its
    (2, 2) covariance; both are only there where it was "found". "featureless": too little
    structure to tell; "lost": the structure is there, and yet it does not match; `guess_px` is
    then how far it may have moved, NaN = no idea."""

    state: Literal["found", "featureless", "lost"]
    yx: NDArray[np.float64]
    covariance: Matrix
    guess_px: float = float("nan")


def structure(height: Map, noise: float) -> Structure | None:
    """`height`: (ny, nx) float32, NaN = not measured; `noise`: its standard deviation, above 0.

    None if too little is measured.
    """
    part = height[_middle(height.shape[0]), _middle(height.shape[1])]
    if min(part.shape) < LEAST_SIDE * BIN:
        return None
    surface = kernels.binned(np.ascontiguousarray(part, np.float32))
    known = np.isfinite(surface)
    bins = int(known.sum())
    if bins < LEAST_SIDE**2:
        return None
    surface = kernels.smoothed(surface - np.float32(surface[known].mean(dtype=np.float64)))
    slope_y, slope_x = kernels.slopes(surface)
    directions = kernels.directions(slope_y, slope_x, STEEP_SIGMA * noise)
    padded = tuple(fft.next_fast_len(n + n // 4) for n in directions.shape)
    spectrum = fft.fft2(directions, padded, workers=get_num_threads())
    energy = float(np.vdot(directions, directions).real) - NOISE_ENERGY * bins
    return Structure(surface, slope_y, slope_x, spectrum, energy, USUAL_SIGMA * noise)


def find_shift(before: Structure, now: Structure, reach_px: float) -> Shift:
    """The shift from `before` to `now`, looked for within `reach_px` along y and x."""
    peak = _peak(before, now)
    # a quarter of a small field may be looked at
    reach = min(reach_px / BIN, min(before.surface.shape) / 4.0)
    guess = BIN * math.hypot(*peak.lag)
    if peak.significance < SIGNIFICANT or peak.height < UNIQUE * peak.second:
        sure = min(before.energy, now.energy)
        missed = sure > EXPECTED * SIGNIFICANT * peak.scatter and peak.height < MISSED * sure
        return _unknown("lost" if missed else "featureless")
    if max(abs(peak.lag[0]), abs(peak.lag[1])) > reach:
        return _unknown("lost", guess)
    side = max(LEAST_TILE, min(TILE, min(before.surface.shape) // TILES_A_SIDE))
    for tile in (side, LEAST_TILE):  # of a few pits, parts are compared
        found = _refined(before, now, peak.lag, tile)
        if found is not None:
            return found
    return _unknown("lost" if guess > FAR_PX else "featureless", guess)


def _unknown(state: Literal["featureless", "lost"], guess_px: float = float("nan")) -> Shift:
    return Shift(state, np.full(2, np.nan), np.full((2, 2), np.nan), guess_px)


def _middle(size: int) -> slice:
    first = max(0, (size - WINDOW) // 2)
    return slice(first, first + min(size, WINDOW))


@dataclass(frozen=True, slots=True)
class _Peak:
    """The highest correlation: at which lag (y, x) in bins; `second`: the highest one farther than
    `NEAR_PEAK` away; `scatter`: standard deviation of those."""

    lag: tuple[float, float]
    height: float
    second: float
    scatter: float

    @property
    def significance(self) -> float:
        return self.height / self.scatter if self.scatter > 0.0 else 0.0


def _peak(before: Structure, now: Structure) -> _Peak:
    correlation = fft.ifft2(
        np.conj(before.spectrum) * now.spectrum, workers=get_num_threads()
    ).real.copy()
    ny, nx = correlation.shape
    y, x = divmod(int(correlation.argmax()), nx)
    height = float(correlation[y, x])
    near = np.arange(-NEAR_PEAK, NEAR_PEAK + 1)
    around = np.ix_((y + near) % ny, (x + near) % nx)
    correlation[around] = 0.0
    second, others = float(correlation.max()), max(1, correlation.size - near.size**2)
    scatter = math.sqrt(float(np.vdot(correlation, correlation)) / others)
    lag = float(y - ny if y > ny // 2 else y), float(x - nx if x > nx // 2 else x)
    return _Peak(lag, height, second, scatter)


def _refined(
    before: Structure, now: Structure, start: tuple[float, float], side: int
) -> Shift | None:
    """The shift by least squares from a first guess in bins; None if there is no minimum."""
    shift = np.array(start, np.float64)
    settled = False
    for _ in range(ITERATIONS):
        normal, right = kernels.normal_equations(
            before.surface, before.slope_y, before.slope_x,
            now.surface, now.slope_y, now.slope_x, shift[0], shift[1], side, before.usual,
        )  # fmt: skip
        used = np.abs(normal).sum(axis=(1, 2)) > 0.0
        if used.sum() < LEAST_TILES:
            return None
        normal, right = normal[used], right[used]
        step = _solved(normal.sum(axis=0), right.sum(axis=0))
        if step is None:
            return None
        shift = shift + step
        if np.abs(shift - start).max() > FARTHEST_STEP:
            return None
        if np.abs(step).max() < SETTLED_BINS:
            settled = True
            break
    covariance = _jackknife(normal, right) if settled else None
    if covariance is None or not np.sqrt(np.trace(covariance)) * BIN < LARGEST_ERROR_PX:
        return None
    covariance = (CAUTION * BIN) ** 2 * covariance + LEAST_ERROR_PX**2 * np.eye(2)
    return Shift("found", BIN * shift, covariance)


def _solved(normal: Matrix, right: Matrix) -> Matrix | None:
    """Solutions of 2 × 2 normal equations (…, 2, 2), (…, 2), where all of them have a minimum."""
    even = 0.5 * (normal + np.swapaxes(normal, -1, -2))
    if not (np.all(even[..., 0, 0] > 0.0) and np.all(np.linalg.det(even) > 0.0)):
        return None
    return np.asarray(np.linalg.solve(even, right[..., None])[..., 0])


def _jackknife(normal: Matrix, right: Matrix) -> Matrix | None:
    """Covariance of the solution by leaving out one tile after the other (Efron 1982)."""
    left_out = _solved(normal.sum(axis=0) - normal, right.sum(axis=0) - right)
    if left_out is None:
        return None
    spread = left_out - left_out.mean(axis=0)
    tiles = len(left_out)
    return np.asarray((tiles - 1) / tiles * spread.T @ spread)
