"""All that a session remembers of one cell."""

from __future__ import annotations

from monitor.core.analysis import CellAnalysis
from monitor.core.arrival.cell_scans import CellScans
from monitor.core.channels.history import ChannelHistories
from monitor.core.cycler.history import CyclerHistory
from monitor.core.cycler.time_checks import TimeChecks
from monitor.core.interface.levels import Levels
from monitor.core.plating import Measured
from monitor.core.watchdog.watchdog import CellWatch
from monitor.records import ScanResult
from monitor.records.state import ScanProgress
from monitor.settings import CellSettings, Settings


class Cell:
    """Its cycler, its scans and what was found in them. `levels`: grey levels of its last scan;
    `last_scan`: its number, or -1."""

    def __init__(self, cell: CellSettings, settings: Settings, channels: ChannelHistories) -> None:
        self.settings = cell
        self.history = CyclerHistory(cell)
        self.analysis = CellAnalysis(cell, settings.pits, self.history, settings.schedule.period_s)
        self.watch = CellWatch(
            cell.name,
            settings.watch,
            settings.schedule.period_s,
            channels=lambda: channels.of(cell.name),
        )
        self.times = TimeChecks(cell)
        self.scans = CellScans()
        self.levels: Levels | None = None
        self.last_scan = -1

    def finish(self, measured: Measured) -> ScanResult:
        """All maps, pits and numbers of a scan that has been measured, or is as good as that."""
        if not measured.running:
            self._concluded(measured)
        return self.analysis.finish(measured)

    def complete(self, measured: Measured) -> ScanResult:
        """The result of a scan that was judged while it ran, with all slices that arrived."""
        self._concluded(measured)
        return self.analysis.complete(measured)

    def _concluded(self, measured: Measured) -> None:
        self.levels = measured.levels or self.levels
        self.last_scan = measured.start.key.scan

    @property
    def progress(self) -> ScanProgress | None:
        """The newest open scan, JSON-ready; None if there is none."""
        if not self.scans.open:
            return None
        *_, scan = self.scans.open
        return {
            "scan": scan.start.key.scan,
            "reason": scan.start.reason,
            "start_time": scan.start.start_time,
            "received": scan.received,
            "slices": scan.start.slice_count,
        }

    @property
    def reference_charge_mAh(self) -> float | None:
        """Net charge that its reference scan found stripped; None before there is one."""
        since = self.analysis.reference_time
        return None if since is None else self.history.charge_at(since)
