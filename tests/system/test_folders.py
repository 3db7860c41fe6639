"""Folders in the engine's settings, filled by nabu's writers while the launcher's engine runs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - the filter of recorded slices
import numpy as np
import psutil
import pytest

from monitor import settings
from monitor.quantities.maps import CURRENT, MAPS
from monitor.recording.read.experiment import open_experiment
from monitor.sources.folder.state import read_state
from tests.core.phantom import columns, noisy
from tests.helpers.waiting import eventually
from tests.sources.nabu_files import VOXEL_UM, Reconstruction
from tests.system.running import PATIENCE_S, engine, launch, scans_done, write_config

SCANS, NZ, STEP = 3, 100, 25
KILLED_AT = (1, 50)
"""Scan, and slices of it, after which the publisher is killed."""
FOLDERS = {"cell": "A", "paths": ["recs"], "slices": NZ, "voxel_um": VOXEL_UM, "poll_s": 0.05}


def volume(scan: int) -> Any:
    sides = np.full((64, 64), 20.0), np.full((64, 64), 70.0 - scan)
    return noisy(columns(*sides, NZ), seed=scan, dtype="float32")


def received(state: Any, scan: int) -> int:
    cell = state["cells"]["A"]
    if cell["running"] and cell["running"]["scan"] == scan:
        return int(cell["running"]["received"])
    return NZ if any(done["scan"] == scan for done in scans_done(state)) else 0


def publishers(process: Any) -> list[psutil.Process]:
    """The processes that the engine has started for its folders; they may end meanwhile."""
    found = []
    for child in psutil.Process(process.pid).children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "publish-folder" in child.cmdline():
                found.append(child)
    return found


def maps(recording: Path, number: int) -> dict[str, Any]:
    """The maps of a recorded scan that do not depend on when it was made, and its slices."""
    scan = open_experiment(recording).cells["A"].scans[number]
    currents = {quantity.name for quantity in MAPS if quantity.unit == CURRENT}
    found = {name: scan.map(name) for name in scan.map_names() if name not in currents}
    with h5py.File(scan.path) as file:
        found["slices"] = file["entry/reconstruction/data"][()]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("form", ["hdf5", "tiff"])
def test_the_launcher_publishes_them_though_the_publisher_is_killed(
    form: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path, feeds={"slices": [], "folders": [FOLDERS]})
    folder = tmp_path / "recs"
    with engine(config) as (process, watcher):

        def alive() -> bool:
            return process.poll() is None

        def scans() -> Iterator[tuple[int, int]]:
            for scan in range(SCANS):
                recon = Reconstruction(folder, f"rec_{scan:04d}", form, volume(scan))
                for done in range(STEP, NZ + 1, STEP):
                    recon.write(done - STEP, done)
                    watcher.until(lambda s, n=done, k=scan: received(s, k) >= n, PATIENCE_S, alive)
                    yield scan, done
                recon.finish()
                paths.append(recon.path)

        paths: list[Path] = []
        eventually(lambda: publishers(process))
        assert not folder.exists()
        for place in scans():
            if place == KILLED_AT:
                (publisher,) = eventually(lambda: publishers(process))
                publisher.kill()
        state = watcher.until(lambda s: len(scans_done(s)) == SCANS, PATIENCE_S, alive)
        (publisher,) = eventually(lambda: publishers(process))
    assert not publisher.is_running()
    done = scans_done(state)
    assert [scan["scan"] for scan in done] == list(range(SCANS))
    assert [scan["complete"] for scan in done] == [True] * SCANS
    slices = state["feeds"]["slices"]
    assert slices["gaps"] == 0 and slices["bad"] == {} and slices["late"] == 0
    assert slices["repeats"] < NZ

    other = tmp_path / "published"
    other.mkdir()
    config = write_config(other)
    with engine(config) as (process, watcher):
        at = settings.load(config).simulator.slices
        sent = launch("publish", *map(str, paths), "--endpoint", at, "--voxel-um", str(VOXEL_UM))
        assert sent.returncode == 0, sent.stderr
        watcher.until(
            lambda s: len(scans_done(s)) == SCANS, PATIENCE_S, lambda: process.poll() is None
        )
    for scan in range(SCANS):
        live = maps(tmp_path / "runs" / "demo", scan)
        whole = maps(other / "runs" / "demo", scan)
        assert live.keys() == whole.keys() >= {"height", "slices"}, scan
        for name, values in live.items():
            np.testing.assert_array_equal(values, whole[name], err_msg=name)


def scans_of(recording: Path) -> list[int]:
    return [scan.number for scan in open_experiment(recording).cells["A"].scans]


@pytest.mark.slow
def test_an_engine_that_is_killed_loses_no_slice_that_it_had_not_recorded(tmp_path: Path) -> None:
    """It is stopped while slices are sent to it: they are then in its sockets alone."""
    config = write_config(tmp_path, feeds={"slices": [], "folders": [FOLDERS]})
    recons = [Reconstruction(tmp_path / "recs", f"rec_{k:04d}", "tiff", volume(k)) for k in (0, 1)]
    with pytest.raises(ProcessLookupError), engine(config) as (process, watcher):
        recons[0].write(0, NZ)
        watcher.until(lambda s: len(scans_done(s)) == 1, PATIENCE_S, lambda: True)
        recons[1].write(0, STEP)
        watcher.until(lambda s: received(s, 1) >= STEP, PATIENCE_S, lambda: True)
        (publisher,) = eventually(lambda: publishers(process))
        process.send_signal(signal.SIGSTOP)
        recons[1].write(STEP, 3 * STEP)
        kept = tmp_path / "recs" / ".pitwatch_A.json"
        eventually(lambda: read_state(kept, "A").volumes[-1].slices == 3 * STEP)
        process.kill()
        process.communicate()
        publisher.wait(PATIENCE_S)  # it ends with the engine
        raise ProcessLookupError
    with engine(config) as (process, watcher):
        recons[1].write(3 * STEP, NZ)
        state = watcher.until(
            lambda s: len(scans_done(s)) == 2, PATIENCE_S, lambda: process.poll() is None
        )
    assert [scan["complete"] for scan in scans_done(state)] == [True, True]
    slices = state["feeds"]["slices"]
    assert slices["gaps"] == 0 and slices["bad"] == {}
    for scan in (0, 1):
        recorded = maps(tmp_path / "runs" / "demo", scan)["slices"]
        np.testing.assert_array_equal(recorded, volume(scan))
    assert scans_of(tmp_path / "runs" / "demo") == [0, 1]


@pytest.mark.slow
def test_a_new_recording_begins_with_the_volume_that_has_not_ended(tmp_path: Path) -> None:
    config = write_config(tmp_path, feeds={"slices": [], "folders": [FOLDERS]})
    recons = [Reconstruction(tmp_path / "recs", f"rec_{k:04d}", "tiff", volume(k)) for k in (0, 1)]
    with engine(config) as (_, watcher):
        recons[0].write(0, NZ)
        watcher.until(lambda s: len(scans_done(s)) == 1, PATIENCE_S, lambda: True)
        recons[1].write(0, STEP)
        watcher.until(lambda s: received(s, 1) >= STEP, PATIENCE_S, lambda: True)
    with engine(config) as (_, watcher):
        recons[1].write(STEP, NZ)
        state = watcher.until(lambda s: len(scans_done(s)) == 1, PATIENCE_S, lambda: True)
    (scan,) = scans_done(state)
    assert scan["scan"] == 1 and scan["complete"]
    assert scans_of(tmp_path / "runs" / "demo-2") == [1]
