"""Clients: their waiting requests, whose turn is next, and the replies that they have not read yet.

Work is shared by the time that it takes: next is the client that has used least recently. One that
has used its budget waits, even if nobody else asks, because slices are computed beside it. Replies
are counted in bytes until ZeroMQ has passed them to the system; a client that does not read its
replies is not answered until it does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from monitor.wire.results.queries import Request
from monitor.wire.results.state import Role

Envelope = list[bytes]
"""Routing frames of a reply; for a REQ socket with the empty frame that it expects before the
reply."""

QUESTIONS_WAITING_PER_SCREEN, WAITING_BYTES_PER_SCREEN = 64, 2**18
BUDGET_S, REMEMBERED_S = 3.0, 10.0
"""Work for one client: what it used counts less and less, by a factor e in REMEMBERED_S. So it has
0.3 s a second in the long run."""
NEWCOMER_S = 1.0
"""What a connection begins with, as if it had used it: a client that connects again for each
request is not served before one that stays connected."""
REFUSED_S = 0.02
"""What a request costs that is refused because too many wait: who floods uses up its budget."""
UNREAD_PER_SCREEN, UNREAD_IN_ALL = 32 * 2**20, 256 * 2**20
"""Bytes. One reply may be larger; it is then the only one."""
STALLED_S = 2.0
"""A client none of whose replies has left for so long gives way if the memory is needed."""
FORGOTTEN_S = 1e-3
FEW_BYTES = 4096
"""What is smaller is copied by ZeroMQ, and bounded by the number of replies that wait."""


class Tracker(Protocol):
    """Tracks a message that is being sent (zmq.MessageTracker)."""

    @property
    def done(self) -> bool: ...


@dataclass(slots=True)
class Asked:
    """A request that waits: as bytes, or read."""

    envelope: Envelope
    role: Role
    frames: list[bytes]
    request: Request | None = None

    @property
    def size(self) -> int:
        """Bytes of what was asked."""
        return sum(map(len, self.frames))


@dataclass(slots=True)
class Client:
    """One connection. `owner`: whose budget it uses; `descriptor`: of its connection, or -1."""

    name: bytes
    owner: bytes
    descriptor: int = -1
    quick: deque[Asked] = field(default_factory=deque)
    slow: deque[Asked] = field(default_factory=deque)
    unread: deque[tuple[int, Tracker]] = field(default_factory=deque)
    unread_bytes: int = 0
    moved: float = 0.0
    waiting_bytes: int = 0

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self.quick) + len(self.slow)

    def gone(self) -> None:
        """Its connection is closed: its requests are dropped."""
        self.quick.clear()
        self.slow.clear()
        self.waiting_bytes = 0

    def ask(self, asked: Asked) -> bool:
        """Queues a request; False if too many already wait."""
        size = asked.size
        if self.waiting >= QUESTIONS_WAITING_PER_SCREEN:
            return False
        if self.waiting_bytes + size > WAITING_BYTES_PER_SCREEN:
            return False
        self.waiting_bytes += size
        self.quick.append(asked)
        return True


def _taken(client: Client, queue: deque[Asked]) -> Asked:
    asked = queue.popleft()
    client.waiting_bytes -= asked.size
    return asked


class Clients:
    """All clients of one address. All methods are for the thread that serves."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._clients: dict[bytes, Client] = {}
        self._connected: dict[int, Client] = {}
        self._used: dict[bytes, tuple[float, float]] = {}
        self.unread_bytes = 0

    def __len__(self) -> int:
        return len(self._clients)

    def of(self, name: bytes, owner: bytes, descriptor: int) -> Client:
        """The client of this name; a new one if it is not known yet. The system uses a descriptor
        again once its connection is closed: the requests of a former client there are dropped."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = Client(name, owner)
        client.owner, client.descriptor = owner, descriptor
        self._used.setdefault(owner, (NEWCOMER_S, self._clock()))
        if descriptor >= 0:
            former = self._connected.get(descriptor)
            if former is not None and former.name != name:
                former.gone()
            self._connected[descriptor] = client
        return client

    # --- work -------------------------------------------------------------------------------------

    def next_quick(self) -> tuple[Client, Asked] | None:
        """The next request that costs little, or has not been read yet."""
        client = self._next([c for c in self._clients.values() if c.quick])
        return None if client is None else (client, _taken(client, client.quick))

    def next_slow(self) -> tuple[Client, Asked] | None:
        """The next request that needs a file or much arithmetic."""
        client = self._next([c for c in self._clients.values() if c.slow])
        return None if client is None else (client, _taken(client, client.slow))

    def _next(self, among: list[Client]) -> Client | None:
        now, found, least = self._clock(), None, BUDGET_S
        for client in among:
            used = self._used_s(client.owner, now)
            if used < least and self._may_get_more(client):
                found, least = client, used
        return found

    def put_back(self, client: Client, asked: Asked) -> None:
        """Puts a request back: it is its turn, but there is no time left."""
        client.waiting_bytes += asked.size
        client.quick.appendleft(asked)

    def put_slow(self, client: Client, asked: Asked) -> None:
        """Queues a request that was read, and needs a file or much arithmetic."""
        client.waiting_bytes += asked.size
        client.slow.append(asked)

    def charge(self, client: Client, seconds: float) -> None:
        """The client has used so much time; no more than two budgets are held against it."""
        now = self._clock()
        used = min(self._used_s(client.owner, now) + seconds, 2 * BUDGET_S)
        self._used[client.owner] = used, now

    def _used_s(self, owner: bytes, now: float) -> float:
        used, at = self._used.get(owner, (0.0, now))
        return used * math.exp((at - now) / REMEMBERED_S)

    @property
    def is_waiting(self) -> bool:
        """Whether any request waits, for whatever reason."""
        return any(client.waiting for client in self._clients.values())

    # --- replies that are not read ----------------------------------------------------------------

    def _may_get_more(self, client: Client) -> bool:
        if not client.unread:
            return True
        return client.unread_bytes < UNREAD_PER_SCREEN and self.unread_bytes < UNREAD_IN_ALL

    def has_room(self, size: int) -> bool:
        """Whether a reply of this many bytes may be sent in addition to those not read yet."""
        return not self.unread_bytes or self.unread_bytes + size <= UNREAD_IN_ALL

    def sent(self, client: Client, size: int, tracker: Tracker) -> None:
        """A reply is on its way to a client."""
        if size < FEW_BYTES or tracker.done:
            return
        client = self._clients.setdefault(client.name, client)
        if not client.unread:
            client.moved = self._clock()
        client.unread.append((size, tracker))
        client.unread_bytes += size
        self.unread_bytes += size

    def look(self) -> None:
        """Removes the replies that have been sent."""
        for client in self._clients.values():
            while client.unread and client.unread[0][1].done:
                size, _ = client.unread.popleft()
                client.unread_bytes -= size
                self.unread_bytes -= size
                client.moved = self._clock()

    def stalled(self) -> Client | None:
        """Of the clients that read nothing, the one with the most unread bytes; None if there is
        none."""
        before = self._clock() - STALLED_S
        among = [c for c in self._clients.values() if c.unread and c.moved < before]
        return max(among, key=lambda client: client.unread_bytes, default=None)

    def forget(self) -> None:
        """Removes clients without waiting requests, and unused budgets."""
        self._clients = {n: c for n, c in self._clients.items() if c.waiting or c.unread}
        now = self._clock()
        self._used = dict(self._still_used(now))

    def _still_used(self, now: float) -> Iterator[tuple[bytes, tuple[float, float]]]:
        for owner, (used, at) in self._used.items():
            if self._used_s(owner, now) > FORGOTTEN_S:
                yield owner, (used, at)
