"""Whether a cell's reading times can be right: against its scans and the clock of this machine.

The scans are asked first. In a simulation, and if an old file is published, readings and scans lie
far from the machine's clock together, or run faster than it does: that is not a fault. The
machine's clock counts only if the scans agree with it, and readings come as they are taken.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from monitor.core.cycler.stream_times import clock_step
from monitor.core.news import Facts, Sign
from monitor.records import CyclerClock, CyclerReading, ScanStart
from monitor.settings import CellSettings

RIGHT_S = 300.0
"""Readings that arrive within this of their time have the clock of this machine."""
WRONG_S = 600.0
MARGIN_S = 900.0
"""Readings so near to the scans belong to them."""
DAY_S = 86_400.0
OLD_SCAN_S, OLD_READINGS_S = 2 * DAY_S, DAY_S
SMALL_S = 3e8
"""Times below are counted from a start: no measurement is of before 1979."""
QUARTER_S, QUARTER_TOLERANCE_S = 900.0, 150.0
LEAST_BEHIND_S = 0.5
REFUSED_IN_ROW = 5
GAP_STEPS, STEPS = 10.0, 10
EPOCHS = {"1904": -2_082_844_800.0, "1990": 631_152_000.0, "1980": 315_964_800.0,
          "2000": 946_684_800.0, "2001": 978_307_200.0, "1601": -11_644_473_600.0}  # fmt: skip
"""Years that clocks count seconds from, and what is to be added for seconds since 1970."""
COUNTER, EPOCH, AHEAD, BEHIND, SCAN_CLOCK = (
    "time_counter", "time_epoch", "clock_ahead", "clock_behind", "scan_clock",
)  # fmt: skip
JUDGED = (COUNTER, EPOCH, AHEAD, BEHIND, SCAN_CLOCK)
SET_AHEAD, REFUSED, SCAN_TIME = "clock_set_ahead", "readings_refused", "scan_time"
NO_CURRENT = "no_current"
UNTRUE = (COUNTER, EPOCH, AHEAD, BEHIND)
"""Conditions in which the cell's newest reading does not tell the time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with the times ("" : they are right), in words, with its numbers."""

    condition: str
    text: str = ""
    offset_s: float | None = None


class TimeChecks:
    """Hears of a cell's scans, its refused readings and its clock. Methods return the signs."""

    def __init__(self, cell: CellSettings) -> None:
        self._cell = cell
        self._scans = 0
        self._first = self._last = 0.0
        self._newest: ScanStart | None = None
        self._clock: CyclerClock | None = None
        self._refused = 0
        self._refused_from = 0.0
        self._refused_place = ""

    def started(self, start: ScanStart, times: Sequence[float]) -> list[Sign]:
        """A scan has begun; `times` here and below: of all readings, UTC s, rising."""
        self._first = min(self._first, start.start_time) if self._scans else start.start_time
        self._last = max(self._last, start.stop_time) if self._scans else start.stop_time
        if self._newest is None or start.start_time >= self._newest.start_time:
            self._newest = start
        self._scans += 1
        return self.judged(times, settled=False)

    def clock(self, clock: CyclerClock, times: Sequence[float]) -> list[Sign]:
        """The engine says how the readings stand against the clock."""
        self._clock = clock
        return self.judged(times, settled=True)

    def concluded(self, time: float, times: Sequence[float]) -> list[Sign]:
        """A scan whose heights are of `time` was concluded."""
        gap = _gap_at(time, times)
        text = "the readings around the scan follow each other without a jump again"
        if gap:
            offset = self._cell.clock_offset_s - gap
            text = (
                f"readings of cell {self._cell.name} skip {gap / 3600:g} h around the scan: its "
                "charge is interpolated. Unless the cycler paused, its clock was set ahead (local "
                f"time): set `clock_offset_s` = {offset:g} before the next run"
            )
        facts: Facts = {"value": gap, "unit": "s"} if gap else {}
        sign = Sign(SET_AHEAD, bad=bool(gap), good=not gap, text=text, facts=facts)
        return [*self.judged(times, settled=True), sign]

    def accepted(self) -> list[Sign]:
        """A reading was used."""
        if self._refused == 0:
            return []
        self._refused = 0
        text = f"readings of cell {self._cell.name} are used again"
        return [Sign(REFUSED, bad=False, good=True, text=text)]

    def refused(self, reading: CyclerReading, times: Sequence[float]) -> list[Sign]:
        """A reading was refused, as it is not later than the newest."""
        if self._refused == 0:
            self._refused_from, self._refused_place = reading.time, ""
        self._refused += 1
        self._refused_place = self._refused_place or _empty_place(reading.time, times)
        if self._refused < REFUSED_IN_ROW or not times:
            return []
        name, newest = self._cell.name, times[-1]
        behind = newest - self._refused_from
        back = clock_step(behind + _usual_step(times), 2 * QUARTER_TOLERANCE_S) or round(behind)
        late = (
            f"Some lie {self._refused_place}: if they arrived late, after newer ones, charge and "
            "current of the scans are wrong without them; make the feed send readings in the order "
            "of their times. "
            if self._refused_place
            else ""
        )
        cause = (
            f"they are up to {behind:.0f} s earlier. {late}If its clock was set back (local time), "
            f"set `clock_offset_s` = {self._cell.clock_offset_s + back:g}; if they"
        )
        if max(behind, newest - reading.time) < LEAST_BEHIND_S:
            cause = (
                "all have its time. If their values differ, make the feed send the time of each "
                "reading; if they"
            )
        text = (
            f"the last {self._refused} readings of cell {name} are not later than its newest and "
            f"are not used: {cause} were sent twice, nothing needs to be done"
        )
        facts: Facts = {"value": behind, "unit": "s"}
        return [Sign(REFUSED, bad=True, good=False, text=text, facts=facts)]

    # --- judgement ------------------------------------------------------------------------------

    def judged(self, times: Sequence[float], *, settled: bool) -> list[Sign]:
        """Signs of all conditions that can be judged now. `settled`: no readings are on their way
        that are earlier than the scans."""
        if not times or self._newest is None:
            return []
        verdict = self._far_apart(times) or self._by_clock(times)
        if verdict is None and settled:
            verdict = self._by_scans(times)
        if verdict is None:
            return []
        name = self._cell.name
        right = f"the times of cell {name}'s readings agree with its scans and the clock again"
        facts: Facts = {}
        if verdict.offset_s is not None:
            facts = {"value": round(verdict.offset_s, 3), "unit": "s"}
        return [
            Sign(found, bad=True, good=False, text=verdict.text, facts=facts)
            if found == verdict.condition
            else Sign(found, bad=False, good=True, text=right)
            for found in JUDGED
        ]

    def _far_apart(self, times: Sequence[float]) -> Verdict | None:
        """Times that are not counted from the same moment."""
        if _any_between(times, self._first - DAY_S, self._last + DAY_S):
            return None
        name, newest, scan = self._cell.name, times[-1], self._last
        if newest < SMALL_S <= scan:
            added = self._since_start(times)
            if added is None:
                return None
            text = (
                f"readings of cell {name} have times such as {newest:.0f} s: these are seconds "
                "since a start (time.monotonic, since boot, elapsed time), not since 1970. Have "
                f"the cycler's feed send time.time(); until then {self._cure(added, about=True)}"
            )
            return Verdict(COUNTER, text, newest - scan)
        if scan < SMALL_S <= newest:
            return Verdict(SCAN_CLOCK, self._of_scan(
                f"{scan:.0f} s: seconds since a start (time.monotonic, since boot), not since 1970"
            ), newest - scan)  # fmt: skip
        for year, added in EPOCHS.items():
            if abs(newest + added - scan) < 2 * DAY_S:
                text = (
                    f"readings of cell {name} have times that are counted from {year}, not from "
                    f"1970: {self._cure(added)}, or make the cycler's feed send UTC since 1970"
                )
                return Verdict(EPOCH, text, newest - scan)
            if abs(newest - added - scan) < 2 * DAY_S:
                said = f"{scan:.0f} s: they are counted from {year}, not from 1970"
                return Verdict(SCAN_CLOCK, self._of_scan(said), newest - scan)
        return None

    def _since_start(self, times: Sequence[float]) -> float | None:
        """What is to be added to times that are counted from a start, s; by the clock of this
        machine if the scans agree with it, otherwise by several scans; None before that is
        known."""
        clock = self._clock
        live = clock is not None and abs(clock.at - self._last) < OLD_READINGS_S
        if clock is not None and live and (clock.steady or self._scans < 2):
            return clock.at - clock.newest
        return self._last - times[-1] if self._scans >= 2 else None

    def _by_clock(self, times: Sequence[float]) -> Verdict | None:
        """Readings against this machine's clock, if they have it or the scans have."""
        clock, scan = self._clock, self._newest
        if clock is None or scan is None:
            return None
        ahead = clock.newest - clock.at
        now = clock.at + max(0.0, times[-1] - clock.newest)
        early, old = scan.start_time - now, now - scan.stop_time
        if abs(ahead) < RIGHT_S:
            if clock.steady and (early > WRONG_S or old > OLD_SCAN_S):
                said = f"{_duration(max(early, old))} {'ahead of' if early > 0 else 'behind'} "
                return Verdict(SCAN_CLOCK, self._of_scan(said + "this machine's clock"), early)
            return Verdict("")
        if not clock.steady or abs(ahead) < WRONG_S:
            return None
        if early > WRONG_S or old > OLD_READINGS_S:
            return None
        return self._shifted(ahead, "this machine's clock, which the scans agree with", about=False)

    def _by_scans(self, times: Sequence[float]) -> Verdict | None:
        """Without a clock: no reading lies near any of several scans."""
        if _any_between(times, self._first - MARGIN_S, self._last + MARGIN_S):
            lies = -MARGIN_S <= times[-1] - self._last <= MARGIN_S
            return Verdict("") if lies else None
        if self._scans < 2:
            return None
        apart = times[-1] - self._last
        return self._shifted(
            apart, f"the {self._scans} scans, none of which is near a reading", about=True
        )

    def _shifted(self, ahead: float, against: str, *, about: bool) -> Verdict:
        name = self._cell.name
        quarters = round(ahead / QUARTER_S) * QUARTER_S
        if about:
            quarters = round(ahead / 1800.0) * 1800.0
        local = quarters and (about or abs(ahead - quarters) <= QUARTER_TOLERANCE_S)
        offset = quarters if local else round(ahead)
        cause = (
            "the cycler's clock is set to local time, or wrong"
            if local
            else "the cycler's clock is wrong"
        )
        late = "" if ahead > 0 else ", or the readings are delivered with this delay"
        text = (
            f"readings of cell {name} are {_duration(abs(offset))} "
            f"{'ahead of' if ahead > 0 else 'behind'} {against}: {cause}{late}; charge and current "
            f"of the scans are wrong. {self._cure(-offset, about=about).capitalize()}, or make the "
            "cycler's feed send UTC"
        )
        return Verdict(AHEAD if ahead > 0 else BEHIND, text, ahead)

    def _cure(self, added: float, *, about: bool = False) -> str:
        value = self._cell.clock_offset_s + added
        return (
            f"set `clock_offset_s` = {value:.0f} for this cell{' (an estimate)' if about else ''}"
        )

    def _of_scan(self, said: str) -> str:
        number = -1 if self._newest is None else self._newest.key.scan
        return (
            f"scan {number} of cell {self._cell.name} has times that are {said}; the readings' "
            "times may be right. Correct `start_time` and `stop_time` of the producer: charge and "
            "current of the scan are wrong"
        )


def scan_times(start: ScanStart) -> Sign:
    """What was wrong with the times in a scan's header, and put right."""
    text = f"scan {start.key.scan} of cell {start.key.cell}: {start.time_remark}"
    if not start.time_remark:
        text = f"the times of scan {start.key.scan} are correct"
    return Sign(SCAN_TIME, bool(start.time_remark), not start.time_remark, text)


def no_current(cell: CellSettings, scan: int, *, lacking: bool, refused: int) -> Sign:
    """Readings reach a scan, and none of them has a current or charge; or they have. `refused`: so
    many had one, and were not used."""
    keys = [repr(cell.keys[name]) for name in ("current_mA", "charge_mAh") if name in cell.keys]
    text = f"readings of cell {cell.name} contain a current or charge again"
    if lacking:
        text = (
            f"readings of cell {cell.name} reach scan {scan}, but for more than "
            f"{cell.hold_current_s:g} s none contained a current or charge: those of the scan "
            "are not known. "
        )
        text += (
            f"{refused} that contained one were not used, because their times are not later than "
            "those of earlier readings: make the cycler's feed send readings in the order of "
            "their times"
            if refused
            else f"Make the cycler's feed send numbers as {' or '.join(keys) or 'a current'}, or "
            "correct `keys` of this cell"
        )
    return Sign(NO_CURRENT, bad=lacking, good=not lacking, text=text)


def _empty_place(time: float, times: Sequence[float]) -> str:
    """If there are no readings, in words, if `time` lies there; otherwise nothing."""
    after, step = bisect_left(times, time), _usual_step(times)
    if not times or not step or after == len(times):
        return ""
    if after == 0:
        return "before its first reading" if times[0] - time > 3 * step else ""
    return "in a gap of its readings" if times[after] - times[after - 1] > 3 * step else ""


def _any_between(times: Sequence[float], low: float, high: float) -> bool:
    return bisect_left(times, low) < bisect_right(times, high)


def _usual_step(times: Sequence[float], end: int | None = None) -> float:
    """Median of the steps between the newest readings before `end`; 0 if there are too few."""
    some = list(times[max(0, (len(times) if end is None else end) - STEPS - 1) : end])
    steps = [later - earlier for earlier, later in pairwise(some)]
    return statistics.median(steps) if len(steps) >= 3 else 0.0


def _gap_at(time: float, times: Sequence[float]) -> float:
    """How far the clock seems to have been set ahead between the readings around `time`, s."""
    after = bisect_right(times, time)
    if not 0 < after < len(times):
        return 0.0
    gap, step = times[after] - times[after - 1], _usual_step(times, after)
    if not 0.0 < GAP_STEPS * step < gap:
        return 0.0
    return clock_step(gap - step, min(60.0, max(2.0 * step, 5.0)))


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds:.0f} s"
    if seconds < 2 * DAY_S:
        return f"{seconds / 3600:g} h ({seconds:.0f} s)"
    return f"{seconds / DAY_S:.1f} days ({seconds:.0f} s)"
