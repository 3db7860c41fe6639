"""What changed over the hours: potential, current, pits, depths, thickness, closure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QToolButton

from monitor.gui import theme
from monitor.gui.model import Answer, Choice, Snapshot, measure, shown_scan
from monitor.gui.parts import (
    Card,
    CentreText,
    CornerText,
    draw_curve,
    elastic,
    label,
    quiet,
    style_axes,
)

ROWS = {
    "potential": ("E", "Potential of the cell, V; marks are scans, the extra ones in yellow"),
    "current": ("I", "Current of the cycler, mA"),
    "pits": ("Pits", "Significant pits in each scan"),
    "depth": ("Depth", "Depth of pits below the plateau: deepest, 99th percentile, median"),
    "width": ("Width", "Equivalent diameter of pits: 99th percentile, median"),
    "thickness": (
        "Removed",
        "averaged: mean of the removal over all valid pixels\n"
        "complete: removal of the plateau, not taking into account the pits\n"
        "coulometry: thickness of dense lithium for the charge that passed (Faraday)",
    ),
    "closure": ("Closure", "Averaged ÷ coulometry: 1 where all charge is found as lithium"),
}
USUAL = ("potential", "current", "pits", "depth", "thickness", "closure")
AGAINST = {
    "time": ("time", "Hours since the first scan"),
    "charge": ("charge", "Net charge stripped since the reference scan, mAh/cm²"),
    "soc": ("SOC", "State of charge, %, by the charge and the cell's capacity"),
}
AXES = {"time": "time / h", "charge": "charge / mAh cm⁻²", "soc": "SOC / %"}
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
LENGTHS = {
    "deepest": "pit_depth_max",
    "depth_p99": "pit_depth_p99",
    "depth_p50": "pit_depth_p50",
    "width_p99": "pit_diameter_p99",
    "width_p50": "pit_diameter_median",
    "averaged": "averaged",
    "complete": "complete",
}


class TrendView(Card):
    """Draws the curves; tells which scan was clicked, what to draw against, and which part of the
    time is in view, so that it can have more readings."""

    scan_chosen = Signal(int)
    against_chosen = Signal(str)
    span_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__("Trend", "Click: the nearest scan; the wheel zooms, dragging moves")
        self._home: tuple[str, str] = ("", "")
        self._origin = 0.0
        self._span: tuple[float, float] | None = None
        self._scans: Sequence[Mapping[str, Any]] = ()
        self._places: NDArray[np.float64] = np.empty(0)
        self._drawn: tuple[Any, ...] = ()
        self._make_controls()
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.ci.layout.setContentsMargins(0, 0, 0, 0)
        self.graphics.ci.layout.setSpacing(2)
        self.plots = {name: pg.PlotItem() for name in ROWS}
        self._marks: dict[str, pg.InfiniteLine] = {}
        for name, plot in self.plots.items():
            if name != "potential":
                plot.setXLink(self.plots["potential"])
            self._marks[name] = pg.InfiniteLine(angle=90)
            plot.addItem(self._marks[name], ignoreBounds=True)
        self.curves = {name: self.plots[row].plot() for name, (row, _, _) in CURVES.items()}
        self.scan_marks = pg.ScatterPlotItem(size=8)
        self.plots["potential"].addItem(self.scan_marks)
        self.one = pg.InfiniteLine(1.0, angle=0)
        self.plots["closure"].addItem(self.one)
        self.titles = {
            # readings begin at the upper left, what is counted in scans ends at the upper right
            name: CornerText(plot, right=name in ("potential", "current"))
            for name, plot in self.plots.items()
        }
        self.no_cycler = CentreText(self.plots["potential"])
        self.graphics.scene().sigMouseClicked.connect(self._clicked)
        self._range_timer = QTimer(self, singleShot=True, interval=150)
        self._range_timer.timeout.connect(self._tell_span)
        self.plots["potential"].vb.sigXRangeChanged.connect(lambda *_: self._range_timer.start())
        self.key = elastic(label("", "", ROWS["thickness"][1]))
        self.body.addWidget(self.graphics, 1)
        self.body.addWidget(self.key)
        self.restyle()
        self._arrange()

    def _make_controls(self) -> None:
        self.against = QComboBox()
        for index, (text, tip) in enumerate(AGAINST.values()):
            self.against.addItem(text)
            self.against.setItemData(index, tip, 3)
        self.against.setToolTip("What the curves are drawn against (key X)")
        self.against.activated.connect(lambda i: self.against_chosen.emit(tuple(AGAINST)[i]))
        self.rows: dict[str, QToolButton] = {}
        buttons = QHBoxLayout()
        buttons.setSpacing(3)
        for name, (text, tip) in ROWS.items():
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setChecked(name in USUAL)
            button.clicked.connect(self._arrange)
            quiet(button)
            self.rows[name] = button
            buttons.addWidget(button)
        buttons.addStretch(1)
        self.whole = QPushButton("Whole")
        self.whole.setToolTip("Show all of the curves again")
        self.whole.clicked.connect(self.show_whole)
        quiet(self.against, self.whole)
        self.head.addStretch(1)
        self.head.addWidget(label("against", "muted"))
        self.head.addWidget(self.against)
        self.head.addWidget(self.whole)
        self.body.addLayout(buttons)

    def _arrange(self) -> None:
        """Rows that are wanted, one under the other; numbers of x under the last."""
        layout = self.graphics.ci
        for plot in self.plots.values():
            if plot in layout.items:
                layout.removeItem(plot)
        wanted = [name for name, button in self.rows.items() if button.isChecked()]
        for row, name in enumerate(wanted):
            layout.addItem(self.plots[name], row=row, col=0)
        for name, plot in self.plots.items():
            is_last = bool(wanted) and name == wanted[-1]
            plot.getAxis("bottom").setStyle(showValues=is_last)
            plot.getAxis("bottom").showLabel(is_last)

    def restyle(self) -> None:
        """Takes on the colours and sizes of the look that was applied last."""
        c = theme.palette()
        self.graphics.setBackground(c.panel)
        for plot in self.plots.values():
            style_axes(plot, "left", "bottom")
            plot.getAxis("left").setWidth(theme.px(40))
            plot.showGrid(x=True, y=True, alpha=0.12)
        line = c.cross if theme.shade() == "dark" else "#c99700"
        for mark in self._marks.values():
            mark.setPen(line, width=1)
        for name, (_, colour, kind) in CURVES.items():
            curve, colour = self.curves[name], getattr(c, colour)
            style = pg.QtCore.Qt.PenStyle.DashLine if kind == "dash" else None
            curve.setPen(pg.mkPen(colour, width=1.5, style=style))
            if kind == "o":
                curve.setSymbol("o")
                curve.setSymbolSize(6)
                curve.setSymbolBrush(theme.brush(colour))
                curve.setSymbolPen(None)
        self.scan_marks.setPen(pg.mkPen(c.back))
        dash = pg.QtCore.Qt.PenStyle.DotLine
        self.one.setPen(c.muted, width=1, style=dash)
        for text in (self.no_cycler, *self.titles.values()):
            text.restyle()
        self.key.setText(
            f"removed: <span style='color:{c.accent}'>● averaged</span> &nbsp;"
            f"<span style='color:{c.plateau}'>● complete</span> &nbsp;"
            f"<span style='color:{c.muted}'>┅ coulometry</span> &nbsp; | &nbsp; pits: "
            f"<span style='color:{c.depth}'>● deepest</span> &nbsp;"
            f"<span style='color:{c.count}'>● P99</span> &nbsp;"
            f"<span style='color:{c.muted}'>● P50</span>"
        )
        self._drawn = ()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell's history up to now."""
        cell = snapshot.cell(choice.cell)
        scans = [scan for scan in cell["scans"] if not scan["provisional"]] if cell else []
        shown = shown_scan(cell, choice)
        readings = snapshot.answer("cycler", choice.cell)
        part = snapshot.answer("cycler_part", choice.cell) if choice.span else None
        versions = tuple(scan["version"] for scan in scans)
        drawn = (choice.cell, readings, part, versions, shown and shown["scan"], choice.against)
        if drawn == self._drawn:
            return
        self._drawn, self._scans = drawn, scans
        self.against.setCurrentIndex(tuple(AGAINST).index(choice.against))
        origin = self._origin = _origin(scans, readings)
        if self._home != (choice.cell, choice.against):
            self._home = (choice.cell, choice.against)
            self.show_whole()
        has_feed = bool(cell and cell["cycler_points"])
        self.no_cycler.set("" if has_feed or cell is None else "No cycler readings for this cell")
        self._places = _places(scans, choice.against, origin)
        self.plots["potential"].vb.invertX(choice.against == "soc")
        self._draw_readings(_columns(readings, part), scans, choice.against, origin)
        self._draw_scans(scans, choice.against)
        place = _places([shown], choice.against, origin)[0] if shown else np.nan
        for mark in self._marks.values():
            mark.setVisible(bool(np.isfinite(place)))
            if np.isfinite(place):
                mark.setPos(place)

    def _draw_readings(
        self,
        columns: Mapping[str, NDArray[np.float64]],
        scans: Sequence[Mapping[str, Any]],
        against: str,
        origin: float,
    ) -> None:
        if not columns or not len(columns["time"]):
            for curve in (self.curves["potential"], self.curves["current"], self.scan_marks):
                curve.clear()
            return
        time, potential = columns["time"], columns["potential_V"]
        at = _along(columns, against, origin)
        known = np.isfinite(at)
        draw_curve(self.curves["potential"], at[known], potential[known])
        draw_curve(self.curves["current"], at[known], columns["current_mA"][known])
        starts = np.array([scan["start_time"] for scan in scans], np.float64)
        on_curve = np.interp(starts, time, potential) if starts.size else starts
        seen = np.isfinite(on_curve) & np.isfinite(self._places)
        c = theme.palette()
        colours = [c.warn if scan["reason"] in ("extra", "manual") else c.text for scan in scans]
        brushes = [theme.brush(c) for c, k in zip(colours, seen, strict=True) if k]
        self.scan_marks.setData(self._places[seen], on_curve[seen], brush=brushes)

    def _draw_scans(self, scans: Sequence[Mapping[str, Any]], against: str) -> None:
        unit = scans[-1]["length_unit"] if scans else ""
        for name, text in (
            ("potential", "E / V"),
            ("current", "I / mA"),
            ("pits", "pits"),
            ("depth", f"depth / {unit}"),
            ("width", f"width / {unit}"),
            ("thickness", f"removed / {unit}"),
            ("closure", "closure"),
        ):
            self.titles[name].set(text.removesuffix(" / "))
            self.plots[name].setLabel("bottom", AXES[against])
        self._arrange_labels()
        places = self._places
        known = np.isfinite(places)
        columns = {
            name: np.array([measure(scan, source) for scan in scans], np.float64)
            for name, source in LENGTHS.items()
        }
        columns["pits"] = _column(scans, "pit_count")
        columns["closure"] = _column(scans, "closure")
        # coulometry is in µm always: it has no place on an axis of voxels
        faraday = _column(scans, "coulometry_um") if unit == "µm" else np.full(len(scans), np.nan)
        columns["coulometry"] = faraday
        for name, values in columns.items():
            draw_curve(self.curves[name], places[known], values[known])

    def _arrange_labels(self) -> None:
        wanted = [name for name, button in self.rows.items() if button.isChecked()]
        for name, plot in self.plots.items():
            plot.getAxis("bottom").showLabel(bool(wanted) and name == wanted[-1])

    def show_whole(self) -> None:
        """All of the curves, as they grow."""
        for plot in self.plots.values():
            plot.vb.enableAutoRange(axis=plot.vb.YAxis)
        self.plots["potential"].vb.enableAutoRange()

    def _tell_span(self) -> None:
        """The time in view and as much on both sides, None where it is all, or not time."""
        box = self.plots["potential"].vb
        span = None
        if self._home[1] == "time" and not box.autoRangeEnabled()[0]:
            left, right = (self._origin + 3600.0 * at for at in box.viewRange()[0])
            span = (2 * left - right, 2 * right - left)
        if span != self._span:
            self._span = span
            self.span_wanted.emit(span)

    def _clicked(self, event: Any) -> None:
        for name, plot in self.plots.items():
            shown = self.rows[name].isChecked()
            if not (shown and plot.vb.sceneBoundingRect().contains(event.scenePos())):
                continue
            at = plot.vb.mapSceneToView(event.scenePos()).x()
            distance = np.abs(self._places - at)
            if np.isfinite(distance).any():
                self.scan_chosen.emit(self._scans[int(np.nanargmin(distance))]["scan"])


def _columns(whole: Answer | None, part: Answer | None) -> Mapping[str, NDArray[np.float64]]:
    """The readings, those of the part in view in the place of the few that the whole has there."""
    told: Mapping[str, Any] = (whole.header.get("columns") if whole else None) or {}
    full: Mapping[str, Any] = (part.header.get("columns") if part else None) or {}
    if not told or not full or not len(full["time"]):
        return told
    before, after = told["time"] < full["time"][0], told["time"] > full["time"][-1]
    return {
        name: np.concatenate((values[before], full[name], values[after]))
        for name, values in told.items()
    }


def _origin(scans: Sequence[Mapping[str, Any]], readings: Answer | None) -> float:
    """Hour 0: the first scan, or the first reading before there is one."""
    if scans:
        return float(scans[0]["start_time"])
    times = readings.header.get("columns", {}).get("time") if readings else None
    return float(times[0]) if times is not None and times.size else 0.0


def _places(
    scans: Sequence[Mapping[str, Any] | None], against: str, origin: float
) -> NDArray[np.float64]:
    """Where each scan lies on the axis; NaN where that is not known."""
    told = [scan or {} for scan in scans]
    if against == "time":
        times = np.array([scan.get("start_time") for scan in told], np.float64)
        return (times - origin) / 3600.0
    if against == "charge":
        return _column(told, "charge_mAh_cm2")
    return 100.0 * _column(told, "soc")


def _along(columns: Mapping[str, Any], against: str, origin: float) -> NDArray[np.float64]:
    """Where each reading lies on the axis; NaN where that is not known."""
    if against == "time":
        return np.asarray((columns["time"] - origin) / 3600.0)
    name, factor = {"charge": ("charge_mAh_cm2", 1.0), "soc": ("soc", 100.0)}[against]
    unknown = np.full(len(columns["time"]), np.nan)
    return np.asarray(factor * columns.get(name, unknown))


def _column(scans: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([scan.get(name) for scan in scans], np.float64)
