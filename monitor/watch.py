"""A blocking look at an engine, for programs that wait for something to happen in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import zmq

from monitor.errors import EngineUnreachable
from monitor.sockets.keys import ClientKeys
from monitor.wire.results import replies
from monitor.wire.results.headers import ReplyHeader
from monitor.wire.results.queries import Request, StateRequest, encode_request
from monitor.wire.results.state import State

POLL_S = 0.2
WHOLE = StateRequest()


class Watcher:
    """Asks an engine for its state, one question at a time."""

    def __init__(self, pull: str, keys: ClientKeys | None = None) -> None:
        self._address = pull
        self._keys = keys
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._connected()

    def ask(self, request: Request, timeout_s: float = 10.0) -> tuple[ReplyHeader, Any]:
        """Header and array of the reply. Raises EngineUnreachable if none comes in time."""
        # libzmq has given the connection up if nothing can be sent
        sent = self._socket.poll(int(timeout_s * 1000), zmq.POLLOUT)
        if sent:
            self._socket.send_multipart(encode_request(request))
        if not sent or not self._socket.poll(int(timeout_s * 1000)):
            raise EngineUnreachable(
                f"no engine answers at {self._address} within {timeout_s:g} s; start one with "
                "`pitwatch engine --config FILE`, or check the address"
            )
        return replies.decode_reply(self._socket.recv_multipart())

    def state(self, timeout_s: float = 10.0, request: StateRequest = WHOLE) -> State:
        """The small state of the engine, by default the whole."""
        return cast(State, self.ask(request, timeout_s)[0])

    def until(
        self, met: Callable[[State], bool], timeout_s: float, alive: Callable[[], bool]
    ) -> State:
        """The first state for which `met` holds. Raises EngineUnreachable after `timeout_s`, or as
        soon as `alive` says that the engine's process has ended."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and alive():
            try:
                state = self.state(timeout_s=1.0)
            except EngineUnreachable:
                self.reconnect()
                continue
            if met(state):
                return state
            time.sleep(POLL_S)
        raise EngineUnreachable(
            f"the engine at {self._address} ended, or did not reach that state within "
            f"{timeout_s:g} s"
        )

    def reconnect(self) -> None:
        """Start afresh: a late answer must not be taken for that of the next question."""
        self._socket.close(0)
        self._socket = self._connected()

    def _connected(self) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.DEALER)
        made.setsockopt(zmq.LINGER, 0)
        if self._keys is not None:
            self._keys.guard(made)
        made.connect(self._address)
        return made

    def close(self) -> None:
        self._context.destroy(linger=0)
