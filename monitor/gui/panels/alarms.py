"""Lines above the views that must not be overlooked: alarms to acknowledge, which can be opened to
show their meaning, and problems of this screen with their remedy. They do not block the live
view."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from monitor.gui.actions import Handlers, key_of
from monitor.gui.formatting import as_is, counted, stamp
from monitor.gui.state.snapshot import Snapshot, alarms, order_problem
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import elastic, label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.wording.alarms import help_of
from monitor.plain_text import visible
from monitor.wire.results.cells import Alarm
from monitor.wire.results.queries import AcknowledgeOrder

MAX_LINES = 3
MAX_OPENED = 5
SEEN_S = 1.0
"""Time (s) for which an alarm must be visible before it can be acknowledged, so that an alarm that
replaces another while the key is pressed is not."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of this screen, and what to do."""

    what: str
    todo: str


class _Line(QFrame):
    """One notice with a button."""

    def __init__(self, pressed: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("problem")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 3, 6, 3)
        self.text: QLabel = elastic(label(rich=True))
        self.button = QPushButton()
        self.button.clicked.connect(pressed)
        quiet(self.button)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)


class Notices(QWidget):
    """Draws alarms and problems; emits the order to acknowledge an alarm."""

    order_given = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.viewer = False
        self._alarms: list[Alarm] = []
        self._problems: list[Problem] = []
        self._refused = 0
        self._shown: int | None = None
        self._shown_since = 0.0
        self._order_problem = ""
        self._seen = QTimer(self, singleShot=True)
        self._seen.timeout.connect(self._draw_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        self.alarm = _Line(self.acknowledge)
        self.opener = QPushButton()
        self.opener.clicked.connect(self.toggle_details)
        set_tip(self.opener, "What the alarms mean, and what to do")
        quiet(self.opener)
        self.alarm.layout().insertWidget(1, self.opener)  # type: ignore[union-attr]
        self.details = label(rich=True)
        self.details.setWordWrap(True)
        self.details.setContentsMargins(10, 2, 10, 4)
        self.is_open = False
        self.problems = [_Line(self._dismisser(i)) for i in range(MAX_LINES)]
        for line in (self.alarm, self.details, *self.problems):
            line.hide()
            column.addWidget(line)

    def add(self, what: str, todo: str) -> None:
        """Shows a problem until it is dismissed; the same one only once."""
        problem = Problem(what, todo)
        if problem not in self._problems:
            self._problems = [*self._problems, problem][-MAX_LINES:]
        self._draw_problems()

    def dismiss(self) -> None:
        """Removes the problems."""
        self._problems = []
        self._draw_problems()

    def acknowledge(self) -> None:
        """Acknowledges the newest alarm, if that is allowed and it has been visible for long
        enough to be read."""
        if self._alarms and self.alarm.button.isEnabled() and not self._too_soon_s():
            newest = self._alarms[0]
            self.order_given.emit(AcknowledgeOrder(newest.get("cell", ""), int(newest["number"])))

    def handlers(self) -> Handlers:
        """Its functions, by the names of actions."""
        return {"acknowledge": self.acknowledge}

    def toggle_details(self) -> None:
        """Shows or hides what the alarms mean and what to do."""
        self.is_open = not self.is_open
        self._draw_details()

    def draw(self, snapshot: Snapshot) -> None:
        """Shows the newest alarm, the number of alarms, and orders that were refused or lost."""
        self._alarms = alarms(snapshot)
        self.alarm.setVisible(bool(self._alarms))
        number = int(self._alarms[0]["number"]) if self._alarms else None
        if number != self._shown:
            self._shown, self._shown_since = number, time.monotonic()
        if self._alarms:
            newest, count = self._alarms[0], len(self._alarms)
            bad = theme.palette().bad
            self.alarm.text.setText(
                f"<b style='color:{bad}'>▲ {'Alarm' if count == 1 else f'Newest of {count} alarms'}"
                f"</b> &nbsp;{_heading(newest)}"
            )
            texts = (visible(alarm["text"]) for alarm in self._alarms)
            set_tip(self.alarm.text, "\n".join(texts))
            self._order_problem = order_problem(snapshot, viewer=self.viewer)
            self._draw_button()
        self._draw_details()
        for order in snapshot.orders:
            if order.status in ("refused", "lost") and order.number > self._refused:
                self._refused = order.number
                what = "refused" if order.status == "refused" else "not confirmed"
                self.add(f"Order {what}: {order.why}", "see the events, then try again")

    def _too_soon_s(self) -> float:
        """Seconds until the alarm that is shown may be acknowledged; 0 from then on."""
        if not self.isVisible():
            return SEEN_S
        return max(0.0, SEEN_S - (time.monotonic() - self._shown_since))

    def _draw_button(self) -> None:
        problem, wait_s = self._order_problem, self._too_soon_s()
        self.alarm.button.setText(f"Acknowledge ({key_of('acknowledge')})")
        self.alarm.button.setEnabled(not problem and not wait_s)
        tip = "Confirm that you have seen it; then the next alarm, if any, is shown"
        if wait_s:
            tip = "This alarm has just appeared: it can be acknowledged in a second"
            if not self._seen.isActive():
                self._seen.start(int(1000 * wait_s) + 20)
        set_tip(self.alarm.button, problem or tip)

    def _draw_details(self) -> None:
        """Below the line: each alarm, what it means, what to do."""
        self.details.setVisible(self.is_open and bool(self._alarms))
        self.opener.setText("Close" if self.is_open else "What to do")
        if not self.is_open:
            return
        muted = theme.palette().muted
        parts = []
        for alarm in self._alarms[:MAX_OPENED]:
            told = help_of(alarm)
            parts.append(
                f"<p style='margin:2px'><b>{_heading(alarm)}</b><br>{as_is(told.meaning)}<br>"
                f"<span style='color:{muted}'>To do:</span> {as_is(told.todo)}</p>"
            )
        left = len(self._alarms) - MAX_OPENED
        if left > 0:
            parts.append(f"<p style='margin:2px'>and {counted(left, 'older alarm')}</p>")
        self.details.setText("".join(parts))

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
                set_tip(line.text, f"{visible(problem.what)}\n{visible(problem.todo)}")
                line.button.setText(f"Dismiss ({key_of('dismiss')})")

    def _dismisser(self, index: int) -> Callable[[], None]:
        def dismiss() -> None:
            self._problems = [p for i, p in enumerate(self._problems) if i != index]
            self._draw_problems()

        return dismiss


def _heading(alarm: Alarm) -> str:
    """Cell, date and time, text; and since when it is over."""
    cell = f"cell {as_is(alarm['cell'])}, " if alarm.get("cell") else ""
    when = f"{stamp(alarm['time'])} UTC: " if alarm.get("time") else ""
    ended = alarm.get("ended")
    over = f" <i>(ended {stamp(ended)} UTC)</i>" if ended else ""
    return f"{cell}{when}{as_is(alarm['text'])}{over}"
