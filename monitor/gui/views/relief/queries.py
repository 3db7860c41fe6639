"""What the relief needs of the engine."""

from __future__ import annotations

from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import Query
from monitor.wire.results.queries import MapRequest

SURFACES = ("removal", "height")
POINTS = (280, 280)


def queries(at: Looking) -> Queries:
    """The surface of the shown scan, and the pits on it."""
    scan, cell = at.scan, at.choice.cell
    if scan is None:
        return {}
    asked: Queries = {}
    name = "removal" if "removal" in scan["maps"] and scan["scan"] else "height"
    for answer, wanted in (("relief", name), ("relief_labels", "pit_labels")):
        if wanted in scan["maps"]:
            request = MapRequest(cell, scan["scan"], wanted, None, POINTS)
            asked[answer] = Query(request, (scan["version"],))
    return asked
