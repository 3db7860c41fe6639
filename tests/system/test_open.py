"""A recorded run opened by a real process: served at once, all that can be read of it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from monitor.recording.read.experiment import open_experiment
from monitor.watch import Watcher
from monitor.wire.results.queries import MapRequest, PitsRequest, SectionRequest
from tests.helpers.waiting import PatientWatcher
from tests.system.running import PATIENCE_S, PROGRAM, engine, launch, scans_done, write_config

SCANS = 3
SERVING = re.compile(r"screens connect to (tcp://127\.0\.0\.1:\d+) \(status (tcp://\S+)\)")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("to be opened")
    config = write_config(folder, simulator={"scans": SCANS, "speed": 20000.0, "size": 96})
    with engine(config) as (process, watcher):
        simulation = launch("simulate", "--config", str(config))
        assert simulation.returncode == 0, simulation.stderr
        watcher.until(
            lambda s: len(scans_done(s)) >= SCANS, PATIENCE_S, lambda: process.poll() is None
        )
    return folder / "runs" / "demo"


@contextmanager
def opened(*arguments: str) -> Iterator[tuple[Watcher, list[str]]]:
    """What answers at the address that the process says, and all that it said until then."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "open", *arguments, "--headless"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        while not (said and SERVING.search(said[-1])):
            line = process.stderr.readline()
            assert line, "\n".join(said)
            said.append(line.strip())
        address = SERVING.search(said[-1])
        assert address is not None
        watcher = PatientWatcher(address[1])
        yield watcher, said
        watcher.close()
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0 and rest == "", rest
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_it_is_served_at_once_and_ends_when_told(recording: Path) -> None:
    cell = open_experiment(recording).cells["A"]
    with opened(str(recording)) as (watcher, said):
        state = watcher.state()
        assert len(said) == 1
        assert state["experiment"]["mode"] == "recording"
        assert len(scans_done(state)) == len(cell.scans) >= SCANS
        for scan in cell.scans:
            removal, written = watcher.ask(MapRequest("A", scan.number, "removal"))[1], scan.map
            np.testing.assert_array_equal(removal, written("removal"))
            labels = watcher.ask(MapRequest("A", scan.number, "pit_labels"))[1]
            np.testing.assert_array_equal(labels, written("pit_labels"))
            columns = watcher.ask(PitsRequest("A", scan.number))[0]["columns"]
            assert columns["id"] == scan.pits()["id"].tolist()
        plane = watcher.ask(SectionRequest("A", 1, "y", 40))[1]
        np.testing.assert_array_equal(plane, cell.scans[1].section("y", 40))


def test_two_screens_of_one_recording_stand_side_by_side(recording: Path) -> None:
    with opened(str(recording)) as (first, _), opened(str(recording)) as (second, _):
        one, other = first.state(), second.state()
    assert one["engine"] != other["engine"]
    assert one["cells"]["A"]["table"] == other["cells"]["A"]["table"]


def test_a_scan_cut_short_costs_itself_alone(recording: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(recording, tmp_path / "cut"))
    with (folder / "A" / "scan_0001.h5").open("r+b") as file:
        file.truncate(30_000)
    with opened(str(folder)) as (watcher, said):
        state = watcher.state()
        assert watcher.ask(MapRequest("A", 0, "height"))[0]["type"] == "map"
    assert 1 not in [scan["scan"] for scan in scans_done(state)]
    assert len(scans_done(state)) >= SCANS - 1
    last = state["events"][-1]
    assert last["type"] == "alarm" and "scan_0001.h5" in last["text"]
    assert len(said) == 2 and "scan_0001.h5" in said[0]


@pytest.mark.parametrize(
    ("harm", "code", "word"),
    [
        ("", 1, "not a recorded experiment"),
        ("format = 999\n", 1, "999"),
        ("format = 1\n[settings.feeds]\nslicse = 3\n", 2, "did you mean 'slices'"),
    ],
)
def test_what_is_no_recording_is_one_line(tmp_path: Path, harm: str, code: int, word: str) -> None:
    if harm:
        (tmp_path / "experiment.toml").write_text(harm)
    run = launch("open", str(tmp_path), "--headless")
    assert run.returncode == code
    assert word in run.stderr and len(run.stderr.strip().splitlines()) == 1


def test_an_address_that_is_no_address(recording: Path) -> None:
    run = launch("open", str(recording), "--headless", "--pull", "here")
    assert run.returncode == 2 and "results.pull: got 'here'" in run.stderr
