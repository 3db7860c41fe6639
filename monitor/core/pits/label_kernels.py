"""Loops over the labels of pits: outlines, sums, what two maps of labels share."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel

Map = NDArray[np.float32]
BLOCKS = 8
"""Parts of a map with counts of their own: whole numbers, so that their sum depends on no order."""


@parallel()
def renumber(labels: NDArray[np.int32], number: NDArray[np.int32]) -> None:  # pragma: no cover
    """Every label (ny, nx) becomes `number` of it, in place."""
    for y in prange(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] != 0:
                labels[y, x] = number[labels[y, x]]


@parallel()
def trim(
    labels: NDArray[np.int32],
    depth: Map,
    least: float,
    smoothed: Map,
    noise: Map,
    significance: float,
    count: int,
) -> NDArray[np.int64]:  # pragma: no cover
    """Takes off the rim that smoothing carries over the edge of a steep pit: a pixel belongs where
    it, or most of its four neighbours, lies deeper than `least`, or is not measurable.

    Returns (count + 1, 2): pixels left of each label, and those of them that are significant.
    `labels` is mutated.
    """
    ny = labels.shape[0]
    blocks = min(ny, BLOCKS)
    pixels = np.zeros((blocks, count + 1, 2), np.int64)
    for at in prange(blocks):
        block = np.int64(at)
        for y in range(block * ny // blocks, (block + 1) * ny // blocks):
            _trim_row(
                labels[y], depth, np.float32(least), y, smoothed[y], noise[y],
                np.float32(significance), pixels[block],
            )  # fmt: skip
    total: NDArray[np.int64] = pixels.sum(axis=0)
    return total


@njit(nogil=True, cache=True)
def _trim_row(
    labels: NDArray[np.int32],
    depth: Map,
    least: float,
    y: int,
    smoothed: Map,
    noise: Map,
    significance: float,
    pixels: NDArray[np.int64],
) -> None:  # pragma: no cover
    ny, nx = depth.shape
    for x in range(nx):
        own = labels[x]
        if own == 0:
            continue
        if depth[y, x] <= least:
            near = int(y > 0 and not depth[y - 1, x] <= least)
            near += int(y < ny - 1 and not depth[y + 1, x] <= least)
            near += int(x > 0 and not depth[y, x - 1] <= least)
            near += int(x < nx - 1 and not depth[y, x + 1] <= least)
            if near < 3:
                labels[x] = 0
                continue
        pixels[own, 0] += 1
        pixels[own, 1] += smoothed[x] > significance * noise[x]


@parallel()
def boxes(labels: NDArray[np.int32], count: int) -> NDArray[np.int32]:  # pragma: no cover
    """(count + 1, 4): first and last row, first and last column of each label; last < first if it
    is nowhere."""
    ny, nx = labels.shape
    blocks = min(ny, BLOCKS)
    found = np.empty((blocks, count + 1, 4), np.int32)
    for at in prange(blocks):
        block = np.int64(at)
        box = found[block]
        box[:, 0], box[:, 1], box[:, 2], box[:, 3] = ny, -1, nx, -1
        for y in range(block * ny // blocks, (block + 1) * ny // blocks):
            for x in range(nx):
                k = labels[y, x]
                if k != 0:
                    box[k, 0], box[k, 1] = min(box[k, 0], y), y
                    box[k, 2], box[k, 3] = min(box[k, 2], x), max(box[k, 3], x)
    for other in range(1, blocks):
        for label in range(count + 1):
            for i in range(0, 4, 2):
                found[0, label, i] = min(found[0, label, i], found[other, label, i])
                found[0, label, i + 1] = max(found[0, label, i + 1], found[other, label, i + 1])
    first: NDArray[np.int32] = found[0]
    return first


@parallel()
def sums_per_label(
    labels: NDArray[np.int32], depth: Map, smoothed: Map, count: int
) -> NDArray[np.float64]:  # pragma: no cover
    """(count + 1, 4): pixels, Σy, Σx, Σdepth; row 0 is not a pit.

    Where a pixel of a pit was not measured, the smoothed depth is in. Each sum is in the order of
    the map, whatever the number of threads.
    """
    sums = np.zeros((count + 1, 4))
    box = boxes(labels, count)
    for at in prange(1, count + 1):
        k = np.int64(at)
        for y in range(box[k, 0], box[k, 1] + 1):
            for x in range(box[k, 2], box[k, 3] + 1):
                if labels[y, x] == k:
                    d = depth[y, x]
                    sums[k, 0] += 1.0
                    sums[k, 1] += y
                    sums[k, 2] += x
                    sums[k, 3] += d if np.isfinite(d) else smoothed[y, x]
    return sums


@parallel()
def mean_per_label(
    labels: NDArray[np.int32], values: Map, count: int
) -> NDArray[np.float64]:  # pragma: no cover
    """(count + 1,) mean of the finite values of each label; NaN where there is none."""
    means = np.full(count + 1, np.nan)
    box = boxes(labels, count)
    for at in prange(1, count + 1):
        k = np.int64(at)
        total, seen = 0.0, 0
        for y in range(box[k, 0], box[k, 1] + 1):
            for x in range(box[k, 2], box[k, 3] + 1):
                if labels[y, x] == k and np.isfinite(values[y, x]):
                    total += values[y, x]
                    seen += 1
        if seen:
            means[k] = total / seen
    return means


@parallel()
def overlaps(
    labels: NDArray[np.int32], former: NDArray[np.int32], base: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # pragma: no cover
    """Runs of pixels along rows that have one label and one former label, both above 0: label ×
    `base` + former, and how many pixels."""
    ny = labels.shape[0]
    counts = np.zeros(ny + 1, np.int64)
    none = np.empty(0, np.int64)
    for at in prange(ny):
        y = np.int64(at)
        counts[y + 1] = _runs(labels[y], former[y], base, none, none)
    ends = np.cumsum(counts)
    codes, pixels = np.empty(ends[ny], np.int64), np.empty(ends[ny], np.int64)
    for at in prange(ny):
        y = np.int64(at)
        if ends[y + 1] > ends[y]:
            own = slice(ends[y], ends[y + 1])
            _runs(labels[y], former[y], base, codes[own], pixels[own])
    return codes, pixels


@njit(nogil=True, cache=True)
def _runs(
    labels: NDArray[np.int32],
    former: NDArray[np.int32],
    base: int,
    codes: NDArray[np.int64],
    pixels: NDArray[np.int64],
) -> int:  # pragma: no cover
    """Number of runs in a row; sets those there is room for."""
    count, last = 0, -1
    for x in range(labels.size):
        code = np.int64(labels[x]) * base + former[x] if labels[x] > 0 and former[x] > 0 else -1
        if code >= 0:
            count += code != last
            if codes.size:
                pixels[count - 1] = pixels[count - 1] + 1 if code == last else 1
                codes[count - 1] = code
        last = code
    return count
