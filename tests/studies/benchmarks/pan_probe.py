"""Pans and zooms a large map in the real window before a real publisher, as fast as it is painted.

`python -m tests.studies.benchmarks.pan_probe SIDE` prints frames a second, and how long it takes
until the part in view has come in its own resolution.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtWidgets import QApplication

from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.publisher import Publisher
from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.widgets import theme
from monitor.records import ScanKey, ScanResult, ScanStart
from monitor.settings import parse

ANY_PORT = {"status": "tcp://127.0.0.1:*", "pull": "tcp://127.0.0.1:*"}
FRAMES = 120


def result(side: int) -> ScanResult:
    """A height map of side × side pixels, as if it had been measured."""
    rng = np.random.default_rng(0)
    height = rng.normal(100, 1, (side, side)).astype(np.float32)
    start = ScanStart(
        ScanKey("A", "", 0), "s", 0, "reference", "", "z", (10, side, side), "uint16",
        (0.717,) * 3, 0.0, 60.0,
    )  # fmt: skip
    maps = {"height": height, "bottom": np.zeros_like(height)}
    ledger = np.ones(10, np.uint8)
    return ScanResult(start, False, True, ledger, maps, None, (), {"pit_count": 0})


def main() -> None:
    """Pan and zoom; print the figures."""
    side = int(sys.argv[1])
    app = QApplication([])
    theme.apply(app)
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
            app.processEvents()
            time.sleep(0.001)
        return time.perf_counter() - begin

    def map_window():
        answer = window.snapshot.answers.get("map")
        return tuple(answer.header["window"]) if answer is not None else None

    until(lambda: map_window() is not None)
    box = window.views["map"].plot.vb
    begin = time.perf_counter()
    for frame in range(FRAMES):
        factor = 0.97 if frame < FRAMES // 2 else 1 / 0.97
        box.scaleBy((factor, factor))
        box.translateBy(x=side * 0.001, y=side * 0.001)
        app.processEvents()
        window.views["map"].graphics.viewport().repaint()
    rate = FRAMES / (time.perf_counter() - begin)
    before = map_window()
    box.scaleBy((0.3, 0.3))
    fetch = until(lambda: map_window() != before)
    print(json.dumps({"frames_per_s": round(rate, 1), "fetch_ms": round(fetch * 1e3)}))
    window.close()
    client.close()
    publisher.close()


if __name__ == "__main__":
    main()
