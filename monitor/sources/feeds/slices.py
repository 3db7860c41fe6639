"""The sending end of the slice stream: an XPUB that waits for slow subscribers, drops nothing."""

from __future__ import annotations

import threading
import time
from typing import Self

import zmq

from monitor.errors import EngineUnreachable, SettingError
from monitor.sockets.connection import keep_alive
from monitor.sockets.keys import bind_here
from monitor.wire.slices.stins import Frame

QUEUE_BYTES = 2**28
POLL_MS = 200
LINGER_MS = 10_000


class SliceSocket:
    """Binds `endpoint`; sends messages whole, or not at all once `stop` is set."""

    def __init__(self, endpoint: str, message_bytes: int, stop: threading.Event) -> None:
        self._endpoint = endpoint
        self._stop = stop
        self._subscribed = False
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.SNDHWM, max(2, min(1000, QUEUE_BYTES // message_bytes)))
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._socket.setsockopt(zmq.SNDTIMEO, POLL_MS)
        keep_alive(self._socket)
        try:
            bind_here(self._socket, endpoint, "slice endpoint")
        except SettingError:
            self._context.destroy(linger=0)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0 if self._stop.is_set() else LINGER_MS)

    def wait_for_subscriber(self, seconds: float) -> None:
        """Returns once somebody subscribes, or `stop` is set; EngineUnreachable after `seconds`."""
        deadline = time.monotonic() + seconds
        self._note_subscriptions()
        while not self._subscribed and not self._stop.is_set():
            if time.monotonic() > deadline:
                raise EngineUnreachable(
                    f"{self._endpoint}: nobody subscribed within {seconds:g} s; start the engine "
                    "with this address in feeds.slices"
                )
            self._socket.poll(POLL_MS)
            self._note_subscriptions()

    def send(self, frames: list[Frame]) -> bool:
        """Sends one message; False where `stop` was set before there was room for it."""
        while not self._stop.is_set():
            try:
                self._socket.send_multipart(frames, copy=False)
                return True
            except zmq.Again:
                self._note_subscriptions()
        return False

    def _note_subscriptions(self) -> None:
        while self._socket.poll(0, zmq.POLLIN):
            self._subscribed = self._socket.recv()[:1] == b"\x01"
