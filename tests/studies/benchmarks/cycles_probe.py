"""Opens, closes, switches and plays in one window, again and again, and watches its memory.

`python -m tests.studies.benchmarks.cycles_probe CYCLES` prints MB after the warm-up and at the
end, and the slope between. In each cycle another engine is connected to, both cells are opened,
scans are played through, maps and views are switched, the look is changed, and dialogs come and
go.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np
from PySide6.QtWidgets import QApplication, QFileDialog

from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.widgets import theme
from tests.gui.conftest import Bench
from tests.gui.synthetic import Cell

SCANS = 5


def resident_MB() -> float:
    """Memory of this process that is really there."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Cycle:
    """One round through what an operator may do."""

    def __init__(self, app: QApplication, window: Window, benches: list[Bench]) -> None:
        self._app, self._window, self._benches = app, window, benches
        self._round = 0

    def _until(self, done, limit_s: float = 5.0) -> None:
        end = time.monotonic() + limit_s
        while not done() and time.monotonic() < end:
            self._app.processEvents()
            time.sleep(0.002)

    def _shows(self, scan: int) -> bool:
        answer = self._window.snapshot.answers.get("map")
        return answer is not None and answer.header.get("scan") == scan

    def _is_drawn(self, view: str) -> bool:
        window = self._window
        return view in window.layouts.visible() and window.turns.idle

    def run(self) -> None:
        window, bench = self._window, self._benches[self._round % 2]
        self._round += 1
        window.dialogs.connect_to(bench.publisher.pull_address)
        for cell in ("A", "B"):
            self._until(lambda: window.snapshot.state is not None)
            window.selection.choose_cell(cell)
            for scan in range(SCANS):
                window.selection.choose(scan=scan)
                self._until(lambda scan=scan: self._shows(scan))
            window.selection.cycle_map(1)
            window.selection.choose(
                pinned=1, comparison=("beside", "difference")[self._round % 2], pit=3
            )
            for view in ("relief", "distribution", "events", "pits", "profile", "section", "trend"):
                window.layouts.bring(view)
                self._until(lambda view=view: self._is_drawn(view), 1.0)
            window.views["map"].use_tool("ellipse")
            self._until(lambda: "region" in window.snapshot.answers, 1.0)
            window.views["map"].use_tool("none")
            window.selection.choose(comparison="off")
        window.selection.toggle_board()
        window.help.toggle()
        window.dialogs.ask_window_picture()
        for dialog in window.findChildren(QFileDialog):
            dialog.close()
        self._app.processEvents()
        window.help.toggle()
        window.look.toggle_shade()


def main() -> None:
    """Go round; print the figures."""
    cycles = int(sys.argv[1])
    app = QApplication([])
    theme.apply(app)
    benches = [Bench([Cell("A", seed=1), Cell("B", seed=2)]) for _ in range(2)]
    for bench in benches:
        for name in ("A", "B"):
            bench.scans(name, SCANS)
    client = Client(benches[0].publisher.pull_address, None)
    window = Window(client, "A")
    window.resize(1440, 900)
    window.show()
    cycle = Cycle(app, window, benches)
    sizes = []
    for _ in range(cycles):
        cycle.run()
        gc.collect()
        sizes.append(resident_MB())
        if len(sizes) % 10 == 0:
            print(len(sizes), round(sizes[-1], 1), file=sys.stderr, flush=True)
    settled = np.array(sizes[len(sizes) // 5 :])
    slope = np.polyfit(np.arange(len(settled)), settled, 1)[0]
    print(
        json.dumps(
            {
                "cycles": cycles,
                "settled_MB": round(settled[0], 1),
                "end_MB": round(settled[-1], 1),
                "kB_a_cycle": round(slope * 1e3, 1),
            }
        )
    )
    window.close()
    client.close()
    for bench in benches:
        bench.publisher.close()


if __name__ == "__main__":
    main()
