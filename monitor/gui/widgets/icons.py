"""A map as a small picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from monitor.gui.state.snapshot import Answer
from monitor.gui.widgets import theme


def picture(answer: Answer, chosen: str) -> QImage | None:
    """The map of an answer in the colours that were `chosen`, its first row at the bottom; None
    if nothing in it is measured."""
    if answer.array is None or answer.levels is None or not answer.array.size:
        return None
    scale = theme.colour_map(str(answer.header["name"]), chosen)
    table = scale.getLookupTable(0.0, 1.0, 256, alpha=False)
    colours = coloured(answer.array, answer.levels, table, theme.rgb(theme.palette().no_data))
    rows, columns = colours.shape[:2]
    # copied, as an image does not keep the memory alive that it was made from
    return QImage(colours.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()


def scale_of(answer: Answer, chosen: str) -> QImage:
    """The colours of a map's picture, from the least value on the left to the greatest."""
    scale = theme.colour_map(str(answer.header["name"]), chosen)
    table = np.ascontiguousarray(scale.getLookupTable(0.0, 1.0, 256, alpha=False)[None], np.uint8)
    return QImage(table.tobytes(), 256, 1, 3 * 256, QImage.Format.Format_RGB888).copy()


def coloured(
    values: NDArray[np.float32],
    levels: tuple[float, float],
    table: NDArray[np.uint8],
    unknown: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """(ny, nx, 3) uint8 of (ny, nx) values, the last row first; `unknown` where they are NaN."""
    low, high = levels
    known = np.isfinite(values)
    share = (np.where(known, values, low) - low) / ((high - low) or 1.0)
    index = np.clip(share * len(table), 0, len(table) - 1).astype(np.intp)
    found: NDArray[np.uint8] = np.where(known[..., None], table[index], unknown)[::-1]
    return np.ascontiguousarray(found, np.uint8)


def proportions(answer: Answer) -> float:
    """Width of what a map shows divided by its height, in lengths."""
    if answer.array is None or not answer.array.size:
        return 1.0
    rows, columns = answer.array.shape
    _, vy, vx = answer.header.get("voxel_size") or (1.0, 1.0, 1.0)
    return float(columns * vx / (rows * vy))
