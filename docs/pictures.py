"""Makes the pictures of the guide: the demo runs, and its window is led through the views.

`python docs/pictures.py [--out DIR] [--size 1440x900] [--shade dark]` under a display (Xvfb will
do): without `--size` the pictures of the guide, with it all views at that size, to be judged.
`QT_SCALE_FACTOR=2` draws as on a screen of high resolution.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from PySide6.QtWidgets import QApplication

from monitor.cli.demo import on_free_addresses, run_demo
from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.views.map.view import MapView
from monitor.gui.widgets import theme
from monitor.settings import as_table, load, parse
from simulators.scenarios import settings_for

ROOT = Path(__file__).parents[1]
SCENARIO, SCANS = "two-cells", 9
PATIENCE_S = 900.0
MOST_QUEUED = 50_000_000
GUIDE = (
    ("board", "dark"),
    ("cell", "dark"),
    ("cell", "light"),
    ("compare", "dark"),
    ("distribution", "light"),
    ("relief", "dark"),
    ("help", "dark"),
)


class Story:
    """The window and what is done in it, one picture after the other."""

    def __init__(self, app: QApplication, window: Window, out: Path) -> None:
        self._app, self._window, self._out = app, window, out
        self._map = cast(MapView, window.views["map"])

    def spin(self, seconds: float) -> None:
        """Lets the window live."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._app.processEvents()
            time.sleep(0.01)

    def until(self, done: Callable[[], Any]) -> None:
        """Waits for something to be true. Raises TimeoutError."""
        end = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > end:
                raise TimeoutError("the demo did not get there")
            self.spin(0.1)

    def scans(self, cell: str) -> int:
        """Whole scans of a cell so far."""
        found = self._window.snapshot.cell(cell)
        return sum(not scan["provisional"] for scan in found["scans"]) if found else 0

    def is_written(self) -> bool:
        """Whether no slice waits for the disk."""
        recorder = self._window.snapshot.told.get("recorder") or {}
        return int(recorder.get("queued_bytes", 0)) < MOST_QUEUED

    def take(self, name: str, shade: theme.Shade) -> None:
        """Leads the window there and keeps a picture of it."""
        window = self._window
        if theme.shade() != shade:
            window.look.toggle_shade()
        window.selection.leave_board()
        # one whose slices are on disk: the newest is still being received or written
        window.selection.choose(scan=SCANS - 1)
        getattr(self, f"_{name}")()
        self.until(self._is_shown)
        self.spin(2.5)
        window.screenshot(self._out / f"{name}-{shade}.png")
        window.help.hide()
        self._map.show_whole()
        self._map.use_tool("none")
        plain = {"comparison": "off", "pinned": None, "pit": None, "map": "height", "scan": None}
        window.selection.choose(**plain)

    def _is_shown(self) -> bool:
        """Whether all is on the screen, the cross-section too."""
        cut = self._window.snapshot.answers.get("section")
        return self._map.ready() and not (cut is not None and cut.error)

    def _board(self) -> None:
        self._window.selection.toggle_board()

    def _cell(self) -> None:
        window = self._window
        window.selection.choose_cell("A")
        window.layouts.bring("trend")
        window.layouts.bring("pits")
        window.layouts.bring("section")
        self.spin(1.0)
        self._choose_deepest()

    def _choose_deepest(self) -> None:
        pits = self._window.snapshot.answers.get("map_pits")
        columns = pits.header["columns"] if pits else {}
        if columns.get("id"):
            at = max(range(len(columns["id"])), key=columns["depth_max_um"].__getitem__)
            _, vy, vx = self._window.selection.shown()["voxel_size"]
            place = round(columns["y_um"][at] / vy), round(columns["x_um"][at] / vx)
            self._window.selection.choose(pit=columns["id"][at], cross=place)

    def _compare(self) -> None:
        window = self._window
        window.selection.choose_cell("A")
        window.layouts.bring("events")
        window.selection.choose(pinned=2, comparison="beside", map="removal")

    def _distribution(self) -> None:
        window = self._window
        window.selection.choose_cell("A")
        window.selection.choose(map="cumulative")
        self.spin(1.0)
        self._map.use_tool("ellipse")
        window.layouts.bring("distribution")
        window.layouts.bring("table")

    def _relief(self) -> None:
        self._window.selection.choose_cell("A")
        self._window.layouts.bring("relief")

    def _help(self) -> None:
        self._window.help.toggle()


def main() -> None:
    """Run the demo and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--size", default="")
    parser.add_argument("--shade", choices=theme.SHADES, default="dark")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    parser.add_argument("--letters", type=float, default=1.0)
    chosen = parser.parse_args()
    width, height = map(int, (chosen.size or "1440x900").split("x"))
    wanted = [(name, chosen.shade) for name in dict(GUIDE)] if chosen.size else GUIDE
    chosen.out.mkdir(parents=True, exist_ok=True)
    app = QApplication([])
    theme.apply(app, "dark", chosen.letters)

    def screen(pull: str, status: str) -> int:
        client = Client(pull, status)
        window = Window(client)
        window.resize(width, height)
        window.show()
        story = Story(app, window, chosen.out)
        story.until(lambda: story.scans("A") >= SCANS and story.is_written())
        for name, shade in wanted:
            story.take(name, shade)
        window.close()
        client.close()
        return 0

    base = settings_for(SCENARIO, load(ROOT / "config" / "simulated.toml"))
    table = as_table(base)
    table["experiment"] |= {"name": "pictures", "data_dir": str(chosen.runs)}
    table["simulator"] |= {"scenario": SCENARIO, "speed": 200.0}
    run_demo(on_free_addresses(parse(table)), screen)


if __name__ == "__main__":
    main()
