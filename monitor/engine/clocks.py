"""How far each cell's cycler clock is behind the clock of this machine, at most."""

from __future__ import annotations

from collections import deque

READINGS = 100


class Clocks:
    """Hears of readings as they come. All times are UTC s.

    The least time from a reading's own stamp to its coming, of the newest 100 readings: the offset
    of the clocks and the quickest delivery together, which nothing can tell apart.
    """

    def __init__(self) -> None:
        self._behind: dict[str, deque[float]] = {}

    def heard(self, cell: str, stamp: float, now: float) -> None:
        """A reading has come; `stamp` is its time, with the configured offset added."""
        self._behind.setdefault(cell, deque(maxlen=READINGS)).append(now - stamp)

    def estimate_s(self, cell: str) -> float | None:
        """What could be added to `clock_offset_s`, s, at most; None before any reading."""
        behind = self._behind.get(cell)
        return round(min(behind), 3) if behind else None
