"""Two bottoms of one cell → how far it has moved along z and tilted between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.robust import MAD_TO_SIGMA

TILES = 8
SAMPLES_A_TILE = 16
LEAST_TILES = 8
OUTLIER = 4.0
ROUNDING = 1e-5

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plane:
    """How a bottom lies on that of the reference: offset in the middle of the field in the length
    unit, slopes (length per length), with their standard errors; NaN where it is not known."""

    z: float = math.nan
    slope_y: float = math.nan
    slope_x: float = math.nan
    z_error: float = math.nan
    slope_error: float = math.nan

    def over(self, shape: tuple[int, int], step_yx: tuple[float, float]) -> Map:
        """(ny, nx) float32, in the length unit."""
        y, x = (
            (np.arange(n) - 0.5 * (n - 1)) * d * slope
            for n, d, slope in zip(shape, step_yx, (self.slope_y, self.slope_x), strict=True)
        )
        return np.asarray(self.z + y[:, None] + x, np.float32)


def fitted_plane(reference: Map, bottom: Map, step_yx: tuple[float, float]) -> Plane:
    """Least-squares plane through `bottom` − `reference`, both (ny, nx), NaN left out.

    The medians of 8 × 8 tiles are fitted, those far off left out; their scatter gives the errors.
    """
    ny, nx = bottom.shape
    every = max(1, ny // (TILES * SAMPLES_A_TILE)), max(1, nx // (TILES * SAMPLES_A_TILE))
    grid = np.s_[every[0] // 2 :: every[0], every[1] // 2 :: every[1]]
    off = bottom[grid].astype(np.float64) - reference[grid]
    y = (np.arange(ny)[grid[0]] - 0.5 * (ny - 1)) * step_yx[0]
    x = (np.arange(nx)[grid[1]] - 0.5 * (nx - 1)) * step_yx[1]
    rows = []
    for tile_y in np.array_split(np.arange(len(y)), TILES):
        for tile_x in np.array_split(np.arange(len(x)), TILES):
            values = off[np.ix_(tile_y, tile_x)]
            known = np.isfinite(values)
            if known.sum() * 2 > values.size:
                middle = np.median(values[known])
                rows.append((1.0, y[tile_y].mean(), x[tile_x].mean(), middle))
    table = np.array(rows).reshape(-1, 4)
    if len(table) < LEAST_TILES:
        return Plane()
    rest = np.abs(_fit(table)[1])
    table = table[rest <= OUTLIER * MAD_TO_SIGMA * np.median(rest) + ROUNDING]
    solution, rest = _fit(table)
    variance = float(rest @ rest) / (len(rest) - 3)
    errors = np.sqrt(variance * np.diag(np.linalg.pinv(table[:, :3].T @ table[:, :3])))
    z, slope_y, slope_x = map(float, solution)
    return Plane(z, slope_y, slope_x, float(errors[0]), float(max(errors[1:])))


def _fit(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least squares of the last column by the three before it, and what is left."""
    solution = np.linalg.lstsq(table[:, :3], table[:, 3], rcond=None)[0]
    return np.asarray(solution), np.asarray(table[:, 3] - table[:, :3] @ solution)
