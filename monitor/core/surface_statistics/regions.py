"""Parts of a map that an operator marks, and what the pixels in them say.

Places are (row, column) in pixels of the whole map, with the centre of the first pixel at (0, 0). A
pixel belongs to a region where its centre does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.core.surface_statistics.tiles import mean_over_tiles

Map = NDArray[np.float32]
Kind = Literal["whole", "rectangle", "ellipse", "polygon"]
Place = tuple[float, float]

PERCENTS = {"p1": 1.0, "p5": 5.0, "median": 50.0, "p95": 95.0, "p99": 99.0}
SHOWN_PERCENTS = (0.5, 99.5)
"""Where a histogram begins and ends, unless it is reported."""


@dataclass(frozen=True, eq=False)
class Region:
    """Pixels of a map: within the rows and columns of `window` (y0, y1, x0, x1), those of `mask`,
    (y1 − y0, x1 − x0) bool; None stands for all of them."""

    window: tuple[int, int, int, int]
    mask: NDArray[np.bool_] | None

    @property
    def part(self) -> tuple[slice, slice]:
        """The window, to index a map by."""
        y0, y1, x0, x1 = self.window
        return slice(y0, y1), slice(x0, x1)

    @property
    def pixels(self) -> int:
        """How many pixels belong to it."""
        y0, y1, x0, x1 = self.window
        return (y1 - y0) * (x1 - x0) if self.mask is None else int(self.mask.sum())

    def holds(self, row: float, column: float) -> bool:
        """Whether the pixel that a place falls into belongs to it."""
        y0, y1, x0, x1 = self.window
        y, x = round(row), round(column)
        inside = y0 <= y < y1 and x0 <= x < x1
        return inside and (self.mask is None or bool(self.mask[y - y0, x - x0]))

    def only(self, values: Map) -> Map:
        """(ny, nx) `values` of the window, as a copy with NaN where a pixel does not belong."""
        return values if self.mask is None else np.where(self.mask, values, np.float32(np.nan))


def region_of(kind: Kind, points: Sequence[Place], shape: tuple[int, int]) -> Region:
    """The region in a map of `shape` (ny, nx); what lies beside the map is cut off.

    `points`: two opposite corners of a rectangle, or of the rectangle that an ellipse fills; the
    corners of a polygon in order, whose crossings follow the even-odd rule. Pixels on the border of
    a rectangle or ellipse belong to it; on that of a polygon, where row or column are least.
    """
    if kind == "whole":
        return Region((0, shape[0], 0, shape[1]), None)
    rows, columns = (np.array([point[axis] for point in points]) for axis in (0, 1))
    y0, y1 = _span(rows, shape[0])
    x0, x1 = _span(columns, shape[1])
    window = (y0, y1, x0, x1)
    if kind == "rectangle":
        return Region(window, None)
    y, x = np.arange(y0, y1), np.arange(x0, x1)
    mask = _ellipse(rows, columns, y, x) if kind == "ellipse" else _polygon(rows, columns, y, x)
    return Region(window, mask)


def _span(values: NDArray[np.float64], side: int) -> tuple[int, int]:
    """First and one past the last whole number between the least and the greatest value."""
    first = min(max(math.ceil(values.min()), 0), side)
    return first, max(first, min(math.floor(values.max()) + 1, side))


def _ellipse(
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
) -> NDArray[np.bool_]:
    half_y, half_x = float(np.ptp(rows)) / 2.0, float(np.ptp(columns)) / 2.0
    if half_y == 0.0 or half_x == 0.0:
        return np.zeros((y.size, x.size), np.bool_)
    away_y, away_x = (y - rows.mean()) / half_y, (x - columns.mean()) / half_x
    inside: NDArray[np.bool_] = away_y[:, None] ** 2 + away_x[None, :] ** 2 <= 1.0
    return inside


def _polygon(
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Each edge turns inside and outside round in the rows that it passes, right of where it does:
    the turns are counted along a row, and an odd number of them is inside."""
    turns = np.zeros((y.size, x.size + 1), np.uint8)
    if not y.size or not x.size:
        return turns[:, :-1].astype(np.bool_)
    for k in range(len(rows)):
        r0, c0, r1, c1 = rows[k - 1], columns[k - 1], rows[k], columns[k]
        first, end = np.searchsorted(y, [min(r0, r1), max(r0, r1)])
        if first == end:
            continue
        passed = c0 + (y[first:end] - r0) * ((c1 - c0) / (r1 - r0))
        turns[np.arange(first, end), np.searchsorted(x, passed)] += np.uint8(1)
    odd = np.cumsum(turns[:, :-1], axis=1, dtype=np.uint8) & np.uint8(1)
    return odd.astype(np.bool_)


def significant(values: Map, errors: Map, least: float) -> Map:
    """`values` with NaN where they are smaller than `least` errors, or their error is unknown."""
    with np.errstate(invalid="ignore"):
        seen = np.abs(values) >= np.float32(least) * errors
    return np.where(seen, values, np.float32(np.nan))


def describe(known: Map) -> dict[str, float | None]:
    """Mean, standard deviation (of n − 1), least, greatest and percentiles of (n,) `known` values,
    all finite; None if there are too few. Sorts `known` in part."""
    if not known.size:
        return dict.fromkeys(("mean", "sd", "minimum", *PERCENTS, "maximum"))
    mean = float(known.mean(dtype=np.float64))
    away = known - np.float32(mean)
    squares = float(np.square(away, out=away).sum(dtype=np.float64))
    quantiles = np.percentile(known, list(PERCENTS.values()), overwrite_input=True)
    return {
        "mean": mean,
        "sd": math.sqrt(squares / (known.size - 1)) if known.size > 1 else None,
        "minimum": float(known.min()),
        **dict(zip(PERCENTS, map(float, quantiles), strict=True)),
        "maximum": float(known.max()),
    }


def histogram(
    known: Map, bins: int, low: float | None, high: float | None, *, with_zero: bool
) -> tuple[list[float], list[int]]:
    """Edges (bins + 1) and counts (bins) of (n,) finite values; values beyond them are not counted.

    If it is not told, it reaches from the 0.5th to the 99.5th percentile, and to 0 where
    `with_zero`. Empty without bins, or without any value to tell the range by.
    """
    if not bins or not (known.size or (low is not None and high is not None)):
        return [], []
    shown = (
        [0.0, 0.0] if not known.size else [float(v) for v in np.percentile(known, SHOWN_PERCENTS)]
    )
    if with_zero:
        shown = [min(shown[0], 0.0), max(shown[1], 0.0)]
    first = shown[0] if low is None else low
    last = shown[1] if high is None else high
    if last <= first:  # all alike, or nothing on the side that was reported
        width = max(1e-6, 1e-3 * abs(first))
        first, last = (first, first + width) if low is not None else (last - width, last)
    counts, edges = np.histogram(known, bins, (first, last))
    return edges.tolist(), counts.tolist()


def mean_error(values: Map, region: Region, tile_px: tuple[int, int]) -> float | None:
    """Standard error of the mean over a region of the map `values`, (ny, nx), from the scatter
    between its tiles; None if fewer than two tiles are more than half in it and measured.

    Errors of neighbouring pixels are not independent, so that the map's own errors cannot tell this
    one. The tiles are those of the whole map: of all of it, this is the error of the summary.
    """
    y0, y1, x0, x1 = region.window
    first_y, first_x = y0 - y0 % tile_px[0], x0 - x0 % tile_px[1]
    if (first_y, first_x) == (y0, x0):
        cut = region.only(values)
    else:
        cut = np.full((y1 - first_y, x1 - first_x), np.nan, np.float32)
        cut[y0 - first_y :, x0 - first_x :] = region.only(values)
    error = mean_over_tiles(cut, tile_px)[1]
    return error if math.isfinite(error) else None
