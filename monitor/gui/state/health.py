"""State of feeds and cells as the engine reports it, and when the next scan is due. Pure functions.

The engine determines the states (docs/reference/results.md, `health`), so that all screens and all
their parts agree. A screen adds only that the engine does not answer, which the engine cannot
report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from monitor.gui.formatting import clock, duration
from monitor.gui.state.snapshot import Snapshot
from monitor.wire.results.cells import Cell
from monitor.wire.results.state import CellHealth, Health, HealthState

Tone = Literal["text", "muted", "warn", "bad"]
"""Importance of a line: names of colours of the palette."""

NO_ENGINE = "the engine does not answer"
MARKS: dict[HealthState, str] = {"LIVE": "▶", "IDLE": "○", "LATE": "▲", "DEAD": "✕", "REPLAY": "◆"}
"""The shape shown beside each state."""

TIPS = {
    "slices": "LIVE: slices of a running scan are received\n"
    "IDLE: no scan is running and none is overdue\n"
    "LATE: no slice of a running scan for more than watch.late_s (10 s), or a scan is overdue by "
    "more than watch.due_grace (a tenth) of the period\n"
    "DEAD: no slice of a running scan for more than watch.dead_s (60 s), or a scan is overdue by a "
    "whole period; or the engine does not answer\n"
    "REPLAY: a recording is played or shown\n"
    "With several cells, the most urgent one counts. LATE and DEAD end, like the alarm, once "
    "messages have been received for as long as the limit without such a pause.",
    "documents": "LIVE: readings are received\nIDLE: no reading yet, or the cycler's run has "
    "ended\n"
    "LATE: readings or documents are received that cannot be used as they are\n"
    "DEAD: no reading for more than watch.cycler_s (60 s); or the engine does not answer\n"
    "REPLAY: a recording is played or shown\n"
    "With several cells, the most urgent one counts.",
    "cell": "▶ LIVE: slices of a running scan are received\n"
    "○ IDLE: no scan is running and none is overdue\n"
    "▲ LATE: no slice of the running scan for more than watch.late_s (10 s), or a scan is overdue "
    "by more than watch.due_grace (a tenth) of the period, or readings cannot be used as they are\n"
    "✕ DEAD: no slice of the running scan for more than watch.dead_s (60 s), a scan is overdue by "
    "a whole period, no reading for more than watch.cycler_s (60 s), or the engine does not "
    "answer\n"
    "◆ REPLAY: a recording is played or shown\n"
    "The time is the time since the last message on which the state is based",
}


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """State of a feed or a cell, its reason, and the time since its last message (s; None: none has
    arrived, or the time is not known)."""

    state: HealthState
    age_s: float | None
    why: str


@dataclass(frozen=True, slots=True)
class NextScan:
    """When the next scan on schedule is due, in words that follow "Next scan"."""

    text: str
    tone: Tone


def slices_health(snapshot: Snapshot) -> FeedHealth:
    """State of the slices' feed."""
    return _feed(snapshot, "slices")


def documents_health(snapshot: Snapshot) -> FeedHealth:
    """State of the cycler's feed."""
    return _feed(snapshot, "documents")


def cell_health(snapshot: Snapshot, name: str) -> FeedHealth:
    """State of one cell: that of its slices, or that of its cycler if it is worse."""
    if not snapshot.linked or snapshot.state is None:
        return FeedHealth("DEAD", None, NO_ENGINE)
    told = _of_cell(snapshot, name)
    if told is None:
        return FeedHealth("IDLE", None, "the engine does not know this cell")
    return _told(told)


def is_ended(snapshot: Snapshot, name: str) -> bool:
    """Whether nothing more is expected of a cell: a recording, a replay that was played to its end,
    or a cycler whose run has ended while no scan is running."""
    told = _of_cell(snapshot, name)
    is_over = told is not None and bool(told.get("ended"))
    return is_over and (mode_of(snapshot) != "live" or not snapshot.running(name))


def ending(snapshot: Snapshot) -> str:
    """What has ended, in words, for a cell whose run or recording has ended."""
    words = {"recording": "this is a recording", "replay": "the replay has ended"}
    return words.get(mode_of(snapshot), "the cycler's run has ended")


def no_scan(snapshot: Snapshot, name: str) -> str:
    """Text shown in place of the scans of a cell that has none."""
    if is_ended(snapshot, name):
        return f"Cell {name} has no scan: {ending(snapshot)}"
    return f"Waiting for the first scan of cell {name}"


def fetching(snapshot: Snapshot, what: str) -> str:
    """Text shown in place of data that are being requested from the engine."""
    if snapshot.linked:
        return f"Fetching {what}"
    return f"{what[0].upper()}{what[1:]} cannot be fetched: {NO_ENGINE}"


def mode_text(snapshot: Snapshot) -> str:
    """Mode of the engine, for the status bar: nothing that has ended is called live."""
    mode = mode_of(snapshot)
    if not snapshot.cells or not all(is_ended(snapshot, name) for name in snapshot.cells):
        return mode
    return {"live": "run ended", "replay": "replay ended"}.get(mode, mode)


def scan_text(snapshot: Snapshot, name: str) -> str:
    """Progress of a cell's running or unfinished scan."""
    if snapshot.state is None:
        return "no answer from the engine yet"
    running = snapshot.running(name)
    if not running:
        return "no scan is running"
    unfinished = ", not finished" if is_ended(snapshot, name) else ""
    return (
        f"scan {running['scan']}: {running['received']} of {running['slices']} slices{unfinished}"
    )


def mode_of(snapshot: Snapshot) -> str:
    """live, replay or recording; "" before the engine has answered."""
    experiment = snapshot.told.get("experiment")
    return str(experiment.get("mode", "")) if experiment else ""


def time_left(cell: Cell) -> float | None:
    """Seconds of cell time to the next scan on schedule, below 0 after it was due.

    None if the cell's time is not known: without a cycler there is no time between scans.
    """
    due, now = cell.get("next_scan_time"), cell.get("time")
    if due is None or now is None or not cell.get("cycler"):
        return None
    return float(due - now)


def next_scan(snapshot: Snapshot, name: str) -> NextScan:
    """When the next scan on schedule is due, in the cell's own time, or why there is none."""
    cell = snapshot.cell(name)
    at = cell.get("next_scan_time") if cell else None
    if cell is None or at is None:
        return NextScan("–", "muted")
    if is_ended(snapshot, name):
        return NextScan(f"not expected: {ending(snapshot)}", "muted")
    if not snapshot.linked:
        return NextScan(f"not known: {NO_ENGINE}", "warn")
    left = time_left(cell)
    when = f"at {clock(at, cell.get('time'))} UTC"
    if left is None:
        return NextScan(when, "muted")
    told = _of_cell(snapshot, name)
    if documents_of(snapshot, name) == "DEAD" or (told and told.get("ended")):
        # the cell's clock is the cycler's: without readings nothing counts down
        return NextScan(f"{when} (no readings: countdown stopped)", "muted")
    overdue_s = told.get("overdue_s") if told else None
    if overdue_s is not None:
        return NextScan(f"overdue by {duration(overdue_s)}", "warn")
    if left < 0:
        return NextScan(f"due since {duration(left)}", "text")
    return NextScan(f"in {duration(left)}", "text")


def documents_of(snapshot: Snapshot, name: str) -> str:
    """State of the cycler of one cell; "" if the engine does not report it."""
    told = _of_cell(snapshot, name)
    cycler = told.get("cycler") if told else None
    return str(cycler.get("state", "")) if cycler else ""


def _feed(snapshot: Snapshot, name: Literal["slices", "documents"]) -> FeedHealth:
    if not snapshot.linked or snapshot.state is None:
        return FeedHealth("DEAD", None, NO_ENGINE)
    told = (snapshot.told.get("health") or {}).get(name)
    return FeedHealth("IDLE", None, "not reported by this engine") if told is None else _told(told)


def _of_cell(snapshot: Snapshot, name: str) -> CellHealth | None:
    cells = (snapshot.told.get("health") or {}).get("cells") or {}
    found = cells.get(name)
    return found if isinstance(found, dict) else None


def _told(told: Health) -> FeedHealth:
    state, age = told.get("state"), told.get("age_s")
    if state not in MARKS:
        return FeedHealth("IDLE", None, "not reported by this engine")
    age_s = float(age) if isinstance(age, int | float) else None
    return FeedHealth(state, age_s, str(told.get("why", "")))
