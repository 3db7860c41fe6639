"""A scan whose slices are measured elsewhere: here only the books are kept of what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from monitor.core.arrival.running_scan import RunningScan
from monitor.core.interface.heights import Heights
from monitor.core.plating import Measured
from monitor.records import SliceFrame


class UnmeasuredScan(RunningScan):
    """Takes slices for their place in the books, not for their pixels, which may be anything that
    has the shape and type; all are alike, so that one tells whether they are finite.

    `came`: index of each slice of the maps, and whether it was recovered, in the order in which
    they came.
    """

    def __init__(
        self, *begun: Any, measured: Callable[[UnmeasuredScan], Measured | None], **named: Any
    ) -> None:
        """`begun`, `named`: as for `RunningScan`; `measured`: asked once, at the scan's end, for
        what was measured elsewhere."""
        super().__init__(*begun, **named)
        self.came: list[tuple[int, bool]] = []
        self._measured = measured

    def _any_not_finite(self, frame: SliceFrame) -> bool:
        pixels: np.ndarray[Any, np.dtype[Any]] = frame.data
        return bool(pixels.size) and not np.isfinite(pixels.flat[0])

    def _take(self, frame: SliceFrame) -> None:
        self.came.append((frame.frame, frame.recovered))

    def provisional(self) -> Heights | None:
        return None

    def finish(self) -> Measured | None:
        return self._measured(self)
