"""Engines for the screens of this study: one whose feeds stop, one that can be killed."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path

from monitor.records import CyclerDocument
from tests.core.experiment import SHAPE, scan_records
from tests.gui.live import LiveEngine

WATCH = {"late_s": 1.0, "dead_s": 6.0, "cycler_s": 6.0}
"""A tenth of the limits by default: six seconds here stand for a minute."""
FIRST_SLICES = 40
SLICES_AT_ONCE = 4


class Story:
    """A live engine: one whole scan, then one that stops in the middle."""

    def __init__(self, folder: Path) -> None:
        self.engine = LiveEngine(folder, watch=WATCH)
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
        """The rest of scan 1, scan 2 with slices missing, and the end of the cycler's run."""
        self.more(len(self._left))
        self.engine.scan(2, order=[*range(30), *range(36, SHAPE[0])])
        stop = {"uid": "stop-A", "run_start": "run-A", "time": 9.0, "exit_status": "success"}
        self.engine.feed.put("documents", [CyclerDocument("stop", stop)])

    def close(self) -> None:
        """Ends the engine; what it recorded stays."""
        self.engine.recorder.drain()
        self.engine.close()


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
