"""Engines that end by an error, with real processes: the next one goes on, the reference stays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import zmq

from monitor.recording.read.experiment import open_experiment
from monitor.settings import load
from tests.core.experiment import scan_records
from tests.helpers.waiting import PATIENCE_MS, PatientWatcher
from tests.system.running import PATIENCE_S, PROGRAM, ROOT, engine, launch, scans_done, write_config
from tests.system.test_restart import Beamline, until

FAILING = """
import sys
sys.path.insert(0, {root!r})
from monitor.core.session import Session
from monitor.engine import start
from monitor.records import SliceFrame
feed, warm_up = Session.feed, start.warm_up
def failing(self, record):
    if isinstance(record, SliceFrame) and (record.scan, record.frame) == (1, 40):
        raise {error}
    return feed(self, record)
def warm_up_first():
    warm_up()
    Session.feed = failing
start.warm_up = warm_up_first
from monitor.cli.__main__ import main
main()
"""
CELL = {"name": "A", "foil_thickness_um": 40.0}


def failing_engine(config: Path, error: str) -> subprocess.Popen[str]:
    code = FAILING.format(root=str(ROOT), error=error)
    command = [sys.executable, "-c", code, "engine", "--config", str(config)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_an_error_inside_is_told_and_the_next_engine_goes_on(tmp_path: Path) -> None:
    config = write_config(tmp_path, cells=[CELL])
    beamline = Beamline(config)
    status = beamline._context.socket(zmq.SUB)
    status.subscribe(b"")
    status.connect(load(config).results.status)
    try:
        process = failing_engine(config, 'MemoryError("no room for µm")')
        beamline.connected()
        beamline.send(scan_records(0) + scan_records(1))
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1
        (folder,) = (tmp_path / "runs").iterdir()
        (line,) = [text for text in said.splitlines() if "error:" in text]
        assert "MemoryError: no room for µm" in line and str(folder / "errors.log") in line
        assert "Traceback" not in said and "Traceback" in (folder / "errors.log").read_text("utf-8")
        alarm = {}
        while alarm.get("condition") != "engine":
            assert status.poll(PATIENCE_MS), "nothing is told of it"
            alarm = json.loads(status.recv())
        assert alarm["type"] == "alarm"
        with engine(config) as (_, watcher):
            beamline.connected()
            beamline.send(scan_records(1)[40:])
            until(watcher, lambda s: len(scans_done(s)) == 2)
            state = watcher.state()
            assert Path(state["recorder"]["folder"]) == folder.resolve()
            (alarm,) = [a for a in state["alarms"] if a["condition"] == "engine"]
            assert alarm["ended"] is not None
    finally:
        beamline.close()
    scans = open_experiment(folder).cells["A"].scans
    assert [scan.number for scan in scans] == [0, 1]
    assert scans[1].map("removal") is not None, "against the reference of before"
    assert launch("verify", str(folder)).returncode == 0


def test_an_engine_in_a_terminal_that_is_closed_is_gone_on_with(tmp_path: Path) -> None:
    """SIGHUP, with nobody to read what it says."""
    config = write_config(tmp_path, cells=[CELL])
    beamline = Beamline(config)
    command = [sys.executable, str(PROGRAM), "engine", "--config", str(config)]
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        beamline.connected()
        assert process.stderr is not None
        process.stderr.close()
        beamline.send(scan_records(0))
        (folder,) = (tmp_path / "runs").iterdir()
        with engine_s_state(config) as watcher:
            until(watcher, lambda s: len(scans_done(s)) == 1)
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_S) == 0
        assert (folder / "engine.lock").exists()
        with engine(config) as (_, watcher):
            until(watcher, lambda s: len(scans_done(s)) == 1)
    finally:
        beamline.close()
    assert list((tmp_path / "runs").iterdir()) == [folder]


def engine_s_state(config: Path):
    from contextlib import closing

    return closing(PatientWatcher(load(config).results.pull))


def test_a_monitor_without_a_screen_does_not_end_what_it_goes_on_with(tmp_path: Path) -> None:
    """Its screen fails at once; the recording that broke off before can still be gone on with."""
    config = write_config(tmp_path, cells=[CELL])
    beamline = Beamline(config)
    try:
        process = failing_engine(config, "ValueError()")
        beamline.connected()
        beamline.send(scan_records(0) + scan_records(1))
        process.communicate(timeout=PATIENCE_S)
        done = launch("monitor", "--config", str(config))
        assert done.returncode == 1 and "screen" in done.stderr, done.stderr
        with engine(config) as (_, watcher):
            until(watcher, lambda s: len(scans_done(s)) == 1)
    finally:
        beamline.close()
    (folder,) = (tmp_path / "runs").iterdir()
    assert [scan.number for scan in open_experiment(folder).cells["A"].scans] == [0]
