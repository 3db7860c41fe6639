"""The loops of the refined interface: arrays in, arrays out. See refine.py."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from monitor.core.parallel import parallel

FULL = 127
ZERO, NONE, HALF = np.int16(0), np.float32(0), np.float32(0.5)
BEYOND_DOUBT = np.int16(2**15 - 1 - 9 * FULL)


@parallel(error_model="numpy")
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


@parallel()
def recode(planes, order, table, out):
    """Planes in another order, and what each value stands for.

    planes: (ny, m, nx) int8; order: (n,) int64; table: (256,) int8, from −128 on. Sets out
    (ny, n, nx) int8.
    """
    for y in prange(out.shape[0]):
        for k in range(out.shape[1]):
            row, into = planes[y, order[k]], out[y, k]
            for x in range(into.shape[0]):
                into[x] = table[np.int64(row[x]) + 128]


@parallel()
def pilot(band, out):
    """First look: the change point of each column's ratios summed over 3×3 columns.

    band: (ny, n, nx) int8; out: (ny, nx) float32, set to the plane index at which the second layer
    begins, 0 to n; between planes where the sums on both sides cross zero.
    """
    ny, n, nx = band.shape
    for y in prange(ny):
        low, high = max(0, y - 1), min(ny - 1, y + 1)
        column = np.zeros(nx + 2, np.int16)
        rise, place = np.zeros(nx, np.int16), np.zeros(nx, np.int16)
        last, following = np.zeros(nx, np.int16), np.zeros(nx, np.int16)
        for z in range(n):
            _three_rows(band[low, z], band[y, z], band[high, z], column[1:-1])
            column[0], column[nx + 1] = column[1], column[nx]
            _follow_least(
                column[:-2], column[1:-1], column[2:], np.int16(z), rise, place, last, following
            )
        for x in range(nx):
            low, high = np.float32(last[x]), np.float32(following[x])
            crossing = high > NONE and low < NONE
            out[y, x] = place[x] + (-low / (high - low) - HALF if crossing else NONE)


@njit(nogil=True, cache=True)
def _three_rows(above, here, below, column):
    for x in range(column.shape[0]):
        column[x] = np.int16(np.int16(above[x]) + np.int16(here[x]) + np.int16(below[x]))


@njit(nogil=True, cache=True)
def _follow_least(left, middle, right, z, rise, place, last, following):
    """How far the running sum of three columns' ratios is above its least value; after how many
    planes that was; the ratios before and after it. A rise beyond `BEYOND_DOUBT` is not counted,
    which keeps it in two bytes."""
    now = np.int16(z + 1)
    for x in range(rise.shape[0]):
        ratio = np.int16(left[x] + middle[x] + right[x])
        up = np.int16(rise[x] + ratio)
        before, old, next_one = place[x], last[x], following[x]
        following[x] = ratio if before == z else next_one
        last[x] = ratio if up < ZERO else old
        place[x] = now if up < ZERO else before
        rise[x] = min(max(up, ZERO), BEYOND_DOUBT)


@parallel(error_model="numpy")
def follow(band, surface, reach, out):
    """Every column's ratios along a path that follows a surface.

    band: (ny, n, nx) int8; surface: (ny, nx) float32, plane index; out: (ny, 2·reach, nx) float32:
    plane k holds the ratio at surface − reach + k, linear between planes, 0 beyond the band.
    """
    ny, n, nx = band.shape
    for y in prange(ny):
        begin = np.empty(nx, np.int32)
        part = np.empty(nx, np.float32)
        for x in range(nx):
            at = np.floor(surface[y, x] - np.float32(reach))
            begin[x], part[x] = np.int32(at), surface[y, x] - np.float32(reach) - at
        row = band[y].ravel()
        within = begin.min() >= 0 and begin.max() + 2 * reach < n
        for k in range(2 * reach):
            if within:
                _read_plane(row, begin, part, np.uint32(k), np.uint32(nx), out[y, k])
            else:
                _read_part(row, begin, part, np.int32(k), np.int32(n), np.uint32(nx), out[y, k])


@njit(nogil=True, cache=True, error_model="numpy")
def _read_plane(row, begin, part, k, nx, out):
    """Ratios at k planes from where the paths begin; `row` (n·nx,) int8."""
    for x in range(out.shape[0]):
        i = (np.uint32(begin[x]) + k) * nx + np.uint32(x)
        a, b = np.float32(row[i]), np.float32(row[i + nx])
        out[x] = a + part[x] * (b - a)


@njit(nogil=True, cache=True, error_model="numpy")
def _read_part(row, begin, part, k, n, nx, out):
    """As `_read_plane` where a path leaves the band: 0 beyond it."""
    least, most = np.int32(0), n - np.int32(1)
    for x in range(out.shape[0]):
        z = begin[x] + k
        low, high = min(max(z, least), most), min(max(z + np.int32(1), least), most)
        a = np.float32(row[np.uint32(low) * nx + np.uint32(x)])
        b = np.float32(row[np.uint32(high) * nx + np.uint32(x)])
        a = a if low == z else NONE
        b = b if high == z + np.int32(1) else NONE
        out[x] = a + part[x] * (b - a)


@njit(nogil=True, cache=True)
def _mirrored(i, n):
    """Index i reflected at both ends of an axis of n."""
    i = abs(n - 1 - abs(n - 1 - abs(i)))
    return min(i, n - 1)


@njit(nogil=True, cache=True, error_model="numpy")
def _taps(out, centre, a, b, c, d, e, f, weights):
    """Centre and three pairs of neighbours, each pair by its weight, in one go."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for x in range(out.shape[0]):
        pairs = w1 * (a[x] + b[x]) + w2 * (c[x] + d[x]) + w3 * (e[x] + f[x])
        out[x] = w0 * centre[x] + pairs


@njit(nogil=True, cache=True, error_model="numpy")
def _pair(out, low, high, weight):
    for x in range(out.shape[0]):
        out[x] += weight * (low[x] + high[x])


@parallel(error_model="numpy")
def blur(planes, weights, out):
    """Lateral smoothing of each plane (ny, m, nx) float32 by a separable symmetric kernel.

    weights: (r + 1,) float32, r ≥ 3, centre first, summing to 1 with both sides; borders are
    mirrored.
    """
    ny, m, nx = planes.shape
    r = weights.shape[0] - 1
    for y in prange(ny):
        column = np.empty(nx + 2 * r, np.float32)
        inner = column[r : nx + r]
        a, b, c = _mirrored(y - 1, ny), _mirrored(y - 2, ny), _mirrored(y - 3, ny)
        d, e, f = _mirrored(y + 1, ny), _mirrored(y + 2, ny), _mirrored(y + 3, ny)
        for k in range(m):
            _taps(
                inner, planes[y, k], planes[a, k], planes[d, k], planes[b, k], planes[e, k],
                planes[c, k], planes[f, k], weights,
            )  # fmt: skip
            for i in range(4, r + 1):
                above, below = planes[_mirrored(y - i, ny), k], planes[_mirrored(y + i, ny), k]
                _pair(inner, above, below, weights[i])
            for i in range(1, r + 1):
                column[r - i] = inner[_mirrored(-i, nx)]
                column[nx + r - 1 + i] = inner[_mirrored(nx - 1 + i, nx)]
            _taps(
                out[y, k], inner,
                column[r - 1 : nx + r - 1], column[r + 1 : nx + r + 1],
                column[r - 2 : nx + r - 2], column[r + 2 : nx + r + 2],
                column[r - 3 : nx + r - 3], column[r + 3 : nx + r + 3], weights,
            )  # fmt: skip
            for i in range(4, r + 1):
                _pair(out[y, k], column[r - i : nx + r - i], column[r + i : nx + r + i], weights[i])


@parallel(error_model="numpy")
def best_shift(planes, shape, shift, bend):
    """Shift of each column at which the score is least, and how sharply it turns there.

    planes: (ny, m, nx) float32, ratios along a path; their running sum is the score of a step
    before each plane. It is smoothed by `shape` (r + 1,) float32, r ≥ 3, the edge's blur, centre
    first. Sets shift (ny, nx) float32, planes from the path's middle, and bend (second difference;
    0 where the least score lies at an end of the path).
    """
    ny, m, nx = planes.shape
    r = shape.shape[0] - 1
    for y in prange(ny):
        score = np.zeros((m + 1, nx), np.float32)
        for k in range(m):
            _add(score[k], planes[y, k], score[k + 1])
        smooth = np.zeros((m + 1, nx), np.float32)
        for k in range(m + 1):
            _taps(
                smooth[k], score[k],
                score[max(0, k - 1)], score[min(m, k + 1)], score[max(0, k - 2)],
                score[min(m, k + 2)], score[max(0, k - 3)], score[min(m, k + 3)], shape,
            )  # fmt: skip
            for i in range(4, r + 1):
                _pair(smooth[k], score[max(0, k - i)], score[min(m, k + i)], shape[i])
        least = np.full(nx, np.inf, np.float32)
        for k in range(1, m):
            place = np.float32(k - m // 2)
            _turn_at(smooth[k - 1], smooth[k], smooth[k + 1], place, least, shift[y], bend[y])


@njit(nogil=True, cache=True)
def _add(one, other, out):
    for x in range(out.shape[0]):
        out[x] = one[x] + other[x]


@njit(nogil=True, cache=True, error_model="numpy")
def _turn_at(left, here, right, place, least, shift, bend):
    """Where the score is the least so far: shift and bend there, by a parabola through three."""
    two = np.float32(2)
    for x in range(least.shape[0]):
        a, b, c = left[x], here[x], right[x]
        best, best_shift, best_bend = least[x], shift[x], bend[x]
        turn = a - two * b + c
        part = HALF * (a - c) / turn
        inside = (a >= b) & (c >= b) & (turn > NONE)
        part = part if inside else NONE
        turn = turn if inside else NONE
        better = b < best
        least[x] = b if better else best
        shift[x] = place + part if better else best_shift
        bend[x] = turn if better else best_bend
