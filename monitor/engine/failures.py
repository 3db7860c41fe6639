"""Internal errors in the threads of an engine: logged in full, and reported as alarms. A thread
that continues after an error passes it to this module; no error is swallowed, and no thread ends
without a report."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from monitor.plain_text import visible_lines
from monitor.recording.error_log import ErrorLog, in_one_line
from monitor.records import RecordingTrouble, TroublePart

CALM_S = 60.0
"""Time (s) without another error after which the alarm ends."""
MAX_TROUBLES = 100
WHAT_IT_COSTS: dict[TroublePart, str] = {
    "recorder": "the recorder continues; the message that it was writing is not recorded",
    "serving": "the engine continues to record; a screen may have to repeat a request",
    "engine": "the engine ends; the recording can be resumed: start the engine again with the "
    "same settings",
}


@dataclass(slots=True)
class _Failing:
    last: float
    lost: int


class Failures:
    """Collects errors. May be used from any thread; the compute thread calls `troubles`."""

    def __init__(
        self, log: ErrorLog | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Without a `log`, errors go to stderr."""
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._failing: dict[TroublePart, _Failing] = {}
        self._troubles: deque[RecordingTrouble] = deque(maxlen=MAX_TROUBLES)

    def add(
        self, part: TroublePart, error: BaseException, *, lost: int = 0, costs: str = ""
    ) -> str:
        """Adds an error in this part of the engine. `lost`: number of slices that are missing from
        the recording because of it; `costs`: its consequences, if they differ from those in
        `WHAT_IT_COSTS`. Returns the text of the alarm, one line."""
        costs = costs or WHAT_IT_COSTS[part]
        text = f"internal error ({in_one_line(error)}): {costs}"
        text += f"; {self.write(part, error)}"
        with self._lock:
            before = self._failing.get(part)
            self._failing[part] = _Failing(self._clock(), lost + (before.lost if before else 0))
            if before is None:
                self._troubles.append(RecordingTrouble(True, lost, text, part))
        return text

    def write(self, where: str, error: BaseException) -> str:
        """Logs an error in full; returns a text that says where."""
        if self._log is not None and self._log.write(where, error):
            return f"the full error is in {self._log.path}: please report it"
        print(visible_lines("".join(traceback.format_exception(error))), file=sys.stderr)
        return "the full error is in the engine's output: please report it"

    def troubles(self) -> list[RecordingTrouble]:
        """Troubles that have begun or ended since this was last called."""
        if not self._failing:
            return []
        with self._lock:
            now = self._clock()
            for part, failing in list(self._failing.items()):
                if now - failing.last >= CALM_S:
                    del self._failing[part]
                    text = f"no further error of this kind for {CALM_S:g} s"
                    if failing.lost:
                        text += f"; {failing.lost} slices are not recorded"
                    self._troubles.append(RecordingTrouble(False, failing.lost, text, part))
            found = list(self._troubles)
            self._troubles.clear()
        return found
