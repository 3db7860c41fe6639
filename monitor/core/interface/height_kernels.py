"""Edges of all columns → heights: the loops over pixels. Arrays in, arrays out; voxels."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from monitor.core.interface.kernels import EVIDENCE_1, EVIDENCE_2, ONE, TWO, ZERO
from monitor.core.parallel import parallel

HALF, TWELVE = np.float32(0.5), np.float32(12)
MIN_VOXELS = np.float32(2)
LINEAR_BIAS = np.float32(16 * 0.0237)


@njit(inline="always", error_model="numpy")
def _off_hole(edge, before, near):
    """(edge, variance): an edge that falls into a hole goes to its middle, with the variance of a
    uniform distribution over it; holes nearby add in proportion."""
    z = min(max(int(np.ceil(edge)), 0), before.shape[0] - 1)
    hole = before[z]
    if hole > ZERO:
        return np.float32(z) - (hole + ONE) / TWO, (hole + ONE) * (hole + ONE) / TWELVE
    return edge, near[z]


@njit(inline="always", error_model="numpy")
def _straight(edge):
    """A crossing found linearly between two voxels, freed of what the edge's curve adds to it: of
    a Gaussian blur of 0.8 voxels, +-0.024 voxels as a sine over one voxel (here as parabolas)."""
    f = edge - np.floor(edge)
    later = f >= HALF
    f = f - HALF if later else f
    bias = LINEAR_BIAS if later else -LINEAR_BIAS
    return edge + bias * (f * (HALF - f))


@njit(nogil=True, error_model="numpy", cache=True)
def _measure_row(low, high, raw_low, raw_high, first, second, beyond, least, bottom_of, into):
    """One row of `measure` from edges put right (`low`, `high`) and as they were found, counted
    from 1."""
    height, bottom, variance = into
    flipped, top = bottom_of
    nan = np.float32(np.nan)
    for x in range(low.shape[0]):
        past = max(beyond - (raw_high[x] - ONE), ONE)
        known = (
            ((raw_high[x] - ONE) - (raw_low[x] - ONE) > MIN_VOXELS)
            & (first[x] >= least[0])
            & (second[x] >= max(least[1], least[2] * past))
        )
        height[x] = high[x] - low[x] if known else nan
        below = top - high[x] if flipped else low[x]
        bottom[x] = below if known else nan
        variance[x] = variance[x] if known else nan


@parallel(error_model="numpy")
def measure(lower, upper, state, until, least, before, near, reversed_z, height, bottom, variance):
    """Heights of all columns from their edges, in voxels.

    lower, upper: (ny, nx) float32, edges by index along z, counted from 1; until: (ny,) float32,
    index after the last slice that a row's evidence is from; least: evidence needed of the first
    edge, of the second, and of the second for each voxel beyond it; before, near: (nz,) float32,
    slices missing right before a slice, and the share missing around it. Sets height, bottom and
    variance (ny, nx) float32, NaN where the column lacks a layer.
    """
    side = (reversed_z, np.float32(before.shape[0] - 1))
    holes = near.max() > ZERO
    for y in prange(lower.shape[0]):
        low, high = np.empty(lower.shape[1], np.float32), np.empty(lower.shape[1], np.float32)
        for x in range(low.shape[0]):
            low[x], high[x] = _straight(lower[y, x] - ONE), _straight(upper[y, x] - ONE)
            variance[y, x] = ZERO
        if holes:
            for x in range(low.shape[0]):
                low[x], extra1 = _off_hole(low[x], before, near)
                high[x], extra2 = _off_hole(high[x], before, near)
                variance[y, x] = extra1 + extra2
        _measure_row(
            low, high, lower[y], upper[y], state[y, EVIDENCE_1], state[y, EVIDENCE_2],
            until[y] - HALF, least, side, (height[y], bottom[y], variance[y]),
        )  # fmt: skip


@parallel(error_model="numpy")
def put(top, top_error, bottom, alone, height, variance):
    """Heights of a refined surface `top` in place of the columns' own, (ny, nx) float32, where both
    are known; adds its variance, and `alone` where the column's own height stays."""
    for y in prange(height.shape[0]):
        for x in range(height.shape[1]):
            refined = top[y, x] - bottom[y, x]
            known = (refined - refined == ZERO) & (height[y, x] - height[y, x] == ZERO)
            height[y, x] = refined if known else height[y, x]
            variance[y, x] += top_error[y, x] * top_error[y, x] if known else alone


@parallel(error_model="numpy")
def into_lengths(height, bottom, variance, voxel):
    """Voxels (ny, nx) float32 → lengths; the variance becomes a standard deviation. In place.

    Of a scan with a few heights far from each other, as an interrupted one, the noise is not known:
    a height whose error is not known is not measured.
    """
    nan = np.float32(np.nan)
    for y in prange(height.shape[0]):
        for x in range(height.shape[1]):
            length, error = height[y, x] * voxel, np.sqrt(variance[y, x]) * voxel
            known = (length == length) & (error == error)
            height[y, x] = length if known else nan
            bottom[y, x] *= voxel
            variance[y, x] = error if known else nan


@parallel(error_model="numpy")
def strays(edge, until, top, middle, limit, out):
    """Marks the columns whose first edge lies farther than `limit` from `middle`; returns how many
    they are in each row.

    edge: (ny, nx) float32, counted from 1; top: index that edges are counted down from, or −1;
    until: (ny,) float32, 0 for rows that never arrived: of these nothing is known. Sets out (ny,
    nx) bool.
    """
    counts = np.zeros(edge.shape[0], np.int64)
    for y in prange(edge.shape[0]):
        for x in range(edge.shape[1]):
            at = edge[y, x] - ONE if top < ZERO else top - (edge[y, x] - ONE)
            out[y, x] = (until[y] != ZERO) & (abs(at - middle) > limit)
            counts[y] += out[y, x]
    return counts


@njit(inline="always")
def _reflected(i, n):
    """Index i reflected at both ends of an axis of n, the end itself doubled."""
    i = -1 - i if i < 0 else i
    return max(0, 2 * n - 1 - i) if i >= n else i


@parallel()
def off_electrode(stray, counts, reach, most, out):
    """Marks columns that are strays, or of those around which, within `reach` along both axes, more
    than `most` are. counts: (ny,), of strays in each row. Sets out (ny, nx) bool."""
    ny, nx = stray.shape
    for at in prange(ny):
        y = np.int64(at)
        if counts[max(0, y - reach) : y + reach + 1].sum() == 0:
            out[y] = False
            continue
        column = np.zeros(nx, np.int32)
        for k in range(-reach, reach + 1):
            row = stray[_reflected(y + k, ny)]
            for x in range(nx):
                column[x] += row[x]
        near = 0
        for k in range(-reach, reach + 1):
            near += column[_reflected(k, nx)]
        for x in range(nx):
            out[y, x] = stray[y, x] | (near > most)
            near += column[_reflected(x + reach + 1, nx)] - column[_reflected(x - reach, nx)]
