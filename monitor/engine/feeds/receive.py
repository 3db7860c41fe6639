"""Reads the feeds' sockets into queues bounded in bytes.

A ZeroMQ socket bounds its queue by the number of messages, but slices may be a hundred times as
large as those of the previous scan. Therefore only few messages wait in the sockets, and all others
are counted here. When a queue is full, nothing more is read: TCP then slows down the sender, if it
waits for slow readers.

The thread that takes the messages reads the sockets itself: a change of threads for each message
would cost a tenth of the throughput. While that thread computes, a thread of this module reads
instead.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import zmq

from monitor.records import ConnectionChange
from monitor.sockets.accepted import Accepted
from monitor.sockets.connection import Connection
from monitor.wire.slices.stins import Frame

Feed = Literal["slices", "documents"]
FEEDS: tuple[Feed, ...] = ("documents", "slices")
READ_AT_ONCE, SIZE_AT_ONCE = 64, 2**25
BUSY_S = 0.005
"""A thread that has not read for this time (s) is assumed to be computing."""
LOOK_S = 0.02
"""Interval (s) at which the connections are checked."""
MESSAGE_BYTES = 256
"""Approximate memory of a message besides its frames, bytes."""
MAX_CHANGES = 1000
Message = tuple[int, list[Frame]]
"""Its size in bytes, and its frames."""


@dataclass(slots=True)
class _Queue:
    """Messages of one feed that wait. `limit`, `waiting`: bytes; `most`: messages."""

    limit: int
    most: int | None = None
    messages: deque[Message] = field(default_factory=deque)
    waiting: int = 0

    @property
    def is_full(self) -> bool:
        return self.waiting >= self.limit or self.room <= 0

    @property
    def room(self) -> int:
        """Messages that may be added."""
        return READ_AT_ONCE if self.most is None else self.most - len(self.messages)

    def put(self, messages: list[Message]) -> None:
        self.messages += messages
        self.waiting += sum(size for size, _ in messages)

    def get(self) -> list[list[Frame]]:
        """The oldest messages, several at a time; they are no longer counted."""
        found: list[list[Frame]] = []
        taken = 0
        while self.messages and len(found) < READ_AT_ONCE and taken < SIZE_AT_ONCE:
            size, frames = self.messages.popleft()
            taken += size
            found.append(frames)
        self.waiting -= taken
        return found


class Receiver:
    """Reads sockets and checks their connections.

    `add` and `watch` come before `start`; from then on the sockets are used under a lock, by the
    thread that calls `wait` or by that of this object.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], limits: dict[Feed, int], most: int | None
    ) -> None:
        """`limits`: bytes that may wait of each feed; `most`: slices that may wait, if set."""
        self._context = context
        self._queues = {feed: _Queue(limits[feed]) for feed in FEEDS}
        self._queues["slices"].most = most
        self._sockets: dict[Feed, list[zmq.Socket[bytes]]] = {feed: [] for feed in FEEDS}
        self._connections: list[Connection] = []
        self._accepted: dict[zmq.Socket[bytes], Accepted] = {}
        self._pollers: dict[tuple[Feed, ...], zmq.Poller] = {}
        self._changes: deque[ConnectionChange] = deque(maxlen=MAX_CHANGES)
        self._lock = threading.Lock()
        self._looked_at = 0.0
        self._read_at = 0.0
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="receive", daemon=True)

    def add(self, feed: Feed, socket: zmq.Socket[bytes], accepted: Accepted | None = None) -> None:
        """Reads this socket for a feed; `accepted` is notified of complete messages."""
        self._sockets[feed].append(socket)
        if accepted is not None:
            self._accepted[socket] = accepted

    def watch(self, connection: Connection) -> None:
        """Checks this connection from now on."""
        self._connections.append(connection)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def wait(self, timeout_ms: int) -> None:
        """Reads what has arrived; returns once there is something, or after `timeout_ms`. Raises
        the exception that ended the thread (an internal error)."""
        if self._failure is not None:
            raise RuntimeError("the receiving thread ended") from self._failure
        with self._lock:
            self._read(0 if self._has_any else timeout_ms)
            self._read_at = time.monotonic()

    def next(self, feed: Feed) -> list[list[Frame]]:
        """Some of the oldest waiting messages of a feed."""
        with self._lock:
            return self._queues[feed].get()

    def changes(self) -> list[ConnectionChange]:
        """Changes of the connections since this was last called."""
        return [self._changes.popleft() for _ in range(len(self._changes))]

    @property
    def waiting_bytes(self) -> dict[str, int]:
        """Bytes that wait, by feed."""
        with self._lock:
            return {feed: queue.waiting for feed, queue in self._queues.items()}

    def close(self) -> None:
        """Ends the thread; the sockets may be closed then. A second call does nothing."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def _has_any(self) -> bool:
        return bool(self._changes) or any(queue.messages for queue in self._queues.values())

    def _run(self) -> None:
        """Reads in place of one who computes."""
        try:
            while not self._stop.wait(BUSY_S):
                if time.monotonic() - self._read_at < BUSY_S:
                    continue
                if self._lock.acquire(blocking=False):
                    try:
                        self._read(0)
                    finally:
                        self._lock.release()
        except BaseException as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """An internal error has ended the reading: `wait` raises it. May be called from any
        thread."""
        self._failure = error

    # --- under the lock ---------------------------------------------------------------------------

    def _read(self, timeout_ms: int) -> None:
        """What has arrived of the feeds whose queues have room."""
        open_feeds = tuple(feed for feed in FEEDS if not self._queues[feed].is_full)
        ready = dict(self._poller(open_feeds).poll(timeout_ms))
        for feed in open_feeds if ready else ():
            for socket in self._sockets[feed]:
                if socket in ready:
                    self._drain(feed, socket)
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            for connection in self._connections:
                self._changes += connection.look()

    def _poller(self, feeds: tuple[Feed, ...]) -> zmq.Poller:
        if feeds not in self._pollers:
            poller = self._pollers[feeds] = zmq.Poller()
            for socket in (socket for feed in feeds for socket in self._sockets[feed]):
                poller.register(socket, zmq.POLLIN)
        return self._pollers[feeds]

    def _drain(self, feed: Feed, socket: zmq.Socket[bytes]) -> None:
        """Some messages at once, as long as there is room for them."""
        queue, size, accepted = self._queues[feed], 0, self._accepted.get(socket)
        found: list[Message] = []
        most = min(READ_AT_ONCE, queue.room)
        while len(found) < most and size < SIZE_AT_ONCE:
            try:
                parts = socket.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                break
            if accepted is not None:
                accepted.delivered(parts[-1])
            frames: list[Frame] = [part.buffer for part in parts]
            found.append((size_of(frames), frames))
            size += found[-1][0]
        queue.put(found)


def size_of(frames: Sequence[Frame]) -> int:
    """Bytes that a message takes."""
    return MESSAGE_BYTES + sum(map(len, frames))
