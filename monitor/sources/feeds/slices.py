"""The sending end of the slice stream: an XPUB that waits for slow subscribers, drops nothing."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from typing import Protocol, Self

import zmq

from monitor.errors import SettingError
from monitor.sockets.connection import keep_alive
from monitor.sockets.keys import bind_here
from monitor.wire.slices.stins import Frame

QUEUE_BYTES = 2**28
MOST_QUEUED = 1000
POLL_MS = 200
LINGER_MS = 600_000
"""The engine may be behind by minutes. A signal ends the wait."""


class Halt(Protocol):
    """What tells a sender to give up; a threading.Event is one."""

    def is_set(self) -> bool: ...


class SliceSocket:
    """Binds `endpoint`; sends messages whole, or not at all once `stop` is set. May be used by
    several threads."""

    def __init__(
        self,
        endpoint: str,
        message_bytes: int,
        stop: Halt,
        *,
        setting: str = "slice endpoint",
        patience_s: float = math.inf,
    ) -> None:
        """`patience_s`: how long a message waits for room. Raises SettingError, which names the
        setting, if the address cannot be had."""
        self.endpoint = endpoint
        self._stop = stop
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._subscribed = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.sndhwm = max(2, min(MOST_QUEUED, QUEUE_BYTES // message_bytes))
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._socket.sndtimeo = POLL_MS
        keep_alive(self._socket)
        try:
            bind_here(self._socket, endpoint, setting)
        except SettingError:
            self._context.destroy(linger=0)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(0 if self._stop.is_set() else LINGER_MS)

    def close(self, linger_ms: int = 0) -> None:
        """Closes, leaving queued messages so long to get away."""
        self._context.destroy(linger=linger_ms)

    def wait_for_subscriber(self, seconds: float) -> bool:
        """Whether somebody subscribes within so many seconds; stops waiting once `stop` is set."""
        deadline = time.monotonic() + seconds
        while not self._has_subscriber() and not self._stop.is_set():
            if (left_s := deadline - time.monotonic()) <= 0.0:
                return False
            with self._lock:
                self._socket.poll(min(POLL_MS, math.ceil(1000 * left_s)))
        return self._subscribed

    def send(self, frames: Sequence[Frame], halt: Halt | None = None) -> bool:
        """Sends one message; False if `stop` or `halt` is set before there is room for it. Buffers
        are not copied. Raises TimeoutError if there is no room for `patience_s`."""
        deadline = time.monotonic() + self._patience_s
        while not self._stop.is_set() and not (halt is not None and halt.is_set()):
            try:
                with self._lock:
                    self._socket.send_multipart(frames, copy=False)
                return True
            except zmq.Again:
                self._has_subscriber()
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"slices: no space in the queue for {self._patience_s:g} s, expected the "
                    "subscribers to take messages; stop those that hang"
                )
        return False

    def _has_subscriber(self) -> bool:
        with self._lock:
            while self._socket.poll(0, zmq.POLLIN):
                self._subscribed = self._socket.recv()[:1] == b"\x01"
        return self._subscribed
