"""Gives documents to an engine, and waits until it has them; what it has already, it is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from bluesky.callbacks.zmq import Publisher

from monitor.errors import BadMessage, EngineUnreachable, SettingError
from monitor.sockets.keys import ClientKeys
from monitor.sources.bliss.documents import Document
from monitor.watch import Watcher
from monitor.wire.results.queries import StateRequest
from monitor.wire.results.state import State

ANSWER_S = 2.0
FIRST_S, BUSY_S = 5.0, 60.0
"""So long a document may take: the first one, and any other (an engine that computes a large scan
takes none meanwhile)."""
STEP_S = 0.02


@dataclass(frozen=True, slots=True)
class Known:
    """The last reading of a cell that an engine has: its time (UTC s, None: it has none), and what
    the engine adds to the times of readings, s."""

    time: float | None
    offset_s: float


class Engine:
    """The engine at `address` (results.pull). Everything raises EngineUnreachable if it does not
    answer, or if another one answers than at the last `known`."""

    def __init__(self, address: str, keys: ClientKeys | None, publisher: Publisher) -> None:
        """`publisher`: into the proxy that the engine's feeds.documents names."""
        self.address = address
        self._watcher = Watcher(address, keys)
        self._publisher = publisher
        self._engine, self._version = "", -1
        self._patience_s = FIRST_S

    def known(self, cell: str) -> Known:
        """Raises SettingError if it has no such cell."""
        self._patience_s = FIRST_S
        state = self._state(StateRequest())
        experiment = state.get("experiment")
        if not state.get("feeds") or state.get("resuming") or experiment is None:
            raise EngineUnreachable(f"the engine at {self.address} is not ready yet")
        if experiment["mode"] != "live":
            raise EngineUnreachable(
                f"what answers at {self.address} shows a recording; start an engine with "
                "`pitwatch engine --config FILE`"
            )
        facts = state["cells"].get(cell)
        if facts is None:
            raise SettingError(
                "--cell",
                got=cell,
                expected=f"a cell of the engine: {', '.join(state['cells'])}",
                todo="correct it",
            )
        self._engine, self._version = state["engine"], state["version"]
        last = facts.get("cycler")
        return Known(last["time"] if last else None, facts["clock_offset_s"])

    def give(self, documents: Iterable[Document], stop: threading.Event) -> bool:
        """Publishes documents, and waits until the engine has taken as many; False if `stop` is set
        before."""
        taken = before = self._taken()
        sent = 0
        for name, document in documents:
            self._publisher(name, document)
            sent += 1
        since = time.monotonic()
        while not stop.is_set():
            if (now := self._taken()) >= before + sent:
                self._patience_s = BUSY_S
                return True
            if now != taken:
                taken, since = now, time.monotonic()
            elif time.monotonic() - since > self._patience_s:
                raise EngineUnreachable(
                    f"the engine at {self.address} has received {now - before} of {sent} "
                    f"documents, and no more for {self._patience_s:.0f} s; does its "
                    "feeds.documents name the address of --documents-out?"
                )
            stop.wait(STEP_S)
        return False

    def _taken(self) -> int:
        """How many documents it has taken since it was started."""
        state = self._state(StateRequest(self._version, self._engine))
        if state["engine"] != self._engine:
            raise EngineUnreachable(f"another engine answers at {self.address}")
        self._version = state["version"]
        return int(state["feeds"]["documents"]["messages"])

    def _state(self, request: StateRequest) -> State:
        try:
            return self._watcher.state(ANSWER_S, request)
        except BadMessage:
            self._watcher.reconnect()
            raise EngineUnreachable(
                f"what answers at {self.address} is not an engine of this version; check --engine"
            ) from None
        except EngineUnreachable:
            self._watcher.reconnect()
            raise

    def close(self) -> None:
        self._watcher.close()
