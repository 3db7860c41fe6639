"""The slice stream: headers, slices and ends, in whatever order and with whatever loss, become
scans, which are handed out once and in order of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from monitor.core.arrival.assembly import Arrival
from monitor.core.arrival.cell_scans import MAX_OPEN_SCANS, DoneScan
from monitor.core.arrival.measurement import Measure, ScanSetup, SliceMeasurement
from monitor.core.arrival.message_numbers import Gap, Streams
from monitor.core.arrival.missing_slices import Recovery, Unknown
from monitor.core.arrival.outstanding import Outstanding
from monitor.core.arrival.reused_numbers import namesake_text, shape_text
from monitor.core.arrival.running_scan import Phase, RunningScan
from monitor.core.cell import Cell
from monitor.core.outputs import Outputs
from monitor.core.refinement.band import Spare
from monitor.errors import BadMessage
from monitor.records import FeedQuiet, ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.settings import FeedSettings

PROGRESS_STEPS = 20


@dataclass(frozen=True, slots=True)
class Settled:
    """A running scan whose turn it is to be judged: no slice to come can change its heights."""

    scan: RunningScan


Arrived = ScanStart | Settled | RunningScan
"""A scan that has begun, by its header; one that can be judged already; or one whose turn it is to
be concluded."""


class Intake:
    """Takes the messages of the slice stream; `counts` of them by what they were.

    Its methods continue once what they hand out has been dealt with: a scan begins after those
    before it have been concluded.
    """

    def __init__(
        self,
        cells: Mapping[str, Cell],
        feeds: FeedSettings,
        out: Outputs,
        measure: Measure = SliceMeasurement,
        *,
        early: bool = True,
    ) -> None:
        """`out`: receives the events and counts of messages and slices; `measure`: begins the
        measurement of a scan; `early`: whether scans are judged while slices are still to come."""
        self.counts: Counter[str] = Counter()
        self._measure = measure
        self._early = early
        self._taken = 0
        self._cells = cells
        self._feeds = feeds
        self._out = out
        self._spare = Spare()
        self._streams = Streams()
        self._recovery = Recovery(feeds)
        scans = {name: cell.scans for name, cell in cells.items()}
        self.outstanding = Outstanding(scans, self._streams, self._recovery)

    @property
    def gaps(self) -> int:
        """Messages that never came by themselves, as far as that is certain."""
        return self._streams.gaps

    def named(self, start: ScanStart) -> ScanStart:
        """A header with the number under which its scan is known, or will be: the producer's,
        unless another scan has it."""
        cell = self._cells.get(start.key.cell)
        return start if cell is None else cell.scans.named(start)

    # --- messages -------------------------------------------------------------------------------

    def start(self, start: ScanStart) -> Iterator[Arrived]:
        """A scan begins, or is announced again. Raises BadMessage for one of no cell."""
        self._count(start.key.cell, start)
        cell = self._cells.get(start.key.cell)
        if cell is None:
            raise BadMessage(
                "unknown_cell",
                f"slices: cell {start.key.cell[:40]!r} is not in the settings; scan refused",
            )
        if start.remark:
            self._out.refuse("slices", BadMessage("bad_voxel_size", start.remark))
        start = cell.scans.named(start)
        end_came = self._recovery.found(start)
        if cell.scans.is_known(start):
            self._announced_again(cell, start, ended=bool(end_came))
            return
        self._out.time = max(self._out.time, start.start_time)
        earlier = cell.scans.namesake(start)
        superseded = None if earlier is None else cell.scans.supersede(start)
        while len(cell.scans.open) >= MAX_OPEN_SCANS and (oldest := cell.scans.open.oldest):
            yield from self._conclude_through(cell, oldest)
        self._open(cell, start, end_came)
        if earlier is not None:
            self._report_namesake(cell, earlier, start)
        yield start
        if superseded is not None and superseded.start.key in cell.scans.open:
            cell.scans.open.close(superseded)
        yield from self._conclude_ripe(cell)  # some may have waited for this header

    def slice(self, frame: SliceFrame) -> Iterator[Arrived]:
        """One slice. Raises BadMessage if it is of no scan or does not fit."""
        self.counts["bytes"] += frame.data.nbytes
        self._count(frame.cell, frame)
        cell = self._cells.get(frame.cell)
        scan = None if cell is None else cell.scans.find(frame)
        if cell is None or scan is None:
            if cell is not None and cell.scans.is_done(frame):
                self.counts["late"] += 1
                return
            if cell is not None and not frame.recovered:
                self._recovery.miss(Unknown(frame.cell, frame.stream, frame.scan))
            raise BadMessage(
                "unknown_scan",
                f"slices: slice of cell {frame.cell[:40]!r} scan {frame.scan}, whose header "
                "was not received; dropped",
            )
        scan.check(frame)
        self._taken += 1
        arrival = scan.add(frame, self._taken)
        if arrival is not Arrival.NEW:
            self.counts["repeats" if arrival is Arrival.REPEAT else "late"] += 1
            return
        self.counts["recovered"] += frame.recovered
        if scan.whole:
            yield from self._close(cell, scan)
            return
        yield from self.settled(frame.cell)
        self._show(scan)

    def end(self, end: ScanEnd) -> Iterator[Arrived]:
        """All of a scan was sent. Raises BadMessage for one that never began."""
        self._count(end.cell, end)
        cell = self._cells.get(end.cell)
        scan = None if cell is None else cell.scans.find(end)
        if cell is None or scan is None:
            if cell is not None and cell.scans.is_done(end):
                return
            if cell is not None:
                self._recovery.miss(Unknown(end.cell, end.stream, end.scan), ended=True)
            raise BadMessage(
                "end_without_start",
                f"slices: end of cell {end.cell[:40]!r} scan {end.scan}, whose header was "
                "not received; ignored",
            )
        scan.end(end.stream, end.slices)
        if not scan.ended:
            return  # slices come in another stream too, which has not ended
        lossy = any(map(self._streams.is_lossy, scan.streams))
        if not (scan.recoverable or lossy or scan.outstanding):
            yield from self._close(cell, scan)

    def quiet(self, quiet: FeedQuiet) -> Iterator[Arrived]:
        """Nothing more comes by itself: scans are finished with the holes they have. One whose end
        was not received is first asked for what it lacks, unless all is `given_up`."""
        if quiet.scan is not None:
            yield from self._give_up(quiet, quiet.scan)
            return
        for cell in self._cells.values():
            if quiet.cell not in ("", cell.settings.name):
                continue
            for scan in cell.scans.open:
                is_over = quiet.given_up or scan.phase is not Phase.RECEIVING
                if not is_over or scan.start.key not in cell.scans.open:
                    continue
                if not quiet.given_up and cell.scans.open.close_before(scan):
                    break
                yield from self._conclude_through(cell, scan)

    def _give_up(self, quiet: FeedQuiet, number: int) -> Iterator[Arrived]:
        """Nobody has what one scan lacks: it is finished with its holes, in its turn. Or nobody has
        its header."""
        cell = self._cells.get(quiet.cell)
        if cell is None:
            return
        if quiet.stream:
            self._recovery.give_up(Unknown(quiet.cell, quiet.stream, number))
            yield from self._conclude_ripe(cell)
            return
        scan = cell.scans.open.get(ScanKey(quiet.cell, quiet.run, number))
        if scan is None:
            return
        scan.give_up()
        if scan.phase is not Phase.RECEIVING:
            yield from self._close(cell, scan)

    # --- whose turn it is -----------------------------------------------------------------------

    def settled(self, name: str) -> Iterator[Settled]:
        """The oldest open scan of a cell, as soon as no slice to come matters, nor the header of a
        scan before it. Readings that do not cover it yet are waited for until half of its slices
        have arrived: most follow at once, and a verdict by heights alone is not held up."""
        cell = self._cells[name]
        scan = cell.scans.open.oldest
        if not self._early or scan is None or scan.judged or not scan.settled:
            return
        lags = bool(cell.history.times) and not cell.history.covers(scan.start.time)
        if lags and 2 * scan.received < scan.start.slice_count:
            return
        if not cell.scans.is_held(scan, self._recovery.sought(name)):
            scan.judged = True
            yield Settled(scan)

    def _close(self, cell: Cell, scan: RunningScan) -> Iterator[RunningScan]:
        """Nothing more comes of a scan: it is concluded in its turn, with what waited for it."""
        cell.scans.open.close(scan)
        yield from self._conclude_ripe(cell)

    def _conclude_ripe(self, cell: Cell) -> Iterator[RunningScan]:
        """Oldest first, the scans that receive nothing more, nor do those before them."""
        while scan := cell.scans.ripe(self._recovery.sought(cell.settings.name)):
            yield from self._conclude_through(cell, scan)

    def _conclude_through(self, cell: Cell, scan: RunningScan) -> Iterator[RunningScan]:
        """A scan, and before it any older one of the cell."""
        for older in cell.scans.take_through(scan):
            yield older
            self._settle(older)

    # --- a scan begins --------------------------------------------------------------------------

    def _open(self, cell: Cell, start: ScanStart, end_came: bool | None) -> None:
        """`end_came`: None if the header arrived before anything else of its scan, otherwise
        whether the scan's end did."""
        late = end_came is not None or start.recovered
        plated = cell.history.plated_by(start.stop_time)
        memory = int(self._feeds.reorder_memory_MB * 1e6)
        setup = ScanSetup(start, cell.settings, cell.levels, memory, plated)
        scan = RunningScan(setup, self._spare, self._measure, began=self._taken, late_header=late)
        address = self._resend_address(start)
        scan.ask_at(start.stream, address)
        if end_came or (start.recovered and cell.scans.is_behind(start)):
            scan.end(start.stream)
        for number in cell.scans.left_out(start) if address else ():
            unknown = Unknown(start.key.cell, start.stream, number)
            self._recovery.miss(unknown, ended=True)
        cell.scans.add(scan, late=late)
        facts = {
            "scan": start.key.scan,
            "reason": start.reason,
            "request": start.request,
            "slices": start.slice_count,
        }
        if start.sent is not None:
            facts["sent"] = start.sent
        self._out.event("scan_started", start.key.cell, at=start.start_time, **facts)

    def _announced_again(self, cell: Cell, start: ScanStart, *, ended: bool) -> None:
        """The header of a known scan has arrived again, or in one more stream; `ended`: after the
        end of this stream."""
        scan = cell.scans.open.get(start.key)
        if scan is None:
            self.counts["repeats"] += 1
            return
        scan.ask_at(start.stream, self._resend_address(start))
        if ended:
            scan.end(start.stream)

    def _report_namesake(
        self, cell: Cell, earlier: RunningScan | DoneScan, start: ScanStart
    ) -> None:
        """Another scan has come under a known number: an alarm, at the 1st, 2nd, 4th, 8th … of a
        cell."""
        if earlier.start.contradicts(start):
            self._out.refuse("slices", BadMessage("shape_changed", shape_text(earlier, start)))
        name, key = cell.settings.name, start.key
        self.counts[f"namesakes {name}"] += 1
        count = self.counts[f"namesakes {name}"]
        if count & (count - 1):
            return
        self._out.event(
            "alarm",
            name,
            at=start.start_time,
            scan=key.scan,
            text=namesake_text(earlier, start, cell.analysis.reference_scan, count),
            sent=start.number,
            start_time=start.start_time,
            earlier_scan=earlier.start.key.scan,
            earlier_start_time=earlier.start.start_time,
            count=count,
        )

    def _resend_address(self, start: ScanStart) -> str:
        try:
            return self._recovery.address(start)
        except BadMessage as error:
            self._out.refuse("slices", error)
            return ""

    # --- progress, message numbers --------------------------------------------------------------

    def _show(self, scan: RunningScan) -> None:
        """Progress now and then, and a provisional map a few times a scan."""
        total, received = scan.start.slice_count, scan.received
        if received % max(1, total // PROGRESS_STEPS) == 0:
            key = scan.start.key
            facts = {"scan": key.scan, "received": received, "slices": total}
            self._out.event("scan_progress", key.cell, at=scan.time, **facts)
        if not scan.judged and (result := scan.provisional()) is not None:
            self._out.add(result)

    def _count(self, cell: str, message: ScanStart | SliceFrame | ScanEnd) -> None:
        """Message numbers report what was lost on the way, once it is not merely out of order."""
        counter = self._streams.of(message.stream)
        if not isinstance(message, ScanEnd) and message.recovered:
            counter.recover(message.msg_number)
            return
        self.counts["slices"] += 1
        if counter.take(message.msg_number):
            self._streams.make_room()
        if counter.has_due:
            self._report_gaps(cell, message.stream, counter.settle())

    def _settle(self, scan: RunningScan) -> None:
        """A scan is concluded: what its streams lack does not arrive any more, unless
        another scan is received in them."""
        scans = [one for cell in self._cells.values() for one in cell.scans.open]
        going_on = {stream for one in scans for stream in one.streams}
        for stream in sorted(set(scan.streams) - going_on):
            counter = self._streams.known(stream)
            if counter is not None:
                gaps = counter.settle(everything=True)
                self._report_gaps(scan.start.key.cell, stream, gaps)

    def _report_gaps(self, cell: str, stream: str, gaps: Iterable[Gap]) -> None:
        name = cell if cell in self._cells else ""
        for gap in gaps:
            self._out.event("gap", name, stream=stream[:40], **asdict(gap))
