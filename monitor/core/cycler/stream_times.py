"""The times of one stream of readings: timestamps that do not advance, and clocks that are set
while the stream runs.

A stream knows what a cell's history does not: the event's own time, and its number in the stream.
An event that has a higher number and an earlier time is not a repetition: the clock was set back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STILL_EVENTS, STILL_S = 3, 30.0
"""Timestamps do not advance if so many more events, so many seconds of event time further, have the
timestamp of the first."""
MOST_HELD = 1000
CLOCK_STEP_S, MOST_CLOCK_S = 1800.0, 50_400.0
"""Local time differs from UTC by whole half hours, up to 14 h."""
TOLERANCE_S, MOST_TOLERANCE_S = 60.0, 300.0


@dataclass(frozen=True, slots=True)
class Row:
    """One event: its values by quantity, its timestamp (None: it has none), its own time (NaN: not
    known), UTC s by their clocks, and its number in the stream, if any."""

    values: Mapping[str, float]
    stamp: float | None
    when: float
    number: int | None = None

    @property
    def time(self) -> float:
        """The timestamp; without one, the event's own time."""
        return self.when if self.stamp is None else self.stamp


@dataclass(slots=True)
class Placed:
    """Rows with their times, in the order in which they arrived. `withdrawn`: the time of an
    earlier reading that these stand for; `still_since`, `set_back_s`, `set_ahead_s`: what was found
    just now; `shift_s`: what is added to the stream's times from now on."""

    rows: list[tuple[float, Mapping[str, float]]] = field(default_factory=list)
    withdrawn: float | None = None
    still_since: float | None = None
    set_back_s: float = 0.0
    set_ahead_s: float = 0.0
    shift_s: float = 0.0


class StreamTimes:
    """Gives the events of one stream their times."""

    def __init__(self, before: StreamTimes | None = None) -> None:
        """`before`: the stream of the cell that ended last. Its last values may be read again, in
        one short run after another."""
        self._again = None if before is None else before.newest
        self.newest: Row | None = None
        """The last event."""
        self._still = False
        self._same: list[Row] = []
        self._held: list[Row] = []
        self._last: Row | None = None
        self._time: float | None = None
        self._steps: tuple[float, ...] = ()
        self._jump_s = 0.0
        self._shift_s = 0.0

    def place(self, row: Row) -> Placed:
        """Takes an event. While its timestamp may not advance, it is held for a moment."""
        placed = Placed()
        self.newest = row
        if self._again is not None and _is_read_again(row, self._again):
            self._again = row
            placed.rows.append((row.when, row.values))
            return placed
        self._again = None
        for ready in self._moving(row, placed):
            time = ready.when if self._still else ready.time
            placed.rows.append((self._set(ready, time, placed), ready.values))
        placed.shift_s = self._shift_s
        return placed

    def end(self) -> Placed:
        """Nothing follows: what was held are values that had not changed, at the time of the
        event."""
        held, self._held = self._held, []
        rows = [(max(row.when, row.time) + self._shift_s, row.values) for row in held]
        return Placed(rows=rows)

    # --- timestamps that do not advance ----------------------------------------------------------

    def _moving(self, row: Row, placed: Placed) -> list[Row]:
        """The rows that can be used now."""
        if self._still or row.stamp is None:
            return [row]
        if not self._same or row.stamp != self._same[0].stamp:
            held, self._held, self._same = self._held, [], [row]
            return [*held, row]
        newest = (self._held or self._same)[-1]
        known = {name for same in self._same for name in same.values}
        if not row.when > newest.when or not known & row.values.keys():
            self._same = [*self._same, row][:MOST_HELD]
            return [row]
        self._held.append(row)
        lasts = len(self._held) >= STILL_EVENTS and row.when - self._same[0].when >= STILL_S
        if not lasts and len(self._held) < MOST_HELD:
            return []
        self._still = True
        placed.withdrawn = row.stamp + self._shift_s
        placed.still_since = row.stamp
        rows = [*self._same, *self._held]
        self._same, self._held, self._last, self._time = [], [], None, None
        return rows

    # --- clocks that are set ----------------------------------------------------------------------

    def _set(self, row: Row, time: float, placed: Placed) -> float:
        """The time of a row with the stream's shift, which changes when its clock is set."""
        shifted = time + self._shift_s
        last, before = self._last, self._time
        if last is None or before is None:
            self._last, self._time = row, shifted
            return shifted
        step = min(self._steps, default=0.0)  # of two: a pause is not a step
        tolerance = min(max(TOLERANCE_S, 2 * step), MOST_TOLERANCE_S)
        back = clock_step(before + step - shifted, tolerance)
        ahead = clock_step(shifted - before - step, tolerance)
        runs_on = abs(row.when - last.when - step) <= tolerance and row.when > last.when
        if back and back == self._jump_s:  # a few readings were ahead, and it runs on
            self._last, self._time, self._jump_s = row, shifted, 0.0
            return shifted
        # readings that arrive faster after a pause are no clock that was set: it has gone back
        if back and (runs_on or (shifted < before and _follows(last, row))):
            self._shift_s += back
            placed.set_back_s += back
            shifted += back
        elif ahead and self._steps and (self._shift_s == ahead or runs_on):
            self._shift_s -= ahead
            placed.set_ahead_s += ahead
            shifted -= ahead
        elif ahead:
            self._jump_s = ahead
        elif shifted > before:
            self._steps = (*self._steps, shifted - before)[-2:]
        if shifted > before:
            self._last, self._time = row, shifted
        return shifted


def _is_read_again(row: Row, before: Row) -> bool:
    """Whether the values of an event are those of the one before, which has no newer timestamp."""
    same = row.stamp is not None and row.stamp == before.stamp and row.values == before.values
    return same and row.when > max(before.when, before.time)


def _follows(last: Row, row: Row) -> bool:
    return last.number is not None and row.number is not None and row.number > last.number


def clock_step(seconds: float, tolerance_s: float) -> float:
    """The whole number of half hours that is within the tolerance of so many seconds, s; 0 where
    there is none, or it is more than the time of any place differs from UTC."""
    steps = round(seconds / CLOCK_STEP_S) * CLOCK_STEP_S
    if not CLOCK_STEP_S <= steps <= MOST_CLOCK_S or abs(seconds - steps) > tolerance_s:
        return 0.0
    return steps
