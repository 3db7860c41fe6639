"""A client that speaks ZMTP by hand: what libzmq would not send, or only once it is whole."""

from __future__ import annotations

import contextlib
import socket
import time

from monitor.sockets.transport import GREETING

MORE = b"\x01"
BYTES_PER_S = 20e6
"""What does not end is sent no faster: the other end has time to notice it."""


class RawClient:
    """A connection of the mechanism NULL that has shaken hands as a socket of a kind."""

    def __init__(self, port: int, kind: str = "DEALER", *, shakes_hands: bool = True) -> None:
        self.link = socket.create_connection(("127.0.0.1", port), timeout=30)
        if not shakes_hands:
            return
        self.link.sendall(GREETING)
        name = kind.encode()
        ready = b"\x05READY\x0bSocket-Type" + len(name).to_bytes(4, "big") + name
        self.link.sendall(b"\x04" + bytes([len(ready)]) + ready)
        found = b""
        while len(found) < 64 or b"READY" not in found:
            more = self.link.recv(4096)
            if not more:
                raise ConnectionError("hung up on in the handshake")
            found += more

    def send(self, *parts: bytes) -> None:
        """A whole message of short parts."""
        frames = [bytes([number < len(parts) - 1, len(p)]) + p for number, p in enumerate(parts)]
        self.link.sendall(b"".join(frames))

    def endless(self, part: bytes, most_bytes: int) -> int:
        """Parts of a message that does not end, until hung up on; how many bytes were sent."""
        piece = (MORE + bytes([len(part)]) + part) * 1000
        sent = 0
        self.link.settimeout(2.0)  # one that is hung up on is not always told so
        with contextlib.suppress(OSError):
            while sent < most_bytes:
                sent += self.link.send(piece)
                time.sleep(len(piece) / BYTES_PER_S)
        return sent

    def is_closed(self, patience_s: float) -> bool:
        """Whether the other end hangs up within some time."""
        self.link.settimeout(patience_s)
        try:
            while self.link.recv(2**16):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        self.link.close()
