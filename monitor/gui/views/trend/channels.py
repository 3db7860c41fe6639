"""Channels in the trend: what is requested of them, their curves, and the choice of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QToolButton

from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import Answer, Choice, Query, Snapshot
from monitor.gui.views.trend import x_axis
from monitor.gui.views.trend.rows import CHANNEL
from monitor.gui.widgets.controls import quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.plain_text import visible
from monitor.wire.results.cells import Cell, Channel
from monitor.wire.results.queries import ChannelRequest

POINTS = 2000
USUAL = 1
"""So many channels are shown until the operator chooses."""
PART = " part"
Array = NDArray[np.float64]
Answers = tuple[Answer | None, Answer | None]
"""All values, thinned, and those of the part in view."""


def channels_of(cell: Cell | None) -> dict[str, Channel]:
    """The channels of a cell by the names of their rows."""
    return {CHANNEL + one["name"]: one for one in (cell or {}).get("channels", ())}


def queries(at: Looking) -> Queries:
    """The values of each channel, and more of them for the part of the time that is in view."""
    asked: Queries = {}
    for row, one in channels_of(at.cell).items():
        if not one["points"]:
            continue
        whole = ChannelRequest(at.choice.cell, one["name"], POINTS)
        mark = (one["points"], one.get("time"))
        asked[row] = Query(whole, mark)
        if at.choice.span is not None and at.choice.against == "time":
            since, until = at.choice.span
            asked[row + PART] = Query(replace(whole, since=since, until=until), mark)
    return asked


def along(times: Array, readings: Mapping[str, Array], at: Array) -> Array:
    """Where values of these times lie on an axis on which the readings lie `at`; NaN beside the
    readings."""
    known = np.isfinite(at)
    if not known.any():
        return np.full(len(times), np.nan)
    return np.interp(times, readings["time"][known], at[known], left=np.nan, right=np.nan)


class ChannelCurves:
    """The channels of the shown cell by the names of their rows, and where their values lie."""

    def __init__(self) -> None:
        self.channels: Mapping[str, Channel] = {}
        self._columns: dict[str, Mapping[str, Array]] = {}
        self._places: dict[str, Array] = {}

    def offer(self, cell: Cell | None) -> None:
        """Another cell is shown, or more is known of it."""
        self.channels = channels_of(cell)

    def answers(self, snapshot: Snapshot, choice: Choice) -> list[Answers]:
        """What is known of the values of each channel."""
        return [
            (
                snapshot.answer(row, choice.cell),
                snapshot.answer(row + PART, choice.cell) if choice.span else None,
            )
            for row in self.channels
        ]

    def place(
        self,
        answers: Sequence[Answers],
        readings: Mapping[str, Array],
        at: Array,
        against: str,
        origin: float,
    ) -> None:
        """Places the values on the axis; the readings lie `at`."""
        told = dict(zip(self.channels, answers, strict=True))
        self._columns = {row: x_axis.columns(*one) for row, one in told.items()}
        self._places = {
            row: x_axis.along(columns, against, origin)
            if against == "time"
            else along(columns["time"], readings, at)
            for row, columns in self._columns.items()
            if columns
        }

    def curves(self) -> dict[str, tuple[Array, Array]]:
        """(x, y) of each channel that has values."""
        return {
            row: (at[np.isfinite(at)], self._columns[row]["value"][np.isfinite(at)])
            for row, at in self._places.items()
        }

    def titles(self, at: float) -> dict[str, tuple[str, str]]:
        """Of each row its title with the unit, and the value nearest to a place on the axis."""
        return {row: (_title(one), self._value(row, at)) for row, one in self.channels.items()}

    def _value(self, row: str, at: float) -> str:
        place = x_axis.nearest(self._places.get(row, np.empty(0)), at)
        return "" if place is None else f"{self._columns[row]['value'][place]:.6g}"


def _title(channel: Channel) -> str:
    unit = channel["unit"]
    return f"{channel['title']} / {unit}" if unit else channel["title"]


class ChannelChoice(QToolButton):
    """The button whose menu says which channels are shown; hidden if the cell has none."""

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setText("Channels ▾")
        self.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        set_tip(self, "Ring current, shutter and other channels in the settings")
        quiet(self)
        self._menu = QMenu(self)
        self.setMenu(self._menu)
        self.actions_of: dict[str, QAction] = {}
        self._known: dict[str, str] = {}
        self.hide()

    def offer(self, channels: Mapping[str, Channel]) -> bool:
        """Offers these channels, by the names of their rows; whether they are others than before.
        What was chosen of a channel is remembered."""
        titles = {row: visible(one["title"]) for row, one in channels.items()}
        if titles == self._known:
            return False
        self._known = titles
        for number, (row, title) in enumerate(titles.items()):
            if row not in self.actions_of:
                action = self.actions_of[row] = QAction(self._menu, checkable=True)
                action.setChecked(number < USUAL)
                action.toggled.connect(self.chosen)
                self._menu.addAction(action)
            self.actions_of[row].setText(title.replace("&", "&&"))
        for row, action in self.actions_of.items():
            action.setVisible(row in titles)
        self.setVisible(bool(titles))
        return True

    def shown(self) -> Iterable[str]:
        """The rows that are chosen, in the order of the settings."""
        return [row for row in self._known if self.actions_of[row].isChecked()]
