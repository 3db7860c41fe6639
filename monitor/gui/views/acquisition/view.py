"""The acquisition of one cell: the running scan, the next one, extra scans, and the policy."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import QSize
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QProgressBar

from monitor.gui.actions import Handlers
from monitor.gui.formatting import as_is, clock
from monitor.gui.state.health import next_scan, scan_text, time_left
from monitor.gui.state.snapshot import Choice, Order, Snapshot, order_problem
from monitor.gui.views.acquisition.extra import ExtraScan
from monitor.gui.views.acquisition.policy import MODES, PolicyControls
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.view import View
from monitor.gui.wording.requests import NOT_RECEIVED, request_text, status_of
from monitor.plain_text import visible
from monitor.wire.results.cells import Cell
from monitor.wire.results.queries import PolicyOrder, ScanOrder

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


class _Requests(QListWidget):
    """A list that takes the height that is left, rather than to make its view scroll."""

    def sizeHint(self) -> QSize:
        return QSize(1, theme.px(40))

    minimumSizeHint = sizeHint


class AcquisitionPanel(View):
    """Draws the acquisition; emits orders for extra scans and for a new policy."""

    asks = True

    def __init__(self) -> None:
        super().__init__("Acquisition", "The running scan and the next one, in cell time")
        self._cell = ""
        self._drawn: tuple[Any, ...] = ()
        self.progress = QProgressBar()
        set_tip(self.progress, "Received slices of the running scan")
        self.next = label(
            "–", "", "Start of the last scheduled scan plus the period, in cell time", rich=True
        )
        self.next.setWordWrap(True)
        self.extra = ExtraScan()
        self.extra.wanted.connect(lambda why: self.order_given.emit(ScanOrder(self._cell, why=why)))
        self.extra.answered.connect(self._answer)
        self.outcome = label("", "muted")
        self.outcome.setWordWrap(True)
        self.policy = PolicyControls()
        self.policy.chosen.connect(
            lambda mode, most: self.order_given.emit(PolicyOrder(self._cell, mode, most))
        )
        self.requests = _Requests()
        set_tip(self.requests, "Requested extra scans and their state")
        self.requests.setWordWrap(True)
        quiet(self.requests)
        for part in (self.progress, self.next, self.extra, self.outcome, self.policy):
            self.body.addWidget(part)
        self.body.addWidget(self.requests, 1)
        self.restyle()

    def handlers(self) -> Handlers:
        return {
            "extra_scan": self.extra.press,
            "decline": self.extra.press_decline,
            **{f"policy_{mode}": partial(self.policy.choose, mode) for mode in MODES},
            "budget_more": self.policy.budget.stepUp,
            "budget_less": self.policy.budget.stepDown,
        }

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        self.policy.restyle()
        self._drawn = ()

    def dismiss(self) -> bool:
        return self.extra.leave()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell that was chosen."""
        if choice.cell != self._cell:
            self.extra.leave()
        self._cell = choice.cell
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
            "No acquisition is connected: extra scans cannot be requested" if alone else ""
        )
        self.policy.enable(problem)
        self.policy.draw((cell or {}).get("policy") or {})
        self.extra.enable(scan_problem)
        waiting = [r for r in cell["requests"] if r["status"] == "suggested"] if cell else []
        self.extra.suggest(waiting[-1]["id"] if waiting else "")
        outcome = scan_problem or self._outcome(snapshot)
        self.outcome.setText(outcome)
        self.outcome.setVisible(bool(outcome))
        self._draw_requests(snapshot, cell or {})

    def _answer(self, suggestion: str, taken: bool) -> None:
        self.order_given.emit(ScanOrder(self._cell, suggestion=suggestion, accepted=taken))

    def _outcome(self, snapshot: Snapshot) -> str:
        """What became of the scan that was ordered last for this cell."""
        orders = [
            order
            for order in snapshot.orders
            if order.cell == self._cell and isinstance(order.request, ScanOrder)
        ]
        return _order_text(orders[-1]) if orders else ""

    def _draw_requests(self, snapshot: Snapshot, cell: Cell) -> None:
        lines = [
            (request_text(snapshot, cell, r), status_of(snapshot, cell, r), r["id"])
            for r in reversed(cell.get("requests", ()))
        ]
        if self._drawn == (lines, theme.shade()):
            return
        self._drawn = (lines, theme.shade())
        self.requests.clear()
        for line, status, identity in lines:
            text = visible(line)
            item = QListWidgetItem(text)
            item.setForeground(QColor(getattr(theme.palette(), STATUS_COLOURS.get(status, "text"))))
            set_tip(item, f"{text}\nid {identity}")
            self.requests.addItem(item)


def _order_text(order: Order) -> str:
    """What became of an order of a scan that was given at this screen."""
    request = order.request
    assert isinstance(request, ScanOrder)
    what, done = "Extra scan", "sent to the engine; see the list below"
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
    if snapshot.state is None:
        return "Next scan: not known"
    due = cell.get("next_scan_time") if cell else None
    if not cell or due is None:
        return "Next scan: not known before the first"
    told = next_scan(snapshot, name)
    colour = getattr(theme.palette(), told.tone)
    text = as_is(told.text)
    if text.startswith("in ") and time_left(cell) is not None:
        at = clock(due, cell.get("time"))
        text = f"in <b>{text.removeprefix('in ')}</b>, at {at}"
    return f"<span style='color:{colour}'>Next scan {text}</span>"
