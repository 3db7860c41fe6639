"""The slice stream: headers, slices and ends, in whatever order and with whatever loss, become
scans that are concluded once and in their turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from monitor.core.analysis import provisional
from monitor.core.arrival.assembly import Arrival
from monitor.core.arrival.message_numbers import Gap, Streams
from monitor.core.arrival.missing_slices import Lacking, MissedScan, Recovery, Unknown
from monitor.core.arrival.reused_numbers import namesake_text, shape_text
from monitor.core.arrival.running_scan import RunningScan
from monitor.core.arrival.scan_queue import MAX_OPEN_SCANS, DoneScan, few_before
from monitor.core.cell import Cell
from monitor.core.outputs import Outputs
from monitor.core.plating import Measured
from monitor.core.policy.orders import ScanRequests
from monitor.core.policy.rules import Situation
from monitor.core.refinement.refine import Spare
from monitor.errors import BadMessage
from monitor.number_text import counted
from monitor.records import FeedQuiet, ScanEnd, ScanKey, ScanResult, ScanStart, SliceFrame
from monitor.records.state import ScanProgress
from monitor.settings import FeedSettings

PROGRESS_STEPS = 20
FIRST_SCANS_WITHIN_S = 3600.0
"""The first scans of cells that are scanned in turn begin within this of each other."""


class Intake:
    """Takes the messages of the slice stream; `counts` of them by what they were."""

    def __init__(
        self,
        cells: Mapping[str, Cell],
        feeds: FeedSettings,
        requests: ScanRequests,
        out: Outputs,
        running: Callable[..., RunningScan] = RunningScan,
    ) -> None:
        """`requests`: asked for a decision on each concluded scan; `out`: where what follows goes;
        `running`: what makes a scan that has begun, as `RunningScan` is made."""
        self._running = running
        self.counts: Counter[str] = Counter()
        self._taken = 0
        self._cells = cells
        self._feeds = feeds
        self._requests = requests
        self._out = out
        self._spare = Spare()
        self._streams = Streams()
        self._recovery = Recovery(feeds)

    @property
    def gaps(self) -> int:
        """Messages that never came by themselves, as far as that is certain."""
        return self._streams.gaps

    @property
    def running(self) -> dict[str, ScanProgress | None]:
        """The scan that each cell is in the middle of, JSON-ready."""
        return {name: _progress(cell) for name, cell in self._cells.items()}

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
    def missed(self) -> tuple[MissedScan, ...]:
        """What may have been sent while no engine listened: of each cell the scan after its newest,
        and those before its first; number 0, if only another cell has scans."""
        known = {name: cell.scans.starts for name, cell in self._cells.items()}
        begin = min((starts[0].start_time for starts in known.values() if starts), default=None)
        if begin is None:
            return ()
        found = []
        for name, starts in known.items():
            if starts:
                found.append(MissedScan(name, starts[-1].number + 1, starts[-1].start_time))
            for number in few_before(starts[0].number if starts else 1):
                # an earlier scan than the first of all may be of another experiment
                after = begin - FIRST_SCANS_WITHIN_S if number == 0 else begin
                found.append(MissedScan(name, number, after, newest=not starts))
        return tuple(found)

    @property
    def resend_addresses(self) -> tuple[str, ...]:
        """Where headers can be asked for."""
        return self._recovery.addresses

    def named(self, start: ScanStart) -> ScanStart:
        """A header with the number under which its scan is known, or will be: the producer's,
        unless another scan has it."""
        cell = self._cells.get(start.key.cell)
        return start if cell is None else cell.scans.named(start)

    def start(self, start: ScanStart) -> None:
        """A scan begins, or is told of again. Raises BadMessage for one of no cell."""
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
        heard = self._recovery.found(start)
        known = cell.scans.open.get(start.key)
        if cell.scans.is_known(start):
            if known is None:
                self.counts["repeats"] += 1
            else:
                known.ask_at(start.stream, self._resend_address(start))
                if heard:  # the end of this stream came before its header
                    known.end_of(start.stream)
            return
        self._out.time = max(self._out.time, start.start_time)
        earlier = cell.scans.namesake(start)
        superseded = None if earlier is None else cell.scans.supersede(start)
        while len(cell.scans.open) >= MAX_OPEN_SCANS:
            self._finish(cell, next(iter(cell.scans)))
        later = (one.start_time > start.start_time for one in cell.scans.starts)
        behind = start.recovered and any(later)
        late = heard is not None or start.recovered
        self._open(cell, start, late=late, ended=bool(heard) or behind)
        self._out.event("scan_started", start.key.cell, at=start.start_time, **_announced(start))
        if earlier is not None:
            if earlier.start.contradicts(start):
                self._out.refuse("slices", BadMessage("shape_changed", shape_text(earlier, start)))
            self._tell_of_namesake(cell, earlier, start)
        self._out.news(self._requests.started(start))
        self._out.news(cell.watch.started(start))
        if superseded is not None and superseded.start.key in cell.scans.open:
            cell.scans.close(superseded)
        self._finish_ripe(cell)  # where some waited for this header

    def _tell_of_namesake(
        self, cell: Cell, earlier: RunningScan | DoneScan, start: ScanStart
    ) -> None:
        """Another scan has come under a known number: an alarm, at the 1st, 2nd, 4th, 8th … of a
        cell."""
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

    def _open(self, cell: Cell, start: ScanStart, *, late: bool, ended: bool) -> None:
        """A scan begins; `late`: its header came after what should follow it, `ended`: that was its
        end too."""
        plated = cell.history.plated_by(start.stop_time)
        memory = int(self._feeds.reorder_memory_MB * 1e6)
        scan = self._running(start, cell.settings, cell.levels, memory, self._spare, plated=plated)
        address = self._resend_address(start)
        scan.ask_at(start.stream, address)
        scan.holed |= late
        if ended:
            scan.end_of(start.stream)
        scan.began = scan.heard = self._taken
        for number in cell.scans.left_out(start) if address else ():
            unknown = Unknown(start.key.cell, start.stream, number)
            self._recovery.miss(unknown, ended=True, heard=False)
        cell.scans.add(scan, late=late)

    def _resend_address(self, start: ScanStart) -> str:
        try:
            return self._recovery.address(start)
        except BadMessage as error:
            self._out.refuse("slices", error)
            return ""

    def slice(self, frame: SliceFrame) -> None:
        """One slice. Raises BadMessage where it is of no scan or does not fit."""
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
                f"slices: slice of cell {frame.cell[:40]!r} scan {frame.scan}, which has no start; "
                "dropped",
            )
        scan.check(frame)
        self._taken += 1
        scan.heard = self._taken
        arrival = scan.add(frame)
        if arrival is Arrival.REPEAT:
            self.counts["repeats"] += 1
            return
        if arrival is Arrival.LATE:
            self.counts["late"] += 1
            return
        self.counts["recovered"] += frame.recovered
        if scan.whole:
            self._close(cell, scan)
        else:
            self._show(scan)

    def end(self, end: ScanEnd) -> None:
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
                f"slices: end of cell {end.cell[:40]!r} scan {end.scan}, which has no start; "
                "ignored",
            )
        scan.end_of(end.stream, end.slices)
        if not scan.ended:
            return  # slices come in another stream too, which has not ended
        if not (scan.recoverable or any(map(self._streams.is_lossy, scan.streams)) or scan.owed):
            self._close(cell, scan)

    def quiet(self, quiet: FeedQuiet) -> None:
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

    def _close(self, cell: Cell, scan: RunningScan) -> None:
        """Conclude a scan of which nothing more comes, in its turn, and what waited for it."""
        cell.scans.close(scan)
        self._finish_ripe(cell)

    def _finish_ripe(self, cell: Cell) -> None:
        """Finish, oldest first, the scans of which nothing more comes, nor of those before them."""
        while (oldest := cell.scans.ripe) is not None and not self._is_held(cell, oldest):
            self._finish(cell, oldest)

    def _is_held(self, cell: Cell, scan: RunningScan) -> bool:
        """Whether the header of one before this is asked for."""
        sought = self._recovery.sought(cell.settings.name)
        return any(cell.scans.lies_before(scan, one.stream, one.scan) for one in sought)

    def _finish(self, cell: Cell, scan: RunningScan) -> None:
        """Maps, pits and verdict of one scan, and before it of any older one of the cell."""
        for older in cell.scans.take(scan):
            key, measured = older.start.key, older.finish()
            made_again = cell.scans.is_made_again(older)
            if measured is not None:
                measured = replace(measured, made_again=made_again)
                self._conclude(cell, measured)
            else:
                self._out.event("alarm", key.cell, scan=key.scan, text="no slice of this scan came")
            ended = older.whole or (older.ended and not made_again)
            whole = measured is not None and ended
            self._out.news(self._requests.ended(older.start, older.received, whole=whole))
            if not cell.scans.open:
                self._out.news(cell.watch.concluded(key.scan))
            self._settle(older)

    def _conclude(self, cell: Cell, measured: Measured) -> None:
        name, key, at = cell.settings.name, measured.start.key, measured.start.stop_time
        self._out.time = max(self._out.time, at)
        cell.levels = measured.levels or cell.levels
        cell.last_scan = key.scan
        result = cell.analysis.finish(measured)
        decision = self._requests.judge(Situation.of(result, cell.settings.foil_thickness_um))
        self._out.add(result)
        self._out.event(
            "scan_complete", name, at=at, scan=key.scan, complete=result.complete, **_brief(result)
        )
        self._out.news(cell.watch.judge(result, cell.analysis.doubt))
        if not result.complete:
            missing = [int(z) for z in (measured.ledger == 0).nonzero()[0]]
            many = len(missing)
            verb = "is" if many == 1 else "are"
            text = f"{counted(many, 'slice')} of {len(measured.ledger)} {verb} missing"
            self._out.event("alarm", name, at=at, scan=key.scan, text=text, missing=missing[:100])
        self._out.news(self._requests.decided(result, decision))
        if not result.preliminary:
            self._check_deposit(cell, measured)

    def readings_arrived(self, name: str) -> None:
        """Scans that waited for readings of a cell are corrected with them, oldest first."""
        cell = self._cells[name]
        for correction in cell.analysis.corrections():
            result, at = correction.after, correction.after.start.stop_time
            self._out.add(result)
            self._out.event(
                "scan_corrected",
                name,
                at=at,
                scan=result.key.scan,
                changed=correction.changed,
                **_brief(result),
            )
            self._out.news(cell.watch.judge_charge(result))
            situation = Situation.of(result, cell.settings.foil_thickness_um)
            decision = self._requests.judge_charge(situation)
            if decision is not None:
                self._out.news(self._requests.decided(result, decision, corrected=True))
            self._check_deposit(cell, correction.measured)
        for start in cell.analysis.not_corrected():
            text = (
                f"readings up to scan {start.key.scan} came after so many later scans that its "
                "charge, current and closure could not be corrected; they stay preliminary"
            )
            self._out.event("alarm", name, at=start.stop_time, scan=start.key.scan, text=text)

    def _check_deposit(self, cell: Cell, measured: Measured) -> None:
        """Whether a porous deposit was looked for must have been known when the scan began."""
        start, scan = measured.start, measured.start.key.scan
        if measured.plated or not cell.history.plated_by(start.stop_time):
            return
        text = (
            f"lithium was plated before scan {scan}, but the readings that say so came "
            "after its slices: no porous deposit was looked for, and heights may be those of its "
            "front; `reprocess` measures the scan again with the deposit"
        )
        self._out.event("alarm", start.key.cell, at=start.stop_time, scan=scan, text=text)

    def _show(self, scan: RunningScan) -> None:
        """Progress now and then, and a provisional map a few times a scan."""
        total, received = scan.start.slice_count, scan.received
        if received % max(1, total // PROGRESS_STEPS) == 0:
            key = scan.start.key
            duration = scan.start.stop_time - scan.start.start_time
            at = scan.start.start_time + duration * received / total
            self._out.event(
                "scan_progress", key.cell, at=at, scan=key.scan, received=received, slices=total
            )
        heights = scan.provisional()
        if heights is not None:
            self._out.add(provisional(scan.start, scan.ledger, heights))

    def _count(self, cell: str, message: ScanStart | SliceFrame | ScanEnd) -> None:
        """Message numbers tell what was lost on the way, once it is not merely out of order."""
        counter = self._streams.of(message.stream)
        if not isinstance(message, ScanEnd) and message.recovered:
            counter.recover(message.msg_number)
            return
        self.counts["slices"] += 1
        if counter.take(message.msg_number):
            self._streams.make_room()
        if counter.has_due:
            self._tell_gaps(cell, message.stream, counter.settle())

    def _settle(self, scan: RunningScan) -> None:
        """A scan is concluded: what its streams lack does not come any more, unless they go on
        with another one."""
        going_on = {s for cell in self._cells.values() for one in cell.scans for s in one.streams}
        for stream in sorted(scan.streams - going_on):
            counter = self._streams.known(stream)
            if counter is not None:
                self._tell_gaps(scan.start.key.cell, stream, counter.settle(everything=True))

    def _tell_gaps(self, cell: str, stream: str, gaps: Iterable[Gap]) -> None:
        name = cell if cell in self._cells else ""
        for gap in gaps:
            self._out.event("gap", name, stream=stream[:40], **asdict(gap))


def _announced(start: ScanStart) -> dict[str, Any]:
    """What is told of a scan that begins; `sent`, if that is not its number here."""
    facts: dict[str, Any] = {
        "scan": start.key.scan,
        "reason": start.reason,
        "request": start.request,
        "slices": start.slice_count,
    }
    return facts if start.sent is None else {**facts, "sent": start.sent}


def _progress(cell: Cell) -> ScanProgress | None:
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


def _brief(result: ScanResult) -> Mapping[str, Any]:
    names = (
        "averaged_um", "complete_um", "coulometry_um", "closure", "pit_count", "soc",
        "charge_state",
    )  # fmt: skip
    return {name: result.summary.get(name) for name in names}
