"""Base of all views of the window: cards that draw what is chosen, and emit what the operator wants
to see or do next."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from monitor.gui.actions import Handlers
from monitor.gui.state.snapshot import Choice, Snapshot
from monitor.gui.widgets.controls import Card
from monitor.gui.widgets.paint_queue import Turns


class View(Card):
    """A card with a name in the table of views. It computes nothing and waits for nothing.

    `cross_moved` carries (row, column) in pixels of the map; `pit_chosen` and `pin_chosen` a
    number, or None if the choice is taken back; `window_wanted` a part of the map and
    `span_wanted` one of the trend, None for all of it; `order_given` an order without its author.
    """

    cell_chosen = Signal(str)
    scan_chosen = Signal(int)
    scan_of_cell_chosen = Signal(str, int)
    newest_chosen = Signal()
    pin_chosen = Signal(object)
    comparison_chosen = Signal(str)
    against_chosen = Signal(str)
    span_wanted = Signal(object)
    map_chosen = Signal(str)
    switched = Signal(str, bool)
    window_wanted = Signal(object)
    cross_moved = Signal(int, int)
    axis_chosen = Signal(str)
    region_drawn = Signal(object)
    line_drawn = Signal(object)
    pit_chosen = Signal(object)
    order_given = Signal(object)
    export_wanted = Signal()
    picture_wanted = Signal()
    front_wanted = Signal()

    asks = False
    """It gives orders by key: only while it is visible, and it is drawn at once, so that it asks
    for the cell that the next key means."""

    def __init__(self, title: str, tip: str = "") -> None:
        super().__init__(title, tip)
        self.queue = Turns(self)
        self.viewer = False
        self.ready: Callable[[], bool] = lambda: True
        """Whether all views show what is chosen."""

    @property
    def pixels(self) -> tuple[int, int]:
        """(rows, columns) that it can show, for what it asks of the engine."""
        return 512, 512

    def is_wanted(self, choice: Choice) -> bool:
        """Whether it is shown at all, for one that has a fixed place in the window."""
        return True

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows what is chosen, from the newest snapshot."""
        raise NotImplementedError

    def dismiss(self) -> bool:
        """Takes back a prepared action; returns whether there was one."""
        return False

    @property
    def has_csv(self) -> bool:
        """Whether it shows a table of numbers."""
        return type(self).csv is not View.csv

    def csv(self) -> str:
        """The table that is shown, as CSV; nothing if there is none."""
        return ""

    def offer(self, menu: QMenu) -> None:
        """Adds what can be copied or saved from this view to the menu."""
        menu.addAction("Copy picture", lambda: QGuiApplication.clipboard().setPixmap(self.grab()))
        menu.addAction("Picture of this view…", self.picture_wanted.emit)
        if self.has_csv:
            menu.addAction("Copy numbers", lambda: copy_text(self.csv()))
            menu.addAction("Numbers as CSV…", self.export_wanted.emit)

    def handlers(self) -> Handlers:
        """Its functions, by the names of actions."""
        return {}


def menu_of(widget: QWidget) -> QMenu:
    """A menu for a right click, gone once it is closed."""
    menu = QMenu(widget)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return menu


def copy_text(text: str) -> None:
    """Puts a text into the clipboard."""
    QGuiApplication.clipboard().setText(text)
