"""Run by `test_full_disk` where file systems can be mounted: recordings on small disks that
somebody else fills up to the last byte, at a random moment, and then frees."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.engine.recorder import Recorder
from monitor.recording.read.experiment import open_experiment
from monitor.recording.verify.experiment import verify
from monitor.recording.write import disk_space
from monitor.recording.write.cell_logs import append_readings
from monitor.recording.write.cell_master import Master
from monitor.recording.write.scan_file import ScanFile
from monitor.records import CyclerReading, ScanResult, SliceFrame
from tests.core.phantom import start
from tests.helpers.waiting import eventually
from tests.recording.synthetic import Scene, cycler_event, cycler_run, settings, write_scan

DISK_MB, SCANS, SCENE = 110, 6, Scene()
SEEDS = range(int(os.environ.get("PITWATCH_FULL_DISKS", "3")))


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[Path]:
    """A folder with two small disks, `one` and `two`."""
    for name in ("one", "two"):
        disk = tmp_path / name
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(disk)]
        subprocess.run(mount, check=True)
    yield tmp_path
    for name in ("one", "two"):
        subprocess.run(["umount", "-l", str(tmp_path / name)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Takes all that is free, but for `leave` bytes."""
    full = disk / "of_somebody_else"
    with contextlib.suppress(OSError), full.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**20))
    with contextlib.suppress(OSError), full.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))
    if leave:
        os.truncate(full, max(0, full.stat().st_size - leave))
    return full


def record(
    recorder: Recorder, pause: float, before: Callable[[int], None] = lambda scan: None
) -> list[ScanResult]:
    """A run of `SCANS` scans with readings between; `before` is called before each of them."""
    for document in cycler_run("A"):
        recorder.write("documents", (), document, ())
    made = []
    for scan in range(SCANS):
        before(scan)
        reading = cycler_event("A", 1.6e9 + scan, 0.1 * scan, scan + 1)
        recorder.write("documents", (), reading, ())
        made.append(write_scan(recorder, SCENE, scan, msg_number=100 * scan, slices_missing=0))
        time.sleep(pause)
    return made


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_declared_slices_are_missing(disks: Path, seed: int) -> None:
    chance = random.Random(seed)
    begin, length, leave = chance.uniform(0, 1.5), chance.uniform(0, 1.5), chance.choice([0, 4096])

    def somebody() -> None:
        time.sleep(begin)
        full = fill(disks / "one", leave)
        time.sleep(length)
        full.unlink()

    recorder = Recorder(settings(disks / "one"))
    other = threading.Thread(target=somebody)
    other.start()
    made = record(recorder, 0.3)
    other.join()
    eventually(lambda: not recorder.status["failing"])
    troubles = recorder.troubles()
    recorder.close()
    findings = verify(recorder.folder)
    assert findings.count("error") == 0, findings.found
    cell = open_experiment(recorder.folder).cells["A"]
    assert [s.number for s in cell.scans] == list(range(SCANS)) and not cell.unfinished
    missing = 0
    for scan, result in zip(cell.scans, made, strict=True):
        np.testing.assert_array_equal(scan.map("height"), result.maps["height"])
        np.testing.assert_array_equal(scan.ledger(), result.ledger)
        lacks = int((scan.order() < 0).sum())
        assert scan.summary()["slices_not_recorded"] == lacks
        missing += lacks
    assert [e["data"]["scan"] for e in cell.events()] == list(range(SCANS))
    assert len(cell.cycler()["time"]) == SCANS
    assert findings.count("warning") == sum(bool((s.order() < 0).any()) for s in cell.scans)
    assert sum(trouble.lacking for trouble in troubles if not trouble.failing) == missing
    print(f"seed {seed}: {missing} slices declared, {recorder.status['failures']} refusals")


def test_what_the_first_disk_refuses_is_on_the_second(disks: Path) -> None:
    recorder = Recorder(settings(disks / "one", second_dir=str(disks / "two")))
    full: list[Path] = []

    def somebody(scan: int) -> None:
        if scan == 2:
            eventually(lambda: not recorder.status["queued_bytes"])
            full.append(fill(disks / "one"))

    made = record(recorder, 0.0, somebody)
    eventually(lambda: not recorder.status["queued_bytes"])
    during = recorder.status
    assert during["failing"] and str(disks / "two") in during["alarm"]
    full[0].unlink()
    eventually(lambda: not recorder.status["failing"])
    recorder.close()
    first = open_experiment(recorder.folder).cells["A"]
    second = open_experiment(disks / "two" / "made-up").cells["A"]
    assert [s.number for s in first.scans] == list(range(SCANS))
    there = {scan.number: scan for scan in second.scans}
    refused = 0
    for scan, result in zip(first.scans, made, strict=True):
        np.testing.assert_array_equal(scan.map("height"), result.maps["height"])
        for frame in np.flatnonzero(scan.order() < 0):
            other = there[scan.number]
            refused += 1
            assert other.order()[frame] >= 0
            volume = SCENE.volume(125.0 - SCENE.removal(0.0))
            np.testing.assert_array_equal(other.section("y", 5)[frame], volume[frame, 5])
    assert refused > 2 * SCENE.nz
    for folder in (recorder.folder, disks / "two" / "made-up"):
        assert verify(folder).count("error") == 0, verify(folder).found


def test_a_second_disk_that_is_full_too_costs_nothing_but_its_part(disks: Path) -> None:
    recorder = Recorder(settings(disks / "one", second_dir=str(disks / "two")))
    full = [fill(disks / "one"), fill(disks / "two")]
    made = record(recorder, 0.0)
    eventually(lambda: not recorder.status["queued_bytes"])
    assert "nor in the second folder" in recorder.status["alarm"]
    for one in full:
        one.unlink()
    eventually(lambda: not recorder.status["failing"])
    recorder.close()
    cell = open_experiment(recorder.folder).cells["A"]
    assert len(cell.scans) == len(made)
    assert verify(recorder.folder).count("error") == 0, verify(recorder.folder).found


@pytest.mark.parametrize("after", [-1, 0, 3, 40])
def test_a_disk_that_fills_after_it_was_asked_ends_no_process(
    disks: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else takes the last byte between the question and the write; `after`: slices that
    were written before, -1: not even the file was made."""
    monkeypatch.setattr(disk_space, "need", lambda *_, **__: None)
    file = ScanFile(disks / "one" / "scan_0000.h5", start((64, 512, 512)), keep_slices=True)
    slices = [SliceFrame("A", 0, "s", n + 1, n, _noise(n)) for n in range(64)]
    for frame in slices[: after + 1]:
        file.add(frame)
    full = fill(disks / "one")
    refused = 0
    for frame in slices[after + 1 :]:
        try:
            file.add(frame)
        except OSError:
            refused += 1
    assert refused >= len(slices) - after - 1 - 12, "what was reserved before may still be written"
    with contextlib.suppress(OSError):
        file.flush()
    full.unlink()
    for frame in slices:
        file.add(frame)
    file.close()
    with h5py.File(file.part) as kept:
        assert kept["entry/ledger/received"][...].all()
        for frame in slices:
            assert (kept["entry/reconstruction/data"][frame.frame] == frame.data).all()


@pytest.mark.parametrize("what", ["readings", "more readings", "master"])
def test_small_files_refused_by_a_full_disk_end_no_process(
    disks: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it was asked; HDF5 would end the process then, or with one of its next files."""
    recorder = Recorder(settings(disks / "one"))
    made = record(recorder, 0.0)
    recorder.close()
    cell = recorder.folder / "A"
    monkeypatch.setattr(disk_space, "need", lambda *_, **__: None)
    path = cell / ("A.nxs" if what == "master" else "cycler.h5")
    if what == "readings":
        path.unlink()
    readings = [CyclerReading("A", 1.7e9 + n, 0.0, 0.0, 0.0, 0, 0) for n in range(3000)]

    def write() -> None:
        if what == "master":
            Master(cell).write()
        else:
            append_readings(path, readings)

    for _ in range(20):
        full = fill(disks / "one")
        with pytest.raises(OSError):
            write()
        other = ScanFile(disks / "two" / "scan_0000.h5", start((4, 32, 32)), keep_slices=True)
        other.add(SliceFrame("A", 0, "s", 1, 0, np.zeros((32, 32), np.uint16)))
        other.close()
        full.unlink()
        other.part.unlink()
    write()
    assert len(open_experiment(recorder.folder).cells["A"].scans) == len(made)
    if what == "master":
        assert verify(recorder.folder).count("error") == 0
    else:
        with h5py.File(path) as file:
            assert file["time"][-3000:].tolist() == [reading.time for reading in readings]


def _noise(seed: int) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 65535, (512, 512), np.uint16)
