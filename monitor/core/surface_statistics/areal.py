"""Areal surface texture after ISO 25178-2, of height maps with holes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel
from monitor.core.surface_statistics.plateau import extent
from monitor.records import shared

PARAMETERS = ("Sa", "Sq", "Sz", "Ssk", "Sku", "Sdr", "Svk", "Vvv")
MIN_PIXELS = 16
FLAT_SHARE = 1e-6
"""Rounding of float32: a surface flatter than this share of its height has no shape."""
CORE_WIDTH = 0.40
VALLEY_RATIO = 0.80
LEVELS = 2000
CURVE_BINS = 65536
CURVE_SAMPLE = 262144
STRIP = 512


Row = NDArray[np.float64]


def areal(height: NDArray[Any], step: float | tuple[float, float]) -> dict[str, float]:
    """Areal parameters of a height map, its least-squares plane removed.

    `height`: (ny, nx), NaN = not measurable and left out; `step`: pixel pitch, one number or (y,
    x), in the unit of `height`. Returns Sa (mean absolute), Sq (rms) and Sz (highest to lowest)
    in that unit, Ssk (skewness) and Sku (kurtosis) as numbers, Sdr (developed area in excess of
    the flat one) as a ratio, Svk (reduced depth of the valleys) and Vvv (their volume per area,
    below 80 % material) in that unit. Sz and Sdr take measuring noise at face value: they are
    upper bounds. All NaN with fewer than 16 pixels; Ssk and Sku NaN for a perfect plane.
    """
    step_y, step_x = (step, step) if isinstance(step, int | float) else step
    values = shared(height)
    normal, right = plane_sums(values)
    count = int(normal[0, 0])
    if count < MIN_PIXELS:
        return dict.fromkeys(PARAMETERS, float("nan"))
    offset, slope_y, slope_x = np.linalg.lstsq(normal, right, rcond=None)[0]
    absolute, square, cube, fourth, lowest, highest, excess = texture_sums(
        values, offset, slope_y, slope_x, float(step_y), float(step_x)
    )
    mean_square = square / count
    plane = (offset, slope_y, slope_x)
    svk, vvv = _valleys(height_counts(values, *plane, lowest, highest, CURVE_BINS), lowest, highest)
    flat = mean_square <= FLAT_SHARE**2 * max(1.0, *map(abs, extent(values)[:2])) ** 2
    return {
        "Sa": absolute / count,
        "Sq": mean_square**0.5,
        "Sz": highest - lowest,
        "Ssk": float("nan") if flat else cube / count / mean_square**1.5,
        "Sku": float("nan") if flat else fourth / count / mean_square**2,
        "Sdr": excess,
        "Svk": svk,
        "Vvv": vvv,
    }


def _valleys(counts: NDArray[np.int64], lowest: float, highest: float) -> tuple[float, float]:
    """Svk and Vvv by the areal material ratio curve (ISO 25178-2, ISO 13565-2).

    `counts`: pixels by height between `lowest` and `highest`. The core is where a secant over
    40 % of the material is least steep; the straight line fitted there meets 100 % material at
    the foot of the core, and what lies deeper is Svk as the height of the triangle that has its
    area. Vvv is the void below the height of 80 % material.
    """
    width = (highest - lowest) / counts.size
    edges = lowest + width * np.arange(counts.size + 1)
    below = np.concatenate(([0.0], np.cumsum(counts))) / max(1, counts.sum())
    ratio = np.linspace(0.0, 1.0, LEVELS + 1)
    curve = np.interp(1.0 - ratio, below, edges)
    span = round(CORE_WIDTH * LEVELS)
    first = int(np.argmin(curve[:-span] - curve[span:]))
    core = slice(first, first + span + 1)
    slope, level = np.polyfit(ratio[core], curve[core], 1)
    foot = slope + level
    deeper = np.trapezoid(np.maximum(foot - curve, 0.0), ratio)
    share = float(np.interp(foot, edges, below))
    svk = 2.0 * deeper / share if share > 0.0 else 0.0
    rest = ratio >= VALLEY_RATIO
    void = np.trapezoid(curve[rest][0] - curve[rest], ratio[rest])
    return float(svk), float(void)


@parallel()
def plane_sums(
    height: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # pragma: no cover
    """Normal equations of the plane 1, y, x through the valid pixels, y and x from −1 to 1."""
    ny = height.shape[0]
    rows = np.empty((ny, 5))
    for row in prange(ny):
        _row_sums(height[row], rows[row])
    normal, right = np.zeros((3, 3)), np.zeros(3)
    for i in range(ny):
        y = 2.0 * i / max(1, ny - 1) - 1.0
        n, sx, sxx, sz, sxz = rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3], rows[i, 4]
        normal += np.array([[n, n * y, sx], [n * y, n * y * y, sx * y], [sx, sx * y, sxx]])
        right += np.array([sz, sz * y, sxz])
    return normal, right


@njit(nogil=True, cache=True)
def _row_sums(height: NDArray[np.float32], out: Row) -> None:  # pragma: no cover
    """Σ 1, x, x², z, xz over the valid pixels of one row."""
    n, sx, sxx, sz, sxz = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(height.size):
        z = float(height[j])
        if np.isfinite(z):
            x = 2.0 * j / max(1, height.size - 1) - 1.0
            n += 1.0
            sx += x
            sxx += x * x
            sz += z
            sxz += x * z
    out[0], out[1], out[2], out[3], out[4] = n, sx, sxx, sz, sxz


@njit(nogil=True, cache=True)
def height_counts(
    height: NDArray[np.float32],
    offset: float,
    slope_y: float,
    slope_x: float,
    lowest: float,
    highest: float,
    bins: int,
) -> NDArray[np.int64]:  # pragma: no cover
    """(bins,) pixels by height above the plane, from `lowest` to `highest`; of a large map, one row
    in some."""
    ny, nx = height.shape
    counts = np.zeros(bins, np.int64)
    scale = bins / (highest - lowest) if highest > lowest else 0.0
    for i in range(0, ny, max(1, ny * nx // CURVE_SAMPLE)):
        level = offset + slope_y * (2.0 * i / max(1, ny - 1) - 1.0) + lowest
        for j in range(nx):
            z = height[i, j] - level - slope_x * (2.0 * j / max(1, nx - 1) - 1.0)
            if np.isfinite(z):
                counts[min(int(z * scale), bins - 1)] += 1
    return counts


@njit(nogil=True, cache=True)
def texture_sums(
    height: NDArray[np.float32],
    offset: float,
    slope_y: float,
    slope_x: float,
    step_y: float,
    step_x: float,
) -> tuple[float, float, float, float, float, float, float]:  # pragma: no cover
    """Of the height above the plane: Σ|z|, Σz², Σz³, Σz⁴, lowest, highest, and developed excess.

    The excess is over the cells of four valid pixels, each split in two triangles; NaN without
    a cell.
    """
    # a sum for each column: those of a row do not wait for each other, nor do strips of columns
    nx = height.shape[1]
    sums = np.zeros((4, nx))
    lowest, highest = np.full(nx, np.inf), np.full(nx, -np.inf)
    area, cells = np.zeros(nx), np.zeros(nx)
    _column_sums(
        height, (offset, slope_y, slope_x), step_y, step_x, sums, lowest, highest, area, cells
    )
    count = cells.sum()
    excess = area.sum() / count - 1.0 if count else np.nan
    absolute, square, cube, fourth = sums[0].sum(), sums[1].sum(), sums[2].sum(), sums[3].sum()
    return absolute, square, cube, fourth, lowest.min(), highest.max(), excess


@parallel()
def _column_sums(
    height: NDArray[np.float32],
    plane: tuple[float, float, float],
    step_y: float,
    step_x: float,
    sums: NDArray[np.float64],
    lowest: Row,
    highest: Row,
    area: Row,
    cells: Row,
) -> None:  # pragma: no cover
    """Columns of `texture_sums`; sums over them stay out of a parallel loop, which would add in an
    order that depends on the number of threads."""
    ny, nx = height.shape
    offset, slope_y, slope_x = plane
    for at in prange((nx + STRIP - 1) // STRIP):
        strip = np.int64(at)
        first = strip * STRIP
        end, beyond = min(nx, first + STRIP), min(nx, first + STRIP + 1)
        row, before = np.empty(beyond - first), np.full(beyond - first, np.nan)
        for i in range(ny):
            level = offset + slope_y * (2.0 * i / max(1, ny - 1) - 1.0)
            for j in range(first, beyond):
                row[j - first] = height[i, j] - level - slope_x * (2.0 * j / max(1, nx - 1) - 1.0)
            _add_powers(
                row[: end - first], sums[:, first:end], lowest[first:end], highest[first:end]
            )
            _add_cells(row, before, step_y, step_x, area[first:end], cells[first:end])
            row, before = before, row


@njit(nogil=True, cache=True)
def _add_powers(
    row: Row, sums: NDArray[np.float64], lowest: Row, highest: Row
) -> None:  # pragma: no cover
    for j in range(row.size):
        z = row[j]
        valid = z == z
        lowest[j] = z if valid and z < lowest[j] else lowest[j]
        highest[j] = z if valid and z > highest[j] else highest[j]
        z = z if valid else 0.0
        square = z * z
        sums[0, j] += abs(z)
        sums[1, j] += square
        sums[2, j] += square * z
        sums[3, j] += square * square


@njit(nogil=True, cache=True)
def _add_cells(
    row: Row, before: Row, step_y: float, step_x: float, area: Row, cells: Row
) -> None:  # pragma: no cover
    """Developed area of the cells between two rows, where all four corners are valid."""
    per_y, per_x = 1.0 / step_y, 1.0 / step_x
    for j in range(row.size - 1):
        along_y = (row[j] - before[j]) * per_y
        along_y_next = (row[j + 1] - before[j + 1]) * per_y
        along_x = (row[j + 1] - row[j]) * per_x
        along_x_before = (before[j + 1] - before[j]) * per_x
        cell = 0.5 * (
            np.sqrt(1.0 + along_x_before * along_x_before + along_y * along_y)
            + np.sqrt(1.0 + along_x * along_x + along_y_next * along_y_next)
        )
        valid = cell == cell
        area[j] += cell if valid else 0.0
        cells[j] += 1.0 if valid else 0.0
