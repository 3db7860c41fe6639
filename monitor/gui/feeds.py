"""Whether a feed or a cell lives, told from its age and from what is due. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from monitor.gui.model import Snapshot
from monitor.gui.text import duration

State = Literal["LIVE", "IDLE", "LATE", "DEAD", "REPLAY"]

REPLAYS = {
    "replay": "recorded messages are played again",
    "recording": "a recording is shown; nothing new comes",
}
"""Modes of an engine in which nothing comes from a beamline, and what that means."""
WRONG_READINGS = {
    "readings_refused": "readings come, but all are earlier than the newest and are not used",
    "time_counter": "the times of readings are not counted from 1970",
    "time_epoch": "the times of readings are not counted from 1970",
    "clock_ahead": "the cycler's clock is ahead",
    "clock_behind": "the cycler's clock is behind",
    "scan_clock": "the times of the scans are wrong",
    "two_cyclers": "two runs send readings at the same time",
}
"""By the condition of an alarm: why readings that come are not used as they should be."""
URGENCY: tuple[State, ...] = ("DEAD", "LATE", "LIVE", "IDLE")


@dataclass(frozen=True, slots=True)
class Limits:
    """Silence by the clock (s), and the share of the period that a scan may be overdue, as the
    engine raises its alarms by them."""

    late_s: float = 10.0
    dead_s: float = 60.0
    cycler_s: float = 60.0
    due_grace: float = 0.1

    @classmethod
    def of(cls, snapshot: Snapshot) -> Limits:
        """Those of the engine's settings; the defaults where it does not say them."""
        told = (snapshot.state or {}).get("settings", {}).get("watch") or {}
        return cls(**{name: float(told[name]) for name in cls.__slots__ if name in told})


TIPS = {
    "slices": "LIVE: slices came of late\nIDLE: no scan runs and none is due\n"
    "LATE: a running scan is silent for more than watch.late_s (10 s), or a scan is overdue by "
    "more than watch.due_grace (a tenth) of the period\n"
    "DEAD: a running scan is silent for more than watch.dead_s (60 s), or a scan is overdue by a "
    "whole period\n"
    "REPLAY: a recording is played or shown",
    "documents": "LIVE: a document came of late\nIDLE: none has come yet\n"
    "LATE: silent for more than watch.late_s (10 s), or readings come that cannot be used\n"
    "DEAD: silent for more than watch.cycler_s (60 s)\n"
    "REPLAY: a recording is played or shown",
    "cell": "▶ LIVE: slices of a running scan come\n○ IDLE: no scan runs and none is due\n"
    "▲ LATE: the running scan is silent for more than watch.late_s (10 s), or a scan is overdue by "
    "more than watch.due_grace (a tenth) of the period, or the cycler is silent for more than "
    "watch.cycler_s (60 s)\n"
    "✕ DEAD: the running scan is silent for more than watch.dead_s (60 s), a scan is overdue by a "
    "whole period, or the engine does not answer\n"
    "◆ REPLAY: a recording is played or shown\nThe time: since slices of this cell came last",
}


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """State of a feed or a cell, how long it is silent (s; None: it never spoke), and why."""

    state: State
    age_s: float | None
    why: str


def slices_health(snapshot: Snapshot) -> FeedHealth:
    """State of the slices' feed, by its silence while a scan runs and by the scan that is due."""
    age = snapshot.feed_ages_s.get("slices")
    first = _before_all(snapshot, "slices", age)
    if first is not None or snapshot.state is None or age is None:
        return first or FeedHealth("IDLE", None, "nothing has come yet")
    limits, cells = Limits.of(snapshot), snapshot.state["cells"]
    if age <= limits.late_s:
        return FeedHealth("LIVE", age, "slices come")
    running = [name for name, cell in cells.items() if cell.get("running")]
    if running:
        state: State = "LATE" if age <= limits.dead_s else "DEAD"
        return FeedHealth(state, age, f"the running scan of {', '.join(running)} is silent")
    late = max((_overdue_s(cell) for cell in cells.values()), default=0.0)
    due = _due_state(late, snapshot)
    if due is not None:
        return FeedHealth(due, age, f"a scan is overdue by {duration(late)}")
    return FeedHealth("IDLE", age, "no scan runs and none is due")


def documents_health(snapshot: Snapshot) -> FeedHealth:
    """State of the cycler's feed, by its silence."""
    age = snapshot.feed_ages_s.get("documents")
    first = _before_all(snapshot, "documents", age)
    if first is not None or age is None:
        return first or FeedHealth("IDLE", None, "nothing has come yet")
    if (wrong := _unused_readings(snapshot)) is not None:
        return FeedHealth("LATE", age, wrong)
    limits = Limits.of(snapshot)
    if age <= limits.late_s:
        return FeedHealth("LIVE", age, "readings come")
    state: State = "LATE" if age <= limits.cycler_s else "DEAD"
    return FeedHealth(state, age, f"silent for {duration(age)}")


def cell_health(snapshot: Snapshot, name: str) -> FeedHealth:
    """State of one cell: the most urgent of its scans and its cycler, and since when its slices
    are silent."""
    cell, age = snapshot.cell(name), feed_age(snapshot, "slices", name)
    if not snapshot.linked or snapshot.state is None:
        return FeedHealth("DEAD", snapshot.silent_s, "the engine does not answer")
    if cell is None:
        return FeedHealth("IDLE", None, "the engine does not know this cell")
    if (mode := _mode(snapshot)) in REPLAYS:
        return FeedHealth("REPLAY", age, REPLAYS[mode])
    if not (cell.get("running") or cell["scans"] or cell.get("cycler")):
        return FeedHealth("IDLE", None, "nothing has come yet")
    told = [_scans_health(snapshot, cell, age)]
    if wrong := _wrong_times(cell):
        told.append(FeedHealth("LATE", age, wrong))
    silence = feed_age(snapshot, "documents", name)
    if cell.get("cycler") and silence is not None and silence > Limits.of(snapshot).cycler_s:
        told.append(FeedHealth("LATE", age, f"the cycler is silent for {duration(silence)}"))
    return min(told, key=lambda health: URGENCY.index(health.state))


def _unused_readings(snapshot: Snapshot) -> str | None:
    """Why documents come and no reading of them can be used; None if some can."""
    state = snapshot.state or {}
    feed = state.get("feeds", {}).get("documents", {})
    if feed.get("readings") == 0 and feed.get("bad"):
        kinds = ", ".join(f"{count} × {kind}" for kind, count in feed["bad"].items())
        return f"documents come, but no readings ({kinds}): see the events"
    cells = state.get("cells", {})
    wrong = [f"cell {name}: {text}" for name, cell in cells.items() if (text := _wrong_times(cell))]
    return "; ".join(wrong) or None


def _wrong_times(cell: Mapping[str, Any]) -> str:
    """What an alarm says of the readings of a cell that cannot be used as they are, or ""."""
    lasting = (cell.get("watch") or {}).get("conditions", ())
    return next((text for name, text in WRONG_READINGS.items() if name in lasting), "")


def feed_age(snapshot: Snapshot, feed: str, cell: str) -> float | None:
    """Seconds since this cell's part of a feed moved; the whole feed's where that is not known."""
    ages = snapshot.feed_ages_s
    return ages.get(f"{feed} {cell}", ages.get(feed))


def time_left(cell: Mapping[str, Any]) -> float | None:
    """Seconds of cell time to the next scan on schedule, below 0 where it is overdue.

    None where the cell's clock is not known: without a cycler nothing tells the time between scans.
    """
    due, now = cell.get("next_scan_time"), cell.get("time")
    if due is None or now is None or not cell.get("cycler"):
        return None
    return float(due - now)


def _scans_health(snapshot: Snapshot, cell: Mapping[str, Any], age: float | None) -> FeedHealth:
    """State of a cell by its scans alone."""
    running, limits = cell.get("running"), Limits.of(snapshot)
    if running:
        if age is None or age <= limits.late_s:
            return FeedHealth("LIVE", age, f"slices of scan {running['scan']} come")
        state: State = "LATE" if age <= limits.dead_s else "DEAD"
        return FeedHealth(state, age, f"the running scan {running['scan']} is silent")
    late = _overdue_s(cell)
    due = _due_state(late, snapshot)
    if due is not None:
        return FeedHealth(due, age, f"a scan is overdue by {duration(late)}")
    if not cell["scans"]:
        return FeedHealth("IDLE", None, "readings come; no scan yet")
    return FeedHealth("IDLE", age, "no scan runs and none is due")


def _before_all(snapshot: Snapshot, feed: str, age: float | None) -> FeedHealth | None:
    """What makes every other question idle: no engine, a recording, or nothing that ever came."""
    if not snapshot.linked or snapshot.state is None:
        return FeedHealth("DEAD", age, "the engine does not answer")
    if (mode := _mode(snapshot)) in REPLAYS:
        return FeedHealth("REPLAY", age, REPLAYS[mode])
    told = snapshot.state.get("feeds", {}).get(feed, {})
    return None if told.get("messages") else FeedHealth("IDLE", None, "nothing has come yet")


def _mode(snapshot: Snapshot) -> str:
    return str((snapshot.state or {}).get("experiment", {}).get("mode", ""))


def _overdue_s(cell: Mapping[str, Any]) -> float:
    """Seconds of cell time that the next scan on schedule is overdue by; 0 where it is not. As
    long after its start as the last one was heard of, it may still be on its way."""
    left, delay = time_left(cell), (cell.get("watch") or {}).get("scan_delay_s")
    return 0.0 if left is None else max(0.0, -left - (delay or 0.0))


def _due_state(late_s: float, snapshot: Snapshot) -> State | None:
    """What a scan that is overdue by so much means; None where that is within reason."""
    period = float((snapshot.state or {})["settings"]["period_s"])
    if late_s > period:
        return "DEAD"
    return "LATE" if late_s > Limits.of(snapshot).due_grace * period else None
