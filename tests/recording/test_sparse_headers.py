"""Headers without what the contract lets them leave out, above all `run`: every program that reads
recordings finds each scan."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli.command_line import app
from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.playback.replay import replay_settings, run_replay
from monitor.recording.read.contents import read_contents
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import interrupted
from monitor.recording.verify.experiment import verify
from monitor.records import ScanEnd, ScanStart, SliceFrame
from monitor.report.build import report
from monitor.report.policies import backtest
from monitor.reprocess import measure
from monitor.reprocess.settings import changed
from monitor.wire.slices import codec, stins
from tests.core.experiment import experiment, settings
from tests.helpers.pools import Here
from tests.recording.synthetic import frames_of
from tests.reprocess.test_measure import contents

OPTIONAL = ("run", "request", "resend", "reason", "axis", "filename", "schema")
SENT: dict[str, dict[str, Any]] = {
    "no run": {"run": ...},
    "run is empty": {"run": ""},
    "all of it null": dict.fromkeys(OPTIONAL),
}
"""What is changed in each header; `...` is left out."""
SCANS = 2


def header_frame(start: ScanStart, changes: dict[str, Any]) -> bytes:
    said = stins.start_header(start) | changes
    return json.dumps({key: value for key, value in said.items() if value is not ...}).encode()


def record(folder: Path, changes: dict[str, Any]) -> tuple[Path, Path]:
    """The recording, and a copy of it as of an engine that was killed at its end."""
    chosen = settings(experiment={"name": "trial", "data_dir": str(folder / "first")})
    session, recorder = Session(chosen), Recorder(chosen)
    for one in experiment(SCANS):
        frames: list[Any] = []
        if isinstance(one, ScanStart | SliceFrame | ScanEnd):
            frames = frames_of(one)
            if isinstance(one, ScanStart):
                frames = [header_frame(one, changes)]
            one = codec.decode(frames)
        recorder.write("slices" if frames else "documents", frames, one, session.feed(one))
    assert recorder.drain()
    (folder / "second").mkdir()
    killed = shutil.copytree(recorder.folder, folder / "second" / "trial")
    recorder.close()
    assert session.feeds["slices"]["bad"] == {}
    return recorder.folder, killed


@pytest.fixture(scope="module", params=SENT)
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    return record(tmp_path_factory.mktemp("sent"), SENT[request.param])


@pytest.mark.slow
def test_reprocess_measures_every_scan(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    experiment = open_experiment(recorded[0])
    chosen = changed(replay_settings(experiment.settings), [])
    pool = Here()
    made = measure.reprocess(experiment, chosen, pool, tmp_path, lambda text: None)
    assert pool.done == list(range(SCANS))
    truth, found = contents(recorded[0]), contents(made)
    measured = [name for name in truth if "/summary/" in name or "/interface/" in name]
    assert measured and [n for n in measured if found.get(n) != truth[n]] == []
    assert verify(made).count("error") == 0


def test_replay_gives_them_again(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    run_replay(
        recorded[0], speed=None, first=None, last=None, out=tmp_path, screen=None,
        say=lambda text: None,
    )  # fmt: skip
    truth, found = contents(recorded[0]), contents(tmp_path / "trial")
    assert [name for name in truth if found.get(name) != truth[name]] == []
    one = [r for _, r in replay_records(open_experiment(recorded[0]), 1, 1, pixels=False)]
    assert {r.key.scan for r in one if isinstance(r, ScanStart)} == {0, 1}


def test_open_report_and_backtest_know_them(recorded: tuple[Path, Path]) -> None:
    folder = recorded[0]
    found = read_contents(open_experiment(folder).cells["A"])
    assert [result.key.scan for result in found.results] == list(range(SCANS))
    assert found.problems == [] and found.parts == []
    told = report(folder, as_json=True)["cells"]["A"]["scans"]
    assert [scan["scan"] for scan in told] == list(range(SCANS))
    ((live,),) = backtest([folder], [], as_json=True).values()
    assert live["scans"] == SCANS
    assert live["reproduced"]["same"] == live["reproduced"]["of"] >= SCANS - 1


@pytest.mark.slow
def test_verify_finds_nothing_wrong(recorded: tuple[Path, Path]) -> None:
    found = verify(recorded[0])
    assert found.found == [] and found.checked["scans"] == SCANS


@pytest.mark.slow
def test_an_engine_goes_on_with_them(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(recorded[1].parent, tmp_path / "killed") / "trial"
    chosen = settings(experiment={"name": "trial", "data_dir": str(folder.parent)})
    broken, why_not = interrupted(chosen, folder.parent)
    assert broken is not None and why_not == ""
    session, recorder = Session(chosen), Recorder(chosen, go_on=broken.path)
    for feed, one in replay_records(broken):
        recorder.write_again(feed, one, session.feed(one))
    recorder.written_again()
    recorder.close()
    truth, found = contents(recorded[0]), contents(folder)
    assert [name for name in truth if found.get(name) != truth[name]] == []


@pytest.mark.slow
def test_on_the_command_line_scans_are_counted(tmp_path: Path) -> None:
    folder, _ = record(tmp_path, dict.fromkeys(OPTIONAL, ...))
    result = CliRunner().invoke(app, ["reprocess", str(folder), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert f"{SCANS} scans to measure" in result.output
