"""A screen as a process of its own that measures itself, and says so as one JSON object.

`python -m tests.studies.benchmarks.screen_probe PULL STATUS SECONDS [busy|plain]`: the real window
in front of an engine. A timer that should fire at once tells how long the GUI thread was kept from
its events; `busy` goes through maps, scans and zooms as an eager operator would; `plain` measures
nothing, as what is measured fills 60 kB a second.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.widgets import theme
from monitor.memory import settle

WARM_S = 3.0


class Probe:
    """Seconds from one turn of the event loop to the next, and how many of them the thread worked:
    on a machine that is fully used by others the rest is waiting for a core."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.own: list[float] = []
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._timer = QTimer(interval=1)
        self._timer.timeout.connect(self._turn)
        self._timer.start()

    def _turn(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.delays.append(max(0.0, now - self._last - 0.001))
        self.own.append(worked - self._worked)
        self._last, self._worked = now, worked

    def forget(self) -> None:
        self.delays.clear()
        self.own.clear()
        self._last, self._worked = time.perf_counter(), time.thread_time()


class Operator:
    """Changes something four times a second."""

    def __init__(self, window: Window) -> None:
        self._window, self._step = window, 0
        self._timer = QTimer(interval=250)
        self._timer.timeout.connect(self._act)
        self._timer.start()

    def _act(self) -> None:
        window, step = self._window, self._step
        self._step += 1
        if step % 4 == 0:
            window.selection.cycle_map(1)
        elif step % 4 == 1:
            window.selection.move_cross(3, 5)
        elif step % 4 == 2:
            box = window.views["map"].plot.vb
            box.scaleBy((0.8, 0.8) if step % 8 < 4 else (1.25, 1.25))
        else:
            window.views["map"].show_whole()


def main() -> None:
    """Show the window for so many seconds, then print what the event loop felt."""
    pull, status, seconds, *how = sys.argv[1:]
    app = QApplication([])
    theme.apply(app)
    client = Client(pull, status)
    window = Window(client, "A")
    window.resize(1920, 1080)
    window.show()
    settle()
    if "plain" in how:
        app.exec()
        return
    probe = Probe()
    operator = Operator(window) if "busy" in how else None
    QTimer.singleShot(int(WARM_S * 1000), probe.forget)
    QTimer.singleShot(int((WARM_S + float(seconds)) * 1000), app.quit)
    app.exec()
    delays, own = np.array(probe.delays) * 1e3, np.array(probe.own) * 1e3
    print(
        json.dumps(
            {
                "turns": len(delays),
                "median_ms": round(float(np.median(delays)), 2),
                "p99_ms": round(float(np.percentile(delays, 99)), 2),
                "worst_ms": round(float(delays.max()), 1),
                "over_50_ms": int((delays > 50).sum()),
                "own_p99_ms": round(float(np.percentile(own, 99)), 2),
                "own_worst_ms": round(float(own.max()), 1),
                "own_over_50_ms": int((own > 50).sum()),
            }
        )
    )
    del operator
    window.close()
    client.close()


if __name__ == "__main__":
    main()
