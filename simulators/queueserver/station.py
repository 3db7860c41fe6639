"""One cell at the simulated station: its device, the number of its next scan and its time.

The RE manager may be killed at any moment. What must outlive it is in a small file that is
written before a scan begins: no number is used twice, and the cell continues where it stood.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

from monitor.records import Reason
from monitor.settings import Settings
from monitor.sources.feeds.slices import SliceSocket
from simulators import build
from simulators.build import FIRST_MOMENT
from simulators.build import LONGEST_SCAN_S as SCAN_S
from simulators.devices.scan import ScanOrder
from simulators.truth.protocol import CellTime, Program


@dataclass(slots=True)
class Progress:
    """What outlives the RE manager. `run` names the series of scans that `scans` counts."""

    run: str = field(default_factory=lambda: str(uuid.uuid4()))
    scans: int = 0
    periodic: int = 0
    time: float = FIRST_MOMENT


class Station:
    """Orders scans of one cell. `memory`: file of its Progress, None = nothing outlives."""

    def __init__(
        self, settings: Settings, index: int, slices: SliceSocket, memory: Path | None
    ) -> None:
        _, simulated = build.paired(settings)[index]
        self.name = settings.cells[index].name
        self._memory = memory
        self._period_s = settings.schedule.period_s
        self._progress = _recalled(memory)
        self._time = CellTime(self._progress.time)
        self.tomograph = build.tomograph(
            settings,
            index,
            Program(simulated.steps, FIRST_MOMENT + SCAN_S),
            scan_s=SCAN_S,
            slices=slices,
            time=self._time,
            stop=threading.Event(),
        )

    def periodic(self) -> ScanOrder:
        """The next scan of the schedule; the cell's time continues to when it is due."""
        self._time.reach(FIRST_MOMENT + self._progress.periodic * self._period_s)
        reason: Reason = "periodic" if self._progress.periodic else "reference"
        self._progress.periodic += 1
        return self._order(reason, "")

    def extra(self, reason: Reason, request: str) -> ScanOrder:
        """A scan at the present time of the cell that answers a request."""
        return self._order(reason, request)

    def _order(self, reason: Reason, request: str) -> ScanOrder:
        order = ScanOrder(self._progress.run, self._progress.scans, reason, request)
        self._progress.scans += 1
        self._progress.time = self._time.now + SCAN_S
        if self._memory is not None:
            part = self._memory.with_suffix(".part")
            part.write_text(json.dumps(asdict(self._progress)), "utf-8")
            part.replace(self._memory)
        return order

    def ended(self) -> None:
        """The scan is over, and so is its time."""
        self._time.reach(self._progress.time)


def _recalled(memory: Path | None) -> Progress:
    if memory is None or not memory.exists():
        return Progress()
    return Progress(**json.loads(memory.read_text("utf-8")))
