"""A second recording, on another disk, of what the first one's disk refuses.

It is a recording of its own, that opens and verifies as any: it begins with the headers of the
scans that run, takes every message while the first disk refuses some, and goes on to the end of the
scans that it has then. What each of the two lacks, each declares; together they have all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor.errors import RecordingError
from monitor.recording.resume import FolderLock
from monitor.recording.write import ExperimentWriter, Message, create_experiment
from monitor.records import ScanKey, ScanResult, ScanStart
from monitor.settings import Settings

MAX_STARTS = 64


class SecondRecording:
    """Used by the recorder's thread alone. Its folder is made at the first need."""

    def __init__(self, settings: Settings, data_dir: Path) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._starts: dict[tuple[ScanKey, str], Message] = {}
        self._open: set[ScanKey] = set()
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
        if self.needed or self._open:
            errors = self._take(message)
        self._remember(message)
        return errors

    def flush(self) -> list[OSError]:
        return [] if self._writer is None else self._writer.flush()

    def close(self) -> list[OSError]:
        """Ends it."""
        if self._writer is None or self._lock is None:
            return []
        errors = self._writer.close()
        self._lock.release()
        return errors

    def _take(self, message: Message) -> list[OSError]:
        errors: list[OSError] = []
        if self._writer is None:
            try:
                folder = create_experiment(self._settings, self._data_dir)
                self._lock = FolderLock(folder)
                self._writer = ExperimentWriter(self._settings, folder)
            except (OSError, RecordingError) as error:
                self.problem = str(error)
                return [error if isinstance(error, OSError) else OSError(str(error))]
        for (key, _), start in self._starts.items():
            if key not in self._open:
                errors += self._writer.take(start)
        self._open |= {key for key, _ in self._starts}
        if isinstance(message.record, ScanStart):
            self._open.add(message.record.key)
        errors += self._writer.take(message)
        self.problem = str(errors[-1]) if errors else ""
        return errors

    def _remember(self, message: Message) -> None:
        """Which scans run."""
        record = message.record
        if isinstance(record, ScanStart):
            self._starts[record.key, record.stream] = message
            self._drop(lambda key: len(self._starts) > MAX_STARTS)
        for output in message.outputs:
            if isinstance(output, ScanResult) and not output.provisional:
                over = output.key
                self._drop(lambda key, over=over: key == over)  # type: ignore[misc]

    def _drop(self, gone: Callable[[ScanKey], bool]) -> None:
        """Of the headers that are kept, the oldest first."""
        for key, stream in list(self._starts):
            if gone(key):
                del self._starts[key, stream]
                self._open.discard(key)
