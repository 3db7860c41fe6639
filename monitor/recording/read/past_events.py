"""What a recording says of the past beside its scans: events and requests, in order. A line that is
damaged costs itself, and is reported."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitor.errors import RecordingError
from monitor.recording import files, format
from monitor.recording.read.experiment import Experiment
from monitor.records import Event, ScanRequest
from monitor.units import MAX_TIME_S
from monitor.wire.fields import MAX_WHOLE

MAX_LINE_BYTES = 2**20
MAX_SKIPPED_BYTES = 2**27
"""Of a line that is too long, what is read in search of its end: a file may have holes."""


@dataclass
class Past:
    """`outputs` as the session gave them, without results; `problems`: what could not be read."""

    outputs: list[Event | ScanRequest] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def last_number(self) -> int:
        """Number of the newest event; 0 without any."""
        return max((o.number for o in self.outputs if isinstance(o, Event)), default=0)


def past_of(experiment: Experiment, cells: list[str]) -> Past:
    """Events and requests of the experiment, in the order in which they arrived."""
    past = Past()
    numbered: list[tuple[int, Event | ScanRequest]] = []
    for folder in (experiment.path, *(experiment.path / cell for cell in cells)):
        path = folder / format.EVENTS_FILE
        numbered += _of_file(path, experiment.path, {"", *cells}, past.problems)
    # requests stand before the event that reports them, as they do in a session
    numbered.sort(key=lambda pair: pair[0])
    past.outputs = [output for _, output in numbered]
    return past


def _of_file(
    path: Path, within: Path, cells: set[str], problems: list[str]
) -> Iterator[tuple[int, Event | ScanRequest]]:
    number, bad = 0, 0
    try:
        for line in _lines(path, within):
            found = _output(line, cells)
            if found is None:
                bad += 1
                continue
            if isinstance(found, Event):
                number = found.number
                if (request := _request(found.cell, found.data)) and found.kind == "scan_request":
                    yield number, request
            yield number, found
    except RecordingError as error:
        problems.append(str(error))
    except OSError as error:
        problems.append(f"{path}: cannot be read ({error.strerror or error})")
    if bad:
        problems.append(f"{path}: {bad} lines are damaged, and are left out")


def _lines(path: Path, within: Path) -> Iterator[bytes]:
    """Whole lines, none without a file; of one that is too long, its beginning. A last line that a
    crash cut short is left out. Raises RecordingError, OSError."""
    if not os.path.lexists(path):
        return
    with files.opened(path, within) as file:
        while line := file.readline(MAX_LINE_BYTES):
            rest, skipped = line, 0
            while rest and not rest.endswith(b"\n"):
                if (skipped := skipped + len(rest)) > MAX_SKIPPED_BYTES:
                    raise RecordingError(f"{path}: has a line without an end; the rest is left out")
                rest = file.readline(MAX_LINE_BYTES)
            if rest:
                yield line


def _output(line: bytes, cells: set[str]) -> Event | ScanRequest | None:
    """The event, or request that no event reports, in a line; None if it is none."""
    try:
        entry = json.loads(line)
        kind, cell, data = entry["kind"], entry["cell"], entry["data"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    if not isinstance(kind, str) or not isinstance(data, dict):
        return None
    if not isinstance(cell, str) or cell not in cells:
        return None
    if kind == "scan_request" and "number" not in entry:
        return _request(cell, data)
    number, time = entry.get("number"), entry.get("time")
    if type(number) is not int or not abs(number) <= MAX_WHOLE:
        return None
    if type(time) not in (int, float) or not abs(time) < MAX_TIME_S:
        return None
    return Event(number, kind, cell, float(time), data)


def _request(cell: str, data: Mapping[str, object]) -> ScanRequest | None:
    identity, reason = data.get("id"), data.get("reason")
    after, evidence = data.get("after_scan"), data.get("evidence", {})
    if not isinstance(identity, str) or not isinstance(reason, str) or type(after) is not int:
        return None
    return ScanRequest(
        identity, cell, reason, after, evidence if isinstance(evidence, dict) else {}
    )
