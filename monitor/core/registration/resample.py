"""Maps of a scan that has moved → maps in the frame of the reference, with honest errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.interface.heights import Heights, Moss, scatter
from monitor.core.parallel import parallel
from monitor.records import frozen

LEAST_NOISE_SHARE = 0.5

Map = NDArray[np.float32]


def moved_back(
    heights: Heights, shift_yx: NDArray[np.float64], covariance: NDArray[np.float64]
) -> Heights:
    """Heights as they would be had the cell not moved by `shift_yx` (2,), pixels.

    `covariance`: (2, 2) pixel², of the shift. What came into the field is NaN, as is every pixel
    that was NaN. The error is the interpolated one: neighbours share their noise, so that
    interpolation averages little of it away, and by how much is measured; to it is added what cubic
    and linear interpolation differ by, and the slope times the uncertainty of the shift.
    """
    dy, dx = float(shift_yx[0]), float(shift_yx[1])
    height, flattened = resampled(heights.height, dy, dx)
    bottom, _ = resampled(heights.bottom, dy, dx)
    _, variance = resampled(heights.error**2, dy, dx)
    before, after = scatter(heights.height), scatter(height)
    share = after / before if before > 0.0 and np.isfinite(after) else 1.0
    variance *= np.float32(min(1.0, max(LEAST_NOISE_SHARE, share)) ** 2)
    variance += (height - flattened) ** 2
    add_slopes(height, covariance, variance)
    error = np.sqrt(variance)
    error[np.isnan(height)] = np.nan
    moss = None if heights.moss is None else _moved_moss(heights.moss, dy, dx)
    return Heights(frozen(height), frozen(error), frozen(bottom), heights.noise, moss)


def _moved_moss(moss: Moss, dy: float, dx: float) -> Moss:
    front, error, confidence = (
        frozen(resampled(values, dy, dx)[0])
        for values in (moss.front, moss.front_error, moss.confidence)
    )
    return replace(moss, front=front, front_error=error, confidence=confidence)


@parallel()
def resampled(values: Map, dy: float, dx: float) -> tuple[Map, Map]:  # pragma: no cover
    """values(y + dy, x + dx), by cubic and by linear interpolation; (ny, nx) float32 each.

    Cubic convolution over 4 × 4 pixels (Keys, IEEE Trans. ASSP 29, 1981, a = −1/2): it follows
    walls that a linear one would flatten. Beside NaN and the border it is the linear one over the
    pixels that are there; NaN where the nearest pixel is NaN or out of the field.
    """
    ny, nx = values.shape
    cubic = np.full((ny, nx), np.float32(np.nan), np.float32)
    linear = np.full((ny, nx), np.float32(np.nan), np.float32)
    whole_y, whole_x = int(np.floor(dy)), int(np.floor(dx))
    part_y, part_x = dy - whole_y, dx - whole_x
    weights_y, weights_x = keys(part_y), keys(part_x)
    pair_y = np.array([1.0 - part_y, part_y], np.float32)
    pair_x = np.array([1.0 - part_x, part_x], np.float32)
    near_y, near_x = int(np.rint(dy)), int(np.rint(dx))
    for at in prange(max(0, -near_y), min(ny, ny - near_y)):
        y = np.int64(at)
        for x in range(max(0, -near_x), min(nx, nx - near_x)):
            nearest = values[y + near_y, x + near_x]
            if nearest != nearest:
                continue
            j, i = y + whole_y, x + whole_x
            total, weight = np.float32(0.0), np.float32(0.0)
            for b in range(2):
                for a in range(2):
                    if 0 <= j + b < ny and 0 <= i + a < nx:
                        value = values[j + b, i + a]
                        if value == value:
                            share = pair_y[b] * pair_x[a]
                            total += share * value
                            weight += share
            linear[y, x] = cubic[y, x] = total / weight
            if 1 <= j < ny - 2 and 1 <= i < nx - 2:
                total = np.float32(0.0)
                for b in range(4):
                    row = np.float32(0.0)
                    for a in range(4):
                        row += weights_x[a] * values[j + b - 1, i + a - 1]
                    total += weights_y[b] * row
                if total == total:
                    cubic[y, x] = total
    return cubic, linear


@njit(nogil=True, cache=True)
def keys(t: float) -> Map:  # pragma: no cover
    """Weights (4,) of the pixels at −1, 0, 1, 2 for a place at 0 ≤ t < 1."""
    return np.array(
        [
            -0.5 * t + t**2 - 0.5 * t**3,
            1.0 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2.0 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        ],
        np.float32,
    )


@parallel()
def add_slopes(
    height: Map, covariance: NDArray[np.float64], variance: Map
) -> None:  # pragma: no cover
    """Adds gᵀ C g to `variance` (mutated), g the slope of `height` per pixel, if it is known."""
    ny, nx = height.shape
    yy, xx = covariance[0, 0], covariance[1, 1]
    xy = covariance[0, 1] + covariance[1, 0]
    for at in prange(1, ny - 1):
        y = np.int64(at)
        for x in range(1, nx - 1):
            u = 0.5 * (height[y + 1, x] - height[y - 1, x])
            v = 0.5 * (height[y, x + 1] - height[y, x - 1])
            more = u * u * yy + v * v * xx + u * v * xy
            if more == more:
                variance[y, x] += more
