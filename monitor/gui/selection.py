"""Going about: which cell, scan, map, place and pit the operator looks at next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.gui.state.snapshot import MAP_NAMES, Points, Region, crosshair
from monitor.gui.views.trend.view import AGAINST
from monitor.gui.wording.map_captions import pit_at

if TYPE_CHECKING:
    from monitor.gui.main_window import Window

COMPARISONS = ("off", "beside", "difference")


class Selection:
    """What keys, menus and views ask for, turned into a new choice of the window."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def choose_cell(self, name: str) -> None:
        """Shows another cell, live."""
        self._window.pages.setCurrentWidget(self._window.bench)
        if name != self._window.choice.cell:
            self._window.choose(
                cell=name, scan=None, cross=None, window=None, pit=None, pinned=None, span=None
            )
        self._window.tick()

    def show_scan(self, cell: str, number: int) -> None:
        """Shows a scan of a cell, if it is known."""
        found = (self._window.snapshot.cell(cell) or {}).get("scans") or ()
        if any(scan["scan"] == number for scan in found):
            self.choose_cell(cell)
            self._window.choose(scan=number)

    def choose_cell_at(self, index: int) -> None:
        """Shows the cell at this place of the list."""
        names = list(self._window.snapshot.state["cells"]) if self._window.snapshot.state else []
        if index < len(names):
            self.choose_cell(names[index])

    def toggle_board(self) -> None:
        """All cells, or back to the one."""
        on_board = self._window.pages.currentWidget() is self._window.board
        self._window.pages.setCurrentWidget(self._window.bench if on_board else self._window.board)
        self._window.tick()

    def follow_live(self) -> None:
        """Shows the newest scan from now on."""
        self._window.choose(scan=None)

    def cycle_map(self, by: int) -> None:
        """The next map that the shown scan has."""
        scan = self._window.shown()
        names = [name for name in MAP_NAMES if scan is None or name in scan["maps"]]
        if names:
            at = names.index(self._window.choice.map) if self._window.choice.map in names else -1
            self._window.choose(map=names[(at + by) % len(names)])

    def cycle_comparison(self) -> None:
        """Off, side by side, difference."""
        at = COMPARISONS.index(self._window.choice.comparison)
        self._window.choose(comparison=COMPARISONS[(at + 1) % len(COMPARISONS)])

    def cycle_against(self) -> None:
        """What the trend is drawn against."""
        ways = tuple(AGAINST)
        self._window.choose(against=ways[(ways.index(self._window.choice.against) + 1) % len(ways)])

    def turn_section(self) -> None:
        """Along x, or along y."""
        self._window.choose(axis="x" if self._window.choice.axis == "y" else "y")

    def move_cross(self, up: int, right: int) -> None:
        """Moves the crosshair by a hundredth of the map, one pixel at least."""
        scan = self._window.shown()
        if scan is not None:
            row, column = crosshair(scan, self._window.choice)
            step = max(1, min(scan["shape"]) // 100)
            moved = replace(self._window.choice, cross=(row + up * step, column + right * step))
            self._window.choose(cross=crosshair(scan, moved))

    def choose_pit_here(self) -> None:
        """The pit under the crosshair, in table, map and growth curve."""
        scan, labels = (
            self._window.shown(),
            self._window.snapshot.answer("map_labels", self._window.choice.cell),
        )
        if scan is not None:
            self._window.choose(pit=pit_at(labels, crosshair(scan, self._window.choice)))

    def dismiss(self) -> None:
        """What was about to be asked; whatever lies over the views; then the chosen pit."""
        if self._window.acquisition.leave():
            return
        over = [panel for panel in (self._window.help, self._window.session) if panel.isVisible()]
        for panel in over:
            panel.hide()
        if not over:
            self._window.notices.dismiss()
            self._window.choose(pit=None)

    def ask(self, act: Callable[[], None]) -> None:
        """Does what asks the acquisition for something. Where its panel is not seen, it is only
        brought to the front: nothing is asked for a cell that is not looked at."""
        window = self._window
        on_bench = window.pages.currentWidget() is window.bench
        if on_bench and "acquisition" in window.layouts.visible():
            act()
            return
        window.pages.setCurrentWidget(window.bench)
        window.layouts.bring("acquisition")
        window.tick()

    def write_note(self) -> None:
        """Puts the cursor where a note is written."""
        self._window.pages.setCurrentWidget(self._window.bench)
        self._window.layouts.bring("events")
        self._window.events.write_note()

    def take_region(self, region: Region) -> None:
        """A part of the map to be measured; its numbers come to the front."""
        if region.kind != "whole" and self._window.choice.region.kind == "whole":
            self._window.layouts.bring("distribution")
        self._window.choose(region=region)

    def take_line(self, line: Points) -> None:
        """A line to look along; its profile comes to the front."""
        if line and not self._window.choice.line:
            self._window.layouts.bring("profile")
        self._window.choose(line=line)
