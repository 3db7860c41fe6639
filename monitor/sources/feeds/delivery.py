"""Whether published readings have been taken: come out of the documents proxy, and into the engine.

Slices go another way than readings. What needs a reading is sent once the reading is taken, so
that an engine never judges a scan with fewer readings than it will have.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import zmq

from monitor.errors import EngineUnreachable
from monitor.processes import is_free
from monitor.watch import Watcher
from monitor.wire.results.queries import StateRequest

ECHO_S = 2.0
START_S = 5.0
BUSY_S = 60.0
"""An engine that computes a large scan takes no reading for that long."""
COMPILING_S = 180.0
ANSWER_S = 2.0
SETTLE_S = 0.1
STEP_S = 0.01


class EngineCount:
    """How many cycler documents the engine at `address` (results.pull) has taken."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._watcher = Watcher(address)
        self._version = -1
        self._engine = ""

    def slices(self) -> list[str]:
        """The addresses it takes slices from, none in a replay or a recording. Raises
        EngineUnreachable."""
        state = self._watcher.state(ANSWER_S)
        experiment = state.get("experiment")
        if experiment is None or experiment["mode"] != "live":
            return []
        return list(state.get("settings", {}).get("slices", []))

    def last_reading(self, cell: str) -> tuple[float, float] | None:
        """The time of a cell's last reading (UTC s), and what the engine adds to the times of
        readings, s; None if it has none. Raises EngineUnreachable."""
        facts = self._watcher.state(ANSWER_S).get("cells", {}).get(cell)
        last = facts.get("cycler") if facts else None
        return (last["time"], facts["clock_offset_s"]) if facts and last else None

    def documents(self) -> int | None:
        """Raises EngineUnreachable; None as long as it compiles its kernels."""
        state = self._watcher.state(ANSWER_S, StateRequest(self._version, self._engine))
        self._version, self._engine = state["version"], state["engine"]
        feeds = state.get("feeds", {})
        return int(feeds["documents"]["messages"]) if "documents" in feeds else None

    def close(self) -> None:
        self._watcher.close()


def find_engine(given: str, default: str, endpoint: str) -> EngineCount | None:
    """The engine at `given`, which must answer; otherwise that at `default` if it takes slices from
    `endpoint`. Raises EngineUnreachable for `given`."""
    if not given and is_free(default):
        return None
    engine = EngineCount(given or default)
    try:
        listens = endpoint in engine.slices()
    except EngineUnreachable:
        engine.close()
        if given:
            raise
        return None
    if given or listens:
        return engine
    engine.close()
    return None


class Taken:
    """Counts what was sent to the proxy, and waits, never forever, until it is taken."""

    def __init__(
        self, documents_out: str, engine: EngineCount | None, say: Callable[[str], None]
    ) -> None:
        self._out = documents_out
        self._engine = engine
        self._say = say
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.connect(f"tcp://{documents_out.removeprefix('tcp://')}")
        self._sent = self._echoed = 0
        self._echoes = True
        self._base = 0
        self._patience_s = START_S

    def close(self) -> None:
        self._context.destroy(linger=0)
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def begin(self, stop: threading.Event) -> None:
        """Before the first document: what the engine has taken so far."""
        base = self._counted() or 0
        end = time.monotonic() + COMPILING_S
        while self._engine is not None and not stop.is_set():
            if (counted := self._counted()) is not None or time.monotonic() > end:
                base = counted or 0
                break
            stop.wait(1.0)
        self._base = base

    def sent(self) -> None:
        self._sent += 1

    def wait(self, stop: threading.Event, patience_s: float = math.inf) -> None:
        """Returns once all is taken, `stop` is set, or nothing moves any more, which is said;
        after `patience_s` without a move at the latest."""
        self._wait_echo(stop)
        if self._engine is None:
            stop.wait(SETTLE_S)
            return
        last, since = -1, time.monotonic()
        while self._engine is not None and not stop.is_set():
            taken = (self._counted() or 0) - self._base
            if taken >= self._sent:
                self._patience_s = BUSY_S
                return
            if taken != last:
                last, since = taken, time.monotonic()
            elif time.monotonic() - since > min(patience_s, self._patience_s):
                self._give_up(
                    f"the engine at {self._engine.address} has received {taken} of {self._sent} "
                    f"documents of the cycler, and no more for {time.monotonic() - since:.0f} s; "
                    f"does its feeds.documents name {self._out}? Continuing without waiting for it"
                )
            stop.wait(STEP_S)

    def _wait_echo(self, stop: threading.Event) -> None:
        since = time.monotonic()
        while self._echoes and self._echoed < self._sent and not stop.is_set():
            if self._socket.poll(100):
                self._socket.recv_multipart()
                self._echoed, since = self._echoed + 1, time.monotonic()
            elif time.monotonic() - since > ECHO_S:
                self._echoes = False
                self._say(
                    f"the documents proxy has passed on {self._echoed} of {self._sent} documents "
                    f"at {self._out}, and no more for {ECHO_S:.0f} s"
                )

    def _counted(self) -> Any:
        if self._engine is None:
            return None
        try:
            return self._engine.documents()
        except EngineUnreachable:
            self._give_up(
                f"the engine at {self._engine.address} no longer answers; continuing without "
                "waiting for it"
            )
            return None

    def _give_up(self, why: str) -> None:
        self._say(why)
        if self._engine is not None:
            self._engine.close()
        self._engine = None
