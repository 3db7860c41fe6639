"""State of each feed and each cell, determined only here, from what the engine received.

Screens show these states, so two screens agree whenever they were connected. Ages are measured by
the engine's monotonic clock when a reply is made: differences between the clocks of machines do not
matter. The same states begin and end the alarms on silence (`silence`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from monitor.records import SilenceState, SilentFeed
from monitor.records.state import FeedCounts, ScanProgress
from monitor.wire.results import state as wire

WRONG_READINGS = {
    "readings_refused": "readings are received, but all are earlier than the newest one: not used",
    "time_counter": "the times of the readings are not counted from 1970",
    "time_epoch": "the times of the readings are not counted from 1970",
    "clock_ahead": "the cycler's clock is ahead",
    "clock_behind": "the cycler's clock is behind",
    "scan_clock": "the times of the scans are wrong",
    "no_current": "readings are received, but without current or charge",
    "run_failed": "the run that reads the cycler has failed",
    "two_cyclers": "two runs send readings at the same time",
}
"""Why received readings cannot be used as they are, by the condition of the alarm."""
RUN_ENDED = "the cycler's run has ended"
URGENCY: tuple[wire.HealthState, ...] = ("DEAD", "LATE", "LIVE", "IDLE", "REPLAY")


@dataclass(frozen=True, slots=True)
class Heard:
    """Reception of one feed of one cell: when its last message arrived (monotonic clock, s), and
    whether the next one is late."""

    last: float
    state: SilenceState = "LIVE"


@dataclass(frozen=True, slots=True)
class Silence:
    """What the engine has received so far. `parts`: by feed and cell; `overdue`: by cell, whether
    the next scan on schedule is overdue, and for how long (s of cell time); `ended`: cells whose
    cycler has said that its run is over."""

    parts: Mapping[tuple[SilentFeed, str], Heard] = field(default_factory=dict)
    overdue: Mapping[str, tuple[SilenceState, float]] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Health:
    """A state, its reason, and the time since the last message that it is based on (s; None: none
    has arrived, or the time is not measured). `overdue_s`: s of cell time that the next scan is
    overdue, or None."""

    state: wire.HealthState
    age_s: float | None
    why: str
    overdue_s: float | None = None

    def data(self) -> wire.Health:
        """JSON-ready."""
        age = None if self.age_s is None else round(max(0.0, self.age_s), 1)
        return {"state": self.state, "age_s": age, "why": self.why, "overdue_s": self.overdue_s}


@dataclass(frozen=True, slots=True)
class CellHealth:
    """Health of a cell: of its slices, and of its cycler."""

    slices: Health
    cycler: Health

    @property
    def whole(self) -> Health:
        """The health that a card shows: that of the slices, unless that of the cycler is worse."""
        slices, cycler = self.slices, self.cycler
        silent = cycler.state in ("LATE", "DEAD")
        worse = silent and URGENCY.index(cycler.state) < URGENCY.index(slices.state)
        return cycler if worse else slices

    def data(self, *, ended: bool) -> wire.CellHealth:
        """JSON-ready. `ended`: nothing more is expected of the cell."""
        return {
            **self.whole.data(),
            "overdue_s": self.slices.overdue_s,
            "slices": self.slices.data(),
            "cycler": self.cycler.data(),
            "ended": ended,
        }


def live(
    name: str,
    silence: Silence,
    now: float,
    *,
    running: ScanProgress | None,
    has_scans: bool,
    has_readings: bool,
    conditions: Iterable[str] = (),
) -> CellHealth:
    """Health of a cell of a live engine at `now` of the monotonic clock, s. `conditions`:
    conditions of alarms that have not ended."""
    slices = _slices(
        silence.parts.get(("slices", name)),
        silence.overdue.get(name, ("LIVE", 0.0)),
        now,
        running,
        has_scans=has_scans,
        is_over=name in silence.ended,
    )
    heard = silence.parts.get(("documents", name))
    cycler = _cycler(heard, now, has_readings=has_readings, is_over=name in silence.ended)
    wrong = [text for name, text in WRONG_READINGS.items() if name in set(conditions)]
    if wrong and cycler.state in ("LIVE", "IDLE"):
        cycler = Health("LATE", cycler.age_s, wrong[0])
    return CellHealth(slices, cycler)


def report(
    cells: Mapping[str, CellHealth], documents: FeedCounts, ended: Container[str]
) -> wire.FeedsHealth:
    """Health of the two feeds and of each cell, JSON-ready. `documents`: counters of that feed;
    `ended`: cells from which nothing more is expected."""
    cycler = feed((name, cell.cycler) for name, cell in cells.items())
    told = without_readings(cycler, documents.get("bad", {}), documents.get("readings", 0))
    return {
        "slices": feed((name, cell.slices) for name, cell in cells.items()).data(),
        "documents": told.data(),
        "cells": {name: cell.data(ended=name in ended) for name, cell in cells.items()},
    }


def without_readings(told: Health, bad: Mapping[str, int], readings: int) -> Health:
    """Health of the documents' feed, with a note if documents are received and none is a reading.
    `bad`: number of unusable documents by kind."""
    if readings or not bad or told.state not in ("LIVE", "IDLE"):
        return told
    kinds = ", ".join(f"{count} × {kind}" for kind, count in bad.items())
    why = f"documents are received, but no readings ({kinds}): see the events"
    return Health("LATE", told.age_s, why)


def recorded(mode: str, *, ended: bool, last_time: float | None = None) -> Health:
    """Health of a feed that is read from a recording; `last_time`: when its last message arrived
    (UTC s), if that is known."""
    if mode == "recording":
        when = ""
        if last_time is not None:
            when = f"; its last message is from {datetime.fromtimestamp(last_time, UTC):%Y-%m-%d}"
            when += f" at {datetime.fromtimestamp(last_time, UTC):%H:%M:%S} UTC"
        return Health("REPLAY", None, f"a recording is shown: nothing is received{when}")
    if ended:
        return Health("REPLAY", None, "the replay has ended: all recorded messages were played")
    return Health("REPLAY", None, "recorded messages are played again")


def feed(parts: Iterable[tuple[str, Health]]) -> Health:
    """Health of a whole feed: the most urgent of its (cell, health); the longest silence of those
    that are late, the shortest of those that are not. With several cells, `why` names the cell."""
    told = list(parts)
    if not told:
        return Health("IDLE", None, "no cell is configured")

    def rank(part: tuple[str, Health]) -> tuple[int, float]:
        state, age = part[1].state, part[1].age_s
        silent = float("inf") if age is None else age
        return URGENCY.index(state), -silent if state in ("DEAD", "LATE") else silent

    name, health = min(told, key=rank)
    why = f"cell {name}: {health.why}" if len(told) > 1 and health.age_s is not None else health.why
    return Health(health.state, health.age_s, why)


def _slices(
    heard: Heard | None,
    overdue: tuple[SilenceState, float],
    now: float,
    running: ScanProgress | None,
    *,
    has_scans: bool,
    is_over: bool,
) -> Health:
    age = None if heard is None else now - heard.last
    if running:
        scan = running["scan"]
        if heard is not None and heard.state in ("LATE", "DEAD"):
            return Health(heard.state, age, f"scan {scan} is running, but no slices are received")
        return Health("LIVE", age, f"receiving slices of scan {scan}")
    if is_over:
        return Health("IDLE", age, RUN_ENDED)
    state, late_s = overdue
    if state in ("LATE", "DEAD"):
        return Health(state, age, "the next scan is overdue", late_s)
    if has_scans:
        return Health("IDLE", age, "no scan is running and none is overdue")
    return Health("IDLE", age, "waiting for the first scan")


def _cycler(heard: Heard | None, now: float, *, has_readings: bool, is_over: bool) -> Health:
    if heard is None:
        why = "no reading since the engine started" if has_readings else "no reading yet"
        return Health("IDLE", None, why)
    age = now - heard.last
    if is_over:
        return Health("IDLE", age, RUN_ENDED)
    if heard.state in ("LATE", "DEAD"):
        return Health(heard.state, age, "no readings of the cycler are received")
    return Health("LIVE", age, "receiving readings")
