"""Counters of BLISS scans as documents of a cell's cycler, as the points are measured.

What an engine has of a cycler is what it says itself: after any interruption, of Redis, of the
engine or of this program, the scans that Redis holds are read again, and only readings that are
later than the engine's last one are published.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

from bluesky.callbacks.zmq import Publisher

from monitor.bounded import Bounded
from monitor.errors import EngineUnreachable, SettingError, SourceError
from monitor.settings import ResultSettings, SimulatorSettings
from monitor.sockets.keys import ClientKeys
from monitor.sources.bliss.engine import Engine, Known
from monitor.sources.bliss.follow import Scans, Wanted
from monitor.sources.bliss.server import DataServer, RedisLost
from monitor.sources.feeds.documents_proxy import DocumentsProxy
from monitor.sources.publish_readings import SETTLE_S, check_cell
from monitor.wire.documents import serializer

POLL_S = 0.25
RETRY_S = 1.0

_DEFAULTS = SimulatorSettings()


def publish_bliss(
    redis: str,
    wanted: Wanted,
    *,
    engine: str = ResultSettings().pull,
    keys: ClientKeys | None = None,
    documents_in: str = _DEFAULTS.documents_in,
    documents_out: str = _DEFAULTS.documents_out,
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Publishes the scans in the Redis at the URL `redis` until `stop` is set.

    The engine at `engine` (its results.pull) must take documents from `documents_out`, the output
    of the proxy that is started here. A Redis or an engine that does not answer is waited for.
    Raises SettingError and SourceError for what cannot be right, if it is found before anything was
    published; later, that is said, and tried again.
    """
    check_cell(wanted.cell)
    if not list(wanted.names):
        raise SettingError(
            "command line",
            got="no counter",
            expected="at least one of --current, --potential, --charge, --cycle, --step, --counter",
            todo="name the counters of the cycler",
        )
    lines = _Lines(say)
    with ExitStack() as stack:
        server = stack.enter_context(closing(DataServer(redis)))
        stack.enter_context(closing(DocumentsProxy(documents_in, documents_out)))
        publisher = stack.enter_context(
            closing(
                Publisher(documents_in.removeprefix("tcp://"), serializer=serializer("msgpack"))
            )
        )
        taker = stack.enter_context(closing(Engine(engine, keys, publisher)))
        began, newest = False, None
        stop.wait(SETTLE_S)
        while not stop.is_set():
            try:
                server.check()
                known = taker.known(wanted.cell)
                if not wanted.names.quantities:
                    known = Known(newest, 0.0)  # the engine says only what it has of the cycler
                lines.state(f"publishes scans in the Redis at {server.name} to cell {wanted.cell}")
                began = True
                scans = Scans(server, taker, known, wanted, lines.once)
                while not stop.is_set():
                    try:
                        scans.update(stop)
                    finally:
                        newest = scans.newest
                    stop.wait(POLL_S)
            except (RedisLost, EngineUnreachable) as error:
                lines.state(str(error))
            except (SourceError, SettingError) as error:
                if not began:
                    raise
                lines.state(str(error))
            stop.wait(RETRY_S)


class _Lines:
    """Says each line once: what is said of a scan, and what is lost until it is found again."""

    MOST = 1000

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: Bounded[str, None] = Bounded(self.MOST)
        self._state = ""

    def once(self, text: str) -> None:
        if text not in self._said:
            self._said[text] = None
            self._say(text)

    def state(self, text: str) -> None:
        if text != self._state:
            self._say(text)
        self._state = text
