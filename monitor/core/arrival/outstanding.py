"""What the open scans of all cells still lack: what to wait for, and what to ask for again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from monitor.core.arrival.cell_scans import MAX_OPEN_SCANS, CellScans, few_before
from monitor.core.arrival.message_numbers import Streams
from monitor.core.arrival.missing_slices import Lacking, MissedScan, Recovery, Unknown
from monitor.core.arrival.running_scan import Phase
from monitor.records import ScanStart

FIRST_SCANS_WITHIN_S = 3600.0
"""The first scans of cells that are scanned in turn begin within this of each other."""


class Outstanding:
    """Looks at the scans of all cells; changes nothing."""

    def __init__(
        self, cells: Mapping[str, CellScans], streams: Streams, recovery: Recovery
    ) -> None:
        self._cells = cells
        self._streams = streams
        self._recovery = recovery

    @property
    def waiting(self) -> list[str]:
        """The cells that have a scan which ended with slices still on their way."""
        return [
            name
            for name, scans in self._cells.items()
            if any(scan.phase is not Phase.RECEIVING for scan in scans.open)
        ]

    @property
    def held(self) -> set[str]:
        """The cells in which a scan waits for the header of one before it."""
        return {
            name
            for name, scans in self._cells.items()
            if any(scans.is_held(scan, self._recovery.sought(name)) for scan in scans.open)
        }

    @property
    def unfinished(self) -> list[str]:
        """The cells that have a scan which is not finished."""
        return [name for name, scans in self._cells.items() if scans.open]

    @property
    def lacking(self) -> list[Lacking]:
        """What the open scans lack that can be asked for, the oldest scan of each cell first."""
        return [
            scan.lacking(lossy=any(map(self._streams.is_lossy, scan.streams)))
            for scans in self._cells.values()
            for scan in scans.open
            if scan.recoverable
        ]

    @property
    def pressure(self) -> bool:
        """Whether the next message may make a scan give up slices that can be asked for: the next
        slice, as memory is short, or the next header, as no more scans of its cell may wait."""
        for scans in self._cells.values():
            oldest = scans.open.oldest
            if oldest is not None and oldest.recoverable and len(scans.open) >= MAX_OPEN_SCANS:
                return True
            if any(scan.memory_pressure for scan in scans.open):
                return True
        return False

    @property
    def open_scans(self) -> dict[str, int]:
        """How many scans of each cell are not finished."""
        return {name: len(scans.open) for name, scans in self._cells.items()}

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """Scans of which something has arrived, but no header."""
        return self._recovery.unknown

    @property
    def missed(self) -> tuple[MissedScan, ...]:
        """What may have been sent while no engine listened: of each cell the scan after its newest,
        and those before its first; number 0, if only another cell has scans."""
        known = {name: scans.starts for name, scans in self._cells.items()}
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
                missed = MissedScan(name, number, after, newest=not starts)
                found.append(_of_the_run(missed, starts[0]) if starts else missed)
        return tuple(found)

    @property
    def without_scans(self) -> set[str]:
        """The cells of which no header has arrived."""
        return {name for name, scans in self._cells.items() if not scans.starts}

    @property
    def resend_addresses(self) -> tuple[str, ...]:
        """Where headers can be asked for."""
        return self._recovery.addresses


def _of_the_run(missed: MissedScan, first: ScanStart) -> MissedScan:
    """An earlier scan of the same run as the first known one; where runs have no names, each is
    within an hour of the next."""
    numbers = first.number - missed.scan
    after = first.start_time - numbers * FIRST_SCANS_WITHIN_S
    run = first.key.run
    return replace(missed, run=run, after_in_run=-math.inf if run else after)
