"""What a view knows of the choice when it requests data from the engine. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from monitor.gui.state.snapshot import Choice, Query, Snapshot, pinned_scan, shown_scan
from monitor.wire.results.cells import Cell, Scan

Queries = dict[str, Query]
Pixels = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Looking:
    """The chosen cell, its shown and its pinned scan, and the pixels (rows, columns) that the view
    can show."""

    snapshot: Snapshot
    choice: Choice
    cell: Cell
    scan: Scan | None
    pinned: Scan | None
    pixels: Pixels = (512, 512)

    @property
    def minus(self) -> int | None:
        """The scan to subtract, if a difference is shown."""
        scan, pinned = self.scan, self.pinned
        if self.choice.comparison != "difference" or scan is None or pinned is None:
            return None
        return None if pinned["scan"] == scan["scan"] else int(pinned["scan"])


Needs = Callable[[Looking], Queries]
"""The requests of one view, by name."""


def queries_of(
    snapshot: Snapshot, choice: Choice, needs: Iterable[tuple[Needs, Pixels]]
) -> Queries:
    """The requests of several views, each with the pixels that it can show."""
    cell = snapshot.cell(choice.cell)
    if cell is None or snapshot.state is None:
        return {}
    at = Looking(snapshot, choice, cell, shown_scan(cell, choice), pinned_scan(cell, choice))
    asked: Queries = {}
    for of, pixels in needs:
        asked |= of(replace(at, pixels=pixels))
    return asked


def none(at: Looking) -> Queries:
    """Requests of a view that shows the state only: none."""
    return {}
