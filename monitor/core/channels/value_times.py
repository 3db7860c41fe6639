"""The times of a channel's values: which are plausible, and in which order they are used."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from monitor.errors import BadMessage
from monitor.units import seconds

AHEAD_S, OLD_S = 600.0, 86_400.0
"""A timestamp may be so much later, or earlier, than the event that it is of. Control systems keep
the time of the last change, which may be long ago."""
SMALL_S = 3e8
"""Times below are counted from a start: no measurement is of before 1979."""
RECENT = 200
STRAY_AFTER = 3
"""So many values that are earlier than the newest, and in order, show that it was the wrong one."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Time of a value, UTC s (NaN: none is usable), the time of its event, UTC s (NaN: unknown),
    and what was wrong with the timestamp: `fault` and, in words, `remark`, or ""."""

    time: float
    event_time: float
    fault: Literal["", "unit", "implausible"] = ""
    remark: str = ""


def time_of(stamp: float, event_time: float) -> Timed:
    """The time of a value with this timestamp (NaN: none) in an event of this time (NaN: unknown),
    as they were sent: the timestamp, unless it cannot be right."""
    when, _ = _in_seconds(event_time)
    at, unit = _in_seconds(stamp)
    if math.isnan(at):
        return Timed(when, when)
    in_unit = f"its timestamps are in {unit} and are converted to seconds since 1970"
    if at - when > AHEAD_S or at < SMALL_S <= when:
        remark = (
            f"its timestamps such as {at:.0f} s cannot be right, as the event is of {when:.0f} s: "
            "the time of the event is used. Make its feed send seconds since 1970 (UTC)"
        )
        return Timed(when, when, "implausible", remark)
    time = when if when - at > OLD_S else at
    return Timed(time, when, "unit", in_unit) if unit else Timed(time, when)


def _in_seconds(time: float) -> tuple[float, str]:
    try:
        return seconds(time)
    except ValueError:
        return math.nan, ""


@dataclass(frozen=True, slots=True)
class Placed:
    """Values (time, value) to be used, in order. `since`: values of this time and later that were
    used before are withdrawn; `problem`: what is not used of them."""

    values: tuple[tuple[float, float], ...] = ()
    since: float | None = None
    problem: BadMessage | None = None


@dataclass
class ValueTimes:
    """Puts the values of one channel into the order of time. `name`: as messages call it."""

    name: str
    _recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=RECENT))
    _refused: list[tuple[float, float]] = field(default_factory=list)

    def add(self, at: Timed, value: float) -> Placed:
        """A value. One that was read again without a new timestamp has the time of its event; one
        that arrives a second time is ignored; any other that is not later is not used."""
        if not self._recent or at.time > self._recent[-1][0]:
            return self._use(at.time, value)
        if (at.time, value) in self._recent and not at.event_time > self._recent[-1][0]:
            return Placed()
        if at.event_time > self._recent[-1][0]:
            return self._use(at.event_time, value)
        return self._refuse(at.time, value)

    def _use(self, time: float, value: float, since: float | None = None) -> Placed:
        self._refused.clear()
        self._recent.append((time, value))
        return Placed(((time, value),), since)

    def _refuse(self, time: float, value: float) -> Placed:
        newest = self._recent[-1][0]
        if self._refused and time <= self._refused[-1][0]:
            self._refused.clear()
        self._refused.append((time, value))
        stray = len(self._recent) > 1 and self._refused[0][0] > self._recent[-2][0]
        del self._refused[:-STRAY_AFTER]
        if not stray or len(self._refused) < STRAY_AFTER:
            problem = BadMessage(
                "out_of_order",
                f"documents: channel {self.name}: value of t = {time:.3f} s arrived after that of "
                f"t = {newest:.3f} s; not used",
            )
            return Placed(problem=problem)
        self._recent.pop()
        used = tuple(self._refused)
        self._refused.clear()
        self._recent.extend(used)
        problem = BadMessage(
            "stray_reading",
            f"documents: channel {self.name}: value of t = {newest:.3f} s is later than the "
            f"{len(used)} values that followed it; it was removed",
        )
        return Placed(used, used[0][0], problem)
