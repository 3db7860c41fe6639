"""Menus and keys of the window, made from the actions."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow

from monitor.gui.actions import MENUS, Action, Handlers
from monitor.gui.widgets.plain_text import set_tip


def build(window: QMainWindow, actions: Sequence[Action], handlers: Handlers) -> dict[str, QAction]:
    """Puts all actions into the menus, with their keys; returns them by their names. Raises
    KeyError for an action that nobody does."""
    menus = {name: window.menuBar().addMenu(f"&{name}") for name in MENUS}
    made: dict[str, QAction] = {}
    for action in actions:
        entry = made[action.name] = QAction(action.text, window)
        entry.setShortcuts([QKeySequence(key) for key in action.keys])
        set_tip(entry, action.tip)
        entry.triggered.connect(lambda *_, act=handlers[action.name]: act())
        menus[action.menu].addAction(entry)
        window.addAction(entry)
    return made
