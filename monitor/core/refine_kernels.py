"""The loops of the refined interface: arrays in, arrays out. See refine.py."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

FULL = 127


@njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def quantise(image, gain, offset, limit, plane):
    """Log-likelihood ratios of one slice (ny, nx) as int8, `limit` being 127. Fills `plane`."""
    step = np.float32(FULL) / limit
    g, o, full = gain * step, offset * step, np.float32(FULL)
    for y in prange(plane.shape[0]):
        row, out = image[y], plane[y]
        for x in range(row.shape[0]):
            value = np.float32(row[x]) * g + o
            value = full if value > full else value
            value = -full if value < -full else value
            out[x] = np.int8(np.rint(value))


@njit(nogil=True, cache=True, parallel=True)
def pilot(band, out):
    """First look: the change point of each column's ratios summed over 3×3 columns.

    band: (ny, n, nx) int8; out: (ny, nx) float32, set to the plane index at which the second layer
    begins, 0 to n.
    """
    ny, n, nx = band.shape
    for y in prange(ny):
        low, high = max(0, y - 1), min(ny - 1, y + 1)
        column = np.zeros(nx + 2, np.int16)
        score = np.zeros(nx, np.int32)
        best = np.zeros(nx, np.int32)
        place = np.zeros(nx, np.int32)
        for z in range(n):
            _three_rows(band[low, z], band[y, z], band[high, z], column[1:-1])
            column[0], column[nx + 1] = column[1], column[nx]
            _follow_least(column[:-2], column[1:-1], column[2:], z + 1, score, best, place)
        for x in range(nx):
            out[y, x] = place[x]


@njit(nogil=True, cache=True)
def _three_rows(above, here, below, column):
    for x in range(column.shape[0]):
        column[x] = np.int16(above[x]) + np.int16(here[x]) + np.int16(below[x])


@njit(nogil=True, cache=True)
def _follow_least(left, middle, right, place_now, score, best, place):
    """Running sum of three columns' ratios, its least value so far and where that was."""
    now = np.int32(place_now)
    for x in range(score.shape[0]):
        total = score[x] + np.int32(left[x]) + np.int32(middle[x]) + np.int32(right[x])
        score[x] = total
        better = total < best[x]
        best[x] = total if better else best[x]
        place[x] = now if better else place[x]


@njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def follow(band, surface, reach, out):
    """Every column's ratios along a path that follows a surface.

    band: (ny, n, nx) int8; surface: (ny, nx) float32, plane index; out: (ny, 2·reach, nx) float32:
    plane k holds the ratio at surface − reach + k, linear between planes, 0 beyond the band.
    """
    ny, n, nx = band.shape
    steps = 2 * reach
    for y in prange(ny):
        for x in range(nx):
            at = surface[y, x] - np.float32(reach)
            z = int(np.floor(at))
            f = at - np.float32(z)
            if z >= 0 and z + steps < n:
                a = np.float32(band[y, z, x])
                for k in range(steps):
                    b = np.float32(band[y, z + k + 1, x])
                    out[y, k, x] = a + f * (b - a)
                    a = b
            else:
                for k in range(steps):
                    i = z + k
                    a = np.float32(band[y, i, x]) if 0 <= i < n else np.float32(0)
                    b = np.float32(band[y, i + 1, x]) if -1 <= i < n - 1 else np.float32(0)
                    out[y, k, x] = a + f * (b - a)


@njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def blur(planes, weights, out):
    """Lateral smoothing of each plane (ny, m, nx) float32 by a separable symmetric kernel.

    weights: (r + 1,) float32, centre first, summing to 1 with both sides; borders are mirrored.
    """
    ny, m, nx = planes.shape
    r = weights.shape[0] - 1
    for y in prange(ny):
        column = np.empty(nx + 2 * r, np.float32)
        inner = column[r : nx + r]
        for k in range(m):
            centre = planes[y, k]
            for x in range(nx):
                inner[x] = weights[0] * centre[x]
            for d in range(1, r + 1):
                low = planes[abs(y - d), k]
                high = planes[ny - 1 - abs(ny - 1 - y - d), k]
                for x in range(nx):
                    inner[x] += weights[d] * (low[x] + high[x])
            for d in range(r):
                column[r - 1 - d] = column[r + 1 + d]
                column[nx + r + d] = column[nx + r - 2 - d]
            target = out[y, k]
            for x in range(nx):
                target[x] = weights[0] * column[x + r]
            for d in range(1, r + 1):
                for x in range(nx):
                    target[x] += weights[d] * (column[x + r - d] + column[x + r + d])


@njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def best_shift(planes, shape, shift, bend):
    """Shift of each column at which the score is least, and how sharply it turns there.

    planes: (ny, m, nx) float32, ratios along a path; their running sum is the score of a step
    before each plane. It is smoothed by `shape` (r + 1,) float32, the edge's blur, centre first.
    Sets shift (ny, nx) float32, planes from the path's middle, and bend (second difference; 0
    where the least score lies at an end of the path).
    """
    ny, m, nx = planes.shape
    r = shape.shape[0] - 1
    for y in prange(ny):
        score = np.zeros((m + 1, nx), np.float32)
        for k in range(m):
            _add(score[k], planes[y, k], score[k + 1])
        smooth = np.zeros((m + 1, nx), np.float32)
        for k in range(m + 1):
            _add_share(smooth[k], score[k], shape[0])
            for d in range(1, r + 1):
                _add_share(smooth[k], score[max(0, k - d)], shape[d])
                _add_share(smooth[k], score[min(m, k + d)], shape[d])
        least = np.full(nx, np.inf, np.float32)
        for k in range(1, m):
            _turn_at(smooth[k - 1], smooth[k], smooth[k + 1], k - m // 2, least, shift[y], bend[y])


@njit(nogil=True, cache=True)
def _add(one, other, out):
    for x in range(out.shape[0]):
        out[x] = one[x] + other[x]


@njit(nogil=True, cache=True)
def _add_share(out, row, weight):
    for x in range(out.shape[0]):
        out[x] += weight * row[x]


@njit(nogil=True, cache=True, error_model="numpy")
def _turn_at(left, here, right, place, least, shift, bend):
    """Where the score is the least so far: shift and bend there, by a parabola through three."""
    for x in range(least.shape[0]):
        a, b, c = left[x], here[x], right[x]
        turn = a - np.float32(2) * b + c
        better = b < least[x]
        inside = a >= b and c >= b and turn > np.float32(0)
        part = np.float32(0.5) * (a - c) / turn
        least[x] = b if better else least[x]
        here_shift = np.float32(place) + (part if inside else np.float32(0))
        shift[x] = here_shift if better else shift[x]
        bend[x] = (turn if inside else np.float32(0)) if better else bend[x]
