"""What changed over the hours: potential, current, pits, depths, thickness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Signal

from monitor.gui import theme
from monitor.gui.model import Answer, Choice, Snapshot, measure, shown_scan
from monitor.gui.parts import Card, CentreText, draw_curve, label, style_axes

ROWS = ("potential", "current", "pits", "depth", "thickness")
KEY = (
    f"<span style='color:{theme.ACCENT}'>● averaged</span> &nbsp;"
    f"<span style='color:{theme.PLATEAU}'>● complete</span> &nbsp;"
    f"<span style='color:{theme.MUTED}'>┅ coulometry</span>"
)
TIP = (
    "averaged: mean of the removal over all valid pixels\n"
    "complete: removal of the plateau, not taking into account the pits\n"
    "coulometry: thickness of dense lithium for the charge that passed (Faraday)\n"
    "Marks on the potential are scans; click to choose one"
)


class TrendView(Card):
    """Draws the curves; tells which scan was clicked."""

    scan_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__("Trend", TIP)
        self._scans: Sequence[Mapping[str, Any]] = ()
        self._origin = 0.0
        self._drawn: tuple[Any, ...] = ()
        self.key = label(KEY, "", TIP)
        self.head.addStretch(1)
        self.head.addWidget(self.key)
        graphics = pg.GraphicsLayoutWidget()
        graphics.ci.layout.setContentsMargins(0, 0, 0, 0)
        graphics.ci.layout.setSpacing(2)
        self.plots = {name: graphics.addPlot(row=i, col=0) for i, name in enumerate(ROWS)}
        self._marks: list[pg.InfiniteLine] = []
        for name, plot in self.plots.items():
            self._style(name, plot)
        self._make_curves()
        self.no_cycler = CentreText(self.plots["potential"])
        graphics.scene().sigMouseClicked.connect(self._clicked)
        self.body.addWidget(graphics, 1)

    def _style(self, name: str, plot: pg.PlotItem) -> None:
        style_axes(plot, "left", "bottom")
        plot.getAxis("left").setWidth(52)
        plot.getAxis("bottom").setStyle(showValues=name == ROWS[-1])
        plot.showGrid(x=True, y=True, alpha=0.12)
        if name != ROWS[0]:
            plot.setXLink(self.plots[ROWS[0]])
        mark = pg.InfiniteLine(angle=90, pen=pg.mkPen("#ffd84d", width=1))
        plot.addItem(mark, ignoreBounds=True)
        self._marks.append(mark)

    def _make_curves(self) -> None:
        def dots(plot: str, colour: str) -> pg.PlotDataItem:
            curve = self.plots[plot].plot(
                pen=pg.mkPen(colour, width=1.5), symbol="o", symbolSize=6, symbolBrush=colour
            )
            curve.scatter.setPen(None)
            return curve

        self.potential = self.plots["potential"].plot(pen=pg.mkPen(theme.GOOD, width=1.5))
        self.current = self.plots["current"].plot(pen=pg.mkPen(theme.ACCENT, width=1.5))
        self.scan_marks = pg.ScatterPlotItem(size=8, pen=pg.mkPen(theme.BACK))
        self.plots["potential"].addItem(self.scan_marks)
        self.pits = dots("pits", theme.COUNT)
        self.deepest = dots("depth", theme.DEPTH)
        dash = pg.QtCore.Qt.PenStyle.DashLine
        pen = pg.mkPen(theme.MUTED, width=1.5, style=dash)
        self.coulometry = self.plots["thickness"].plot(pen=pen)
        self.averaged = dots("thickness", theme.ACCENT)
        self.complete = dots("thickness", theme.PLATEAU)
        self.plots["thickness"].setLabel("bottom", "time / h")

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell's history up to now."""
        cell = snapshot.cell(choice.cell)
        scans = [scan for scan in cell["scans"] if not scan["provisional"]] if cell else []
        shown = shown_scan(cell, choice)
        readings = snapshot.answer("cycler", choice.cell)
        versions = tuple(scan["version"] for scan in scans)
        drawn = (choice.cell, readings, versions, shown and shown["scan"])
        if drawn == self._drawn:
            return
        self._drawn, self._scans = drawn, scans
        self._origin = _origin(scans, readings)
        has_feed = bool(cell and cell["cycler_points"])
        self.no_cycler.set("" if has_feed or cell is None else "No cycler readings for this cell")
        self._draw_readings(readings, scans)
        self._draw_scans(scans)
        for mark in self._marks:
            mark.setVisible(shown is not None)
            if shown is not None:
                mark.setPos(_hours([shown["start_time"]], self._origin)[0])

    def _draw_readings(self, readings: Answer | None, scans: Sequence[Mapping[str, Any]]) -> None:
        columns = readings.header.get("columns") if readings else None
        if not columns or not columns["time"]:
            for curve in (self.potential, self.current, self.scan_marks):
                curve.clear()
            return
        hours = _hours(columns["time"], self._origin)
        potential = np.array(columns["potential_V"], np.float64)
        draw_curve(self.potential, hours, potential)
        draw_curve(self.current, hours, np.array(columns["current_mA"], np.float64))
        at = _hours([scan["start_time"] for scan in scans], self._origin)
        on_curve = np.interp(at, hours, potential) if at.size else at
        known = np.isfinite(on_curve)
        colours = [
            theme.WARN if scan["reason"] in ("extra", "manual") else theme.TEXT for scan in scans
        ]
        brushes = [pg.mkBrush(c) for c, k in zip(colours, known, strict=True) if k]
        self.scan_marks.setData(at[known], on_curve[known], brush=brushes)

    def _draw_scans(self, scans: Sequence[Mapping[str, Any]]) -> None:
        unit = scans[-1]["length_unit"] if scans else ""
        hours = _hours([scan["start_time"] for scan in scans], self._origin)
        self.plots["potential"].setLabel("left", "E / V")
        self.plots["current"].setLabel("left", "I / mA")
        self.plots["pits"].setLabel("left", "pits")
        self.plots["depth"].setLabel("left", f"deepest / {unit}".rstrip(" /"))
        self.plots["thickness"].setLabel("left", f"removed / {unit}".rstrip(" /"))
        draw_curve(self.pits, hours, _column(scans, "pit_count"))
        draw_curve(self.deepest, hours, _lengths(scans, "pit_depth_max"))
        draw_curve(self.averaged, hours, _lengths(scans, "averaged"))
        draw_curve(self.complete, hours, _lengths(scans, "complete"))
        # coulometry is in µm always: it has no place on an axis of voxels
        faraday = _column(scans, "coulometry_um") if unit == "µm" else np.full(len(scans), np.nan)
        draw_curve(self.coulometry, hours, faraday)

    def _clicked(self, event: Any) -> None:
        for plot in self.plots.values():
            if self._scans and plot.vb.sceneBoundingRect().contains(event.scenePos()):
                at = plot.vb.mapSceneToView(event.scenePos()).x()
                times = _hours([scan["start_time"] for scan in self._scans], self._origin)
                self.scan_chosen.emit(self._scans[int(np.argmin(np.abs(times - at)))]["scan"])


def _origin(scans: Sequence[Mapping[str, Any]], readings: Answer | None) -> float:
    """Hour 0: the first scan, or the first reading before there is one."""
    if scans:
        return float(scans[0]["start_time"])
    times = readings.header.get("columns", {}).get("time") if readings else None
    return float(times[0]) if times else 0.0


def _hours(times: Sequence[float], origin: float) -> NDArray[np.float64]:
    return (np.array(times, np.float64) - origin) / 3600.0


def _column(scans: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([scan.get(name) for scan in scans], np.float64)


def _lengths(scans: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([measure(scan, name) for scan in scans], np.float64)
