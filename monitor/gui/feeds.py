"""Whether a feed lives, told from its age and from what is due. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from monitor.gui.model import Snapshot
from monitor.gui.text import duration

State = Literal["LIVE", "IDLE", "LATE", "DEAD"]

LIVE_S = 10.0
DEAD_S = 60.0
DUE_GRACE = 0.1

TIPS = {
    "slices": "LIVE: slices came in the last 10 s\nIDLE: no scan runs and none is due\n"
    "LATE: a running scan is silent for more than 10 s, or a scan is overdue by more than a tenth "
    "of the period\nDEAD: a running scan is silent for more than 60 s, or a scan is overdue by a "
    "whole period",
    "documents": "LIVE: a document came in the last 10 s\nIDLE: none has come yet\n"
    "LATE: silent for more than 10 s\nDEAD: silent for more than 60 s",
}


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """State of a feed, how long it is silent, and a line that says more."""

    state: State
    age_s: float | None
    why: str


def slices_health(snapshot: Snapshot) -> FeedHealth:
    """State of the slices' feed, by its silence while a scan runs and by the scan that is due."""
    feed = (snapshot.state or {}).get("feeds", {}).get("slices", {})
    age = snapshot.feed_ages_s.get("slices")
    if not snapshot.linked or snapshot.state is None:
        return FeedHealth("DEAD", age, "the engine does not answer")
    if not feed.get("messages") or age is None:
        return FeedHealth("IDLE", None, "nothing has come yet")
    cells = snapshot.state["cells"]
    if age <= LIVE_S:
        return FeedHealth("LIVE", age, "slices come")
    running = [name for name, cell in cells.items() if cell.get("running")]
    if running:
        state: State = "LATE" if age <= DEAD_S else "DEAD"
        return FeedHealth(state, age, f"the running scan of {', '.join(running)} is silent")
    period = float(snapshot.state["settings"]["period_s"])
    overdue = max(
        (-left for cell in cells.values() if (left := time_left(cell)) is not None), default=0
    )
    if overdue > period:
        return FeedHealth("DEAD", age, f"a scan is overdue by {duration(overdue)}")
    if overdue > DUE_GRACE * period:
        return FeedHealth("LATE", age, f"a scan is overdue by {duration(overdue)}")
    return FeedHealth("IDLE", age, "no scan runs and none is due")


def documents_health(snapshot: Snapshot) -> FeedHealth:
    """State of the cycler's feed, by its silence."""
    feed = (snapshot.state or {}).get("feeds", {}).get("documents", {})
    age = snapshot.feed_ages_s.get("documents")
    if not snapshot.linked or snapshot.state is None:
        return FeedHealth("DEAD", age, "the engine does not answer")
    if not feed.get("messages") or age is None:
        return FeedHealth("IDLE", None, "nothing has come yet")
    if age <= LIVE_S:
        return FeedHealth("LIVE", age, "readings come")
    state: State = "LATE" if age <= DEAD_S else "DEAD"
    return FeedHealth(state, age, f"silent for {duration(age)}")


def time_left(cell: Mapping[str, Any]) -> float | None:
    """Seconds of cell time to the next scan on schedule, below 0 where it is overdue.

    None where the cell's clock is not known: without a cycler nothing tells the time between scans.
    """
    due, now = cell.get("next_scan_time"), cell.get("time")
    if due is None or now is None or not cell.get("cycler"):
        return None
    return float(due - now)
