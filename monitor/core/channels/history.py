"""Values of all channels in order of time, as far back as they are needed to find a coincidence."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from monitor.core.channels.coincidence import Samples
from monitor.records import ChannelValue
from monitor.settings import Settings

MOST_VALUES = 50_000


def _numbers() -> array[float]:
    return array("d")


@dataclass
class ChannelHistory:
    """The newest values of one channel, rising in time; of more than `most`, the older half is
    forgotten."""

    unit: str = ""
    most: int = MOST_VALUES
    times: array[float] = field(default_factory=_numbers)
    values: array[float] = field(default_factory=_numbers)

    def add(self, value: ChannelValue) -> None:
        """Appends a value, instead of those that it replaces."""
        end = bisect_left(self.times, value.replaces_from)
        del self.times[end:], self.values[end:]
        if len(self.times) == self.most:
            del self.times[: self.most // 2], self.values[: self.most // 2]
        self.times.append(value.time)
        self.values.append(value.value)
        self.unit = value.unit


class ChannelHistories:
    """The channels of all cells."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._histories: dict[tuple[str, str], ChannelHistory] = {}

    def add(self, value: ChannelValue) -> None:
        """Appends a value to its channel."""
        key = (value.cell, value.name)
        if key not in self._histories:
            self._histories[key] = ChannelHistory()
        self._histories[key].add(value)

    def of(self, cell: str) -> Iterator[Samples]:
        """The channels of a cell that have values, those of all cells among them."""
        for name, (owner, one) in self._settings.channels_of(cell).items():
            found = self._histories.get((owner, name))
            if found is not None:
                yield Samples(name, one.title or name, found.unit, found.times, found.values)
