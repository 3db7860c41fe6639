"""A map as a small picture, and the shapes that stand for states: painted without a scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from monitor.gui.state.snapshot import Answer
from monitor.gui.widgets import theme

SHAPES = {
    "LIVE": [(0.15, 0.05), (0.95, 0.5), (0.15, 0.95)],
    "LATE": [(0.5, 0.05), (1.0, 0.95), (0.0, 0.95)],
    "REPLAY": [(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)],
}
"""Corners in a square of side 1; IDLE is a ring and DEAD a cross."""


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


def draw_state(painter: QPainter, state: str, box: QRectF) -> None:
    """The shape of a state, so that it is told apart without colours."""
    colour = QColor(theme.state_colour(state))
    painter.setPen(QPen(colour, max(1.5, box.width() * 0.18), c=Qt.PenCapStyle.RoundCap))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    inner = box.adjusted(*(box.width() * 0.12 * side for side in (1, 1, -1, -1)))
    if state == "DEAD":
        painter.drawLine(inner.topLeft(), inner.bottomRight())
        painter.drawLine(inner.topRight(), inner.bottomLeft())
        return
    if state not in SHAPES:
        painter.drawEllipse(inner)
        return
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    corners = [
        QPointF(box.left() + x * box.width(), box.top() + y * box.height())
        for x, y in SHAPES[state]
    ]
    painter.drawPolygon(QPolygonF(corners))
