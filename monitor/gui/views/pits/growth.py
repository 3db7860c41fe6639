"""Growth of one pit: its depth and its diameter in all scans of its cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from monitor.gui.formatting import as_is
from monitor.gui.state.snapshot import Answer, Choice
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import elastic, label
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.plot import Plot, draw_curve, name_axis
from monitor.quantities.table import PIT_COLUMNS, SCALARS
from monitor.wire.results.cells import Cell, Scan
from monitor.wire.results.headers import Columns

DEPTH, DIAMETER = PIT_COLUMNS["depth_max"], PIT_COLUMNS["diameter"]
CHARGE = SCALARS["charge_mAh_cm2"]
TIP = (
    f"{DEPTH.title}: {DEPTH.help}\n{DIAMETER.title}: {DIAMETER.help}\n"
    "The vertical line is the shown scan; click to choose the scan nearest to the pointer"
)
HEIGHT = 110


class PitGrowth(QWidget):
    """Draws the curves; emits which scan was clicked."""

    scan_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._drawn: tuple[Any, ...] = ()
        self._scans: Sequence[int] = ()
        self._along = np.zeros(0)
        self.caption = elastic(label("", "", TIP, rich=True))
        self.key = label("", "", TIP, rich=True)
        self.setObjectName("growth")
        self.graphics = Plot(grid=True, axis=48)
        # as high as the room that the table leaves it, not as it would like to be
        self.graphics.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.plot = self.graphics.plot
        self.depth_curve, self.diameter_curve = (
            self.plot.plot(symbol="o", symbolSize=6) for _ in range(2)
        )
        self.mark = pg.InfiniteLine(angle=90)
        self.plot.addItem(self.mark, ignoreBounds=True)
        self.message = self.graphics.message
        self.graphics.scene().sigMouseClicked.connect(self._clicked)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(2)
        body.addWidget(self.caption)
        body.addWidget(self.key)
        body.addWidget(self.graphics, 1)

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.graphics.restyle()
        for curve, colour in ((self.depth_curve, c.depth), (self.diameter_curve, c.accent)):
            curve.setPen(theme.pen(colour, 1.5))
            curve.setSymbolBrush(theme.brush(colour))
            curve.setSymbolPen(None)
            curve.setSymbolSize(theme.px(6))
        self.key.setText(
            f"<span style='color:{c.depth}'>● {DEPTH.title}</span> &nbsp; "
            f"<span style='color:{c.accent}'>● {DIAMETER.title}</span>"
        )
        self.mark.setPen(theme.pen(c.cross_on_panel))
        self.setStyleSheet("#growth, #growth QLabel { background: transparent }")
        self.setMinimumHeight(theme.px(HEIGHT))
        self._drawn = ()

    def draw(
        self,
        history: Answer | None,
        cell: Cell | None,
        shown: Scan | None,
        choice: Choice,
    ) -> None:
        """Shows the chosen pit's `history` up to now, and the time of the `shown` scan."""
        if history is not None and getattr(history.request, "pit", None) != choice.pit:
            history = None
        number = shown["scan"] if shown else None
        begin = cell["scans"][0]["start_time"] if cell and cell["scans"] else 0.0
        drawn = (history, choice.pit, choice.against, number, begin)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        problem = _problem(history, choice)
        columns = history.columns if history and not problem else {}
        self._scans = columns.get("scan", ())
        self._along, title = _along(columns, choice, begin)
        if self._scans and not np.isfinite(self._along).any():
            problem = "The charge is not known: it needs the cycler's readings"
        self.message.set(problem)
        pit, *more = _caption(history, choice)
        self.caption.setText(" · ".join([f"<b>{pit}</b>", *map(as_is, more)]))
        set_tip(self.caption, " · ".join([pit, *more]) + f"\n{TIP}")
        self._draw_curves(columns, title, history, bool(problem))
        self._draw_mark(number)

    def _draw_curves(
        self, columns: Columns, title: str, history: Answer | None, empty: bool
    ) -> None:
        unit = str(history.header.get("length_unit", "")) if history else ""
        for curve, quantity in ((self.depth_curve, DEPTH), (self.diameter_curve, DIAMETER)):
            values = np.array(
                columns.get(quantity.key(unit), [None] * len(self._along)), np.float64
            )
            draw_curve(curve, self._along, values)
            curve.setVisible(not empty)
        for side, text in (("bottom", title), ("left", unit)):
            name_axis(self.plot, side, text)
            self.plot.getAxis(side).setVisible(not empty)
        self.plot.enableAutoRange()

    def _draw_mark(self, shown: int | None) -> None:
        at = [x for scan, x in zip(self._scans, self._along, strict=True) if scan == shown]
        known = bool(at) and bool(np.isfinite(at[0]))
        self.mark.setVisible(known)
        if known:
            self.mark.setPos(float(at[0]))

    def _clicked(self, event: Any) -> None:
        at = self.graphics.place(event.scenePos())
        if at is None:
            return
        away = np.abs(self._along - at.x())
        if np.isfinite(away).any():
            self.scan_chosen.emit(int(self._scans[int(np.nanargmin(away))]))


def _problem(history: Answer | None, choice: Choice) -> str:
    """Why there is no curve."""
    if history is None:
        return f"Fetching the history of pit {choice.pit}"
    if history.error:
        return history.error
    if not history.columns.get("scan"):
        return f"Pit {choice.pit} is not in any scan of this cell"
    return ""


def _along(columns: Columns, choice: Choice, begin: float) -> tuple[NDArray[np.float64], str]:
    """Where each scan of the history stands, and what the axis is called."""
    if choice.against == "time":
        times = np.array(columns.get("time", ()), np.float64)
        return (times - begin) / 3600.0, "time / h"
    charges: list[Any] = columns.get(CHARGE.name, [None] * len(columns.get("scan", ())))
    return np.array(charges, np.float64), f"{CHARGE.title} / {CHARGE.unit_text('')}"


def _caption(history: Answer | None, choice: Choice) -> list[str]:
    """Which pit, since when, what it came from and what came from it."""
    if history is None or history.error:
        return [f"Pit {choice.pit}"]
    header = history.header
    parts = [f"Pit {choice.pit}"]
    if header.get("first_scan") is not None:
        parts.append(f"since scan {header['first_scan']}")
    if (header.get("parent") or -1) >= 0:
        parts.append(f"split from {header['parent']}")
    if header.get("children"):
        parts.append("parent of " + ", ".join(str(child) for child in header["children"]))
    return parts
