"""Scan requests to the acquisition, and its replies. Never blocks; one thread uses it."""

from __future__ import annotations

import zmq

from monitor.errors import BadMessage, SettingError
from monitor.records import BadInput, ScanReply, ScanRequest
from monitor.settings import RequestSettings
from monitor.wire import requests as wire

QUEUE_LIMIT = 100
REPLIES_AT_ONCE = 100


class Requester:
    """Sends requests to the mailbox of the acquisition; backend "none" refuses each one here."""

    def __init__(self, settings: RequestSettings) -> None:
        """Raises SettingError where the endpoint is not an address."""
        self._own_replies: list[ScanReply] = []
        self._socket: zmq.Socket[bytes] | None = None
        if settings.backend == "mailbox":
            self._socket = _connected(settings.endpoint)

    def send(self, request: ScanRequest) -> None:
        """Sends at once, or queues while the acquisition is not there yet (up to QUEUE_LIMIT)."""
        if self._socket is None:
            self._refuse(request, "dry run: requests.backend is 'none'")
            return
        try:
            self._socket.send(wire.encode_request(request), zmq.DONTWAIT)
        except zmq.Again:
            self._refuse(request, f"the acquisition took none of the last {QUEUE_LIMIT} requests")

    def poll(self) -> list[ScanReply | BadInput]:
        """What has been answered since the last call; empty where nothing has."""
        replies: list[ScanReply | BadInput] = list(self._own_replies)
        self._own_replies.clear()
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
        return replies

    def close(self) -> None:
        """Closes the socket; a second call does nothing."""
        if self._socket is not None:
            self._socket.close(0)
            self._socket = None

    def _refuse(self, request: ScanRequest, why: str) -> None:
        self._own_replies.append(ScanReply(request.id, "refused", why))


def _connected(endpoint: str) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.sndhwm = QUEUE_LIMIT
    socket.linger = 0
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        socket.close(0)
        raise SettingError(
            "requests.endpoint",
            got=endpoint,
            expected="an address such as tcp://127.0.0.1:5603",
            todo=f"correct the setting ({error.strerror})",
        ) from None
    return socket
