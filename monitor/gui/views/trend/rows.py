"""Rows of curves, one below the other, over one x axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal

from monitor.gui.widgets import theme
from monitor.gui.widgets.plain_text import as_html
from monitor.gui.widgets.plot import GRID, CentreText, TitleLine, draw_curve, new_plot, style_axes

CURVES = {
    "potential": ("potential", "good", ""),
    "current": ("current", "accent", ""),
    "pits": ("pits", "count", "o"),
    "deepest": ("depth", "depth", "o"),
    "depth_p99": ("depth", "count", "o"),
    "depth_p50": ("depth", "muted", "o"),
    "width_p99": ("width", "count", "o"),
    "width_p50": ("width", "muted", "o"),
    "coulometry": ("thickness", "muted", "dash"),
    "averaged": ("thickness", "accent", "o"),
    "complete": ("thickness", "plateau", "o"),
    "closure": ("closure", "good", "o"),
}
"""Name: row, colour, and "o" for dots on the line or "dash" for a dashed one."""
CHANNEL = "channel "
"""Before the name of a channel in the name of its row, which has one curve of the same name."""
CHANNEL_COLOURS = ("plateau", "count", "depth", "accent", "good")
FROM_READINGS = ("potential", "current")
OF_CHARGE = ("thickness", "closure")
"""Rows with points that depend on the charge of a scan: those that are not final have rings."""
ROOM, LEAST_FILLED = (0.015, 0.05), 0.88
"""Shares of the x range that are left free before and after the curves initially, and how much of
it they fill at least: if it changes, all axes are made again."""

Array = NDArray[np.float64]
Span = tuple[float, float]
Put = Callable[[str, Callable[[], None]], None]
"""Has something painted at one of the next turns, instead of what waits under its name."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What is to be drawn: curves (x, y) by their names; scans on the potential (x, y) and their
    colours; the place on x of the shown scan; `preliminary`: points (x, y) by
    row that depend on a charge that is not final."""

    curves: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    scans: tuple[Array, Array] = (np.empty(0), np.empty(0))
    colours: Sequence[str] = ()
    shown: float | None = None
    preliminary: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)

    def extent(self) -> Span | None:
        """The part of x that holds all of it; channels, which may be older, only if there is
        nothing else."""
        own = [x for name, (x, _) in self.curves.items() if not name.startswith(CHANNEL)]
        ends = [x[np.isfinite(x)] for x in own]
        ends = [x for x in ends if x.size]
        if not ends:
            others = [x[np.isfinite(x)] for x, _ in self.curves.values()]
            ends = [x for x in others if x.size]
        return (min(x.min() for x in ends), max(x.max() for x in ends)) if ends else None


class TrendRows(QObject):
    """Draws a `Trend`; emits when another part of x is visible.

    Each row is drawn, and moved with the others, at a turn of its own: to paint all of them at once
    would keep the screen from the operator's hand.
    """

    moved = Signal()
    pointed = Signal(object)
    """The place on x under the mouse, None beside the rows."""

    def __init__(self, names: Sequence[str], put: Put, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._put = put
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.ci.layout.setContentsMargins(0, 0, 0, 0)
        self.graphics.ci.layout.setSpacing(2)
        self._order: tuple[str, ...] = ()
        self._setting = False
        self.plots: dict[str, pg.PlotItem] = {}
        self.titles: dict[str, TitleLine] = {}
        self._shown: dict[str, pg.InfiniteLine] = {}
        self.kinds = dict(CURVES)
        for name in names:
            self._add_plot(name)
        self.curves = {name: self.plots[row].plot() for name, (row, _, _) in CURVES.items()}
        self.graphics.scene().sigMouseMoved.connect(self._point)
        self.scan_marks = pg.ScatterPlotItem(size=8)
        self.plots["potential"].addItem(self.scan_marks)
        self.rings = {name: pg.ScatterPlotItem(size=11, brush=None) for name in OF_CHARGE}
        for name, rings in self.rings.items():
            self.plots[name].addItem(rings, ignoreBounds=True)
        self.why_empty = CentreText(self.plots["potential"])
        self.no_scan = CentreText(self.plots["pits"])
        self._one = pg.InfiniteLine(1.0, angle=0)
        self.plots["closure"].addItem(self._one)
        self._trend = Trend()
        self._drawn: dict[str, tuple[Array, Array]] = {}
        self._axis = ""
        self._falls = False
        self._span: Span | None = None
        self.is_whole = True

    def _add_plot(self, name: str) -> None:
        plot = self.plots[name] = new_plot()
        self.titles[name] = TitleLine(plot)
        self._shown[name] = pg.InfiniteLine(angle=90)
        plot.addItem(self._shown[name], ignoreBounds=True)
        plot.vb.disableAutoRange(pg.ViewBox.XAxis)
        plot.vb.sigXRangeChanged.connect(partial(self._moved, name))

    def add_channel(self, row: str) -> None:
        """A row for a channel. It is kept: plots that are made and dropped do not give their memory
        back."""
        if row in self.plots:
            return
        colours = CHANNEL_COLOURS
        self._add_plot(row)
        self.kinds[row] = (row, colours[(len(self.kinds) - len(CURVES)) % len(colours)], "")
        self.curves[row] = self.plots[row].plot()
        self.plots[row].vb.invertX(self._falls)
        self.restyle()

    @property
    def span(self) -> Span | None:
        """The part of x in view, None before there is any."""
        return self._span

    def arrange(self, names: Sequence[str]) -> None:
        """Arranges these rows, one below the other; the last one has the numbers of x."""
        layout = self.graphics.ci
        for plot in self.plots.values():
            if plot in layout.items:
                layout.removeItem(plot)
        self._order = tuple(names)
        for row, name in enumerate(names):
            layout.addItem(self.plots[name], row=row, col=0)
            self._number_axes(name)
        self._name_axis()
        self._put_all()

    def name_axis(self, text: str, *, falls: bool) -> None:
        """Sets the title of x, and whether it decreases to the right."""
        self._axis, self._falls = text, falls
        for plot in self.plots.values():
            plot.vb.invertX(falls)
        self._name_axis()

    def _name_axis(self) -> None:
        for name in self._order:
            axis = self.plots[name].getAxis("bottom")
            if name == self._order[-1]:
                axis.setLabel(as_html(self._axis))
            axis.showLabel(name == self._order[-1])

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.graphics.setBackground(c.panel)
        for plot in self.plots.values():
            style_axes(plot, "left", "bottom")
            plot.getAxis("left").setWidth(theme.px(40))
            plot.getAxis("bottom").setStyle(maxTickLevel=0)
            # rows are low: rather few numbers than crowded ones
            left = plot.getAxis("left")
            left.setStyle(textFillLimits=[(0, 0.6), (2, 0.5), (4, 0.35)], maxTickLevel=0)
            left.setTickDensity(0.5)
            plot.showGrid(x=True, y=True, alpha=GRID)
        for mark in self._shown.values():
            mark.setPen(theme.pen(c.cross_on_panel))
        for name, (_, colour, kind) in self.kinds.items():
            curve, colour = self.curves[name], getattr(c, colour)
            style = Qt.PenStyle.DashLine if kind == "dash" else Qt.PenStyle.SolidLine
            curve.setPen(theme.pen(colour, 1.5, style))
            if kind == "o":
                curve.setSymbol("o")
                curve.setSymbolSize(6)
                curve.setSymbolBrush(theme.brush(colour))
                curve.setSymbolPen(None)
        self.scan_marks.setPen(theme.pen(c.back))
        for rings in self.rings.values():
            rings.setPen(theme.pen(c.warn, 1.5))
        self._one.setPen(theme.pen(c.muted, 1, Qt.PenStyle.DotLine))
        self.why_empty.restyle()
        self.no_scan.restyle()
        for title in self.titles.values():
            title.restyle()

    def draw(self, trend: Trend) -> None:
        """Shows other curves, or longer ones."""
        self._trend = trend
        extent = trend.extent()
        if self.is_whole and extent is not None:
            self._span = with_room(extent, self._span)
        self._put_all()

    def show_whole(self) -> None:
        """All of the curves, as they grow."""
        self.is_whole, self._span = True, None
        for plot in self.plots.values():
            plot.vb.enableAutoRange(axis=pg.ViewBox.YAxis)
        self.draw(self._trend)
        self.moved.emit()

    def row_at(self, place: Any) -> str | None:
        """The row at a place of the scene."""
        hit = (n for n in self._order if self.plots[n].vb.sceneBoundingRect().contains(place))
        return next(hit, None)

    def _point(self, place: Any) -> None:
        row = self.row_at(place)
        self.pointed.emit(None if row is None else self.plots[row].vb.mapSceneToView(place).x())

    def _put_all(self) -> None:
        for name in self._order:
            self._put(f"trend {name}", partial(self._draw_row, name))

    def _draw_row(self, name: str) -> None:
        """Brings one row to what is to be drawn now."""
        plot, trend = self.plots[name], self._trend
        if self._span is not None:
            self._setting = True
            plot.vb.setXRange(*self._span, padding=0)
            self._setting = False
        nothing = np.empty(0), np.empty(0)
        for curve in (curve for curve, (row, _, _) in self.kinds.items() if row == name):
            x, y = trend.curves.get(curve, nothing)
            if not _same((x, y), self._drawn.get(curve)):
                self._drawn[curve] = x, y
                draw_curve(self.curves[curve], x, y)
        self._number_axes(name)
        if name == "potential":
            brushes = [theme.brush(colour) for colour in trend.colours]
            self.scan_marks.setData(*trend.scans, brush=brushes)
        if name in self.rings:
            self.rings[name].setData(*trend.preliminary.get(name, nothing))
        self._shown[name].setVisible(trend.shown is not None)
        if trend.shown is not None:
            self._shown[name].setPos(trend.shown)

    def _number_axes(self, name: str) -> None:
        """Numbers along the axes only once there are values: an empty row would invent them."""
        rows = (curve for curve, (row, _, _) in self.kinds.items() if row == name)
        filled = any(self.curves[curve].getData()[0] is not None for curve in rows)
        along = self._span is not None and name == self._order[-1]
        for side, wanted in (("left", filled), ("bottom", along)):
            axis = self.plots[name].getAxis(side)
            if axis.style["showValues"] != wanted:
                axis.setStyle(showValues=wanted)

    def _moved(self, by: str, _box: Any, span: Sequence[float]) -> None:
        """One row shows another part of x, by the mouse: the others follow."""
        if self._setting:
            return
        self.is_whole, self._span = False, (span[0], span[1])
        for name in self._order:
            if name != by:
                self._put(f"trend {name}", partial(self._draw_row, name))
        self.moved.emit()


def with_room(extent: Span, now: Span | None) -> Span:
    """A range that holds `extent` with some room; the one of `now` where it does so closely."""
    low, high = extent
    width = high - low
    if now is not None and now[0] <= low and high <= now[1]:
        filled = width / (now[1] - now[0])
        if filled >= LEAST_FILLED:
            return now
    if width <= 0:
        return low - 0.5, high + 0.5
    return low - ROOM[0] * width, high + ROOM[1] * width


def _same(new: tuple[Array, Array], old: tuple[Array, Array] | None) -> bool:
    return old is not None and all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(new, old, strict=True)
    )
