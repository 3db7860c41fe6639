"""The last events of the experiment, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtGui import QColor
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from monitor.gui import theme
from monitor.gui.model import Choice, Snapshot
from monitor.gui.parts import Card, quiet
from monitor.gui.text import clock

SHOWN = 100
COLOURS = {
    "alarm": theme.BAD,
    "pit_onset": theme.BAD,
    "gap": theme.WARN,
    "bad_message": theme.WARN,
    "bad_input": theme.WARN,
    "scan_request": theme.ACCENT,
}
LEFT_OUT = ("type", "version", "time", "cell", "number", "id", "run", "request", "stream")


class EventView(Card):
    """Draws the list of events."""

    def __init__(self) -> None:
        super().__init__("Events", "What happened, newest first; times are the data's own")
        self._drawn: object = None
        self.list = QListWidget()
        self.list.setUniformItemSizes(True)
        quiet(self.list)
        self.body.addWidget(self.list, 1)

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the newest events of all cells."""
        if snapshot.events is self._drawn:
            return
        self._drawn = snapshot.events
        self.list.clear()
        for event in reversed(snapshot.events[-SHOWN:]):
            text = event_text(event)
            item = QListWidgetItem(text)
            item.setForeground(QColor(COLOURS.get(event["type"], theme.TEXT)))
            item.setToolTip(text)
            self.list.addItem(item)


def event_text(event: Mapping[str, Any]) -> str:
    """One line: when, which cell, what, and its numbers."""
    facts = [
        f"{key.removesuffix('_um').replace('_', ' ')} {_short(value)}"
        + (" µm" if key.endswith("_um") else "")
        for key, value in event.items()
        if key not in LEFT_OUT and not isinstance(value, dict | list) and value not in (None, "")
    ]
    when = clock(event["time"]) if event["time"] else "--:--:--"
    cell = f"{event['cell']} " if event.get("cell") else ""
    return f"{when}  {cell}{event['type'].replace('_', ' ')}  {' · '.join(facts)}".rstrip()


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("_", " ")
