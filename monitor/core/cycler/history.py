"""Readings of a cycler → charge, current, state of charge and step at a time."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NoReturn

from monitor.core.cycler.documents import MAX_RUNS, Documents
from monitor.errors import BadMessage
from monitor.faraday import COULOMB_PER_MAH
from monitor.records import ChargeState, CyclerDocument, CyclerPoint, CyclerReading
from monitor.settings import CellSettings, Settings

__all__ = ["MAX_RUNS", "STRAY_AFTER", "CyclerHistory", "Documents", "MeasuredReadings"]

REST_CURRENT_MA = 1e-4
STRAY_AFTER = 3
STRAY_GAPS = 3.0
RECENT = 200
"""So many of the newest readings can still be completed, or taken back."""
LEAST_UNTOLD_S = 60.0
RESET_SHARE, RESET_FACTOR = 0.1, 5.0
"""A counter without a current was reset if no more than this share of it is left, and a current of
more than this times all before would have been needed for that."""
QUANTITIES = ("potential_V", "current_mA", "charge_mAh", "cycle", "step")


def _numbers() -> array[float]:
    """An empty row of float64: of a reading a second for days, lists of numbers take 160 B each."""
    return array("d")


class MeasuredReadings:
    """The readings that count, as they were measured: what a session makes of the same documents,
    for the recording and whoever verifies it."""

    def __init__(self, settings: Settings) -> None:
        self._documents = Documents(settings)
        self._histories = {cell.name: CyclerHistory(cell) for cell in settings.cells}

    def points(self, document: CyclerDocument) -> list[CyclerPoint]:
        """What one document adds, or replaces."""
        taken = self._documents.take(document)
        for cell, time in taken.withdrawn:
            self._histories[cell].withdraw(time)
        for reading in taken.readings:
            with suppress(BadMessage):  # in the journal only
                self._histories[reading.cell].add(reading)
        return [point for name in taken.heard for point in self._histories[name].take_new()]


@dataclass(frozen=True, slots=True)
class _Recent:
    """One of the newest readings, as it was measured, and how the history stood before it."""

    measured: CyclerReading
    last: CyclerReading | None
    step: str | None
    plated_since: float | None
    counter: tuple[float, float, float] | None
    discharges: int


@dataclass
class CyclerHistory:
    """The readings of one cell in order of time, and what follows from them.

    Charge and current are counted positive while lithium is stripped. `told_s`: for each reading,
    when current or charge were last measured; -infinity before they ever were.
    """

    cell: CellSettings
    times: array[float] = field(default_factory=_numbers)
    stripped_mAh: array[float] = field(default_factory=_numbers)
    active_s: array[float] = field(default_factory=_numbers)
    currents_mA: array[float] = field(default_factory=_numbers)
    told_s: array[float] = field(default_factory=_numbers)
    last: CyclerReading | None = None
    _discharges: list[float] = field(default_factory=list)
    _step: str | None = None
    _plated_since: float | None = None
    _counter: tuple[float, float, float] | None = None
    _refused: list[CyclerReading] = field(default_factory=list)
    _new: list[CyclerPoint] = field(default_factory=list)
    _recent: deque[_Recent] = field(default_factory=lambda: deque(maxlen=RECENT))
    _since: float | None = None
    refused_currents: int = 0
    """Readings with a current or charge that were refused since the last that was used."""

    def add(self, reading: CyclerReading) -> None:
        """Takes a reading; what it does not carry is held from those before. One of the same time
        as another of the newest completes that one.

        Raises BadMessage for a reading that is neither later than the one before nor completes one,
        and where it completes one and says something else of the rest. If one reading lies ahead of
        all that follow, it is the one that is dropped, and said.
        """
        if self.times and reading.time <= self.times[-1]:
            if self._complete(reading):
                return
            self._refuse(reading)
        self._refused.clear()
        self._append(reading)

    def withdraw(self, time: float) -> None:
        """A reading of this time was none, if it is among the newest."""
        place = self._place_of(time)
        if place is not None:
            self._again(self._rewind(place)[1:])

    def _complete(self, reading: CyclerReading) -> bool:
        """Adds what another reading of the same time lacks. False if there is nothing to add, but
        for the same reading once more, as over two connections."""
        place = self._place_of(reading.time)
        if place is None:
            return False
        known = self._recent[place].measured
        told = {n: getattr(reading, n) for n in QUANTITIES if math.isfinite(getattr(reading, n))}
        new = {n: v for n, v in told.items() if not math.isfinite(getattr(known, n))}
        if not new:
            return all(value == getattr(known, name) for name, value in told.items())
        self._again([replace(known, **new), *self._rewind(place)[1:]])
        if odd := [n for n, v in told.items() if n not in new and v != getattr(known, n)]:
            raise BadMessage(
                "out_of_order",
                f"documents: cell {self.cell.name}: second reading of t = {reading.time:.3f} s "
                f"with another {', '.join(odd)}; the first one counts",
            )
        return True

    def _place_of(self, time: float) -> int | None:
        """Where the reading of a time is among the newest."""
        for place in range(len(self._recent) - 1, -1, -1):
            found = self._recent[place].measured.time
            if found <= time:
                return place if found == time else None
        return None

    def _rewind(self, place: int) -> list[CyclerReading]:
        """Takes back the newest readings from a place on, and what followed from them."""
        first = self._recent[place]
        taken = []
        while len(self._recent) > place:
            taken.append(self._recent.pop().measured)
            for values in (
                self.times, self.stripped_mAh, self.active_s, self.currents_mA, self.told_s,
            ):  # fmt: skip
                values.pop()
        self.last, self._step, self._counter = first.last, first.step, first.counter
        self._plated_since = first.plated_since
        del self._discharges[first.discharges :]
        oldest = first.measured.time
        self._since = oldest if self._since is None else min(self._since, oldest)
        return taken[::-1]

    def _again(self, readings: list[CyclerReading]) -> None:
        for reading in readings:
            self._append(reading)

    def _refuse(self, reading: CyclerReading) -> NoReturn:
        newest, cell = self.times[-1], self.cell.name
        self.refused_currents += _tells_charge(reading)
        if self._refused and reading.time <= self._refused[-1].time:
            self._refused.clear()
        self._refused.append(reading)
        if len(self._refused) > STRAY_AFTER:  # by then the first and the last say it all
            del self._refused[1:-1]
        stray = len(self.times) > 1 and self._refused[0].time > self.times[-2]
        if not stray or len(self._refused) < STRAY_AFTER:
            raise BadMessage(
                "out_of_order",
                f"documents: cell {cell}: reading of t = {reading.time:.3f} s arrived after that "
                f"of t = {newest:.3f} s; not used",
            )
        followers = list(self._refused)
        self._rewind(len(self._recent) - 1)
        self._refused.clear()
        for follower in followers:
            self.add(follower)
        raise BadMessage(
            "stray_reading",
            f"documents: cell {cell}: reading of t = {newest:.3f} s is later than the "
            f"{len(followers)} readings that followed it; it was removed",
        )

    def _append(self, measured: CyclerReading) -> None:
        self._recent.append(
            _Recent(
                measured, self.last, self._step, self._plated_since, self._counter,
                len(self._discharges),
            )
        )  # fmt: skip
        reading = measured if self.last is None else _held(measured, self.last)
        sign = self.cell.stripping_current_sign
        current = self._current(reading) * sign
        charge = self._charge(reading, current)
        self.active_s.append(self._active(reading.time, charge, current))
        self.stripped_mAh.append(charge)
        before = self.told_s[-1] if self.told_s else -math.inf
        told = _tells_charge(measured)
        self.told_s.append(reading.time if told else before)
        self.refused_currents = 0 if told else self.refused_currents
        self.times.append(reading.time)
        self.currents_mA.append(current)
        self.last = reading
        self._new.append(CyclerPoint(reading, charge, measured, self._since))
        self._since = None
        step = _step_of(current)
        if step == "discharge" and step != self._step:
            self._discharges.append(reading.time)
        if step == "charge" and self._plated_since is None:
            self._plated_since = reading.time
        if step != "rest":
            self._step = step

    def take_new(self) -> list[CyclerPoint]:
        """What has been added since this was asked last."""
        new, self._new = self._new, []
        return new

    def _current(self, reading: CyclerReading) -> float:
        """The measured current; if there is none, charge over time since the counter's last
        reading; if that is missing either, the current that flowed before."""
        if math.isfinite(reading.current_mA):
            return reading.current_mA
        if self._counter is None or not math.isfinite(reading.charge_mAh):
            sign = self.cell.stripping_current_sign
            return self.currents_mA[-1] * sign if self.currents_mA else 0.0
        if self._was_reset(reading):
            return self.currents_mA[-1] * self.cell.stripping_current_sign
        time, counted, _ = self._counter
        return (reading.charge_mAh - counted) / ((reading.time - time) / 3600.0)

    def _was_reset(self, reading: CyclerReading) -> bool:
        """Whether the counter of a cycler that sends no current begins again."""
        if self._counter is None or not self.currents_mA:
            return False
        time, counted, _ = self._counter
        if abs(reading.charge_mAh) > RESET_SHARE * abs(counted):
            return False
        seconds = reading.time - time
        fastest = max(max(self.currents_mA), -min(self.currents_mA), REST_CURRENT_MA)
        needed = abs(reading.charge_mAh - counted) * COULOMB_PER_MAH * 1000.0 / seconds
        return seconds <= self.cell.hold_current_s and needed > RESET_FACTOR * fastest

    def _charge(self, reading: CyclerReading, current: float) -> float:
        """Stripped charge so far: from the cycler's own counter, otherwise the integral of the
        current.

        A counter that jumps (it is reset at each step by some techniques) is taken up again from
        the integral.
        """
        stripped = 0.0
        if self.last is not None:
            before = self.currents_mA[-1]
            per_mAh = COULOMB_PER_MAH * 1000.0
            seconds = reading.time - self.last.time
            stripped = self.stripped_mAh[-1] + 0.5 * (current + before) * seconds / per_mAh
            if self._counter is not None and math.isfinite(reading.charge_mAh):
                time, counter, then = self._counter
                counted = (reading.charge_mAh - counter) * self.cell.stripping_current_sign
                largest = max(abs(current), abs(before)) * (reading.time - time) / per_mAh
                if abs(counted) <= 1.5 * largest + 1e-9:
                    stripped = then + counted
        if math.isfinite(reading.charge_mAh):
            self._counter = (reading.time, reading.charge_mAh, stripped)
        return stripped

    def _active(self, time: float, charge_mAh: float, current_mA: float) -> float:
        """Seconds since the first reading in which current flowed; a step within an interval counts
        by the charge that it brought."""
        if not self.times:
            return 0.0
        seconds = time - self.times[-1]
        largest = max(abs(current_mA), abs(self.currents_mA[-1]))
        if largest < REST_CURRENT_MA:
            return self.active_s[-1]
        full = largest * seconds / COULOMB_PER_MAH / 1000.0
        share = min(1.0, abs(charge_mAh - self.stripped_mAh[-1]) / full)
        return self.active_s[-1] + share * seconds

    def plated_by(self, time: float) -> bool:
        """Whether lithium has been plated by `time`: current has flowed the other way."""
        return self._plated_since is not None and self._plated_since < time

    @property
    def _trusted(self) -> int:
        """How many readings count. One that lies far ahead of all before does not until another
        one confirms it: it may be taken back (`_refuse`)."""
        times = self.times
        if len(times) < 3:
            return len(times)
        gap, usual = times[-1] - times[-2], times[-2] - times[-3]
        stray = gap > self.cell.hold_current_s and gap > STRAY_GAPS * usual
        return len(times) - stray

    def covers(self, time: float) -> bool:
        """Whether charge and current at `time` cannot change by readings to come: one of that time
        or later says something of them. One that does not may still be completed."""
        return time <= self._told_until

    @property
    def _told_until(self) -> float:
        """When current or charge were last measured; -infinity if they never were."""
        trusted = self._trusted
        return self.told_s[trusted - 1] if trusted else -math.inf

    @property
    def _told_from(self) -> float:
        """When current or charge were first measured; infinity if they never were."""
        first = bisect_right(self.told_s, -math.inf)
        return self.told_s[first] if first < len(self.told_s) else math.inf

    def begins_after(self, time: float) -> bool:
        """Whether what flowed by `time` is not known, as it was measured only later than that."""
        return bool(self.times) and time < self._told_from - self.cell.hold_current_s

    def lacks_charge(self, time: float) -> bool:
        """Whether there are readings up to `time`, but for long none of a current or charge."""
        held_s = max(self.cell.hold_current_s, LEAST_UNTOLD_S)
        return bool(self.times) and self.times[-1] >= time > self._told_until + held_s

    def charge_state(self, time: float) -> ChargeState:
        """On what the charge at `time` rests."""
        if not self._trusted:
            return "none"
        if self.covers(time):
            if self.begins_after(time):
                return "unknown"
            return "interpolated" if self._lies_in_gap(time) else "final"
        held = time <= self._told_until + self.cell.hold_current_s
        return "extrapolated" if held else "preliminary"

    def _lies_in_gap(self, time: float) -> bool:
        """Whether the readings before and after `time` are further apart than a current is held."""
        after = bisect_left(self.told_s, time)
        if not 0 < after < len(self.told_s) or self.told_s[after] == time:
            return False
        before = self.told_s[after - 1]
        return math.isfinite(before) and self.told_s[after] - before > self.cell.hold_current_s

    def charge_at(self, time: float) -> float | None:
        """Net charge stripped by `time` since the first reading, mAh; after the last reading with
        its current, for `hold_current_s`. None beyond that, and without readings."""
        rate = self.currents_mA[self._trusted - 1] if self.times else 0.0
        return self._at(time, self.stripped_mAh, rate / COULOMB_PER_MAH / 1000.0)

    def active_hours_at(self, time: float) -> float | None:
        """Hours in which current flowed by `time`, since the first reading; None as `charge_at`."""
        flows = bool(self.times) and abs(self.currents_mA[self._trusted - 1]) >= REST_CURRENT_MA
        seconds = self._at(time, self.active_s, 1.0 if flows else 0.0)
        return None if seconds is None else seconds / 3600.0

    def _at(self, time: float, values: array[float], rate: float) -> float | None:
        """Linear between readings, by `rate` (per s) beyond the last one, as long as is stated."""
        end = self._trusted
        after = bisect_right(self.times, time, 0, end)
        if not end or time > self._told_until + self.cell.hold_current_s:
            return None
        if after == 0:
            return values[0]
        if after == end:
            return values[end - 1] + rate * (time - self.times[end - 1])
        t0, t1 = self.times[after - 1], self.times[after]
        return values[after - 1] + (values[after] - values[after - 1]) * (time - t0) / (t1 - t0)

    def current_at(self, time: float) -> float | None:
        """Current at `time`, mA, positive while lithium is stripped. None without readings, and
        further from them than a current is held."""
        end, hold_s = self._trusted, self.cell.hold_current_s
        if not end or not self._told_from - hold_s <= time <= self._told_until + hold_s:
            return None
        return self.currents_mA[max(0, bisect_right(self.times, time, 0, end) - 1)]

    def step_at(self, time: float) -> str | None:
        current = self.current_at(time)
        return None if current is None else _step_of(current)

    def discharge_at(self, time: float) -> int | None:
        """Number of the discharge that was last begun by `time`, from 1; None before the first."""
        return bisect_right(self._discharges, time) or None

    def discharge_start(self, number: int) -> float:
        """When discharge `number` began, UTC s."""
        return self._discharges[number - 1]


def _tells_charge(measured: CyclerReading) -> bool:
    return math.isfinite(measured.current_mA) or math.isfinite(measured.charge_mAh)


def _held(reading: CyclerReading, last: CyclerReading) -> CyclerReading:
    """The reading, with what it lacks as it was before: a feed may send one quantity an event. A
    counter is not held, and a current not where the counter tells it."""
    names = ["potential_V", "cycle", "step"]
    if not math.isfinite(reading.charge_mAh):
        names.append("current_mA")
    missing = {n: getattr(last, n) for n in names if not math.isfinite(getattr(reading, n))}
    return replace(reading, **missing)


def _step_of(current_mA: float) -> str:
    if abs(current_mA) < REST_CURRENT_MA:
        return "rest"
    return "discharge" if current_mA > 0 else "charge"
