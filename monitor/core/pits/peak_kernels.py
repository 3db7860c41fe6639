"""Loops over the deepest places of pits: depths by a fit of a paraboloid, and their errors."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel

Map = NDArray[np.float32]
WALL_SHARE = 0.7
LEAST_PLACES = 12
"""Fewer pixels bear no fit of a paraboloid."""


@njit(nogil=True, cache=True)
def _solve(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> None:  # pragma: no cover
    """Gaussian elimination of a positive definite system; the solution replaces `right`."""
    n = right.size
    for i in range(n):
        for j in range(i + 1, n):
            factor = matrix[j, i] / matrix[i, i]
            for k in range(i, n):
                matrix[j, k] -= factor * matrix[i, k]
            right[j] -= factor * right[i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]


@njit(nogil=True, cache=True)
def _floor(
    depth: Map,
    labels: NDArray[np.int32],
    peak: int,
    radius: float,
    smoothed: Map,
    found: NDArray[np.int64],
) -> int:  # pragma: no cover
    """Number of measured pixels of a pit within `radius` of its peak, without the walls, which are
    less than 0.7 of the smoothed depth deep. Fills `found` with their (y, x) from the peak."""
    ny, nx = depth.shape
    cy, cx = peak // nx, peak % nx
    reach, own, count = int(radius), labels[cy, cx], 0
    for y in range(max(0, cy - reach), min(ny, cy + reach + 1)):
        for x in range(max(0, cx - reach), min(nx, cx + reach + 1)):
            r2 = (y - cy) ** 2 + (x - cx) ** 2
            if r2 > radius**2 or labels[y, x] != own or not np.isfinite(depth[y, x]):
                continue
            if smoothed[y, x] < WALL_SHARE * smoothed[cy, cx]:
                continue
            found[count, 0], found[count, 1] = y - cy, x - cx
            count += 1
    return count


@njit(nogil=True, cache=True)
def _paraboloid(
    depth: Map,
    peak: int,
    places: NDArray[np.int64],
    normal: NDArray[np.float64],
    right: NDArray[np.float64],
) -> None:  # pragma: no cover
    """Fills the normal equations of a + bx·x + by·y + c·r² over these places around a peak."""
    nx = depth.shape[1]
    basis = np.empty(4)
    normal[:] = 0.0
    right[:] = 0.0
    for k in range(places.shape[0]):
        y, x = places[k]
        basis[0], basis[1], basis[2], basis[3] = 1.0, x, y, y * y + x * x
        for i in range(4):
            right[i] += basis[i] * depth[peak // nx + y, peak % nx + x]
            for j in range(4):
                normal[i, j] += basis[i] * basis[j]


@parallel()
def peak_depths(
    depth: Map,
    labels: NDArray[np.int32],
    peaks: NDArray[np.int64],
    radius: NDArray[np.float64],
    smoothed: Map,
) -> NDArray[np.float64]:  # pragma: no cover
    """Depth at each peak: least-squares paraboloid a + bx·x + by·y + c·r² over the pixels around
    it.

    Averaging over `radius` pixels takes out the excess that the largest of many noisy values has;
    the curvature term takes out the flattening. The walls, less than 0.7 of the smoothed depth
    deep, are left out. Falls back to the smoothed depth with few pixels.
    """
    found = np.empty(peaks.size)
    for k in prange(peaks.size):
        found[k] = _peak_depth(depth, labels, peaks[k], radius[k], smoothed)
    return found


@njit(nogil=True, cache=True)
def _peak_depth(
    depth: Map, labels: NDArray[np.int32], peak: int, radius: float, smoothed: Map
) -> float:  # pragma: no cover
    normal, right = np.empty((4, 4)), np.empty(4)
    places = np.empty(((2 * int(radius) + 1) ** 2, 2), np.int64)
    count = _floor(depth, labels, peak, radius, smoothed, places)
    if count < LEAST_PLACES:
        return float(smoothed.flat[peak])
    _paraboloid(depth, peak, places[:count], normal, right)
    _solve(normal, right)
    a, bx, by, c = right
    if c < 0.0:
        shift2 = (bx * bx + by * by) / (4.0 * c * c)
        if shift2 <= radius**2:
            return float(a - c * shift2)
    return float(a)


@parallel()
def peak_errors(
    depth: Map,
    error: Map,
    labels: NDArray[np.int32],
    peaks: NDArray[np.int64],
    radius: NDArray[np.float64],
    smoothed: Map,
    noise: Map,
    correlation: NDArray[np.float64],
) -> NDArray[np.float64]:  # pragma: no cover
    """Standard error of what `peak_depths` finds, from the errors of the pixels that it fits.

    The depth at the vertex is Σ wᵢ dᵢ with w = B N⁻¹ b(vertex), as the slope is 0 there; so its
    variance is Σ wᵢ wⱼ eᵢ eⱼ ρ(rᵢⱼ²). `correlation`: ρ by squared distance in px, 0 beyond its
    end. With few pixels, it is that of the smoothed depth at each peak, `noise` (n,).
    """
    found = np.empty(peaks.size)
    for k in prange(peaks.size):
        variance = _peak_variance(depth, error, labels, peaks[k], radius[k], smoothed, correlation)
        found[k] = np.sqrt(variance) if variance == variance else noise[k]
    return found


@njit(nogil=True, cache=True)
def _peak_variance(
    depth: Map,
    error: Map,
    labels: NDArray[np.int32],
    peak: int,
    radius: float,
    smoothed: Map,
    correlation: NDArray[np.float64],
) -> float:  # pragma: no cover
    """NaN with few pixels."""
    nx = depth.shape[1]
    normal, right, terms = np.empty((4, 4)), np.empty(4), np.zeros(4)
    places = np.empty(((2 * int(radius) + 1) ** 2, 2), np.int64)
    count = _floor(depth, labels, peak, radius, smoothed, places)
    if count < LEAST_PLACES:
        return np.nan
    _paraboloid(depth, peak, places[:count], normal, right)
    again = normal.copy()
    _solve(normal, right)
    _, bx, by, c = right
    terms[0] = 1.0
    if c < 0.0 and bx * bx + by * by <= (2.0 * c * radius) ** 2:
        x, y = -bx / (2.0 * c), -by / (2.0 * c)
        terms[1], terms[2], terms[3] = x, y, x * x + y * y
    _solve(again, terms)
    weight = np.empty(count)
    for i in range(count):
        j, k = places[i]
        w = terms[0] + terms[1] * k + terms[2] * j + terms[3] * (k * k + j * j)
        weight[i] = w * error[peak // nx + j, peak % nx + k]
    return float(_variance(weight, places[:count], correlation))


@njit(nogil=True, cache=True)
def _variance(
    weight: NDArray[np.float64], places: NDArray[np.int64], correlation: NDArray[np.float64]
) -> float:  # pragma: no cover
    total = 0.0
    for i in range(weight.size):
        total += weight[i] * weight[i]
        for j in range(i):
            r2 = (places[i, 0] - places[j, 0]) ** 2 + (places[i, 1] - places[j, 1]) ** 2
            if r2 < correlation.size:
                total += 2.0 * weight[i] * weight[j] * correlation[r2]
    return max(total, 0.0)
