"""Engines for the screens of this study: one whose clock is moved, one that can be killed."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path

from monitor.engine import engine as hearing
from monitor.engine.serving import state as telling
from monitor.records import CyclerDocument
from tests.core.experiment import scan_records
from tests.gui.live import LiveEngine

FIRST_SLICES = 40
SLICES_AT_ONCE = 4


class MovedClock:
    """Stands in for the module `time` of an engine in this process: it can be put forward, so that
    five minutes of silence need not be waited for. Nothing else of the engine is changed."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        """Seconds, with what it was put forward."""
        return time.monotonic() + self.ahead_s

    def time(self) -> float:
        """UTC s, with what it was put forward."""
        return time.time() + self.ahead_s


class Story:
    """A live engine: one whole scan, then one that stops in the middle."""

    def __init__(self, folder: Path) -> None:
        self.clock = MovedClock()
        # both have to read the same clock: when something was heard, and how long ago that is
        hearing.time = telling.time = self.clock  # type: ignore[assignment]
        self.engine = LiveEngine(folder)
        self._left = scan_records(1)

    def begin(self) -> None:
        """Scan 0, and the first slices of scan 1."""
        self.engine.scan(0)
        self.more(FIRST_SLICES)

    def more(self, count: int = SLICES_AT_ONCE) -> None:
        """Some more of scan 1, a few of which stay for later."""
        now, self._left = self._left[:count], self._left[count:]
        self.engine.feed.put("slices", now)

    def end(self) -> None:
        """The rest of scan 1, scan 2, and the end of the cycler's run."""
        self.more(len(self._left))
        self.engine.scan(2)
        stop = {"uid": "stop-A", "run_start": "run-A", "time": 9.0, "exit_status": "success"}
        self.engine.feed.put("documents", [CyclerDocument("stop", stop)])

    def close(self) -> None:
        """Ends the engine; what it recorded stays."""
        self.engine.recorder.drain()
        self.engine.close()
        hearing.time = telling.time = time


class OwnProcess:
    """An engine in a process of its own, which can be killed."""

    def __init__(self, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(folder, theirs), daemon=True)
        self._process.start()
        self.pull_address, self.status_address = ours.recv()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.kill()
        self._process.join()


def _serve(folder: Path, told: Connection) -> None:
    engine = LiveEngine(folder)
    engine.scan(0)
    told.send((engine.pull_address, engine.status_address))
    time.sleep(3600.0)
