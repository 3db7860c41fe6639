"""The shape of an edge, from a scan's own columns: its blur and fringes come out by themselves.

The most likely place of a step of known shape in white noise is where its derivative, laid over the
grey values, sums to zero (maximum likelihood: Kay, Fundamentals of Statistical Signal Processing
I, 1993, ch. 7). That derivative is read from the mean of many flat columns, aligned by a surface
that follows the interface.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

STRIP_PX = 16
LEAST_COLUMNS = 200
LEAST_RISE = 0.25
"""Of the rise that ratios have in the middle of a path: below it there is no edge."""
READING_VARIANCE = 0.25
"""Voxels², which linear interpolation along the paths (1/6 on average) and differences over a voxel
(1/12) add to the blur."""
LEAST_WEIGHT = 0.03
"""Of the largest weight: smaller ones at the ends are left out."""
ENDS = 2
LEAST_ROWS = 16
"""Of a block: its columns are compared with those around them."""

Map = NDArray[np.float32]


class Profile:
    """Mean ratios along paths over flat columns, in two halves that share no noise."""

    def __init__(self, planes: int) -> None:
        self._sums = np.zeros((2, planes))
        self._columns = np.zeros(2)

    def add(self, paths: Map, residue: Map) -> None:
        """`paths`: (ny, planes, nx), ratios along a surface, the step in the middle; `residue`:
        (ny, nx), how far that surface is from flat, NaN for a column that is not to count. Of those
        with a step, the flatter half counts."""
        step = (paths[:, :ENDS].mean(axis=1) < 0) & (paths[:, -ENDS:].mean(axis=1) > 0)
        step &= np.isfinite(residue)
        if step.sum() < LEAST_COLUMNS:
            return
        rough = np.abs(residue)
        flat = step & (rough <= np.median(rough[step]))
        strip = (np.arange(paths.shape[2]) // STRIP_PX) % 2
        for half in (0, 1):
            chosen = flat & (strip == half)
            self._sums[half] += np.einsum("ykx,yx->k", paths, chosen, dtype=np.float64)
            self._columns[half] += chosen.sum()

    def weights(self, usual: Map, trust: float = 1.0) -> Map:
        """Half of the derivative, centre first, summing to 1 with both sides; (r + 1,) float32, at
        least as long as `usual`, the shape to keep where nothing better is known.

        It is drawn towards the usual one as far as noise explains the difference (James & Stein
        1961), of which the difference between the halves tells; and by 1 − `trust`.
        """
        if self._columns.min() < LEAST_COLUMNS:
            return usual
        profiles = self._sums / self._columns[:, None]
        rises = _folded(np.diff(profiles, axis=1))
        if not (_total(rises) > LEAST_RISE * np.ptp(profiles, axis=1)).all():
            return usual
        rises = _narrowed(rises / _total(rises)[:, None])
        known = np.zeros(rises.shape[1])
        known[: len(usual)] = usual
        off = rises.mean(axis=0) - known
        noise = 0.25 * float(((rises[0] - rises[1]) ** 2).sum())
        trust *= max(0.0, 1.0 - noise / max(float((off**2).sum()), 1e-12))
        return _trimmed(known + trust * off, len(usual))


def _folded(rises: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2r + 1) → (n, r + 1): the mean of both sides, centre first. An edge whose sides differ is
    found displaced, by the same in all scans."""
    r = rises.shape[1] // 2
    return 0.5 * (rises[:, r:] + rises[:, r::-1])


def _narrowed(halves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the blur that reading them has added: to first order (heat equation) a half of its
    variance times the second difference, whose sum is 0."""
    ends = np.column_stack([halves[:, 1], halves, halves[:, -1]])
    narrowed: NDArray[np.float64] = halves - 0.5 * READING_VARIANCE * np.diff(ends, 2, axis=1)
    return narrowed


def _total(halves: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = 2.0 * halves.sum(axis=-1) - halves[..., 0]
    return total


def _trimmed(half: NDArray[np.float64], least: int) -> Map:
    """Without what is next to nothing at its end."""
    known = np.flatnonzero(np.abs(half) > LEAST_WEIGHT * half[0])
    length = max(least, int(known[-1]) + 1)
    kept = np.where(np.arange(length) <= known[-1], half[:length], 0.0)
    weights: Map = np.asarray(kept / _total(kept), np.float32)
    return weights


def rows_to_learn_from(ny: int, nx: int, columns: int, blocks: int) -> Iterable[slice]:
    """Rows of a map, about so many columns in all: the whole map, or blocks spread over it."""
    rows = max(LEAST_ROWS, -(-columns // (blocks * nx)))
    if rows * blocks >= ny:
        return [slice(0, ny)]
    starts = ((np.arange(blocks) + 0.5) * ny / blocks - 0.5 * rows).astype(int)
    return [slice(int(start), int(start) + rows) for start in starts]
