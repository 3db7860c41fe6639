"""Areal surface texture after ISO 25178-2, of height maps with holes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PARAMETERS = ("Sa", "Sq", "Sz", "Ssk", "Sku", "Sdr")
MIN_PIXELS = 16


def areal(height: NDArray[Any], step: float | tuple[float, float]) -> dict[str, float]:
    """Areal parameters of a height map, its least-squares plane removed.

    `height`: (ny, nx), NaN = not measurable and left out; `step`: pixel pitch, one number or (y,
    x), in the unit of `height`. Returns Sa (mean absolute), Sq (rms) and Sz (highest to lowest)
    in that unit, Ssk (skewness) and Sku (kurtosis) as numbers, and Sdr (developed area in excess
    of the flat one) as a ratio. Sz and Sdr take measuring noise at face value: they are upper
    bounds. All NaN with fewer than 16 pixels; Ssk and Sku NaN for a perfect plane.
    """
    valid = np.isfinite(height)
    count = int(valid.sum())
    if count < MIN_PIXELS:
        return dict.fromkeys(PARAMETERS, float("nan"))
    step_y, step_x = (step, step) if isinstance(step, int | float) else step
    z = _levelled(height, valid)
    square = z * z
    mean_square = float(square.sum()) / count
    cube, fourth = float((square * z).sum()) / count, float((square * square).sum()) / count
    flat = mean_square <= 1e-12 * max(1.0, float(np.abs(height[valid]).max())) ** 2
    return {
        "Sa": float(np.abs(z).sum()) / count,
        "Sq": mean_square**0.5,
        "Sz": float(z.max(where=valid, initial=-np.inf) - z.min(where=valid, initial=np.inf)),
        "Ssk": float("nan") if flat else cube / mean_square**1.5,
        "Sku": float("nan") if flat else fourth / mean_square**2,
        "Sdr": _developed_excess(z, valid, float(step_y), float(step_x)),
    }


def _levelled(height: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Height less its least-squares plane over the valid pixels; 0 where there is none."""
    ny, nx = height.shape
    y = np.linspace(-1.0, 1.0, ny)
    x = np.linspace(-1.0, 1.0, nx)
    z = np.where(valid, height, 0.0).astype(np.float64)
    weights = valid.astype(np.float64)
    row, column = weights.sum(axis=1), weights.sum(axis=0)
    n, sy, sx = row.sum(), row @ y, column @ x
    normal = np.array(
        [
            [n, sy, sx],
            [sy, row @ (y * y), y @ weights @ x],
            [sx, y @ weights @ x, column @ (x * x)],
        ]
    )
    right = np.array([z.sum(), z.sum(axis=1) @ y, z.sum(axis=0) @ x])
    offset, slope_y, slope_x = np.linalg.lstsq(normal, right, rcond=None)[0]
    z -= offset + slope_y * y[:, None] + slope_x * x[None, :]
    z[~valid] = 0.0
    return z


def _developed_excess(
    z: NDArray[np.float64], valid: NDArray[np.bool_], step_y: float, step_x: float
) -> float:
    """Sdr over the cells of four valid pixels, each split in two triangles; NaN without a cell."""
    corners = valid[:-1, :-1] & valid[1:, :-1] & valid[:-1, 1:] & valid[1:, 1:]
    cells = int(corners.sum())
    if cells == 0:
        return float("nan")
    along_x = np.diff(z, axis=1) / step_x
    along_y = np.diff(z, axis=0) / step_y
    upper = np.sqrt(1.0 + along_x[:-1] ** 2 + along_y[:, :-1] ** 2)
    lower = np.sqrt(1.0 + along_x[1:] ** 2 + along_y[:, 1:] ** 2)
    return float((0.5 * (upper + lower) - 1.0).sum(where=corners)) / cells
