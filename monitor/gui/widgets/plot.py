"""Plots, as all views have them: axes, grid, the colours of the look, a text if one is empty."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QTextOption

from monitor.gui.formatting import round_below
from monitor.gui.widgets import theme
from monitor.gui.widgets.palette import BLACK, DEEP_SHADE, WHITE
from monitor.gui.widgets.plain_text import as_html
from monitor.plain_text import visible

LEAST_APART = {"left": 12, "right": 12, "bottom": 44, "top": 44}
"""Pixels between two numbers of an axis, at the usual text size."""
USUAL_SIZE = 320, 160
GRID = 0.12
"""Opacity of the grid; 1: like the axes."""


class Plot(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """One plot that fills its widget. `grid`: with lines at the ticks, and the mouse moves
    nothing; `axis`: width of the left axis in px at the usual text size, 0: as it needs."""

    def __init__(self, *, grid: bool = False, axis: int = 0) -> None:
        super().__init__()
        self._grid, self._axis = grid, axis
        self.ci.layout.setContentsMargins(0, 0, 0, 0)
        self.plot = new_plot()
        self.addItem(self.plot)
        if grid:
            self.plot.setMouseEnabled(False, False)
        self.message = CentreText(self.plot)

    def sizeHint(self) -> QSize:
        """The same for all: that of the library is the size before, so that of two plots side by
        side the one that was there first would stay the larger."""
        return QSize(*(theme.px(side) for side in USUAL_SIZE))

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        self.setBackground(theme.palette().panel)
        style_axes(self.plot, "left", "bottom")
        if self._axis:
            self.plot.getAxis("left").setWidth(theme.px(self._axis))
        if self._grid:
            self.plot.showGrid(x=True, y=True, alpha=GRID)
        else:
            self.plot.vb.setBackgroundColor(theme.palette().empty)
        self.message.restyle()

    def show_axes(self, visible: bool) -> None:
        """Hides the axes of a plot that is empty: their numbers would be invented."""
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setVisible(visible)

    def place(self, at: QPointF) -> QPointF | None:
        """The place in the plot's units of a point of the scene; None beside the plot."""
        if not self.plot.vb.sceneBoundingRect().contains(at):
            return None
        found: QPointF = self.plot.vb.mapSceneToView(at)
        return found


def new_plot() -> pg.PlotItem:
    """A plot without the library's menu, which would be restyled with each change of look."""
    axes = {"left": RoomyAxis("left"), "bottom": RoomyAxis("bottom")}
    return pg.PlotItem(enableMenu=False, axisItems=axes)


class RoomyAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis whose numbers never touch, however short it is."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        """Distances of the ticks, coarse to fine, each with its offset."""
        levels: list[tuple[float, float]] = super().tickSpacing(low, high, size)
        if not size > 0 or not high > low:
            return levels
        least = theme.px(LEAST_APART[self.orientation]) * (high - low) / size
        step = levels[0][0]
        while step < least:
            # the next of 1, 2, 5, 10 …
            step *= 2.5 if round(step / 10.0 ** math.floor(math.log10(step) + 1e-9)) == 2 else 2.0
        return levels if step == levels[0][0] else [(step, 0.0)]


def style_axes(plot: pg.PlotItem, *sides: str) -> None:
    """Fonts and colours of a plot's axes; numbers are never rescaled to milli or kilo."""
    for side in sides:
        axis = plot.getAxis(side)
        axis.setTickFont(theme.axis_font())
        # where the label is visible, switching this off would scale once more
        seen = axis.label.isVisible()
        axis.label.hide()
        axis.enableAutoSIPrefix(False)
        axis.label.setVisible(seen)
        axis.setPen(theme.palette().line)
        axis.setTextPen(theme.palette().muted)
        # finer ticks bear no numbers and cost half of the time to draw
        axis.setStyle(maxTickLevel=1)
    plot.hideButtons()
    plot.setMenuEnabled(False)


def name_axis(plot: pg.PlotItem, side: str, text: str) -> None:
    """Gives an axis its text; one that has it already is not made again."""
    axis = plot.getAxis(side)
    if axis.labelText != as_html(text) or not axis.label.isVisible():
        axis.setLabel(as_html(text))


def set_scale(bar: pg.ColorBarItem, colours: pg.ColorMap, levels: tuple[float, float]) -> None:
    """Gives a colour bar and its images their colours and levels."""
    if bar.colorMap() is not colours:
        bar.setColorMap(colours)
    bar.setLevels(levels)


def draw_curve(curve: pg.PlotDataItem, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Draws y over x with gaps where y is NaN; nothing if all of it is (bounds would warn)."""
    if np.isfinite(y).any():
        curve.setData(x, y, connect="finite")
    else:
        curve.clear()


class CentreText:
    """A line of text in the middle of a plot, saying why it is empty."""

    place = (0.5, 0.5)
    points = 10.0
    MARGIN = 8

    def __init__(self, plot: pg.PlotItem) -> None:
        self._item = pg.LabelItem("")
        self._item.setParentItem(plot.vb)
        centred = QTextOption(Qt.AlignmentFlag.AlignHCenter)
        self._item.item.document().setDefaultTextOption(centred)
        self._box = plot.vb
        self._box.sigResized.connect(self._fit)
        self._text = ""
        self.restyle()

    @property
    def text(self) -> str:
        """The present text."""
        return self._text

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        size = f"{self.points * theme.scale():.1f}pt"
        self._item.setText(as_html(self._text), color=theme.palette().muted, size=size)
        self._fit()

    def _fit(self, *_: object) -> None:
        """Wraps the text if the plot is narrower than it."""
        words = self._item.item
        words.setTextWidth(-1)
        room = max(self._box.width() - 2 * self.MARGIN, self.MARGIN)
        words.setTextWidth(min(words.document().idealWidth(), room))
        self._item.updateMin()
        self._item.resizeEvent(None)
        self._item.anchor(itemPos=self.place, parentPos=self.place)

    def set(self, text: str) -> None:
        """Shows the text; an empty one hides it."""
        if text != self._text:
            self._text = text
            self.restyle()
        self._item.setVisible(bool(text))


class TitleLine:
    """A line above a plot, on its left: cut where it is too long."""

    HEIGHT = 15

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        plot.layout.removeItem(plot.titleLabel)
        plot.layout.addItem(plot.titleLabel, 0, 0, 1, 3)  # from the left edge of the axis
        self.text = self._html = ""

    def set(self, text: str, html: str = "") -> None:
        """Shows a text, and HTML of our own behind it."""
        if (text, html) != (self.text, self._html):
            self.text, self._html = text, html
            self.restyle()

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        shown = f"{as_html(self.text)} &nbsp;{self._html}"
        label, size = self._plot.titleLabel, f"{8 * theme.scale():.1f}pt"
        self._plot.setTitle(shown, color=theme.palette().muted, size=size, justify="left")
        label.setMinimumWidth(0)
        self._plot.layout.setRowFixedHeight(0, theme.px(self.HEIGHT))


class ScaleBar:
    """A bar of a round length in the corner of an image, which follows the zoom."""

    def __init__(self, plot: pg.PlotItem) -> None:
        self._box = plot.vb
        self._unit = ""
        pen = theme.pen(WHITE, 4)
        shadow = theme.pen(BLACK, 7)
        self._shadow = pg.PlotDataItem(pen=shadow)
        self._line = pg.PlotDataItem(pen=pen)
        self._text = pg.TextItem("", color=WHITE, anchor=(0.0, 1.0), fill=DEEP_SHADE)
        for item in (self._shadow, self._line, self._text):
            item.setZValue(20)
            self._box.addItem(item, ignoreBounds=True)
        self._box.sigRangeChanged.connect(self._place)

    def set_visible(self, visible: bool) -> None:
        """Shown only where there is something to measure."""
        for item in (self._shadow, self._line, self._text):
            item.setVisible(visible)

    def set_unit(self, unit: str) -> None:
        """µm or voxel."""
        self._unit = unit
        self._place()

    def _place(self, *_: Any) -> None:
        (x0, x1), (y0, y1) = self._box.viewRange()
        length = round_below(0.22 * (x1 - x0))
        left, y = x0 + 0.04 * (x1 - x0), y0 + 0.05 * (y1 - y0)
        for item in (self._shadow, self._line):
            item.setData([left, left + length], [y, y])
        self._text.setText(visible(f"{length:g} {self._unit}"))
        self._text.setPos(left, y + 0.01 * (y1 - y0))
