"""Connections that others have made to an address that the engine has bound.

Each takes a file descriptor, and the recorder needs some. Those who are silent longest are hung up
on when there are too many: a client that is one connects again, and has lost nothing.
"""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable

import zmq
from zmq.utils.monitor import parse_monitor_message

from monitor.connection import monitored
from monitor.records import ConnectionChange
from monitor.transport import hang_up, peer_of, port_of, traffic_at

RESERVED, BOUND_SOCKETS, MOST_CLIENTS = 256, 3, 500
HANDSHAKE_MS = 5_000
KEPT_SHARE = 0.75
GREETING_BYTES = 1024
"""More than ZeroMQ's handshake takes, with keys too."""
LOOK_S, CALM_S = 0.005, 10.0
EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


def most_clients() -> int:
    """How many connections there may be at each bound address: what the system permits, less what
    files and other connections need."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return MOST_CLIENTS
    return max(16, min(MOST_CLIENTS, (soft - RESERVED) // BOUND_SOCKETS))


class Accepted:
    """Counts the connections at one bound socket. All methods are for the thread that uses it."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        setting: str,
        most: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`socket` is bound; `most`: connections at once."""
        self._socket, self._setting, self._most = socket, setting, most
        self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._port = port_of(self.address)
        self._clock = clock
        self._peers: dict[int, object] = {}
        self._looked = float("-inf")
        self._crowded_since: float | None = None
        self._crowded_last = 0.0
        self._hung_up = 0
        self.events = monitored(socket, EVENTS)

    @property
    def count(self) -> int:
        """Connections that stand, as far as was looked."""
        return len(self._peers)

    def look(self) -> list[ConnectionChange]:
        """Hangs up where there are too many; returns what has changed. To be called often."""
        now = self._clock()
        if now - self._looked < LOOK_S:
            return []
        self._looked = now
        self._hear()
        count = self.count
        if self._port is not None and count > self._most:
            self._hang_up(self._port)
            self._crowded_last = now
            if self._crowded_since is None:
                self._crowded_since = time.time()
                return [self._change("lost", count)]
        elif self._crowded_since is not None and now - self._crowded_last > CALM_S:
            change = self._change("back", count)
            self._crowded_since, self._hung_up = None, 0
            return [change]
        return []

    def _hear(self) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                said = parse_monitor_message(self.events.recv_multipart(zmq.DONTWAIT))
                descriptor = said["value"]
                if said["event"] == zmq.EVENT_ACCEPTED:
                    self._peers[descriptor] = peer_of(descriptor)
                elif said["event"] == zmq.EVENT_DISCONNECTED:
                    self._peers.pop(descriptor, None)

    def _hang_up(self, port: int) -> None:
        """First on those who have said no more than a greeting, then on those who have been silent
        for longest."""
        traffic = {one: traffic_at(one, port) for one in self._peers}
        order = sorted(
            traffic, key=lambda one: (traffic[one][0] > GREETING_BYTES, -traffic[one][1])
        )
        for descriptor in order[: len(order) - int(KEPT_SHARE * self._most)]:
            hang_up(descriptor, self._peers.pop(descriptor), port)
            self._hung_up += 1

    def _change(self, state: str, count: int) -> ConnectionChange:
        since = self._crowded_since or time.time()
        if state == "lost":
            text = (
                f"{self._setting}: {count} connections at {self.address}, at most {self._most} are "
                "kept: those who say nothing are hung up on, so that files can still be opened; "
                "see which program connects (ss -tnp)"
            )
        else:
            text = (
                f"{self._setting}: {count} connections at {self.address} again; "
                f"{self._hung_up} were hung up on"
            )
        return ConnectionChange(
            setting=self._setting,
            address=self.address,
            state="lost" if state == "lost" else "back",
            reason="crowded",
            text=text,
            since=round(since, 3),
        )
