"""Asks an engine for all that so many screens ask for, and shows nothing: screens elsewhere.

`python -m tests.studies.benchmarks.asking_probe PULL STATUS SECONDS SCREENS`. The questions are
those of the real screen (`gui/state/queries.py`) at its pace (`gui/state/client.py`), but replies
are read only as far as the next questions need it, and one process is all of the screens: what it
takes of the engine's cores would be those of other machines. Prints how many questions were
answered.
"""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from typing import Any

import zmq

from monitor.gui.state.client import AGAIN_S, LEAST_INTERVAL_S, POLL_S, URGENT
from monitor.gui.state.snapshot import Choice, Query
from monitor.gui.state.snapshot_store import SnapshotStore
from monitor.gui.views.registry import queries as queries_of
from monitor.wire.results import queries, replies
from monitor.wire.results.queries import StateRequest

SEEN = {"map": (640, 640), "section": (1024, 640), "trend": (640, 640), "pits": (640, 640)}
NEWS = tuple(f'"type":"{kind}"'.encode() for kind in URGENT)
SLEEP_MS = 50


class Screen:
    """One of them: its sockets, what it knows of the state, and what it has asked for."""

    def __init__(self, context: zmq.Context[Any], pull: str, status: str) -> None:
        self._store = SnapshotStore(pull)
        self._dealer = context.socket(zmq.DEALER)
        self._dealer.connect(pull)
        self._sub = context.socket(zmq.SUB)
        self._sub.subscribe(b"")
        self._sub.connect(status)
        self._waiting: dict[bytes, str] = {}
        self._asked: dict[str, tuple[Query, float]] = {}
        self._queries: dict[str, Query] = {}
        self._state_due = 0.0
        self.answered = 0

    def turn(self, now: float) -> None:
        """Takes what has come, and asks for what is due."""
        self._hear()
        self._take()
        flying = set(self._waiting.values())
        if now >= self._state_due and "state" not in flying:
            state = self._store.state
            since, engine = (state["version"], state["engine"]) if state else (-1, "")
            self._send("state", Query(StateRequest(since, engine, changes=True)), now)
            self._state_due = now + POLL_S
        for name, query in self._queries.items():
            known, at = self._asked.get(name, (None, 0.0))
            if known == query or name in flying:
                continue
            is_same = known is not None and known.request == query.request
            if now - at >= LEAST_INTERVAL_S.get(name, AGAIN_S if is_same else 0.0):
                self._send(name, query, now)

    def _hear(self) -> None:
        """Every status message comes; some make the next question come sooner."""
        while self._sub.poll(0):
            text = self._sub.recv()
            if any(word in text for word in NEWS) and b'"provisional":true' not in text:
                self._state_due = 0.0

    def _take(self) -> None:
        while self._dealer.poll(0):
            head, *_ = self._dealer.recv_multipart(copy=False)
            self.answered += 1
            tag = bytes(head.buffer).rpartition(b'"tag":"')[2].partition(b'"')[0]
            name = self._waiting.pop(tag, "")
            if name != "state":
                continue
            header, _ = replies.decode_reply([head.buffer])
            self._store.take_state(header)
            if not header.get("unchanged") or header["cells"]["A"]["running"]:
                self._queries = queries_of(self._store.snapshot(), Choice("A"), SEEN)

    def _send(self, name: str, query: Query, now: float) -> None:
        tag = f"{name}#{now}"
        request = dataclasses.replace(query.request, tag=tag)
        self._dealer.send_multipart(queries.encode_request(request))
        self._waiting[tag.encode()] = name
        self._asked[name] = (query, now)


def main() -> None:
    """Ask until the time is over, or this is terminated."""
    pull, status, seconds, count = sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    context: zmq.Context[Any] = zmq.Context()
    screens = [Screen(context, pull, status) for _ in range(int(count))]
    end = time.monotonic() + float(seconds)
    try:
        while (now := time.monotonic()) < end:
            for screen in screens:
                screen.turn(now)
            time.sleep(SLEEP_MS / 1000)
    except KeyboardInterrupt:
        pass  # terminated
    print(sum(screen.answered for screen in screens))
    context.destroy(linger=0)


if __name__ == "__main__":
    main()
