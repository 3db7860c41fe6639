"""What is reported if the disk refuses what is to be recorded, stops, or accepts it again."""

from __future__ import annotations

import threading
from collections import Counter, deque
from pathlib import Path

from monitor.recording import file_descriptors
from monitor.records import RecordingTrouble

MAX_TROUBLES = 100
STALLED_S = 60.0
"""Time (s) without progress, while something waits, after which the disk is reported to hang, as
NFS can."""


class DiskTroubles:
    """Problems of the disk that holds `folder`. `alarm`: the text that was reported last, or "";
    `failures`: how often something could not be written; `failing`: whether that is still so. May
    be used from any thread."""

    def __init__(self, folder: Path) -> None:
        self.alarm = ""
        self.failures = 0
        self.failing = False
        self._folder = folder
        self._stalled = False
        self._lock = threading.Lock()
        self._found: deque[RecordingTrouble] = deque(maxlen=MAX_TROUBLES)

    def add(self, trouble: RecordingTrouble) -> None:
        """Adds a problem that was found elsewhere."""
        with self._lock:
            self._found.append(trouble)

    def take(self) -> list[RecordingTrouble]:
        """The problems found since this was last called."""
        with self._lock:
            found = list(self._found)
            self._found.clear()
            return found

    def own_error(self, text: str) -> None:
        """An error of our own has kept a message from being written."""
        with self._lock:
            self.failures += 1
            self.alarm = text

    def refused(self, errors: list[OSError], lacking: int, in_second: str) -> None:
        """The disk has refused data. `lacking`: number of slices that have not been recorded since
        that began; `in_second`: where else they are recorded, in words."""
        why, todo = _cause(errors[-1])
        with self._lock:
            self.failures += len(errors)
            self.alarm = (
                f"recording to {self._folder} fails ({why}): {lacking} slices are not "
                f"recorded so far{in_second}; {todo}; recording is retried"
            )
            if not self.failing:
                self._found.append(RecordingTrouble(True, lacking, self.alarm))
            self.failing = True

    def over(self, lacking: Counter[str], in_second: str) -> None:
        """The disk accepts data again, and has accepted everything that waited. `lacking`: number
        of slices that it has refused, by file."""
        lacks = ", ".join(f"{count} slices of {name}" for name, count in sorted(lacking.items()))
        with self._lock:
            self.alarm = (
                f"recording to {self._folder} has resumed; it lacks {lacks or 'nothing'}{in_second}"
            )
            self._found.append(RecordingTrouble(False, lacking.total(), self.alarm))
            self.failing = False

    def stands_still(self, seconds: float, queued_bytes: int, limit_bytes: int) -> None:
        """Nothing of what waits has been written for `seconds`: reported before the queue is
        full."""
        with self._lock:
            if self._stalled == (seconds >= STALLED_S):
                return
            self._stalled = not self._stalled
            text = "the disk accepts data again"
            if self._stalled:
                text = (
                    f"recording to {self._folder} has stopped: the disk has accepted nothing for "
                    f"{seconds:.0f} s, {queued_bytes / 1e6:.0f} MB are waiting; at "
                    f"{limit_bytes / 1e6:.0f} MB the engine stops receiving; check the disk or "
                    "its file server"
                )
            self._found.append(RecordingTrouble(self._stalled, 0, text, "stalled"))


def _cause(error: OSError) -> tuple[str, str]:
    """What the system says of a failure to write, and what to do about it."""
    if file_descriptors.are_exhausted(error):
        return "too many open files", (
            "end the programs that keep connections to the engine open (ss -tnp), or raise "
            "`ulimit -n`"
        )
    why = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return why, "free some space or repair the disk"
