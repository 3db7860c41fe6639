"""Documents and readings of a cycler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ChargeState = Literal[
    "final", "interpolated", "extrapolated", "preliminary", "unknown", "none"
]  # fmt: skip
"""On what a scan's charge rests: on readings up to its time; on two that lie far apart around it;
on the current of the last one, held for a stated time; on readings that are still missing; the
readings begin after the scan; there are none."""
SETTLED_CHARGE = ("final", "interpolated", "unknown")
"""Readings to come cannot change these."""


@dataclass(frozen=True, slots=True)
class CyclerReading:
    """One reading of the cycler; NaN where the feed does not carry a quantity."""

    cell: str
    time: float
    potential_V: float = float("nan")
    current_mA: float = float("nan")
    charge_mAh: float = float("nan")
    cycle: float = float("nan")
    step: float = float("nan")


@dataclass(frozen=True, slots=True)
class CyclerPoint:
    """A reading as it is in its cell's history: what it did not carry is held from those
    before. `stripped_mAh`: net charge stripped since the first reading. A point that is not later
    than the one before stands for that one and all that are not earlier; where `since` is given,
    for all from that time on, UTC s. `measured`: what it did carry."""

    reading: CyclerReading
    stripped_mAh: float
    measured: CyclerReading | None = None
    since: float | None = None

    @property
    def replaces_from(self) -> float:
        """Readings from this time on, UTC s, that were told of before are replaced."""
        return self.reading.time if self.since is None else min(self.since, self.reading.time)


@dataclass(frozen=True, slots=True)
class CyclerDocument:
    """One bluesky document of the cycler's feed; `name` is start, descriptor, event, …"""

    name: str
    doc: Mapping[str, Any]
