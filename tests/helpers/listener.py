"""A plain subscriber of the slice stream."""

from __future__ import annotations

import threading
from typing import Any

import zmq

from tests.helpers.waiting import eventually


class Listener:
    """Collects all messages of one SUB socket in a thread, until closed."""

    def __init__(self, endpoint: str) -> None:
        self.messages: list[list[bytes]] = []
        self._context = zmq.Context()
        self._endpoint = endpoint
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(self._endpoint)
        while not self._closed.is_set():
            if socket.poll(50):
                self.messages.append(socket.recv_multipart())
        socket.close(linger=0)

    def wait(self, done: Any) -> None:
        eventually(lambda: done(self.messages))

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._context.term()
