"""The window: views side by side, one timer that repaints them, and what the operator chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QSplitter, QVBoxLayout, QWidget

from monitor.errors import PitwatchError
from monitor.gui.cell_panel import CellPanel
from monitor.gui.client import Client
from monitor.gui.event_view import EventView
from monitor.gui.help_panel import HelpPanel
from monitor.gui.map_view import MapView
from monitor.gui.model import MAP_NAMES, Choice, Snapshot, shown_scan, wants
from monitor.gui.section_view import SectionView
from monitor.gui.status_bar import StatusBar
from monitor.gui.table_view import TableView
from monitor.gui.trend_view import TrendView

REPAINT_MS = 100


class Window(QMainWindow):
    """Everything that an operator sees. Nothing in it waits for the engine."""

    def __init__(self, client: Client, cell: str | None = None) -> None:
        super().__init__()
        self.client = client
        self.choice = Choice(cell=cell or "")
        self.snapshot = Snapshot()
        self._drawn: tuple[Any, ...] = ()
        self.status = StatusBar()
        self.panel = CellPanel()
        self.map, self.section, self.trend = MapView(), SectionView(), TrendView()
        self.table, self.events = TableView(), EventView()
        self.help = HelpPanel(self._lay_out())
        self._connect()
        self._bind_keys()
        self.setWindowTitle("pitwatch")
        self.resize(1440, 900)
        self._timer = QTimer(self, interval=REPAINT_MS)
        self._timer.timeout.connect(self.tick)
        self._timer.start()
        self.tick()

    def _lay_out(self) -> QWidget:
        self.panel.setFixedWidth(262)
        images = _split(Qt.Orientation.Vertical, (self.map, 64), (self.section, 36))
        middle = _split(Qt.Orientation.Horizontal, (images, 58), (self.trend, 42))
        # a splitter takes its height from its children: the frame around it holds it
        below = QWidget()
        below.setFixedHeight(128)
        lists = QVBoxLayout(below)
        lists.setContentsMargins(0, 0, 0, 0)
        lists.addWidget(_split(Qt.Orientation.Horizontal, (self.table, 58), (self.events, 42)))
        right = QVBoxLayout()
        right.setSpacing(6)
        right.addWidget(middle, 1)
        right.addWidget(below)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.panel)
        row.addLayout(right, 1)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        column.addWidget(self.status)
        column.addLayout(row, 1)
        self.setCentralWidget(whole)
        return whole

    def _connect(self) -> None:
        self.panel.cell_chosen.connect(self.choose_cell)
        self.panel.scan_chosen.connect(lambda scan: self._choose(scan=scan))
        self.panel.live_chosen.connect(self.follow_live)
        self.panel.extra_scan.connect(lambda cell: self.client.order(cell))
        self.panel.suggestion_answered.connect(self.client.order)
        self.trend.scan_chosen.connect(lambda scan: self._choose(scan=scan))
        self.map.map_chosen.connect(lambda name: self._choose(map=name))
        self.map.outlines_chosen.connect(lambda on: self._choose(outlines=on))
        self.map.window_wanted.connect(lambda window: self._choose(window=window))
        self.section.axis_chosen.connect(lambda axis: self._choose(axis=axis))
        for view in (self.map, self.section):
            view.cross_moved.connect(lambda row, column: self._choose(cross=(row, column)))
        self.map.hold.toggled.connect(lambda _: self._choose())

    def _bind_keys(self) -> None:
        keys: dict[str, Callable[[], Any]] = {
            "Left": lambda: self.panel.step(-1),
            "Right": lambda: self.panel.step(1),
            "L": self.follow_live,
            "M": lambda: self.cycle_map(1),
            "Shift+M": lambda: self.cycle_map(-1),
            "T": lambda: self._choose(axis="x" if self.choice.axis == "y" else "y"),
            "E": self.panel.press_extra,
            "D": self.panel.press_decline,
            "?": self.help.toggle,
            "Escape": self.help.hide,
        }
        for index in range(9):
            keys[str(index + 1)] = partial(self._choose_cell_at, index)
        for key, act in keys.items():
            QShortcut(QKeySequence(key), self).activated.connect(act)

    def tick(self) -> None:
        """Fetches the newest snapshot and repaints what has changed."""
        self.snapshot = snapshot = self.client.snapshot()
        if snapshot.state and self.choice.cell not in snapshot.state["cells"]:
            self.choice = replace(self.choice, cell=next(iter(snapshot.state["cells"]), ""))
        self.status.draw(snapshot, self.choice)
        drawn = (snapshot.number, snapshot.linked, self.choice)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        asked = wants(snapshot, self.choice, self.map.pixels, self.section.pixels)
        self.client.want(asked)
        for view in (self.panel, self.map, self.section, self.trend, self.table, self.events):
            view.draw(snapshot, self.choice)

    def _choose(self, **changes: Any) -> None:
        self.choice = replace(self.choice, **changes)
        self._drawn = ()
        self.tick()

    def choose_cell(self, name: str) -> None:
        """Shows another cell, live."""
        self._choose(cell=name, scan=None, cross=None, window=None)

    def _choose_cell_at(self, index: int) -> None:
        names = list(self.snapshot.state["cells"]) if self.snapshot.state else []
        if index < len(names):
            self.choose_cell(names[index])

    def follow_live(self) -> None:
        """Shows the newest scan from now on."""
        self._choose(scan=None)

    def cycle_map(self, by: int) -> None:
        """The next map that the shown scan has."""
        scan = shown_scan(self.snapshot.cell(self.choice.cell), self.choice)
        names = [name for name in MAP_NAMES if scan is None or name in scan["maps"]]
        if not names:
            return
        at = names.index(self.choice.map) if self.choice.map in names else -1
        self._choose(map=names[(at + by) % len(names)])

    def screenshot(self, path: Path | str) -> None:
        """Writes the window as it is into a picture. Raises PitwatchError where that fails."""
        if not self.grab().save(str(path)):
            raise PitwatchError(f"screenshot: {path} cannot be written; give a .png in a folder")

    def closeEvent(self, event: Any) -> None:
        """Stops the timer; the client belongs to whoever made it."""
        self._timer.stop()
        super().closeEvent(event)


def _split(way: Qt.Orientation, *parts: tuple[QWidget, int]) -> QSplitter:
    splitter = QSplitter(way)
    splitter.setHandleWidth(6)
    splitter.setChildrenCollapsible(False)
    for i, (widget, share) in enumerate(parts):
        splitter.addWidget(widget)
        splitter.setStretchFactor(i, share)
    splitter.setSizes([share * 10 for _, share in parts])
    return splitter
