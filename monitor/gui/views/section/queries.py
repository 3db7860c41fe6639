"""What the cross-section needs of the engine: grey levels, and the heights along it."""

from __future__ import annotations

from typing import Any

from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import Query, crosshair, reference_scan
from monitor.wire.results.cells import Scan
from monitor.wire.results.queries import MapRequest, SectionRequest, Window

LATE_SCANS = 3


def queries(at: Looking) -> Queries:
    """The cross-section through the crosshair, and the heights along it."""
    if at.scan is None:
        return {}
    scan, choice = at.scan, at.choice
    row, column = crosshair(scan, choice)
    ny, nx = scan["shape"]
    along_x = choice.axis == "y"
    window: Window = (row, row + 1, 0, nx) if along_x else (0, ny, column, column + 1)
    index = row if along_x else column
    cut = SectionRequest(choice.cell, scan["scan"], choice.axis, index, at.pixels)
    asked = {"section": Query(cut, _mark(scan, at))}
    # one row or column of a map is thinned along its length only
    limit = (1, at.pixels[1]) if along_x else (at.pixels[1], 1)

    def line(name: str, of: Scan, wanted: str) -> None:
        request = MapRequest(choice.cell, of["scan"], wanted, window, limit)
        asked[name] = Query(request, (of["version"],))

    for name in ("height", "bottom"):
        if name in scan["maps"]:
            line(f"cut_{name}", scan, name)
    for name, other in (("reference", reference_scan(at.cell)), ("pinned", at.pinned)):
        if other and other["shape"] == scan["shape"] and other["scan"] != scan["scan"]:
            line(f"cut_{name}", other, "height")
    return asked


def _mark(scan: Scan, at: Looking) -> tuple[Any, ...]:
    """What the grey levels depend on: those of a new scan are asked for again as its last slices
    are received and written."""
    running = at.cell["running"]
    if scan["provisional"] and running:
        return scan["version"], 20 * running["received"] // max(1, running["slices"])
    answer = at.snapshot.answer("section", at.choice.cell)
    is_refused = answer is not None and bool(answer.error)  # its slices may not be written yet
    if is_refused or scan["scan"] in [late["scan"] for late in at.cell["scans"][-LATE_SCANS:]]:
        recorder = at.snapshot.told.get("recorder") or {}
        written = recorder.get("slices", 0) // 100 if recorder.get("queued_bytes") else None
        return scan["version"], written
    return (scan["version"],)
