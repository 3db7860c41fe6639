"""Who may answer at an address that the engine connects to: the right socket, another one, none."""

import contextlib
import math
import socket
import threading
import time

import zmq

from tests.helpers.waiting import PATIENCE_S

BOUND = []
"""Sockets that `bound` has made: kept, as a context closes those that are there."""


class Relay:
    """Forwards TCP to `target` until `stop_forwarding`; what stands then stays open."""

    def __init__(self, target):
        self._target = int(target.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._open, self._ends = True, []
        self._frozen = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while self._open:
            try:
                near = self._listener.accept()[0]
            except TimeoutError:
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self.connections += 1
            self._ends += [near, far]
            for pair in ((near, far), (far, near)):
                self._threads.append(
                    threading.Thread(target=self._forward, args=(*pair, self.connections))
                )
                self._threads[-1].start()

    def _forward(self, source, sink, number):
        try:
            while data := source.recv(65536):
                if number > self._frozen:
                    sink.sendall(data)
            if number > self._frozen:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop_forwarding(self, *, later=True):
        """On the connections of now; `later`: later ones are forwarded."""
        self._frozen = self.connections if later else math.inf

    def forward_again(self):
        """On connections that are made from now on."""
        self._frozen = self.connections

    def close(self):
        self._open = False
        for end in self._ends:
            end.close()
        self._threads[0].join()
        for end in self._ends:
            end.close()
        self._listener.close()


class RawServer:
    """Says the same to each that connects, and nothing more. `hang_up`: closes then."""

    def __init__(self, port, says=b"", *, hang_up=False):
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(0.05)
        self._says, self._hang_up = says, hang_up
        self._open, self._links, self.count = True, [], 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while self._open:
            try:
                link = self._listener.accept()[0]
            except TimeoutError:
                continue
            self.count += 1
            with contextlib.suppress(OSError):  # who has connected may have gone by now
                link.sendall(self._says)
            if self._hang_up:
                link.close()
            else:
                self._links.append(link)

    def close(self):
        self._open = False
        self._thread.join()
        for link in self._links:
            link.close()
        self._listener.close()


def greeting(minor, mechanism=b"NULL", socket_type=b"PUB"):
    """The first bytes of a peer that speaks ZMTP 3.`minor`, up to READY."""
    ready = b"\x05READY\x0bSocket-Type" + len(socket_type).to_bytes(4, "big") + socket_type
    start = b"\xff" + 8 * b"\0" + b"\x7f\x03" + bytes([minor]) + mechanism.ljust(20, b"\0")
    return start + 32 * b"\0" + b"\x04" + bytes([len(ready)]) + ready


def bound(context, kind, address, patience_s=PATIENCE_S, **options):
    """A socket of stock pyzmq at an address that may just have been left."""
    made = context.socket(kind)
    BOUND.append(made)
    made.linger = 0
    for name, value in options.items():
        setattr(made, name, value)
    end = time.monotonic() + patience_s
    while True:
        try:
            made.bind(address)
            return made
        except zmq.ZMQError:
            if time.monotonic() > end:
                made.close()
                raise
            time.sleep(0.02)
