"""The cycler's readings of one cell, as long as they are needed for a trend."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.records import CyclerReading
from monitor.wire.fields import plain

MAX_READINGS = 400_000
READING = ("time", "potential_V", "current_mA", "charge_mAh")


class Readings:
    """The cycler's readings of one cell; where they are too many, every second one is forgotten."""

    def __init__(self) -> None:
        self._rows = np.empty((1024, len(READING)))
        self.count = 0

    def add(self, reading: CyclerReading) -> None:
        """Appends a reading that is newer than the last; ignores any other."""
        if self.count and reading.time <= self._rows[self.count - 1, 0]:
            return
        if self.count == MAX_READINGS:
            self.count = len(self._rows[: self.count : 2])
            self._rows[: self.count] = self._rows[: 2 * self.count : 2]
        if self.count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self.count] = [getattr(reading, name) for name in READING]
        self.count += 1

    def columns(self, max_points: int) -> dict[str, list[Any]]:
        """At most `max_points` readings by name, evenly thinned, the newest among them."""
        step = max(1, -(-self.count // max_points))
        rows = self._rows[: self.count][::-1][::step][::-1]
        return {name: plain(rows[:, i]) for i, name in enumerate(READING)}
