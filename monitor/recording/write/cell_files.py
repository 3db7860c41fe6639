"""The files of one cell that are being written: its scans, its readings, its master."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitor.core.arrival.message_numbers import MAX_STREAMS_OF_SCAN
from monitor.core.arrival.scan_lookup import ScanNames
from monitor.recording import format
from monitor.recording.write import disk_space
from monitor.recording.write.cell_logs import append_readings
from monitor.recording.write.cell_master import Master
from monitor.recording.write.channels_file import ChannelsFile
from monitor.recording.write.scan_file import ScanFile
from monitor.records import (
    CyclerPoint,
    CyclerReading,
    ScanKey,
    ScanResult,
    ScanStart,
    SliceFrame,
)
from monitor.settings import ChannelSettings
from monitor.settings.experiment import CompressSlices

MAX_OPEN_SCANS = 8
MASTER_EVERY_S = 5.0
"""A master is written at once, unless the one before is newer than this: with hundreds of scans
it takes 50 ms."""
MAX_READINGS_WAITING = 100_000


@dataclass
class CellFiles:
    """The files of one cell, with the settings of its `channels`. Of its scans: `open`, they still
    run; `waiting`, their results are not on the disk yet; `done`, the names of the files of those
    that are complete."""

    folder: Path
    keep_slices: bool
    compress: CompressSlices = "auto"
    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    open: dict[ScanKey, ScanFile] = field(default_factory=dict)
    streams: dict[ScanKey, set[str]] = field(default_factory=dict)
    waiting: dict[ScanKey, ScanFile] = field(default_factory=dict)
    done: dict[ScanKey, str] = field(default_factory=dict)
    readings: list[CyclerReading] = field(default_factory=list)
    written_until: float = -math.inf
    rewrite_from: float = math.inf
    master_due: bool = False
    master_at: float = float("-inf")

    def __post_init__(self) -> None:
        self._master = Master(self.folder)
        self.channel_values = ChannelsFile(self.folder / format.CHANNELS_FILE, self.channels)
        self._names = ScanNames()

    def has_ended(self, key: ScanKey) -> bool:
        """Whether its results have arrived."""
        return key in self.waiting or key in self.done

    def newest(self, number: int | None) -> ScanFile | Path | None:
        """The newest scan, or the newest of this number; its path where it is complete."""
        files: dict[ScanKey, ScanFile | str] = {**self.done, **self.waiting, **self.open}
        fitting = [file for key, file in files.items() if number is None or key.scan == number]
        if not fitting:
            return None
        file = fitting[-1]
        if isinstance(file, ScanFile):
            return file.path if file.finished else file
        return self.folder / file

    def running(self, frame: SliceFrame) -> ScanFile | None:
        """The open scan that a slice belongs to, as in the session."""
        found: ScanFile | None = None
        for key in self._names.find(frame.stream, frame.scan, frame.msg_number):
            scan = self.open.get(key)
            if scan is None or scan.fits(frame):
                return scan or found
            found = found or scan
        return found

    def start(self, start: ScanStart) -> ScanFile | None:
        """The file of a scan that begins, or continues from another stream. None if its results
        have arrived, or it is of another volume than it began with."""
        if self.has_ended(start.key):
            return None
        if start.key not in self.open:
            while len(self.open) >= MAX_OPEN_SCANS:
                self.forget(next(iter(self.open))).close()
            path = self._free_path(start.key.scan)
            self.open[start.key] = ScanFile(
                path, start, keep_slices=self.keep_slices, compress=self.compress
            )
        elif not self.open[start.key].start.is_like(start):
            return None
        self.comes_in(start)
        return self.open[start.key]

    def begin(self, key: ScanKey) -> None:
        """Makes the file of a scan that is open, if an earlier one of it was set aside, also if no
        slice of that had reached the disk: the journal names it. Raises OSError."""
        scan = self.open[key]
        if scan.part.with_name(scan.part.name + format.OLD).exists():
            scan.begin()

    def comes_in(self, start: ScanStart) -> None:
        """Slices of a scan that is open come in the stream of this header."""
        streams = self.streams.setdefault(start.key, set())
        if len(streams) < MAX_STREAMS_OF_SCAN:
            streams.add(start.stream)
        if start.stream in streams:
            self._names.add(start)

    def finish(self, result: ScanResult) -> None:
        """Writes a scan's results; until that has succeeded it is `waiting`. Raises OSError."""
        key = result.key
        scan = self.open.get(key) or self.waiting.get(key)
        if scan is None:
            name = self.done.get(key)
            path = self.folder / name if name else self._free_path(key.scan)
            finished = name is not None
            scan = ScanFile(path, result.start, keep_slices=self.keep_slices, finished=finished)
        if key in self.open:
            self.forget(key)
        self.waiting[key] = scan
        scan.finish(result)
        del self.waiting[key]
        self.done[key] = scan.path.name
        self.master_due = True

    def forget(self, key: ScanKey) -> ScanFile:
        """A scan that is open no more."""
        self.streams.pop(key, None)
        return self.open.pop(key)

    def write_master(self, *, last: bool = False) -> None:
        """Unless it was written a moment ago and this is not the `last` time. Raises OSError."""
        if not last and time.monotonic() < self.master_at + MASTER_EVERY_S:
            return
        disk_space.need(self.folder, leave=disk_space.LAST_BYTES)
        self._master.write()
        self.master_due, self.master_at = False, time.monotonic()

    def read(self, point: CyclerPoint) -> None:
        """Keeps a reading until it is written; those that it replaces go."""
        since = point.replaces_from
        if self.written_until >= since:
            self.rewrite_from = min(self.rewrite_from, since)
        while self.readings and self.readings[-1].time >= since:
            self.readings.pop()
        if len(self.readings) < MAX_READINGS_WAITING:
            self.readings.append(point.measured or point.reading)

    def write_readings(self) -> None:
        """Those that were kept. Raises OSError."""
        append_readings(self.folder / format.CYCLER_FILE, self.readings, self.rewrite_from)
        self.written_until, self.rewrite_from = self.readings[-1].time, math.inf
        self.readings.clear()

    def _free_path(self, number: int) -> Path:
        """Another run may count its scans from 0 again: then the next free number is taken. A part
        that was left unfinished keeps its name too."""
        taken = {scan.path for scan in (*self.open.values(), *self.waiting.values())}
        while (path := self.folder / format.scan_name(number)) in taken or (
            path.exists() or path.with_name(path.name + format.PART).exists()
        ):
            number += 1
        return path
