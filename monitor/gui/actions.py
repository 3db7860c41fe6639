"""Everything that can be done at the screen, each once: the menus, the keys and the help are made
from this list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu, QMenuBar

from monitor.gui.widgets import theme
from monitor.gui.widgets.plain_text import set_tip

if TYPE_CHECKING:
    from monitor.gui.main_window import Window

MENUS = ("Engine", "Go", "Map", "Ask", "View", "Help")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do: its menu, its words, its key (several after a space), what it does."""

    menu: str
    text: str
    key: str
    act: Callable[[], Any]
    tip: str = ""


def items_of(window: Window) -> list[Item]:
    """All of them, in the order of the menus."""
    return [
        *_engine(window),
        *_go(window),
        *_map(window),
        *_ask(window),
        *_view(window),
        Item("Help", "Keys and words", "? F1", window.help.toggle, "This list"),
        Item(
            "Help",
            "Guide",
            "Shift+F1",
            window.dialogs.show_guide,
            "How to watch, judge, ask, replay",
        ),
    ]


def _engine(w: Window) -> list[Item]:
    dialogs = w.dialogs
    return [
        Item("Engine", "Connect…", "Ctrl+E", w.session.toggle, "To another engine; your name"),
        Item(
            "Engine",
            "Open recording…",
            "Ctrl+O",
            dialogs.ask_recording,
            "A recorded experiment",
        ),
        Item("Engine", "Back to the first engine", "Ctrl+Home", dialogs.go_home, ""),
        Item(
            "Engine", "Picture of the window…", "Ctrl+S", dialogs.ask_window_picture, "PNG or SVG"
        ),
        Item(
            "Engine", "Picture of a view…", "Ctrl+Shift+S", dialogs.ask_view_picture, "PNG or SVG"
        ),
        Item("Engine", "Table of pits as CSV…", "Ctrl+Shift+C", dialogs.ask_csv, "As filtered"),
        Item("Engine", "Quit", "Ctrl+Q", w.close, "Closes the screen; the engine continues"),
    ]


def _go(w: Window) -> list[Item]:
    cells = [
        Item("Go", f"Cell {i + 1}", str(i + 1), partial(w.selection.choose_cell_at, i), "")
        for i in range(9)
    ]
    return [
        Item("Go", "All cells", "B", w.selection.toggle_board, "The board, and back to the cell"),
        *cells,
        Item("Go", "Previous scan", "Left", lambda: w.timeline.step(-1)),
        Item("Go", "Next scan", "Right", lambda: w.timeline.step(1)),
        Item("Go", "First scan", "Home", lambda: w.timeline.step(-100_000)),
        Item("Go", "Last scan", "End", lambda: w.timeline.step(100_000)),
        Item("Go", "Follow the newest scan", "L", w.selection.follow_live),
        Item("Go", "Play the scans", "Space", w.timeline.toggle_play, "And stop"),
        Item("Go", "Pin this scan", "P", w.timeline.toggle_pin, "To compare others with it"),
        Item(
            "Go", "Compare with the pinned scan", "C", w.selection.cycle_comparison, "Beside, or Δ"
        ),
    ]


def _map(w: Window) -> list[Item]:
    move = w.selection.move_cross

    def flip(name: str) -> Callable[[], None]:
        return lambda: w.choose(**{name: not getattr(w.choice, name)})

    scales = [
        Item("Map", f"Colours: {name}", "", partial(w.choose, colours=name))
        for name in theme.COLOUR_SCALES
    ]
    return [
        Item("Map", "Next map", "M", lambda: w.selection.cycle_map(1)),
        Item("Map", "Previous map", "Shift+M", lambda: w.selection.cycle_map(-1)),
        Item("Map", "Outlines of pits", "O", flip("outlines")),
        Item("Map", "Grain boundaries", "G", flip("grains"), "Where a picture of them is set"),
        Item("Map", "Mask below the detection limit", "K", flip("masked")),
        Item("Map", "Same scale for all scans", "S", flip("common")),
        Item("Map", "Whole map", "W", w.map.show_whole),
        Item("Map", "Rectangle", "R", lambda: w.map.toggle_tool("rectangle"), "Numbers of a part"),
        Item("Map", "Ellipse", "Shift+R", lambda: w.map.toggle_tool("ellipse")),
        Item("Map", "Polygon", "Ctrl+R", lambda: w.map.toggle_tool("polygon")),
        Item("Map", "Profile", "F", lambda: w.map.toggle_tool("line"), "Values along a line"),
        Item("Map", "Turn the cross-section", "T", w.selection.turn_section, "Along x or y"),
        Item("Map", "Move the crosshair up", "Shift+Up", lambda: move(1, 0)),
        Item("Map", "Move the crosshair down", "Shift+Down", lambda: move(-1, 0)),
        Item("Map", "Move the crosshair left", "Shift+Left", lambda: move(0, -1)),
        Item("Map", "Move the crosshair right", "Shift+Right", lambda: move(0, 1)),
        Item("Map", "Choose the pit under the crosshair", "I", w.selection.choose_pit_here),
        *scales,
    ]


def _ask(w: Window) -> list[Item]:
    a = w.acquisition

    def seen(act: Callable[[], None]) -> Callable[[], None]:
        return partial(w.selection.ask, act)

    return [
        Item(
            "Ask",
            "Extra scan",
            "E",
            seen(a.press_extra),
            "Then Enter; to take what is suggested: twice",
        ),
        Item("Ask", "Decline what is suggested", "D", seen(a.press_decline)),
        Item("Ask", "Acknowledge the alarm", "A", w.notices.acknowledge),
        Item("Ask", "Write a note", "N", w.selection.write_note, "Into the events of the cell"),
        Item("Ask", "Policy: off", "Ctrl+Shift+O", seen(partial(a.choose_policy, "off"))),
        Item("Ask", "Policy: suggest", "Ctrl+Shift+G", seen(partial(a.choose_policy, "suggest"))),
        Item("Ask", "Policy: auto", "Ctrl+Shift+A", seen(partial(a.choose_policy, "auto"))),
        Item("Ask", "Budget: one scan more", "Ctrl+Shift+Up", seen(a.budget.stepUp)),
        Item("Ask", "Budget: one scan less", "Ctrl+Shift+Down", seen(a.budget.stepDown)),
    ]


def view_key(place: int) -> str:
    """F2 to F11 for the first ten views; others have no key: F1 is help and F12 full screen."""
    return f"F{place + 2}" if place <= 9 else ""


def _view(w: Window) -> list[Item]:
    views = [
        Item("View", view.title, view_key(i), partial(w.layouts.show, view.name), "Show or hide")
        for i, view in enumerate(w.layouts.views)
    ]
    return [
        *views,
        Item("View", "Trend against time, charge, SOC", "X", w.selection.cycle_against),
        Item(
            "View", "Layout: undo", "Ctrl+Z", w.layouts.undo, "Undoes the last change of the panels"
        ),
        Item("View", "Layout: redo", "Ctrl+Shift+Z", w.layouts.redo),
        Item("View", "Default layout", "Ctrl+0", w.layouts.reset),
        Item("View", "Dark or light", "Ctrl+T", w.toggle_shade),
        Item("View", "Larger text", "Ctrl++ Ctrl+=", lambda: w.scale_letters(1)),
        Item("View", "Smaller text", "Ctrl+-", lambda: w.scale_letters(-1)),
        Item("View", "Full screen", "F12", w.toggle_full_screen),
        Item("View", "Dismiss", "Escape", w.selection.dismiss, "Help, problems, the chosen pit"),
    ]


def build(window: QMainWindow, bar: QMenuBar, todo: Iterable[Item]) -> dict[str, QAction]:
    """Puts all items into the menus, with their keys; returns the actions by their text."""
    menus: dict[str, QMenu] = {name: bar.addMenu(f"&{name}") for name in MENUS}
    made: dict[str, QAction] = {}
    for item in todo:
        action = QAction(item.text, window)
        action.setShortcuts([QKeySequence(key) for key in item.key.split()])
        set_tip(action, item.tip)
        action.triggered.connect(lambda *_, act=item.act: act())
        menus[item.menu].addAction(action)
        window.addAction(action)
        made[item.text] = action
    return made
