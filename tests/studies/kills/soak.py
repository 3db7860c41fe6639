"""`python -m tests.studies.kills.soak [--scans N]`: a long run with two screens that watch and one
that is frozen; the engine's memory, its lag and the screens' memory are sampled.

With the half hour of cell time between two scans, 150 scans of each of two cells are 75 h.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from monitor.processes import free_addresses
from monitor.settings import load
from monitor.wire.results.queries import StateRequest
from monitor.wire.results.state_updates import merged
from tests.studies.kills.beamline import CELLS, Beamline
from tests.studies.kills.run import Engine
from tests.system.running import scans_done, write_config

SAMPLE_S = 0.5
PITS_BY_THE_END = 10.0
SETTLED = 0.3


def resident_MB(pid: int) -> float:
    """Memory of a process that is really there."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Watch:
    """Samples of the engine and the screens, one row for each number of finished scans."""

    def __init__(self, engine: Engine, screens: list[subprocess.Popen[bytes]]) -> None:
        self._engine, self._screens = engine, screens
        self._state: dict[str, Any] | None = None
        self.rows: list[dict[str, float]] = []

    def _ask(self) -> dict[str, Any]:
        """The state, asked for as a screen does: what changed."""
        known = self._state or {"version": -1, "engine": ""}
        request = StateRequest(known["version"], known["engine"], changes=True)
        told = self._engine.watcher.ask(request)[0]
        if not told.get("unchanged"):
            self._state = merged(self._state, told)
        return {**(self._state or {}), "recorder": told["recorder"]}

    def sample(self) -> int:
        """Takes a sample; returns how many scans are done."""
        state = self._ask()
        done = sum(len(scans_done(state, cell)) for cell in CELLS)
        row = {
            "done": float(done),
            "engine": resident_MB(self._engine.process.pid),
            "queued": state["recorder"]["queued_bytes"] / 1e6,
        }
        row |= {f"screen {i}": resident_MB(p.pid) for i, p in enumerate(self._screens)}
        self.rows.append(row)
        return done

    def drift(self, name: str) -> dict[str, float]:
        """Of the straight line through the samples after the warm-up: MB at its beginning, and how
        many per cent it rises to its end."""
        settled = self.rows[int(SETTLED * len(self.rows)) :]
        values = np.array([row[name] for row in settled])
        slope, begin = np.polyfit(np.linspace(0, 1, len(values)), values, 1)
        return {"MB": round(float(begin), 1), "drift_%": round(float(100 * slope / begin), 2)}


def soak(folder: Path, scans: int, scan_s: float) -> dict[str, Any]:
    """Run it; the figures."""
    cells = [{"name": n, "foil_thickness_um": 80.0, "electrode_area_cm2": 0.2} for n in CELLS]
    (resend,) = free_addresses(1)
    config = write_config(
        folder,
        cells=cells,
        requests={"backend": "none"},
        feeds={"resend": [resend]},
        results={"memory_MB": 5.0},
    )
    settings = load(config)
    engine = Engine(config)
    feeds, results = settings.feeds, settings.results
    pace = PITS_BY_THE_END / scans
    beamline = Beamline(feeds.slices[0], resend, feeds.documents[0], scans, scan_s, pace)
    probe = [
        sys.executable,
        "-m",
        "tests.studies.benchmarks.screen_probe",
        results.pull,
        results.status,
    ]
    screens = [subprocess.Popen([*probe, "100000", "plain"]) for _ in range(3)]
    watch = Watch(engine, screens)
    try:
        time.sleep(12)
        screens[2].send_signal(signal.SIGSTOP)
        beamline.begin()
        while watch.sample() < scans * len(CELLS):
            time.sleep(SAMPLE_S)
    finally:
        screens[2].send_signal(signal.SIGCONT)
        for screen in screens:
            screen.terminate()
            screen.wait(30)
        engine.stop()
        beamline.close()
    names = ("engine", "screen 0", "screen 1")
    figures: dict[str, Any] = {name: watch.drift(name) for name in names}
    figures["most_waiting_MB"] = round(max(row["queued"] for row in watch.rows), 1)
    return figures | {"scans": scans * len(CELLS), "samples": len(watch.rows)}


def main() -> None:
    """Run it in a folder that goes away, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.kills.soak", description=__doc__)
    parser.add_argument("--scans", type=int, default=150, help="of each of two cells")
    parser.add_argument("--scan-s", type=float, default=1.5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pitwatch-soak-") as folder:
        print(json.dumps(soak(Path(folder), chosen.scans, chosen.scan_s)))


if __name__ == "__main__":
    main()
