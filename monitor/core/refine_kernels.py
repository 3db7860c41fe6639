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

    band: (n, ny, nx) int8; out: (ny, nx) float32, set to the plane index at which the second layer
    begins, 0 to n.
    """
    n, ny, nx = band.shape
    for y in prange(ny):
        low, high = max(0, y - 1), min(ny - 1, y + 1)
        column = np.zeros(nx + 2, np.int32)
        score = np.zeros(nx, np.int32)
        best = np.zeros(nx, np.int32)
        place = np.zeros(nx, np.int32)
        for z in range(n):
            above, here, below = band[z, low], band[z, y], band[z, high]
            for x in range(nx):
                column[x + 1] = np.int32(above[x]) + np.int32(here[x]) + np.int32(below[x])
            column[0], column[nx + 1] = column[1], column[nx]
            for x in range(nx):
                total = score[x] + column[x] + column[x + 1] + column[x + 2]
                score[x] = total
                better = total < best[x]
                best[x] = total if better else best[x]
                place[x] = z + 1 if better else place[x]
        for x in range(nx):
            out[y, x] = place[x]


@njit(nogil=True, cache=True, parallel=True)
def follow(band, surface, reach, out):
    """Every column's ratios along a path that follows a surface.

    band: (n, ny, nx) int8; surface: (ny, nx) float32, plane index; out: (2·reach, ny, nx) float32:
    plane k holds the ratio at surface − reach + k + ½, linear between planes, 0 beyond the band.
    """
    n, ny, nx = band.shape
    for y in prange(ny):
        for k in range(2 * reach):
            row = out[k, y]
            for x in range(nx):
                at = surface[y, x] + np.float32(k - reach)
                z = int(np.floor(at))
                f = at - np.float32(z)
                a = np.float32(band[z, y, x]) if 0 <= z < n else np.float32(0)
                b = np.float32(band[z + 1, y, x]) if -1 <= z < n - 1 else np.float32(0)
                row[x] = a + f * (b - a)


@njit(nogil=True, cache=True, parallel=True)
def blur(planes, weights, out):
    """Lateral smoothing of each plane (m, ny, nx) float32 by a separable symmetric kernel.

    weights: (r + 1,) float32, centre first, summing to 1 with both sides; borders are mirrored.
    """
    m, ny, nx = planes.shape
    r = weights.shape[0] - 1
    for y in prange(ny):
        column = np.empty(nx + 2 * r, np.float32)
        inner = column[r : nx + r]
        for k in range(m):
            centre = planes[k, y]
            for x in range(nx):
                inner[x] = weights[0] * centre[x]
            for d in range(1, r + 1):
                low = planes[k, abs(y - d)]
                high = planes[k, ny - 1 - abs(ny - 1 - y - d)]
                for x in range(nx):
                    inner[x] += weights[d] * (low[x] + high[x])
            for d in range(r):
                column[r - 1 - d] = column[r + 1 + d]
                column[nx + r + d] = column[nx + r - 2 - d]
            target = out[k, y]
            for x in range(nx):
                target[x] = weights[0] * column[x + r]
            for d in range(1, r + 1):
                for x in range(nx):
                    target[x] += weights[d] * (column[x + r - d] + column[x + r + d])


@njit(nogil=True, cache=True, parallel=True)
def best_shift(planes, shape, shift, bend):
    """Shift of each column at which the score is least, and how sharply it turns there.

    planes: (m, ny, nx) float32, ratios along a path; their running sum is the score of a step
    before each plane. It is smoothed by `shape` (r + 1,) float32, the edge's blur, centre first.
    Sets shift (ny, nx) float32, planes from the path's middle, and bend (second difference; 0
    where the least score lies at an end of the path).
    """
    m, ny, nx = planes.shape
    r = shape.shape[0] - 1
    for y in prange(ny):
        score = np.empty(m + 1, np.float32)
        smooth = np.empty(m + 1, np.float32)
        for x in range(nx):
            score[0] = 0
            for k in range(m):
                score[k + 1] = score[k] + planes[k, y, x]
            for k in range(m + 1):
                total = shape[0] * score[k]
                for d in range(1, r + 1):
                    total += shape[d] * (score[max(0, k - d)] + score[min(m, k + d)])
                smooth[k] = total
            best = 1
            for k in range(1, m):
                if smooth[k] < smooth[best]:
                    best = k
            left, here, right = smooth[best - 1], smooth[best], smooth[best + 1]
            turn = left - 2 * here + right
            inside = turn > 0 and left >= here and right >= here
            bend[y, x] = turn if inside else np.float32(0)
            part = np.float32(0.5) * (left - right) / turn if inside else np.float32(0)
            shift[y, x] = np.float32(best - m // 2) + part
