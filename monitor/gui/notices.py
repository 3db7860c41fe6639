"""What must not be overlooked, in lines above the views: alarms to acknowledge, and what went wrong
at this screen with what to do. Nothing here stops the live view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from monitor.gui import theme
from monitor.gui.model import Snapshot, alarms, order_problem
from monitor.gui.parts import elastic, label, quiet
from monitor.gui.text import as_is, clock

MAX_LINES = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that failed at this screen, and what to do."""

    what: str
    todo: str


class _Line(QFrame):
    """One notice with a button."""

    def __init__(self, pressed: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("problem")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 3, 6, 3)
        self.text: QLabel = elastic(label())
        self.button = QPushButton()
        self.button.clicked.connect(pressed)
        quiet(self.button)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)


class Notices(QWidget):
    """Draws alarms and problems; tells which alarm was acknowledged."""

    acknowledged = Signal(str, int)

    def __init__(self) -> None:
        super().__init__()
        self.viewer = False
        self._alarms: list[Mapping[str, Any]] = []
        self._problems: list[Problem] = []
        self._refused = 0
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        self.alarm = _Line(self.acknowledge)
        self.problems = [_Line(self._dismisser(i)) for i in range(MAX_LINES)]
        for line in (self.alarm, *self.problems):
            line.hide()
            column.addWidget(line)

    def add(self, what: str, todo: str) -> None:
        """Shows a problem until it is dismissed; the same one only once."""
        problem = Problem(what, todo)
        if problem not in self._problems:
            self._problems = [*self._problems, problem][-MAX_LINES:]
        self._draw_problems()

    def dismiss(self) -> None:
        """Takes the problems away."""
        self._problems = []
        self._draw_problems()

    def acknowledge(self) -> None:
        """Acknowledges the newest alarm, where that is allowed."""
        if self._alarms and self.alarm.button.isEnabled():
            newest = self._alarms[0]
            self.acknowledged.emit(newest.get("cell", ""), int(newest["number"]))

    def draw(self, snapshot: Snapshot) -> None:
        """Shows the newest alarm, how many more there are, and orders that came to nothing."""
        self._alarms = alarms(snapshot)
        self.alarm.setVisible(bool(self._alarms))
        if self._alarms:
            newest, more = self._alarms[0], len(self._alarms) - 1
            cell = f"cell {newest['cell']}, " if newest.get("cell") else ""
            when = f"{clock(newest['time'])} UTC" if newest.get("time") else ""
            bad = theme.palette().bad
            self.alarm.text.setText(
                f"<b style='color:{bad}'>▲ Alarm</b> &nbsp;{cell}{when}: {as_is(newest['text'])}"
                + (f" <i>(over since {clock(newest['ended'])})</i>" if newest.get("ended") else "")
                + (f" <i>and {more} more</i>" if more else "")
            )
            texts = (as_is(alarm["text"]) for alarm in self._alarms)
            self.alarm.text.setToolTip("<br>".join(texts))
            problem = order_problem(snapshot, viewer=self.viewer)
            self.alarm.button.setText("Acknowledge (A)")
            self.alarm.button.setEnabled(not problem)
            self.alarm.button.setToolTip(problem or "Seen: the next alarm, if any, takes its place")
        for order in snapshot.orders:
            if order.status in ("refused", "lost") and order.number > self._refused:
                self._refused = order.number
                self.add(f"Not done: {order.why}", "see the events, then ask again")

    def _draw_problems(self) -> None:
        warn = theme.palette().warn
        for i, line in enumerate(self.problems):
            line.setVisible(i < len(self._problems))
            if i < len(self._problems):
                problem = self._problems[i]
                line.text.setText(
                    f"<b style='color:{warn}'>◆</b> &nbsp;{as_is(problem.what)} "
                    f"<span style='color:{theme.palette().muted}'>– {as_is(problem.todo)}</span>"
                )
                line.text.setToolTip(f"{as_is(problem.what)}<br>{as_is(problem.todo)}")
                line.button.setText("Dismiss (Esc)")

    def _dismisser(self, index: int) -> Callable[[], None]:
        def dismiss() -> None:
            self._problems = [p for i, p in enumerate(self._problems) if i != index]
            self._draw_problems()

        return dismiss
