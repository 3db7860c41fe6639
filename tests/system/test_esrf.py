"""The commands of docs/how-to/esrf.md: nabu's volumes and counters of BLISS become scans with their
charge, and figures for the data portal.

Volumes are written by nabu's writers, scans of BLISS by blissdata's producer classes, into a
stand-in for Redis with its search module (tests/helpers/bliss_redis.py): no BLISS session ran."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fakeredis")
pytest.importorskip("blissdata")

from monitor import settings
from monitor.wire.results.queries import CyclerRequest
from tests.core.phantom import columns, noisy
from tests.helpers.bliss_redis import bliss_redis
from tests.helpers.bliss_scans import EPOCH, BlissScans
from tests.helpers.waiting import PATIENCE_S
from tests.sources.nabu_files import Reconstruction
from tests.system.running import PROGRAM, ROOT, engine, launch, scans_done, write_config
from tests.system.test_publish_files import write_wave

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "how-to" / "esrf.md").read_text("utf-8")
COMMANDS = {
    words[1]: words[2:]
    for words in map(shlex.split, re.findall(r"^ {7}(pitwatch .*)$", PAGE, re.M))
}
SCANS, NZ = 3, 100
WAVE_S, MEAN_MA, SWING_MA = 400.0, 0.3, 0.25
UNITS = {EPOCH: "s", "vmp:Ewe": "V", "vmp:I": "A", "vmp:Q": "C"}


def current_mA(t: Any) -> Any:
    """Of the cycler, `t` s after the first reading: lithium is stripped."""
    return -MEAN_MA - SWING_MA * np.sin(2 * np.pi * t / WAVE_S)


def charge_mAh(t: Any) -> Any:
    """Its integral from 0 to t."""
    wave = SWING_MA * WAVE_S / (2 * np.pi) * (1 - np.cos(2 * np.pi * t / WAVE_S))
    return (-MEAN_MA * t - wave) / 3600.0


def points(t: Any, t0: float) -> dict[str, Any]:
    return {
        "epoch": t0 + t,
        "Ewe": 2.1 + 0.0 * t,
        "I": 1e-3 * current_mA(t),
        "Q": 3.6 * charge_mAh(t),
    }


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is ended by SIGTERM, without an error."""
    command = [sys.executable, str(PROGRAM), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0 and "error" not in said, said


def volume(scan: int) -> Any:
    sides = np.full((64, 64), 20.0), np.full((64, 64), 70.0 - scan)
    return noisy(columns(*sides, NZ), seed=scan, dtype="float32")


def write_volume(folder: Path, number: int, when: float) -> None:
    """A volume that nabu wrote at that time, UTC s, up to the file with its metadata."""
    name = f"rec_{number:04d}"
    made = Reconstruction(folder.parent / "aside", name, "tiff", volume(number))
    made.write(0, NZ)
    for path in made.folder.rglob("*"):
        os.utime(path, (when, when))
    made.folder.rename(folder / name)


def test_the_settings_of_the_page_are_settings(tmp_path: Path) -> None:
    assert set(COMMANDS) == {
        "doctor",
        "config",
        "engine",
        "publish-folder",
        "publish-bliss",
        "publish",
        "report",
    }
    name, sign, file = COMMANDS["config"]
    done = launch("config", name)
    assert sign == ">" and done.returncode == 0
    (tmp_path / file).write_text(done.stdout, "utf-8")
    assert COMMANDS["engine"] == ["--config", file]
    assert settings.load(tmp_path / file).experiment.name == COMMANDS["report"][0]
    assert launch("doctor").stdout.splitlines()[0].split()[0] in ("ready", "not")


def test_readings_of_ec_lab_alone(tmp_path: Path) -> None:
    """A reading each 20 s, of 0.25 mA whose sign changes."""
    config = write_config(tmp_path, requests={"backend": "none"})
    at = settings.load(config)
    file = tmp_path / "cell.mpt"
    write_wave(file)
    words = [str(file) if word == "cell.mpt" else word for word in COMMANDS["publish"]]
    addresses = [
        *("--engine", at.results.pull, "--documents-in", at.simulator.documents_in),
        *("--documents-out", at.simulator.documents_out),
    ]
    with engine(config) as (process, watcher), running("publish", *words, *addresses):
        state = watcher.until(
            lambda s: s["cells"]["A"]["cycler_points"] == 361,
            PATIENCE_S,
            lambda: process.poll() is None,
        )
    assert state["cells"]["A"]["cycler"]["current_mA"] == -0.25


def test_from_nothing_to_maps(tmp_path: Path) -> None:
    """Each scan has the charge of the analytic current in its middle."""
    config = write_config(tmp_path, requests={"backend": "none"})
    at = settings.load(config)
    folder = tmp_path / "PROCESSED_DATA" / "cell"
    folder.mkdir(parents=True)
    follow = [str(folder) if w == "PROCESSED_DATA/cell/" else w for w in COMMANDS["publish-folder"]]
    follow[follow.index("--slices") + 1] = str(NZ)
    t0 = float(round(time.time())) - 2000.0
    with bliss_redis() as redis, engine(config) as (process, watcher):
        addresses = [
            *("--redis", redis.url, "--engine", at.results.pull),
            *("--documents-in", at.simulator.documents_in),
            *("--documents-out", at.simulator.documents_out),
        ]
        bliss = BlissScans(redis.for_bliss)
        scan = bliss.scan(UNITS)
        with (
            running("publish-folder", *follow, "--poll", "0.05", "--endpoint", at.simulator.slices),
            running("publish-bliss", *COMMANDS["publish-bliss"], *addresses),
        ):
            for first in range(0, 3000, 1000):
                scan.send(**points(np.arange(first, first + 1000.0), t0))
            for number in range(SCANS):
                write_volume(folder, number, t0 + 700.0 + 500.0 * number)
                watcher.until(
                    lambda s, n=number: len(scans_done(s)) == n + 1,
                    PATIENCE_S,
                    lambda: process.poll() is None,
                )
            scan.end()
            state = watcher.until(
                lambda s: (
                    s["feeds"]["documents"]["readings"] == 3000
                    and s["health"]["cells"]["A"]["ended"]
                ),
                PATIENCE_S,
                lambda: process.poll() is None,
            )
        rows = watcher.ask(CyclerRequest("A", max_points=10_000))[0]["columns"]
    assert state["feeds"]["documents"]["bad"] == {}
    assert rows["time"] == list(t0 + np.arange(3000.0))
    done = scans_done(state)
    middles = np.array([(one["start_time"] + one["stop_time"]) / 2 - t0 for one in done])
    assert [one["charge_state"] for one in done] == ["final"] * SCANS
    stripped = charge_mAh(middles[0]) - charge_mAh(middles)
    for one, expected in zip(done, stripped, strict=True):
        assert one["charge_mAh"] == pytest.approx(expected, abs=2e-6)
    assert stripped[1] > 0.03 and stripped[2] > stripped[1], "a charge has flowed"
    _, option, where = COMMANDS["report"]
    gallery = tmp_path / where
    shown = launch("report", str(tmp_path / "runs" / "demo"), option, str(gallery))
    assert shown.returncode == 0, shown.stderr
    assert {path.suffix for path in gallery.iterdir()} == {".png"}
