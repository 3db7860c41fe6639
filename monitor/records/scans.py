"""Results of a scan: its maps, pits and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.records.cycler import SETTLED_CHARGE
from monitor.records.pits import Pit
from monitor.records.slices import ScanKey, ScanStart

LEDGER_MISSING, LEDGER_RECEIVED, LEDGER_RECOVERED = 0, 1, 2


Scalar = str | bool | int | float | None
Summary = Mapping[str, Scalar]
"""Numbers, flags and texts of a scan by their names in `/entry/summary`; None = unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class ScanResult:
    """All that is computed of one scan.

    `maps` holds (ny, nx) float32 arrays by the names in `quantities.table.MAPS`, lengths in
    `length_unit`; NaN = not measurable; a map that has no meaning yet is absent.
    `pit_labels` is (ny, nx) int32, the pit id of each pixel, 0 = none. `summary` holds the scalars
    of `/entry/summary`; None = unknown. While the scan runs, `provisional` is true; until no slice
    to come can change the heights, only `height` and `bottom` are there then.
    """

    start: ScanStart
    provisional: bool
    complete: bool
    ledger: NDArray[np.uint8]
    maps: Mapping[str, NDArray[np.float32]]
    pit_labels: NDArray[np.int32] | None
    pits: tuple[Pit, ...]
    summary: Summary

    @property
    def key(self) -> ScanKey:
        return self.start.key

    @property
    def preliminary(self) -> bool:
        """Whether readings to come may change the numbers that depend on the charge."""
        return is_preliminary(self.summary)


def number_of(summary: Summary, name: str) -> float | None:
    """A number of a summary; None if it is unknown."""
    value = summary.get(name)
    return None if isinstance(value, str) else value


def is_preliminary(summary: Summary) -> bool:
    """Whether readings to come may change the numbers of a summary that depend on the charge."""
    return (summary.get("charge_state") or "final") not in SETTLED_CHARGE
