"""What a map shows: its levels, or why it is empty. Pure functions, no Qt."""

from __future__ import annotations

from typing import Any

from monitor.gui.actions import key_of
from monitor.gui.state.health import fetching, is_ended, no_scan
from monitor.gui.state.snapshot import Answer, Choice, Snapshot
from monitor.gui.wording import map_captions
from monitor.gui.wording.starting import starting


def problem_of(
    side: str, snapshot: Snapshot, scan: Any, choice: Choice, answer: Answer | None
) -> str:
    """Why there is no map; "" if there is one. `side`: "map" or "pinned"."""
    if side == "pinned" and scan is None:
        return f"No scan is pinned: press {key_of('pin')} on the one to compare with"
    if snapshot.state is None:
        return f"Waiting for the engine at {snapshot.address}"
    if not snapshot.state["feeds"]:
        return starting(snapshot.state)
    if scan is None:
        running = (snapshot.cell(choice.cell) or {}).get("running")
        if running:
            return f"Waiting for the first map of scan {running['scan']}"
        sources = ", ".join(snapshot.state["settings"].get("slices") or ())
        if not sources or is_ended(snapshot, choice.cell):
            return no_scan(snapshot, choice.cell)
        return f"{no_scan(snapshot, choice.cell)}\nslices are expected from {sources}"
    if choice.map not in scan["maps"]:
        return f"Scan {scan['scan']}: {map_captions.absent(choice.map, scan)}"
    if answer is None:
        return "" if snapshot.linked else fetching(snapshot, what(choice, scan))
    return answer.error


def shared_levels(snapshot: Snapshot, choice: Choice) -> tuple[float, float] | None:
    """Common levels of the colour scale, if colours are to be compared: of the two scans side by
    side, or of all scans from the first that has this map to the last. Their range only widens."""
    if choice.common:
        told = [snapshot.answer(f"scale_{which}", choice.cell) for which in ("first", "last")]
        headers = [a.header for a in told if a is not None and a.header.get("name") == choice.map]
        pairs = [(h.get("p1"), h.get("p99")) for h in headers]
    elif choice.comparison == "beside":
        shown = [snapshot.answer(side, choice.cell) for side in ("map", "pinned")]
        pairs = [a.levels for a in shown if a is not None and a.levels is not None]
    else:
        return None
    lows = [low for low, _ in pairs if low is not None]
    highs = [high for _, high in pairs if high is not None]
    if not lows or not highs or max(highs) <= min(lows):
        return None
    return min(lows), max(highs)


def what(choice: Choice, scan: Any) -> str:
    """The requested map and scan, in words."""
    return f"{map_captions.map_title(choice.map)} of scan {scan['scan']}"
