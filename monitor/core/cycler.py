"""Documents of the cycler → readings → charge, current, state of charge and step at a time."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from monitor.errors import BadMessage
from monitor.faraday import COULOMB_PER_MAH
from monitor.records import CyclerDocument, CyclerPoint, CyclerReading
from monitor.settings import CellSettings, Settings

REST_CURRENT_MA = 1e-4
STRAY_AFTER = 3
MAX_RUNS = 10_000
MAX_TEXT = 200
MAX_TIME_S = 1e11
DOCUMENT_NAMES = {
    "start", "descriptor", "event", "event_page", "stop",
    "resource", "datum", "datum_page", "stream_resource", "stream_datum", "bulk_events",
}  # fmt: skip


class Documents:
    """Follows runs, so that an event is known to belong to a cell."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._run_cell: dict[str, str] = {}
        self._descriptor_run: dict[str, str] = {}
        self._ended: set[str] = set()

    @property
    def ended(self) -> frozenset[str]:
        """Cells whose newest run has ended: no reading is expected before another one begins."""
        return frozenset(self._ended)

    def readings(self, document: CyclerDocument) -> list[CyclerReading]:
        """The readings in one document; none in those that only describe.

        Raises BadMessage for a document that lacks what bluesky's event model requires, or whose
        run is unknown (its start document was missed).
        """
        name, doc = document.name, document.doc
        if name not in DOCUMENT_NAMES:
            raise BadMessage(
                "unknown_document", f"documents: name {name[:40]!r} is unknown; dropped"
            )
        try:
            if name == "start":
                self._start(doc)
            elif name == "descriptor":
                _remember(self._descriptor_run, doc["uid"], _text(doc["run_start"]))
            elif name == "event":
                return self._event(doc, doc["data"], doc["timestamps"], doc["time"])
            elif name == "event_page":
                return self._page(doc)
            elif name == "stop" and (cell := self._run_cell.get(_text(doc["run_start"]))):
                self._ended.add(cell)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            # out of a journal, what is mangled may be so in another way: it is not quoted
            why = f"lacks {error}" if isinstance(error, KeyError) else "has values of a wrong kind"
            raise BadMessage("bad_document", f"documents: {name} document {why}; dropped") from None
        return []

    def _start(self, doc: Mapping[str, Any]) -> None:
        cell = doc.get("cell")
        if cell is None:
            return
        if self._settings.cell(_text(cell)) is None:
            raise BadMessage(
                "unknown_cell",
                f"documents: run of cell {cell[:40]!r}, which is not in the settings; ignored",
            )
        _remember(self._run_cell, doc["uid"], cell)

    def _page(self, doc: Mapping[str, Any]) -> list[CyclerReading]:
        readings = []
        for i, when in enumerate(doc["time"]):
            data = {key: column[i] for key, column in doc["data"].items()}
            stamps = {key: column[i] for key, column in doc["timestamps"].items()}
            readings += self._event(doc, data, stamps, when)
        return readings

    def _event(
        self,
        doc: Mapping[str, Any],
        data: Mapping[str, Any],
        stamps: Mapping[str, Any],
        when: float,
    ) -> list[CyclerReading]:
        run = self._descriptor_run.get(_text(doc["descriptor"]))
        if run is None:
            raise BadMessage(
                "unknown_run", "documents: event of a run whose start was not seen; dropped"
            )
        name = self._run_cell.get(run)
        cell = self._settings.cell(name) if name else None
        if cell is None:
            return []
        values = {quantity: float(data[key]) for quantity, key in cell.keys.items() if key in data}
        if not values:
            return []
        times = [float(stamps[key]) for key in cell.keys.values() if key in data] if stamps else []
        time = max(times, default=float(when))
        if not abs(time) < MAX_TIME_S:
            raise BadMessage("bad_document", "documents: event with a time that is none; dropped")
        self._ended.discard(cell.name)
        return [CyclerReading(cell.name, time + cell.clock_offset_s, **values)]


def _text(value: object) -> str:
    """A name. Raises ValueError for anything else, and for one of any length."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError
    return value


def _remember(known: dict[str, str], uid: object, value: str) -> None:
    """Only the newest runs are known; an experiment has few."""
    known[_text(uid)] = value
    if len(known) > MAX_RUNS:
        del known[next(iter(known))]


def _numbers() -> array[float]:
    """An empty row of float64: of a reading a second for days, lists of numbers take 160 B each."""
    return array("d")


@dataclass
class CyclerHistory:
    """The readings of one cell in order of time, and what follows from them.

    Charge and current are counted positive while lithium is stripped.
    """

    cell: CellSettings
    times: array[float] = field(default_factory=_numbers)
    stripped_mAh: array[float] = field(default_factory=_numbers)
    active_s: array[float] = field(default_factory=_numbers)
    currents_mA: array[float] = field(default_factory=_numbers)
    last: CyclerReading | None = None
    _discharges: list[float] = field(default_factory=list)
    _step: str | None = None
    _plated_since: float | None = None
    _counter: tuple[float, float, float] | None = None
    _refused: list[CyclerReading] = field(default_factory=list)
    _new: list[CyclerPoint] = field(default_factory=list)

    def add(self, reading: CyclerReading) -> None:
        """Takes a reading; what it does not carry is held from those before.

        Raises BadMessage for a reading that is not later than the one before. Where one reading
        lies ahead of all that follow, it is the one that is dropped, and said.
        """
        if self.times and reading.time <= self.times[-1]:
            self._refuse(reading)
        self._refused.clear()
        if self.last is not None:
            reading = _held(reading, self.last)
        self._append(reading)

    def _refuse(self, reading: CyclerReading) -> NoReturn:
        newest, cell = self.times[-1], self.cell.name
        if self._refused and reading.time <= self._refused[-1].time:
            self._refused.clear()
        self._refused.append(reading)
        if len(self._refused) > STRAY_AFTER:  # by then the first and the last say it all
            del self._refused[1:-1]
        stray = len(self.times) > 1 and self._refused[0].time > self.times[-2]
        if not stray or len(self._refused) < STRAY_AFTER:
            raise BadMessage(
                "out_of_order",
                f"documents: cell {cell}: reading of t = {reading.time:.3f} s came after "
                f"{newest:.3f} s; not used",
            )
        followers = list(self._refused)
        self._forget_newest()
        for follower in followers:
            self.add(follower)
        raise BadMessage(
            "stray_reading",
            f"documents: cell {cell}: reading of t = {newest:.3f} s lies ahead of the "
            f"{len(followers)} that followed; it was taken back",
        )

    def _forget_newest(self) -> None:
        """Take the newest reading back, and what followed from it."""
        time = self.times.pop()
        for values in (self.stripped_mAh, self.active_s, self.currents_mA):
            values.pop()
        if self._discharges and self._discharges[-1] == time:
            self._discharges.pop()
        steps = [step for step in map(_step_of, self.currents_mA) if step != "rest"]
        self._step = steps[-1] if steps else None
        sign = self.cell.stripping_current_sign
        self.last = CyclerReading(
            self.cell.name, self.times[-1], current_mA=self.currents_mA[-1] * sign
        )
        if self._counter is not None and self._counter[0] == time:
            self._counter = None
        self._refused.clear()

    def _append(self, reading: CyclerReading) -> None:
        sign = self.cell.stripping_current_sign
        current = self._current(reading) * sign
        charge = self._charge(reading, current)
        self.active_s.append(self._active(reading.time, charge, current))
        self.stripped_mAh.append(charge)
        self.times.append(reading.time)
        self.currents_mA.append(current)
        self.last = reading
        self._new.append(CyclerPoint(reading, charge))
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
        """The measured current; where there is none, charge over time since the counter's last
        reading; where that is not there either, the current that flowed before."""
        if math.isfinite(reading.current_mA):
            return reading.current_mA
        if self._counter is None or not math.isfinite(reading.charge_mAh):
            sign = self.cell.stripping_current_sign
            return self.currents_mA[-1] * sign if self.currents_mA else 0.0
        time, counted, _ = self._counter
        return (reading.charge_mAh - counted) / ((reading.time - time) / 3600.0)

    def _charge(self, reading: CyclerReading, current: float) -> float:
        """Stripped charge so far: from the cycler's own counter, else the integral of the current.

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

    def charge_at(self, time: float) -> float | None:
        """Net charge stripped by `time` since the first reading, mAh. None without readings."""
        return self._at(time, self.stripped_mAh, self._rate_mAh_s())

    def active_hours_at(self, time: float) -> float | None:
        """Hours in which current flowed by `time`, since the first reading; None without any."""
        flows = bool(self.times) and abs(self.currents_mA[-1]) >= REST_CURRENT_MA
        seconds = self._at(time, self.active_s, 1.0 if flows else 0.0)
        return None if seconds is None else seconds / 3600.0

    def _rate_mAh_s(self) -> float:
        return self.currents_mA[-1] / COULOMB_PER_MAH / 1000.0 if self.times else 0.0

    def _at(self, time: float, values: array[float], rate: float) -> float | None:
        """Linear between readings, by `rate` beyond the last one."""
        if not self.times:
            return None
        after = bisect_right(self.times, time)
        if after == 0:
            return values[0]
        if after == len(self.times):
            return values[-1] + rate * (time - self.times[-1])
        t0, t1 = self.times[after - 1], self.times[after]
        return values[after - 1] + (values[after] - values[after - 1]) * (time - t0) / (t1 - t0)

    def current_at(self, time: float) -> float | None:
        """Current at `time`, mA, positive while lithium is stripped. None without readings."""
        if not self.times:
            return None
        return self.currents_mA[max(0, bisect_right(self.times, time) - 1)]

    def step_at(self, time: float) -> str | None:
        current = self.current_at(time)
        return None if current is None else _step_of(current)

    def discharge_at(self, time: float) -> int | None:
        """Number of the discharge that was last begun by `time`, from 1; None before the first."""
        return bisect_right(self._discharges, time) or None

    def discharge_start(self, number: int) -> float:
        """When discharge `number` began, UTC s."""
        return self._discharges[number - 1]


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
