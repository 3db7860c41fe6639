"""One record in, events out: the whole way of the data, read top to bottom.

Records arrive; scans whose turn it is are measured and judged; what follows is reported. The
session reads no clock and touches no socket or file. The same records in the same order give the
same events and maps, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from monitor.core import scan_events
from monitor.core.arrival.measurement import Measure, SliceMeasurement
from monitor.core.arrival.outstanding import Outstanding
from monitor.core.arrival.running_scan import RunningScan
from monitor.core.cell import Cell
from monitor.core.channels.history import ChannelHistories
from monitor.core.intake import Arrived, Intake, Settled
from monitor.core.outputs import Outputs
from monitor.core.parallel import all_cores
from monitor.core.plating import Measured
from monitor.core.policy.orders import ScanRequests
from monitor.core.policy.rules import Situation
from monitor.core.readings import Readings
from monitor.core.watchdog.connections import Connections
from monitor.errors import BadMessage
from monitor.records import (
    Acknowledgement,
    BadInput,
    ChannelValue,
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
from monitor.records.state import Feeds, Policy, ScanProgress, Watch
from monitor.settings import Settings


class Session:
    """Everything between the wire and the results."""

    def __init__(
        self, settings: Settings, measure: Measure = SliceMeasurement, *, identity: str = ""
    ) -> None:
        """`measure`: begins the measurement of a scan; `identity`: of the recording, so that ids of
        requests are its own."""
        channels = ChannelHistories(settings)
        self._cells = {cell.name: Cell(cell, settings, channels) for cell in settings.cells}
        self._requests = ScanRequests(settings, identity)
        self._connections = Connections()
        self._out = Outputs(self._requests.alarms)
        self._early = settings.onset.early_verdict
        self._slices = Intake(self._cells, settings.feeds, self._out, measure, early=self._early)
        self._readings = Readings(settings, self._cells, self._out, channels)
        self._replies = 0

    def named(self, record: Record) -> Record:
        """A record as it will be taken: a header has the number under which its scan is known."""
        return self._slices.named(record) if isinstance(record, ScanStart) else record

    def feed(self, record: Record) -> tuple[Output, ...]:
        """Take one record; returns what follows from it, in order."""
        self._out.now = []
        self._readings.forget()
        try:
            self._take(record)
        except BadMessage as error:
            self._out.refuse(_feed_of(record), error)
        concluded = [o for o in self._out.now if isinstance(o, ScanResult) and not o.provisional]
        for result in concluded:
            self._readings.concluded(result)
        return tuple(self._out.now)

    # --- arrive ---------------------------------------------------------------------------------

    def _take(self, record: Record) -> None:
        """Raises BadMessage if it cannot be used."""
        match record:
            case SliceFrame():
                self._follow(self._slices.slice(record))
            case ScanStart():
                self._follow(self._slices.start(record))
                self._readings.started(record)
            case ScanEnd():
                self._follow(self._slices.end(record))
            case FeedQuiet():
                self._follow(self._slices.quiet(record))
            case CyclerDocument():
                for name in self._readings.document(record):
                    self._correct(self._cells[name])
                    self._follow(self._slices.settled(name))
                    self._readings.check_charge(name)
            case CyclerClock():
                self._readings.clock(record)
            case ScanReply():
                self._replies += 1
                self._out.news(self._requests.reply(record))
            case OperatorRequest() | PolicyChange() | OperatorNote() | Acknowledgement():
                self._order(record)
            case FeedSilence():
                self._silence(record)
            case RecordingTrouble():
                self._out.news(self._requests.recording(record))
            case ConnectionChange():
                self._out.news(self._connections.take(record))
            case BadInput():
                error = BadMessage(record.kind, record.text)
                self._out.refuse(record.feed, error, record.count)

    def _follow(self, arrivals: Iterable[Arrived]) -> None:
        """Scans that have begun, and those whose turn it is, in order."""
        for arrived in arrivals:
            if isinstance(arrived, ScanStart):
                self._out.news(self._requests.started(arrived))
                self._out.news(self._cells[arrived.key.cell].watch.started(arrived))
                continue
            with all_cores():
                if isinstance(arrived, Settled):
                    self._judge_early(arrived.scan)
                else:
                    self._conclude(arrived)

    def _order(self, order: Order) -> None:
        cell = self._cells.get(order.cell)
        last_scan = -1 if cell is None else cell.last_scan
        self._out.news(self._requests.order(order, last_scan, self._out.time))

    def _silence(self, silence: FeedSilence) -> None:
        """A part of a feed is late, by the clock of the machine."""
        cell = self._cells.get(silence.cell)
        if cell is not None:
            self._out.news(cell.watch.silence(silence, scanning=bool(cell.scans.open)))

    # --- measure --------------------------------------------------------------------------------

    def _judge_early(self, scan: RunningScan) -> None:
        """The verdict on a running scan: no slice to come can change it."""
        cell, measured = self._cells[scan.start.key.cell], scan.early()
        if measured is not None:
            self._judge(cell, measured, cell.finish(measured), scan.time)

    def _conclude(self, scan: RunningScan) -> None:
        """Maps, pits and verdict of a scan whose turn it is; or all its slices, if it has been
        judged."""
        cell = self._cells[scan.start.key.cell]
        made_again = cell.scans.is_made_again(scan)
        measured = scan.finish()
        if measured is None:
            self._out.news([scan_events.nothing_came(scan.start)])
        else:
            measured = replace(measured, made_again=made_again)
            self._out.time = max(self._out.time, scan.start.stop_time)
            if scan.judged:
                self._complete(cell.complete(measured))
            else:
                self._judge(cell, measured, cell.finish(measured), scan.start.stop_time)
        whole = measured is not None and (scan.whole or (scan.ended and not made_again))
        self._out.news(self._requests.ended(scan.start, scan.received, whole=whole))
        if not cell.scans.open:
            self._out.news(cell.watch.concluded(scan.start.key.scan))

    # --- judge and tell -------------------------------------------------------------------------

    def _judge(self, cell: Cell, measured: Measured, result: ScanResult, at: float) -> None:
        """What a scan says: whether another one is asked for, and what is wrong with it. `at`: how
        far the data are then, UTC s."""
        decision = self._requests.judge(Situation.of(result, cell.settings.foil_thickness_um))
        if self._early:
            self._out.news([scan_events.verdict(result, decision, at)])
        if result.provisional:
            self._out.add(result)
        else:
            self._complete(result)
        self._out.news(cell.watch.judge(result, cell.analysis.doubt, at))
        self._out.news(self._requests.decided(result, decision, at))
        if not result.preliminary:
            self._check_deposit(cell, measured)

    def _complete(self, result: ScanResult) -> None:
        """Nothing more comes of a scan."""
        self._out.add(result)
        self._out.news([scan_events.complete(result)])
        self._out.news(scan_events.slices_missing(result))

    def _correct(self, cell: Cell) -> None:
        """Scans that waited for readings are judged by them, oldest first."""
        for correction in cell.analysis.corrections():
            result = correction.after
            self._out.add(result)
            self._out.news([scan_events.corrected(correction)])
            self._out.news(cell.watch.judge_charge(result))
            situation = Situation.of(result, cell.settings.foil_thickness_um)
            decision = self._requests.judge_charge(situation)
            if decision is not None:
                at = result.start.stop_time
                self._out.news(self._requests.decided(result, decision, at, corrected=True))
            self._check_deposit(cell, correction.measured)
        self._out.news(map(scan_events.not_corrected, cell.analysis.not_corrected()))

    def _check_deposit(self, cell: Cell, measured: Measured) -> None:
        """Whether a porous deposit was looked for must have been known when the scan began."""
        if not measured.plated and cell.history.plated_by(measured.start.stop_time):
            self._out.news([scan_events.deposit_unknown(measured)])

    # --- what is known so far -------------------------------------------------------------------

    @property
    def outstanding(self) -> Outstanding:
        """What the open scans lack."""
        return self._slices.outstanding

    @property
    def running(self) -> dict[str, ScanProgress | None]:
        """The scan that each cell is in the middle of, JSON-ready."""
        return {name: cell.progress for name, cell in self._cells.items()}

    @property
    def feeds(self) -> Feeds:
        """Counters of the feeds, JSON-ready."""
        return {
            "slices": {
                "messages": self._slices.counts["slices"],
                "bytes": self._slices.counts["bytes"],
                "gaps": self._slices.gaps,
                "recovered": self._slices.counts["recovered"],
                "repeats": self._slices.counts["repeats"],
                "late": self._slices.counts["late"],
                "bad": dict(self._out.bad["slices"]),
            },
            "documents": {
                "messages": self._readings.counts["documents"],
                "readings": self._readings.counts["readings"],
                "bad": dict(self._out.bad["documents"]),
            },
            "requests": {
                "messages": self._replies,
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
        return tuple(self._readings.points)

    @property
    def channel_values(self) -> tuple[ChannelValue, ...]:
        """What the last record has added to the histories of the channels."""
        return tuple(self._readings.channel_values)

    @property
    def heard(self) -> frozenset[str]:
        """The cells whose cycler the last record was of, whether its readings are used or not."""
        return frozenset(self._readings.heard)

    @property
    def reference_charges_mAh(self) -> dict[str, float | None]:
        """Net charge that each cell's reference scan found stripped; None before there is one."""
        return {name: cell.reference_charge_mAh for name, cell in self._cells.items()}

    def plated_by(self, cell: str, time: float) -> bool:
        """Whether lithium has been plated in a cell by `time`, as far as readings have arrived."""
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
            n: c.watch.overdue(scanning=bool(c.scans.open) or n in self._readings.ended_runs)
            for n, c in self._cells.items()
        }

    @property
    def silences(self) -> list[tuple[SilentFeed, str, SilenceState]]:
        """(feed, cell, state) of what has been received so far: late or dead where that was
        reported."""
        told: list[tuple[SilentFeed, str, SilenceState]] = []
        for name, cell in self._cells.items():
            if cell.scans.open:
                told.append(("slices", name, cell.watch.silence_of("slices")))
            if cell.history.last is not None:
                told.append(("documents", name, cell.watch.silence_of("documents")))
        return told

    @property
    def troubles(self) -> list[TroublePart]:
        """Which troubles of the engine itself last, as far as was reported."""
        return list(self._requests.troubles)

    @property
    def lost_connections(self) -> tuple[ConnectionChange, ...]:
        """Connections that are lost, as far as was reported."""
        return self._connections.lost

    @property
    def ended_runs(self) -> frozenset[str]:
        """Cells whose cycler has ended its run and begun no other."""
        return self._readings.ended_runs

    @property
    def unserved(self) -> list[ScanRequest]:
        """Requests whose scan has not been seen to begin."""
        return self._requests.unserved


def _feed_of(record: Record) -> str:
    match record:
        case CyclerDocument():
            return "documents"
        case OperatorRequest() | PolicyChange() | OperatorNote() | Acknowledgement():
            return "operator"
    return "slices"
