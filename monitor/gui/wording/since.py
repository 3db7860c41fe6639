"""What changed since a time: new pits, depth gained, alarms. Pure functions, no Qt."""

from __future__ import annotations

from monitor.gui.formatting import counted, signed
from monitor.gui.state.snapshot import Snapshot, judged_scans, measure

HOUR_S = 3600.0


def changes_since(snapshot: Snapshot, name: str, since: float | None) -> str:
    """Newest evaluated scan of a cell against the last that had begun by `since` (s, cell time)."""
    cell = snapshot.cell(name)
    whole = judged_scans(cell)
    before = [scan for scan in whole if since is not None and scan["start_time"] <= since]
    if since is None or not before:
        return "–"
    told = [
        event
        for event in snapshot.events
        if event.get("type") == "alarm" and event.get("cell") == name and event["time"] > since
    ]
    first, last, parts = before[-1], whole[-1], []
    if first is last:
        parts.append("no new scan")
    else:
        more = (last.get("pit_count") or 0) - (first.get("pit_count") or 0)
        deep, deep_before = (measure(scan, "pit_depth_max") for scan in (last, first))
        parts.append(signed(more, 0, "pit" if abs(more) == 1 else "pits"))
        if deep is not None:
            gained = deep - (deep_before or 0.0)
            parts.append(signed(gained, 1, str(last["length_unit"])))
    return ", ".join([*parts, *([counted(len(told), "alarm")] if told else [])])
