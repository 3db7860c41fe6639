"""Closure at a glance: thickness from the surface against thickness from the charge, scan by scan,
with the line on which both agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from monitor.closure import SURE, Closure
from monitor.gui.formatting import number, with_error
from monitor.gui.state.snapshot import Choice, Snapshot, shown_scan
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import elastic, label
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.plot import Plot, name_axis
from monitor.gui.widgets.view import View
from monitor.wire.results.cells import Scan

TIP = (
    "averaged removal from the surface against coulometry, one point for each scan with its "
    "standard error\n"
    "line: both agree; band: closure inside the limits of the alarm\n"
    "click a point to show its scan"
)
OUTSIDE_TIP = f"outside: by more than {SURE:.0f} standard errors of the closure"
NOTHING = "No scan with a known charge and removal yet"
POINT_PX, SHOWN_PX = 8, 13


@dataclass(frozen=True, slots=True)
class Point:
    """One scan: thicknesses in µm and the standard error of `averaged_um`; `inside`: False for a
    closure outside the band."""

    scan: int
    coulometry_um: float
    averaged_um: float
    error_um: float
    inside: bool


def points_of(scans: Sequence[Scan], band: tuple[float, float]) -> list[Point]:
    """The scans whose closure is known, in the order of time."""
    found = []
    for scan in scans:
        closure = Closure.of(scan)
        if closure is not None:
            removed = closure.value * closure.coulometry_um
            error = closure.error * abs(closure.coulometry_um)
            inside = closure.verdict(band) != "outside"
            found.append(Point(scan["scan"], closure.coulometry_um, removed, error, inside))
    return found


class ClosureView(View):
    """Draws a point for each scan; needs only the state of the engine."""

    def __init__(self) -> None:
        super().__init__("Closure", TIP)
        self._drawn: object = None
        self.caption = elastic(label("", "muted", "Closure of the shown scan"))
        self.head.addWidget(self.caption, 1)
        self.graphics = Plot(grid=True, axis=52)
        self.plot = self.graphics.plot
        self.equal = pg.PlotDataItem()
        self.limits = (pg.PlotDataItem(), pg.PlotDataItem())
        self.band = pg.FillBetweenItem(*self.limits)
        self.errors = pg.ErrorBarItem()
        self.points = pg.ScatterPlotItem(pen=None)
        for item in (self.band, *self.limits, self.equal, self.errors, self.points):
            self.plot.addItem(item, ignoreBounds=True)
        self.points.sigClicked.connect(self._clicked)
        self.message = self.graphics.message
        self.body.addWidget(self.graphics, 1)
        self.restyle()

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.graphics.restyle()
        self.equal.setPen(theme.pen(c.muted, 1, Qt.PenStyle.DashLine))
        for line in self.limits:
            line.setPen(None)
        shade = QColor(c.good)
        shade.setAlpha(36)
        self.band.setBrush(shade)
        self.errors.setOpts(pen=theme.pen(c.muted))
        self._drawn = None

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the points of the chosen cell."""
        cell = snapshot.cell(choice.cell)
        scan = shown_scan(cell, choice)
        shown = None if scan is None else scan["scan"]
        low, high = (snapshot.state or {}).get("settings", {}).get("closure_band", (1.0, 1.0))
        points = points_of(cell["scans"] if cell else (), (low, high))
        if (points, shown, low, high) == self._drawn:
            return
        self._drawn = (points, shown, low, high)
        self.message.set("" if points else NOTHING)
        self._place(points, shown)
        self._tell(points, shown)
        self._draw_lines(points, (low, high))

    def _place(self, points: Sequence[Point], shown: int | None) -> None:
        c = theme.palette()
        x = np.array([point.coulometry_um for point in points])
        y = np.array([point.averaged_um for point in points])
        errors = np.array([point.error_um for point in points])
        self.errors.setData(x=x, y=y, height=2 * errors)
        self.points.setData(
            x=x,
            y=y,
            data=[point.scan for point in points],
            brush=[c.accent if point.inside else c.bad for point in points],
            size=[SHOWN_PX if point.scan == shown else POINT_PX for point in points],
        )

    def _draw_lines(self, points: Sequence[Point], band: tuple[float, float]) -> None:
        self.graphics.show_axes(bool(points))
        if not points:
            for line in (self.equal, *self.limits):
                line.clear()
            return
        name_axis(self.plot, "bottom", "coulometry / µm")
        name_axis(self.plot, "left", "averaged / µm")
        known = [v for p in points for v in (p.coulometry_um, p.averaged_um)]
        ends = np.array([min(0.0, *known), max(0.0, *known)])
        ends += np.array([-0.05, 0.05]) * (np.ptp(ends) or 1.0)
        self.equal.setData(ends, ends)
        for line, limit in zip(self.limits, band, strict=True):
            line.setData(np.sort([*ends, 0.0]), np.sort([*ends, 0.0]) * limit)
        self.plot.setXRange(*ends, padding=0.0)
        self.plot.setYRange(*ends, padding=0.0)

    def _tell(self, points: Sequence[Point], shown: int | None) -> None:
        """The numbers of the scan that is shown."""
        here = next((point for point in points if point.scan == shown), None)
        text = ""
        if here is not None:
            ratio = here.averaged_um / here.coulometry_um
            error = here.error_um / abs(here.coulometry_um)
            verdict = "" if here.inside else ", outside"
            text = (
                f"scan {here.scan}: {with_error(ratio, error)}{verdict} · "
                f"{with_error(here.averaged_um, here.error_um)} µm averaged, "
                f"{number(here.coulometry_um, 2)} µm by charge"
            )
        self.caption.setText(text)
        set_tip(self.caption, f"{text}\n{OUTSIDE_TIP}" if text else "")

    def _clicked(self, _item: object, points: Sequence[pg.SpotItem], _event: object) -> None:
        if len(points):
            self.scan_chosen.emit(int(points[0].data()))
