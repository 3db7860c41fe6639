"""Profiles along z cut into flat segments by least squares, and the means of these."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.core.interface import kernels

MARGIN = 4
LEAST_SEGMENT = 4
THIN = 4 * MARGIN
"""Slices below which less than the whole margin is left out of a segment."""
MAX_BINS = 160


def cuts_of(profiles: NDArray[np.float64], *, segments: int) -> NDArray[np.int64]:
    """(n, segments − 1) first indices of the later segments, found on profiles binned along z."""
    n, nz = profiles.shape
    step = max(1, -(-nz // MAX_BINS))
    whole = nz // step
    binned = profiles[:, : whole * step].reshape(n, whole, step).mean(axis=2)
    least = max(1, LEAST_SEGMENT // step)
    if segments == 2:
        cuts = _one_cut(binned, least)
    else:
        cuts = np.zeros((n, 2), np.int64)
        kernels.three_segments(np.ascontiguousarray(binned), least, cuts)
    cuts *= step
    if step > 1 and segments == 3:
        thin = cuts[:, 0] < THIN
        cuts[thin, 0] = _to_the_slice(profiles[thin], cuts[thin], step)
    return cuts


def _to_the_slice(
    profiles: NDArray[np.float64], cuts: NDArray[np.int64], step: int
) -> NDArray[np.int64]:
    """(n,) the first of two cuts, found on bins of `step`, to the slice, the second as it is: of a
    thin segment one bin more or less is a large part."""
    sums = np.cumsum(profiles, axis=1)
    near = cuts[:, :1] + np.arange(-step, step + 1)
    place = np.minimum(np.maximum(near, LEAST_SEGMENT), cuts[:, 1:] - 1)
    first = np.take_along_axis(sums, place - 1, axis=1)
    second = np.take_along_axis(sums, cuts[:, 1:] - 1, axis=1) - first
    gain = first**2 / place + second**2 / (cuts[:, 1:] - place)
    best = np.argmax(gain, axis=1)[:, None]
    cut: NDArray[np.int64] = np.take_along_axis(place, best, axis=1)[:, 0]
    return cut


def _one_cut(profiles: NDArray[np.float64], least: int) -> NDArray[np.int64]:
    nz = profiles.shape[1]
    sums = np.cumsum(profiles, axis=1)
    length = np.arange(1, nz)
    rest = sums[:, -1:] - sums[:, :-1]
    gain = sums[:, :-1] ** 2 / length + rest**2 / (nz - length)
    gain[:, : least - 1] = -np.inf
    gain[:, nz - least :] = -np.inf
    cut: NDArray[np.int64] = (np.argmax(gain, axis=1) + 1)[:, None]
    return cut


def bounds_of(cuts: NDArray[np.int64], nz: int) -> NDArray[np.int64]:
    """(n, segments + 1): where each segment begins, and where the last one ends."""
    return np.column_stack([np.zeros(len(cuts), np.int64), cuts, np.full(len(cuts), nz)])


def lengths_of(cuts: NDArray[np.int64], nz: int) -> NDArray[np.int64]:
    """(n, segments) slices that each segment has."""
    return np.diff(bounds_of(cuts, nz), axis=1)


def segment_means(
    profiles: NDArray[np.float64], bounds: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Masks (n, segments, nz) of the segments' inner voxels, and their means (n, segments).

    The margin is halved where a segment is too short for it; the scan's own ends need none.
    """
    nz = profiles.shape[1]
    z = np.arange(nz)
    low, high = bounds[:, :-1], bounds[:, 1:]
    margin = np.minimum(MARGIN, (high - low) // 4)
    low = low + np.where(low > 0, margin, 0)
    high = high - np.where(high < nz, margin, 0)
    inside = (z >= low[:, :, None]) & (z < high[:, :, None])
    count = inside.sum(axis=2)
    with np.errstate(invalid="ignore"):
        means = (profiles[:, None, :] * inside).sum(axis=2) / np.where(count, count, np.nan)
    return inside, means
