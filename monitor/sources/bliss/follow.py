"""Follows the scans of a session as they are created, and publishes what is new of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.bounded import Bounded
from monitor.errors import SourceError
from monitor.sources.bliss.counters import MAX_NAMED, Choice, CounterNames, choose
from monitor.sources.bliss.documents import Document, ScanRun
from monitor.sources.bliss.engine import Engine, Known
from monitor.sources.bliss.points import Numbers, Points, Rows
from monitor.sources.bliss.scan import BlissScan, ScanState, parse_scan
from monitor.sources.bliss.server import BEGIN, DataServer

PAGE = 500
"""Points in a document."""
LEAST_TIME = 1e9
"""UTC s; what is less counts from somewhere else."""
CLOCK_S = 3600.0
"""A scan that was closed longer before the engine's last reading than this has nothing newer."""
MAX_SAID = 100
DELETED = "deleted from Redis before it was closed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is published of which scans. `session`: of BLISS, "" for any; `past`: also of scans that
    were closed before, if the engine has no reading yet."""

    cell: str
    names: CounterNames
    session: str = ""
    past: bool = False


class _ScanFeed:
    """A scan whose points are being published."""

    def __init__(
        self,
        server: DataServer,
        engine: Engine,
        known: Known,
        cell: str,
        scan: BlissScan,
        choice: Choice,
    ) -> None:
        self.scan = scan
        self._server, self._engine, self._known, self._cell = server, engine, known, cell
        self._choice = choice
        channels = {one.channel.name: one.channel for one in choice.columns}
        channels[choice.time.name] = choice.time
        self._points = Points(server, channels.values())
        self._run: ScanRun | None = None
        self._last: float | None = None
        self._sent = self._untimed = 0
        self.newest: float | None = None
        """Time of the last point that was given to the engine."""

    def advance(self, stop: threading.Event) -> str | None:
        """Publishes what is new; what was published in all, in words, once the scan is closed."""
        newest = self._server.newest(self.scan.states)
        while not stop.is_set() and (rows := self._points.read()) is not None:
            self._publish(rows, stop)
        if stop.is_set():
            return None
        if newest is None:
            return self._end(DELETED, stop)
        if _state(newest[1]) < ScanState.CLOSED:
            return None
        document = self._server.document(self.scan.key)
        reason = DELETED if document is None else parse_scan(self.scan.key, document).end_reason
        return self._end(reason, stop)

    def _publish(self, rows: Rows, stop: threading.Event) -> None:
        """Raises SourceError for times that are none."""
        times = rows.columns[self._choice.time.name]
        real = times[np.isfinite(times)]
        if real.size and real.min() < LEAST_TIME:
            raise SourceError(
                f"counter {self._choice.time.name} counts no seconds since 1970; name the counter "
                "with the times of the points with --time"
            )
        if real.size:
            self._last = float(real[-1])
        self._untimed += times.size - real.size
        used = np.flatnonzero(self._is_new(times))
        if used.size == 0:
            return
        for page in self._begun(float(times[used[0]])).pages(times, rows, used.tolist(), PAGE):
            if not self._engine.give([page], stop):
                return
            self._sent += len(page[1]["time"])
            self.newest = page[1]["time"][-1]

    def _is_new(self, times: Numbers) -> NDArray[np.bool_]:
        """Which are later than the last reading that the engine had, when it was asked."""
        if self._known.time is None:
            return np.isfinite(times)
        return times + self._known.offset_s > self._known.time

    def _begun(self, time: float) -> ScanRun:
        if self._run is None:
            self._run = ScanRun(self._cell, self.scan, self._choice, time)
            self._engine.give(self._run.begin(), threading.Event())
        return self._run

    def _end(self, reason: str, stop: threading.Event) -> str:
        """Also of a run that the engine has whole, except perhaps for its end."""
        if self._last is not None and (
            self._run is not None or self._last + self._known.offset_s == self._known.time
        ):
            end: Document = self._begun(self._last).end(reason, self._last)
            self._engine.give([end], stop)
        told = (
            f"{self.scan}: ended ({reason or 'no reason given'}), {self._sent} readings published"
        )
        if self._points.lost:
            told += f"; {self._points.lost} points were removed from Redis before they were read"
        if self._untimed:
            told += f"; {self._untimed} points have no time"
        if unmatched := self._points.unmatched:
            more = ", ".join(f"{count} of {name}" for name, count in unmatched.items())
            told += f"; not used, because other counters have fewer points: {more}"
        return told


class Scans:
    """All scans in Redis, in the order in which they were created."""

    def __init__(
        self,
        server: DataServer,
        engine: Engine,
        known: Known,
        wanted: Wanted,
        say: Callable[[str], None],
    ) -> None:
        """`known`: of the cell in the engine, now; `say`: may be given the same line again."""
        self._server, self._engine, self._known = server, engine, known
        self._wanted, self._say = wanted, say
        self._since = BEGIN
        self._first = True
        self._waiting: dict[str, str] = {}
        self._feeds: dict[str, _ScanFeed] = {}
        self._others: set[str] = set()
        self._matched = False
        self._said: Bounded[str, None] = Bounded(MAX_SAID)
        self.newest: float | None = known.time
        """Time of the last point that was given to the engine, or that it had."""

    def update(self, stop: threading.Event) -> None:
        """Publishes what is new. Raises RedisLost and EngineUnreachable; then all scans must be
        followed again, from what the engine has by then. A scan that cannot be read costs this
        scan."""
        for entry, key in self._server.history(self._since):
            self._since = entry
            self._waiting[key] = ""
        for key, states in list(self._waiting.items()):
            try:
                self._look(key, states)
            except SourceError as error:
                del self._waiting[key]
                self._say(str(error))
            if stop.is_set():
                return
        if self._first:
            self._first = False
            self._say_session()
        for key, feed in list(self._feeds.items()):
            try:
                ended = feed.advance(stop)
            except SourceError as error:
                ended = f"{feed.scan}: {error}; the rest of it is not published"
            finally:
                self.newest = max(filter(None, (self.newest, feed.newest)), default=None)
            if stop.is_set():
                return
            if ended is not None:
                del self._feeds[key]
                self._say(ended)

    def _look(self, key: str, states: str) -> None:
        """Whether a scan is prepared, so that its channels are known, and is wanted. `states`: key
        of its states, "" before its first look."""
        newest = self._server.newest(states) if states else None
        if newest is not None and _state(newest[1]) < ScanState.PREPARED:
            return
        document = self._server.document(key)
        scan = None if document is None else parse_scan(key, document)
        newest = None if scan is None else self._server.newest(scan.states)
        if scan is None or newest is None:  # deleted
            del self._waiting[key]
            return
        state = _state(newest[1])
        if state < ScanState.PREPARED:
            self._waiting[key] = scan.states
            return
        del self._waiting[key]
        if self._wanted.session and scan.session != self._wanted.session:
            self._others.add(scan.session)
        elif state < ScanState.CLOSED or not self._first or self._may_be_new(newest[0]):
            self._begin(scan)

    def _may_be_new(self, closed: str) -> bool:
        """Whether a scan that was closed before may have readings that the engine lacks. `closed`:
        entry of its last state, whose id begins with the time in ms."""
        if self._known.time is None:
            return self._wanted.past
        return int(closed.partition("-")[0]) / 1000.0 > self._known.time - CLOCK_S

    def _begin(self, scan: BlissScan) -> None:
        choice, notes = choose(scan, self._wanted.names)
        for note in notes:
            self._say_new(scan, note)
        if choice is None:
            if not notes and not self._matched:
                named = ", ".join(dict.fromkeys(self._wanted.names))
                have = ", ".join(list(scan.channels)[:MAX_NAMED]) or "no counters"
                self._say_new(scan, f"has none of the counters {named}, but {have}; not published")
            return
        self._matched = True
        self._feeds[scan.key] = _ScanFeed(
            self._server, self._engine, self._known, self._wanted.cell, scan, choice
        )
        self._say_new(scan, str(choice))

    def _say_new(self, scan: BlissScan, text: str) -> None:
        """Says what holds for a scan, unless it was said of another one."""
        if text not in self._said:
            self._said[text] = None
            self._say(f"{scan}: {text}")

    def _say_session(self) -> None:
        session = self._wanted.session
        if self._others and not self._feeds and session:
            named = ", ".join(sorted(self._others)[:MAX_NAMED])
            self._say(
                f"no scan of session {session} is running in the Redis at {self._server.name}; "
                f"there are scans of {named}: waiting, or correct --session"
            )


def _state(fields: Mapping[str, bytes]) -> ScanState:
    """Raises SourceError for a state that is none."""
    try:
        return ScanState(int(fields["state"]))
    except (KeyError, ValueError):
        raise SourceError(
            "BLISS: the state of a scan cannot be read; it is not published"
        ) from None
