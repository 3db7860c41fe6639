"""Data that the maps request from the engine: the shown map, the pinned one beside it, and their
overlays."""

from __future__ import annotations

from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import Query, is_judged
from monitor.wire.results.cells import Scan
from monitor.wire.results.queries import MapRequest, PitsRequest, StatisticsRequest

AROUND = (192, 192)
GRAINS = "grain_boundaries"


def of_shown(at: Looking) -> Queries:
    """The map of the shown scan; with one scale for all scans, also their levels."""
    if at.scan is None:
        return {}
    return _map("map", at.scan, at, at.minus) | (_scale(at) if at.choice.common else {})


def of_pinned(at: Looking) -> Queries:
    """The map of the pinned scan, if it is beside the shown one."""
    if at.scan is None or at.pinned is None or at.choice.comparison != "beside":
        return {}
    return _map("pinned", at.pinned, at, None)


def _map(side: str, scan: Scan, at: Looking, minus: int | None) -> Queries:
    """A map with the pits on it, and coarsely what lies around the part in view."""
    asked: Queries = {}
    choice, number, mark = at.choice, scan["scan"], (scan["version"],)
    if choice.map in scan["maps"]:
        common = (minus, choice.least_errors)
        whole = MapRequest(choice.cell, number, choice.map, choice.window, at.pixels, *common)
        asked[side] = Query(whole, mark)
        error = f"{choice.map}_error"
        if minus is None and error in scan["maps"]:
            # as fine as a readout needs: errors change slowly over the map
            told = MapRequest(choice.cell, number, error, choice.window, AROUND)
            asked[f"{side}_error"] = Query(told, mark)
        if choice.window is not None:
            coarse = MapRequest(choice.cell, number, choice.map, None, AROUND, *common)
            asked[f"{side}_around"] = Query(coarse, mark)
    if "pit_labels" in scan["maps"]:
        if choice.outlines or choice.pit is not None:
            labels = MapRequest(choice.cell, number, "pit_labels", choice.window, at.pixels)
            asked[f"{side}_labels"] = Query(labels, mark)
        asked[f"{side}_pits"] = Query(PitsRequest(choice.cell, number), mark)
    if choice.grains and at.cell.get("grain_boundaries"):
        lines = MapRequest(choice.cell, number, GRAINS, choice.window, at.pixels)
        asked[f"{side}_grains"] = Query(lines, mark)
    return asked


def _scale(at: Looking) -> Queries:
    """Between which values the chosen map lies in the first and in the last scan that has it."""
    name = at.choice.map
    having = [s for s in at.cell["scans"] if name in s["maps"] and is_judged(s)]
    ends = {"first": having[0], "last": having[-1]} if having else {}
    return {
        f"scale_{which}": Query(
            StatisticsRequest(at.choice.cell, scan["scan"], name), (scan["version"],)
        )
        for which, scan in ends.items()
    }
