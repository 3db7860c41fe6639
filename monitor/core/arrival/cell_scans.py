"""The scans of one cell: which one a message belongs to, and under which number each is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from monitor.core.arrival.message_numbers import MAX_STREAMS_OF_SCAN
from monitor.core.arrival.missing_slices import Unknown
from monitor.core.arrival.running_scan import RunningScan
from monitor.core.arrival.scan_lookup import ScanNames
from monitor.core.arrival.scan_queue import ScanQueue, in_order
from monitor.errors import BadMessage
from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame

MAX_OPEN_SCANS = 4
MAX_LEFT_OUT = 8
MAX_DONE = 5000
NUMBER_STEP = 10_000
"""A scan whose number is taken is known by that number plus this, or twice this …"""


def few_before(number: int, first: int = 0) -> range:
    """The numbers before one from `first` on, as far as they are asked for."""
    return range(max(first, number - MAX_LEFT_OUT), number)


@dataclass(frozen=True, slots=True)
class DoneScan:
    """A scan that is finished. `received`: how many of its slices arrived."""

    start: ScanStart
    streams: tuple[str, ...]
    received: int


class CellScans:
    """Those that are open, in order of time, and which are finished, with the streams that each
    came in.

    A slice or an end names its scan by stream and number, not by the run.
    """

    def __init__(self) -> None:
        self.open = ScanQueue()
        self.done: dict[ScanKey, DoneScan] = {}
        self._names = ScanNames()
        self._numbers: dict[tuple[str, int], list[ScanKey]] = {}

    @property
    def starts(self) -> list[ScanStart]:
        """The headers of all scans, in order of time."""
        known = [scan.start for scan in self.open]
        return in_order(known + [done.start for done in self.done.values()])

    def is_behind(self, start: ScanStart) -> bool:
        """Whether a scan that has not been added began before one that has."""
        starts = self.starts
        return bool(starts) and starts[-1].start_time > start.start_time

    # --- which scan -----------------------------------------------------------------------------

    def named(self, start: ScanStart) -> ScanStart:
        """The header with the number under which its scan is known, or will be: that of the
        producer, unless another scan of the same run has it."""
        for key in self._namesakes(start):
            known = self._known(key)
            if known is not None and known.start.is_same(start):
                return start.numbered(key.scan)
        if self._known(start.key) is None:
            return start  # also one that a recording has numbered already
        scan = start.number
        while self._known(replace(start.key, scan=scan)) is not None:
            scan += NUMBER_STEP
        return start.numbered(scan)

    def namesake(self, start: ScanStart) -> RunningScan | DoneScan | None:
        """The newest scan that was sent under the number of this one, which is another and has not
        begun yet."""
        earlier = next(reversed(self._namesakes(start)), None)
        return None if earlier is None else self._known(earlier)

    def find(self, message: SliceFrame | ScanEnd) -> RunningScan | None:
        """The open scan that a slice or an end belongs to. If the number was sent for two volumes
        in one stream, that is the newest that a slice fits, or that has slices to end."""
        found: RunningScan | None = None
        for key in self._names.find(message.stream, message.scan, message.msg_number):
            scan = self.open.get(key)
            if scan is None:
                return found
            if scan.received if isinstance(message, ScanEnd) else scan.fits(message):
                return scan
            found = found or scan
        return found

    def is_done(self, message: SliceFrame | ScanEnd) -> bool:
        """Whether a slice or an end belongs to a scan that is finished."""
        found = self._names.find(message.stream, message.scan, message.msg_number)
        return bool(found) and found[0] in self.done

    def is_known(self, start: ScanStart) -> bool:
        """Whether the scan has been begun before: then it comes in one more stream.

        Raises BadMessage if it comes in too many.
        """
        known = self._known(start.key)
        if known is None:
            return False
        streams: Collection[str] = known.streams
        if len(streams) >= MAX_STREAMS_OF_SCAN and start.stream not in streams:
            raise BadMessage(
                "too_many_streams",
                f"slices: cell {start.key.cell} scan {start.key.scan} arrives in more than "
                f"{MAX_STREAMS_OF_SCAN} streams; header ignored",
            )
        self._names.add(start)
        if isinstance(known, RunningScan):
            known.announce(start.stream)
        elif start.stream not in streams:
            self.done[start.key] = replace(known, streams=(*streams, start.stream))
        return True

    def add(self, scan: RunningScan, *, late: bool) -> None:
        """A scan begins. `late`: its header may have arrived after those of later scans."""
        start = scan.start
        self._names.add(start)
        self._numbers.setdefault((start.key.run, start.number), []).append(start.key)
        self.open.add(scan, late=late)

    def _namesakes(self, start: ScanStart) -> list[ScanKey]:
        return self._numbers.get((start.key.run, start.number), [])

    def _known(self, key: ScanKey) -> RunningScan | DoneScan | None:
        return self.open.get(key) or self.done.get(key)

    # --- numbers that are used again, or were left out ------------------------------------------

    def supersede(self, start: ScanStart) -> RunningScan | None:
        """The open scan whose number is used again in its stream by this header: nothing more comes
        of it there. None if there is none, or if slices of it could still be told from those of
        the new one."""
        for key in self._namesakes(start):
            scan = self.open.get(key)
            if scan is None or key == start.key or start.stream not in scan.streams:
                continue
            if not scan.start.is_like(start):
                continue
            scan.end(start.stream)
            if scan.ended:
                scan.give_up()  # the resend service would send slices of the new one
                return scan
        return None

    def is_made_again(self, scan: RunningScan) -> bool:
        """Whether a newer scan was sent under the number of this one, which is not complete."""
        return not scan.whole and self._namesakes(scan.start)[-1:] != [scan.start.key]

    def left_out(self, start: ScanStart) -> range:
        """Numbers between this scan's and the one known before it: these may have been sent while
        nobody listened, as between a crash and the next start. The newest few."""
        known = (number for run, number in self._numbers if run == start.key.run)
        last = max((number for number in known if number < start.number), default=None)
        return range(0) if last is None else few_before(start.number, last + 1)

    # --- whose turn -----------------------------------------------------------------------------

    def ripe(self, sought: Iterable[Unknown]) -> RunningScan | None:
        """The scan whose turn it is; None if there is none, or if it waits for the header of one
        before it, which is among those that are `sought`."""
        scan = self.open.ripe
        return None if scan is None or self.is_held(scan, sought) else scan

    def is_held(self, scan: RunningScan, sought: Iterable[Unknown]) -> bool:
        """Whether the header of one before this is among those that are `sought`."""
        return any(self._lies_before(scan, one.stream, one.scan) for one in sought)

    def _lies_before(self, scan: RunningScan, stream: str, number: int) -> bool:
        """Whether a number of a stream is between those that are finished and that of a scan, and
        not far before it."""
        this = scan.start.number
        if stream not in scan.streams or not this - MAX_LEFT_OUT <= number < this:
            return False
        return all(
            done.start.number < number for done in self.done.values() if stream in done.streams
        )

    def take_through(self, scan: RunningScan) -> Iterator[RunningScan]:
        """Takes out the open scans up to this one, each as it is to be concluded."""
        for older in self.open.take_through(scan):
            self.done[older.start.key] = DoneScan(older.start, older.streams, older.received)
            if len(self.done) > MAX_DONE:
                self._forget(next(iter(self.done)))
            yield older

    def _forget(self, key: ScanKey) -> None:
        start = self.done.pop(key).start
        namesakes = self._namesakes(start)
        if key in namesakes:
            namesakes.remove(key)
        if not namesakes:
            self._numbers.pop((start.key.run, start.number), None)
