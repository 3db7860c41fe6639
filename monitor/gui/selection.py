"""The operator's selection: cell, scan, map, position, pit and time range, or all cells."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any, get_args

from PySide6.QtCore import QObject, Signal

from monitor.gui.actions import CELLS, Handlers
from monitor.gui.state.snapshot import (
    COLOUR_SCALES,
    MAP_NAMES,
    Against,
    Choice,
    Comparison,
    Points,
    Region,
    Snapshot,
    crosshair,
    shown_scan,
)
from monitor.gui.widgets.view import View
from monitor.gui.wording.map_captions import pit_at

SWITCHES = ("outlines", "grains", "masked", "common")
"""Fields of the choice that are on or off, each with an action of its name."""
LEAST_SHARE = 100
AWAY_S = 60.0
"""Shortest time (s) for which a window must be left to count as left."""


class Selection(QObject):
    """Holds the choice, and updates it on requests of keys, menus and views."""

    changed = Signal()
    front_wanted = Signal(str)
    """Emitted with the view that now shows what was requested."""

    def __init__(self, cell: str | None = None) -> None:
        super().__init__()
        self.choice = Choice(cell=cell or "")
        self.snapshot = Snapshot()
        self.on_board = False
        self._settled = cell is not None
        self._left: tuple[float, dict[str, float]] | None = None

    def follow(self, snapshot: Snapshot) -> None:
        """Updates the choice from a new snapshot: a cell that still exists stays chosen. With
        several cells, the board is shown first."""
        self.snapshot = snapshot
        if snapshot.state is None:
            return
        cells = snapshot.state["cells"]
        if self.choice.cell not in cells:
            self.choice = replace(self.choice, cell=next(iter(cells), ""))
        if not self._settled:
            self._settled = True
            self.on_board = self.on_board or len(cells) > 1

    def note_seen(self) -> None:
        """The operator has looked: changes are counted from now on."""
        self.choose(looked=self._times())

    def be_watched(self, watched: bool) -> None:
        """The window was left, or is in front again: the changes in the meantime are reported."""
        if not watched:
            self._left = time.monotonic(), self._times()
        elif self._left is not None and time.monotonic() - self._left[0] >= AWAY_S:
            self.choose(looked=self._left[1])

    def _times(self) -> dict[str, float]:
        told = {name: cell.get("time") for name, cell in self.snapshot.cells.items()}
        return {name: at for name, at in told.items() if at is not None}

    def begin_anew(self) -> None:
        """Another engine is shown from now on: the previous choice is dropped."""
        self._settled = False
        self.choice = Choice(colours=self.choice.colours)

    def choose(self, **changes: Any) -> None:
        """Changes the choice."""
        self.choice = replace(self.choice, **changes)
        self.changed.emit()

    def shown(self) -> Any:
        """The scan that is shown, or None."""
        return shown_scan(self.snapshot.cell(self.choice.cell), self.choice)

    def listen(self, view: View) -> None:
        """Connects the signals of a view by which the operator changes the choice."""
        choose = self.choose
        view.cell_chosen.connect(self.choose_cell)
        view.scan_chosen.connect(lambda scan: choose(scan=scan))
        view.scan_of_cell_chosen.connect(self.show_scan)
        view.newest_chosen.connect(self.follow_newest)
        view.pin_chosen.connect(lambda scan: choose(pinned=scan))
        view.comparison_chosen.connect(lambda how: choose(comparison=how))
        view.against_chosen.connect(lambda against: choose(against=against))
        view.span_wanted.connect(lambda span: choose(span=span))
        view.map_chosen.connect(lambda name: choose(map=name))
        view.switched.connect(lambda name, on: choose(**{name: on}))
        view.window_wanted.connect(lambda window: choose(window=window))
        view.cross_moved.connect(lambda row, column: choose(cross=(row, column)))
        view.axis_chosen.connect(lambda axis: choose(axis=axis))
        view.region_drawn.connect(self.take_region)
        view.line_drawn.connect(self.take_line)
        view.pit_chosen.connect(lambda pit: choose(pit=pit))

    def handlers(self) -> Handlers:
        """Its functions, by the names of actions."""
        move = self.move_cross
        return {
            "board": self.toggle_board,
            **{f"cell_{n + 1}": partial(self.choose_cell_at, n) for n in range(CELLS)},
            "newest_scan": self.follow_newest,
            "seen": self.note_seen,
            "compare": self.cycle_comparison,
            "next_map": partial(self.cycle_map, 1),
            "previous_map": partial(self.cycle_map, -1),
            **{name: partial(self._flip, name) for name in SWITCHES},
            "turn_section": self.turn_section,
            "cross_up": partial(move, 1, 0),
            "cross_down": partial(move, -1, 0),
            "cross_left": partial(move, 0, -1),
            "cross_right": partial(move, 0, 1),
            "pit_here": self.choose_pit_here,
            **{f"colours_{name}": partial(self.choose, colours=name) for name in COLOUR_SCALES},
            "against": self.cycle_against,
        }

    def ticks(self) -> dict[str, bool]:
        """What is on or off, by the names of actions."""
        choice = self.choice
        return {
            "board": self.on_board,
            "newest_scan": choice.scan is None,
            "compare": choice.comparison != "off",
            **{name: bool(getattr(choice, name)) for name in SWITCHES},
            **{f"colours_{name}": choice.colours == name for name in COLOUR_SCALES},
        }

    def leave_board(self) -> None:
        """Shows the chosen cell."""
        self.on_board = False
        self.changed.emit()

    def toggle_board(self) -> None:
        """Switches between all cells and the chosen one."""
        self.on_board = not self.on_board
        self.changed.emit()

    def choose_cell(self, name: str) -> None:
        """Shows another cell, live."""
        if name != self.choice.cell:
            self.choice = replace(
                self.choice,
                cell=name,
                scan=None,
                cross=None,
                window=None,
                pit=None,
                pinned=None,
                span=None,
            )
        self.leave_board()

    def choose_cell_at(self, index: int) -> None:
        """Shows the cell at this position of the list."""
        names = list(self.snapshot.cells)
        if index < len(names):
            self.choose_cell(names[index])

    def show_scan(self, cell: str, number: int) -> None:
        """Shows a scan of a cell, if it is known."""
        found = (self.snapshot.cell(cell) or {}).get("scans") or ()
        if any(scan["scan"] == number for scan in found):
            self.choose_cell(cell)
            self.choose(scan=number)

    def follow_newest(self) -> None:
        """Shows the newest scan from now on."""
        self.choose(scan=None)

    def cycle_map(self, by: int) -> None:
        """The next map that the shown scan has."""
        scan = self.shown()
        names = [name for name in MAP_NAMES if scan is None or name in scan["maps"]]
        if names:
            at = names.index(self.choice.map) if self.choice.map in names else -1
            self.choose(map=names[(at + by) % len(names)])

    def cycle_comparison(self) -> None:
        """Off, side by side, difference."""
        self.choose(comparison=_after(self.choice.comparison, get_args(Comparison)))

    def cycle_against(self) -> None:
        """Changes what the trend is drawn against."""
        self.choose(against=_after(self.choice.against, get_args(Against)))

    def turn_section(self) -> None:
        """Along x, or along y."""
        self.choose(axis="x" if self.choice.axis == "y" else "y")

    def move_cross(self, up: int, right: int) -> None:
        """Moves the crosshair by a hundredth of the map, one pixel at least."""
        scan = self.shown()
        if scan is not None:
            row, column = crosshair(scan, self.choice)
            step = max(1, min(scan["shape"]) // LEAST_SHARE)
            moved = replace(self.choice, cross=(row + up * step, column + right * step))
            self.choose(cross=crosshair(scan, moved))

    def choose_pit_here(self) -> None:
        """Chooses the pit under the crosshair, in table, map and growth curve."""
        scan, labels = self.shown(), self.snapshot.answer("map_labels", self.choice.cell)
        if scan is not None:
            self.choose(pit=pit_at(labels, crosshair(scan, self.choice)))

    def take_region(self, region: Region) -> None:
        """Sets the region of the map to be measured, and shows its statistics."""
        if region.kind != "whole" and self.choice.region.kind == "whole":
            self.front_wanted.emit("distribution")
        self.choose(region=region)

    def take_line(self, line: Points) -> None:
        """Sets the line of the profile, and shows the profile."""
        if line and not self.choice.line:
            self.front_wanted.emit("profile")
        self.choose(line=line)

    def _flip(self, name: str) -> None:
        self.choose(**{name: not getattr(self.choice, name)})


def _after(now: str, ways: tuple[str, ...]) -> str:
    """The next of these ways, the first after the last."""
    return ways[(ways.index(now) + 1) % len(ways)]
