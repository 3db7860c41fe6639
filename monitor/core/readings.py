"""Documents → the cells' readings and channels; whether the times of readings and scans agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from monitor.core.cell import Cell
from monitor.core.channels.documents import ChannelDocuments
from monitor.core.channels.history import ChannelHistories
from monitor.core.cycler.documents import Documents
from monitor.core.cycler.time_checks import no_current, scan_times
from monitor.core.outputs import Outputs
from monitor.errors import BadMessage
from monitor.records import (
    ChannelValue,
    CyclerClock,
    CyclerDocument,
    CyclerPoint,
    CyclerReading,
    ScanResult,
    ScanStart,
)
from monitor.settings import Settings


class Readings:
    """Takes all documents. `points` and `channel_values`: what the last one has added to the
    histories; `heard`: the cells that it was of, whether its readings are used or not."""

    def __init__(
        self,
        settings: Settings,
        cells: Mapping[str, Cell],
        out: Outputs,
        channels: ChannelHistories,
    ) -> None:
        """`out`: receives the events and counts of readings and their times; `channels`: receives
        the values of channels."""
        self.counts: Counter[str] = Counter()
        self.points: list[CyclerPoint] = []
        self.channel_values: list[ChannelValue] = []
        self.heard: set[str] = set()
        self._channels = channels
        self._channel_documents = ChannelDocuments(settings)
        self._cells = cells
        self._out = out
        self._documents = Documents(settings)
        self._concluded: dict[str, ScanStart] = {}

    @property
    def ended_runs(self) -> frozenset[str]:
        """Cells whose cycler has ended its run and begun no other."""
        return self._documents.ended

    def forget(self) -> None:
        """Another record is fed: nothing has been added by it yet."""
        self.points, self.channel_values, self.heard = [], [], set()

    def document(self, document: CyclerDocument) -> list[str]:
        """Takes in a document; returns the cells whose histories have grown."""
        self.counts["documents"] += 1
        taken = self._documents.take(document)
        self.heard = taken.heard
        for problem in taken.problems:
            self._out.refuse("documents", problem)
        for notice in taken.notices:
            self._out.news(self._cells[notice.cell].watch.notice(notice))
        for name in self._documents.ended:
            self._out.news(self._cells[name].watch.run_ended())
        for name, time in taken.withdrawn:
            self._cells[name].history.withdraw(time)
        self._take_channels(document)
        for reading in taken.readings:
            self._out.time = max(self._out.time, reading.time)
            self.counts["readings"] += 1
            self._reading(self._cells[reading.cell], reading)
        self._check_channels()
        return list(dict.fromkeys(point.reading.cell for point in self.points))

    def _take_channels(self, document: CyclerDocument) -> None:
        taken = self._channel_documents.take(document)
        for problem in taken.problems:
            self._out.refuse("documents", problem)
        for value in taken.values:
            self._channels.add(value)
        self.channel_values = taken.values

    def _check_channels(self) -> None:
        """Reports channels that have had no value."""
        self._out.news(self._channel_documents.missing.news(self._out.time))

    def _reading(self, cell: Cell, reading: CyclerReading) -> None:
        try:
            cell.history.add(reading)
        except BadMessage as error:  # of a page of readings, the others are still good
            self._out.refuse("documents", error)
        new = cell.history.take_new()
        self.points += new
        signs = cell.times.accepted() if new else cell.times.refused(reading, cell.history.times)
        self._out.news(cell.watch.times(signs))
        cell.watch.told(cell.history.times[-1])

    # --- times ----------------------------------------------------------------------------------

    def started(self, start: ScanStart) -> None:
        """A header was received: its times are compared with those of the readings."""
        cell = self._cells[start.key.cell]
        start = cell.scans.named(start)
        if start.key in cell.scans.open:
            signs = [scan_times(start), *cell.times.started(start, cell.history.times)]
            self._out.news(cell.watch.times(signs, scan=start.key.scan))

    def clock(self, clock: CyclerClock) -> None:
        """How the readings of a cell stand against the clock of the machine."""
        cell = self._cells.get(clock.cell)
        if cell is not None:
            self._out.news(cell.watch.times(cell.times.clock(clock, cell.history.times)))

    def concluded(self, result: ScanResult) -> None:
        """A scan was concluded just now, or its numbers corrected."""
        cell = self._cells[result.key.cell]
        self._check_channels()
        signs = cell.times.concluded(result.start.time, cell.history.times)
        self._out.news(cell.watch.times(signs, scan=result.key.scan))
        self._concluded[result.key.cell] = result.start
        self.check_charge(result.key.cell)

    def check_charge(self, name: str) -> None:
        """Whether readings that reach the newest scan of a cell have a current or charge."""
        cell, start = self._cells[name], self._concluded.get(name)
        if start is None:
            return
        lacking, scan = cell.history.lacks_charge(start.time), start.key.scan
        if lacking or cell.history.covers(start.time):
            refused = cell.history.refused_currents
            sign = no_current(cell.settings, scan, lacking=lacking, refused=refused)
            self._out.news(cell.watch.times([sign], scan=scan))
