"""Scan requests to the acquisition, and its replies. Never blocks; one thread uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import zmq

from monitor.engine.access import Gate
from monitor.engine.requests.queueserver import QueueServer
from monitor.errors import BadMessage, SettingError
from monitor.records import (
    FINAL_REPLIES,
    BadInput,
    ConnectionChange,
    ScanReply,
    ScanRequest,
)
from monitor.settings import RequestSettings, SecuritySettings
from monitor.sockets.connection import Connection
from monitor.wire import requests as wire

QUEUE_LIMIT = 100
REPLIES_AT_ONCE = 100
ABSENT_S = 10.0
Answer = ScanReply | BadInput | ConnectionChange
"""What a back end reports."""
HEARD_OUT = ("running", *FINAL_REPLIES)


class Backend(Protocol):
    """One way to send requests to an acquisition. No method blocks."""

    def send(self, request: ScanRequest) -> None:
        """Sends a request, or sends it again: an id that is already known does not lead to a second
        scan."""

    def poll(self) -> list[Answer]:
        """What has been answered since the last call; called several times a second."""

    def forget(self, identity: str) -> None:
        """This request need not be sent any more. Replies to what has been sent may still
        arrive."""

    def close(self) -> None:
        """Frees the connection; a second call does nothing."""


@dataclass(slots=True)
class _Outstanding:
    request: ScanRequest
    due: float


class Requester:
    """Sends requests to the back end named in the settings, and repeats them until they are known
    to be served.

    Either end may be restarted, and messages may be lost: a repeated request has the same id.
    """

    def __init__(
        self,
        settings: RequestSettings,
        gate: Gate | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises SettingError if an address or a key is not valid, or if the address is on another
        machine and the gate (by default without keys) does not allow it."""
        self._resend_s = settings.resend_s
        self._clock = clock
        self._own_replies: list[ScanReply] = []
        self._outstanding: dict[str, _Outstanding] = {}
        self._backend = _backend(settings, gate or Gate(SecuritySettings()), clock)

    def send(self, request: ScanRequest) -> None:
        """Sends a request at once, and again every `resend_s` s until it has ended."""
        full = len(self._outstanding) >= QUEUE_LIMIT
        if full and request.id not in self._outstanding:
            why = f"{QUEUE_LIMIT} requests are unanswered; check whether the acquisition is running"
            self._own_replies.append(ScanReply(request.id, "refused", why))
            return
        self._outstanding[request.id] = _Outstanding(request, self._clock() + self._resend_s)
        self._backend.send(request)

    def poll(self) -> list[Answer]:
        """What has been answered since the last call; empty if nothing has."""
        replies = [*self._own_replies, *self._backend.poll()]
        self._own_replies.clear()
        for reply in replies:
            if isinstance(reply, ScanReply) and reply.status in HEARD_OUT:
                self.settle(reply.id)
        now = self._clock()
        for waiting in self._outstanding.values():
            if now >= waiting.due:
                waiting.due = now + self._resend_s
                self._backend.send(waiting.request)
        return replies

    def settle(self, identity: str) -> None:
        """Stops repeating a request: its scan has been received, or the request was given up."""
        if self._outstanding.pop(identity, None) is not None:
            self._backend.forget(identity)

    def close(self) -> None:
        """Closes the connection; a second call does nothing."""
        self._backend.close()


class NoBackend:
    """Dry run: every request is refused here."""

    def __init__(self) -> None:
        self._replies: list[Answer] = []

    def send(self, request: ScanRequest) -> None:
        why = "dry run: requests.backend is 'none'"
        self._replies.append(ScanReply(request.id, "refused", why))

    def poll(self) -> list[Answer]:
        replies, self._replies = self._replies, []
        return replies

    def forget(self, identity: str) -> None:
        pass

    def close(self) -> None:
        pass


class Mailbox:
    """The acquisition's ROUTER, which our DEALER connects to.

    A request waits here, once, until the acquisition is connected. In the socket's queue every
    repeat would wait, and all would be delivered together.
    """

    def __init__(self, endpoint: str, gate: Gate, clock: Callable[[], float]) -> None:
        """Raises SettingError if the endpoint is not an address, or not one to connect to."""
        self._endpoint = endpoint
        self._clock = clock
        self._connection = _connected(endpoint, gate)
        self._socket: zmq.Socket[bytes] | None = self._connection.socket
        self._unsent: dict[str, ScanRequest] = {}
        self._absent_since: float | None = None
        self._absence_told = False

    def send(self, request: ScanRequest) -> None:
        self._unsent[request.id] = request
        self._flush()

    def poll(self) -> list[Answer]:
        self._flush()
        replies: list[Answer] = [*self._absence()]
        if self._socket is None:
            return replies
        for _ in range(REPLIES_AT_ONCE):
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            try:
                replies.append(wire.decode_reply(frames[-1]))
            except BadMessage as error:
                replies.append(BadInput("requests", error.kind, str(error)))
        return [*replies, *self._connection.look()]

    def forget(self, identity: str) -> None:
        self._unsent.pop(identity, None)

    def close(self) -> None:
        if self._socket is not None:
            self._connection.close()
            self._socket = None

    def _absence(self) -> list[BadInput]:
        """One line, once nobody has taken what waits for ABSENT_S seconds."""
        if not self._unsent:
            self._absent_since, self._absence_told = None, False
            return []
        now = self._clock()
        self._absent_since = now if self._absent_since is None else self._absent_since
        if self._absence_told or now - self._absent_since < ABSENT_S:
            return []
        self._absence_told = True
        text = (
            f"requests: no mailbox at {self._endpoint} has accepted requests for {ABSENT_S:g} s; "
            f"{len(self._unsent)} are waiting; start the acquisition's mailbox, or correct "
            "requests.endpoint"
        )
        return [BadInput("requests", "mailbox_absent", text)]

    def _flush(self) -> None:
        while self._socket is not None and self._unsent:
            identity, request = next(iter(self._unsent.items()))
            try:
                self._socket.send(wire.encode_request(request), zmq.DONTWAIT)
            except zmq.Again:
                return
            del self._unsent[identity]


def _backend(settings: RequestSettings, gate: Gate, clock: Callable[[], float]) -> Backend:
    match settings.backend:
        case "mailbox":
            return Mailbox(settings.endpoint, gate, clock)
        case "queueserver":
            return QueueServer(settings, clock=clock)
        case "none":
            return NoBackend()


def _connected(endpoint: str, gate: Gate) -> Connection:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.sndhwm = socket.rcvhwm = QUEUE_LIMIT
    socket.maxmsgsize = 2 * wire.MAX_BYTES
    socket.linger = 0
    socket.immediate = True  # send to whoever is there, not to a queue for whoever may arrive
    try:
        gate.reach(socket, "requests.endpoint", endpoint)
        return Connection(socket, "requests.endpoint", endpoint, heartbeats=True)
    except SettingError:
        socket.close(0)
        raise
    except zmq.ZMQError as error:
        socket.close(0)
        raise SettingError(
            "requests.endpoint",
            got=endpoint,
            expected="an address such as tcp://127.0.0.1:5603",
            todo=f"correct the setting ({error.strerror})",
        ) from None
