"""The command of docs/how-to/files.md, killed and started again while nabu fills a folder."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - the filter of recorded slices
import numpy as np
import pytest

from monitor import settings
from monitor.watch import Watcher
from tests.core.phantom import columns, noisy
from tests.sources.nabu_files import Reconstruction
from tests.system.running import PATIENCE_S, PROGRAM, ROOT, engine, scans_done, write_config

SCANS, NZ, STEP = 5, 100, 25
KILLED_AT = (2, 50)
"""Scan, and slices of it, after which the publisher is killed."""


def command(folder: Path, endpoint: str) -> list[str]:
    """As the page says it, for this folder and address."""
    text = (ROOT / "docs" / "how-to" / "files.md").read_text("utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("pitwatch publish-folder")]
    words = [str(folder) if word == "recs/" else word for word in shlex.split(line)[1:]]
    assert str(folder) in words
    return [sys.executable, str(PROGRAM), *words, "--poll", "0.05", "--endpoint", endpoint]


@contextmanager
def publisher(folder: Path, endpoint: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(folder, endpoint), stderr=subprocess.PIPE, text=True)
    try:
        yield process
        if process.poll() is None:
            process.terminate()
            _, said = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, said
            assert "error" not in said, said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def volume(scan: int) -> Any:
    sides = np.full((64, 64), 20.0), np.full((64, 64), 70.0 - scan)
    return noisy(columns(*sides, NZ), seed=scan, dtype="float32")


def received(state: Any, scan: int) -> int:
    cell = state["cells"]["A"]
    done = {found["scan"]: NZ for found in scans_done(state)}
    if cell["running"] and cell["running"]["scan"] == scan:
        return int(cell["running"]["received"])
    return done.get(scan, 0)


def fill(folder: Path, scan: int, form: str, watcher: Watcher, alive: Any) -> Iterator[int]:
    """Writes one volume; each part must be with the engine before the next is written."""
    name = f"rec_{scan:04d}"
    recon = Reconstruction(folder / f"scan_{scan:04d}", name, form, volume(scan))
    for start in range(0, NZ, STEP):
        recon.write(start, start + STEP)
        watcher.until(lambda s, n=start + STEP: received(s, scan) >= n, PATIENCE_S, alive)
        yield start + STEP
    recon.finish()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["hdf5", "tiff"])
def test_five_scans_are_live_and_complete_though_the_publisher_is_killed(
    form: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path)
    endpoint = settings.load(config).simulator.slices
    folder = tmp_path / "recs"
    folder.mkdir()
    with engine(config) as (process, watcher):

        def alive() -> bool:
            return process.poll() is None

        scans = (
            (scan, slices)
            for scan in range(SCANS)
            for slices in fill(folder, scan, form, watcher, alive)
        )
        with publisher(folder, endpoint) as first:
            assert any(place == KILLED_AT for place in scans)
            first.kill()
            first.communicate()
        with publisher(folder, endpoint):
            assert len(list(scans)) == (SCANS - KILLED_AT[0]) * NZ // STEP - KILLED_AT[1] // STEP
            state = watcher.until(lambda s: len(scans_done(s)) == SCANS, PATIENCE_S, alive)
    done = scans_done(state)
    assert [scan["scan"] for scan in done] == list(range(SCANS))
    assert [scan["complete"] for scan in done] == [True] * SCANS
    slices = state["feeds"]["slices"]
    assert slices["gaps"] == 0 and slices["bad"] == {} and slices["late"] == 0
    assert 0 < slices["repeats"] < NZ
    for scan in range(SCANS):
        with h5py.File(tmp_path / "runs" / "demo" / "A" / f"scan_{scan:04d}.h5") as file:
            np.testing.assert_array_equal(file["entry/reconstruction/data"][()], volume(scan))
