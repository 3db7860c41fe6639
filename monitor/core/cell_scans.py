"""The scans of one cell, oldest first: which of them a message belongs to, and whose turn it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from monitor.core.scan import RunningScan
from monitor.core.streams import MAX_STREAMS_OF_SCAN
from monitor.errors import BadMessage
from monitor.records import ScanKey, ScanStart

MAX_OPEN_SCANS = 4
MAX_LEFT_OUT = 2
MAX_DONE = 5000


class CellScans:
    """Those that are open, and which are finished, with the streams that each came in.

    A slice or an end names its scan by stream and number, not by the run.
    """

    def __init__(self) -> None:
        self.open: dict[ScanKey, RunningScan] = {}
        self.done: dict[ScanKey, tuple[str, ...]] = {}

    def __iter__(self) -> Iterator[RunningScan]:
        """The open scans, oldest first, as they are now."""
        return iter(tuple(self.open.values()))

    def find(self, stream: str, number: int) -> RunningScan | None:
        """The open scan that a slice or an end belongs to."""
        for scan in reversed(tuple(self)):
            if scan.start.key.scan == number and stream in scan.streams:
                return scan
        return None

    def is_done(self, stream: str, number: int) -> bool:
        """Whether a slice or an end belongs to a scan that is finished."""
        return any(key.scan == number and stream in streams for key, streams in self.done.items())

    def is_known(self, start: ScanStart) -> bool:
        """Whether the scan has been begun before: then it comes in one more stream.

        Raises BadMessage where it was another volume, or comes in too many.
        """
        running = self.open.get(start.key)
        if running is not None:
            _check_volume(running.start, start)
        streams: Collection[str] | None
        streams = self.done.get(start.key) if running is None else running.streams
        if streams is None:
            return False
        if len(streams) >= MAX_STREAMS_OF_SCAN and start.stream not in streams:
            raise BadMessage(
                "too_many_streams",
                f"slices: cell {start.key.cell} scan {start.key.scan} comes in more than "
                f"{MAX_STREAMS_OF_SCAN} streams; header ignored",
            )
        if running is not None:
            running.streams.add(start.stream)
        elif start.stream not in streams:
            self.done[start.key] = (*streams, start.stream)
        return True

    def add(self, scan: RunningScan, *, late: bool) -> None:
        """A scan begins. `late`: its header may have come after those of later scans, which wait
        behind it from now on."""
        self.open[scan.start.key] = scan
        if late:
            self.open = dict(sorted(self.open.items(), key=lambda item: item[1].start.start_time))

    def left_out(self, start: ScanStart) -> range:
        """Numbers between this scan's and the one known before it: these may have been sent while
        nobody listened, as between a crash and the next start. The newest few."""
        known = (key.scan for key in (*self.done, *self.open) if key.run == start.key.run)
        last = max((number for number in known if number < start.key.scan), default=None)
        if last is None:
            return range(0)
        return range(max(last + 1, start.key.scan - MAX_LEFT_OUT), start.key.scan)

    def close(self, scan: RunningScan) -> None:
        """Nothing more comes by itself of a scan, nor of those before it, except where their slices
        come in between."""
        for older in self:
            interleaved = older.heard > scan.began and not older.ended
            if older is scan or not interleaved:
                older.over = True
            if older is scan:
                return

    @property
    def ripe(self) -> RunningScan | None:
        """The oldest scan, where nothing more comes of it, not by asking either: results build on
        those before, in the order of scans."""
        oldest = next(iter(self), None)
        return None if oldest is None or not oldest.over or oldest.recoverable else oldest

    def lies_before(self, scan: RunningScan, stream: str, number: int) -> bool:
        """Whether a number of a stream is between those that are finished and that of a scan, and
        not far before it."""
        this = scan.start.key.scan
        if stream not in scan.streams or not this - MAX_LEFT_OUT <= number < this:
            return False
        return all(key.scan < number for key, streams in self.done.items() if stream in streams)

    def take(self, scan: RunningScan) -> Iterator[RunningScan]:
        """Takes out the open scans up to this one, each as it is to be concluded."""
        for key, older in list(self.open.items()):
            del self.open[key]
            self.done[key] = tuple(older.streams)
            if len(self.done) > MAX_DONE:
                del self.done[next(iter(self.done))]
            yield older
            if older is scan:
                return


def _check_volume(known: ScanStart, start: ScanStart) -> None:
    if not known.is_like(start):
        raise BadMessage(
            "shape_changed",
            f"slices: cell {start.key.cell} scan {start.key.scan}: volume {start.volume_shape} "
            f"{start.dtype}, but it began as {known.volume_shape} {known.dtype}; header ignored",
        )
