"""The events of the experiment, newest first, and a field for a note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QLineEdit, QListWidget, QListWidgetItem

from monitor.gui.actions import Handlers, keys_of
from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import Choice, Query, Snapshot, order_problem, shown_scan
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.view import View
from monitor.gui.wording.events import event_line, scan_of
from monitor.plain_text import typed, visible
from monitor.wire.results.events import StatusEvent
from monitor.wire.results.queries import MAX_NOTE, EventsRequest, NoteOrder

SHOWN = 1000
PAST_EVENTS = 1000
COLOURS = {
    "alarm": "bad",
    "pit_onset": "bad",
    "gap": "warn",
    "bad_message": "warn",
    "bad_input": "warn",
    "connection": "warn",
    "scan_corrected": "accent",
    "scan_request": "accent",
    "scan_reply": "accent",
    "alarm_ended": "good",
    "note": "good",
    "policy_changed": "good",
}
KINDS: dict[str, tuple[str, ...]] = {
    "all": (),
    "alarms": (
        "alarm",
        "alarm_ended",
        "alarm_acknowledged",
        "connection",
        "gap",
        "bad_message",
        "bad_input",
    ),
    "decisions": (
        "decision",
        "pit_onset",
        "scan_request",
        "scan_reply",
        "scan_suggested",
        "suggestion_closed",
        "request_confirmed",
        "request_refuted",
        "policy_changed",
    ),
    "scans": ("scan_started", "scan_complete", "scan_verdict", "scan_corrected"),
    "notes": ("note",),
}


def queries(at: Looking) -> Queries:
    """The events from before this screen was connected."""
    engine = at.snapshot.told["engine"]
    return {"past": Query(EventsRequest(limit=PAST_EVENTS), (engine,))}


class EventView(View):
    """Draws the list of events; emits an operator's note, and the cell and the scan of a clicked
    event."""

    def __init__(self) -> None:
        super().__init__("Events", "Events, newest first; times are those of the data")
        self._drawn: tuple[Any, ...] = ()
        self.kinds, self.cells = QComboBox(), QComboBox()
        self.kinds.addItems(list(KINDS))
        set_tip(self.kinds, "Events to show")
        self.cells.addItems(["this cell", "all cells"])
        self.cells.setCurrentIndex(1)
        set_tip(self.cells, "Cells to show")
        for box in (self.kinds, self.cells):
            box.activated.connect(lambda _: self._draw_again())
            quiet(box)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search")
        set_tip(self.search, "Only events that contain this text; Enter leaves the field")
        self.search.setClearButtonEnabled(True)
        self.search.setMaxLength(200)
        self.search.textChanged.connect(lambda _: self._draw_again())
        self.search.returnPressed.connect(self.search.clearFocus)
        self.head.addWidget(self.search, 1)
        self.head.addWidget(self.cells)
        self.head.addWidget(self.kinds)
        self.list = QListWidget()
        self.list.setUniformItemSizes(True)
        self.list.itemClicked.connect(self._click)
        quiet(self.list)
        self.none = label("", "muted")
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note = QLineEdit()
        self.note.setMaxLength(MAX_NOTE)
        self.note.returnPressed.connect(self._write)
        self.body.addWidget(self.none, 1)
        self.body.addWidget(self.list, 1)
        self.body.addWidget(self.note)
        self._shown: tuple[Snapshot, Choice] | None = None

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        self._draw_again()

    def _draw_again(self) -> None:
        self._drawn = ()
        if self._shown is not None:
            self.draw(*self._shown)

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the newest events."""
        self._shown = (snapshot, choice)
        problem = order_problem(snapshot, viewer=self.viewer)
        self.note.setEnabled(not problem)
        self.note.setPlaceholderText(
            visible(problem or f"Note about cell {choice.cell} ({keys_of('note')}), then Enter")
        )
        set_tip(self.note, problem or "Recorded in the events of this cell, with the time")
        past = snapshot.answers.get("past")
        drawn = (snapshot.events, past, choice.cell)
        if len(self._drawn) == 3 and all(a is b for a, b in zip(drawn, self._drawn, strict=True)):
            return
        self._drawn = drawn
        older = past.header.get("events", ()) if past else ()
        kinds = KINDS[self.kinds.currentText()]
        only = choice.cell if self.cells.currentIndex() == 0 else ""
        wanted = self.search.text().strip().lower()
        self.list.clear()
        for event in joined(older, snapshot.events)[:SHOWN]:
            if (kinds and event["type"] not in kinds) or (only and event.get("cell") != only):
                continue
            line = event_line(event)
            if wanted in line.lower():
                self.list.addItem(_item(event, line))
        known = bool(older or snapshot.events)
        self.none.setText("No event matches the filters" if known else "No events yet")
        self.none.setVisible(not self.list.count())
        self.list.setVisible(bool(self.list.count()))

    def _click(self, item: QListWidgetItem) -> None:
        cell, scan = item.data(Qt.ItemDataRole.UserRole)
        if cell and scan is not None:
            self.scan_of_cell_chosen.emit(cell, scan)

    def write_note(self) -> None:
        """Puts the cursor into the field for a note."""
        self.front_wanted.emit()
        self.note.setFocus()

    def handlers(self) -> Handlers:
        return {"note": self.write_note}

    def _write(self) -> None:
        text = typed(self.note.text())
        if text and self._shown is not None:
            snapshot, choice = self._shown
            scan = shown_scan(snapshot.cell(choice.cell), choice)
            number = None if scan is None else int(scan["scan"])
            self.order_given.emit(NoteOrder(choice.cell, text, scan=number))
            self.note.clear()
        self.note.clearFocus()


def joined(older: Sequence[StatusEvent], newer: Sequence[StatusEvent]) -> list[StatusEvent]:
    """Events of two lists, each once, newest first; `version` tells them apart."""
    known = {event["version"]: event for event in (*older, *newer)}
    return [known[version] for version in sorted(known, reverse=True)]


def _item(event: StatusEvent, line: str) -> QListWidgetItem:
    """A line of the list, which knows the cell and the scan that it is about."""
    item, scan = QListWidgetItem(line), scan_of(event)
    item.setForeground(QColor(getattr(theme.palette(), COLOURS.get(event["type"], "text"))))
    go = f"\nClick to show scan {scan}" if scan is not None and event.get("cell") else ""
    set_tip(item, f"{line}{go}")
    item.setData(Qt.ItemDataRole.UserRole, (event.get("cell", ""), scan))
    return item
