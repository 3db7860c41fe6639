"""The acquisition of one cell: the scan that runs, the next one, extra scans, and the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSpinBox,
)

from monitor.gui.formatting import as_is, clock
from monitor.gui.state.health import next_scan, scan_text, time_left
from monitor.gui.state.snapshot import Choice, Order, Snapshot, order_problem
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import Card, label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.wording.requests import NOT_RECEIVED, request_text, status_of
from monitor.plain_text import typed, visible
from monitor.wire.results.queries import MAX_SCANS_PER_CELL, ScanOrder

CONFIRM_MS, WRITING_MS = 3000, 20_000
STATUS_COLOURS = {
    "suggested": "warn",
    "sent": "warn",
    "accepted": "accent",
    "running": "accent",
    "scanning": "accent",
    "done": "good",
    "refused": "bad",
    "failed": "bad",
    "lost": "bad",
    NOT_RECEIVED: "bad",
    "closed": "muted",
}
MODES = {
    "off": "Never asks by itself; decisions are still written down",
    "suggest": "Suggests extra scans; an operator takes (E) or declines (D) them",
    "auto": "Asks for extra scans by itself, within the budget",
}


class AcquisitionPanel(Card):
    """Draws what the acquisition does; tells who wants an extra scan and which policy."""

    extra_scan = Signal(str, str)
    suggestion_answered = Signal(str, str, bool)
    policy_chosen = Signal(str, str, int)

    def __init__(self) -> None:
        super().__init__(
            "Acquisition", "The scan that runs and the next one, in the cell's own time"
        )
        self._choice = Choice()
        self._suggested = ""
        self._drawn: dict[str, Any] = {}
        self.viewer = False
        self.progress = QProgressBar()
        set_tip(self.progress, "Received slices of the running scan")
        self.next = label(
            "–", "", "Start of the last scan on schedule plus the period, in cell time", rich=True
        )
        self.next.setWordWrap(True)
        self.outcome = label("", "muted")
        self.outcome.setWordWrap(True)
        self.body.addWidget(self.progress)
        self.body.addWidget(self.next)
        self._make_extra()
        self.body.addWidget(self.outcome)
        self._make_policy()
        self.requests = QListWidget()
        set_tip(self.requests, "Extra scans that were asked for, and what became of them")
        self.requests.setWordWrap(True)
        self.requests.setMinimumHeight(40)
        quiet(self.requests)
        self.body.addWidget(self.requests, 1)
        self._disarm = QTimer(self, singleShot=True, interval=CONFIRM_MS)
        self._disarm.timeout.connect(lambda: self._arm(False))
        self.restyle()

    def _make_extra(self) -> None:
        self.extra = QPushButton("Extra scan")
        self.extra.setObjectName("extra")
        self.extra.clicked.connect(self.press_extra)
        self.decline = QPushButton("Decline")
        set_tip(self.decline, "The suggested scan is not needed (key D)")
        self.decline.clicked.connect(self.press_decline)
        self.decline.hide()
        self.why = QLineEdit()
        self.why.setPlaceholderText("Why? Enter asks, Esc leaves it")
        set_tip(self.why, "Goes into the events and to the acquisition with the request")
        self.why.setMaxLength(200)
        self.why.textEdited.connect(lambda _: self._disarm.start(WRITING_MS))
        self.why.returnPressed.connect(self.press_extra)
        self.why.hide()
        quiet(self.extra, self.decline)
        buttons = QHBoxLayout()
        buttons.addWidget(self.extra, 1)
        buttons.addWidget(self.decline)
        self.body.addLayout(buttons)
        self.body.addWidget(self.why)

    def _make_policy(self) -> None:
        self.mode = QComboBox()
        for index, (mode, tip) in enumerate(MODES.items()):
            self.mode.addItem(mode)
            self.mode.setItemData(index, tip, 3)
        self.mode.activated.connect(lambda i: self.choose_policy(tuple(MODES)[i]))
        self.budget = QSpinBox()
        self.budget.setRange(0, MAX_SCANS_PER_CELL)
        self.budget.setKeyboardTracking(False)
        self.budget.valueChanged.connect(lambda _: self.choose_policy(self.mode.currentText()))
        self.spent = label("", "muted")
        row = QHBoxLayout()
        row.addWidget(label("Policy", "muted", "Whether the engine asks for scans by itself"))
        row.addWidget(self.mode, 1)
        row.addWidget(label("at most", "muted", "Extra scans of this cell, in all"))
        row.addWidget(self.budget)
        quiet(self.mode)
        self.body.addLayout(row)
        self.body.addWidget(self.spent)

    def restyle(self) -> None:
        """Takes on the colours and sizes of the look that was applied last."""
        self.budget.setFixedWidth(theme.px(72))
        self._drawn.clear()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell that was chosen."""
        if choice.cell != self._choice.cell:
            self._arm(False)
        self._choice = choice
        cell = snapshot.cell(choice.cell)
        running = cell.get("running") if cell else None
        self.progress.setRange(0, max(1, running["slices"] if running else 1))
        self.progress.setValue(running["received"] if running else 0)
        text = scan_text(snapshot, choice.cell)
        self.progress.setFormat(visible(text[0].upper() + text[1:]))
        self.next.setText(_next_text(snapshot, choice.cell))
        problem = order_problem(snapshot, viewer=self.viewer)
        alone = snapshot.state is not None and snapshot.state["settings"].get("requests") == "none"
        scan_problem = problem or (
            "No acquisition is connected: extra scans cannot be asked for" if alone else ""
        )
        self._enable(scan_problem, problem)
        self._draw_suggestion(cell)
        self._draw_fate(snapshot, scan_problem)
        self._draw_policy(cell)
        self._draw_requests(snapshot, cell)

    def _enable(self, scan_problem: str, problem: str) -> None:
        self.extra.setEnabled(not scan_problem)
        set_tip(self.extra, scan_problem or "Ask for a scan now (key E, then Enter)")
        for widget, tip in (
            (self.mode, "off, suggest or auto (keys Ctrl+Shift+O, G, A)"),
            (self.budget, "Most extra scans of this cell, in all (wheel, or Ctrl+Shift+↑ ↓)"),
        ):
            widget.setEnabled(not problem)
            set_tip(widget, problem or tip)

    def press_extra(self) -> None:
        """The first press asks to confirm, the second within 3 s asks for the scan."""
        if not self.extra.isEnabled():
            return
        if not self.extra.property("armed"):
            self._arm(True)
            self._disarm.start(CONFIRM_MS)
            # what is typed next is the reason, not keys of the window
            self.why.setFocus(Qt.FocusReason.ShortcutFocusReason)
            return
        self._disarm.stop()
        why = typed(self.why.text())
        self._arm(False)
        if self._suggested:
            self.suggestion_answered.emit(self._choice.cell, self._suggested, True)
        else:
            self.extra_scan.emit(self._choice.cell, why)

    def leave(self) -> bool:
        """Takes back the first press; whether there was one."""
        armed = bool(self.extra.property("armed"))
        if armed:
            self._disarm.stop()
            self._arm(False)
        return armed

    def press_decline(self) -> None:
        """Declines what is suggested, where something is."""
        if self._suggested:
            self.suggestion_answered.emit(self._choice.cell, self._suggested, False)

    def choose_policy(self, mode: str) -> None:
        """Switches the policy of the shown cell."""
        if self.mode.isEnabled():
            self.policy_chosen.emit(self._choice.cell, mode, self.budget.value())

    def _arm(self, armed: bool) -> None:
        self.extra.setProperty("armed", armed)
        idle, asking = ("Take suggested scan", "Confirm suggested scan: E")
        if not self._suggested:
            idle, asking = ("Extra scan", "Confirm extra scan: Enter")
        self.extra.setText(asking if armed else idle)
        self.extra.style().unpolish(self.extra)
        self.extra.style().polish(self.extra)
        if not armed:
            self.why.clear()
            # else the cursor would go on into another line
            self.why.clearFocus()
        self.why.setVisible(armed and not self._suggested)

    def _draw_fate(self, snapshot: Snapshot, problem: str) -> None:
        orders = [
            order
            for order in snapshot.orders
            if order.cell == self._choice.cell and isinstance(order.request, ScanOrder)
        ]
        text = problem
        if orders and not problem:
            text = _order_text(orders[-1])
        self.outcome.setText(text)
        self.outcome.setVisible(bool(text))

    def _draw_policy(self, cell: Mapping[str, Any] | None) -> None:
        policy = (cell or {}).get("policy") or {}
        if self._drawn.get("policy") == policy:
            return
        self._drawn["policy"] = policy
        self.mode.setCurrentText(policy.get("mode", "off"))
        self.budget.blockSignals(True)
        self.budget.setValue(int(policy.get("max_scans") or 0))
        self.budget.blockSignals(False)
        spent, most = policy.get("extra_scans"), policy.get("max_scans")
        # of an engine that does not tell them apart, all that was asked for counts as spent
        waiting = int(policy.get("unanswered") or 0)
        parts = [] if spent is None else [f"{spent - waiting} of {most} extra scans spent"]
        if waiting:
            parts.append(f"{waiting} requested and not answered yet, no more until then")
        if policy.get("refusal") and spent is not None and not waiting:
            parts.append(f"no more now: {policy['refusal']}")
        self.spent.setText("; ".join(parts))
        self.spent.setVisible(bool(parts))
        self.spent.setWordWrap(True)

    def _draw_suggestion(self, cell: Mapping[str, Any] | None) -> None:
        """The button takes what is suggested; beside it stands one that declines."""
        waiting = [r for r in cell["requests"] if r["status"] == "suggested"] if cell else []
        suggested = waiting[-1]["id"] if waiting else ""
        if suggested != self._suggested:
            self._suggested = suggested
            self._disarm.stop()
            self._arm(False)
        self.decline.setVisible(bool(suggested))
        self.decline.setEnabled(self.extra.isEnabled())

    def _draw_requests(self, snapshot: Snapshot, cell: Mapping[str, Any] | None) -> None:
        requests: Sequence[Mapping[str, Any]] = cell["requests"] if cell else ()
        lines = [
            (request_text(snapshot, cell or {}, r), status_of(snapshot, cell or {}, r), r["id"])
            for r in reversed(requests)
        ]
        if self._drawn.get("requests") == (lines, theme.shade()):
            return
        self._drawn["requests"] = (lines, theme.shade())
        self.requests.clear()
        for line, status, identity in lines:
            text = visible(line)
            item = QListWidgetItem(text)
            item.setForeground(QColor(getattr(theme.palette(), STATUS_COLOURS.get(status, "text"))))
            set_tip(item, f"{text}\nid {identity}")
            self.requests.addItem(item)


def _order_text(order: Order) -> str:
    """What became of the order that was given last at this screen."""
    request = order.request
    assert isinstance(request, ScanOrder)
    what, done = "Extra scan", "handed to the engine; see the list below"
    if request.suggestion and request.accepted:
        what = "Suggested scan"
    elif request.suggestion:
        what, done = "Suggested scan declined", ""
    words = {"asking": "asking the engine", "sent": done}
    word = words.get(order.status, order.status)
    text = f"{what}: {word}" if word else what
    return text + (f" – {order.why}" if order.why else "")


def _next_text(snapshot: Snapshot, name: str) -> str:
    cell = snapshot.cell(name)
    if not cell or cell.get("next_scan_time") is None:
        return "Next scan: not known before the first"
    told = next_scan(snapshot, name)
    colour = getattr(theme.palette(), told.tone)
    text = as_is(told.text)
    if text.startswith("in ") and time_left(cell) is not None:
        at = clock(cell["next_scan_time"], cell.get("time"))
        text = f"in <b>{text.removeprefix('in ')}</b>, at {at}"
    return f"<span style='color:{colour}'>Next scan {text}</span>"
