"""One record in, events out: the whole way of the data, read top to bottom.

The session reads no clock and touches no socket or file. The same records in the same order give
the same events and maps, bit by bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from monitor.core.arrival.running_scan import RunningScan
from monitor.core.cell import Cell
from monitor.core.cycler.documents import Documents
from monitor.core.cycler.time_checks import no_current, scan_times
from monitor.core.intake import Intake
from monitor.core.outputs import Outputs
from monitor.core.policy.orders import ScanRequests
from monitor.core.watchdog.connections import Connections
from monitor.errors import BadMessage
from monitor.records import (
    Acknowledgement,
    BadInput,
    ConnectionChange,
    CyclerClock,
    CyclerDocument,
    CyclerPoint,
    CyclerReading,
    FeedQuiet,
    FeedSilence,
    OperatorNote,
    OperatorRequest,
    Order,
    Output,
    PolicyChange,
    Record,
    RecordingTrouble,
    ScanEnd,
    ScanReply,
    ScanRequest,
    ScanResult,
    ScanStart,
    SilenceState,
    SilentFeed,
    SliceFrame,
    TroublePart,
)
from monitor.records.state import Feeds, Policy, Watch
from monitor.settings import Settings


class Session:
    """Everything between the wire and the results."""

    def __init__(
        self,
        settings: Settings,
        running: Callable[..., RunningScan] = RunningScan,
        *,
        identity: str = "",
    ) -> None:
        """`running`: what makes a scan that has begun, as `RunningScan` is made; `identity`: of the
        recording, so that ids of requests are its own."""
        self._cells = {cell.name: Cell(cell, settings) for cell in settings.cells}
        self._documents = Documents(settings)
        self._requests = ScanRequests(settings, identity)
        self._connections = Connections()
        self._out = Outputs(self._requests.alarms)
        self.slices = Intake(self._cells, settings.feeds, self._requests, self._out, running)
        self._counts: Counter[str] = Counter()
        self._points: list[CyclerPoint] = []
        self._heard: set[str] = set()
        self._concluded: dict[str, ScanStart] = {}

    def named(self, record: Record) -> Record:
        """A record as it will be taken: a header has the number under which its scan is known."""
        return self.slices.named(record) if isinstance(record, ScanStart) else record

    def feed(self, record: Record) -> tuple[Output, ...]:
        """Take one record; returns what follows from it, in order."""
        self._out.now, self._points, self._heard = [], [], set()
        try:
            match record:
                case SliceFrame():
                    self.slices.slice(record)
                case ScanStart():
                    self.slices.start(record)
                    self._started(record)
                case ScanEnd():
                    self.slices.end(record)
                case CyclerDocument():
                    self._document(record)
                case ScanReply():
                    self._counts["replies"] += 1
                    self._out.news(self._requests.reply(record))
                case OperatorRequest() | PolicyChange() | OperatorNote() | Acknowledgement():
                    self._order(record)
                case FeedQuiet():
                    self.slices.quiet(record)
                case FeedSilence():
                    self._silence(record)
                case CyclerClock():
                    self._clock(record)
                case RecordingTrouble():
                    self._out.news(self._requests.recording(record))
                case ConnectionChange():
                    self._out.news(self._connections.take(record))
                case BadInput():
                    error = BadMessage(record.kind, record.text)
                    self._out.refuse(record.feed, error, record.count)
        except BadMessage as error:
            self._out.refuse(_feed_of(record), error)
        self._check_times()
        return tuple(self._out.now)

    @property
    def feeds(self) -> Feeds:
        """Counters of the feeds, JSON-ready."""
        return {
            "slices": {
                "messages": self.slices.counts["slices"],
                "bytes": self.slices.counts["bytes"],
                "gaps": self.slices.gaps,
                "recovered": self.slices.counts["recovered"],
                "repeats": self.slices.counts["repeats"],
                "late": self.slices.counts["late"],
                "bad": dict(self._out.bad["slices"]),
            },
            "documents": {
                "messages": self._counts["documents"],
                "readings": self._counts["readings"],
                "bad": dict(self._out.bad["documents"]),
            },
            "requests": {
                "messages": self._counts["replies"],
                "bad": dict(self._out.bad["requests"]),
            },
        }

    @property
    def cycler(self) -> dict[str, CyclerReading]:
        """The last reading of each cell that has one."""
        return {n: c.history.last for n, c in self._cells.items() if c.history.last is not None}

    @property
    def points(self) -> tuple[CyclerPoint, ...]:
        """What the last record has added to the histories of the cyclers."""
        return tuple(self._points)

    @property
    def heard(self) -> frozenset[str]:
        """The cells whose cycler the last record was of, whether its readings are used or not."""
        return frozenset(self._heard)

    @property
    def reference_charges_mAh(self) -> dict[str, float | None]:
        """Net charge that each cell's reference scan found stripped; None before there is one."""
        return {name: self._reference_charge(cell) for name, cell in self._cells.items()}

    def plated_by(self, cell: str, time: float) -> bool:
        """Whether lithium has been plated in a cell by `time`, as far as readings have come."""
        return self._cells[cell].history.plated_by(time)

    @property
    def policies(self) -> dict[str, Policy]:
        """Each cell's policy: mode, budget, what it has spent, and why it could not ask now."""
        return self._requests.policies(self._out.time)

    @property
    def watches(self) -> dict[str, Watch]:
        """What the watch over each cell says beyond its alarms, JSON-ready."""
        return {name: cell.watch.state for name, cell in self._cells.items()}

    @property
    def overdue(self) -> dict[str, tuple[SilenceState, float]]:
        """Whether a scan is late or dead by the time of its cell, and for how long, s; none is
        expected once the cycler's run has ended."""
        return {
            n: c.watch.overdue(scanning=bool(c.scans.open) or n in self._documents.ended)
            for n, c in self._cells.items()
        }

    @property
    def silences(self) -> list[tuple[SilentFeed, str, SilenceState]]:
        """(feed, cell, state) of what has been heard so far: late or dead where that was told."""
        told: list[tuple[SilentFeed, str, SilenceState]] = []
        for name, cell in self._cells.items():
            if cell.scans.open:
                told.append(("slices", name, cell.watch.silence_of("slices")))
            if cell.history.last is not None:
                told.append(("documents", name, cell.watch.silence_of("documents")))
        return told

    @property
    def troubles(self) -> list[TroublePart]:
        """Which troubles of the engine itself last, as far as was told."""
        return list(self._requests.troubles)

    @property
    def lost_connections(self) -> tuple[ConnectionChange, ...]:
        """Connections that are lost, as far as was told."""
        return self._connections.lost

    @property
    def ended_runs(self) -> frozenset[str]:
        """Cells whose cycler has ended its run and begun no other."""
        return self._documents.ended

    @property
    def unserved(self) -> list[ScanRequest]:
        """Requests whose scan has not been seen to begin."""
        return self._requests.unserved

    # --- cycler, operator, silence ----------------------------------------------------------------

    def _document(self, document: CyclerDocument) -> None:
        self._counts["documents"] += 1
        taken = self._documents.take(document)
        self._heard = taken.heard
        for problem in taken.problems:
            self._out.refuse("documents", problem)
        for notice in taken.notices:
            self._out.news(self._cells[notice.cell].watch.notice(notice))
        for name in self._documents.ended:
            self._out.news(self._cells[name].watch.run_ended())
        for name, time in taken.withdrawn:
            self._cells[name].history.withdraw(time)
        for reading in taken.readings:
            self._out.time = max(self._out.time, reading.time)
            self._counts["readings"] += 1
            self._reading(self._cells[reading.cell], reading)
        for name in dict.fromkeys(point.reading.cell for point in self._points):
            self.slices.readings_arrived(name)
            self._check_charge(self._cells[name])

    def _reading(self, cell: Cell, reading: CyclerReading) -> None:
        try:
            cell.history.add(reading)
        except BadMessage as error:  # of a page of readings, the others are still good
            self._out.refuse("documents", error)
        new = cell.history.take_new()
        self._points += new
        signs = cell.times.accepted() if new else cell.times.refused(reading, cell.history.times)
        self._out.news(cell.watch.times(signs))
        cell.watch.told(cell.history.times[-1])

    def _started(self, start: ScanStart) -> None:
        """A header was heard: its times are held against those of the readings."""
        cell = self._cells[start.key.cell]
        start = cell.scans.named(start)
        if start.key in cell.scans.open:
            signs = [scan_times(start), *cell.times.started(start, cell.history.times)]
            self._out.news(cell.watch.times(signs, scan=start.key.scan))

    def _clock(self, clock: CyclerClock) -> None:
        """How the readings of a cell stand against the clock of the machine."""
        cell = self._cells.get(clock.cell)
        if cell is not None:
            self._out.news(cell.watch.times(cell.times.clock(clock, cell.history.times)))

    def _check_times(self) -> None:
        """Of scans that were concluded just now."""
        for result in [o for o in self._out.now if isinstance(o, ScanResult) and not o.provisional]:
            cell = self._cells[result.key.cell]
            signs = cell.times.concluded(result.start.time, cell.history.times)
            self._out.news(cell.watch.times(signs, scan=result.key.scan))
            self._concluded[result.key.cell] = result.start
            self._check_charge(cell)

    def _check_charge(self, cell: Cell) -> None:
        """Whether readings that reach the newest scan have a current or charge."""
        start = self._concluded.get(cell.settings.name)
        if start is None:
            return
        lacking, scan = cell.history.lacks_charge(start.time), start.key.scan
        if lacking or cell.history.covers(start.time):
            refused = cell.history.refused_currents
            sign = no_current(cell.settings, scan, lacking=lacking, refused=refused)
            self._out.news(cell.watch.times([sign], scan=scan))

    @staticmethod
    def _reference_charge(cell: Cell) -> float | None:
        since = cell.analysis.reference_time
        return None if since is None else cell.history.charge_at(since)

    def _order(self, order: Order) -> None:
        cell = self._cells.get(order.cell)
        last_scan = -1 if cell is None else cell.last_scan
        self._out.news(self._requests.order(order, last_scan, self._out.time))

    def _silence(self, silence: FeedSilence) -> None:
        """A part of a feed is late, by the clock of the machine."""
        cell = self._cells.get(silence.cell)
        if cell is not None:
            self._out.news(cell.watch.silence(silence, scanning=bool(cell.scans.open)))


def _feed_of(record: Record) -> str:
    match record:
        case CyclerDocument():
            return "documents"
        case OperatorRequest() | PolicyChange() | OperatorNote() | Acknowledgement():
            return "operator"
    return "slices"
