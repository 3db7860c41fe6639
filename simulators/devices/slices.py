"""The slice stream's socket."""

from __future__ import annotations

import threading
import time as wall
from collections.abc import Sequence
from typing import Protocol

import zmq

from monitor.sockets.keys import bind_here

QUEUED_MESSAGES = 4000
SEND_PATIENCE_S = 60.0


class Halt(Protocol):
    """What tells a sender to give up; a threading.Event is one."""

    def is_set(self) -> bool: ...


class SlicePublisher:
    """XPUB socket of the slice stream. A slow subscriber slows the beamline; nothing is dropped."""

    def __init__(self, endpoint: str) -> None:
        """Binds. Raises SettingError where the address cannot be had."""
        self._lock = threading.Lock()
        self._socket = zmq.Context.instance().socket(zmq.XPUB)
        self._socket.sndhwm = QUEUED_MESSAGES
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        bind_here(self._socket, endpoint, "simulator.slices")

    def wait_for_subscriber(self, timeout_s: float, stop: threading.Event) -> bool:
        """Waits until somebody subscribes; False where nobody did in time."""
        deadline = wall.monotonic() + timeout_s
        while wall.monotonic() < deadline and not stop.is_set():
            with self._lock:
                if self._socket.poll(50) and self._socket.recv()[:1] == b"\x01":
                    return True
        return False

    def send(self, frames: Sequence[bytes | memoryview], stop: Halt) -> bool:
        """Sends one message, waiting for room; False where `stop` is set before it is sent.

        Raises TimeoutError where there was no room for SEND_PATIENCE_S.
        """
        deadline = wall.monotonic() + SEND_PATIENCE_S
        while not stop.is_set():
            try:
                with self._lock:
                    self._socket.send_multipart(frames, zmq.DONTWAIT)
                return True
            except zmq.Again:
                if wall.monotonic() > deadline:
                    raise TimeoutError(
                        f"slices: got no room in the queue for {SEND_PATIENCE_S:g} s, expected the "
                        "subscribers to take messages; end those that have hung"
                    ) from None
                wall.sleep(0.01)
        return False

    def close(self, linger_s: float = 0.0) -> None:
        """Closes, leaving queued messages `linger_s` to get away."""
        with self._lock:
            self._socket.close(int(1000 * linger_s))
