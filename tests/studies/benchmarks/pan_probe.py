"""Pans and zooms a large map in the real window before a real publisher, as fast as it is painted.

`python -m tests.studies.benchmarks.pan_probe SIDE` prints frames a second, and how long it takes
until the part in view has come in its own resolution.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import product

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtWidgets import QApplication

from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.publisher import Publisher
from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.widgets import theme
from monitor.records import Pit, ScanKey, ScanResult, ScanStart
from monitor.settings import parse

ANY_PORT = {"status": "tcp://127.0.0.1:*", "pull": "tcp://127.0.0.1:*"}
FRAMES = 120


RADIUS_PX, APART_PX = 12, 47
"""Of the pits, on a grid: 31,000 in a map of 8368 × 8368."""


def result(side: int) -> ScanResult:
    """A height map of side × side pixels with pits, as if it had been measured."""
    rng = np.random.default_rng(0)
    height = rng.standard_normal((side, side), np.float32) + np.float32(100)
    start = ScanStart(
        ScanKey("A", "", 0), "s", 0, "reference", "", "z", (10, side, side), "uint16",
        (0.717,) * 3, 0.0, 60.0,
    )  # fmt: skip
    y, x = np.mgrid[-RADIUS_PX : RADIUS_PX + 1, -RADIUS_PX : RADIUS_PX + 1]
    disc = y**2 + x**2 <= RADIUS_PX**2
    labels, pits = np.zeros((side, side), np.int32), []
    places = range(APART_PX // 2, side - RADIUS_PX, APART_PX)
    for number, (row, column) in enumerate(product(places, places), 1):
        window = np.s_[row - RADIUS_PX :, column - RADIUS_PX :]
        labels[window][: len(disc), : len(disc)][disc] = number
        where = 0.717 * column, 0.717 * row
        pits.append(Pit(number, -1, 0, *where, 232.0, 17.2, 5.0 + number % 7, 3.0, 700.0, 1.0, 0.0))
    maps = {"height": height, "bottom": np.zeros_like(height), "removal": -height}
    ledger = np.ones(10, np.uint8)
    counts = {"pit_count": len(pits)}
    return ScanResult(start, False, True, ledger, maps, labels, tuple(pits), counts)


class Turns:
    """How long the event loop is kept from its next turn, s."""

    def __init__(self, app: QApplication) -> None:
        self.longest = 0.0
        self._app = app

    def take(self) -> None:
        """One turn."""
        begin = time.thread_time()
        self._app.processEvents()
        self.longest = max(self.longest, time.thread_time() - begin)


def main() -> None:
    """Pan and zoom; print the figures."""
    side = int(sys.argv[1])
    app = QApplication([])
    theme.apply(app)
    turns = Turns(app)
    settings = parse({"results": ANY_PORT})
    publisher = Publisher(
        settings, section=None, on_operator=lambda _: None, stored_map=None, mode="live"
    )
    publisher.update((result(side),), EngineState(feeds={"slices": {"messages": 1}}))
    client = Client(publisher.pull_address, publisher.status_address)
    window = Window(client, "A")
    window.resize(1920, 1080)
    window.show()

    def until(done, limit=20.0):
        begin = time.perf_counter()
        while not done() and time.perf_counter() - begin < limit:
            turns.take()
            time.sleep(0.001)
        return time.perf_counter() - begin

    def map_window():
        answer = window.snapshot.answers.get("map")
        return tuple(answer.header["window"]) if answer is not None else None

    until(lambda: map_window() is not None)
    until(lambda: False, 3.0)
    came, turns.longest = turns.longest, 0.0
    box = window.views["map"].plot.vb
    begin = time.perf_counter()
    for frame in range(FRAMES):
        factor = 0.97 if frame < FRAMES // 2 else 1 / 0.97
        box.scaleBy((factor, factor))
        box.translateBy(x=side * 0.001, y=side * 0.001)
        turns.take()
        window.views["map"].graphics.viewport().repaint()
    rate = FRAMES / (time.perf_counter() - begin)
    before = map_window()
    box.scaleBy((0.3, 0.3))
    fetch = until(lambda: map_window() != before)
    figures = {
        "frames_per_s": round(rate, 1),
        "fetch_ms": round(fetch * 1e3),
        "longest_turn_ms": round(turns.longest * 1e3),
        "longest_first_turn_ms": round(came * 1e3),
        "pits": len(window.snapshot.answers["map_pits"].columns["id"]),
    }
    print(json.dumps(figures))
    window.close()
    client.close()
    publisher.close()


if __name__ == "__main__":
    main()
