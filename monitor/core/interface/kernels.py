"""The loops over voxels: arrays in, arrays out.

A column of the volume is an ordered stack of three layers; along growing slice index they are named
first, second and third. The two edges between them are the joint maximum-likelihood change points
of a left-to-right hidden Markov chain (Viterbi 1967; with two layers it is the cumulative sum of
log-likelihood ratios of Page 1954), found in one pass with seven floats a pixel. Positions are
slice indices at which the mid-level is crossed, linear between the two voxels around the change.

`state` is (ny, 7, nx) float32, planes named below. `model` is (6,) float32: gain, offset and limit
of the log-likelihood ratio second : first, then of third : second. Kernels change `state` in place.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from monitor.core.parallel import parallel

EVIDENCE_1, EVIDENCE_2, EDGE_1, EDGE_1_OF_2, EDGE_2, RATIO_1, RATIO_2 = range(7)
PLANES = 7
GROUP = 4
SLAB = 16
SETTLED = np.float32(60.0)
"""Evidence (nats) past which an edge of a row is no longer questioned."""
SETTLED_DEPTH = np.float32(64.0)
"""Voxels of the third layer that must have arrived before the second edge is no longer
questioned."""
OPEN, FIRST_SETTLED, DONE = np.uint8(0), np.uint8(1), np.uint8(2)
"""What is still asked of a row: both edges, the second one, nothing."""

ZERO, ONE, TWO, THREE = np.float32(0), np.float32(1), np.float32(2), np.float32(3)


@njit(inline="always", error_model="numpy")
def _limited(value, limit):
    """No single voxel may decide: a hot pixel counts no more than `limit`."""
    value = limit if value > limit else value
    return -limit if value < -limit else value


@njit(inline="always", error_model="numpy")
def _crossing(z, above, span):
    """Entry index and fraction of a voxel (kept within 0 to 1) where the ratio crosses zero."""
    fraction = above / span
    fraction = ZERO if fraction < ZERO else fraction
    return z + (ONE if fraction > ONE else fraction)


@njit(inline="always", error_model="numpy")
def _both(grey, z, m, s):
    """One voxel: both evidences, and where each edge would now be. `s` is the column's state."""
    a, b, ra, rb, fz, fn, fd, gz, gn, gd, hz, hn, hd = s
    r1 = _limited(grey * m[0] + m[1], m[2])
    r2 = _limited(grey * m[3] + m[4], m[5])
    enter1 = a <= ZERO
    enter2 = b <= ZERO
    gz = fz if enter2 else gz
    gn = fn if enter2 else gn
    gd = fd if enter2 else gd
    hz = z if enter2 else hz
    hn = rb if enter2 else hn
    hd = (rb - r2) if enter2 else hd
    b = (ZERO if enter2 else b) + r2 + (a if enter1 else ZERO)
    fz = z if enter1 else fz
    fn = ra if enter1 else fn
    fd = (ra - r1) if enter1 else fd
    a = (ZERO if enter1 else a) + r1
    return a, b, r1, r2, fz, fn, fd, gz, gn, gd, hz, hn, hd


@njit(inline="always", error_model="numpy")
def _second(grey, z, m, s):
    """One voxel where the first edge is settled: only the second edge moves."""
    b, rb, hz, hn, hd = s
    r2 = _limited(grey * m[3] + m[4], m[5])
    enter2 = b <= ZERO
    hz = z if enter2 else hz
    hn = rb if enter2 else hn
    hd = (rb - r2) if enter2 else hd
    b = (ZERO if enter2 else b) + r2
    return b, r2, hz, hn, hd


@njit(nogil=True, error_model="numpy", cache=True)
def both_edges(r0, r1, r2, r3, z, model, state):
    """Advance one row of columns by four slices. `r0`…`r3` (nx,) grey values; `state` (7, nx)."""
    m = (model[0], model[1], model[2], model[3], model[4], model[5])
    a, b, f, g = state[0], state[1], state[2], state[3]
    h, ra, rb = state[4], state[5], state[6]
    for x in range(r0.shape[0]):
        s = (a[x], b[x], ra[x], rb[x], f[x], ZERO, ONE, g[x], ZERO, ONE, h[x], ZERO, ONE)
        s = _both(np.float32(r0[x]), z, m, s)
        s = _both(np.float32(r1[x]), z + ONE, m, s)
        s = _both(np.float32(r2[x]), z + TWO, m, s)
        s = _both(np.float32(r3[x]), z + THREE, m, s)
        a[x], b[x], ra[x], rb[x] = s[0], s[1], s[2], s[3]
        f[x] = _crossing(s[4], s[5], s[6])
        g[x] = _crossing(s[7], s[8], s[9])
        h[x] = _crossing(s[10], s[11], s[12])


@njit(nogil=True, error_model="numpy", cache=True)
def both_edges_one(r0, z, model, state):
    """As `both_edges`, by one slice."""
    m = (model[0], model[1], model[2], model[3], model[4], model[5])
    a, b, f, g = state[0], state[1], state[2], state[3]
    h, ra, rb = state[4], state[5], state[6]
    for x in range(r0.shape[0]):
        s = (a[x], b[x], ra[x], rb[x], f[x], ZERO, ONE, g[x], ZERO, ONE, h[x], ZERO, ONE)
        s = _both(np.float32(r0[x]), z, m, s)
        a[x], b[x], ra[x], rb[x] = s[0], s[1], s[2], s[3]
        f[x] = _crossing(s[4], s[5], s[6])
        g[x] = _crossing(s[7], s[8], s[9])
        h[x] = _crossing(s[10], s[11], s[12])


@njit(nogil=True, error_model="numpy", cache=True)
def second_edge(r0, r1, r2, r3, z, model, state):
    """As `both_edges` where the first edge is settled: a third of the memory, thrice as fast."""
    m = (model[0], model[1], model[2], model[3], model[4], model[5])
    b, h, rb = state[1], state[4], state[6]
    for x in range(r0.shape[0]):
        s = (b[x], rb[x], h[x], ZERO, ONE)
        s = _second(np.float32(r0[x]), z, m, s)
        s = _second(np.float32(r1[x]), z + ONE, m, s)
        s = _second(np.float32(r2[x]), z + TWO, m, s)
        s = _second(np.float32(r3[x]), z + THREE, m, s)
        b[x], rb[x] = s[0], s[1]
        h[x] = _crossing(s[2], s[3], s[4])


@njit(nogil=True, error_model="numpy", cache=True)
def second_edge_one(r0, z, model, state):
    """As `second_edge`, by one slice."""
    m = (model[0], model[1], model[2], model[3], model[4], model[5])
    b, h, rb = state[1], state[4], state[6]
    for x in range(r0.shape[0]):
        s = (b[x], rb[x], h[x], ZERO, ONE)
        s = _second(np.float32(r0[x]), z, m, s)
        b[x], rb[x] = s[0], s[1]
        h[x] = _crossing(s[2], s[3], s[4])


@njit(nogil=True, error_model="numpy", cache=True)
def settle(state):
    """True if the first edge of every column of a row is beyond doubt; then it is kept.

    `state` (7, nx): columns that have entered the third layer keep the edge they entered with.
    """
    a, b, f, g = state[0], state[1], state[2], state[3]
    for x in range(a.shape[0]):
        if a[x] < SETTLED:
            return False
    for x in range(a.shape[0]):
        if b[x] <= ZERO:
            g[x] = f[x]
        else:
            f[x] = g[x]
    return True


@njit(nogil=True, error_model="numpy", cache=True)
def settled_twice(state, end):
    """True if the second edge of every column of a row is beyond doubt as well.

    `state` (7, nx); `end`: index of the next slice. A whole depth of the third layer must have
    arrived since: a pocket of it inside the second layer is not taken for it, whatever the
    contrast.
    """
    b, h = state[1], state[4]
    settled = True
    for x in range(b.shape[0]):
        settled &= (b[x] >= SETTLED) & (end - h[x] >= SETTLED_DEPTH)
    return settled


@parallel(error_model="numpy")
def open_columns(state, stage, until, off):
    """How many columns of each row may still get another edge, as `settle` and `settled_twice` say,
    besides those that are `off` ((ny, nx) bool) the electrode. Returns (ny,) int64."""
    counts = np.zeros(state.shape[0], np.int64)
    for y in prange(state.shape[0]):
        if stage[y] == DONE:
            continue
        a, b, h = state[y, 0], state[y, 1], state[y, 4]
        for x in range(a.shape[0]):
            sure = (a[x] >= SETTLED) & (b[x] >= SETTLED) & (until[y] - h[x] >= SETTLED_DEPTH)
            counts[y] += not (sure | off[y, x])
    return counts


@parallel(error_model="numpy")
def advance(slab, z0, model, state, stage, until):
    """Advance all columns by a slab of 4, 8, 12 … consecutive slices.

    slab: tuple of (ny, nx) arrays of one dtype, read in place; z0: index of the first;
    stage: (ny,) uint8, how far each row is settled (OPEN, FIRST_SETTLED, DONE); until: (ny,)
    float32, index after the last slice that the row's evidence is from. Both changed in place.
    """
    for y in prange(state.shape[0]):
        if stage[y] == DONE:
            continue
        for k in range(0, len(slab), 4):
            z = np.float32(z0 + k)
            r0, r1, r2, r3 = slab[k][y], slab[k + 1][y], slab[k + 2][y], slab[k + 3][y]
            if stage[y] == FIRST_SETTLED:
                second_edge(r0, r1, r2, r3, z, model, state[y])
            else:
                both_edges(r0, r1, r2, r3, z, model, state[y])
        until[y] = np.float32(z0 + len(slab))
        if stage[y] == OPEN and settle(state[y]):
            stage[y] = FIRST_SETTLED
        if stage[y] == FIRST_SETTLED and settled_twice(state[y], until[y]):
            stage[y] = DONE


@parallel(error_model="numpy")
def advance_one(image, z0, model, state, stage, until):
    """As `advance`, by a single slice (ny, nx)."""
    for y in prange(state.shape[0]):
        if stage[y] == DONE:
            continue
        until[y] = np.float32(z0 + 1)
        if stage[y] == FIRST_SETTLED:
            second_edge_one(image[y], np.float32(z0), model, state[y])
        else:
            both_edges_one(image[y], np.float32(z0), model, state[y])


@njit(nogil=True, error_model="numpy", cache=True)
def advance_column_slice(image, model, state):
    """All of one row of columns at once, from a vertical slice (nz, nx); `state` (7, nx)."""
    nz = image.shape[0]
    whole = nz - nz % 4
    for z in range(0, whole, 4):
        both_edges(image[z], image[z + 1], image[z + 2], image[z + 3], np.float32(z), model, state)
    for z in range(whole, nz):
        both_edges_one(image[z], np.float32(z), model, state)


@njit(nogil=True, cache=True)
def any_not_finite(bits):
    """True if any float32 is NaN or infinite (all exponent bits set): `bits` (n,) uint32."""
    found = np.uint32(0)
    for i in range(bits.shape[0]):
        found |= np.uint32((bits[i] & np.uint32(0x7F800000)) == np.uint32(0x7F800000))
    return found != 0


@njit(nogil=True, cache=True)
def three_segments(profiles, least, cuts):
    """Two cuts that leave three segments of a profile with the least sum of squared residuals.

    profiles: (n, nz) float64, mean grey value along z; least: shortest segment allowed;
    cuts: (n, 2) int64, set to the first index of the second and of the third segment.
    Exhaustive (Bellman 1961), O(nz²) a profile through running sums.
    """
    n, nz = profiles.shape
    sums = np.zeros(nz + 1)
    for p in range(n):
        for z in range(nz):
            sums[z + 1] = sums[z] + profiles[p, z]
        best = -1.0
        for j in range(2 * least, nz - least + 1):
            tail = sums[nz] - sums[j]
            third = tail * tail / (nz - j)
            for i in range(least, j - least + 1):
                middle = sums[j] - sums[i]
                gain = sums[i] * sums[i] / i + middle * middle / (j - i) + third
                if gain > best:
                    best = gain
                    cuts[p, 0] = i
                    cuts[p, 1] = j
