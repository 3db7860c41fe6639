"""Loops that find pits: smoothing with holes, splitting into basins, merging."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel

Map = NDArray[np.float32]
LEVELS = 1 << 16
ROWS = 64
"""Rows that are smoothed at once."""
TOP = 9


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
    towards = np.empty((ny, nx), np.uint8)
    counts = np.zeros(ny + 1, np.int64)
    for at in prange((ny + ROWS - 1) // ROWS):
        first = np.int64(at) * ROWS
        last = min(ny, first + ROWS)
        _ascents(smoothed, noise, significance, min_depth, first, last, towards, counts)
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
    if not 0 <= y < smoothed.shape[0]:
        row[:] = -np.inf
        return
    shallow = np.float32(-np.inf)
    row[0] = row[-1] = shallow
    depth, error = smoothed[y], noise[y]
    for x in range(depth.size):
        v = depth[x]
        row[x + 1] = v if (v > min_depth) & (v > significance * error[x]) else shallow


@njit(nogil=True, cache=True)
def _ascents(
    smoothed: Map,
    noise: Map,
    significance: float,
    min_depth: float,
    first: int,
    last: int,
    towards: NDArray[np.uint8],
    counts: NDArray[np.int64],
) -> None:  # pragma: no cover
    """Sets for rows `first` to `last` the neighbour that a pixel climbs to, 1 to 8 in order of the
    map, `TOP`, or 0 if it is not deep; and in `counts[y + 1]` how many are at the top."""
    near = np.empty((3, towards.shape[1] + 2), np.float32)
    for y in range(first - 1, first + 1):
        _deep_row(smoothed, noise, significance, min_depth, y, near[y % 3])
    for y in range(first, last):
        _deep_row(smoothed, noise, significance, min_depth, y + 1, near[(y + 1) % 3])
        counts[y + 1] = _steepest(near[(y - 1) % 3], near[y % 3], near[(y + 1) % 3], towards[y])


@njit(nogil=True, cache=True)
def _steepest(
    above: Map, own: Map, below: Map, towards: NDArray[np.uint8]
) -> int:  # pragma: no cover
    """One row of `_ascents` from its depths and those of the rows next to it."""
    count = 0
    for x in range(towards.size):
        deepest = own[x + 1]
        if deepest == -np.inf:
            towards[x] = 0
            continue
        best, top = TOP, deepest
        for i in range(3):
            v = above[x + i]
            if v > deepest or (v == top and best == TOP):
                deepest, best = v, i + 1
        v = own[x]
        if v > deepest or (v == top and best == TOP):
            deepest, best = v, 4
        if own[x + 2] > deepest:
            deepest, best = own[x + 2], 5
        for i in range(3):
            if below[x + i] > deepest:
                deepest, best = below[x + i], 6 + i
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
    """Labels of the pixels of row y, and of those on their way to a maximum. A way ends where a
    label is known, whichever thread has set it: all ways from there end at one maximum."""
    for x in range(labels.shape[1]):
        if towards[y, x] == 0 or labels[y, x] != 0:
            continue
        j, i = y, x
        while labels[j, i] == 0:
            j, i = _next(towards[j, i], j, i)
        label = labels[j, i]
        j, i = y, x
        while labels[j, i] == 0:
            labels[j, i] = label
            j, i = _next(towards[j, i], j, i)


@njit(inline="always")
def _next(towards: int, y: int, x: int) -> tuple[int, int]:  # pragma: no cover
    """The neighbour of a pixel that it climbs to, 1 to 8 in order of the map."""
    place = int(towards) - 1
    place = place if place < 4 else place + 1
    return y + place // 3 - 1, x + place % 3 - 1


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
