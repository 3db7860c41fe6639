"""Documents → values of channels: which run, stream and data key they are of, and their times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from monitor.bounded import Bounded
from monitor.core.channels.missing import MissingChannels
from monitor.core.channels.value_times import ValueTimes, time_of
from monitor.core.cycler.data_keys import data_keys, external, unit_of
from monitor.core.cycler.measured_values import number
from monitor.errors import BadMessage
from monitor.records import ChannelValue, CyclerDocument
from monitor.settings import ChannelSettings, Settings

MAX_RUNS = 10_000
MAX_TEXT = 200
MANGLED = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)


@dataclass(slots=True)
class ChannelsTaken:
    """What a document brings of channels. `problems`: what of it cannot be used."""

    values: list[ChannelValue] = field(default_factory=list)
    problems: list[BadMessage] = field(default_factory=list)


@dataclass(slots=True)
class _Declared:
    """A channel in the settings, the unit of its values so far, and the faults of their times that
    have been reported."""

    cell: str
    name: str
    settings: ChannelSettings
    times: ValueTimes
    unit: str
    reported: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Stream:
    """The channels that the events of a descriptor may have, with the units that it states."""

    channels: tuple[tuple[_Declared, str], ...]


class ChannelDocuments:
    """Follows runs, so that the values of an event are known to be of a channel.

    Every run may have channels of all cells; those of one cell are read from its own runs, and from
    runs that name no cell. What is wrong with a document as a whole, `cycler.documents` reports.
    """

    def __init__(self, settings: Settings) -> None:
        self._channels = tuple(
            _Declared(cell, name, one, ValueTimes(name), one.unit)
            for cell, name, one in settings.all_channels
        )
        self.missing = MissingChannels(settings)
        self._run_cells: Bounded[str, str] = Bounded(MAX_RUNS)
        self._streams: Bounded[str, _Stream] = Bounded(MAX_RUNS)

    def take(self, document: CyclerDocument) -> ChannelsTaken:
        """All that one document brings. Raises nothing for what the document holds."""
        taken = ChannelsTaken()
        if not self._channels:
            return taken
        with suppress(*MANGLED):  # reported where the readings of cyclers are read
            self._take(document.name, document.doc, taken)
        return taken

    def _take(self, name: str, doc: Mapping[str, Any], taken: ChannelsTaken) -> None:
        if name == "start":
            cell = doc.get("cell")
            self._run_cells[_text(doc["uid"])] = "" if cell is None else _text(cell)
        elif name == "descriptor":
            stream = self._stream(doc, taken)
            if stream.channels:
                self._streams[_text(doc["uid"])] = stream
        elif name in ("event", "event_page"):
            known = self._streams.get(_text(doc["descriptor"]))
            if known is not None:
                for channel, unit in known.channels:
                    for row in _rows(name, doc, channel, taken):
                        _value(channel, unit, row, taken)
            for value in taken.values:
                self.missing.arrived((value.cell, value.name))

    def _stream(self, doc: Mapping[str, Any], taken: ChannelsTaken) -> _Stream:
        """The channels of the stream that a descriptor begins."""
        run, name, keys = _text(doc["run_start"]), doc.get("name"), data_keys(doc)
        cell = self._run_cells.get(run)
        if cell is None:
            return _Stream(())
        found = []
        for one in self._channels:
            key = one.settings.key
            if key in keys:
                self.missing.described((one.cell, one.name), one.settings, doc, cell)
            if one.settings.stream in ("", name) and (not one.cell or cell in ("", one.cell)):
                found.append((one, unit_of(keys.get(key))))
                taken.problems += external(f"channel {one.name}", keys, (key,))
        return _Stream(tuple(found))


@dataclass(frozen=True, slots=True)
class _Row:
    """One event: its value of a channel, the timestamp of that, and the event's time, as sent."""

    value: Any
    stamp: Any
    event_time: Any


def _rows(
    name: str, doc: Mapping[str, Any], channel: _Declared, taken: ChannelsTaken
) -> Iterator[_Row]:
    """The events of a document that have the channel; of a page, the rows that all columns have."""
    data, key = doc["data"], channel.settings.key
    if key not in data:
        return
    stamps = (doc.get("timestamps") or {}).get(key)
    if name == "event":
        yield _Row(data[key], stamps, doc.get("time"))
        return
    times, values = doc["time"], data[key]
    lengths = {len(column) for column in (times, values, stamps) if column is not None}
    if len(lengths) > 1:
        taken.problems.append(
            BadMessage(
                "bad_document",
                f"documents: channel {channel.name}: columns of an event_page have "
                f"{' and '.join(map(str, sorted(lengths)))} rows; the first {min(lengths)} are "
                "used",
            )
        )
    for i in range(min(lengths)):
        yield _Row(values[i], stamps[i] if stamps is not None else None, times[i])


def _value(channel: _Declared, unit: str, row: _Row, taken: ChannelsTaken) -> None:
    """Adds one value to what a document brings, or what is wrong with it."""
    name, key = channel.name, channel.settings.key
    try:
        value = _number(row.value)
    except ValueError:
        taken.problems.append(
            BadMessage(
                "bad_value",
                f"documents: channel {name}: {key[:60]!r} is not a number, true or false (nor "
                "null, NaN or a list of one of them); this value is not used",
            )
        )
        return
    if math.isnan(value) or not _has_unit(channel, unit, taken):
        return
    at = time_of(_time(row.stamp), _time(row.event_time))
    if math.isnan(at.time):
        taken.problems.append(
            BadMessage(
                "bad_document", f"documents: channel {name}: value without a usable time; dropped"
            )
        )
        return
    if at.fault and at.fault not in channel.reported:
        channel.reported.add(at.fault)
        taken.problems.append(BadMessage("channel_time", f"documents: channel {name}: {at.remark}"))
    placed = channel.times.add(at, value)
    if placed.problem is not None:
        taken.problems.append(placed.problem)
    since = placed.since
    for time, one in placed.values:
        taken.values.append(ChannelValue(channel.cell, name, time, one, channel.unit, since))
        since = None


def _has_unit(channel: _Declared, unit: str, taken: ChannelsTaken) -> bool:
    """Whether a value in this unit may follow those before; a unit in the settings decides."""
    if channel.settings.unit or not unit or unit == channel.unit:
        return True
    if not channel.unit:
        channel.unit = unit
        return True
    taken.problems.append(
        BadMessage(
            "channel_unit",
            f"documents: channel {channel.name}: {channel.settings.key[:60]!r} is in {unit}, but "
            f"was in {channel.unit} before; not used. Set `stream` of the channel, or `unit` if "
            "both are the same",
        )
    )
    return False


def _number(value: Any) -> float:
    """A number, or 1 and 0 for true and false, also as the only element of an array. Raises
    ValueError."""
    only = value
    if isinstance(only, np.ndarray | np.generic) and only.size == 1:
        only = only.item()
    elif isinstance(only, list | tuple) and len(only) == 1:
        only = only[0]
    return float(only) if isinstance(only, bool) else number(value)


def _time(value: Any) -> float:
    try:
        return number(value)
    except ValueError:
        return math.nan


def _text(value: object) -> str:
    """A name. Raises ValueError for anything else, and for one of any length."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError
    return value
