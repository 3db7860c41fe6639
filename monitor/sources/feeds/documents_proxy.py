"""Forwards bluesky documents from whoever publishes them to whoever subscribes."""

from __future__ import annotations

import threading
from contextlib import suppress

import zmq

from monitor.errors import SettingError
from monitor.sockets.keys import bind_here

MOST_WAITING = 100_000
"""Documents for a subscriber that is behind. A stock Proxy drops what is beyond 1000."""


class DocumentsProxy:
    """Documents sent to `address_in` come out at `address_out` ("127.0.0.1:5577", tcp:// or not).

    It has the sockets of a stock bluesky Proxy, which cannot be closed from outside.
    """

    def __init__(
        self, address_in: str, address_out: str, setting: str = "cycler documents"
    ) -> None:
        """Binds. Raises SettingError, which names the setting, if an address cannot be had."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._ends = self._context.socket(zmq.SUB), self._context.socket(zmq.PUB)
        self._ends[0].subscribe(b"")
        self._ends[0].rcvhwm = self._ends[1].sndhwm = MOST_WAITING
        try:
            for end, address in zip(self._ends, (address_in, address_out), strict=True):
                bind_here(end, f"tcp://{address.removeprefix('tcp://')}", setting)
        except SettingError:
            self._context.destroy(linger=0)
            raise
        self._linger_ms = 0
        self._thread = threading.Thread(target=self._forward, name="proxy", daemon=True)
        self._thread.start()

    def close(self, linger_ms: int = 0) -> None:
        """Ends the forwarding, leaving documents so long to get away, and frees the addresses."""
        self._linger_ms = linger_ms
        self._context.term()
        self._thread.join()

    def _forward(self) -> None:
        with suppress(zmq.ContextTerminated):
            zmq.proxy(*self._ends)
        for end in self._ends:
            end.close(self._linger_ms)
