"""Means of a map, with the errors that the scatter between its tiles gives them."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel
from monitor.records import ScanStart, shared

TILE_UM = 50.0
TILES_A_SIDE = 4

Map = NDArray[np.float32]
Edges = NDArray[np.int64]


def tile_px(start: ScanStart) -> tuple[int, int]:
    """Sides (y, x) of a tile of a scan's maps in pixels: 50 µm, or a quarter of a field too small
    for that."""
    _, ny, nx = start.volume_shape
    _, dy, dx = start.voxel_size
    side_y, side_x = ny // TILES_A_SIDE, nx // TILES_A_SIDE
    if start.voxel_size_um:
        side_y, side_x = min(side_y, round(TILE_UM / dy)), min(side_x, round(TILE_UM / dx))
    return max(1, side_y), max(1, side_x)


def mean_over_tiles(values: Map, tile_px: tuple[int, int]) -> tuple[float, float]:
    """Mean over the valid pixels and its standard error, from the scatter of the means of tiles.

    `values`: (ny, nx), NaN left out. The error says how well the field stands for the electrode;
    the noise of single pixels is averaged away in it.
    """
    rows = np.arange(0, values.shape[0], tile_px[0])
    columns = np.arange(0, values.shape[1], tile_px[1])
    totals, counts = tile_sums(values, rows, columns)
    if not counts.any():
        return float("nan"), float("nan")
    mean = float(totals.sum() / counts.sum())
    whole = counts > 0.5 * tile_px[0] * tile_px[1]
    if whole.sum() < 2:
        return mean, float("nan")
    means = totals[whole] / counts[whole]
    return mean, float(np.std(means, ddof=1) / math.sqrt(means.size))


def mean_and_spread(values: Map, tiles_a_side: int) -> tuple[float, float]:
    """Mean over the valid pixels, and its standard error from the scatter between square tiles.

    The scatter between tiles, unlike that between pixels, holds what neighbours have in common. It
    also holds the real lateral variation, which errs on the careful side. The error is infinite
    with fewer than two tiles.
    """
    rows, columns = (np.linspace(0, n, tiles_a_side, endpoint=False) for n in values.shape)
    totals, counts = tile_sums(values, rows.astype(np.int64), columns.astype(np.int64))
    used = counts > 0
    tiles = int(used.sum())
    if not tiles:
        return float("nan"), float("nan")
    mean = float(totals.sum() / counts.sum())
    if tiles < 2:
        return mean, float("inf")
    residual = totals[used] - mean * counts[used]
    variance = float((residual**2).sum()) * tiles / (tiles - 1)
    return mean, float(np.sqrt(variance) / counts.sum())


def tile_sums(
    values: Map, rows: Edges, columns: Edges
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum and number of the valid pixels of each tile; `rows`, `columns`: where tiles begin."""
    sums, counts = column_sums(shared(values), np.append(rows, len(values)))
    return np.add.reduceat(sums, columns, axis=1), np.add.reduceat(counts, columns, axis=1)


@parallel()
def column_sums(
    values: Map, edges: Edges
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:  # pragma: no cover
    """Sum and number of the valid pixels of each column (ny, nx) between one edge and the next."""
    sums = np.zeros((edges.size - 1, values.shape[1]))
    counts = np.zeros(sums.shape, np.int64)
    for at in prange(edges.size - 1):
        k = np.int64(at)
        for y in range(edges[k], edges[k + 1]):
            _add_row(values[y], sums[k], counts[k])
    return sums, counts


@njit(nogil=True, cache=True)
def _add_row(
    values: Map, sums: NDArray[np.float64], counts: NDArray[np.int64]
) -> None:  # pragma: no cover
    for x in range(values.size):
        valid = np.isfinite(values[x])
        sums[x] += values[x] if valid else np.float32(0.0)
        counts[x] += valid
