"""Documents of the cycler → readings: which cell an event belongs to, its values, its time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.bounded import Bounded
from monitor.core.cycler.data_keys import data_keys, external, factors, unassigned, unit_of
from monitor.core.cycler.measured_values import number
from monitor.core.cycler.stream_times import Placed, Row, StreamTimes
from monitor.core.cycler.two_cyclers import InterleavedRuns
from monitor.errors import BadMessage
from monitor.plain_text import one_line
from monitor.records import CyclerDocument, CyclerReading
from monitor.settings import CellSettings, Settings
from monitor.units import seconds

MAX_RUNS = 10_000
"""Only the newest are known; an experiment has few."""
MAX_TEXT = 200
KEYS_AFTER = 3
"""So many events of a run without any of the cell's data keys are reported."""
DOCUMENT_NAMES = {
    "start", "descriptor", "event", "event_page", "stop",
    "resource", "datum", "datum_page", "stream_resource", "stream_datum",
}  # fmt: skip
Document = Mapping[str, Any]
"""As it arrived: what of it is used is checked where it is read."""
Values = Mapping[str, object]
MANGLED = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
TIME_UNIT, TIME_STILL, CLOCK_SET, TWO_CYCLERS, RUN_FAILED = (
    "time_unit", "time_still", "clock_set", "two_cyclers", "run_failed",
)  # fmt: skip
"""Conditions that a feed of readings can be in."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A condition of a cell's readings begins, or is `over`."""

    cell: str
    condition: str
    text: str
    over: bool = False
    facts: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(slots=True)
class Taken:
    """What a document brings. `problems`: what of it cannot be used; `withdrawn`: (cell, time) of
    earlier readings that these stand for; `heard`: the cells that it is of, used or not."""

    readings: list[CyclerReading] = field(default_factory=list)
    problems: list[BadMessage] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    withdrawn: list[tuple[str, float]] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Run:
    """A run of a cell: its events without any of the cell's keys, until one has some (-1)."""

    uid: str
    cell: CellSettings
    without_keys: int = 0


@dataclass(frozen=True, slots=True)
class _Descriptor:
    """A stream of the run `run`. `units`: those that it states, by data key of a cell."""

    run: str
    units: Mapping[str, str]


class Documents:
    """Follows runs, so that an event is known to belong to a cell."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._run_cell: Bounded[str, str] = Bounded(MAX_RUNS)
        self._other_runs: Bounded[str, bool] = Bounded(MAX_RUNS)
        self._descriptors: Bounded[str, _Descriptor] = Bounded(MAX_RUNS)
        self._streams: Bounded[str, StreamTimes] = Bounded(MAX_RUNS)
        self._ended_stream: dict[str, StreamTimes] = {}
        self._runs: Bounded[str, _Run] = Bounded(MAX_RUNS)
        self._turns = {cell.name: InterleavedRuns() for cell in settings.cells}
        self._ended: set[str] = set()
        self._channel_keys = {
            cell.name: frozenset(one.key for _, one in settings.channels_of(cell.name).values())
            for cell in settings.cells
        }

    @property
    def ended(self) -> frozenset[str]:
        """Cells whose newest run has ended: no reading is expected before another one begins."""
        return frozenset(self._ended)

    def take(self, document: CyclerDocument) -> Taken:
        """All that one document brings. Raises nothing for what the document holds."""
        taken = Taken()
        try:
            self._take(document.name, document.doc, taken)
        except BadMessage as error:
            taken.problems.append(error)
        except MANGLED as error:
            taken.problems.append(_mangled(document.name, error))
        return taken

    def _take(self, name: str, doc: Document, taken: Taken) -> None:
        if name not in DOCUMENT_NAMES:
            raise BadMessage(
                "unknown_document", f"documents: name {name[:40]!r} is unknown; dropped"
            )
        if name == "start":
            self._start(doc, taken)
        elif name == "descriptor":
            self._descriptor(doc, taken)
        elif name == "stop":
            self._stop(doc, taken)
        elif name in ("event", "event_page"):
            descriptor = _text(doc["descriptor"])
            run = self._run_of(descriptor)
            if run is None:
                return
            if self._is_of_channels(run.cell, doc["data"]):
                return  # says nothing of the cycler
            taken.heard.add(run.cell.name)
            scales, wrong = factors(run.cell, self._descriptors[descriptor].units, doc["data"])
            taken.problems += wrong
            rows = _event(doc) if name == "event" else _page(doc, run.cell, taken.problems)
            for data, stamps, when, count in rows:
                try:
                    row = _row_of(run.cell, scales, data, stamps, when, count, taken)
                    self._row(run, descriptor, row, taken)
                except BadMessage as error:
                    taken.problems.append(error)
                except MANGLED as error:
                    taken.problems.append(_mangled(name, error))

    def _start(self, doc: Document, taken: Taken) -> None:
        cell, uid = doc.get("cell"), _text(doc["uid"])
        if cell is None:
            self._other_runs[uid] = True
            return
        if not isinstance(cell, str) or self._settings.cell(cell) is None:
            self._other_runs[uid] = False
            raise BadMessage(
                "unknown_cell",
                f"documents: run of cell {str(cell)[:40]!r}, which is not in the settings; ignored",
            )
        if uid not in self._run_cell:
            text = f"another run of cell {cell} has begun"
            taken.notices += [
                Notice(cell, condition, text, over=True)
                for condition in (TIME_UNIT, TIME_STILL, CLOCK_SET, RUN_FAILED)
            ]
        self._run_cell[uid] = cell

    def _descriptor(self, doc: Document, taken: Taken) -> None:
        """A stream begins. Readings that will not be found in its events are reported."""
        run, keys = _text(doc["run_start"]), data_keys(doc)
        known = {key for cell in self._settings.cells for key in cell.keys.values()}
        units = {key: unit_of(keys[key]) for key in known if key in keys}
        self._descriptors[_text(doc["uid"])] = _Descriptor(run, units)
        cell = self._settings.cell(self._run_cell.get(run, ""))
        if cell is not None:
            taken.problems += external(f"cell {cell.name}", keys, cell.keys.values())
        if cell is not None or self._other_runs.get(run):
            problem = unassigned(keys.keys() - self._used_keys(cell), cell, self._settings.cells)
            taken.problems += [] if problem is None else [problem]

    def _used_keys(self, cell: CellSettings | None) -> set[str]:
        """Data keys that are those of this cell, of one that has readings, or of a channel."""
        known = {run.cell.name: run.cell for run in self._runs.values() if run.without_keys < 0}
        cells = [*known.values(), *([] if cell is None else [cell])]
        keys = {key for one in cells for key in one.keys.values()}
        return keys.union(*self._channel_keys.values())

    def _stop(self, doc: Document, taken: Taken) -> None:
        """What was held of the run's streams is let go."""
        ended = self._run_cell.get(str(doc.get("run_start")))
        if ended is not None:
            self._ended.add(ended)
        run = self._runs.get(str(doc.get("run_start")))
        if run is None:
            return
        taken.heard.add(run.cell.name)
        for descriptor, one in self._descriptors.items():
            if one.run == run.uid and descriptor in self._streams:
                self._place(run.cell, self._streams[descriptor].end(), taken)
                self._ended_stream[run.cell.name] = self._streams[descriptor]
        if doc.get("exit_status") == "fail" and run.without_keys < 0:
            why = one_line(doc.get("reason") or "no reason given")[:MAX_TEXT]
            text = (
                f"the run that reads the cycler of cell {run.cell.name} has failed ({why}): its "
                "readings end here; start it again"
            )
            taken.notices.append(Notice(run.cell.name, RUN_FAILED, text))

    def _run_of(self, descriptor: str) -> _Run | None:
        """The run of a cell that an event belongs to; None if it is of no cell of ours."""
        stream = self._descriptors.get(descriptor)
        uid = None if stream is None else stream.run
        name = None if uid is None else self._run_cell.get(uid)
        cell = self._settings.cell(name) if name else None
        if uid is not None and cell is not None:
            self._run_cell.move_to_end(uid)  # in use: the last to be forgotten
            return self._runs.setdefault(uid, _Run(uid, cell))
        if uid in self._other_runs:
            return None
        raise BadMessage(
            "unknown_run",
            "documents: event of a run whose start document was not received; not used. Start the "
            "run again while the monitor listens, so that its start document is received",
        )

    def _is_of_channels(self, cell: CellSettings, data: Values) -> bool:
        """Whether an event or page has channels, and no reading of the cell's cycler."""
        known = self._channel_keys[cell.name]
        if not known or not isinstance(data, Mapping):
            return False
        return not known.isdisjoint(data) and not any(key in data for key in cell.keys.values())

    def _row(self, run: _Run, descriptor: str, row: Row | None, taken: Taken) -> None:
        if row is None:
            self._lacks_keys(run, taken)
            return
        run.without_keys = -1
        if not row.values:
            return
        if run.cell.name in self._ended:
            self._ended.remove(run.cell.name)
            text = f"readings of cell {run.cell.name} are received again"
            taken.notices.append(Notice(run.cell.name, RUN_FAILED, text, over=True))
        turn = self._turns[run.cell.name].heard(run.uid)
        if turn is not None:
            text = (
                f"two runs send readings of cell {run.cell.name} at the same time: current and "
                "charge are a mixture of the two; stop one of them, or give it its own `cell`"
                if turn
                else f"readings of cell {run.cell.name} are sent by only one run again"
            )
            taken.notices.append(Notice(run.cell.name, TWO_CYCLERS, text, over=not turn))
        stream = self._streams.get(descriptor)
        if stream is None:
            stream = self._streams[descriptor] = StreamTimes(self._ended_stream.get(run.cell.name))
        self._place(run.cell, stream.place(row), taken)

    def _place(self, cell: CellSettings, placed: Placed, taken: Taken) -> None:
        name, offset = cell.name, cell.clock_offset_s
        if placed.withdrawn is not None:
            taken.withdrawn.append((name, placed.withdrawn + offset))
        for time, values in placed.rows:
            taken.readings.append(CyclerReading(name, time + offset, **values))
        taken.notices += _of_clock(cell, placed)

    def _lacks_keys(self, run: _Run, taken: Taken) -> None:
        """An event has none of the cell's data keys: told once where no event of the run has."""
        if run.without_keys < 0:
            return
        run.without_keys += 1
        if run.without_keys == KEYS_AFTER:
            keys = ", ".join(run.cell.keys.values())
            taken.problems.append(
                BadMessage(
                    "no_known_keys",
                    f"documents: the run of cell {run.cell.name} sends none of the data keys "
                    f"{keys}: no readings; correct `keys` of this cell in the settings",
                )
            )


# --- events and pages -----------------------------------------------------------------------------

Cells = tuple[Values, Values, Any, Any]
"""Of one event: data, timestamps, its time, its number in the stream."""


def _event(doc: Document) -> Iterator[Cells]:
    yield doc["data"], doc.get("timestamps") or {}, doc["time"], doc.get("seq_num")


def _page(doc: Document, cell: CellSettings, problems: list[BadMessage]) -> Iterator[Cells]:
    """The events of a page. Where columns are of different length, those that all have."""
    times, numbers = doc["time"], doc.get("seq_num")
    columns: list[tuple[str, str, Any]] = [("time", "", times)]
    for part in ("data", "timestamps"):
        found = doc[part] if part == "data" else doc.get(part) or {}
        columns += [(part, key, found[key]) for key in cell.keys.values() if key in found]
    lengths = {f"{part} {key}".strip(): len(column) for part, key, column in columns}
    count = min(lengths.values())
    if max(lengths.values()) > count:
        longest = max(lengths, key=lengths.__getitem__)
        shortest = min(lengths, key=lengths.__getitem__)
        problems.append(
            BadMessage(
                "bad_document",
                f"documents: event_page document of cell {cell.name}: {shortest[:60]!r} has "
                f"{lengths[shortest]} rows and {longest[:60]!r} {lengths[longest]}; the first "
                f"{count} rows are used",
            )
        )
    for i in range(count):
        data = {key: column[i] for part, key, column in columns if part == "data"}
        stamps = {key: column[i] for part, key, column in columns if part == "timestamps"}
        has_number = numbers is not None and i < len(numbers)
        yield data, stamps, times[i], numbers[i] if numbers is not None and has_number else None


def _row_of(
    cell: CellSettings,
    scales: Mapping[str, float],
    data: Values,
    stamps: Values,
    when: Any,
    count: Any,
    taken: Taken,
) -> Row | None:
    """The values and times of one event; None if it has none of the cell's keys. A value that
    is not a number is left out and reported. `scales`: by quantity, what turns its values into our
    units; one without is not used. Raises BadMessage if it has no time."""
    keys = {quantity: key for quantity, key in cell.keys.items() if key in data}
    if not keys:
        return None
    values: dict[str, float] = {}
    wrong = []
    for quantity, key in keys.items():
        try:
            if quantity in scales:
                values[quantity] = number(data[key]) * scales[quantity]
        except ValueError:
            wrong.append(key)
    if wrong:
        taken.problems.append(
            BadMessage(
                "bad_value",
                f"documents: cell {cell.name}: {', '.join(map(repr, wrong))[:80]} is not a number "
                "(nor null, NaN or a list of one number); this value is not used",
            )
        )
    values = {quantity: value for quantity, value in values.items() if not math.isnan(value)}
    time = _time(when)
    known = [_time(stamps[key]) for key in keys.values() if key in stamps]
    given = [stamp for stamp in known if not math.isnan(stamp)]
    stamp = max(given, default=None) if stamps else time
    if values and (stamp is None or math.isnan(stamp)):
        raise BadMessage(
            "bad_document",
            f"documents: cell {cell.name}: event without a usable time; dropped",
        )
    scaled, unit = (math.nan, "") if stamp is None else seconds(stamp)
    if unit:
        text = (
            f"readings of cell {cell.name} have their times in {unit}: they are converted to "
            "seconds since 1970; make the cycler's feed send seconds"
        )
        taken.notices.append(Notice(cell.name, TIME_UNIT, text))
    number_in_stream = count if type(count) is int else None
    if not stamps:
        return Row(values, None, scaled, number_in_stream)
    return Row(values, scaled, _seconds(time), number_in_stream)


def _time(value: Any) -> float:
    """A time as it was sent; NaN where there is none."""
    try:
        return number(value)
    except ValueError:
        return math.nan


def _seconds(time: float) -> float:
    try:
        return seconds(time)[0]
    except ValueError:
        return math.nan


def _of_clock(cell: CellSettings, placed: Placed) -> Iterator[Notice]:
    name = cell.name
    if placed.still_since is not None:
        text = (
            f"the timestamps of cell {name} stay at {placed.still_since:.3f} s while its "
            "events continue: the time of the event is used instead; if the values do not "
            "change either, the cycler has stopped responding: restart it"
        )
        yield Notice(name, TIME_STILL, text)
    if placed.set_back_s:
        offset = cell.clock_offset_s + placed.shift_s
        text = (
            f"the clock of cell {name}'s cycler was set back by {placed.set_back_s:.0f} s while it "
            f"ran: {placed.shift_s:.0f} s are added to the readings of this run from now on. Set "
            f"`clock_offset_s` = {offset:g} before the next run, or make the cycler send UTC"
        )
        yield Notice(name, CLOCK_SET, text, facts={"value": placed.shift_s, "unit": "s"})
    if placed.set_ahead_s:
        offset = cell.clock_offset_s + placed.shift_s
        text = (
            f"the clock of cell {name}'s cycler was set ahead by {placed.set_ahead_s:.0f} s while "
            f"it ran: {placed.shift_s:.0f} s are added to the readings of this run from now on. "
            f"Set `clock_offset_s` = {offset:g} before the next run, or make the cycler send UTC"
        )
        facts: dict[str, float | str] = {"value": placed.shift_s, "unit": "s"}
        yield Notice(name, CLOCK_SET, text, over=not placed.shift_s, facts=facts)


def _mangled(name: str, error: Exception) -> BadMessage:
    # out of a journal, what is mangled may be so in another way: it is not quoted
    why = f"lacks {error}" if isinstance(error, KeyError) else "has values of the wrong type"
    return BadMessage("bad_document", f"documents: {name} document {why}; dropped")


def _text(value: object) -> str:
    """A name. Raises ValueError for anything else, and for one of any length."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError
    return value
