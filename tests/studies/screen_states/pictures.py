"""Pictures of one window in every size, shade and with every view in front, to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtTest import QTest

from monitor.gui.main_window import Window
from monitor.gui.widgets import theme

SIZES = ((1280, 800), (1920, 1080), (3840, 2160))
FRONTS = (
    ("cell", "trend", "pits", "section"),
    ("cell", "relief", "table", "profile"),
    ("acquisition", "distribution", "events", "section"),
    ("cell", "closure", "pits", "section"),
)
"""Views that are in front together: between them, every view is."""


def take_all(window: Window, out: Path, state: str, act: Callable[[], None]) -> None:
    """One picture for each size, shade and set of views, and the board; then the window is as it
    was. `act` is done before each, so that the state goes on."""
    was, shade = window.size(), theme.shade()
    for size in SIZES:
        window.resize(*size)
        window.layouts.proportion(*size)
        for wanted in theme.SHADES:
            if theme.shade() != wanted:
                window.look.toggle_shade()
            for number, front in enumerate((*FRONTS, None)):
                window.selection.on_board = front is None
                for name in front or ():
                    window.layouts.bring(name)
                window.tick()
                act()
                QTest.qWait(300)
                name = "board" if front is None else f"views{number + 1}"
                window.screenshot(out / f"{state}-{size[0]}-{wanted}-{name}.png")
    if theme.shade() != shade:
        window.look.toggle_shade()
    window.selection.leave_board()
    window.resize(was)
    window.layouts.proportion(*was.toTuple())
