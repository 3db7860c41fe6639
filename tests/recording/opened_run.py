"""A small run of two cells through a real engine that records, to compare with what is opened."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor.engine.engine import Engine
from monitor.engine.feeds.subscribe import Received
from monitor.engine.recorder import Recorder
from monitor.records import (
    BadInput,
    CyclerDocument,
    FeedQuiet,
    Output,
    Record,
    ScanReply,
    ScanRequest,
    SliceFrame,
)
from monitor.settings import Settings
from tests.core.experiment import cycler_documents, scan_records, settings

ANY_PORT = {"status": "tcp://127.0.0.1:*", "pull": "tcp://127.0.0.1:*"}
LOST = (3, 4)
RECOVERED = (50, 60)


class Story:
    """What comes in. Cell A: three scans, the last of which answers a request and lost four slices
    on the way, two of which came because they were asked for. Cell B: one scan, of vertical slices
    whose voxel size is not known."""

    def __init__(self, stop: threading.Event) -> None:
        self._asked: list[ScanRequest] = []
        self._stop = stop
        self._records = self._told()

    def note(self, output: Output) -> None:
        """To be called with all that the engine makes of it."""
        if isinstance(output, ScanRequest):
            self._asked.append(output)

    def take(self, timeout_ms: int) -> Iterator[Received]:
        yield from self._records
        self._stop.set()

    def close(self) -> None:
        """Nothing to free."""

    def _told(self) -> Iterator[Received]:
        documents = cycler_documents(3660.0)
        yield from _all("documents", documents[:2])
        for scan in range(2):
            yield from _all("documents", _until(documents, 1800.0 * scan + 30))
            yield from _all("slices", scan_records(scan))
        yield Received("replies", None, ScanReply(self._asked[0].id, "accepted", scan=2))
        yield Received("slices", None, BadInput("slices", "not_json", "a message is not JSON"))
        yield from _all("slices", scan_records(0, name="B", stream="t", voxel_um=None, axis="y"))
        yield from _all("documents", _until(documents, 3630.0))
        last = scan_records(2, reason="extra", request=self._asked[0].id)
        gone = [r for r in last if isinstance(r, SliceFrame) and r.frame in LOST + RECOVERED]
        yield from _all("slices", [r for r in last if r not in gone])
        again = [replace(r, recovered=True) for r in gone if r.frame in RECOVERED]
        yield from _all("resend", again)
        yield from _all("slices", [FeedQuiet()])


def _until(documents: list[CyclerDocument], time: float) -> list[CyclerDocument]:
    """The readings of the half hour before `time`."""
    return [d for d in documents if d.name == "event" and time - 1800 < d.doc["time"] <= time]


def _all(feed: str, records: list[Any]) -> Iterator[Received]:
    for record in records:
        whole: Record = record
        yield Received(feed, None, whole)


def chosen(folder: Path, **sections: Any) -> Settings:
    experiment = {"name": "trial", "data_dir": str(folder)}
    return settings("A", "B", experiment=experiment, results=ANY_PORT, **sections)


def run(made: Settings) -> tuple[Engine, Recorder]:
    """The engine after the whole story, still serving, with all of it on the disk."""
    stop = threading.Event()
    story, recorder = Story(stop), Recorder(made)
    engine = Engine(made, story, mode="replay", recorder=recorder, on_output=story.note)
    engine.run(stop)
    assert recorder.drain()
    return engine, recorder
