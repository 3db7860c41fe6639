"""The sockets that receive slices and cycler documents; they turn bytes into records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import zmq

from monitor.engine.access import Gate
from monitor.engine.feeds.receive import Feed, Receiver
from monitor.errors import BadMessage, SettingError
from monitor.records import BadInput, CyclerDocument, Record
from monitor.settings import FeedSettings, SecuritySettings
from monitor.sockets.accepted import Accepted, ConnectionGuard, most_clients
from monitor.sockets.connection import Connection, keep_alive
from monitor.wire import documents
from monitor.wire.slices import codec, stins
from monitor.wire.slices.limits import Limits, limits_of
from monitor.wire.slices.stins import Frame

LARGEST_PIXEL_BYTES = 4
SHARE_IN_SOCKETS, SHARE_OF_DOCUMENTS = 0.25, 0.25
MOST_IN_SOCKET = 64
USUAL_SHARE = 4
"""Slices are usually at most this part of the largest that is allowed (a quarter). libzmq cannot
change the limit of a socket safely while messages pass, and each message that waits in it saves a
change of threads."""
ROWS_AT_ONCE = 1000
"""Number of readings that are taken before slices have their turn again: about 20 ms."""
SOCKET_BUFFERS = 2**24
"""Most bytes of a slice that wait in TCP's buffers."""
LARGEST_DOCUMENT = 2 * documents.MAX_BYTES
"""A document longer than `documents.MAX_BYTES` is refused; the sender of one longer than this is
disconnected."""


def largest_message(limits: Limits) -> int:
    """Size (bytes) of the longest message for a slice within the limits."""
    return LARGEST_PIXEL_BYTES * limits.slice_pixels + stins.MAX_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Received:
    """One message: its feed, its frames as they arrived (None if it has none), and its record."""

    feed: str
    frames: Sequence[Frame] | None
    record: Record


class LiveFeeds:
    """Slices from any number of PUB or PUSH producers, documents from any number of proxies.

    Buffers are never copied: the frames of a message are kept as long as arrays refer to them. What
    waits is bounded by `feeds.receive_MB`, and each connection has a socket of its own: one that is
    opened again costs the others nothing.
    """

    def __init__(self, settings: FeedSettings, gate: Gate | None = None) -> None:
        """Raises SettingError if an address cannot be connected or bound, or if it is on another
        machine and the gate (by default without keys) does not allow it."""
        self._gate = gate or Gate(SecuritySettings())
        self._limits = limits_of(settings)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        budget = settings.receive_MB * 1e6
        self._in_sockets = SHARE_IN_SOCKETS * budget
        of_documents = int(SHARE_OF_DOCUMENTS * budget)
        limits: dict[Feed, int] = {
            "documents": of_documents,
            "slices": int(budget - self._in_sockets) - of_documents,
        }
        self._documents: Iterator[Received] | None = None
        self._receiver = Receiver(self._context, limits, settings.receive_hwm)
        self._guard: ConnectionGuard | None = None
        try:
            self._open(settings)
        except SettingError:
            self.close()
            raise
        self._receiver.start()

    def _open(self, settings: FeedSettings) -> None:
        longest = largest_message(self._limits)
        sockets = len(settings.slice_addresses) + bool(settings.slices_pull)
        of_slices = self._in_sockets / max(1, sockets) / (longest / USUAL_SHARE)
        of_documents = self._in_sockets / max(1, len(settings.documents)) / LARGEST_DOCUMENT
        largest = f"{longest / 1e6:.0f} MB (feeds.max_slice_Mpx is {settings.max_slice_Mpx:g})"
        for address in settings.slice_addresses:
            subscriber = self._socket(zmq.SUB, longest, of_slices)
            setting = "feeds.slices" if address in settings.slices else "feeds.folders"
            self._connect("slices", subscriber, setting, address, largest, "feeds.max_slice_Mpx")
        if settings.slices_pull:
            pull = self._socket(zmq.PULL, longest, of_slices)
            keep_alive(pull)
            self._gate.guard(pull, "producers", "feeds.slices_pull", settings.slices_pull)
            _bind(pull, "feeds.slices_pull", settings.slices_pull)
            waiting = (int(pull.rcvhwm) + 1) * longest + SOCKET_BUFFERS
            accepted = Accepted(pull, "feeds.slices_pull", most_clients(), waiting)
            self._receiver.add("slices", pull, accepted)
            self._guard = ConnectionGuard([accepted], self._receiver.fail)
        largest = f"{LARGEST_DOCUMENT / 2**20:.0f} MiB (a document has at most 4 MiB)"
        for address in settings.documents:
            reader = self._socket(zmq.SUB, LARGEST_DOCUMENT, of_documents)
            self._connect("documents", reader, "feeds.documents", address, largest)

    def _socket(self, kind: int, most_bytes: int, waiting: float) -> zmq.Socket[bytes]:
        """A socket in which few messages wait, about `waiting`: bytes are not counted there."""
        made = self._context.socket(kind)
        # what is longer costs its sender the connection; memory is not taken for it
        made.setsockopt(zmq.MAXMSGSIZE, most_bytes)
        made.setsockopt(zmq.RCVHWM, max(1, min(MOST_IN_SOCKET, int(waiting))))
        made.setsockopt(zmq.LINGER, 0)
        if kind == zmq.SUB:
            made.setsockopt(zmq.SUBSCRIBE, b"")
        return made

    def take(self, timeout_ms: int) -> Iterator[Received]:
        """The messages that have arrived, documents first; a page of many readings is returned in
        portions. Waits up to `timeout_ms` if there are none."""
        self._receiver.wait(timeout_ms if self._documents is None else 0)
        accepted = [] if self._guard is None else self._guard.changes()
        for change in (*self._receiver.changes(), *accepted):
            yield Received("connections", None, change)
        yield from self._some_documents()
        for frames in self._receiver.next("slices"):
            yield self._decoded("slices", frames)

    @property
    def waiting_bytes(self) -> dict[str, int]:
        """Bytes that wait to be taken, by feed."""
        return self._receiver.waiting_bytes

    def close(self) -> None:
        self._receiver.close()
        if self._guard is not None:
            self._guard.close()
        self._gate.leave(self._context)
        self._context.destroy(linger=0)

    def _connect(
        self,
        feed: Feed,
        source: zmq.Socket[bytes],
        setting: str,
        address: str,
        limit: str,
        limit_setting: str = "",
    ) -> None:
        self._gate.reach(source, setting, address)
        try:
            connection = Connection(
                source, setting, address, limit=limit, limit_setting=limit_setting
            )
        except zmq.ZMQError as error:
            raise SettingError(
                setting,
                got=address,
                expected="an address such as tcp://127.0.0.1:5601",
                todo=f"correct the setting ({error.strerror})",
            ) from None
        self._receiver.add(feed, source)
        self._receiver.watch(connection)

    def _some_documents(self) -> Iterator[Received]:
        """Those that come next, until they have so many rows."""
        self._documents = self._documents or self._waiting_documents()
        rows = 0
        while rows < ROWS_AT_ONCE:
            received = next(self._documents, None)
            if received is None:
                self._documents = None
                return
            if isinstance(received.record, CyclerDocument):
                rows += documents.rows_of(received.record)
            yield received

    def _waiting_documents(self) -> Iterator[Received]:
        for frames in self._receiver.next("documents"):
            received = self._decoded("documents", frames)
            if isinstance(received.record, CyclerDocument):
                for portion in documents.portions(received.record, ROWS_AT_ONCE):
                    yield replace(received, record=portion)
            else:
                yield received

    def _decoded(self, feed: Feed, frames: list[Frame]) -> Received:
        try:
            if feed == "slices":
                return Received(feed, frames, codec.decode(frames, self._limits))
            return Received(feed, frames, documents.decode(b"".join(frames)))
        except BadMessage as error:
            return Received(feed, frames, BadInput(feed, error.kind, str(error)))


def _bind(source: zmq.Socket[bytes], setting: str, address: str) -> None:
    try:
        source.bind(address)
    except zmq.ZMQError as error:
        raise SettingError(
            setting,
            got=address,
            expected="a free address of this machine",
            todo=f"set another port, or stop the program that uses it ({error.strerror})",
        ) from None
