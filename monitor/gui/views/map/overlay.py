"""Overlays of a map: the outlines of pits, coloured by the scan in which they appeared, their
numbers, and grain boundaries."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF

from monitor.gui.state.snapshot import Answer, Choice, relatives
from monitor.gui.widgets import theme
from monitor.gui.widgets.palette import CHOSEN, GRAINS, NEWEST, OLDEST, RELATED, SHADE, WHITE
from monitor.wire.results.cells import Scan
from monitor.wire.results.headers import Columns, ReplyHeader

MAX_NUMBERS = 120
LEAST_PIXELS = 30
"""Width of a pit on the screen from which its number is drawn inside it."""


class GrainOverlay:
    """Draws grain boundaries into a plot, below the rims of pits. Its item is made once."""

    def __init__(self, plot: pg.PlotItem) -> None:
        self._drawn: Answer | None = None
        self.lines = pg.ImageItem(axisOrder="row-major")
        self.lines.setZValue(4)
        plot.addItem(self.lines)
        self.lines.hide()

    def hide(self) -> None:
        """Shows nothing."""
        self.lines.hide()
        self._drawn = None

    def draw(self, answer: Answer | None, choice: Choice) -> None:
        """Shows the boundaries; nothing if they are not known or switched off."""
        if answer is None or answer.array is None or not choice.grains:
            self.hide()
        elif answer is not self._drawn:
            self._drawn = answer
            self.lines.setImage(GRAINS[answer.array + 1], levels=None, autoLevels=False)
            self.lines.setRect(extent(answer.header, answer.array.shape))
            self.lines.show()


class PitOverlay:
    """Draws rims and numbers into a plot. All its items are made once."""

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        self._drawn: tuple[Any, ...] = ()
        self.rims = pg.ImageItem(axisOrder="row-major")
        self.rims.setZValue(5)
        plot.addItem(self.rims)
        self._numbers = [
            pg.TextItem("", color=WHITE, anchor=(0.5, 0.5), fill=SHADE) for _ in range(MAX_NUMBERS)
        ]
        for number in self._numbers:
            number.setZValue(6)
            number.hide()
            plot.addItem(number, ignoreBounds=True)

    def restyle(self) -> None:
        """Applies the sizes of the current look."""
        for number in self._numbers:
            number.setFont(theme.axis_font())

    def hide(self) -> None:
        """Shows nothing."""
        self.rims.hide()
        for number in self._numbers:
            number.hide()
        self._drawn = ()

    def draw(self, labels: Answer | None, pits: Answer | None, scan: Scan, choice: Choice) -> None:
        """Shows the pits of a scan; nothing if they are not known or switched off."""
        rims = labels.rims if labels is not None else None
        if labels is None or labels.array is None or rims is None or not choice.outlines:
            self.hide()
            return
        columns = pits.columns if pits else {}
        view = tuple(round(v, 3) for side in self._plot.vb.viewRange() for v in side)
        drawn = (labels, pits, choice.pit, view)
        if drawn == self._drawn:
            return
        if drawn[:3] != self._drawn[:3]:
            image = colours_of(rims, columns, scan["scan"], choice.pit)
            if choice.pit is not None:
                image[thickened(labels.array, rims, choice.pit)] = CHOSEN
            self.rims.setImage(image, levels=None, autoLevels=False)
            self.rims.setRect(extent(labels.header, rims.shape))
            self.rims.show()
        self._drawn = drawn
        self._draw_numbers(columns, scan["length_unit"], choice.pit)

    def _draw_numbers(self, columns: Columns, unit: str, chosen: int | None) -> None:
        """Numbers of the chosen and of the deepest pit, and of all that are wide enough on the
        screen to bear them."""
        (x0, x1), (y0, y1) = self._plot.vb.viewRange()
        word = "um" if unit == "µm" else "voxel"
        least = LEAST_PIXELS * theme.scale() * self._plot.vb.viewPixelSize()[0]
        names = ("id", *(f"{n}_{word}" for n in ("x", "y", "diameter", "depth_max")))
        told = list(zip(*(columns.get(n, ()) for n in names), strict=True))
        deepest = max(told, key=lambda pit: pit[4] or 0.0, default=(None,))[0]
        always = (chosen, deepest)
        seen = [
            (number, x, y)
            for number, x, y, width, _ in sorted(
                told, key=lambda pit: (pit[0] not in always, -(pit[4] or 0.0))
            )
            if (width >= least or number in always) and x0 <= x <= x1 and y0 <= y <= y1
        ][:MAX_NUMBERS]
        for item, (number, x, y) in zip(self._numbers, seen, strict=False):
            item.setText(str(number))
            item.setPos(x, y)
            item.show()
        for item in self._numbers[len(seen) :]:
            item.hide()


def colours_of(
    rims: NDArray[np.int32], columns: Columns, scan: int, chosen: int | None
) -> NDArray[np.uint8]:
    """RGBA (ny, nx, 4) of rims labelled with pit numbers: coloured by the first scan of the pit,
    the chosen pit and its relatives in their own colours; transparent elsewhere."""
    top = int(rims.max(initial=0))
    table = np.zeros((top + 1, 4), np.uint8)
    table[1:] = (*NEWEST, 235)
    numbers = np.array(columns.get("id", ()), np.int64)
    births = np.array(columns.get("first_scan", ()), np.float64)
    inside = (numbers > 0) & (numbers <= top)
    if inside.any():
        first = births.min()
        age = np.clip((births[inside] - first) / max(1.0, scan - first), 0, 1)[:, None]
        old, new = np.array(OLDEST), np.array(NEWEST)
        table[numbers[inside], :3] = (old + age * (new - old)).astype(np.uint8)
    _mark(table, relatives(columns, chosen), RELATED)
    _mark(table, () if chosen is None else (chosen,), CHOSEN)
    # a colour as one number: four bytes one by one take four times as long
    found: NDArray[np.uint8] = table.view(np.uint32)[:, 0].take(rims).view(np.uint8)
    return found.reshape(*rims.shape, 4)


def thickened(labels: NDArray[np.int32], rims: NDArray[np.int32], pit: int) -> NDArray[np.bool_]:
    """(ny, nx): the rim of a pit, one pixel thicker towards its inside, so that it is
    conspicuous."""
    rim = rims == pit
    thick: NDArray[np.bool_] = rim.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            thick |= np.roll(rim, shift, axis)
    thick &= labels == pit
    return thick


def _mark(table: NDArray[np.uint8], numbers: Collection[int], colour: tuple[int, ...]) -> None:
    for number in numbers:
        if 0 < number < len(table):
            table[number] = colour


def extent(header: ReplyHeader, shape: tuple[int, ...]) -> QRectF:
    """Where an image lies: pixel centres at index × voxel size."""
    y0, _, x0, _ = header["window"]
    _, vy, vx = header["voxel_size"]
    step = header["step"]
    return QRectF((x0 - 0.5) * vx, (y0 - 0.5) * vy, shape[1] * step * vx, shape[0] * step * vy)
