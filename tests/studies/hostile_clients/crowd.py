"""The hostile clients, in a process of their own: `python -m tests.studies.hostile_clients.crowd
PULL STATUS COUNT KINDS [SERVER SECRET]`, without keys or with those of a viewer; KINDS: which of
them, with commas between. Ends when its input closes, and says what they did."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import zmq

from monitor.sockets.keys import ClientKeys, read_pair, read_public
from tests.helpers.zmtp import RawClient

CORNERS = [[n * 37 % 64, n * 53 % 64] for n in range(200)]
QUESTIONS = [
    {"type": "state"},
    {"type": "map", "cell": "A", "name": "height"},
    {"type": "pits", "cell": "A"},
    {"type": "statistics", "cell": "A", "name": "height", "kind": "polygon", "points": CORNERS},
    {"type": "section", "cell": "A", "axis": "y", "index": 5},
    {"type": "events", "limit": 1000},
    {"type": "cycler", "cell": "A", "max_points": 1_000_000},
    {"type": "volume"},
]
LARGE = b'{"type":"note","cell":"A","tag":"t","text":"' + b"x" * 100_000 + b'"}'
PARTS, PAUSE_S = 20_000, 0.05
KINDS = ("idle", "unread", "flood", "endless", "oversize", "newcomer")


class Crowd:
    """So many clients, of each of these kinds as many."""

    def __init__(
        self, pull: str, status: str, count: int, kinds: Sequence[str], keys: ClientKeys | None
    ) -> None:
        self._pull, self._status, self._keys = pull, status, keys
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.max_sockets = 10_000
        self.done: Counter[str] = Counter()
        made: list[Callable[[], None]] = [getattr(self, f"_{kind}") for kind in kinds]
        for kind, _ in zip(itertools.cycle(made), range(count), strict=False):
            threading.Thread(target=self._run, args=(kind,), daemon=True).start()

    def _run(self, kind: Callable[[], None]) -> None:
        """One client, again whenever it is hung up on."""
        while True:
            with contextlib.suppress(OSError, zmq.ZMQError):
                kind()
            time.sleep(PAUSE_S)

    def _dealer(self) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.DEALER)
        made.linger = 0
        made.rcvhwm = 1
        made.sndtimeo = 1000
        if self._keys is not None:
            self._keys.guard(made)
        made.connect(self._pull)
        return made

    def _idle(self) -> None:
        self.done["idle"] += 1
        with contextlib.closing(RawClient(_port(self._status), "SUB", shakes_hands=False)):
            time.sleep(20.0)

    def _unread(self) -> None:
        with self._dealer() as dealer:
            while True:
                time.sleep(0.02)
                dealer.send_json(QUESTIONS[1] | {"minus": None})
                self.done["unread"] += 1

    def _flood(self) -> None:
        with self._dealer() as dealer:
            for question in itertools.cycle(QUESTIONS):
                dealer.send_json(question)
                self.done["flood"] += 1
                while dealer.poll(0):
                    dealer.recv_multipart()

    def _newcomer(self) -> None:
        """For each round of questions another connection, as if nobody had asked before."""
        while True:
            with self._dealer() as dealer:
                for question in QUESTIONS:
                    dealer.send_json(question)
                    self.done["newcomer"] += 1
                dealer.poll(5000)

    def _endless(self) -> None:
        if self._keys is not None:  # libzmq sends a message once it is whole
            with self._dealer() as dealer:
                while True:
                    time.sleep(0.2)
                    for _ in range(PARTS):
                        dealer.send(b"", zmq.SNDMORE)
                    dealer.send(b"")
                    self.done["endless"] += 1
            return
        with contextlib.closing(RawClient(_port(self._pull))) as client:
            self.done["endless"] += 1
            client.endless(b"", 2**30)

    def _oversize(self) -> None:
        with self._dealer() as dealer:
            for _ in range(20):
                dealer.send(LARGE)
                self.done["oversize"] += 1
                time.sleep(0.1)
            dealer.send(6 * LARGE)  # costs it the connection


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def main(
    pull: str, status: str, count: str, kinds: str, server: str = "", secret: str = ""
) -> None:
    keys = (
        ClientKeys(read_pair(secret, "viewer"), read_public(server, "engine")) if secret else None
    )
    crowd = Crowd(pull, status, int(count), kinds.split(","), keys)
    time.sleep(1.0)
    print("there", flush=True)
    sys.stdin.read()
    print(json.dumps(crowd.done), flush=True)
    os._exit(0)  # libzmq may end the process if a socket is closed in the middle of a message


if __name__ == "__main__":
    main(*sys.argv[1:])
