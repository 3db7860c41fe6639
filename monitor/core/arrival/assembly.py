"""Slices of one scan, in any order → the ledger, and runs of consecutive slices for kernels."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from monitor.core.interface import kernels
from monitor.records import (
    LEDGER_MISSING,
    LEDGER_RECEIVED,
    LEDGER_RECOVERED,
    ScanStart,
    SliceFrame,
)

Run = tuple[int, tuple[NDArray[np.generic], ...]]


NEWEST = 4
"""Slices that stay where memory is short, however large they are: the grey level of the next layer
must be known before its edge is looked for."""


class Arrival(Enum):
    """What a slice that arrived turned out to be."""

    NEW = "new"
    REPEAT = "repeat"
    LATE = "late"


class Assembly:
    """The slices of one scan along its axis.

    Slices wait until those before them have arrived, so that each column is walked in order; when
    more than `memory_bytes`, and more than NEWEST, would wait, the gap is given up: it stays in the
    ledger as a hole, and a slice that comes for it later is `LATE` (recorded, but no longer part of
    the map).
    """

    def __init__(self, start: ScanStart, memory_bytes: int) -> None:
        self.start = start
        self.ledger = np.zeros(start.slice_count, np.uint8)
        self.received = 0
        self.late = 0
        self._memory_bytes = max(memory_bytes, NEWEST * start.slice_bytes)
        self._waiting: dict[int, NDArray[np.generic]] = {}
        self._waiting_bytes = 0
        self._next = 0
        self._contiguous = 0

    @property
    def contiguous(self) -> int:
        """Number of slices that have arrived without a gap from the first one on."""
        while self._contiguous < len(self.ledger) and self.ledger[self._contiguous]:
            self._contiguous += 1
        return self._contiguous

    @property
    def missing(self) -> int:
        """Slices that the maps were made without: never arrived, or arrived too late."""
        return len(self.ledger) - self.received

    @property
    def wanted(self) -> NDArray[np.int64]:
        """Indices of the slices that have not arrived and could still be part of the maps."""
        return np.flatnonzero(self.ledger[self._next :] == LEDGER_MISSING) + self._next

    @property
    def full(self) -> bool:
        """True if more waits than memory is meant for."""
        return self._waiting_bytes > self._memory_bytes

    @property
    def memory_pressure(self) -> bool:
        """True if one slice more would give up a gap among those to be walked next."""
        if self._waiting_bytes + self.start.slice_bytes <= self._memory_bytes:
            return False
        return bool((self.ledger[self._next : self._next + kernels.SLAB] == LEDGER_MISSING).any())

    def add(self, frame: SliceFrame) -> Arrival:
        """Take one slice. Its index, shape and type have been checked."""
        if self.ledger[frame.frame]:
            return Arrival.REPEAT
        if frame.frame < self._next:
            self.late += 1
            return Arrival.LATE
        self.ledger[frame.frame] = LEDGER_RECOVERED if frame.recovered else LEDGER_RECEIVED
        self.received += 1
        self._waiting[frame.frame] = frame.data
        self._waiting_bytes += frame.data.nbytes
        return Arrival.NEW

    def runs(self, *, last: bool = False, sparing: bool = False) -> list[Run]:
        """Runs of consecutive slices that may go to the kernels now, whole slabs only; with `last`,
        everything that waits, holes skipped; with `sparing`, no more than memory is short of: the
        newest stay, as they show which layer follows."""
        runs: list[Run] = []
        most, unit = len(self.ledger), 1 if last else kernels.SLAB
        if sparing:
            spare = max(1, len(self._waiting) - NEWEST)
            most = unit = kernels.SLAB if spare >= kernels.SLAB else min(kernels.GROUP, spare)
        while (self.full or not sparing) and (run := self._take_run(most, unit)):
            runs.append(run)
        while self._waiting and (last or self.full):
            self._next = min(self._waiting)
            if run := self._take_run(most, 1):
                runs.append(run)
        return runs

    def vertical(self) -> list[tuple[int, NDArray[np.generic]]]:
        """For axis y: all slices that wait, in order; each holds whole columns."""
        taken = sorted(self._waiting.items())
        self._waiting.clear()
        self._waiting_bytes = 0
        return taken

    def _take_run(self, most: int, unit: int) -> Run | None:
        """The next slices, at most so many; of a multiple of `unit`, unless they are the last."""
        first = end = self._next
        while end in self._waiting and end - first < most:
            end += 1
        if end < len(self.ledger):
            end -= (end - first) % unit
        if end == first:
            return None
        slices = tuple(self._waiting.pop(z) for z in range(first, end))
        self._waiting_bytes -= sum(image.nbytes for image in slices)
        self._next = end
        return first, slices
