"""The sockets that slices and cycler documents come in by; bytes become records here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import zmq

from monitor.engine.gate import Gate
from monitor.errors import BadMessage, SettingError
from monitor.records import BadInput, Record
from monitor.settings import FeedSettings, SecuritySettings
from monitor.wire import documents, slices, stins
from monitor.wire.limits import Limits, limits_of
from monitor.wire.stins import Frame

Feed = Literal["slices", "documents"]

AT_ONCE = 64
RECONNECT_MS = 100
LARGEST_PIXEL_BYTES = 4


def largest_message(limits: Limits) -> int:
    """Bytes of the longest message that a slice within the limits can come in."""
    return LARGEST_PIXEL_BYTES * limits.slice_pixels + stins.MAX_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Received:
    """One message: its feed, its frames as they came (None where it has none), what it says."""

    feed: str
    frames: Sequence[Frame] | None
    record: Record


class LiveFeeds:
    """Slices from any number of PUB or PUSH producers, documents from any number of proxies.

    Buffers are never copied: the frames of a message live as long as the arrays that look into
    them.
    """

    def __init__(self, settings: FeedSettings, gate: Gate | None = None) -> None:
        """Raises SettingError where an address cannot be connected to, or bound, or where it is on
        another machine and the gate (by default without keys) does not know it."""
        self._gate = gate or Gate(SecuritySettings())
        self._limits = limits_of(settings)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._slices: list[zmq.Socket[bytes]] = []
        self._documents: list[zmq.Socket[bytes]] = []
        try:
            self._open(settings)
        except SettingError:
            self.close()
            raise

    def _open(self, settings: FeedSettings) -> None:
        most = largest_message(self._limits)
        subscriber = self._socket(zmq.SUB, settings.receive_hwm, most)
        for address in settings.slices:
            self._connect(subscriber, "feeds.slices", address)
        self._slices.append(subscriber)
        if settings.slices_pull:
            pull = self._socket(zmq.PULL, settings.receive_hwm, most)
            self._gate.guard(pull, "producers", "feeds.slices_pull", settings.slices_pull)
            _bind(pull, "feeds.slices_pull", settings.slices_pull)
            self._slices.append(pull)
        reader = self._socket(zmq.SUB, 100_000, 2 * documents.MAX_BYTES)
        for address in settings.documents:
            self._connect(reader, "feeds.documents", address)
        self._documents.append(reader)

    def _socket(self, kind: int, hwm: int, most_bytes: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        # what is longer costs its sender the connection; memory is not taken for it
        made.setsockopt(zmq.MAXMSGSIZE, most_bytes)
        made.setsockopt(zmq.RCVHWM, hwm)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        if kind == zmq.SUB:
            made.setsockopt(zmq.SUBSCRIBE, b"")
        self._poller.register(made, zmq.POLLIN)
        return made

    def take(self, timeout_ms: int) -> Iterator[Received]:
        """What has come, documents first; waits up to `timeout_ms` where nothing has."""
        ready = dict(self._poller.poll(timeout_ms))
        for source in self._documents:
            if source in ready:
                yield from self._drain(source, "documents")
        for source in self._slices:
            if source in ready:
                yield from self._drain(source, "slices")

    def close(self) -> None:
        self._gate.leave(self._context)
        self._context.destroy(linger=0)

    def _connect(self, source: zmq.Socket[bytes], setting: str, address: str) -> None:
        self._gate.reach(source, setting, address)
        _connect(source, setting, address)

    def _drain(self, source: zmq.Socket[bytes], feed: Feed) -> Iterator[Received]:
        for _ in range(AT_ONCE):
            try:
                parts = source.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            yield self._decoded(feed, [part.buffer for part in parts])

    def _decoded(self, feed: Feed, frames: list[Frame]) -> Received:
        try:
            if feed == "slices":
                return Received(feed, frames, slices.decode(frames, self._limits))
            return Received(feed, frames, documents.decode(b"".join(frames)))
        except BadMessage as error:
            return Received(feed, frames, BadInput(feed, error.kind, str(error)))


def _connect(source: zmq.Socket[bytes], setting: str, address: str) -> None:
    try:
        source.connect(address)
    except zmq.ZMQError as error:
        raise SettingError(
            setting,
            got=address,
            expected="an address such as tcp://127.0.0.1:5601",
            todo=f"correct the setting ({error.strerror})",
        ) from None


def _bind(source: zmq.Socket[bytes], setting: str, address: str) -> None:
    try:
        source.bind(address)
    except zmq.ZMQError as error:
        raise SettingError(
            setting,
            got=address,
            expected="a free address of this machine",
            todo=f"set another port, or stop what uses it ({error.strerror})",
        ) from None
