"""Journal and events: every line, and what the journal says against scans and readings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from monitor.core.channels.documents import ChannelDocuments
from monitor.core.channels.history import ChannelHistory
from monitor.core.cycler.history import MeasuredReadings
from monitor.errors import BadMessage, RecordingError
from monitor.recording import checksums, files, format
from monitor.recording.journal import (
    DAMAGED,
    MAX_LINE_BYTES,
    RESEND_FEED,
    Line,
    Object,
    parse_line,
    record_of,
)
from monitor.recording.verify.findings import Findings
from monitor.recording.verify.scans import ScanFacts
from monitor.records import LEDGER_RECEIVED, LEDGER_RECOVERED, CyclerDocument
from monitor.settings import Settings

TORN = "a crash cut it short: `--repair` removes that line and keeps a copy"


@dataclass
class Told:
    """What the journal says: by cell and file the slices that were kept, in order, 2 for one that
    was asked for again, otherwise 1; and by cell the columns of the cycler's readings, and the
    values of its channels by name."""

    slices: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    starts: dict[tuple[str, str], Any] = field(default_factory=dict)
    readings: dict[str, list[Any]] = field(default_factory=dict)
    channels: dict[str, dict[str, ChannelHistory]] = field(default_factory=dict)


def lines(
    path: Path, findings: Findings, *, growing: bool, sealed: bool
) -> Iterator[tuple[int, Object]]:
    """(number from 0, object) of the whole lines that are sound; the others are findings.

    `sealed`: the recording was begun by a version that gives every line a checksum.
    """
    number = 0
    with findings.reading(path), files.opened(path, findings.folder) as file:
        while line := file.readline(MAX_LINE_BYTES):
            findings.checked["lines"] += 1
            if not line.endswith(b"\n"):
                if len(line) == MAX_LINE_BYTES:
                    findings.error(path, f"line {number + 1} is too long", "at most 128 MiB")
                elif not growing:
                    findings.error(path, "its last line has no end", "a line end", TORN, "line")
                return
            sound = checksums.line_is_sound(line)
            if sound is None and sealed:
                sound = False
            elif sound is None:
                findings.checked["lines without checksums"] += 1
            try:
                entry = parse_line(line)
            except DAMAGED:
                sound = False
            if sound is False:
                what = f"line {number + 1} has changed since it was written"
                findings.error(path, what, "contents that match the checksum")
            else:
                yield number, entry
            number += 1


def check_journal(
    path: Path, settings: Settings | None, findings: Findings, *, growing: bool, sealed: bool
) -> Told:
    """Every line has its number and a message that is known."""
    told = Told()
    documents = _Documents(settings) if settings is not None else None
    bare = 0
    if not os.path.lexists(path):
        findings.error(path, "missing", "the journal of all messages")
        return told
    for number, entry in lines(path, findings, growing=growing, sealed=sealed):
        if entry.get("n") != number:
            findings.error(path, f"line {number + 1} has n {entry.get('n')!r:.20}", f"{number}")
        try:
            _take(cast(Line, entry), told, documents)
        except (BadMessage, RecordingError, *DAMAGED):
            bare += 1
            if bare == 1:
                findings.error(
                    path,
                    f"line {number + 1} contains no message",
                    "a message as in docs/contract.md",
                )
    return told


class _Documents:
    """Reads documents as the recorder does."""

    def __init__(self, settings: Settings) -> None:
        self.readings = MeasuredReadings(settings)
        self._channels = ChannelDocuments(settings)
        self._cells = [cell.name for cell in settings.cells]

    def channels(self, record: CyclerDocument, told: Told) -> None:
        """Adds the values of channels that a document brings; those of all cells to each."""
        for value in self._channels.take(record).values:
            for cell in [value.cell] if value.cell else self._cells:
                known = told.channels.setdefault(cell, {})
                known.setdefault(value.name, ChannelHistory(most=sys.maxsize)).add(value)


def _take(entry: Line, told: Told, documents: _Documents | None) -> None:
    header = entry.get("header")
    if header is None:
        record = record_of(entry)
        if isinstance(record, CyclerDocument) and documents is not None:
            documents.channels(record, told)
            for point in documents.readings.points(record):
                column = told.readings.setdefault(point.reading.cell, [])
                while column and column[-1].time >= point.replaces_from:
                    column.pop()
                column.append(point.measured or point.reading)
        return
    name = entry["frame"].get("file")
    scan = (str(header["cell"]), str(name))
    if name is not None and not format.SCAN_FILE.fullmatch(str(name)):
        raise ValueError(name)
    if header["htype"] != "image":
        record = record_of(entry)
        if name is not None:
            told.starts.setdefault(scan, record)
    elif entry["frame"]["pixels"] == "kept":
        flag = LEDGER_RECOVERED if entry.get("feed") == RESEND_FEED else LEDGER_RECEIVED
        told.slices.setdefault(scan, {}).setdefault(int(header["frame"]), flag)


def compare_scan(
    path: Path, facts: ScanFacts, name: str, told: Told, findings: Findings, *, whole: bool
) -> None:
    """A scan's header and ledger against the journal; of one that is not complete, what is
    there."""
    scan = (path.parent.name, name)
    if scan not in told.starts:
        findings.error(path, "the journal does not mention this scan", "its header")
        return
    start = told.starts[scan]
    if (start.key, start.volume_shape) != (facts.start.key, facts.start.volume_shape):
        findings.error(path, "its header is not that in the journal", f"{start.key}")
    order, received = np.full_like(facts.order, -1), np.zeros_like(facts.received)
    for rank, (frame, flag) in enumerate(told.slices.get(scan, {}).items()):
        if 0 <= frame < len(order):
            order[frame], received[frame] = rank, flag
    # what the file declares as not recorded was refused, or arrived before a second recording began
    declared = (facts.received > 0) & (facts.order < 0) & (order < 0)
    received[declared] = facts.received[declared]
    if facts.late:
        received[(facts.received == 0) & (facts.order >= 0)] = 0
    there = slice(None) if whole else facts.order >= 0
    for what, have, want in (
        ("order", facts.order, order),
        ("received", facts.received, received),
    ):
        odd = np.flatnonzero(have[there] != want[there])
        if odd.size:
            text = f"ledger/{what} of {odd.size} slices differs from the journal"
            findings.error(path, text, "the slices kept according to the journal")


def check_events(
    folder: Path, cells: list[str], findings: Findings, *, growing: bool, sealed: bool
) -> list[tuple[str, int]]:
    """Events of all cells: whole lines, rising numbers, none twice. Returns (cell, scan) of the
    scans that were concluded."""
    concluded: list[tuple[str, int]] = []
    seen: set[int] = set()
    for place in (folder, *(folder / cell for cell in cells)):
        path = place / format.EVENTS_FILE
        if not os.path.lexists(path):
            continue
        last = 0
        for at, entry in lines(path, findings, growing=growing, sealed=sealed):
            kind, number, data = entry.get("kind"), entry.get("number"), entry.get("data")
            if not isinstance(kind, str) or not isinstance(data, dict):
                findings.error(path, f"line {at + 1} contains no event", "kind, cell and data")
                continue
            if kind == "scan_complete" and isinstance(data.get("scan"), int):
                concluded.append((str(entry.get("cell")), data["scan"]))
            if number is None and kind == "scan_request":
                continue
            if type(number) is not int or number in seen:
                what = f"line {at + 1} has the number {json.dumps(number)[:20]}"
                findings.error(path, what, "one that no other event has")
                continue
            if number < last:
                findings.error(path, f"line {at + 1} has the number {number}", f"above {last}")
            seen.add(number)
            last = number
    return concluded
