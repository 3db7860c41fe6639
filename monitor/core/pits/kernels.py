"""Loops behind `detect.py`: smoothing with holes, splitting into basins, fits and sums per pit."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Map = NDArray[np.float32]
LEVELS = 1 << 16
WALL_SHARE = 0.7
LEAST_PLACES = 12
"""Fewer pixels bear no fit of a paraboloid."""


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
    found = np.empty(peaks.size)
    normal, right = np.empty((4, 4)), np.empty(4)
    places = np.empty((_most_places(radius), 2), np.int64)
    for k in range(peaks.size):
        count = _floor(depth, labels, peaks[k], radius[k], smoothed, places)
        found[k] = smoothed.flat[peaks[k]]
        if count >= LEAST_PLACES:
            _paraboloid(depth, peaks[k], places[:count], normal, right)
            _solve(normal, right)
            a, bx, by, c = right
            found[k] = a
            if c < 0.0:
                shift2 = (bx * bx + by * by) / (4.0 * c * c)
                if shift2 <= radius[k] ** 2:
                    found[k] = a - c * shift2
    return found


@njit(nogil=True, cache=True)
def _most_places(radius: NDArray[np.float64]) -> int:  # pragma: no cover
    reach = 0
    for one in radius:
        reach = max(reach, int(one))
    return (2 * reach + 1) ** 2


@njit(nogil=True, cache=True)
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
    end. With few pixels, it is that of the smoothed depth, `noise`.
    """
    nx = depth.shape[1]
    found = np.empty(peaks.size)
    normal, right, terms = np.empty((4, 4)), np.empty(4), np.empty(4)
    places = np.empty((_most_places(radius), 2), np.int64)
    weight = np.empty(places.shape[0])
    for k in range(peaks.size):
        count = _floor(depth, labels, peaks[k], radius[k], smoothed, places)
        found[k] = noise.flat[peaks[k]]
        if count < LEAST_PLACES:
            continue
        _paraboloid(depth, peaks[k], places[:count], normal, right)
        again = normal.copy()
        _solve(normal, right)
        _, bx, by, c = right
        terms[:] = 1.0, 0.0, 0.0, 0.0
        if c < 0.0 and bx * bx + by * by <= (2.0 * c * radius[k]) ** 2:
            x, y = -bx / (2.0 * c), -by / (2.0 * c)
            terms[1], terms[2], terms[3] = x, y, x * x + y * y
        _solve(again, terms)
        for i in range(count):
            y, x = places[i]
            w = terms[0] + terms[1] * x + terms[2] * y + terms[3] * (x * x + y * y)
            weight[i] = w * error[peaks[k] // nx + y, peaks[k] % nx + x]
        found[k] = np.sqrt(_variance(weight[:count], places[:count], correlation))
    return found


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
