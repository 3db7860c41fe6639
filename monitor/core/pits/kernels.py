"""Loops behind `detect.py`: smoothing with holes, splitting into basins, fits and sums per pit."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Map = NDArray[np.float32]
LEVELS = 1 << 16
WALL_SHARE = 0.7


@njit(nogil=True, cache=True)
def smooth(
    depth: Map, error: Map, taps: NDArray[np.float32], min_weight: float
) -> tuple[Map, Map]:  # pragma: no cover
    """Normalised convolution with a separable kernel, and the standard error of its result.

    A pixel counts where depth and error are finite. For white noise, var = Σ g² e² / (Σ g)². NaN
    where less than `min_weight` of the kernel lies on counting pixels; outside of the field no
    pixel counts. (Knutsson & Westin, Normalized and differential convolution, CVPR 1993.)
    """
    ny, nx = depth.shape
    reach = taps.size // 2
    squared = taps * taps
    filled = np.zeros((3, ny, nx), np.float32)
    for y in range(ny):
        for x in range(nx):
            d, e = depth[y, x], error[y, x]
            if np.isfinite(d) and np.isfinite(e):
                filled[0, y, x], filled[1, y, x], filled[2, y, x] = d, e * e, 1.0
    mean = np.full((ny, nx), np.float32(np.nan), np.float32)
    noise = np.full((ny, nx), np.float32(np.nan), np.float32)
    sums = np.zeros((3, nx + 2 * reach), np.float32)
    total = np.zeros((3, nx), np.float32)
    for y in range(ny):
        sums[:] = 0.0
        total[:] = 0.0
        for field in range(3):
            kernel = squared if field == 1 else taps
            for k in range(max(-reach, -y), min(reach, ny - 1 - y) + 1):
                _add_scaled(
                    sums[field, reach : reach + nx], filled[field, y + k], kernel[k + reach]
                )
            for k in range(taps.size):
                _add_scaled(total[field], sums[field, k : k + nx], kernel[k])
        for x in range(nx):
            weight = total[2, x]
            if weight >= min_weight:
                mean[y, x] = total[0, x] / weight
                noise[y, x] = np.sqrt(total[1, x]) / weight
    return mean, noise


@njit(nogil=True, cache=True)
def _add_scaled(total: Map, values: Map, factor: float) -> None:  # pragma: no cover
    for i in range(total.size):
        total[i] += factor * values[i]


@njit(nogil=True, cache=True)
def deepest_first(values: Map) -> NDArray[np.int64]:  # pragma: no cover
    """Order of `values` from the largest down, in 65536 levels (counting sort, stable)."""
    places = np.zeros(LEVELS + 1, np.int64)
    order = np.empty(values.size, np.int64)
    if values.size == 0:
        return order
    low, high = values.min(), values.max()
    scale = (LEVELS - 1) / (high - low) if high > low else 0.0
    for i in range(values.size):
        places[LEVELS - int((values[i] - low) * scale)] += 1
    places = np.cumsum(places)
    for i in range(values.size):
        bucket = LEVELS - 1 - int((values[i] - low) * scale)
        order[places[bucket]] = i
        places[bucket] += 1
    return order


@njit(nogil=True, cache=True)
def catchments(
    smoothed: Map, noise: Map, significance: float, min_depth: float
) -> tuple[NDArray[np.int32], NDArray[np.int64], Map]:  # pragma: no cover
    """Which local maximum each pixel deeper than both limits climbs to, by steepest ascent.

    Returns the padded labels (ny + 2, nx + 2) 1…n, 0 = not deep enough, the flat index of the
    maxima in the map, and the padded depths (−inf = not deep enough). Of equal depths the
    pixel that comes first in the map counts as the deeper one.
    """
    ny, nx = smoothed.shape
    width = nx + 2
    depth = np.full((ny + 2) * width, np.float32(-np.inf), np.float32)
    for y in range(ny):
        for x in range(nx):
            v = smoothed[y, x]
            if v > min_depth and v > significance * noise[y, x]:
                depth[(y + 1) * width + x + 1] = v
    around = np.array([-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1])
    towards = np.zeros(depth.size, np.int32)
    labels = np.zeros(depth.size, np.int32)
    peaks = np.empty(depth.size // 2, np.int64)
    count = 0
    for p in range(width + 1, depth.size - width - 1):
        deepest = depth[p]
        if deepest == -np.inf:
            continue
        towards[p] = p
        for i in range(8):
            v = depth[p + around[i]]
            if v > deepest or (i < 4 and v == deepest and towards[p] == p):
                deepest = v
                towards[p] = p + around[i]
        if towards[p] == p:
            peaks[count] = (p // width - 1) * nx + p % width - 1
            count += 1
            labels[p] = count
    for p in range(width + 1, depth.size - width - 1):
        top = p
        while labels[top] == 0 and towards[top] != 0:
            top = towards[top]
        label = labels[top]
        top = p
        while labels[top] == 0 and towards[top] != 0:
            labels[top] = label
            top = towards[top]
    return labels.reshape(ny + 2, width), peaks[:count].copy(), depth.reshape(ny + 2, width)


@njit(nogil=True, cache=True)
def saddles(
    labels: NDArray[np.int32], depth: Map
) -> tuple[NDArray[np.int32], Map]:  # pragma: no cover
    """Contacts of different labels: (n, 2) the pair, (n,) depth of the shallower of the two."""
    flat, value = labels.ravel(), depth.ravel()
    width = labels.shape[1]
    ahead = np.array([1, width - 1, width, width + 1])
    count = 0
    pairs = np.empty((1024, 2), np.int32)
    heights = np.empty(1024, np.float32)
    for p in range(flat.size - width - 1):
        if flat[p] == 0:
            continue
        for i in range(4):
            q = p + ahead[i]
            if flat[q] == 0 or flat[q] == flat[p]:
                continue
            if count == heights.size:
                pairs = np.concatenate((pairs, np.empty_like(pairs)))
                heights = np.concatenate((heights, np.empty_like(heights)))
            pairs[count, 0], pairs[count, 1] = flat[p], flat[q]
            heights[count] = min(value[p], value[q])
            count += 1
    return pairs[:count].copy(), heights[:count].copy()


@njit(nogil=True, cache=True)
def _root(parent: NDArray[np.int32], i: int) -> int:  # pragma: no cover
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(nogil=True, cache=True)
def merged(
    pairs: NDArray[np.int32],
    heights: Map,
    order: NDArray[np.int64],
    peak: Map,
    need: Map,
    former: NDArray[np.int32],
    faith: float,
) -> NDArray[np.int32]:  # pragma: no cover
    """Label that each label ends in: (n + 1,), its own where it stays. Entry 0 of all is not a pit.

    Contacts are taken from the deepest saddle outwards. Where two basins meet, the shallower one
    stays if its `peak` is more than `need` above the saddle; otherwise the deeper one swallows it.
    Basins whose peaks were different pits in the `former` scan need only `faith` of that: this
    keeps noise from merging and parting them in turn.
    """
    parent = np.arange(peak.size).astype(np.int32)
    for i in order:
        a, b = _root(parent, pairs[i, 0]), _root(parent, pairs[i, 1])
        if a == b:
            continue
        if peak[a] > peak[b] or (peak[a] == peak[b] and a < b):
            a, b = b, a
        apart = former[a] > 0 and former[b] > 0 and former[a] != former[b]
        if peak[a] - heights[i] < (faith * need[a] if apart else need[a]):
            parent[a] = b
    for i in range(parent.size):
        parent[i] = _root(parent, i)
    return parent


@njit(nogil=True, cache=True)
def sums_per_label(
    labels: NDArray[np.int32], depth: Map, smoothed: Map, count: int
) -> NDArray[np.float64]:  # pragma: no cover
    """(count + 1, 4): pixels, Σy, Σx, Σdepth; row 0 is not a pit.

    Where a pixel of a pit was not measured, the smoothed depth is in.
    """
    sums = np.zeros((count + 1, 4))
    ny, nx = labels.shape
    for y in range(ny):
        for x in range(nx):
            k = labels[y, x]
            if k == 0:
                continue
            d = depth[y, x]
            sums[k, 0] += 1.0
            sums[k, 1] += y
            sums[k, 2] += x
            sums[k, 3] += d if np.isfinite(d) else smoothed[y, x]
    return sums


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
    ny, nx = depth.shape
    found = np.empty(peaks.size)
    normal, right = np.empty((4, 4)), np.empty(4)
    basis = np.empty(4)
    for k in range(peaks.size):
        cy, cx = peaks[k] // nx, peaks[k] % nx
        reach = int(radius[k])
        own = labels[cy, cx]
        normal[:] = 0.0
        right[:] = 0.0
        count = 0
        for y in range(max(0, cy - reach), min(ny, cy + reach + 1)):
            for x in range(max(0, cx - reach), min(nx, cx + reach + 1)):
                r2 = (y - cy) ** 2 + (x - cx) ** 2
                if r2 > radius[k] ** 2 or labels[y, x] != own or not np.isfinite(depth[y, x]):
                    continue
                if smoothed[y, x] < WALL_SHARE * smoothed[cy, cx]:
                    continue
                basis[0], basis[1], basis[2], basis[3] = 1.0, x - cx, y - cy, r2
                for i in range(4):
                    right[i] += basis[i] * depth[y, x]
                    for j in range(4):
                        normal[i, j] += basis[i] * basis[j]
                count += 1
        found[k] = smoothed[cy, cx]
        if count >= 12:
            _solve(normal, right)
            a, bx, by, c = right
            found[k] = a
            if c < 0.0:
                shift2 = (bx * bx + by * by) / (4.0 * c * c)
                if shift2 <= radius[k] ** 2:
                    found[k] = a - c * shift2
    return found
