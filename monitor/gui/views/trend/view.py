"""What changed over the hours: potential, current, pits, depths, thickness, closure, channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QTimer
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QToolButton

from monitor.closure import Closure
from monitor.gui.actions import with_keys
from monitor.gui.formatting import as_is, summary_text, value_text, with_error
from monitor.gui.state.health import fetching
from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import (
    Choice,
    Query,
    Snapshot,
    judged_scans,
    shown_scan,
)
from monitor.gui.views.trend import channels, x_axis
from monitor.gui.views.trend.rows import CURVES, FROM_READINGS, OF_CHARGE, Trend, TrendRows
from monitor.gui.widgets import export, theme
from monitor.gui.widgets.controls import elastic, label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.view import View
from monitor.gui.wording.charge import is_final
from monitor.quantities.table import READINGS, SCALARS
from monitor.wire.results.cells import Cell, Scan
from monitor.wire.results.headers import Columns
from monitor.wire.results.queries import CyclerRequest

QUANTITIES = {
    "potential": READINGS["potential_V"],
    "current": READINGS["current_mA"],
    "pits": SCALARS["pit_count"],
    "deepest": SCALARS["pit_depth_max"],
    "depth_p99": SCALARS["pit_depth_p99"],
    "depth_p50": SCALARS["pit_depth_p50"],
    "width_p99": SCALARS["pit_diameter_p99"],
    "width_p50": SCALARS["pit_diameter_median"],
    "averaged": SCALARS["averaged"],
    "complete": SCALARS["complete"],
    "coulometry": SCALARS["coulometry"],
    "closure": SCALARS["closure"],
}
"""What each curve shows."""
RINGS = "Rings: preliminary, because readings do not cover the scan yet."


def explained(row: str) -> str:
    """What the curves of a row are."""
    shown = [one for curve, one in QUANTITIES.items() if CURVES[curve][0] == row]
    lines = [f"{one.title}: {one.help}" for one in shown] if len(shown) > 1 else [shown[0].help]
    if row == "potential":
        lines.append("Marks are scans, the extra ones in yellow.")
    return "\n".join([*lines, RINGS] if row in OF_CHARGE else lines)


NAMES = {
    **{row: QUANTITIES[row].title for row in ("potential", "current", "pits", "closure")},
    "depth": "Depth",
    "width": "Diameter",
    "thickness": "Removed",
}
UNITS_OF = {"depth": "deepest", "width": "width_p99", "thickness": "averaged"}
"""Rows of several curves: the curve that gives their unit."""
ROWS = ("potential", "current", "pits", "depth", "width", "thickness", "closure")
POINTS = 2000
USUAL = ("potential", "current", "pits", "depth", "thickness", "closure")
CHARGE, SOC = SCALARS["charge_mAh_cm2"], SCALARS["soc"]
AGAINST = {
    "time": ("time", "Hours since the first scan"),
    "charge": ("charge", f"{CHARGE.help} In {CHARGE.unit_text('')}."),
    "soc": (SOC.title, SOC.help),
}
AXES = {"time": "time / h"} | {
    name: f"{one.title} / {one.unit_text('')}" for name, one in (("charge", CHARGE), ("soc", SOC))
}
SHORT = {"depth_p99": "P99", "depth_p50": "P50", "width_p99": "P99", "width_p50": "P50"}
"""Names of curves that the title of their row explains."""

Array = NDArray[np.float64]
Curve = tuple[Array, Array]


def queries(at: Looking) -> Queries:
    """The readings and channels, and more of them for the part of the time that is in view."""
    points, choice = at.cell["cycler_points"], at.choice
    asked = channels.queries(at)
    if not points:
        return asked
    whole = CyclerRequest(choice.cell, POINTS, rows=True)
    asked["cycler"] = Query(whole, (points,))
    if choice.span is not None and choice.against == "time":
        since, until = choice.span
        asked["cycler_part"] = Query(replace(whole, since=since, until=until), (points,))
    return asked


class TrendView(View):
    """Draws the curves; reports which scan was clicked, what to draw against, and which part of the
    time is in view, so that it can have more readings."""

    def __init__(self) -> None:
        super().__init__("Trend", "Click to show the nearest scan; wheel to zoom, drag to move")
        self._home: tuple[str, str] = ("", "")
        self._origin = 0.0
        self._span: tuple[float, float] | None = None
        self._scans: Sequence[Scan] = ()
        self._places: Array = np.empty(0)
        self._drawn: tuple[Any, ...] = ()
        self.rows = TrendRows(ROWS, lambda *told: self.queue.put(*told), self)
        self._make_controls()
        self.rows.graphics.scene().sigMouseClicked.connect(self._clicked)
        self._range_timer = QTimer(self, singleShot=True, interval=150)
        self._range_timer.timeout.connect(self._tell_span)
        self.rows.moved.connect(self._range_timer.start)
        self._channels = channels.ChannelCurves()
        self._columns: Mapping[str, Array] = {}
        self._along: Array = np.empty(0)
        self._unit, self._place = "", np.nan
        self._at: float | None = None
        self.rows.pointed.connect(self._point)
        self.body.addWidget(self.rows.graphics, 1)
        self.restyle()
        self._arrange()

    def _make_controls(self) -> None:
        self.against = QComboBox()
        for index, (text, tip) in enumerate(AGAINST.values()):
            self.against.addItem(text)
            self.against.setItemData(index, tip, 3)
        set_tip(self.against, with_keys("Horizontal axis of the curves", "against"))
        self.against.activated.connect(lambda i: self.against_chosen.emit(tuple(AGAINST)[i]))
        self.buttons: dict[str, QToolButton] = {}
        line = QHBoxLayout()
        line.setSpacing(3)
        for name in ROWS:
            button = QToolButton()
            button.setText(NAMES[name])
            set_tip(button, explained(name))
            button.setCheckable(True)
            button.setChecked(name in USUAL)
            button.clicked.connect(self._arrange)
            quiet(button)
            self.buttons[name] = button
            line.addWidget(button)
        line.addStretch(1)
        self.channels = channels.ChannelChoice()
        self.channels.chosen.connect(self._arrange)
        self.whole = QPushButton("Whole")
        set_tip(self.whole, "Show the whole curves")
        self.whole.clicked.connect(self.rows.show_whole)
        quiet(self.against, self.whole)
        self.where = elastic(label("", "muted", "Scan and position to which the values belong"))
        self.head.addWidget(self.where, 1)
        self.head.addWidget(self.channels)
        self.head.addWidget(label("against", "muted"))
        self.head.addWidget(self.against)
        self.head.addWidget(self.whole)
        self.body.addLayout(line)

    def _arrange(self) -> None:
        rows = [name for name, button in self.buttons.items() if button.isChecked()]
        self.rows.arrange([*rows, *self.channels.shown()])

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        self.rows.restyle()
        self._drawn = ()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell's history up to now."""
        cell, against = snapshot.cell(choice.cell), choice.against
        scans = judged_scans(cell)
        shown = shown_scan(cell, choice)
        readings = snapshot.answer("cycler", choice.cell)
        part = snapshot.answer("cycler_part", choice.cell) if choice.span else None
        self._offer_channels(cell)
        values = self._channels.answers(snapshot, choice)
        versions = tuple(scan["version"] for scan in scans)
        shown_number = shown and shown["scan"]
        drawn = (
            choice.cell,
            readings,
            part,
            *values,
            versions,
            shown_number,
            against,
            snapshot.linked,
        )
        if drawn == self._drawn:
            return
        self._drawn, self._scans = drawn, scans
        self.against.setCurrentIndex(tuple(AGAINST).index(against))
        origin = self._origin = x_axis.origin(scans, readings)
        has_feed = bool(cell and cell["cycler_points"])
        empty = "" if has_feed or cell is None else "No cycler readings for this cell"
        if snapshot.state is None:
            empty = f"Waiting for the engine at {snapshot.address}"
        if has_feed and readings is None and not snapshot.linked:
            empty = fetching(snapshot, "readings")
        self.rows.why_empty.set(empty)
        self.rows.no_scan.set("" if scans or cell is None else "No scan yet")
        self._places = x_axis.places(scans, against, origin)
        place = x_axis.places([shown], against, origin)[0] if shown else np.nan
        unit = scans[-1]["length_unit"] if scans else ""
        columns = x_axis.columns(readings, part)
        marks, colours = self._marks(columns, scans)
        along = x_axis.along(columns, against, origin) if columns else np.empty(0)
        self._channels.place(values, columns, along, against, origin)
        trend = Trend(
            _of_readings(columns, against, origin)
            | _of_scans(scans, self._places, unit)
            | self._channels.curves(),
            marks,
            colours,
            float(place) if np.isfinite(place) else None,
            _preliminary(scans, self._places, unit),
        )
        self.rows.draw(trend)
        self._columns, self._unit, self._place = columns, unit, float(place)
        self._along = along
        self._name_rows()
        if self._home != (choice.cell, against):
            self._home = (choice.cell, against)
            self.rows.name_axis(AXES[against], falls=against == "soc")
            self.rows.show_whole()

    def _offer_channels(self, cell: Cell | None) -> None:
        """The rows of the channels that the cell has."""
        self._channels.offer(cell)
        for row in self._channels.channels:
            self.rows.add_channel(row)
        if self.channels.offer(self._channels.channels):
            self._arrange()

    def csv(self) -> str:
        """The numbers of each scan as CSV; units are in the names."""
        told = [one for curve, one in QUANTITIES.items() if CURVES[curve][0] not in FROM_READINGS]
        told = [SCALARS["soc"], CHARGE, *told, SCALARS["averaged_error"], SCALARS["complete_error"]]
        keys = [one.key(self._unit) for one in told]
        columns = {key: [scan.get(key) for scan in self._scans] for key in keys}
        return export.table(self._home[0], self._scans, columns)

    def leaveEvent(self, event: QEvent) -> None:
        """Shows the values of the shown scan once the mouse has left."""
        super().leaveEvent(event)
        self._point(None)

    def _point(self, at: float | None) -> None:
        self._at = at
        self._name_rows()

    def _name_rows(self) -> None:
        """Title and key of each row with the values under the mouse, or of the shown scan."""
        at = self._place if self._at is None else self._at
        scan, reading = x_axis.nearest(self._places, at), x_axis.nearest(self._along, at)
        self.where.setText("" if scan is None else f"scan {self._scans[scan]['scan']}")
        for row in ROWS:
            curves = [curve for curve in QUANTITIES if CURVES[curve][0] == row]
            keys = (
                _key(curve, self._value(curve, scan, reading), named=len(curves) > 1)
                for curve in curves
            )
            self.rows.titles[row].set(title_of(row, self._unit), " ".join(keys))
        for row, (title, value) in self._channels.titles(at).items():
            key = _coloured(self.rows.kinds[row][1], f"● {as_is(value)}")
            self.rows.titles[row].set(title, key)

    def _value(self, curve: str, scan: int | None, reading: int | None) -> str:
        if curve not in FROM_READINGS:
            return "" if scan is None else _scan_text(curve, self._scans[scan], self._unit)
        one = QUANTITIES[curve]
        return "" if reading is None else value_text(one, self._columns[one.name][reading])

    def _marks(
        self, columns: Mapping[str, Array], scans: Sequence[Scan]
    ) -> tuple[Curve, list[str]]:
        """Scans on the curve of the potential, the extra ones in yellow."""
        starts = np.array([scan["start_time"] for scan in scans], np.float64)
        if not starts.size or not columns or not len(columns["time"]):
            return (np.empty(0), np.empty(0)), []
        on_curve = np.interp(starts, columns["time"], columns["potential_V"])
        seen = np.isfinite(on_curve) & np.isfinite(self._places)
        c = theme.palette()
        colours = [c.warn if scan["reason"] in ("extra", "manual") else c.text for scan in scans]
        told = [colour for colour, is_seen in zip(colours, seen, strict=True) if is_seen]
        return (self._places[seen], on_curve[seen]), told

    def _tell_span(self) -> None:
        """The time in view and as much on both sides, None if it is all, or not time."""
        span, seen = None, self.rows.span
        if self._home[1] == "time" and not self.rows.is_whole and seen is not None:
            left, right = (self._origin + 3600.0 * at for at in seen)
            span = (2 * left - right, 2 * right - left)
        if span != self._span:
            self._span = span
            self.span_wanted.emit(span)

    def _clicked(self, event: Any) -> None:
        row = self.rows.row_at(event.scenePos())
        if row is not None:
            at = self.rows.plots[row].vb.mapSceneToView(event.scenePos()).x()
            scan = x_axis.nearest(self._places, at)
            if scan is not None:
                self.scan_chosen.emit(self._scans[scan]["scan"])


def _scan_text(curve: str, scan: Scan, unit: str) -> str:
    """Value of a scan with its error, without the unit that the row has."""
    if curve == "closure":
        found = Closure.of(scan)
        return "–" if found is None else with_error(found.value, found.error)
    return summary_text(QUANTITIES[curve], scan).removesuffix(f" {unit}").replace(" ± ", "±")


def _key(curve: str, value: str, *, named: bool) -> str:
    """A curve's mark, name and value, as HTML."""
    _, colour, kind = CURVES[curve]
    name = f"{SHORT.get(curve, QUANTITIES[curve].title)} " if named else ""
    return _coloured(colour, f"{'┅' if kind == 'dash' else '●'} {name}{as_is(value)}")


def _coloured(colour: str, html: str) -> str:
    return f"<span style='color:{getattr(theme.palette(), colour)}'>{html}</span>"


def title_of(row: str, length_unit: str) -> str:
    """Title of a row with its unit."""
    unit = QUANTITIES[UNITS_OF.get(row, row)].unit_text(length_unit)
    return f"{NAMES[row]} / {unit}" if unit else NAMES[row]


def _of_readings(columns: Columns, against: str, origin: float) -> dict[str, Curve]:
    """Curves of what the cycler read."""
    if not columns or not len(columns["time"]):
        return {}
    at = x_axis.along(columns, against, origin)
    known = np.isfinite(at)
    return {row: (at[known], columns[QUANTITIES[row].name][known]) for row in FROM_READINGS}


def _of_scans(scans: Sequence[Scan], places: Array, unit: str) -> dict[str, Curve]:
    """Curves of what each scan measured; `unit` is that of their lengths."""
    columns = {
        curve: x_axis.column(scans, one.key(unit))
        for curve, one in QUANTITIES.items()
        if CURVES[curve][0] not in FROM_READINGS
    }
    known = np.isfinite(places)
    return {name: (places[known], values[known]) for name, values in columns.items()}


def _preliminary(scans: Sequence[Scan], places: Array, unit: str) -> dict[str, Curve]:
    """Points of the scans whose charge is not final, by the row that they lie in."""
    found = {}
    for row, curve in (("closure", "closure"), ("thickness", "coulometry")):
        values = x_axis.column(scans, QUANTITIES[curve].key(unit))
        chosen = np.array([not is_final(scan) for scan in scans], np.bool_)
        chosen = chosen & np.isfinite(places) & np.isfinite(values)
        found[row] = (places[chosen], values[chosen])
    return found
