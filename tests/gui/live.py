"""A real engine that computes, records and asks an acquisition, for the real window in front."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import zmq

from monitor.engine.engine import Engine
from monitor.engine.feeds.subscribe import Received
from monitor.engine.recorder import Recorder
from monitor.records import CyclerDocument, Record
from tests.core.experiment import cycler_documents, scan_records, settings

ANY_PORT = {"status": "tcp://127.0.0.1:*", "pull": "tcp://127.0.0.1:*"}


class Feed:
    """What the engine takes its messages from: a queue."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Received] = queue.Queue()

    def put(self, feed: str, records: list[Record]) -> None:
        for record in records:
            self._waiting.put(Received(feed, None, record))

    def take(self, timeout_ms: int) -> Iterator[Received]:
        try:
            yield self._waiting.get(timeout=timeout_ms / 1000)
            while True:
                yield self._waiting.get_nowait()
        except queue.Empty:
            return

    def close(self) -> None:
        """Nothing to free."""


class Acquisition:
    """Accepts what it is asked for, and remembers it."""

    def __init__(self) -> None:
        self._socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.address = f"tcp://127.0.0.1:{self._socket.bind_to_random_port('tcp://127.0.0.1')}"
        self.asked: list[dict] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(50):
                *envelope, frame = self._socket.recv_multipart()
                request = json.loads(frame)
                self.asked.append(request)
                reply = {"type": "scan_reply", "id": request["id"], "status": "accepted"}
                self._socket.send_multipart([*envelope, json.dumps(reply).encode()])

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close(linger=0)


class LiveEngine:
    """Cells A and B; scans come when the test says so."""

    def __init__(self, folder: Path, pull: str | None = None, **sections) -> None:
        self.acquisition = Acquisition()
        table = {
            "experiment": {"name": "trial", "data_dir": str(folder)},
            "results": ANY_PORT | ({"pull": pull} if pull else {}),
            "requests": {"endpoint": self.acquisition.address},
        }
        made = settings("A", "B", **(table | sections))
        self.feed = Feed()
        self.recorder = Recorder(made)
        self.engine = Engine(made, self.feed, recorder=self.recorder)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.engine.run, args=(self._stop,))
        self._thread.start()
        self._documents = cycler_documents(20_000.0)

    @property
    def pull_address(self) -> str:
        return self.engine.pull_address

    @property
    def status_address(self) -> str:
        return self.engine.status_address

    @property
    def folder(self) -> Path:
        return self.recorder.folder

    def scan(self, number: int, cell: str = "A", **more) -> None:
        """A whole scan of a cell, after the readings up to it."""
        if cell == "A":
            until = 1800.0 * number + 30
            rest = []
            for document in self._documents:
                is_later = document.name == "event" and document.doc["time"] > until
                (rest if is_later else self._send(document)).append(document)
            self._documents = rest
        self.feed.put("slices", scan_records(number, name=cell, **more))

    def _send(self, document: CyclerDocument) -> list[CyclerDocument]:
        self.feed.put("documents", [document])
        return []

    def events(self, cell: str = "A") -> list[dict]:
        """The lines of the cell's events.jsonl so far."""
        path = self.folder / cell / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.engine.close()
        self.acquisition.close()
