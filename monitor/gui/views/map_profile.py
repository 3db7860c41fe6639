"""The shown map along the line that is drawn on it: now, in the first scan, and in the pinned
one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt

from monitor.gui.formatting import as_is, number
from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import Answer, Choice, Query, Snapshot, reference_scan
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import elastic, label
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.plot import Plot, draw_curve, name_axis
from monitor.gui.widgets.view import View
from monitor.gui.wording.map_values import missing, quantity_of, title_of, unit_of
from monitor.wire.results.queries import ProfileRequest

NO_LINE = "Draw a line on the map (tool Profile)"
NAMES = {
    "profile": ("cross", "scan {scan}"),
    "profile_reference": ("before", "reference, scan {scan}"),
    "profile_pinned": ("other", "pinned, scan {scan}"),
}
"""By answer: its colour and its title."""
KEY_TIP = (
    "the shown scan, the first one, and the pinned one\n"
    "with the mouse over the plot: their values there, in the unit of the axis"
)
FACTS_TIP = (
    "values at both ends of the line, its length, and the difference between the largest and the "
    "smallest value along it in this scan"
)


def queries(at: Looking) -> Queries:
    """The shown map along the operator's line: in this scan, the reference, the pinned one."""
    if at.scan is None or len(at.choice.line) != 2:
        return {}
    asked: Queries = {}
    others = zip(NAMES, (at.scan, reference_scan(at.cell), at.pinned), strict=True)
    for name, scan in others:
        is_new = scan is not None and (name == "profile" or scan["scan"] != at.scan["scan"])
        if scan is not None and is_new and at.choice.map in scan["maps"]:
            request = ProfileRequest(at.choice.cell, scan["scan"], at.choice.map, *at.choice.line)
            asked[name] = Query(request, (scan["version"],))
    return asked


class ProfileView(View):
    """Draws values against the distance along the operator's line."""

    def __init__(self) -> None:
        super().__init__("Profile", "Values of the map along the line drawn on it")
        self._drawn: tuple[Any, ...] = ()
        self.caption = elastic(label("", "muted", "The map and scan shown here"))
        self.key = elastic(label("", "", KEY_TIP, rich=True))
        self.head.addWidget(self.caption, 1)
        self.graphics = Plot(grid=True, axis=52)
        self.plot = self.graphics.plot
        self.curves = {name: pg.PlotDataItem() for name in reversed(NAMES)}
        for curve in self.curves.values():
            self.plot.addItem(curve)
        self.here = pg.InfiniteLine(angle=90)
        self.here.hide()
        self.plot.addItem(self.here, ignoreBounds=True)
        self.message = self.graphics.message
        self.facts = elastic(label("", "", FACTS_TIP))
        self.graphics.scene().sigMouseMoved.connect(self._pointed)
        self._shown: dict[str, tuple[Answer, NDArray[np.float64], NDArray[np.float64]]] = {}
        self.body.addWidget(self.graphics, 1)
        self.body.addWidget(self.key)
        self.body.addWidget(self.facts)
        self.restyle()

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.graphics.restyle()
        for name, curve in self.curves.items():
            dash = name == "profile_reference"
            style = Qt.PenStyle.DashLine if dash else Qt.PenStyle.SolidLine
            curve.setPen(theme.pen(colour_of(name), 2, style))
        self.here.setPen(theme.pen(c.muted))
        self._drawn = ()
        self._tell()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the newest values along the line."""
        answers = {name: snapshot.answer(name, choice.cell) for name in NAMES}
        problem = NO_LINE
        if len(choice.line) == 2:
            problem = missing(snapshot, choice, answers["profile"], "profile")
        drawn = (*answers.values(), problem)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self._shown = {}
        for name, answer in answers.items():
            if not problem and answer is not None and answer.array is not None:
                length = float(answer.header["length"])
                along = np.linspace(0.0, length, answer.array.size)
                self._shown[name] = (answer, along, answer.array.ravel().astype(np.float64))
        now = self._shown.get("profile")
        if now is not None and not np.isfinite(now[2]).any():
            problem = f"Nothing is measurable along the line in {title_of(now[0].header)}"
            self._shown = {}
        self._draw_curves(problem)
        self._tell()

    def _draw_curves(self, problem: str) -> None:
        self.message.set(problem)
        self.here.hide()
        self.graphics.show_axes(not problem)
        for name, curve in self.curves.items():
            shown = self._shown.get(name)
            if shown is None or problem:
                curve.clear()
            else:
                draw_curve(curve, shown[1], shown[2])
        now = self._shown.get("profile")
        if now is not None and not problem:
            header = now[0].header
            name_axis(self.plot, "bottom", f"along the line / {header['length_unit']}")
            name_axis(self.plot, "left", f"{quantity_of(header)} / {unit_of(header)}")
            self.plot.setXRange(0.0, float(header["length"]) or 1.0, padding=0.01)
            self.plot.enableAutoRange(y=True)

    def _tell(self, at: float | None = None) -> None:
        """Key and numbers; of the place under the mouse, if there is one."""
        keys = []
        for name, (answer, along, values) in self._shown.items():
            text = NAMES[name][1].format(scan=answer.header["scan"])
            if at is not None:
                value = value_at(along, values, at)
                text += f": {number(value, 2)}"
            line = "┅" if name == "profile_reference" else "━"
            keys.append(f"<span style='color:{colour_of(name)}'>{line} {as_is(text)}</span>")
        self.key.setText(" &nbsp;".join(keys))
        now = self._shown.get("profile")
        self.caption.setText(title_of(now[0].header) if now else "")
        told = facts_text(now[0], now[2]) if now else ""
        self.facts.setText(told)
        set_tip(self.facts, f"{told}\n{FACTS_TIP}")
        for words in (self.key, self.facts):
            words.setVisible(now is not None)

    def _pointed(self, place: Any) -> None:
        """The place on the line under the mouse."""
        now = self._shown.get("profile")
        point = self.graphics.place(place)
        at = -1.0 if point is None else point.x()
        is_on = now is not None and 0.0 <= at <= float(now[1][-1])
        self.here.setVisible(is_on)
        if is_on:
            self.here.setPos(at)
        self._tell(at if is_on else None)


def colour_of(name: str) -> str:
    """Colour of a line, visible in both looks."""
    return str(getattr(theme.palette(), f"{NAMES[name][0]}_on_panel"))


def value_at(along: NDArray[np.float64], values: NDArray[np.float64], at: float) -> float | None:
    """The value of the point nearest to the distance `at`; None if it is not known."""
    value = float(values[int(np.argmin(np.abs(along - at)))])
    return value if np.isfinite(value) else None


def facts_text(answer: Answer, values: NDArray[np.float64]) -> str:
    """Values at the two ends, the length, and the difference between the extremes."""
    header, unit = answer.header, unit_of(answer.header)
    ends = [number(float(values[index]), 2) for index in (0, -1)]
    known = values[np.isfinite(values)]
    apart = float(known.max() - known.min()) if known.size else None
    length = number(float(header["length"]), 1, str(header["length_unit"]))
    return (
        f"{ends[0]} → {ends[1]} {unit} · {length} long · max. difference {number(apart, 2, unit)}"
    )
