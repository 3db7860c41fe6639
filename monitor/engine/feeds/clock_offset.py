"""Offset between each cell's readings and the clock of this machine."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from monitor.records import CyclerClock

READINGS = 100
STEADY_READINGS, STEADY_S, STEADY_SPREAD_S = 3, 10.0, 60.0
"""Readings are sent as they are taken if this many of them, over at least this time, have the same
offset from the clock, within the last of these numbers."""
NEWEST = 12
REST_S = 3.0
"""Silence (s) after which everything that was on its way has arrived."""
CHANGE_S = 300.0
MOVED_S = 900.0
DEAF_S = 0.5


@dataclass
class _Clock:
    """The newest readings: (time of coming, stamp), UTC s; `changed` since it was looked at."""

    readings: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=READINGS))
    heard: float = 0.0
    changed: bool = False
    told: CyclerClock | None = None


class Clocks:
    """Compares the times of readings with their times of arrival. All times are UTC s, except
    `monotonic`.

    The estimate is the least time from a reading's timestamp to its arrival, over the newest 100
    readings: the sum of the clock offset and the fastest delivery, which cannot be separated.
    """

    def __init__(self) -> None:
        self._clocks: dict[str, _Clock] = {}
        self._looked: float | None = None

    def heard(self, cell: str, stamp: float, now: float, monotonic: float = 0.0) -> None:
        """A reading has arrived; `stamp` is its time, with the configured offset added."""
        clock = self._clocks.setdefault(cell, _Clock())
        clock.readings.append((now, stamp))
        clock.heard, clock.changed = monotonic, True

    def estimate_s(self, cell: str) -> float | None:
        """The most that could be added to `clock_offset_s`, s; None before the first reading."""
        clock = self._clocks.get(cell)
        return round(_behind(clock), 3) if clock else None

    def look(self, now: float, monotonic: float) -> list[CyclerClock]:
        """The changes since the last call; reported once readings arrive steadily, or no longer
        arrive."""
        deaf = 0.0 if self._looked is None else monotonic - self._looked
        self._looked = monotonic
        found = []
        for cell, clock in self._clocks.items():
            if deaf > DEAF_S:  # readings may wait in the socket
                clock.heard = min(monotonic, clock.heard + deaf)
            steady = _is_steady(clock)
            if not clock.changed or not (steady or monotonic - clock.heard > REST_S):
                continue
            clock.changed = False
            came, stamp = clock.readings[-1]
            if steady:
                came, stamp = now, now - min(came - stamp for came, stamp in _newest(clock))
            told = CyclerClock(cell, round(came, 3), round(stamp, 3), steady)
            if clock.told is None or _differs(told, clock.told):
                clock.told = told
                found.append(told)
        return found


def _behind(clock: _Clock) -> float:
    return min(came - stamp for came, stamp in clock.readings)


def _newest(clock: _Clock) -> list[tuple[float, float]]:
    return list(clock.readings)[-NEWEST:]


def _is_steady(clock: _Clock) -> bool:
    some = _newest(clock)
    if len(some) < STEADY_READINGS or some[-1][0] - some[0][0] < STEADY_S:
        return False
    behind = [came - stamp for came, stamp in some]
    spread, lasts = max(behind) - min(behind), some[-1][0] - some[0][0]
    return spread <= min(STEADY_SPREAD_S, 0.5 * lasts)


def _differs(told: CyclerClock, before: CyclerClock) -> bool:
    change = (told.newest - told.at) - (before.newest - before.at)
    if told.steady != before.steady or (told.steady and abs(change) > CHANGE_S):
        return True
    return not told.steady and abs(told.newest - before.newest) > MOVED_S
