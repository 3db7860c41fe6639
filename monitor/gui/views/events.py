"""The events of the experiment, newest first, and a line to write a note among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QLineEdit, QListWidget, QListWidgetItem

from monitor.gui.state.snapshot import Choice, Snapshot, order_problem
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import Card, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.wording.events import event_line, scan_of
from monitor.plain_text import typed, visible
from monitor.wire.results.queries import MAX_NOTE

SHOWN = 1000
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


class EventView(Card):
    """Draws the list of events; tells what an operator wants noted, and of which cell and scan he
    clicked an event."""

    note_written = Signal(str)
    scan_clicked = Signal(str, int)

    def __init__(self) -> None:
        super().__init__("Events", "What happened, newest first; times are the data's own")
        self._drawn: tuple[Any, ...] = ()
        self.viewer = False
        self.kinds, self.cells = QComboBox(), QComboBox()
        self.kinds.addItems(list(KINDS))
        set_tip(self.kinds, "Which events are shown")
        self.cells.addItems(["this cell", "all cells"])
        self.cells.setCurrentIndex(1)
        set_tip(self.cells, "Of which cells")
        for box in (self.kinds, self.cells):
            box.activated.connect(lambda _: self._draw_again())
            quiet(box)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search")
        set_tip(self.search, "Only events whose line has this text; Enter leaves the field")
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
        self.note = QLineEdit()
        self.note.setMaxLength(MAX_NOTE)
        self.note.returnPressed.connect(self._write)
        self.body.addWidget(self.list, 1)
        self.body.addWidget(self.note)
        self._shown: tuple[Snapshot, Choice] | None = None

    def restyle(self) -> None:
        """Takes on the colours and sizes of the look that was applied last."""
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
            visible(problem or f"Note about cell {choice.cell} (key N), Enter")
        )
        set_tip(self.note, problem or "Written into the events of this cell, with the time")
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

    def _click(self, item: QListWidgetItem) -> None:
        cell, scan = item.data(Qt.ItemDataRole.UserRole)
        if cell and scan is not None:
            self.scan_clicked.emit(cell, scan)

    def write_note(self) -> None:
        """Puts the cursor where a note is written."""
        self.note.setFocus()

    def _write(self) -> None:
        text = typed(self.note.text())
        if text:
            self.note_written.emit(text)
            self.note.clear()
        self.note.clearFocus()


def joined(
    older: Sequence[Mapping[str, Any]], newer: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Events of two lists, each once, newest first; `version` tells them apart."""
    known = {event["version"]: event for event in (*older, *newer)}
    return [known[version] for version in sorted(known, reverse=True)]


def _item(event: Mapping[str, Any], line: str) -> QListWidgetItem:
    """A line of the list, which knows the cell and the scan that it is about."""
    item, scan = QListWidgetItem(line), scan_of(event)
    item.setForeground(QColor(getattr(theme.palette(), COLOURS.get(event["type"], "text"))))
    go = f"\nClick: shows scan {scan}" if scan is not None and event.get("cell") else ""
    set_tip(item, f"{line}{go}")
    item.setData(Qt.ItemDataRole.UserRole, (event.get("cell", ""), scan))
    return item
