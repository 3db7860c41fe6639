"""Distribution of the values of the shown map, and of the operator's region."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QWidget

from monitor.gui.formatting import as_is, number
from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import Answer, Choice, Query, Snapshot, shown_scan
from monitor.gui.widgets import export, theme
from monitor.gui.widgets.controls import elastic, label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.plot import Plot, name_axis
from monitor.gui.widgets.view import View
from monitor.gui.wording.map_values import (
    applied_current,
    bin_width,
    in_short,
    log_ticks,
    measures,
    missing,
    quantity_of,
    shares,
    title_of,
    unit_of,
)
from monitor.plain_text import visible
from monitor.wire.results.cells import Scan
from monitor.wire.results.headers import ReplyHeader
from monitor.wire.results.queries import StatisticsRequest

TIP = (
    "Share of the measured area by value, for the shown map\n"
    "filled: the whole map; outline: the region drawn on it\n"
    "mean: of the whole map; applied: the cycler's current density for the same time"
)
NARROW, LOW = 470, 260
"""Below this width (px at the default text size) the numbers are below the plot, in lines; below
this height they are hidden."""
BINS = 80
FLOOR = 0.3
"""Distance below the rarest value at which a logarithmic axis begins, in powers of ten."""


def queries(at: Looking) -> Queries:
    """The histogram of the shown map, and that of the operator's region."""
    choice, scan = at.choice, at.scan
    if scan is None or choice.map not in scan["maps"]:
        return {}
    whole = StatisticsRequest(
        choice.cell,
        scan["scan"],
        choice.map,
        bins=BINS,
        minus=at.minus,
        least_errors=choice.least_errors,
    )
    asked = {"distribution": Query(whole, (scan["version"],))}
    if choice.region.kind != "whole":
        part = replace(whole, kind=choice.region.kind, points=choice.region.points)
        asked["region"] = Query(part, (scan["version"],))
    return asked


class DistributionView(View):
    """Draws histograms and a table of numbers."""

    def __init__(self) -> None:
        super().__init__("Distribution", TIP)
        self._drawn: tuple[Any, ...] = ()
        self._fit = (False, False)
        self._cell = ""
        self._scan: Scan | None = None
        self.caption = elastic(label("", "muted", "The map and scan shown here"))
        self.log = QCheckBox("log")
        set_tip(self.log, "Logarithmic axis: rare values, such as the deepest pits, become visible")
        self.log.toggled.connect(self._redraw)
        quiet(self.log)
        self.head.addWidget(self.caption, 1)
        self.head.addWidget(self.log)
        self._last: tuple[Answer | None, Answer | None, float | None] = (None, None, None)
        self._make_plot()
        self._make_table()
        middle = QHBoxLayout()
        middle.setSpacing(8)
        middle.addWidget(self.graphics, 1)
        middle.addWidget(self.table)
        self.lines = label("", "", TIP, rich=True)
        self.lines.setWordWrap(True)
        self.body.addLayout(middle, 1)
        self.body.addWidget(self.lines)
        self.restyle()

    def _make_plot(self) -> None:
        self.graphics = Plot(grid=True, axis=48)
        self.plot = self.graphics.plot
        self.whole = pg.PlotCurveItem()
        self.region = pg.PlotCurveItem()
        self.mean = pg.InfiniteLine(angle=90, label="", labelOpts={"position": 0.94})
        self.applied = pg.InfiniteLine(angle=90, label="", labelOpts={"position": 0.82})
        for item in (self.whole, self.region, self.mean, self.applied):
            self.plot.addItem(item, ignoreBounds=True)
        self.message = self.graphics.message

    def _make_table(self) -> None:
        self.table = QWidget()
        self.table.setObjectName("bar")
        grid = QGridLayout(self.table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(2)
        self.heads = [label("whole map", "muted"), label("region", "muted", rich=True)]
        for column, head in enumerate(self.heads, start=1):
            head.setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(head, 0, column)
        self.unit = label("", "muted", "Unit of the values in the first rows")
        grid.addWidget(self.unit, 0, 0)
        blank = measures({})
        self.titles = [label("", "muted") for _ in blank]
        self.cells = [[label("–") for _ in blank] for _ in self.heads]
        for row, title in enumerate(self.titles, start=1):
            grid.addWidget(title, row, 0)
            for column, cells in enumerate(self.cells, start=1):
                cells[row - 1].setAlignment(Qt.AlignmentFlag.AlignRight)
                grid.addWidget(cells[row - 1], row, column)
        grid.setRowStretch(len(blank) + 1, 1)

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.graphics.restyle()
        fill = QColor(c.accent)
        fill.setAlpha(110)
        self.whole.setBrush(fill)
        self.whole.setPen(theme.pen(c.accent))
        self.region.setPen(theme.pen(c.count, 2))
        dash = Qt.PenStyle.DashLine
        for line, colour, style in (
            (self.mean, c.text, Qt.PenStyle.SolidLine),
            (self.applied, c.bad, dash),
        ):
            line.setPen(theme.pen(colour, 1.5, style))
            line.label.setColor(colour)
            line.label.setFont(theme.axis_font())
            line.label.fill = pg.mkBrush(c.panel)
        self.heads[1].setText(f"<span style='color:{c.count}'>region</span>")
        self._drawn = ()
        self._redraw()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the newest numbers of the shown map and of the region."""
        self._cell, self._scan = choice.cell, shown_scan(snapshot.cell(choice.cell), choice)
        whole = snapshot.answer("distribution", choice.cell)
        region = snapshot.answer("region", choice.cell)
        problem = missing(snapshot, choice, whole, "distribution")
        header = whole.header if whole is not None and not whole.error else None
        applied = applied_current(header, snapshot.cell(choice.cell)) if header else None
        drawn = (whole, region, problem, applied)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self._last = (None if problem else whole, region, applied)
        if not problem and header is not None and not header.get("count"):
            problem = f"Nothing is measurable in {title_of(header)}"
        self.message.set(problem)
        self._redraw()

    def csv(self) -> str:
        """The histograms as CSV: of the whole map, and of the region if there is one."""
        rows: list[tuple[object, ...]] = []
        for part, answer in (("whole map", self._last[0]), ("region", self._last[1])):
            header = answer.header if answer is not None and not answer.error else None
            if header is not None:
                edges, what = header.get("edges") or [], (quantity_of(header), unit_of(header))
                steps = zip(pairwise(edges), header.get("counts") or [], strict=False)
                rows += [(part, *what, *ends, pixels) for ends, pixels in steps]
        names = ("part", "map", "unit", "from", "to", "pixels")
        columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
        return export.table(self._cell, [self._scan] * len(rows), columns)

    def _redraw(self) -> None:
        whole, region, applied = self._last
        header = whole.header if whole is not None else None
        part = region.header if region is not None and not region.error else None
        width = bin_width(header) if header else None
        is_full = header is not None and width is not None
        for item in (self.whole, self.mean):
            item.setVisible(is_full)
        self.applied.setVisible(is_full and applied is not None)
        self.region.setVisible(is_full and part is not None)
        self.graphics.show_axes(is_full)
        self.caption.setText(title_of(header) if header else "")
        set_tip(self.caption, self.caption.text())
        self._fill_table(header, part, "" if region is None else region.error)
        if header is not None and width is not None:
            self._draw_curves(header, part, width)
            self._draw_lines(header, applied)

    def _draw_curves(self, header: ReplyHeader, part: ReplyHeader | None, width: float) -> None:
        log = self.log.isChecked()
        histograms = [shares(header, width), shares(part, width) if part else (np.empty(0),) * 2]
        known = np.concatenate([share for _, share in histograms])
        positive = known[known > 0]
        floor = float(np.log10(positive.min())) - FLOOR if log and positive.size else 0.0
        tops = []
        for curve, (edges, share) in zip((self.whole, self.region), histograms, strict=True):
            high = raised(share, floor) if log else share
            curve.setFillLevel(floor if curve is self.whole else None)
            # without edges there is nothing to draw, not even a step
            x, y = (edges, high) if edges.size else ([0.0, 1.0], [floor])
            curve.setData(x, y, stepMode="center")
            tops.append(float(high.max()) if high.size else floor)
        unit = unit_of(header)
        name_axis(self.plot, "bottom", f"{quantity_of(header)} / {unit}")
        name_axis(self.plot, "left", f"% of area per {width:.2g} {unit}")
        top = max(tops)
        top += 0.12 * (top - floor or 1.0)
        self.plot.setYRange(floor, top, padding=0)
        self.plot.getAxis("left").setTicks([log_ticks(floor, top)] if log else None)
        ends = np.concatenate([edges for edges, _ in histograms])
        self.plot.setXRange(float(ends.min()), float(ends.max()), padding=0.02)

    def _draw_lines(self, header: ReplyHeader, applied: float | None) -> None:
        # the unit is on the axis; with it a label would not fit beside the middle
        if (mean := header.get("mean")) is not None:
            self.mean.setPos(mean)
            self.mean.label.setFormat(_format(f"mean {number(mean, 2)}"))
        if applied is not None:
            self.applied.setPos(applied)
            self.applied.label.setFormat(_format(f"applied {number(applied, 2)}"))
            (low, high), _ = self.plot.vb.viewRange()
            if not low <= applied <= high:
                self.plot.setXRange(min(low, applied), max(high, applied), padding=0.02)

    def _fill_table(self, header: ReplyHeader | None, part: ReplyHeader | None, why: str) -> None:
        columns = [measures(header or {}), measures(part or {})]
        for row, measure in enumerate(columns[0]):
            self.titles[row].setText(measure.title)
        for cells, rows in zip(self.cells, columns, strict=True):
            for cell, measure in zip(cells, rows, strict=True):
                cell.setText(measure.value)
                set_tip(cell, measure.tip)
        for widget in (self.heads[1], *self.cells[1]):
            widget.setVisible(part is not None)
        self.unit.setText(unit_of(header or {}))
        self.lines.setText("<br>".join(self._lines(header, part, why)))
        self.lines.setVisible(bool(self.lines.text()))
        self.table.setVisible(header is not None and not self._is_narrow)

    def _lines(self, header: ReplyHeader | None, part: ReplyHeader | None, why: str) -> list[str]:
        """The numbers in short if there is no room for a table, and why there is no region."""
        c = theme.palette()
        lines = []
        if header is not None and self._is_narrow and not self._is_low:
            lines.append(
                f"<span style='color:{c.accent}'>whole map</span>: {as_is(in_short(header))}"
            )
            if part is not None:
                lines.append(
                    f"<span style='color:{c.count}'>region</span>: {as_is(in_short(part))}"
                )
        if why:
            lines.append(f"<span style='color:{c.warn}'>region: {as_is(why)}</span>")
        return lines

    @property
    def _is_low(self) -> bool:
        return self.height() < theme.px(LOW)

    @property
    def _is_narrow(self) -> bool:
        return self.width() < theme.px(NARROW)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Places the numbers beside the plot or below it; hides them if the plot needs all the
        room."""
        super().resizeEvent(event)
        fit = (self._is_narrow, self._is_low)
        if fit != self._fit:
            self._fit = fit
            self._redraw()


def raised(share: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """Base-10 logarithms of shares; `floor` for those that are 0."""
    known = share > 0
    return np.where(known, np.log10(np.where(known, share, 1.0)), floor)


def _format(text: str) -> str:
    """A format of pyqtgraph that gives this text."""
    return visible(text).replace("{", "{{").replace("}", "}}")
