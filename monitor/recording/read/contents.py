"""All of a recording but its pixels and maps, read at once; a damaged file costs only itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.recording import format
from monitor.recording.read.experiment import Cell, Scan
from monitor.recording.read.past_events import Past
from monitor.recording.read.stored_scan import result_of, start_of
from monitor.records import LEDGER_RECOVERED, Event, Output, ScanResult, ScanStart


@dataclass(frozen=True, slots=True)
class Part:
    """A scan that was not finished: it runs, or the recording was interrupted in it."""

    start: ScanStart
    received: int
    recovered: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read, in one line; `scan`: the number in its file's name, or None."""

    cell: str
    scan: int | None
    text: str


@dataclass
class Contents:
    """What is recorded of one cell. `files`: by scan number; if several runs counted the same
    number, the newest run's. `latest`: the file of the newest scan, finished or not."""

    name: str
    results: list[ScanResult] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    files: dict[int, Scan] = field(default_factory=dict)
    latest: Scan | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def slices(self) -> int:
        """Slices that arrived."""
        finished = sum(int(np.count_nonzero(result.ledger)) for result in self.results)
        return finished + sum(part.received for part in self.parts)

    @property
    def recovered(self) -> int:
        """Slices of them that had been lost and arrived because they were asked for."""
        finished = sum(_recovered(result.ledger) for result in self.results)
        return finished + sum(part.recovered for part in self.parts)

    @property
    def slice_bytes(self) -> int:
        """Bytes of the pixels of all slices that arrived."""
        counted = [(r.start, int(np.count_nonzero(r.ledger))) for r in self.results]
        counted += [(part.start, part.received) for part in self.parts]
        return sum(number * _bytes_of_slice(start) for start, number in counted)


def read_contents(cell: Cell) -> Contents:
    """Results, scans that were not finished, and what could not be read of a cell."""
    found = Contents(cell.name)
    times: dict[int, float] = {}
    newest = float("-inf")
    try:
        scans = [*cell.scans, *cell.unfinished]
    except RecordingError as error:
        found.problems.append(Problem(cell.name, None, str(error)))
        return found
    for scan in scans:
        if scan.partial and not os.path.lexists(scan.path):  # finished since then
            scan = Scan(scan.path.with_name(scan.path.name.removesuffix(format.PART)))
        try:
            start = _take(scan, found)
        except RecordingError as error:
            found.problems.append(Problem(cell.name, _number_in_name(scan), str(error)))
            continue
        if start.start_time >= times.get(start.key.scan, float("-inf")):
            times[start.key.scan] = start.start_time
            found.files[start.key.scan] = scan
        if start.start_time >= newest:
            newest, found.latest = start.start_time, scan
    found.results.sort(key=lambda result: result.start.start_time)
    found.parts.sort(key=lambda part: part.start.start_time)
    return found


def _take(scan: Scan, found: Contents) -> ScanStart:
    start = start_of(scan)
    if start.key.cell != found.name:
        raise RecordingError(f"{scan.path}: contains a scan of cell {start.key.cell}; left out")
    if scan.partial:
        ledger = scan.ledger()
        found.parts.append(Part(start, int(np.count_nonzero(ledger)), _recovered(ledger)))
    else:
        found.results.append(result_of(scan))
    return start


def in_order(past: Past, contents: Iterable[Contents]) -> Iterator[Output]:
    """Everything as it came out of the session: each result right before its `scan_complete`.

    Results that no event reports come last. A scan that was concluded and is in none of the files
    is added to the problems of its cell.
    """
    cells = {found.name: found for found in contents}
    waiting = {name: _by_number(found.results) for name, found in cells.items()}
    for output in past.outputs:
        number = _concluded(output)
        if number is not None and output.cell in cells:
            results = waiting[output.cell].get(number)
            if results:
                yield results.pop(0)
            else:
                _miss(cells[output.cell], number)
        yield output
    for numbers in waiting.values():
        for results in numbers.values():
            yield from results


def _by_number(results: Iterable[ScanResult]) -> dict[int, list[ScanResult]]:
    numbers: dict[int, list[ScanResult]] = {}
    for result in results:
        numbers.setdefault(result.key.scan, []).append(result)
    return numbers


def _concluded(output: Any) -> int | None:
    """The number of the scan that was concluded, where the output is the event that says so."""
    if not isinstance(output, Event) or output.kind != "scan_complete":
        return None
    number = output.data.get("scan")
    return number if type(number) is int else None


def _miss(found: Contents, number: int) -> None:
    if all(problem.scan != number for problem in found.problems):
        text = f"scan {number} of cell {found.name} was finished, but no file contains it"
        found.problems.append(Problem(found.name, number, text))


def _number_in_name(scan: Scan) -> int | None:
    digits = re.match(r"scan_(\d{1,9})\.", scan.path.name)
    return int(digits[1]) if digits else None


def _recovered(ledger: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(ledger == LEDGER_RECOVERED))


def _bytes_of_slice(start: ScanStart) -> int:
    rows, columns = start.slice_shape
    return rows * columns * np.dtype(start.dtype).itemsize
