"""Loops behind `current.Running`: predict every pixel, weigh its innovation, correct it.

The state is (5, ny, nx) float32: height h, rate r, and their covariances hh, hr, rr.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel

Map = NDArray[np.float32]

CELLS = 96
DROPPED_BITS = 21
FIRST_BITS = 484
"""A float32 without its last 21 bits: four cells an octave, the first one from 2⁻⁶ on."""
UNSEEN = 65535
OWN_SHARE = np.float32(0.5)
CLIP = np.float32(9.0)
BLOCKS = 8
"""Parts of a map with counts of their own: whole numbers, so that their sum depends on no order."""
SAMPLE = 262144
"""Of a map with more pixels, one row in some is enough to find what they have in common."""


@parallel()
def predict(
    state: Map,
    height: Map,
    error: Map,
    step: float,
    ratio: float,
    restart: float,
    restart_variance: float,
    drift_variance: float,
    lowest: float,
    per_rate: float,
    sums: NDArray[np.float64],
) -> Map:  # pragma: no cover
    """Takes the state over `step` (µm per mA/cm²); returns the innovations of the heights.

    `ratio`: factor on r, NaN = restart at `restart`. A pixel of rate r is in the cell (r −
    `lowest`) × `per_rate`; `sums` (cells, 3), mutated: number of unsurprising pixels, the sum of
    their innovations and of their covariances of h and r. The innovation, measured − predicted
    (ny, nx), is NaN where nothing was measured. A pixel measured for the first time starts here.
    """
    ny, nx = height.shape
    surprise = np.empty((ny, nx), np.float32)
    again = np.isnan(ratio) and step > 0.0
    passes = step > 0.0
    factors = (
        np.float32(step), np.float32(ratio if passes else 1.0),
        np.float32(drift_variance if passes else 0.0),
        np.float32(restart), np.float32(restart_variance),
    )  # fmt: skip
    for at in prange(ny):
        y = np.int64(at)
        _predict_row(state, height[y], error[y], y, again, passes, factors, surprise[y])
    if passes:
        for row in range(0, ny, max(1, ny * nx // SAMPLE)):
            _add_common(state, error[row], surprise[row], row, lowest, per_rate, sums)
    return surprise


@njit(nogil=True, cache=True)
def _predict_row(
    state: Map,
    height: Map,
    error: Map,
    y: int,
    again: bool,
    passes: bool,
    factors: tuple[np.float32, np.float32, np.float32, np.float32, np.float32],
    surprise: Map,
) -> None:  # pragma: no cover
    length, scale, drift, first, first_variance = factors
    nan, zero, two = np.float32(np.nan), np.float32(0.0), np.float32(2.0)
    for x in range(height.size):
        z, e = height[x], error[x]
        variance = e * e
        measured = variance > zero and np.isfinite(z) and np.isfinite(variance)
        h, r = state[0, y, x], state[1, y, x]
        surprise[x] = nan
        if np.isnan(h):
            if measured:
                state[0, y, x], state[2, y, x] = z, variance
            continue
        hh, hr, rr = state[2, y, x], state[3, y, x], state[4, y, x]
        fresh = np.isnan(r)
        if fresh or again:
            r, hr, rr = first, zero, first_variance
        else:
            r, hr, rr = r * scale, hr * scale, rr * scale * scale + drift
        h -= length * r
        hh += length * (length * rr - two * hr)
        hr -= length * rr
        state[0, y, x], state[1, y, x] = h, r
        state[2, y, x], state[3, y, x], state[4, y, x] = hh, hr, rr
        if measured:
            surprise[x] = z - h
        if fresh and not (measured and passes):
            state[1, y, x] = nan


@njit(nogil=True, cache=True)
def _add_common(
    state: Map,
    error: Map,
    surprise: Map,
    y: int,
    lowest: float,
    per_rate: float,
    sums: NDArray[np.float64],
) -> None:  # pragma: no cover
    """Adds the unsurprising pixels of row y to `sums`."""
    last = sums.shape[0] - 1
    lower, per = np.float32(lowest), np.float32(per_rate)
    for x in range(surprise.size):
        off = surprise[x]
        if off * off < CLIP * (state[2, y, x] + error[x] * error[x]):
            k = min(max(np.int32((state[1, y, x] - lower) * per), 0), last)
            sums[k, 0] += 1.0
            sums[k, 1] += off
            sums[k, 2] += state[3, y, x]


@parallel()
def weigh(
    state: Map,
    error: Map,
    surprise: Map,
    per_step: float,
    lowest: float,
    per_rate: float,
    shift: Map,
    class_of: NDArray[np.uint8],
    counts: NDArray[np.int64],
) -> NDArray[np.uint16]:  # pragma: no cover
    """Takes out the shift that pixels of like rate have in common; files the innovation left.

    `shift`, µm, and `class_of` by cell of the rate as in `predict`; `state` and `surprise` are
    mutated. Of squared innovation ÷ its variance, 2/3 is the mean of the 3×3 pixels
    and 1/3 the pixel's own. Returns class × `CELLS` + cell of its logarithm, or `UNSEEN`;
    `counts` (classes, CELLS) is mutated.
    """
    ny, nx = surprise.shape
    filed = np.empty((ny, nx), np.uint16)
    scale = (np.float32(per_step), np.float32(lowest), np.float32(per_rate))
    for at in prange(ny):
        y = np.int64(at)
        _take_out(state[0, y], state[1, y], surprise[y], scale, shift, class_of, filed[y])
    blocks = min(ny, BLOCKS)
    counted = np.zeros((blocks, counts.shape[0], counts.shape[1]), np.int64)
    for at in prange(blocks):
        block = np.int64(at)
        first, end = block * ny // blocks, (block + 1) * ny // blocks
        _file_rows(state[2], error, surprise, first, end, filed, counted[block])
    counts += counted.sum(axis=0)
    return filed


@njit(nogil=True, cache=True)
def _take_out(
    height: Map,
    rate: Map,
    surprise: Map,
    scale: tuple[np.float32, np.float32, np.float32],
    shift: Map,
    class_of: NDArray[np.uint8],
    classes: NDArray[np.uint16],
) -> None:  # pragma: no cover
    """One row of `weigh` without the shift, and the classes of its pixels."""
    per_step, lowest, per_rate = scale
    zero, top = np.float32(0.0), np.float32(shift.size - 1)
    for x in range(surprise.size):
        r = rate[x]
        cell = np.int32(min(max((r - lowest) * per_rate, zero), top)) if r == r else 0
        classes[x] = class_of[cell]
        common = shift[cell]
        height[x] += common
        rate[x] = r - common * per_step
        surprise[x] -= common


@njit(nogil=True, cache=True)
def _file_rows(
    variance: Map,
    error: Map,
    surprise: Map,
    first: int,
    end: int,
    filed: NDArray[np.uint16],
    counts: NDArray[np.int64],
) -> None:  # pragma: no cover
    """Rows `first` to `end`: the class of each pixel becomes its filed place."""
    ny, nx = surprise.shape
    squares, seen = np.zeros((3, nx), np.float32), np.zeros((3, nx), np.float32)
    for y in range(first - 1, end + 1):
        now = y % 3
        squares[now] = 0.0
        seen[now] = 0.0
        if 0 <= y < ny:
            for x in range(nx):
                off = surprise[y, x]
                if off == off:
                    squares[now, x] = off * off / (variance[y, x] + error[y, x] * error[y, x])
                    seen[now, x] = 1.0
        if y > first:
            middle = (y - 1) % 3
            _file(squares, seen, squares[middle], seen[middle], filed[y - 1], counts)


@njit(nogil=True, cache=True)
def _file(
    squares: Map,
    seen: Map,
    own: Map,
    here: Map,
    filed: NDArray[np.uint16],
    counts: NDArray[np.int64],
) -> None:  # pragma: no cover
    """The middle one of three rows: 3×3 mean and own square, as cells of their logarithm; `filed`
    has the classes before."""
    nx = filed.size
    total = np.zeros(nx + 2, np.float32)
    count = np.zeros(nx + 2, np.float32)
    for x in range(nx):
        total[x + 1] = squares[0, x] + squares[1, x] + squares[2, x]
        count[x + 1] = seen[0, x] + seen[1, x] + seen[2, x]
    value = np.empty(nx, np.float32)
    for x in range(nx):
        mean = (total[x] + total[x + 1] + total[x + 2]) / max(
            count[x] + count[x + 1] + count[x + 2], np.float32(1.0)
        )
        value[x] = (mean + OWN_SHARE * own[x]) / (np.float32(1.0) + OWN_SHARE)
    bits = value.view(np.int32)
    for x in range(nx):
        if here[x] > 0.0:
            cell = min(max((bits[x] >> DROPPED_BITS) - FIRST_BITS, 0), CELLS - 1)
            counts[filed[x], cell] += 1
            filed[x] = filed[x] * CELLS + cell
        else:
            filed[x] = UNSEEN


@parallel()
def correct(
    state: Map,
    error: Map,
    surprise: Map,
    per_step: float,
    filed: NDArray[np.uint16],
    steady: Map,
    doubt: Map,
) -> tuple[Map, Map]:  # pragma: no cover
    """Brings the heights in; returns r and its standard error. `state` is mutated.

    `steady` and `doubt`, by filed place: mean and variance of S/(S + c), S the variance of the
    innovation and c that of an unforeseen change of r × step. The mean over c of the Kalman
    filter's steps is linear in the first, and the scatter between them goes with the second.
    """
    ny, nx = surprise.shape
    rate = np.empty((ny, nx), np.float32)
    rate_error = np.empty((ny, nx), np.float32)
    for at in prange(ny):
        y = np.int64(at)
        _correct_row(
            state, error[y], surprise[y], y, np.float32(per_step), filed[y], steady, doubt,
            rate[y], rate_error[y],
        )  # fmt: skip
    return rate, rate_error


@njit(nogil=True, cache=True)
def _correct_row(
    state: Map,
    error: Map,
    surprise: Map,
    y: int,
    per: np.float32,
    filed: NDArray[np.uint16],
    steady: Map,
    doubt: Map,
    rate: Map,
    rate_error: Map,
) -> None:  # pragma: no cover
    one, two = np.float32(1.0), np.float32(2.0)
    for x in range(surprise.size):
        off = surprise[x]
        r, rr = state[1, y, x], state[4, y, x]
        if np.isfinite(off):
            known = error[x] * error[x]
            hh, hr = state[2, y, x], state[3, y, x]
            total = hh + known
            place = filed[x]
            g, spread = steady[place], doubt[place] * off * off
            u, k = hr / total, known / total
            free = (one - g) * per
            slope = u + per
            r += (u * g - free) * off
            rr += free * (two * hr + total * per) - hr * u * g + slope * slope * spread
            state[0, y, x] += (one - k * g) * off
            state[1, y, x] = r
            state[2, y, x] = known * (one - k * g) + k * k * spread
            state[3, y, x] = k * (hr * g - total * free - slope * spread)
            state[4, y, x] = rr
        rate[x] = r
        rate_error[x] = np.sqrt(rr) if r == r else r
