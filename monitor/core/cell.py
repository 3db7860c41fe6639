"""All that a session remembers of one cell."""

from __future__ import annotations

from monitor.core.analysis import CellAnalysis
from monitor.core.arrival.scan_queue import CellScans
from monitor.core.cycler.history import CyclerHistory
from monitor.core.cycler.time_checks import TimeChecks
from monitor.core.interface.grey_levels import Levels
from monitor.core.watchdog.watchdog import CellWatch
from monitor.settings import CellSettings, Settings


class Cell:
    """Its cycler, its scans and what was found in them. `levels`: grey levels of its last scan;
    `last_scan`: its number, or -1."""

    def __init__(self, cell: CellSettings, settings: Settings) -> None:
        self.settings = cell
        self.history = CyclerHistory(cell)
        self.analysis = CellAnalysis(cell, settings.pits, self.history, settings.schedule.period_s)
        self.watch = CellWatch(cell.name, settings.watch, settings.schedule.period_s)
        self.times = TimeChecks(cell)
        self.scans = CellScans()
        self.levels: Levels | None = None
        self.last_scan = -1
