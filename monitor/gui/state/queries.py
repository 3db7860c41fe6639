"""What the views need of the engine for what the operator has chosen. Pure functions, no Qt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.gui.state.snapshot import (
    Choice,
    Query,
    Snapshot,
    crosshair,
    pinned_scan,
    reference_scan,
)
from monitor.gui.state.snapshot import shown_scan as scan_of
from monitor.wire.results.queries import (
    CyclerRequest,
    EventsRequest,
    MapRequest,
    PitHistoryRequest,
    PitsRequest,
    ProfileRequest,
    SectionRequest,
    StatisticsRequest,
    Window,
)

LATE_SCANS = 3
AROUND, RELIEF = (192, 192), (280, 280)
BOARD_FEW, BOARD_MANY, FEW = (256, 256), (96, 96), 4
BINS = 80
POINTS = 2000
GRAINS = "grain_boundaries"
PAST_EVENTS = 1000
BUSY = ("scan_started", "scan_complete", "scan_progress")

Wants = dict[str, Query]
Scan = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is on the screen: names of the views, and the pixels (rows, columns) that they have."""

    views: Collection[str] = ("map", "section", "trend")
    map_shape: tuple[int, int] = (512, 512)
    cut_shape: tuple[int, int] = (512, 512)
    board: bool = False


def wants(snapshot: Snapshot, choice: Choice, seen: Seen) -> Wants:
    """Questions by name; what no view shows now is not asked for."""
    if seen.board:
        return _board(snapshot)
    cell = snapshot.cell(choice.cell)
    if cell is None or snapshot.state is None:
        return {}
    asked: Wants = {}
    if cell["cycler_points"] and "trend" in seen.views:
        asked["cycler"] = Query(
            CyclerRequest(choice.cell, POINTS, rows=True), (cell["cycler_points"],)
        )
        if choice.span is not None and choice.against == "time":
            since, until = choice.span
            asked["cycler_part"] = Query(
                CyclerRequest(choice.cell, POINTS, rows=True, since=since, until=until),
                (cell["cycler_points"],),
            )
    if "events" in seen.views:
        asked["past"] = Query(EventsRequest(limit=PAST_EVENTS), (snapshot.state["engine"],))
    scan, pinned = scan_of(cell, choice), pinned_scan(cell, choice)
    if scan is None:
        return asked
    grains = bool(cell.get("grain_boundaries"))
    asked |= _map("map", scan, choice, seen, _minus(scan, pinned, choice), grains=grains)
    if choice.comparison == "beside" and pinned is not None:
        asked |= _map("pinned", pinned, choice, seen, None, grains=grains)
    if choice.common:
        asked |= _scale(cell, choice)
    if "section" in seen.views:
        asked |= _cut(cell, scan, pinned, choice, seen.cut_shape, _written(snapshot))
    return asked | _numbers(cell, scan, pinned, choice, seen.views)


def _board(snapshot: Snapshot) -> Wants:
    """A small map of the newest scan of each cell."""
    asked: Wants = {}
    cells = (snapshot.state or {"cells": {}})["cells"]
    shape = BOARD_FEW if len(cells) <= FEW else BOARD_MANY
    for name, cell in cells.items():
        if not cell["scans"]:
            continue
        scan = cell["scans"][-1]
        wanted = "removal" if "removal" in scan["maps"] and scan["scan"] else "height"
        if wanted in scan["maps"]:
            request = MapRequest(name, scan["scan"], wanted, None, shape)
            asked[f"board {name}"] = Query(request, (scan["version"],))
    return asked


def _minus(scan: Scan, pinned: Scan | None, choice: Choice) -> int | None:
    """The scan to subtract, where a difference is looked at."""
    if choice.comparison != "difference" or pinned is None or pinned["scan"] == scan["scan"]:
        return None
    return int(pinned["scan"])


def _map(
    side: str, scan: Scan, choice: Choice, seen: Seen, minus: int | None, *, grains: bool
) -> Wants:
    """A map with the pits on it, and coarsely what lies around the part in view. `grains`: whether
    there are grain boundaries to show."""
    asked: Wants = {}
    number, mark = scan["scan"], (scan["version"],)
    if choice.map in scan["maps"]:
        common = (minus, choice.least_errors)
        whole = MapRequest(choice.cell, number, choice.map, choice.window, seen.map_shape, *common)
        asked[side] = Query(whole, mark)
        if choice.window is not None:
            coarse = MapRequest(choice.cell, number, choice.map, None, AROUND, *common)
            asked[f"{side}_around"] = Query(coarse, mark)
    if "pit_labels" in scan["maps"]:
        if choice.outlines or choice.pit is not None:
            labels = MapRequest(choice.cell, number, "pit_labels", choice.window, seen.map_shape)
            asked[f"{side}_labels"] = Query(labels, mark)
        asked[f"{side}_pits"] = Query(PitsRequest(choice.cell, number), mark)
    if choice.grains and grains:
        lines = MapRequest(choice.cell, number, GRAINS, choice.window, seen.map_shape)
        asked[f"{side}_grains"] = Query(lines, mark)
    return asked


def _scale(cell: Mapping[str, Any], choice: Choice) -> Wants:
    """Between which values the chosen map lies in the first and in the last scan that has it."""
    having = [s for s in cell["scans"] if choice.map in s["maps"] and not s["provisional"]]
    ends = {"first": having[0], "last": having[-1]} if having else {}
    return {
        f"scale_{which}": Query(
            StatisticsRequest(choice.cell, scan["scan"], choice.map), (scan["version"],)
        )
        for which, scan in ends.items()
    }


def _numbers(
    cell: Mapping[str, Any],
    scan: Scan,
    pinned: Scan | None,
    choice: Choice,
    views: Collection[str],
) -> Wants:
    """Histogram, profile, relief and the history of one pit, as far as they are looked at."""
    asked: Wants = {}
    number, mark, name = scan["scan"], (scan["version"],), choice.cell
    minus = _minus(scan, pinned, choice)
    common: dict[str, Any] = {"minus": minus, "least_errors": choice.least_errors}
    if choice.map in scan["maps"] and "distribution" in views:
        whole = StatisticsRequest(name, number, choice.map, bins=BINS, **common)
        asked["distribution"] = Query(whole, mark)
        if choice.region.kind != "whole":
            region, points = choice.region.kind, choice.region.points
            part = StatisticsRequest(name, number, choice.map, region, points, BINS, **common)
            asked["region"] = Query(part, mark)
    if len(choice.line) == 2 and "profile" in views:
        asked |= _profiles(cell, scan, pinned, choice)
    if "relief" in views:
        surface = "removal" if "removal" in scan["maps"] and scan["scan"] else "height"
        if surface in scan["maps"]:
            asked["relief"] = Query(MapRequest(name, number, surface, None, RELIEF), mark)
        if "pit_labels" in scan["maps"]:
            labels = MapRequest(name, number, "pit_labels", None, RELIEF)
            asked["relief_labels"] = Query(labels, mark)
    if choice.pit is not None and "pits" in views:
        last = cell["scans"][-1]["version"]
        asked["pit_history"] = Query(PitHistoryRequest(name, choice.pit), (last,))
    return asked


def _profiles(cell: Mapping[str, Any], scan: Scan, pinned: Scan | None, choice: Choice) -> Wants:
    """The shown map along the operator's line: in this scan, the reference, the pinned one."""
    asked: Wants = {}
    others = {"profile": scan, "profile_reference": reference_scan(cell), "profile_pinned": pinned}
    for name, one in others.items():
        is_new = one is not None and (name == "profile" or one["scan"] != scan["scan"])
        if one is not None and is_new and choice.map in one["maps"]:
            start, stop = choice.line
            request = ProfileRequest(choice.cell, one["scan"], choice.map, start, stop)
            asked[name] = Query(request, (one["version"],))
    return asked


def _written(snapshot: Snapshot) -> int | None:
    recorder = (snapshot.state or {}).get("recorder") or {}
    return recorder.get("slices", 0) // 100 if recorder.get("queued_bytes") else None


def _cut(
    cell: Mapping[str, Any],
    scan: Scan,
    pinned: Scan | None,
    choice: Choice,
    shape: tuple[int, int],
    written: int | None,
) -> Wants:
    """The cross-section through the crosshair, and the heights along it."""
    row, column = crosshair(scan, choice)
    ny, nx = scan["shape"]
    along_x = choice.axis == "y"
    window: Window = (row, row + 1, 0, nx) if along_x else (0, ny, column, column + 1)
    mark: tuple[Any, ...] = (scan["version"],)
    running = cell["running"]
    if scan["provisional"] and running:
        mark = (*mark, 20 * running["received"] // max(1, running["slices"]))
    elif scan["scan"] in [late["scan"] for late in cell["scans"][-LATE_SCANS:]]:
        # its last slices may not be written yet: asked again as they are
        mark = (*mark, written)
    index = row if along_x else column
    cut = SectionRequest(choice.cell, scan["scan"], choice.axis, index, shape)
    asked = {"section": Query(cut, mark)}
    # one row or column of a map is thinned along its length only
    limit = (1, shape[1]) if along_x else (shape[1], 1)

    def line(name: str, of: Scan, wanted: str) -> None:
        request = MapRequest(choice.cell, of["scan"], wanted, window, limit)
        asked[name] = Query(request, (of["version"],))

    for name in ("height", "bottom"):
        if name in scan["maps"]:
            line(f"cut_{name}", scan, name)
    for name, other in (("reference", reference_scan(cell)), ("pinned", pinned)):
        if other and other["shape"] == scan["shape"] and other["scan"] != scan["scan"]:
            line(f"cut_{name}", other, "height")
    return asked
