"""Areal surface texture after ISO 25178-2, of height maps with holes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from monitor.records import frozen

PARAMETERS = ("Sa", "Sq", "Sz", "Ssk", "Sku", "Sdr")
MIN_PIXELS = 16
FLAT_SHARE = 1e-6
"""Rounding of float32: a surface flatter than this share of its height has no shape."""


def areal(height: NDArray[Any], step: float | tuple[float, float]) -> dict[str, float]:
    """Areal parameters of a height map, its least-squares plane removed.

    `height`: (ny, nx), NaN = not measurable and left out; `step`: pixel pitch, one number or (y,
    x), in the unit of `height`. Returns Sa (mean absolute), Sq (rms) and Sz (highest to lowest)
    in that unit, Ssk (skewness) and Sku (kurtosis) as numbers, and Sdr (developed area in excess
    of the flat one) as a ratio. Sz and Sdr take measuring noise at face value: they are upper
    bounds. All NaN with fewer than 16 pixels; Ssk and Sku NaN for a perfect plane.
    """
    step_y, step_x = (step, step) if isinstance(step, int | float) else step
    values = frozen(np.ascontiguousarray(height, np.float32)[...])
    normal, right = plane_sums(values)
    count = int(normal[0, 0])
    if count < MIN_PIXELS:
        return dict.fromkeys(PARAMETERS, float("nan"))
    offset, slope_y, slope_x = np.linalg.lstsq(normal, right, rcond=None)[0]
    absolute, square, cube, fourth, lowest, highest, excess = texture_sums(
        values, offset, slope_y, slope_x, float(step_y), float(step_x)
    )
    mean_square = square / count
    flat = mean_square <= FLAT_SHARE**2 * max(1.0, float(np.nanmax(np.abs(values)))) ** 2
    return {
        "Sa": absolute / count,
        "Sq": mean_square**0.5,
        "Sz": highest - lowest,
        "Ssk": float("nan") if flat else cube / count / mean_square**1.5,
        "Sku": float("nan") if flat else fourth / count / mean_square**2,
        "Sdr": excess,
    }


@njit(nogil=True, cache=True)
def plane_sums(
    height: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # pragma: no cover
    """Normal equations of the plane 1, y, x through the valid pixels, y and x from −1 to 1."""
    ny, nx = height.shape
    normal, right = np.zeros((3, 3)), np.zeros(3)
    for i in range(ny):
        y = 2.0 * i / max(1, ny - 1) - 1.0
        n, sx, sxx, sz, sxz = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(nx):
            z = float(height[i, j])
            if np.isfinite(z):
                x = 2.0 * j / max(1, nx - 1) - 1.0
                n += 1.0
                sx += x
                sxx += x * x
                sz += z
                sxz += x * z
        normal += np.array([[n, n * y, sx], [n * y, n * y * y, sx * y], [sx, sx * y, sxx]])
        right += np.array([sz, sz * y, sxz])
    return normal, right


@njit(nogil=True, cache=True)
def texture_sums(
    height: NDArray[np.float32],
    offset: float,
    slope_y: float,
    slope_x: float,
    step_y: float,
    step_x: float,
) -> tuple[float, float, float, float, float, float, float]:  # pragma: no cover
    """Of the height above the plane: Σ|z|, Σz², Σz³, Σz⁴, lowest, highest, and developed excess.

    The excess is over the cells of four valid pixels, each split in two triangles; NaN without
    a cell.
    """
    ny, nx = height.shape
    row, before = np.empty(nx), np.full(nx, np.nan)
    absolute, square, cube, fourth = 0.0, 0.0, 0.0, 0.0
    lowest, highest = np.inf, -np.inf
    area, cells = 0.0, 0
    for i in range(ny):
        level = offset + slope_y * (2.0 * i / max(1, ny - 1) - 1.0)
        for j in range(nx):
            z = height[i, j] - level - slope_x * (2.0 * j / max(1, nx - 1) - 1.0)
            row[j] = z
            if np.isfinite(z):
                absolute += abs(z)
                square += z * z
                cube += z * z * z
                fourth += z * z * z * z
                lowest, highest = min(lowest, z), max(highest, z)
        for j in range(nx - 1):
            along_y = (row[j] - before[j]) / step_y
            along_y_next = (row[j + 1] - before[j + 1]) / step_y
            along_x = (row[j + 1] - row[j]) / step_x
            along_x_before = (before[j + 1] - before[j]) / step_x
            cell = 0.5 * (
                np.sqrt(1.0 + along_x_before * along_x_before + along_y * along_y)
                + np.sqrt(1.0 + along_x * along_x + along_y_next * along_y_next)
            )
            if np.isfinite(cell):
                area += cell
                cells += 1
        row, before = before, row
    excess = area / cells - 1.0 if cells else np.nan
    return absolute, square, cube, fourth, lowest, highest, excess
