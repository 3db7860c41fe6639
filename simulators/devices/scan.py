"""A scan: what is ordered, and its life in the detector until it ends or is cut."""

from __future__ import annotations

import threading
import time as wall
from dataclasses import dataclass, field

from ophyd.status import Status

from monitor.records import Reason

HALT_S = 0.02


class ScanCut(RuntimeError):
    """A scan was ended before its last slice; what was sent stays sent, its end was not."""


@dataclass(frozen=True, slots=True)
class ScanOrder:
    """Which scan comes next, and why. `request`: id of the request that it answers, or ""."""

    run: str
    scan: int
    reason: Reason
    request: str = ""


@dataclass(slots=True)
class Scan:
    """A scan under way. It halts by itself (`halt`) or with the whole beamline (`beamline`)."""

    order: ScanOrder
    begin: float
    status: Status
    beamline: threading.Event
    halt: threading.Event = field(default_factory=threading.Event)
    why: str = "the beamline was stopped"
    sent: int = 0
    thread: threading.Thread | None = None

    def is_set(self) -> bool:
        return self.halt.is_set() or self.beamline.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleeps so long unless halted; returns whether it was."""
        deadline = wall.monotonic() + seconds
        while (left_s := deadline - wall.monotonic()) > 0.0 and not self.is_set():
            self.halt.wait(min(left_s, HALT_S))
        return self.is_set()

    def cut(self, slices: int) -> ScanCut:
        """What its status fails with. `slices`: how many there would have been."""
        return ScanCut(
            f"scan {self.order.scan} was cut after {self.sent} of {slices} slices: {self.why}"
        )
