"""Which channels of a scan are published, under which data keys and in which units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from monitor.settings.cells import DEFAULT_KEYS
from monitor.sources.bliss.scan import BlissScan, Channel
from monitor.sources.feeds.documents import UNITS
from monitor.units import EXAMPLES, FACTORS, factor

Quantity = Literal["potential_V", "current_mA", "charge_mAh", "cycle", "step"]
MAX_NAMED = 12


@dataclass(frozen=True, slots=True)
class CounterNames:
    """Names of counters, with their controller (`vmp:I`) or without (`I`): of the cycler's
    quantities, of others that are passed on as they are, and of the times ("": found by itself)."""

    quantities: Mapping[Quantity, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    time: str = ""

    def __iter__(self) -> Iterator[str]:
        yield from self.quantities.values()
        yield from self.others


@dataclass(frozen=True, slots=True)
class Column:
    """A channel as it is published: its values times `factor` are in `units`."""

    key: str
    channel: Channel
    units: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a scan is published: at least one column, and the times of its points."""

    time: Channel
    columns: tuple[Column, ...]

    def __str__(self) -> str:
        told = ", ".join(f"{one.key} from {one.channel.name}" for one in self.columns)
        return f"{told}; times from {self.time.name}"


class _NotPublished(Exception):
    """Why a counter is not published."""


def choose(scan: BlissScan, names: CounterNames) -> tuple[Choice | None, list[str]]:
    """The channels of a scan that have these names, None if it has none that can be published; and
    a line for each that cannot, none if the scan has none of the names."""
    columns: list[Column] = []
    notes: list[str] = []
    absent = [name for name in names if not scan.named(name)]
    if len(absent) == len(list(names)):
        return None, []
    for quantity, name in [*names.quantities.items(), *((None, name) for name in names.others)]:
        if name in absent:
            continue
        try:
            column, note = _column(quantity, _only(scan, name))
        except _NotPublished as why:
            notes.append(f"counter {name} {why}; it is not published")
            continue
        if columns and not columns[0].channel.goes_with(column.channel):
            first = columns[0].channel.name
            notes.append(
                f"counter {name} is measured at other points than {first}; it is not published: "
                "start another publish-bliss for it"
            )
            continue
        columns.append(column)
        notes += [note] if note else []
    if absent:
        named = ", ".join(list(scan.channels)[:MAX_NAMED])
        more = ", …" if len(scan.channels) > MAX_NAMED else ""
        notes.append(f"no counter {', '.join(absent)}; there are {named}{more}; correct the name")
    if not columns:
        return None, notes
    try:
        time = _times(scan, columns[0].channel, names.time)
    except _NotPublished as why:
        return None, [*notes, str(why)]
    return Choice(time, tuple(columns)), notes


def _only(scan: BlissScan, name: str) -> Channel:
    """Raises _NotPublished if several have the name, or if it has not one number at each point."""
    found = scan.named(name)
    if len(found) > 1:
        several = ", ".join(channel.name for channel in found)
        raise _NotPublished(f"is the name of {several}: give the whole name of one")
    if found[0].dtype is None:
        raise _NotPublished("has no single number at each point")
    return found[0]


def _column(quantity: Quantity | None, channel: Channel) -> tuple[Column, str]:
    """The column, and what was assumed of it. Raises _NotPublished for a wrong unit."""
    if quantity is None:
        return Column(channel.name, channel, channel.unit), ""
    key = DEFAULT_KEYS[quantity]
    units = UNITS[key]
    if quantity not in FACTORS:
        return Column(key, channel, units), ""
    if not channel.unit:
        note = f"counter {channel.name} has no unit: it is taken to be {units}"
        return Column(key, channel, units), note
    scale = factor(quantity, channel.unit)
    if scale is None:
        raise _NotPublished(f"is in {channel.unit[:20]}, expected {EXAMPLES[quantity]}")
    return Column(key, channel, units, scale), ""


def _times(scan: BlissScan, beside: Channel, name: str) -> Channel:
    """The channel with the time of each point of another one. Raises _NotPublished."""
    if name:
        if not scan.named(name):
            raise _NotPublished(f"no counter {name} for the times; correct --time")
        return _only(scan, name)
    epochs = [
        channel
        for channel in scan.channels.values()
        if channel.counter.startswith("epoch") and channel.dtype and channel.goes_with(beside)
    ]
    if not epochs:
        raise _NotPublished(
            "no counter `epoch` of the timer for the times of the points; name the counter with "
            "the times, in s since 1970, with --time"
        )
    return min(epochs, key=lambda channel: (channel.counter != "epoch", channel.name))
