"""A Redis as BLISS has it, as far as blissdata and this program ask it: a stand-in, no real one.

Commands go to fakeredis, which has streams and JSON, over TCP. What it lacks is answered here:
MODULE, CONFIG and FUNCTION with a yes; FT.INFO and FT.CREATE as a search module without an index
would; FCALL by what blissdata's function `seal_stream` does. Searching (FT.SEARCH) is refused:
nothing here searches.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

import redis
from fakeredis import TcpFakeServer

LAST = 2**64 - 1
MODULES = ("ReJSON", "search")


class _Relay(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], upstream: tuple[str, int]) -> None:
        super().__init__(address, _Connection)
        self.upstream = upstream
        self.modules: tuple[str, ...] = MODULES
        self.clients: set[socket.socket] = set()
        self.asked: list[bytes] = []


class _Connection(socketserver.BaseRequestHandler):
    """One client: a command, its reply, the next command."""

    def handle(self) -> None:
        relay = cast(_Relay, self.server)
        relay.clients.add(self.request)
        self._maps = False
        upstream = socket.create_connection(relay.upstream)
        with (
            upstream,
            upstream.makefile("rb") as replies,
            self.request.makefile("rb") as asked,
            suppress(EOFError, OSError),
        ):
            while True:
                raw, words = _command(asked)
                relay.asked.append(words[0].upper())
                answer = self._answer(relay, words)
                if answer is None:
                    upstream.sendall(raw)
                    answer = _reply(replies)
                self.request.sendall(answer)
        relay.clients.discard(self.request)

    def _answer(self, relay: _Relay, words: list[bytes]) -> bytes | None:
        match words[0].upper():
            case b"HELLO":
                self._maps = words[1:2] == [b"3"]
            case b"MODULE":
                head = b"%1\r\n" if self._maps else b"*2\r\n"
                names = [head + _bulk(b"name") + _bulk(name.encode()) for name in relay.modules]
                return b"*%d\r\n" % len(names) + b"".join(names)
            case b"CONFIG" | b"FT.CREATE":
                return b"+OK\r\n"
            case b"FUNCTION":
                return _bulk(b"mylib")
            case b"FT.INFO":
                return b"-Unknown index name\r\n"
            case b"FCALL":
                return _sealed(relay.upstream, words[3])
        return None


def _sealed(upstream: tuple[str, int], stream: bytes) -> bytes:
    """Ends a stream with how many points it has, once."""
    with redis.Redis(*upstream) as client:
        last = client.xrevrange(stream, count=1)
        length = 0
        if last:
            identity, fields = last[0]
            if identity == b"%d-%d" % (LAST, LAST):
                return b"-ERR stream is already sealed.\r\n"
            length = int(identity.partition(b"-")[0]) + int(fields.get(b"len", 1))
        client.xadd(stream, {"id": length}, id=f"{LAST}-{LAST}")
    return b":%d\r\n" % length


def _bulk(text: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text)


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline()
    if not line:
        raise EOFError
    return line


def _command(stream: BinaryIO) -> tuple[bytes, list[bytes]]:
    """A command as it was sent, and its words."""
    raw = [_line(stream)]
    words = []
    for _ in range(int(raw[0][1:])):
        head = _line(stream)
        word = stream.read(int(head[1:]) + 2)
        raw += [head, word]
        words.append(word[:-2])
    return b"".join(raw), words


def _reply(stream: BinaryIO) -> bytes:
    """One reply, whole, of either version of the protocol."""
    head = _line(stream)
    kind, count = head[:1], head[1:].strip()
    if kind in b"$=!" and int(count) >= 0:
        return head + stream.read(int(count) + 2)
    if kind in b"*~>%" and int(count) > 0:
        parts = int(count) * (2 if kind == b"%" else 1)
        return head + b"".join(_reply(stream) for _ in range(parts))
    return head


def _url(relay: _Relay) -> str:
    host, port = relay.server_address[:2]
    return f"redis://{host!s}:{port}"


class BlissRedis:
    """The stand-in, at free ports of this machine: BLISS writes at `for_bliss`, and who reads it
    does so at `url`, which can be interrupted."""

    def __init__(self) -> None:
        self._fake = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
        self._fake.daemon_threads = True
        self._threads = [self._run(self._fake)]
        self._bliss = _Relay(("127.0.0.1", 0), self._fake.server_address[:2])
        self._threads.append(self._run(self._bliss))
        self.for_bliss = _url(self._bliss)
        self.address = ("127.0.0.1", 0)
        self.restart()
        self.url = _url(self.relay)

    def restart(self) -> None:
        """Answers those who read, with all that it held before."""
        self.relay = _Relay(self.address, self._fake.server_address[:2])
        self.address = self.relay.server_address[:2]
        self._threads.append(self._run(self.relay))

    def interrupt(self) -> None:
        """No longer answers those who read, as if Redis had ended for them."""
        self._end(self.relay)

    def close(self) -> None:
        self._end(self.relay)
        self._end(self._bliss)
        self._fake.shutdown()
        self._fake.server_close()
        for thread in self._threads:
            thread.join()

    @staticmethod
    def _end(relay: _Relay) -> None:
        relay.shutdown()
        relay.server_close()
        for client in list(relay.clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _run(server: socketserver.TCPServer) -> threading.Thread:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        return thread


@contextmanager
def bliss_redis() -> Iterator[BlissRedis]:
    made = BlissRedis()
    try:
        yield made
    finally:
        made.close()
