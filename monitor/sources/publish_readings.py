"""Cycler files as live readings: of the file as it is, and of what is appended to it."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SettingError
from monitor.processes import is_free
from monitor.settings import CELL_NAME, ResultSettings, SimulatorSettings
from monitor.sources.cyclers.files import CyclerFiles, cycler_paths
from monitor.sources.cyclers.table import CyclerTable, after
from monitor.sources.feeds.delivery import Taken, find_engine
from monitor.sources.feeds.documents import ReadingFeed

TICK_S = 0.1
SETTLE_S = 1.0
"""Time for subscribers and the proxy to find each other: PUB sockets drop before that."""

_DEFAULTS = SimulatorSettings()
_RESULTS = ResultSettings()


class Readings:
    """The readings of some files, published as the time of their acquisition is reached.

    `last`: what an engine has already is not published: the time of its last reading, and what it
    adds to the times of readings.
    """

    def __init__(
        self,
        files: CyclerFiles,
        feed: ReadingFeed,
        stop: threading.Event,
        say: Callable[[str], None],
        last: tuple[float, float] | None = None,
    ) -> None:
        self._files, self._feed, self._stop, self._say = files, feed, stop, say
        self._last = last

    @property
    def run(self) -> str:
        """The uid of their bluesky run."""
        return self._feed.uid

    def open(self) -> None:
        self.say_notes()
        self._feed.open(self._stop)

    def until(self, instant: float) -> None:
        """Publishes the readings up to this time (UTC s of the data) that are known by now."""
        for table, times in self._files.new():
            self._feed.add(*unknown(table, times, self._last))
        self.say_notes()
        self._feed.until(instant, self._stop)

    def rest(self, follow: bool) -> None:
        """Publishes those that are left; to `follow`: as they arrive, until `stop` is set."""
        while follow and not self._stop.is_set() and self._files.problem is None:
            self.until(math.inf)
            self._stop.wait(TICK_S)
        if not self._stop.is_set():
            self._files.end()
        self.until(math.inf)
        if self._files.problem is not None:
            raise self._files.problem

    def finish(self, exit_status: Literal["success", "abort", "fail"]) -> None:
        self._feed.finish(exit_status)

    def say_notes(self) -> None:
        while self._files.notes:
            self._say(self._files.notes.pop(0))


def unknown(
    table: CyclerTable, times: NDArray[np.float64], last: tuple[float, float] | None
) -> tuple[CyclerTable, NDArray[np.float64]]:
    """What of a table in the order of time an engine does not have; `last` as in `Readings`."""
    if last is None:
        return table, times
    known = int(np.searchsorted(times + last[1], last[0], side="right"))
    return after(table, known), times[known:]


def check_cell(cell: str) -> None:
    """Raises SettingError for a name that cannot be that of a cell."""
    if not re.fullmatch(CELL_NAME, cell):
        raise SettingError(
            "cell",
            got=cell,
            expected="a name of letters, digits, '_' and '-'",
            todo="use the name in the monitor's settings",
        )


def publish_readings(
    cycler: Path | Sequence[Path],
    *,
    cell: str = "A",
    follow: bool = False,
    documents_in: str = _DEFAULTS.documents_in,
    documents_out: str = _DEFAULTS.documents_out,
    engine: str = "",
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Publishes the readings of cycler files without any volumes; with `follow`, also what is
    appended, until `stop` is set.

    The engine at `engine` (its results.pull), by default that at the default address if one answers
    there, confirms them; what it has already of the cell is not published again. Raises
    SettingError, SourceError, MissingSoftware, EngineUnreachable.
    """
    check_cell(cell)
    files = CyclerFiles(cycler_paths([cycler] if isinstance(cycler, Path) else cycler), time.time())
    with ExitStack() as stack:
        default = "" if is_free(_RESULTS.pull) else _RESULTS.pull
        counter = find_engine(engine or default, _RESULTS.pull, "")
        taken = Taken(documents_out, counter, say)
        stack.callback(taken.close)
        last = counter.last_reading(cell) if counter else None
        feed = stack.enter_context(
            ReadingFeed(
                *unknown(*files.first, last),
                cell=cell,
                source=files.name,
                documents_in=documents_in,
                documents_out=documents_out,
                codec="msgpack",
                taken=taken,
            )
        )
        stack.enter_context(files)
        readings = Readings(files, feed, stop, say, last)
        stop.wait(SETTLE_S)
        exit_status: Literal["success", "abort", "fail"] = "fail"
        readings.open()
        try:
            readings.rest(follow)
            exit_status = "success" if follow or not stop.is_set() else "abort"
        finally:
            readings.finish(exit_status)
