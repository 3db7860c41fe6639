"""The removal of the surface between the pits: "Complete" of the paper's Table 1.

The histogram of the removal is smoothed, and its lowest peak of at least 15 % of the highest is the
plateau. A peak counts once the density behind it has fallen by a tenth of it (and by more than its
counting noise), so that a ripple on a flank is none. A distribution with one peak only is a plateau
without pits. No peak separates where the one found is not a plateau: its low side, which nothing
but noise and roughness widens, is wider than 10 σ at half its height, or its place is uncertain by
more than 4 σ (σ: the smoothing). Then the half-sample mode (Bickel & Frühwirth, Comput. Stat. Data
Anal. 50, 2006) is in, marked as not separated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from monitor.core.parallel import parallel
from monitor.records import shared

MIN_SHARE = 0.15
MIN_PROMINENCE = 0.10
PROMINENCE_NOISE = 4.0
MAX_WIDTH_SIGMA = 10.0
MAX_INTERVAL_SIGMA = 4.0
MIN_PIXELS = 64
MIN_TILES_A_SIDE = 4
MAX_BINS = 4096
DRAWS = 200
INTERVAL_PERCENT = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Plateau:
    """Removal of the plateau with its 95 % interval and standard error, in the unit of the map.

    NaN throughout if there are too few pixels. `separated`: false where `value` is a
    half-sample mode because no peak separates.
    """

    value: float
    low: float
    high: float
    error: float
    separated: bool


def complete(
    removal: NDArray[Any],
    *,
    bin_width: float = 0.05,
    sigma: float = 0.4,
    tile_px: int | tuple[int, int],
    seed: int = 0,
) -> Plateau:
    """Plateau of a removal map, with its confidence from a bootstrap over tiles.

    `removal`: (ny, nx), NaN = not measurable; `bin_width` and `sigma` (smoothing) in its unit:
    0.05 and 0.4 µm. `tile_px`: side of a tile, 50 µm in pixels, one number or (y, x); smaller
    where the map would not hold 4×4 of them. Tiles, not pixels, are drawn, since neighbouring
    pixels are not independent. The same `seed` gives the same answer.
    """
    removal = shared(removal)
    edges = _range(removal, bin_width)
    if edges is None:
        return Plateau(np.nan, np.nan, np.nan, np.nan, False)
    lowest, bins = edges
    tile_y, tile_x = (tile_px, tile_px) if isinstance(tile_px, int) else tile_px
    ny, nx = removal.shape
    tiles = tile_histograms(
        removal,
        lowest,
        bin_width,
        bins,
        max(1, min(tile_y, ny // MIN_TILES_A_SIDE)),
        max(1, min(tile_x, nx // MIN_TILES_A_SIDE)),
    )
    width = sigma / bin_width
    sums = np.concatenate((tiles.sum(axis=0, keepdims=True), _resampled(tiles, seed)))
    whole, *drawn = gaussian_filter1d(sums, width, axis=1, mode="constant")
    peaks = np.array([lowest_peak(row, width) for row in (whole, *drawn)])
    value, low, high, error = _interval(peaks, lowest, bin_width)
    wide = _low_side_width(whole, peaks[0]) > MAX_WIDTH_SIGMA * width
    separated = not wide and high - low <= MAX_INTERVAL_SIGMA * sigma
    if not separated:
        modes = np.array([half_sample_mode(row, width) for row in (whole, *drawn)])
        value, low, high, error = _interval(modes, lowest, bin_width)
    return Plateau(value, low, high, error, separated)


def _range(removal: NDArray[Any], bin_width: float) -> tuple[float, int] | None:
    """(lower edge, number of bins) that hold the values; far outliers are left outside."""
    lowest, highest, known = extent(removal)
    if not known:
        return None
    if not highest - lowest < MAX_BINS * bin_width:
        values = removal[np.isfinite(removal)]
        lowest, highest = (float(edge) for edge in np.percentile(values, (0.1, 99.9)))
        highest = min(highest, lowest + MAX_BINS * bin_width)
    if known < MIN_PIXELS:
        return None
    return lowest - 1.5 * bin_width, int((highest - lowest) / bin_width) + 4


def _resampled(tiles: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """(DRAWS, bins): sums of as many tiles as there are, drawn with replacement."""
    count = len(tiles)
    chosen = np.random.default_rng(seed).integers(count, size=(DRAWS, count))
    chosen += count * np.arange(DRAWS)[:, None]
    times = np.bincount(chosen.ravel(), minlength=DRAWS * count).reshape(DRAWS, count)
    drawn: NDArray[np.float32] = times.astype(np.float32) @ tiles
    return drawn


def _interval(
    places: NDArray[np.float64], lowest: float, bin_width: float
) -> tuple[float, float, float, float]:
    """(value, low, high, error) from bin places; the first belongs to the map itself.

    The error is half the central 68 % interval of the draws.
    """
    values = lowest + (places + 0.5) * bin_width
    low, high = np.percentile(values[1:], INTERVAL_PERCENT)
    below, above = np.percentile(values[1:], (15.87, 84.13))
    return float(values[0]), float(low), float(high), float(0.5 * (above - below))


def _low_side_width(density: NDArray[np.float32], place: float) -> float:
    """Bins from the peak down to where the density below it first halves."""
    top = round(place)
    below = np.flatnonzero(density[: top + 1] < 0.5 * density[top])
    return float(top - below[-1]) if below.size else float(top + 1)


@parallel()
def extent(values: NDArray[np.float32]) -> tuple[float, float, int]:  # pragma: no cover
    """Least and greatest of the values (ny, nx) that are no NaN, and how many are finite."""
    ny = values.shape[0]
    lowest, highest = np.full(ny, np.inf, np.float32), np.full(ny, -np.inf, np.float32)
    known = np.zeros(ny, np.int64)
    for y in prange(ny):
        low, high, count = np.float32(np.inf), np.float32(-np.inf), 0
        for x in range(values.shape[1]):
            value = values[y, x]
            low = value if value < low else low
            high = value if value > high else high
            count += np.isfinite(value)
        lowest[y], highest[y], known[y] = low, high, count
    if not known.any():
        return np.nan, np.nan, 0
    return lowest.min(), highest.max(), known.sum()


@parallel()
def tile_histograms(
    values: NDArray[np.float32],
    lowest: float,
    bin_width: float,
    bins: int,
    tile_y: int,
    tile_x: int,
) -> NDArray[np.float32]:  # pragma: no cover
    """(tiles, bins) counts; a remainder at the border belongs to the last tile."""
    ny, nx = values.shape
    rows, columns = max(1, ny // tile_y), max(1, nx // tile_x)
    counts = np.zeros((rows * columns, bins), np.float32)
    scale = 1.0 / bin_width
    for at in prange(rows):
        row = np.int64(at)
        for y in range(row * tile_y, ny if row == rows - 1 else (row + 1) * tile_y):
            for column in range(columns):
                end = nx if column == columns - 1 else (column + 1) * tile_x
                for x in range(column * tile_x, end):
                    place = (values[y, x] - lowest) * scale
                    if 0.0 <= place < bins:
                        counts[row * columns + column, int(place)] += 1.0
    return counts


@njit(nogil=True, cache=True)
def lowest_peak(density: NDArray[np.float32], width: float) -> float:  # pragma: no cover
    """Place (fractional bin) of the lowest peak of at least 15 % of the highest.

    `width`: σ of the smoothing in bins; a smoothed bin of n counts has the variance n /
    (2√π·width).
    """
    highest = density.max()
    best, place = -1.0, 0
    for i in range(density.size):
        if density[i] > best:
            best, place = density[i], i
        elif best >= MIN_SHARE * highest:
            noise = PROMINENCE_NOISE * np.sqrt(best / (2.0 * np.sqrt(np.pi) * width))
            if best - density[i] >= min(best, max(MIN_PROMINENCE * best, noise)):
                break
    if place == 0 or place == density.size - 1:
        return float(place)
    before, after = density[place - 1], density[place + 1]
    curvature = 2.0 * best - before - after
    return place + (0.5 * (after - before) / curvature if curvature > 0.0 else 0.0)


@njit(nogil=True, cache=True)
def half_sample_mode(density: NDArray[np.float32], width: float) -> float:  # pragma: no cover
    """Place of the half-sample mode: the shortest stretch with half the counts, again and again."""
    sums = np.zeros(density.size + 1)
    for i in range(density.size):
        sums[i + 1] = sums[i] + density[i]
    first, last = 0, density.size
    while last - first > 2.0 * width:
        half = 0.5 * (sums[last] - sums[first])
        best_first, best_last = first, last
        end = first
        for start in range(first, last):
            while end < last and sums[end] - sums[start] < half:
                end += 1
            if sums[end] - sums[start] < half:
                break
            if end - start < best_last - best_first:
                best_first, best_last = start, end
        if best_last - best_first >= last - first:
            break
        first, last = best_first, best_last
    weight, moment = 0.0, 0.0
    for i in range(first, last):
        weight += density[i]
        moment += density[i] * i
    return moment / weight if weight > 0.0 else 0.5 * (first + last)
