"""The loops of the porous deposit: arrays in, arrays out. See surfaces.py.

Rows of columns are worked through plane by plane; `ratios` are those of `refine.Band`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TWO, NONE = np.int16(2), np.float32(0)
THREE_QUARTERS, QUARTER = np.float32(0.75), np.float32(0.25)


@njit(nogil=True, cache=True)
def bin_pairs(ratios, sign, out):
    """Sums of 2×2 columns, times `sign` (int16 1 or −1: −1 also turns the planes about).

    ratios: (ny, n, nx) int8; out: ((ny + 1) // 2, n, (nx + 1) // 2) int16. Of an odd row or column
    at the border the double stands.
    """
    ny, n, _ = ratios.shape
    for y in range(out.shape[0]):
        low, high = 2 * y, min(2 * y + 1, ny - 1)
        for z in range(n):
            plane = out[y, z if sign > 0 else n - 1 - z]
            _sum_pairs(ratios[low, z], ratios[high, z], sign, plane)


@njit(nogil=True, cache=True)
def _sum_pairs(a, b, sign, out):
    for x in range(a.shape[0] // 2):
        one = np.int16(a[2 * x]) + np.int16(a[2 * x + 1])
        out[x] = np.int16(sign * np.int16(one + np.int16(b[2 * x]) + np.int16(b[2 * x + 1])))
    if a.shape[0] % 2:
        out[-1] = np.int16(sign * TWO * np.int16(np.int16(a[-1]) + np.int16(b[-1])))


@njit(nogil=True, cache=True)
def stack(pairs, levels, least, dense, front, score):
    """First look: the two change points of the ordered stack lithium | moss | electrolyte.

    Least squares of each column summed over 3×3 neighbours (weights 1 2 1), in one pass from left
    to right (Viterbi 1967); the moss is at least `least` planes thick.

    pairs: (ny, n, nx) int16; levels: (3,) float32, what a voxel of a pair has in each layer. Sets
    dense and front (ny, nx) float32: plane index at which moss begins, and electrolyte;
    score (ny, nx) float32: half the sum of squares about the layers, a constant left out.
    """
    ny, n, nx = pairs.shape
    weight = np.float32(16)
    d1, d2 = weight * (levels[1] - levels[0]), weight * (levels[2] - levels[1])
    t1 = weight * (levels[0] + levels[1]) / np.float32(2)
    t2 = weight * (levels[1] + levels[2]) / np.float32(2)
    rows, nothing = np.zeros((n, nx), np.int16), np.zeros(nx, np.int16)
    for y in range(ny):
        low, high = max(0, y - 1), min(ny - 1, y + 1)
        column = np.zeros(nx + 2, np.int16)
        below, above = np.zeros(nx, np.float32), np.zeros(nx, np.float32)
        deepest, begin = np.zeros(nx, np.float32), np.zeros(nx, np.float32)
        both = np.full(nx, np.inf, np.float32)
        dense[y], front[y] = NONE, NONE
        for z in range(n):
            _three_rows(pairs[low, z], pairs[y, z], pairs[high, z], column[1:-1])
            column[0], column[nx + 1] = column[1], column[nx]
            _three_columns(column[:-2], column[1:-1], column[2:], rows[z])
            if z + 1 < least:
                _add(rows[z], d2, t2, above)
            else:
                # the row that the moss may leave behind; before the first one there is nothing
                late = rows[z - least] if z >= least else nothing
                _follow(
                    rows[z], late, d1 if z >= least else NONE, d2, t1, t2, np.float32(z + 1),
                    np.float32(least), below, deepest, begin, above, both, dense[y], front[y],
                )  # fmt: skip
        score[y] = both


@njit(nogil=True, cache=True)
def _three_rows(above, here, below, column):
    for x in range(column.shape[0]):
        column[x] = np.int16(np.int16(above[x] + below[x]) + np.int16(TWO * here[x]))


@njit(nogil=True, cache=True)
def _three_columns(left, here, right, out):
    for x in range(out.shape[0]):
        out[x] = np.int16(np.int16(left[x] + right[x]) + np.int16(TWO * here[x]))


@njit(nogil=True, cache=True)
def _add(row, gain, middle, total):
    for x in range(total.shape[0]):
        total[x] += gain * (np.float32(row[x]) - middle)


@njit(nogil=True, cache=True)
def _follow(
    row, late, d1, d2, t1, t2, end, least, below, deepest, begin, above, both, dense, front
):
    """Running sums of both edges' scores, the first edge's `least` planes behind; the least value
    of the first so far, that of their sum, and where these were."""
    for x in range(both.shape[0]):
        first = below[x] + d1 * (np.float32(late[x]) - t1)
        second = above[x] + d2 * (np.float32(row[x]) - t2)
        deeper = first < deepest[x]
        start = end - least if deeper else begin[x]
        depth = first if deeper else deepest[x]
        total = second + depth
        better = total < both[x]
        below[x], above[x], deepest[x], begin[x] = first, second, depth, start
        dense[x] = start if better else dense[x]
        front[x] = end if better else front[x]
        both[x] = total if better else both[x]


@njit(nogil=True, cache=True)
def between(pairs, dense, front, margin, gain, middle, sums, counts, least):
    """What lies between two edges, `margin` planes away from them.

    pairs: (ny, n, nx) int16; dense, front: (ny, nx) float32, plane indices. Sets (ny, nx) float32
    sums and counts, of the voxels there; and least, the least running sum of `gain` · (voxel −
    `middle`) over them: half the sum of squares of one edge there, less that of electrolyte alone.
    """
    ny, n, nx = pairs.shape
    for y in range(ny):
        sums[y], counts[y], least[y] = NONE, NONE, NONE
        total = np.zeros(nx, np.float32)
        low, high = dense[y] + margin, front[y] - margin
        for z in range(max(0, int(low.min())), min(n, int(high.max()) + 1)):
            at = np.float32(z) + np.float32(0.5)
            _sum_between(
                pairs[y, z], at, low, high, gain, middle, total, sums[y], counts[y], least[y]
            )


@njit(nogil=True, cache=True)
def _sum_between(row, at, low, high, gain, middle, total, sums, counts, least):
    for x in range(row.shape[0]):
        inside = np.float32((at > low[x]) & (at < high[x]))
        value = np.float32(row[x])
        sums[x] += inside * value
        counts[x] += inside
        now = total[x] + inside * gain * (value - middle)
        total[x] = now
        least[x] = min(least[x], now)


@njit(nogil=True, cache=True)
def beyond(pairs, dense, front, margin):
    """Mean of all voxels `margin` planes below the first edge, and of those above the second; NaN
    if there are none. pairs: (ny, n, nx) int16; dense, front: (ny, nx) float32."""
    ny, n, nx = pairs.shape
    below, above, count_below, count_above = 0.0, 0.0, 0, 0
    for y in range(ny):
        for x in range(nx):
            end, begin = int(dense[y, x] - margin), int(front[y, x] + margin)
            for z in range(0, end):
                below += pairs[y, z, x]
            for z in range(begin, n):
                above += pairs[y, z, x]
            count_below += max(0, end)
            count_above += max(0, n - begin)
    return (
        below / count_below if count_below else np.nan,
        above / count_above if count_above else np.nan,
    )


@njit(nogil=True, cache=True)
def lower_by(planes, threshold):
    """Takes a map (ny, nx) float32 off every plane of planes (ny, m, nx) float32, in place."""
    ny, m, nx = planes.shape
    for y in range(ny):
        off = threshold[y]
        for k in range(m):
            row = planes[y, k]
            for x in range(nx):
                row[x] -= off[x]


@njit(nogil=True, cache=True)
def double(coarse, out):
    """A map of pairs on single columns, linear between the pairs' middles.

    coarse: ((ny + 1) // 2, (nx + 1) // 2) float32; out: (ny, nx) float32, set.
    """
    ny, nx = out.shape
    for y in range(ny):
        here = coarse[y // 2]
        near = coarse[min(max(y // 2 + (1 if y % 2 else -1), 0), coarse.shape[0] - 1)]
        line = THREE_QUARTERS * here + QUARTER * near
        last = line.shape[0] - 1
        for x in range(nx // 2):
            out[y, 2 * x] = THREE_QUARTERS * line[x] + QUARTER * line[max(x - 1, 0)]
            out[y, 2 * x + 1] = THREE_QUARTERS * line[x] + QUARTER * line[min(x + 1, last)]
        if nx % 2:
            out[y, nx - 1] = THREE_QUARTERS * line[last] + QUARTER * line[max(last - 1, 0)]
