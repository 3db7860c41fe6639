"""The points of a scan: its channels as they grow, joined by the numbers of the points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.bliss.scan import Channel
from monitor.sources.bliss.server import BEGIN, DataServer, Entry

SEAL = 2**64 - 1
"""Number of the entry that ends a stream; it says how many points there were."""
MOST_WAITING = 10_000
"""A channel that is so many points ahead of the others is not read until they have caught up."""
STEP = 500
"""Entries that are read at once; each has one point or several."""
MAX_BYTES = 2**24

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Points of a scan: the number of the first one, and by channel float64 columns (n,)."""

    first: int
    columns: Mapping[str, Numbers]

    def __len__(self) -> int:
        return next(iter(self.columns.values())).size


@dataclass(slots=True)
class _Series:
    """The points of a channel that wait for those of the others, from number `first` on."""

    channel: Channel
    after: str = BEGIN
    first: int = 0
    values: Numbers = field(default_factory=lambda: np.empty(0))

    @property
    def end(self) -> int:
        return self.first + self.values.size

    def add(self, entries: Iterable[Entry]) -> None:
        """Raises SourceError for an entry that cannot be read."""
        parts = [self.values]
        for identity, fields in entries:
            self.after = identity
            number = int(identity.partition("-")[0])
            if number == SEAL:
                continue
            part = self._decoded(fields)
            if number > self.first + sum(one.size for one in parts):
                parts = []  # what is between was removed
            self.first = self.first if parts else number
            parts.append(part)
        self.values = np.concatenate(parts) if len(parts) != 1 else parts[0]

    def drop_before(self, number: int) -> None:
        if number > self.first:
            self.values = self.values[number - self.first :].copy()
            self.first = number

    def _decoded(self, fields: Mapping[str, bytes]) -> Numbers:
        payload, dtype = fields.get("payload", b""), self.channel.dtype
        told = fields.get("len", b"1")
        count = int(told) if told.isdigit() else -1
        if dtype is None or len(payload) != count * dtype.itemsize or len(payload) > MAX_BYTES:
            raise SourceError(
                f"counter {self.channel.name}: {count} points in {len(payload)} bytes, expected "
                f"{dtype} and at most {MAX_BYTES} bytes"
            )
        return np.frombuffer(payload, dtype).astype(np.float64)


class Points:
    """The points of a scan's channels, each point once and in their order."""

    def __init__(self, server: DataServer, channels: Iterable[Channel]) -> None:
        self._server = server
        self._series = [_Series(channel) for channel in channels]
        self._next = 0
        self.lost = 0
        """Points that Redis had removed before they were read."""

    @property
    def unmatched(self) -> dict[str, int]:
        """By channel, how many points it has that others lack; none if all have as many."""
        least = min(one.end for one in self._series)
        return {one.channel.name: one.end - least for one in self._series if one.end > least}

    def read(self) -> Rows | None:
        """The next points that all channels have, None if there are no more now. Raises RedisLost
        and SourceError."""
        behind = {
            one.channel.stream: one.after for one in self._series if one.values.size < MOST_WAITING
        }
        found = self._server.entries(behind, STEP)
        for one in self._series:
            one.add(found.get(one.channel.stream, ()))
        return self._take()

    def _take(self) -> Rows | None:
        first = max(one.first for one in self._series)
        end = min(one.end for one in self._series)
        if end <= first:
            return None
        for one in self._series:
            one.drop_before(first)
        columns = {one.channel.name: one.values[: end - first] for one in self._series}
        for one in self._series:
            one.drop_before(end)
        self.lost += first - self._next
        self._next = end
        return Rows(first, columns)
