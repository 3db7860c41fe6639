"""The cycler's readings of one cell, and values of channels, as long as a trend needs them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.records import ChannelValue, CyclerPoint, CyclerReading

MAX_READINGS = 400_000
READING = ("time", "potential_V", "current_mA", "charge_mAh", "cycle", "step")


class Readings:
    """The cycler's readings of one cell, each with the net charge stripped by then; if they are
    too many, every second one is forgotten."""

    def __init__(self) -> None:
        self._rows = np.empty((1024, len(READING) + 1))
        self.count = 0

    def add(self, reading: CyclerReading, stripped_mAh: float = math.nan) -> None:
        """Appends a reading that is newer than the last; ignores any other."""
        if self.count and reading.time <= self._rows[self.count - 1, 0]:
            return
        if self.count == MAX_READINGS:
            self.count = len(self._rows[: self.count : 2])
            self._rows[: self.count] = self._rows[: 2 * self.count : 2]
        if self.count == len(self._rows):
            rows = np.empty((2 * self.count, len(READING) + 1))  # what is not used takes no memory
            rows[: self.count] = self._rows
            self._rows = rows
        values = [getattr(reading, name) for name in READING]
        self._rows[self.count] = [*values, stripped_mAh]
        self.count += 1

    def add_point(self, point: CyclerPoint) -> None:
        """Appends a point of the cell's history, which replaces the readings that it stands for."""
        times = self._rows[: self.count, 0]
        self.count = int(np.searchsorted(times, point.replaces_from))
        self.add(point.reading, point.stripped_mAh)

    def columns(
        self,
        max_points: int,
        *,
        area_cm2: float,
        span: tuple[float | None, float | None] = (None, None),
        reference_mAh: float | None = None,
        capacity_mAh: float | None = None,
    ) -> dict[str, NDArray[np.float64]]:
        """At most `max_points` readings by name, evenly thinned, the newest among them; only those
        of a `span` of time, UTC seconds, if it is given, and the next one on both sides of it.

        `charge_mAh_cm2`: net charge stripped since the reference scan, which found `reference_mAh`
        stripped; `soc`: state of charge, of `capacity_mAh`. NaN where they are not known.
        """
        since, until = span
        times = self._rows[: self.count, 0]
        first = 0 if since is None else max(0, int(np.searchsorted(times, since, "right")) - 1)
        end = self.count if until is None else int(np.searchsorted(times, until, "left")) + 1
        rows = self._rows[first : min(end, self.count)]
        step = max(1, -(-len(rows) // max_points))
        rows = rows[::-1][::step][::-1].copy()
        stripped: NDArray[np.float64] = rows[:, -1]
        unknown = math.nan
        charge = (stripped - (unknown if reference_mAh is None else reference_mAh)) / area_cm2
        soc = 1.0 - stripped / (capacity_mAh or unknown)
        columns = {name: rows[:, i] for i, name in enumerate(READING)}
        return columns | {"charge_mAh_cm2": charge, "soc": soc}


class ChannelValues:
    """Values of one channel; if they are too many, those of the first half are thinned."""

    def __init__(self) -> None:
        self._rows = np.empty((256, 2))
        self.count = 0
        self.unit = ""

    def add(self, value: ChannelValue) -> None:
        """Appends a value, which replaces those that it stands for."""
        times = self._rows[: self.count, 0]
        self.count = int(np.searchsorted(times, value.replaces_from))
        if self.count == MAX_READINGS:
            half = self.count // 2
            kept = np.concatenate((_thinned(self._rows[:half], half // 2), self._rows[half:]))
            self.count = len(kept)
            self._rows[: self.count] = kept
        if self.count == len(self._rows):
            rows = np.empty((2 * self.count, 2))
            rows[: self.count] = self._rows
            self._rows = rows
        self._rows[self.count] = value.time, value.value
        self.count += 1
        self.unit = value.unit

    @property
    def last(self) -> tuple[float, float] | None:
        """Time, UTC s, and value of the newest; None if there is none."""
        if not self.count:
            return None
        time, value = self._rows[self.count - 1].tolist()
        return time, value

    def rows(
        self, max_points: int, since: float | None = None, until: float | None = None
    ) -> NDArray[np.float64]:
        """(2, n): times, UTC s, and values, at most `max_points`; only those from `since` to
        `until`, UTC s, if these are given, and the next one on both sides. Of many, the smallest
        and the largest of each part, so that a short fall stays visible; the newest is among
        them."""
        times = self._rows[: self.count, 0]
        first = 0 if since is None else max(0, int(np.searchsorted(times, since, "right")) - 1)
        end = self.count if until is None else int(np.searchsorted(times, until, "left")) + 1
        return _thinned(self._rows[first : min(end, self.count)], max_points).T.copy()


def _thinned(rows: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """At most so many of the rows (n, 2), in their order: smallest and largest value of each of
    equal parts, and the last row."""
    if len(rows) <= most:
        return rows
    parts = max(1, (most - 1) // 2)
    edges = np.linspace(0, len(rows), parts + 1).astype(int)
    kept = {len(rows) - 1}
    for begin, end in pairwise(edges.tolist()):
        values = rows[begin:end, 1]
        kept |= {begin + int(values.argmin()), begin + int(values.argmax())}
    return rows[sorted(kept)[-most:]]
