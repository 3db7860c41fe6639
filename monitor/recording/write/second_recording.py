"""A second recording, on another disk, of what the first one's disk refuses.

It is a recording of its own, that opens and verifies as any: it begins with what says how to read
the rest (the cycler's runs, the headers of the scans that run), takes every message while the first
disk refuses some, and continues to the end of the scans that it has then. What each of the two
lacks, each declares; together they have all.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

from monitor.bounded import Bounded
from monitor.errors import RecordingError
from monitor.recording.folder_lock import FolderLock
from monitor.recording.write.experiment import ExperimentWriter, Message, as_os_error
from monitor.recording.write.new_experiment import create_experiment
from monitor.records import (
    CyclerDocument,
    Event,
    Output,
    Record,
    ScanEnd,
    ScanKey,
    ScanResult,
    ScanStart,
    SliceFrame,
)
from monitor.settings import Settings

MAX_HEADERS = 64
AGAIN_S = 5.0
"""If no folder could be made, it is not tried again sooner."""


class SecondRecording:
    """Used by the recorder's thread alone. Its folder is made at the first need."""

    def __init__(self, settings: Settings, data_dir: Path, identity: str = "") -> None:
        """`identity`: of the first recording."""
        self._identity = identity
        self._settings = settings
        self._data_dir = data_dir
        self._starts: Bounded[tuple[ScanKey, str], Message] = Bounded(MAX_HEADERS)
        self._runs: Bounded[str, Message] = Bounded(MAX_HEADERS)
        self._known: set[str] = set()
        self._open: dict[ScanKey, int] = {}
        self._tried = -math.inf
        self._writer: ExperimentWriter | None = None
        self._lock: FolderLock | None = None
        self.needed = False
        self.problem = ""

    @property
    def folder(self) -> Path | None:
        """Where it is; None before the first need."""
        return None if self._writer is None else self._writer.folder

    def take(self, message: Message, *, refused: bool) -> list[OSError]:
        """A message that the first recording has taken, or has `refused`."""
        self.needed = self.needed or refused
        errors: list[OSError] = []
        if self.needed:
            errors = self._begin() or self._take(message)
        elif self._concerns_open(message):
            errors = self._take(message)
        self._remember(message)
        return errors

    def flush(self) -> list[OSError]:
        return [] if self._writer is None else self._writer.flush()

    def close(self, *, broken: bool = False) -> list[OSError]:
        """Ends it; `broken`: as the first one, not as it should."""
        if self._writer is None or self._lock is None:
            return []
        errors = self._writer.close()
        self._lock.release(broken=broken)
        return errors

    def _begin(self) -> list[OSError]:
        """Makes the folder if there is none yet, and takes the headers that it does not have."""
        if self._writer is None:
            if time.monotonic() - self._tried < AGAIN_S:
                return []
            self._tried = time.monotonic()
            try:
                folder = create_experiment(self._settings, self._data_dir, identity=self._identity)
                self._lock = FolderLock(folder)
                self._writer = ExperimentWriter(self._settings, folder)
            except (OSError, RecordingError) as error:
                self.problem = str(error)
                return [as_os_error(error)]
        for uid, run in self._runs.items():
            if uid not in self._known:
                self._writer.take(run)
        for (key, _), start in self._starts.items():
            if key not in self._open:
                self._writer.take(start)
        self._known = set(self._runs)
        for (key, _), message in self._starts.items():
            self._begin_scan(key, message.record)
        return []

    def _take(self, message: Message) -> list[OSError]:
        if self._writer is None:
            return []
        record = message.record
        if isinstance(record, ScanStart):
            self._begin_scan(record.key, record)
        elif _is_run(record):
            self._known.add(_uid(record))
        errors = self._writer.take(message)
        self.problem = str(errors[-1]) if errors else ""
        return errors

    def _begin_scan(self, key: ScanKey, record: Record) -> None:
        """A scan is recorded here; its slices bear the number that was sent."""
        self._open[key] = record.number if isinstance(record, ScanStart) else key.scan

    def _concerns_open(self, message: Message) -> bool:
        """Whether a message is of a scan that has been begun here."""
        record = message.record
        if isinstance(record, SliceFrame | ScanEnd):
            named = ((key.cell, number) for key, number in self._open.items())
            return (record.cell, record.scan) in named
        results = (output for output in message.outputs if isinstance(output, ScanResult))
        return any(result.key in self._open for result in results)

    def _remember(self, message: Message) -> None:
        """What says how to read what follows: the newest runs of the cycler, the open scans."""
        record = message.record
        if isinstance(record, ScanStart):
            # what else followed from a header is of earlier scans, which are not recorded here
            begun = tuple(o for o in message.outputs if _is_beginning(o))
            self._starts[record.key, record.stream] = replace(message, outputs=begun)
        elif _is_run(record):
            self._runs[_uid(record)] = message
        for output in message.outputs:
            if isinstance(output, ScanResult) and not output.provisional:
                self._open.pop(output.key, None)
                for known in [known for known in self._starts if known[0] == output.key]:
                    del self._starts[known]


def _is_beginning(output: Output) -> bool:
    return isinstance(output, Event) and output.kind == "scan_started"


def _is_run(record: Record) -> bool:
    """Whether it says how to read the readings that follow."""
    return isinstance(record, CyclerDocument) and record.name in ("start", "descriptor")


def _uid(record: Record) -> str:
    return str(record.doc.get("uid")) if isinstance(record, CyclerDocument) else ""
