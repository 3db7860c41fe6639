"""The open scans of one cell in order of time: whose turn it is to be concluded.

Results build on those of earlier scans, so scans are concluded in the order in which they began.
The order is decided here only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from monitor.core.arrival.running_scan import Phase, RunningScan
from monitor.records import ScanKey, ScanStart


def in_order(starts: Iterable[ScanStart]) -> list[ScanStart]:
    """Headers in the order in which their scans began."""
    return sorted(starts, key=_begin)


def _begin(start: ScanStart) -> float:
    return start.start_time


class ScanQueue:
    """Oldest first. A scan whose header was received in its place is the newest."""

    def __init__(self) -> None:
        self._scans: dict[ScanKey, RunningScan] = {}

    def __iter__(self) -> Iterator[RunningScan]:
        """The scans as they are now, oldest first."""
        return iter(tuple(self._scans.values()))

    def __len__(self) -> int:
        return len(self._scans)

    def __contains__(self, key: ScanKey) -> bool:
        return key in self._scans

    def get(self, key: ScanKey) -> RunningScan | None:
        """The open scan with this key."""
        return self._scans.get(key)

    def add(self, scan: RunningScan, *, late: bool) -> None:
        """A scan begins. `late`: its header may have arrived after those of later scans, which wait
        behind it from now on."""
        self._scans[scan.start.key] = scan
        if late:
            ordered = sorted(self._scans.items(), key=lambda item: _begin(item[1].start))
            self._scans = dict(ordered)

    def close(self, scan: RunningScan) -> None:
        """Nothing more comes by itself of a scan, nor of those before it, unless their slices come
        in between."""
        for older in self:
            if older is scan or not older.interleaves(scan):
                older.close()
            if older is scan:
                return

    def close_before(self, scan: RunningScan) -> bool:
        """Closes the scans before this one. True if one of them was still open for slices: then
        not all that it lacks has been requested yet."""
        before = list(itertools.takewhile(lambda older: older is not scan, self))
        cut = [one for one in before if one.phase is Phase.RECEIVING and one.recoverable]
        for one in cut:
            one.close()
        return bool(cut)

    @property
    def oldest(self) -> RunningScan | None:
        return next(iter(self._scans.values()), None)

    @property
    def ripe(self) -> RunningScan | None:
        """The oldest scan, if nothing more comes of it, not by asking either."""
        scan = self.oldest
        if scan is None or scan.phase is not Phase.CLOSED or scan.recoverable:
            return None
        return scan

    def take_through(self, scan: RunningScan) -> Iterator[RunningScan]:
        """Takes out the scans up to this one, each as it is to be concluded."""
        for older in self:
            del self._scans[older.start.key]
            yield older
            if older is scan:
                return
