"""Pictures of one window in several sizes and with every view in front, to be looked at."""

from __future__ import annotations

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
BESIDE = ("cell", "trend", "events", "section")
"""Those beside two maps."""


def take_all(window: Window, out: Path, state: str) -> None:
    """Each set of views, and the board, in each size, now dark and now light; then the window is as
    it was."""
    was, shade = window.size(), theme.shade()
    for turn, size in enumerate(SIZES):
        window.resize(*size)
        QTest.qWait(100)
        window.layouts.proportion(*size)
        for number, front in enumerate((*FRONTS, BESIDE, None)):
            if theme.shade() != theme.SHADES[(turn + number) % 2]:
                window.look.toggle_shade()
            window.selection.on_board = front is None
            how = "beside" if front is BESIDE else "off"
            window.selection.choose(pinned=0, comparison=how)
            for name in front or ():
                window.layouts.bring(name)
            window.tick()
            QTest.qWait(300)
            name = {None: "board", BESIDE: "beside"}.get(front, f"views{number + 1}")
            window.screenshot(out / f"{state}-{size[0]}-{name}.png")
    if theme.shade() != shade:
        window.look.toggle_shade()
    window.selection.choose(pinned=None, comparison="off")
    window.selection.leave_board()
    window.resize(was)
    window.layouts.proportion(*was.toTuple())
