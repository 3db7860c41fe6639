"""Loops behind `detect.py`: smoothing with holes, splitting into basins, fits and sums per pit."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel

Map = NDArray[np.float32]
LEVELS = 1 << 16
ROWS, BLOCKS = 64, 8
"""Rows that are smoothed at once; parts of a map with counts of their own: whole numbers, so that
their sum depends on no order."""
TOP = 9
WALL_SHARE = 0.7
LEAST_PLACES = 12
"""Fewer pixels bear no fit of a paraboloid."""


@parallel()
def smooth(
    depth: Map, error: Map, taps: NDArray[np.float32], min_weight: float
) -> tuple[Map, Map]:  # pragma: no cover
    """Normalised convolution with a separable kernel, and the standard error of its result.

    A pixel counts where depth and error are finite. For white noise, var = Σ g² e² / (Σ g)². NaN
    where less than `min_weight` of the kernel lies on counting pixels; outside of the field no
    pixel counts. (Knutsson & Westin, Normalized and differential convolution, CVPR 1993.)
    """
    ny = depth.shape[0]
    mean, noise = np.empty(depth.shape, np.float32), np.empty(depth.shape, np.float32)
    for at in prange((ny + ROWS - 1) // ROWS):
        block = np.int64(at)
        first = block * ROWS
        _smooth_rows(depth, error, taps, min_weight, first, min(ny, first + ROWS), mean, noise)
    return mean, noise


@njit(nogil=True, cache=True)
def _smooth_rows(
    depth: Map,
    error: Map,
    taps: NDArray[np.float32],
    min_weight: float,
    first: int,
    end: int,
    mean: Map,
    noise: Map,
) -> None:  # pragma: no cover
    """Rows `first` to `end` of `smooth`."""
    ny, nx = depth.shape
    reach = taps.size // 2
    squared = taps * taps
    low, high = max(0, first - reach), min(ny, end + reach)
    filled = np.zeros((3, high - low, nx), np.float32)
    for y in range(low, high):
        for x in range(nx):
            d, e = depth[y, x], error[y, x]
            if np.isfinite(d) and np.isfinite(e):
                row = y - low
                filled[0, row, x], filled[1, row, x], filled[2, row, x] = d, e * e, 1.0
    sums = np.zeros((3, nx + 2 * reach), np.float32)
    total = np.zeros((3, nx), np.float32)
    for y in range(first, end):
        sums[:] = 0.0
        total[:] = 0.0
        for field in range(3):
            kernel = squared if field == 1 else taps
            for k in range(max(-reach, -y), min(reach, ny - 1 - y) + 1):
                _add_scaled(
                    sums[field, reach : reach + nx], filled[field, y + k - low], kernel[k + reach]
                )
            for k in range(taps.size):
                _add_scaled(total[field], sums[field, k : k + nx], kernel[k])
        for x in range(nx):
            weight = total[2, x]
            seen = weight >= min_weight
            mean[y, x] = total[0, x] / weight if seen else np.float32(np.nan)
            noise[y, x] = np.sqrt(total[1, x]) / weight if seen else np.float32(np.nan)


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


@parallel()
def catchments(
    smoothed: Map, noise: Map, significance: float, min_depth: float
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:  # pragma: no cover
    """Which local maximum each pixel deeper than both limits climbs to, by steepest ascent.

    Returns the labels (ny, nx) 1…n, 0 = not deep enough, and the flat index of the maxima. Of equal
    depths the pixel that comes first in the map counts as the deeper one.
    """
    ny, nx = smoothed.shape
    towards = np.zeros((ny, nx), np.uint8)
    counts = np.zeros(ny + 1, np.int64)
    for at in prange(ny):
        y = np.int64(at)
        counts[y + 1] = _ascents(smoothed, noise, significance, min_depth, y, towards[y])
    ends = np.cumsum(counts)
    labels = np.zeros((ny, nx), np.int32)
    tops = np.empty(ends[ny], np.int64)
    for at in prange(ny):
        y = np.int64(at)
        _number_tops(towards[y], ends[y], y * nx, labels[y], tops)
    for at in prange(ny):
        y = np.int64(at)
        _climb(towards, y, labels)
    return labels, tops


@njit(nogil=True, cache=True)
def _deep_row(
    smoothed: Map, noise: Map, significance: float, min_depth: float, y: int, row: Map
) -> None:  # pragma: no cover
    """Depths of row y, −inf if too shallow or outside of the map; `row` (nx + 2,)
    has a border of −inf."""
    row[:] = -np.inf
    if 0 <= y < smoothed.shape[0]:
        for x in range(smoothed.shape[1]):
            v = smoothed[y, x]
            if v > min_depth and v > significance * noise[y, x]:
                row[x + 1] = v


@njit(nogil=True, cache=True)
def _ascents(
    smoothed: Map,
    noise: Map,
    significance: float,
    min_depth: float,
    y: int,
    towards: NDArray[np.uint8],
) -> int:  # pragma: no cover
    """Sets for row y the neighbour, 1 to 8 in order of the map, that a pixel climbs to, or `TOP`;
    returns how many are at the top. `towards`: zeros."""
    near = np.empty((3, towards.size + 2), np.float32)
    for k in range(3):
        _deep_row(smoothed, noise, significance, min_depth, y + k - 1, near[k])
    count = 0
    for x in range(towards.size):
        deepest = near[1, x + 1]
        if deepest == -np.inf:
            continue
        best = TOP
        for i in range(8):
            place = i if i < 4 else i + 1
            v = near[place // 3, x + place % 3]
            if v > deepest or (i < 4 and v == deepest and best == TOP):
                deepest = v
                best = i + 1
        towards[x] = best
        count += best == TOP
    return count


@njit(nogil=True, cache=True)
def _number_tops(
    towards: NDArray[np.uint8],
    count: int,
    offset: int,
    labels: NDArray[np.int32],
    tops: NDArray[np.int64],
) -> None:  # pragma: no cover
    """The maxima of one row, which begins at flat index `offset`; `count` of them are before it."""
    for x in range(towards.size):
        if towards[x] == TOP:
            tops[count] = offset + x
            count += 1
            labels[x] = count


@njit(nogil=True, cache=True)
def _climb(
    towards: NDArray[np.uint8], y: int, labels: NDArray[np.int32]
) -> None:  # pragma: no cover
    """Labels of the pixels of row y that are no maxima: only the maxima's are read."""
    for x in range(labels.shape[1]):
        if towards[y, x] == 0 or towards[y, x] == TOP:
            continue
        j, i = y, x
        while towards[j, i] != TOP:
            place = int(towards[j, i]) - 1
            place = place if place < 4 else place + 1
            j, i = j + place // 3 - 1, i + place % 3 - 1
        labels[y, x] = labels[j, i]


@parallel()
def saddles(
    labels: NDArray[np.int32], smoothed: Map
) -> tuple[NDArray[np.int32], Map]:  # pragma: no cover
    """Contacts of different labels: (n, 2) the pair, (n,) depth of the shallower of the two."""
    ny = labels.shape[0]
    counts = np.zeros(ny + 1, np.int64)
    none, no_height = np.empty((0, 2), np.int32), np.empty(0, np.float32)
    for at in prange(ny):
        y = np.int64(at)
        counts[y + 1] = _contacts(labels, smoothed, y, none, no_height)
    ends = np.cumsum(counts)
    pairs, heights = np.empty((ends[ny], 2), np.int32), np.empty(ends[ny], np.float32)
    for at in prange(ny):
        y = np.int64(at)
        if ends[y + 1] > ends[y]:
            own = slice(ends[y], ends[y + 1])
            _contacts(labels, smoothed, y, pairs[own], heights[own])
    return pairs, heights


@njit(nogil=True, cache=True)
def _contacts(
    labels: NDArray[np.int32], smoothed: Map, y: int, pairs: NDArray[np.int32], heights: Map
) -> int:  # pragma: no cover
    """Number of contacts of row y with itself and the next one; sets those there is room for."""
    ny, nx = labels.shape
    count = 0
    for x in range(nx):
        own = labels[y, x]
        if own == 0:
            continue
        for i in range(4):
            j, k = (y, x + 1) if i == 0 else (y + 1, x + i - 2)
            if j == ny or k < 0 or k == nx:
                continue
            other = labels[j, k]
            if other == 0 or other == own:
                continue
            if count < heights.size:
                pairs[count, 0], pairs[count, 1] = own, other
                heights[count] = min(smoothed[y, x], smoothed[j, k])
            count += 1
    return count


@parallel()
def renumber(labels: NDArray[np.int32], number: NDArray[np.int32]) -> None:  # pragma: no cover
    """Every label (ny, nx) becomes `number` of it, in place."""
    for y in prange(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] != 0:
                labels[y, x] = number[labels[y, x]]


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


@parallel()
def trim(
    labels: NDArray[np.int32],
    depth: Map,
    least: float,
    smoothed: Map,
    noise: Map,
    significance: float,
    count: int,
) -> NDArray[np.int64]:  # pragma: no cover
    """Takes off the rim that smoothing carries over the edge of a steep pit: a pixel belongs where
    it, or most of its four neighbours, lies deeper than `least`, or is not measurable.

    Returns (count + 1, 2): pixels left of each label, and those of them that are significant.
    `labels` is mutated.
    """
    ny = labels.shape[0]
    blocks = min(ny, BLOCKS)
    pixels = np.zeros((blocks, count + 1, 2), np.int64)
    for at in prange(blocks):
        block = np.int64(at)
        for y in range(block * ny // blocks, (block + 1) * ny // blocks):
            _trim_row(
                labels[y], depth, np.float32(least), y, smoothed[y], noise[y],
                np.float32(significance), pixels[block],
            )  # fmt: skip
    total: NDArray[np.int64] = pixels.sum(axis=0)
    return total


@njit(nogil=True, cache=True)
def _trim_row(
    labels: NDArray[np.int32],
    depth: Map,
    least: float,
    y: int,
    smoothed: Map,
    noise: Map,
    significance: float,
    pixels: NDArray[np.int64],
) -> None:  # pragma: no cover
    ny, nx = depth.shape
    for x in range(nx):
        own = labels[x]
        if own == 0:
            continue
        if depth[y, x] <= least:
            near = int(y > 0 and not depth[y - 1, x] <= least)
            near += int(y < ny - 1 and not depth[y + 1, x] <= least)
            near += int(x > 0 and not depth[y, x - 1] <= least)
            near += int(x < nx - 1 and not depth[y, x + 1] <= least)
            if near < 3:
                labels[x] = 0
                continue
        pixels[own, 0] += 1
        pixels[own, 1] += smoothed[x] > significance * noise[x]


@parallel()
def boxes(labels: NDArray[np.int32], count: int) -> NDArray[np.int32]:  # pragma: no cover
    """(count + 1, 4): first and last row, first and last column of each label; last < first if it
    is nowhere."""
    ny, nx = labels.shape
    blocks = min(ny, BLOCKS)
    found = np.empty((blocks, count + 1, 4), np.int32)
    for at in prange(blocks):
        block = np.int64(at)
        box = found[block]
        box[:, 0], box[:, 1], box[:, 2], box[:, 3] = ny, -1, nx, -1
        for y in range(block * ny // blocks, (block + 1) * ny // blocks):
            for x in range(nx):
                k = labels[y, x]
                if k != 0:
                    box[k, 0], box[k, 1] = min(box[k, 0], y), y
                    box[k, 2], box[k, 3] = min(box[k, 2], x), max(box[k, 3], x)
    for other in range(1, blocks):
        for label in range(count + 1):
            for i in range(0, 4, 2):
                found[0, label, i] = min(found[0, label, i], found[other, label, i])
                found[0, label, i + 1] = max(found[0, label, i + 1], found[other, label, i + 1])
    first: NDArray[np.int32] = found[0]
    return first


@parallel()
def sums_per_label(
    labels: NDArray[np.int32], depth: Map, smoothed: Map, count: int
) -> NDArray[np.float64]:  # pragma: no cover
    """(count + 1, 4): pixels, Σy, Σx, Σdepth; row 0 is not a pit.

    Where a pixel of a pit was not measured, the smoothed depth is in. Each sum is in the order of
    the map, whatever the number of threads.
    """
    sums = np.zeros((count + 1, 4))
    box = boxes(labels, count)
    for at in prange(1, count + 1):
        k = np.int64(at)
        for y in range(box[k, 0], box[k, 1] + 1):
            for x in range(box[k, 2], box[k, 3] + 1):
                if labels[y, x] == k:
                    d = depth[y, x]
                    sums[k, 0] += 1.0
                    sums[k, 1] += y
                    sums[k, 2] += x
                    sums[k, 3] += d if np.isfinite(d) else smoothed[y, x]
    return sums


@parallel()
def mean_per_label(
    labels: NDArray[np.int32], values: Map, count: int
) -> NDArray[np.float64]:  # pragma: no cover
    """(count + 1,) mean of the finite values of each label; NaN where there is none."""
    means = np.full(count + 1, np.nan)
    box = boxes(labels, count)
    for at in prange(1, count + 1):
        k = np.int64(at)
        total, seen = 0.0, 0
        for y in range(box[k, 0], box[k, 1] + 1):
            for x in range(box[k, 2], box[k, 3] + 1):
                if labels[y, x] == k and np.isfinite(values[y, x]):
                    total += values[y, x]
                    seen += 1
        if seen:
            means[k] = total / seen
    return means


@parallel()
def overlaps(
    labels: NDArray[np.int32], former: NDArray[np.int32], base: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # pragma: no cover
    """Runs of pixels along rows that have one label and one former label, both above 0: label ×
    `base` + former, and how many pixels."""
    ny = labels.shape[0]
    counts = np.zeros(ny + 1, np.int64)
    none = np.empty(0, np.int64)
    for at in prange(ny):
        y = np.int64(at)
        counts[y + 1] = _runs(labels[y], former[y], base, none, none)
    ends = np.cumsum(counts)
    codes, pixels = np.empty(ends[ny], np.int64), np.empty(ends[ny], np.int64)
    for at in prange(ny):
        y = np.int64(at)
        if ends[y + 1] > ends[y]:
            own = slice(ends[y], ends[y + 1])
            _runs(labels[y], former[y], base, codes[own], pixels[own])
    return codes, pixels


@njit(nogil=True, cache=True)
def _runs(
    labels: NDArray[np.int32],
    former: NDArray[np.int32],
    base: int,
    codes: NDArray[np.int64],
    pixels: NDArray[np.int64],
) -> int:  # pragma: no cover
    """Number of runs in a row; sets those there is room for."""
    count, last = 0, -1
    for x in range(labels.size):
        code = np.int64(labels[x]) * base + former[x] if labels[x] > 0 and former[x] > 0 else -1
        if code >= 0:
            count += code != last
            if codes.size:
                pixels[count - 1] = pixels[count - 1] + 1 if code == last else 1
                codes[count - 1] = code
        last = code
    return count


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
