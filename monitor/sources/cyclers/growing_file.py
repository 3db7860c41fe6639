"""A growing cycler file, read on in a thread of its own: slices never wait for it."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Self

from monitor.errors import PitwatchError, SourceError
from monitor.sources.cyclers.readers import follow, reader_of
from monitor.sources.cyclers.table import CyclerTable

POLL_S = 1.0
END_S = 320.0
"""The last look at a large file takes as long as its reader may."""


class GrowingFile:
    """`first` is what the file held at the start; `new` what has arrived since.

    Raises SourceError for a file that cannot be read or holds no reading yet, and MissingSoftware
    for one whose reader is not installed. Once reading fails, `problem` says why, and nothing
    more arrives.
    """

    def __init__(self, path: Path) -> None:
        self._stop = threading.Event()
        self._tables = follow(path, stop=self._stop, poll_s=POLL_S)
        self.first = next(self._tables)
        self.problem: PitwatchError | None = None
        if not len(self.first):
            form = reader_of(path).FORMAT
            raise SourceError(
                f"{path}: contains no reading; expected {form.name} with {form.least}: wait for "
                "one, "
                "or check the file"
            )
        self._new: queue.SimpleQueue[CyclerTable] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, name="cycler file", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def new(self) -> list[CyclerTable]:
        """What has been read since this was last asked, in the order of the file."""
        found = []
        while not self._new.empty():
            found.append(self._new.get())
        return found

    def end(self) -> None:
        """Looks a last time, and stops."""
        self._stop.set()
        self._thread.join(END_S)

    def _read(self) -> None:
        try:
            for table in self._tables:
                self._new.put(table)
        except PitwatchError as error:
            self.problem = error
