"""What lies below a ZeroMQ connection: how long its TCP connection has been silent, and who answers
at an address. Nothing here needs a ZeroMQ socket."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

if sys.platform.startswith("linux"):
    import fcntl
    import termios

PROBE_S = 2.0
GREETING_BYTES, MOST_BYTES = 64, 1024
MINOR, MECHANISM = 11, slice(12, 32)
GREETING = b"\xff" + 8 * b"\0" + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + 32 * b"\0"
"""Of ZMTP 3.0 (https://rfc.zeromq.org/spec/23)."""
SOCKET_TYPE = re.compile(rb"Socket-Type\0\0\0([\x01-\x20])([A-Z]+)")
NAME = re.compile(rb"[A-Z0-9_-]{0,20}")
OLD_TYPES = ("PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB")
"""As ZMTP 2.0 numbers them (https://rfc.zeromq.org/spec/15)."""
TCP_INFO_BYTES, LAST_DATA_RECEIVED, BYTES_RECEIVED = 136, 52, 128
"""Where `tcpi_last_data_recv`, ms, and `tcpi_bytes_received` are in Linux's `struct tcp_info`."""
HOST_PORT = re.compile(r"tcp://(?:\[([^\]]+)\]|([^:;]+)):(\d+)")


@dataclass(frozen=True, slots=True)
class Greeting:
    """How what answers at an address introduces itself. `version` of ZMTP, (0, 0): it speaks none;
    `mechanism` and `socket_type`: "" if it does not say."""

    version: tuple[int, int]
    mechanism: str = ""
    socket_type: str = ""
    first_bytes: bytes = b""

    @property
    def answers_heartbeats(self) -> bool:
        """Whether its version of ZMTP has PING and PONG."""
        return self.version >= (3, 1)


def silence_s(descriptor: int, port: int) -> float | None:
    """For how long nothing has arrived on a TCP connection to `port`, s; 0 while bytes wait to be
    read. None if that cannot be known: another system than Linux, no TCP, or the connection ended.
    """
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, struct.error), _borrowed(descriptor) as link:
        return _silence_s(link) if link.getpeername()[1] == port else None
    return None


def received_at(descriptor: int, own_port: int) -> int | None:
    """How many bytes have arrived on a TCP connection that was accepted at `own_port`; None if that
    cannot be known."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, struct.error), _borrowed(descriptor) as link:
            if link.getsockname()[1] == own_port:
                info = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
                return int(struct.unpack_from("Q", info, BYTES_RECEIVED)[0])
    return None


def silent_at(descriptor: int, own_port: int) -> float:
    """For how long nothing has arrived on such a connection, s; 0 if that cannot be known."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, struct.error), _borrowed(descriptor) as link:
            if link.getsockname()[1] == own_port:
                return _silence_s(link)
    return 0.0


def _silence_s(link: socket.socket) -> float:
    waiting = struct.unpack("i", fcntl.ioctl(link, termios.FIONREAD, b"\0\0\0\0"))[0]
    info = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    last_ms: int = struct.unpack_from("I", info, LAST_DATA_RECEIVED)[0]
    return 0.0 if waiting else last_ms / 1000.0


def hang_up(descriptor: int, peer: object, own_port: int) -> bool:
    """Ends a TCP connection that was accepted at `own_port` from `peer`, as if the other end had.
    False if the descriptor is another connection's by now."""
    with contextlib.suppress(OSError), _borrowed(descriptor) as link:
        if link.getpeername() == peer and link.getsockname()[1] == own_port:
            link.shutdown(socket.SHUT_RDWR)
            return True
    return False


def peer_of(descriptor: int) -> object:
    """The other end of a TCP connection; None if it has ended or is none."""
    with contextlib.suppress(OSError), _borrowed(descriptor) as link:
        return link.getpeername()
    return None


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Somebody else's socket, without a descriptor of its own: there may be none left. Its family
    is not asked for, and does not matter here. OSError if it is not a socket."""
    link = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    try:
        yield link
    finally:
        link.detach()


def port_of(address: str) -> int | None:
    """The port of a tcp:// address; None for any other."""
    match = HOST_PORT.fullmatch(address)
    return int(match[3]) if match else None


class Probe:
    """Asks, in a thread of its own, who answers at an address. `greeting` is there once `done`;
    None: nobody has answered with as much as a byte."""

    def __init__(self, address: str) -> None:
        self.greeting: Greeting | None = None
        self._thread = threading.Thread(target=self._run, args=(address,), daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def _run(self, address: str) -> None:
        match = HOST_PORT.fullmatch(address)
        if match is None:
            return
        place = (match[1] or match[2], int(match[3]))
        with contextlib.suppress(OSError), socket.create_connection(place, PROBE_S) as link:
            self.greeting = greeting_of(_received(link))


def _received(link: socket.socket) -> bytes:
    """What the other end says first: its greeting, and with the mechanism NULL its kind of socket.
    It is told of a mechanism only then: one that has another may disconnect before it has sent
    anything."""
    link.settimeout(PROBE_S)
    found = b""
    with contextlib.suppress(OSError):
        link.sendall(GREETING[: MINOR + 1])
        while len(found) < GREETING_BYTES and (more := link.recv(MOST_BYTES)):
            found += more
            if len(found) > 1 and found[:1] != b"\xff":
                return found
            if len(found) > MINOR and found[MINOR - 1] < 3:
                return found
        link.sendall(GREETING[MINOR + 1 :])
        while len(found) < MOST_BYTES and not SOCKET_TYPE.search(found[GREETING_BYTES:]):
            more = link.recv(MOST_BYTES)
            if not more:
                break
            found += more
    return found


def greeting_of(said: bytes) -> Greeting | None:
    """What the first bytes of a connection say of who is there."""
    if not said:
        return None
    if len(said) > 1 and 0 < said[0] < 0xFF and said[1] == 0:
        return Greeting((1, 0), "NULL")  # the length of its identity, and no flags
    if len(said) <= MINOR or said[0] != 0xFF or not said[9] & 1:
        return Greeting((0, 0), first_bytes=said[:16])
    if said[MINOR - 1] < 3:
        kind = OLD_TYPES[said[11]] if said[11] < len(OLD_TYPES) else ""
        return Greeting((2, 0), "NULL", kind)
    name = said[MECHANISM].rstrip(b"\0")
    if not NAME.fullmatch(name):
        return Greeting((0, 0), first_bytes=said[:16])
    mechanism = name.decode()
    match = SOCKET_TYPE.search(said[GREETING_BYTES:])
    kind = match[2][: match[1][0]].decode() if match else ""
    return Greeting((said[MINOR - 1], said[MINOR]), mechanism, kind)
