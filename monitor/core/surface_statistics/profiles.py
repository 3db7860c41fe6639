"""A map along a straight line, between its pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Place = tuple[float, float]
Indices = NDArray[np.int64]
Pick = Callable[[Indices, Indices], NDArray[np.float32]]


def along(start: Place, stop: Place, points: int) -> tuple[NDArray[np.float64], ...]:
    """(points,) rows and columns, evenly spaced from `start` to `stop`, both (row, column)."""
    return np.linspace(start[0], stop[0], points), np.linspace(start[1], stop[1], points)


def bilinear(
    pick: Pick, shape: tuple[int, int], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(n,) values of a map of `shape` (ny, nx) at places between its pixels' centres.

    `pick(rows, columns)` gives the (n,) values of pixels. NaN beside the map, and where a pixel
    that a value needs is NaN; a place on a pixel's centre needs that one alone.
    """
    inside = (rows >= 0) & (rows <= shape[0] - 1) & (columns >= 0) & (columns <= shape[1] - 1)
    row, column = np.floor(rows), np.floor(columns)
    past_row, past_column = rows - row, columns - column
    total = np.zeros(rows.shape)
    for down, weight_y in ((0, 1.0 - past_row), (1, past_row)):
        for right, weight_x in ((0, 1.0 - past_column), (1, past_column)):
            weight = weight_y * weight_x
            y = np.clip(row + down, 0, shape[0] - 1).astype(np.int64)
            x = np.clip(column + right, 0, shape[1] - 1).astype(np.int64)
            total += np.where(weight > 0.0, weight * pick(y, x), 0.0)
    return np.where(inside, total, np.nan).astype(np.float32)
