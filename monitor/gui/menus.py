"""Menus and keys of the window, made from the actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow

from monitor.gui.actions import MENUS, Action, Handlers
from monitor.gui.widgets.plain_text import set_tip

Ticks = Callable[[], Mapping[str, bool]]
"""Which actions are on or off now, by name; called whenever a menu opens."""


def build(
    window: QMainWindow, actions: Sequence[Action], handlers: Handlers, ticks: Ticks
) -> dict[str, QAction]:
    """Puts all actions into the menus, with their keys; returns them by their names. Raises
    KeyError for an action without a handler."""
    menus = {name: window.menuBar().addMenu(f"&{name}") for name in MENUS}
    made: dict[str, QAction] = {}

    def tick() -> None:
        for name, is_on in ticks().items():
            made[name].setCheckable(True)
            made[name].setChecked(is_on)

    for action in actions:
        entry = made[action.name] = QAction(action.text, window)
        entry.setShortcuts([QKeySequence(key) for key in action.keys])
        set_tip(entry, action.tip)
        entry.triggered.connect(lambda *_, act=handlers[action.name]: act())
        if action.after_line:
            menus[action.menu].addSeparator()
        menus[action.menu].addAction(entry)
        window.addAction(entry)
    for menu in menus.values():
        menu.aboutToShow.connect(tick)
    return made
