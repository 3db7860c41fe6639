"""One record in, events out: the whole way of the data, read top to bottom.

The session reads no clock and touches no socket or file. The same records in the same order give
the same events and maps, bit by bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from monitor.core.analysis import CellAnalysis, provisional
from monitor.core.assemble import Arrival
from monitor.core.calibrate import Levels
from monitor.core.cell_scans import MAX_OPEN_SCANS, CellScans
from monitor.core.cycler import CyclerHistory, Documents
from monitor.core.desk import Desk, News
from monitor.core.plating import Measured
from monitor.core.recovery import Lacking, Recovery, Unknown
from monitor.core.refine import Spare
from monitor.core.rules import Situation
from monitor.core.scan import RunningScan
from monitor.core.streams import Streams
from monitor.core.watchdog import CellWatch
from monitor.errors import BadMessage
from monitor.records import (
    Acknowledgement,
    BadInput,
    CyclerDocument,
    CyclerPoint,
    CyclerReading,
    Event,
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
    ScanKey,
    ScanReply,
    ScanRequest,
    ScanResult,
    ScanStart,
    SilenceState,
    SilentFeed,
    SliceFrame,
)
from monitor.settings import CellSettings, Settings

PROGRESS_STEPS = 20


class _Cell:
    """All that the session remembers of one cell."""

    def __init__(self, cell: CellSettings, settings: Settings) -> None:
        self.settings = cell
        self.history = CyclerHistory(cell)
        self.analysis = CellAnalysis(cell, settings.pits, self.history, settings.schedule.period_s)
        self.watch = CellWatch(cell.name, settings.watch, settings.schedule.period_s)
        self.scans = CellScans()
        self.levels: Levels | None = None
        self.last_scan = -1


class Session:
    """Everything between the wire and the results."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cells = {cell.name: _Cell(cell, settings) for cell in settings.cells}
        self._documents = Documents(settings)
        self._spare = Spare()
        self._streams = Streams()
        self._recovery = Recovery(settings.feeds)
        self._desk = Desk(settings)
        self._bad: dict[str, Counter[str]] = {
            feed: Counter() for feed in ("slices", "documents", "requests")
        }
        self._counts: Counter[str] = Counter()
        self._time = 0.0
        self._number = 0
        self._out: list[Output] = []
        self._points: list[CyclerPoint] = []

    def feed(self, record: Record) -> tuple[Output, ...]:
        """Take one record; returns what follows from it, in order."""
        self._out, self._points = [], []
        try:
            match record:
                case SliceFrame():
                    self._slice(record)
                case ScanStart():
                    self._start(record)
                case ScanEnd():
                    self._end(record)
                case CyclerDocument():
                    self._document(record)
                case ScanReply():
                    self._counts["replies"] += 1
                    self._give_out(self._desk.reply(record))
                case OperatorRequest() | PolicyChange() | OperatorNote() | Acknowledgement():
                    self._order(record)
                case FeedQuiet():
                    self._quiet(record)
                case FeedSilence():
                    self._silence(record)
                case RecordingTrouble():
                    self._give_out(self._desk.recording(record))
                case BadInput():
                    self._refuse(record.feed, BadMessage(record.kind, record.text))
        except BadMessage as error:
            self._refuse(_feed_of(record), error)
        return tuple(self._out)

    @property
    def feeds(self) -> dict[str, dict[str, Any]]:
        """Counters of the feeds, JSON-ready."""
        return {
            "slices": {
                "messages": self._counts["slices"],
                "bytes": self._counts["bytes"],
                "gaps": self._streams.lost,
                "recovered": self._counts["recovered"],
                "repeats": self._counts["repeats"],
                "late": self._counts["late"],
                "bad": dict(self._bad["slices"]),
            },
            "documents": {
                "messages": self._counts["documents"],
                "readings": self._counts["readings"],
                "bad": dict(self._bad["documents"]),
            },
            "requests": {
                "messages": self._counts["replies"],
                "bad": dict(self._bad["requests"]),
            },
        }

    @property
    def running(self) -> dict[str, dict[str, Any] | None]:
        """The scan that each cell is in the middle of, JSON-ready."""
        return {name: self._progress(cell) for name, cell in self._cells.items()}

    @property
    def cycler(self) -> dict[str, CyclerReading]:
        """The last reading of each cell that has one."""
        return {n: c.history.last for n, c in self._cells.items() if c.history.last is not None}

    @property
    def points(self) -> tuple[CyclerPoint, ...]:
        """What the last record has added to the histories of the cyclers."""
        return tuple(self._points)

    @property
    def reference_charges_mAh(self) -> dict[str, float | None]:
        """Net charge that each cell's reference scan found stripped; None before there is one."""
        return {name: self._reference_charge(cell) for name, cell in self._cells.items()}

    @property
    def policies(self) -> dict[str, dict[str, Any]]:
        """Each cell's policy: mode, budget, what it has spent, and why it could not ask now."""
        return self._desk.policies(self._time)

    @property
    def watches(self) -> dict[str, dict[str, Any]]:
        """What the watch over each cell says beyond its alarms, JSON-ready."""
        return {name: cell.watch.state for name, cell in self._cells.items()}

    @property
    def overdue(self) -> dict[str, tuple[SilenceState, float]]:
        """Whether a scan is late or dead by the time of its cell, and for how long, s."""
        return {n: c.watch.overdue(scanning=bool(c.scans.open)) for n, c in self._cells.items()}

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
    def recording_fails(self) -> bool:
        """Whether the disk refuses what is to be recorded, as far as was told."""
        return self._desk.recording_fails

    @property
    def waiting(self) -> list[str]:
        """The cells that have a scan which ended with slices still on their way."""
        return [
            name
            for name, cell in self._cells.items()
            if any(scan.ended or scan.over for scan in cell.scans)
        ]

    @property
    def held(self) -> set[str]:
        """The cells in which a scan waits for the header of one before it."""
        return {
            name
            for name, cell in self._cells.items()
            if any(self._is_held(cell, scan) for scan in cell.scans)
        }

    @property
    def unfinished(self) -> list[str]:
        """The cells that have a scan which is not finished."""
        return [name for name, cell in self._cells.items() if cell.scans.open]

    @property
    def lacking(self) -> list[Lacking]:
        """What the open scans lack that can be asked for, the oldest scan of each cell first."""
        return [
            scan.lacking(lossy=any(map(self._streams.is_lossy, scan.streams)))
            for cell in self._cells.values()
            for scan in cell.scans
            if scan.recoverable
        ]

    @property
    def pressed(self) -> bool:
        """Whether the next slice may make a scan give up one that can be asked for."""
        return any(scan.pressed for cell in self._cells.values() for scan in cell.scans)

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """Scans of which something has come, but no header."""
        return self._recovery.unknown

    @property
    def resend_addresses(self) -> tuple[str, ...]:
        """Where headers can be asked for."""
        return self._recovery.addresses

    @property
    def unserved(self) -> list[ScanRequest]:
        """Requests whose scan has not been seen to begin."""
        return self._desk.unserved

    # --- slices ---------------------------------------------------------------------------------

    def _start(self, start: ScanStart) -> None:
        self._count(start.key.cell, start)
        cell = self._cells.get(start.key.cell)
        if cell is None:
            raise BadMessage(
                "unknown_cell",
                f"slices: cell {start.key.cell[:40]!r} is not in the settings; scan refused",
            )
        if start.remark:
            self._refuse("slices", BadMessage("bad_voxel_size", start.remark))
        heard = self._recovery.found(start)
        known = cell.scans.open.get(start.key)
        if cell.scans.is_known(start):
            if known is None:
                self._counts["repeats"] += 1
            else:
                known.ask_at(start.stream, self._resend_address(start))
            return
        self._time = max(self._time, start.start_time)
        while len(cell.scans.open) >= MAX_OPEN_SCANS:
            self._finish(cell, next(iter(cell.scans)))
        self._open(cell, start, late=heard is not None, ended=bool(heard))
        self._event(
            "scan_started",
            start.key.cell,
            at=start.start_time,
            scan=start.key.scan,
            reason=start.reason,
            request=start.request,
            slices=start.slice_count,
        )
        self._give_out(self._desk.started(start))
        self._give_out(cell.watch.started(start))
        self._finish_ripe(cell)  # where some waited for this header

    def _open(self, cell: _Cell, start: ScanStart, *, late: bool, ended: bool) -> None:
        """A scan begins; `late`: slices of it have come before its header, `ended`: its end too."""
        plated = cell.history.plated_by(start.stop_time)
        memory = int(self._settings.feeds.reorder_memory_MB * 1e6)
        scan = RunningScan(start, cell.settings, cell.levels, memory, self._spare, plated=plated)
        address = self._resend_address(start)
        scan.ask_at(start.stream, address)
        scan.holed |= late
        scan.ended = ended
        for number in cell.scans.left_out(start) if address else ():
            unknown = Unknown(start.key.cell, start.stream, number)
            self._recovery.miss(unknown, ended=True, heard=False)
        cell.scans.add(scan, late=late)

    def _resend_address(self, start: ScanStart) -> str:
        try:
            return self._recovery.address(start)
        except BadMessage as error:
            self._refuse("slices", error)
            return ""

    def _slice(self, frame: SliceFrame) -> None:
        self._counts["bytes"] += frame.data.nbytes
        self._count(frame.cell, frame)
        cell = self._cells.get(frame.cell)
        scan = None if cell is None else cell.scans.find(frame.stream, frame.scan)
        if cell is None or scan is None:
            if cell is not None and cell.scans.is_done(frame.stream, frame.scan):
                self._counts["late"] += 1
                return
            if cell is not None and not frame.recovered:
                self._recovery.miss(Unknown(frame.cell, frame.stream, frame.scan))
            raise BadMessage(
                "unknown_scan",
                f"slices: slice of cell {frame.cell[:40]!r} scan {frame.scan}, which has no start; "
                "dropped",
            )
        scan.check(frame)
        arrival = scan.add(frame)
        if arrival is Arrival.REPEAT:
            self._counts["repeats"] += 1
            return
        if arrival is Arrival.LATE:
            self._counts["late"] += 1
            return
        self._counts["recovered"] += frame.recovered
        if scan.whole:
            self._close(cell, scan)
        else:
            self._show(scan)

    def _end(self, end: ScanEnd) -> None:
        self._count(end.cell, end)
        cell = self._cells.get(end.cell)
        scan = None if cell is None else cell.scans.find(end.stream, end.scan)
        if cell is None or scan is None:
            if cell is not None and cell.scans.is_done(end.stream, end.scan):
                return
            if cell is not None:
                self._recovery.miss(Unknown(end.cell, end.stream, end.scan), ended=True)
            raise BadMessage(
                "end_without_start",
                f"slices: end of cell {end.cell[:40]!r} scan {end.scan}, which has no start; "
                "ignored",
            )
        scan.ended = True
        if not (scan.recoverable or self._streams.is_lossy(end.stream)):
            self._close(cell, scan)

    def _quiet(self, quiet: FeedQuiet) -> None:
        """Nothing more comes by itself: scans are finished with the holes they have."""
        if quiet.scan is not None:
            self._despair(quiet)
            return
        for cell in self._cells.values():
            if quiet.cell not in ("", cell.settings.name):
                continue
            for scan in cell.scans:
                if scan.start.key in cell.scans.open and (
                    scan.ended or scan.over or quiet.given_up
                ):
                    self._finish(cell, scan)

    def _silence(self, silence: FeedSilence) -> None:
        """A part of a feed is late, by the clock of the machine."""
        cell = self._cells.get(silence.cell)
        if cell is not None:
            self._give_out(cell.watch.silence(silence, scanning=bool(cell.scans.open)))

    def _despair(self, quiet: FeedQuiet) -> None:
        """Nobody has what one scan lacks: it is finished with its holes, in its turn. Or nobody has
        its header."""
        cell = self._cells.get(quiet.cell)
        if cell is not None and quiet.stream:
            self._recovery.despair(Unknown(quiet.cell, quiet.stream, quiet.scan or 0))
            self._finish_ripe(cell)
            return
        key = ScanKey(quiet.cell, quiet.run, quiet.scan or 0)
        scan = None if cell is None else cell.scans.open.get(key)
        if cell is None or scan is None:
            return
        scan.hopeless = True
        if scan.ended or scan.over:
            self._close(cell, scan)

    def _close(self, cell: _Cell, scan: RunningScan) -> None:
        """Conclude a scan of which nothing more comes, in its turn, and what waited for it."""
        cell.scans.close(scan)
        self._finish_ripe(cell)

    def _finish_ripe(self, cell: _Cell) -> None:
        """Finish, oldest first, the scans of which nothing more comes, nor of those before them."""
        while (oldest := cell.scans.ripe) is not None and not self._is_held(cell, oldest):
            self._finish(cell, oldest)

    def _is_held(self, cell: _Cell, scan: RunningScan) -> bool:
        """Whether the header of one before this is asked for."""
        sought = self._recovery.sought(cell.settings.name)
        return any(cell.scans.lies_before(scan, one.stream, one.scan) for one in sought)

    def _finish(self, cell: _Cell, scan: RunningScan) -> None:
        """Maps, pits and verdict of one scan, and before it of any older one of the cell."""
        for older in cell.scans.take(scan):
            key, measured = older.start.key, older.finish()
            if measured is not None:
                self._conclude(cell, measured)
            else:
                self._event("alarm", key.cell, scan=key.scan, text="no slice of this scan came")
            whole = measured is not None and (older.ended or older.whole)
            self._give_out(self._desk.ended(older.start, older.received, whole=whole))
            if not cell.scans.open:
                self._give_out(cell.watch.concluded(key.scan))

    def _conclude(self, cell: _Cell, measured: Measured) -> None:
        name, key, at = cell.settings.name, measured.start.key, measured.start.stop_time
        self._time = max(self._time, at)
        cell.levels = measured.levels or cell.levels
        cell.last_scan = key.scan
        result = cell.analysis.finish(measured)
        decision = self._desk.judge(Situation.of(result, cell.settings.foil_thickness_um))
        self._out.append(result)
        self._event(
            "scan_complete", name, at=at, scan=key.scan, complete=result.complete, **_brief(result)
        )
        self._give_out(cell.watch.judge(result, cell.analysis.doubt))
        if not result.complete:
            missing = [int(z) for z in (measured.ledger == 0).nonzero()[0]]
            text = f"{len(missing)} slices of {len(measured.ledger)} are missing"
            self._event("alarm", name, at=at, scan=key.scan, text=text, missing=missing[:100])
        self._give_out(self._desk.decided(result, decision))

    def _show(self, scan: RunningScan) -> None:
        """Progress now and then, and a provisional map a few times a scan."""
        total, received = scan.start.slice_count, scan.received
        if received % max(1, total // PROGRESS_STEPS) == 0:
            key = scan.start.key
            duration = scan.start.stop_time - scan.start.start_time
            at = scan.start.start_time + duration * received / total
            self._event(
                "scan_progress", key.cell, at=at, scan=key.scan, received=received, slices=total
            )
        heights = scan.provisional()
        if heights is not None:
            self._out.append(provisional(scan.start, scan.ledger, heights))

    def _count(self, cell: str, message: ScanStart | SliceFrame | ScanEnd) -> None:
        """Message numbers tell at once when something was lost on the way."""
        counter = self._streams.of(message.stream)
        if not isinstance(message, ScanEnd) and message.recovered:
            counter.recover(message.msg_number)
            return
        self._counts["slices"] += 1
        lost = counter.take(message.msg_number)
        if lost:
            self._streams.make_room()
            self._event(
                "gap",
                cell if cell in self._cells else "",
                stream=message.stream[:40],
                lost=lost,
                total=counter.lost,
                before=message.msg_number,
            )

    # --- cycler, operator -------------------------------------------------------------------------

    def _document(self, document: CyclerDocument) -> None:
        self._counts["documents"] += 1
        for reading in self._documents.readings(document):
            self._time = max(self._time, reading.time)
            self._counts["readings"] += 1
            cell = self._cells[reading.cell]
            try:
                cell.history.add(reading)
            except BadMessage as error:  # of a page of readings, the others are still good
                self._refuse("documents", error)
            self._points += cell.history.take_new()
            cell.watch.told(reading.time)

    @staticmethod
    def _reference_charge(cell: _Cell) -> float | None:
        since = cell.analysis.reference_time
        return None if since is None else cell.history.charge_at(since)

    def _order(self, order: Order) -> None:
        cell = self._cells.get(order.cell)
        last_scan = -1 if cell is None else cell.last_scan
        self._give_out(self._desk.order(order, last_scan, self._time))

    # --- words ------------------------------------------------------------------------------------

    def _refuse(self, feed: str, error: BadMessage) -> None:
        """Count a message that cannot be used; say so at the 1st, 2nd, 4th, 8th … of a kind."""
        counter = self._bad.setdefault(feed, Counter())
        counter[error.kind] += 1
        count = counter[error.kind]
        if count & (count - 1) == 0:
            self._event(
                "bad_message", "", feed=feed, bad_kind=error.kind, count=count, text=str(error)
            )

    def _event(self, kind: str, cell: str, *, at: float | None = None, **data: Any) -> None:
        """An event at `at` of the data's time, or at the latest time that has been heard of."""
        self._number += 1
        time = self._time if at is None else at
        event = Event(self._number, kind, cell, time, data)
        self._out.append(event)
        if kind == "alarm":
            self._desk.alarms.raised(event)

    def _give_out(self, news: Iterable[News]) -> None:
        for told in news:
            if isinstance(told, ScanRequest):
                self._out.append(told)
            elif told.kind == "alarm_ended":
                number = self._desk.alarms.ended(told.cell, told.data["condition"])
                self._event(told.kind, told.cell, at=told.at, alarm=number, **told.data)
            else:
                self._event(told.kind, told.cell, at=told.at, **told.data)

    @staticmethod
    def _progress(cell: _Cell) -> dict[str, Any] | None:
        if not cell.scans.open:
            return None
        *_, scan = cell.scans
        return {
            "scan": scan.start.key.scan,
            "reason": scan.start.reason,
            "start_time": scan.start.start_time,
            "received": scan.received,
            "slices": scan.start.slice_count,
        }


def _feed_of(record: Record) -> str:
    match record:
        case CyclerDocument():
            return "documents"
        case OperatorRequest() | PolicyChange() | OperatorNote() | Acknowledgement():
            return "operator"
    return "slices"


def _brief(result: ScanResult) -> Mapping[str, Any]:
    names = ("averaged_um", "complete_um", "coulometry_um", "closure", "pit_count", "soc")
    return {name: result.summary.get(name) for name in names}
