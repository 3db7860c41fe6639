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
class Deed:
    """One thing to do: its menu, its words, its key (several after a space), what it does."""

    menu: str
    text: str
    key: str
    act: Callable[[], Any]
    tip: str = ""


def deeds(window: Window) -> list[Deed]:
    """All of them, in the order of the menus."""
    return [
        *_engine(window),
        *_go(window),
        *_map(window),
        *_ask(window),
        *_view(window),
        Deed("Help", "Keys and words", "? F1", window.help.toggle, "This list"),
        Deed(
            "Help", "Guide", "Shift+F1", window.desk.show_guide, "How to watch, judge, ask, replay"
        ),
    ]


def _engine(w: Window) -> list[Deed]:
    return [
        Deed("Engine", "Connect…", "Ctrl+E", w.session.toggle, "To another engine; your name"),
        Deed(
            "Engine",
            "Open recording…",
            "Ctrl+O",
            w.desk.ask_recording,
            "A recorded experiment",
        ),
        Deed("Engine", "Back to the first engine", "Ctrl+Home", w.desk.go_home, ""),
        Deed("Engine", "Picture of the window…", "Ctrl+S", w.desk.ask_window_picture, "PNG or SVG"),
        Deed("Engine", "Picture of a view…", "Ctrl+Shift+S", w.desk.ask_view_picture, "PNG or SVG"),
        Deed("Engine", "Table of pits as CSV…", "Ctrl+Shift+C", w.desk.ask_csv, "As filtered"),
        Deed("Engine", "Quit", "Ctrl+Q", w.close, "Closes the screen; the engine continues"),
    ]


def _go(w: Window) -> list[Deed]:
    cells = [
        Deed("Go", f"Cell {i + 1}", str(i + 1), partial(w.steering.choose_cell_at, i), "")
        for i in range(9)
    ]
    return [
        Deed("Go", "All cells", "B", w.steering.toggle_board, "The board, and back to the cell"),
        *cells,
        Deed("Go", "Previous scan", "Left", lambda: w.timeline.step(-1)),
        Deed("Go", "Next scan", "Right", lambda: w.timeline.step(1)),
        Deed("Go", "First scan", "Home", lambda: w.timeline.step(-100_000)),
        Deed("Go", "Last scan", "End", lambda: w.timeline.step(100_000)),
        Deed("Go", "Follow the newest scan", "L", w.steering.follow_live),
        Deed("Go", "Play the scans", "Space", w.timeline.toggle_play, "And stop"),
        Deed("Go", "Pin this scan", "P", w.timeline.toggle_pin, "To compare others with it"),
        Deed(
            "Go", "Compare with the pinned scan", "C", w.steering.cycle_comparison, "Beside, or Δ"
        ),
    ]


def _map(w: Window) -> list[Deed]:
    def flip(name: str) -> Callable[[], None]:
        return lambda: w.choose(**{name: not getattr(w.choice, name)})

    scales = [
        Deed("Map", f"Colours: {name}", "", partial(w.choose, colours=name))
        for name in theme.COLOUR_SCALES
    ]
    return [
        Deed("Map", "Next map", "M", lambda: w.steering.cycle_map(1)),
        Deed("Map", "Previous map", "Shift+M", lambda: w.steering.cycle_map(-1)),
        Deed("Map", "Outlines of pits", "O", flip("outlines")),
        Deed("Map", "Grain boundaries", "G", flip("grains"), "Where a picture of them is set"),
        Deed("Map", "Mask below the detection limit", "K", flip("masked")),
        Deed("Map", "Same scale for all scans", "S", flip("common")),
        Deed("Map", "Whole map", "W", w.map.show_whole),
        Deed("Map", "Rectangle", "R", lambda: w.map.toggle_tool("rectangle"), "Numbers of a part"),
        Deed("Map", "Ellipse", "Shift+R", lambda: w.map.toggle_tool("ellipse")),
        Deed("Map", "Polygon", "Ctrl+R", lambda: w.map.toggle_tool("polygon")),
        Deed("Map", "Profile", "F", lambda: w.map.toggle_tool("line"), "Values along a line"),
        Deed("Map", "Turn the cross-section", "T", w.steering.turn_section, "Along x or y"),
        Deed("Map", "Move the crosshair up", "Shift+Up", lambda: w.steering.move_cross(1, 0)),
        Deed("Map", "Move the crosshair down", "Shift+Down", lambda: w.steering.move_cross(-1, 0)),
        Deed("Map", "Move the crosshair left", "Shift+Left", lambda: w.steering.move_cross(0, -1)),
        Deed("Map", "Move the crosshair right", "Shift+Right", lambda: w.steering.move_cross(0, 1)),
        Deed("Map", "Choose the pit under the crosshair", "I", w.steering.choose_pit_here),
        *scales,
    ]


def _ask(w: Window) -> list[Deed]:
    a = w.acquisition

    def seen(act: Callable[[], None]) -> Callable[[], None]:
        return partial(w.steering.ask, act)

    return [
        Deed(
            "Ask",
            "Extra scan",
            "E",
            seen(a.press_extra),
            "Then Enter; to take what is suggested: twice",
        ),
        Deed("Ask", "Decline what is suggested", "D", seen(a.press_decline)),
        Deed("Ask", "Acknowledge the alarm", "A", w.notices.acknowledge),
        Deed("Ask", "Write a note", "N", w.steering.write_note, "Into the events of the cell"),
        Deed("Ask", "Policy: off", "Ctrl+Shift+O", seen(partial(a.choose_policy, "off"))),
        Deed("Ask", "Policy: suggest", "Ctrl+Shift+G", seen(partial(a.choose_policy, "suggest"))),
        Deed("Ask", "Policy: auto", "Ctrl+Shift+A", seen(partial(a.choose_policy, "auto"))),
        Deed("Ask", "Budget: one scan more", "Ctrl+Shift+Up", seen(a.budget.stepUp)),
        Deed("Ask", "Budget: one scan less", "Ctrl+Shift+Down", seen(a.budget.stepDown)),
    ]


def view_key(place: int) -> str:
    """F2 to F11 for the first ten views; others have no key: F1 is help and F12 full screen."""
    return f"F{place + 2}" if place <= 9 else ""


def _view(w: Window) -> list[Deed]:
    views = [
        Deed("View", view.title, view_key(i), partial(w.layouts.show, view.name), "Show or hide")
        for i, view in enumerate(w.layouts.views)
    ]
    return [
        *views,
        Deed("View", "Trend against time, charge, SOC", "X", w.steering.cycle_against),
        Deed(
            "View", "Layout: undo", "Ctrl+Z", w.layouts.undo, "Undoes the last change of the panels"
        ),
        Deed("View", "Layout: redo", "Ctrl+Shift+Z", w.layouts.redo),
        Deed("View", "Default layout", "Ctrl+0", w.layouts.reset),
        Deed("View", "Dark or light", "Ctrl+T", w.toggle_shade),
        Deed("View", "Larger text", "Ctrl++ Ctrl+=", lambda: w.scale_letters(1)),
        Deed("View", "Smaller text", "Ctrl+-", lambda: w.scale_letters(-1)),
        Deed("View", "Full screen", "F12", w.toggle_full_screen),
        Deed("View", "Dismiss", "Escape", w.steering.dismiss, "Help, problems, the chosen pit"),
    ]


def build(window: QMainWindow, bar: QMenuBar, todo: Iterable[Deed]) -> dict[str, QAction]:
    """Puts all deeds into the menus, with their keys; returns the actions by their text."""
    menus: dict[str, QMenu] = {name: bar.addMenu(f"&{name}") for name in MENUS}
    made: dict[str, QAction] = {}
    for deed in todo:
        action = QAction(deed.text, window)
        action.setShortcuts([QKeySequence(key) for key in deed.key.split()])
        set_tip(action, deed.tip)
        action.triggered.connect(lambda *_, act=deed.act: act())
        menus[deed.menu].addAction(action)
        window.addAction(action)
        made[deed.text] = action
    return made
