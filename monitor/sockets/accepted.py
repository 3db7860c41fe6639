"""Connections that others have made to an address that the engine has bound.

Each takes a file descriptor, and the recorder needs some; each can take memory, by a message that
does not end. Those who bring nothing but that are disconnected: a client that is one connects
again, and has lost nothing.
"""

from __future__ import annotations

import contextlib
import resource
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import zmq
from zmq.utils.monitor import parse_monitor_message

from monitor.records import ConnectionChange
from monitor.sockets.connection import monitored
from monitor.sockets.transport import hang_up, peer_of, port_of, received_at, silent_at

RESERVED, BOUND_SOCKETS, MOST_CLIENTS = 192, 3, 500
"""Reserved: besides those that files alone get (`recording.file_descriptors`)."""
HANDSHAKE_MS = 5_000
KEPT_SHARE = 0.75
GREETING_BYTES = 1024
"""More than ZeroMQ's handshake takes, with keys too."""
HEARTBEAT_BYTES_S = 1024
"""So much and more a connection may bring beside its messages."""
QUIET_S = 10.0
LOOK_S, CALM_S, PAUSE_S = 0.02, 10.0, 0.2
MAX_CHANGES = 100
EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
Why = Literal["crowded", "oversize", "unread"]


def most_clients() -> int:
    """How many connections there may be at each bound address: what the system permits, less what
    files and other connections need."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return MOST_CLIENTS
    return max(16, min(MOST_CLIENTS, (soft - RESERVED) // BOUND_SOCKETS))


@dataclass(slots=True)
class _Peer:
    """The other end of a connection. `counted`: bytes that had arrived when a whole message of it
    was last taken; `owed`: those since then, less what heartbeats take."""

    name: object
    since: float
    received: int = 0
    counted: int = 0
    owed: int = 0
    delivered: bool = False

    @property
    def host(self) -> object:
        return self.name[0] if isinstance(self.name, tuple) else None

    def look(self, received: int, now: float) -> None:
        self.received = received
        if self.delivered:
            self.delivered, self.counted, self.since = False, received, now
        self.owed = received - self.counted - int(HEARTBEAT_BYTES_S * (now - self.since))


class Accepted:
    """Counts the connections at one bound socket, and the bytes that are on their way there.

    libzmq holds all parts of a message until the last has arrived, and bounds neither their number
    nor their sum. So a connection that brings more and more bytes, and no message, is disconnected.

    All methods are for one thread, but `delivered` and `hang_up_on`.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        setting: str,
        most: int,
        most_unfinished: int,
        most_in_all: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`socket` is bound; `most`: connections at once. `most_unfinished`, `most_in_all`: bytes
        that may be on the way from one and from all, and were not delivered."""
        self._socket, self._setting, self._most = socket, setting, most
        self._most_unfinished, self._most_in_all = most_unfinished, most_in_all
        self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._port = port_of(self.address)
        self._clock = clock
        self._peers: dict[int, _Peer] = {}
        self._refused: deque[tuple[int, Why]] = deque()
        self._lost_since: float | None = None
        self._lost_last = 0.0
        self._why: Why = "crowded"
        self._hung_up = 0
        self.events = monitored(socket, EVENTS)

    @property
    def count(self) -> int:
        """Connections that stand, as far as was looked."""
        return len(self._peers)

    def delivered(self, frame: zmq.Frame) -> int:
        """A whole message was taken, of which this is a frame; returns its connection's descriptor,
        -1 if there is none. May be called in any thread."""
        try:
            descriptor = int(frame.get(zmq.SRCFD))
        except zmq.ZMQError:
            return -1
        peer = self._peers.get(descriptor)
        if peer is not None:
            peer.delivered = True
        return descriptor

    def hang_up_on(self, descriptor: int, why: Why) -> None:
        """Has a connection disconnected, soon. May be called in any thread."""
        self._refused.append((descriptor, why))

    def look(self) -> list[ConnectionChange]:
        """Disconnects if there is too much; returns what has changed. To be called often."""
        now = self._clock()
        self._hear(now)
        if self._port is None:
            return []
        count, before = self.count, self._hung_up
        while self._refused:
            descriptor, why = self._refused.popleft()
            self._hang_up(self._port, [descriptor], why)
        self._measure(self._port, now)
        self._hang_up(self._port, self._unfinished(), "oversize")
        if self.count > self._most:
            self._hang_up(self._port, self._least_needed(self._port), "crowded")
        if self._hung_up > before:
            self._lost_last = now
            if self._lost_since is None:
                self._lost_since = time.time()
                return [self._change("lost", count)]
        elif self._lost_since is not None and now - self._lost_last > CALM_S:
            change = self._change("back", count)
            self._lost_since, self._hung_up = None, 0
            return [change]
        return []

    def _hear(self, now: float) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                said = parse_monitor_message(self.events.recv_multipart(zmq.DONTWAIT))
                descriptor = said["value"]
                if said["event"] == zmq.EVENT_ACCEPTED:
                    self._peers[descriptor] = _Peer(peer_of(descriptor), now)
                elif said["event"] == zmq.EVENT_DISCONNECTED:
                    self._peers.pop(descriptor, None)

    def _measure(self, port: int, now: float) -> None:
        for descriptor, peer in self._peers.items():
            received = received_at(descriptor, port)
            if received is not None:
                peer.look(received, now)

    def _unfinished(self) -> list[int]:
        """Connections with too much on the way; of all together, those with most of it."""
        order = sorted(self._peers, key=lambda one: self._peers[one].owed, reverse=True)
        in_all = sum(max(0, peer.owed) for peer in self._peers.values())
        found = []
        for descriptor in order:
            owed = self._peers[descriptor].owed
            is_crowd = self._most_in_all is not None and in_all > self._most_in_all
            if owed <= self._most_unfinished and not is_crowd:
                break
            found.append(descriptor)
            in_all -= owed
        return found

    def _least_needed(self, port: int) -> list[int]:
        """First those who have said no more than a greeting, then those who are quiet, for longest
        first, then those who say most; before others, those of a machine with many."""
        hosts = Counter(peer.host for peer in self._peers.values())

        def rank(descriptor: int) -> tuple[bool, bool, int, float]:
            peer, silent_s = self._peers[descriptor], silent_at(descriptor, port)
            is_quiet = silent_s > QUIET_S
            worth = silent_s if is_quiet else float(peer.received)
            return peer.received > GREETING_BYTES, not is_quiet, -hosts[peer.host], -worth

        return sorted(self._peers, key=rank)[: self.count - int(KEPT_SHARE * self._most)]

    def _hang_up(self, port: int, descriptors: Iterable[int], why: Why) -> None:
        for descriptor in descriptors:
            peer = self._peers.pop(descriptor, None)
            if peer is not None and hang_up(descriptor, peer.name, port):
                if self._lost_since is None:
                    self._why = why
                self._hung_up += 1

    @property
    def _cause(self) -> str:
        match self._why:
            case "crowded":
                return (
                    f", at most {self._most} are kept: silent ones are disconnected, so "
                    "that files can still be opened"
                )
            case "oversize":
                return (
                    "; a client sent too many bytes without a complete message, and was "
                    "disconnected"
                )
            case "unread":
                return (
                    "; a client did not read its replies, which take memory, and was disconnected"
                )

    def _change(self, state: Literal["lost", "back"], count: int) -> ConnectionChange:
        since = self._lost_since or time.time()
        where = f"{self._setting}: {count} connections at {self.address}"
        if state == "back":
            text = f"{where} now; {self._hung_up} were disconnected"
        else:
            text = f"{where}{self._cause}; check which program connects (ss -tnp)"
        return ConnectionChange(
            setting=self._setting,
            address=self.address,
            state=state,
            reason=self._why,
            text=text,
            since=round(since, 3),
        )


class ConnectionGuard:
    """Looks after the connections at bound addresses, in a thread of its own: it waits neither for
    replies nor for slices."""

    def __init__(
        self, accepted: Sequence[Accepted], on_failure: Callable[[BaseException], object]
    ) -> None:
        """`on_failure` is told of each error of our own; the thread continues."""
        self._accepted, self._on_failure = accepted, on_failure
        self._changes: deque[ConnectionChange] = deque(maxlen=MAX_CHANGES)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="connections", daemon=True)
        self._thread.start()

    def changes(self) -> list[ConnectionChange]:
        """What has become of the connections since this was last asked."""
        return [self._changes.popleft() for _ in range(len(self._changes))]

    def close(self) -> None:
        """Ends the thread; the sockets may be closed then."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                for accepted in self._accepted:
                    self._changes += accepted.look()
            except BaseException as error:
                self._on_failure(error)
                self._stop.wait(PAUSE_S)
