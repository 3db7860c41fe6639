"""Where the scans of files lie on the cycler's time axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.sources.cyclers.table import CyclerTable

CyclerTime = Literal["own", "scaled"]
DEFAULT_INTERVAL_S = 1800.0
SCAN_PART = 0.1
"""Part of the interval between two scans that a scan itself takes."""


@dataclass(frozen=True, slots=True)
class ScanWindow:
    """Start and stop of one scan, UTC s of the data."""

    start: float
    stop: float

    def at(self, part: float) -> float:
        """The time after this part (0 to 1) of the scan."""
        return self.start + part * (self.stop - self.start)


def reading_origin(table: CyclerTable, now: float) -> float:
    """UTC s of the file's time 0; a file without a start time begins `now`."""
    if table.start_time is not None:
        return table.start_time
    return now - float(table.time_s[0]) if len(table) else now


def scan_windows(
    count: int, times: NDArray[np.float64], mode: CyclerTime, interval_s: float, now: float
) -> list[ScanWindow]:
    """The windows of `count` scans.

    "own": from the first reading on (without readings: from `now` on), one every `interval_s`.
    "scaled": spread evenly so that the first begins with the first reading and the last ends with
    the last one.
    """
    begin = float(times.min()) if times.size else now
    if mode == "scaled" and times.size and times.max() > begin:
        interval_s = float(times.max() - begin) / (count - 1 + SCAN_PART)
    starts = [begin + index * interval_s for index in range(count)]
    return [ScanWindow(start, start + SCAN_PART * interval_s) for start in starts]
