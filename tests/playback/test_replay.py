"""A replay: what its screen is given, and how it ends."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.errors import EngineFailed, PitwatchError, RecordingError, SettingError
from monitor.playback.replay import ReplaySource, _sections, run_replay
from monitor.recording.read.experiment import open_experiment
from monitor.recording.write import disk_space
from monitor.records import ScanStart, SliceFrame
from monitor.wire.results.queries import SectionRequest
from tests.helpers.waiting import PATIENCE_S, PatientWatcher, eventually
from tests.recording.synthetic import NX, NY, Scene, messages, settings, write_scan


def recorded(folder: Path, *numbers: int) -> Path:
    recorder = Recorder(settings(folder))
    for place, number in enumerate(numbers):
        write_scan(recorder, Scene(nz=8, seed=number), number, msg_number=10 * place)
    recorder.close()
    return recorder.folder


def replay(folder: Path, screen=None, **changes):
    said: list[str] = []
    options = {"speed": None, "first": None, "last": None, "out": None} | changes
    run_replay(folder, screen=screen, say=said.append, **options)
    return said


def test_the_latest_cross_section_is_that_of_the_scan_that_was_replayed_last(
    tmp_path: Path,
) -> None:
    experiment = open_experiment(recorded(tmp_path, 0, 1, 2))
    source = ReplaySource(experiment, None, None, None)
    section = _sections(experiment, source)
    with pytest.raises(RecordingError, match="it has no scan yet"):
        section("A", None, "y", 3)
    for begun in range(3):
        while source.begun.get("A") is None or source.begun["A"].scan != begun:
            next(source.take(0))
        for scan in experiment.cells["A"].scans:
            wanted = scan.section("y", 3)
            assert np.array_equal(section("A", scan.number, "y", 3), wanted)
            assert np.array_equal(section("A", None, "y", 3), wanted) is (scan.number == begun)
    for cell, number in (("A", 3), ("B", None), ("B", 0)):
        with pytest.raises(RecordingError, match="no cross-section of cell"):
            section(cell, number, "y", 3)
    with pytest.raises(RecordingError, match="no cross-section"):
        section("A", 1, "x", 99_999)


def test_of_two_runs_that_count_alike_the_one_on_the_screen_is_cut(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    for number, run in enumerate(("one", "two")):
        begin = Scene(nz=8).start(0, 1.6e9 + 3600.0 * number, "reference", "A", 0)
        key = dataclasses.replace(begin.key, run=run)
        begin = dataclasses.replace(begin, key=key, stream=run)
        for record in messages(begin, np.full((8, NY, NX), 100 + number, np.uint16)):
            recorder.write("slices", (), record, ())
    recorder.close()
    experiment = open_experiment(recorder.folder)
    source = ReplaySource(experiment, None, None, None)
    section = _sections(experiment, source)
    seen = set()
    for _ in range(3):
        for received in source.take(0):
            if isinstance(received.record, SliceFrame):
                seen.add(int(section("A", 0, "y", 3)[0, 0]))
    assert seen == {100, 101} and section("A", None, "y", 3)[0, 0] == 101


def test_a_screen_of_a_replay_gets_the_newest_scan(tmp_path: Path) -> None:
    folder = recorded(tmp_path, 0, 1)
    newest = open_experiment(folder).cells["A"].scans[-1].section("y", 3)

    def screen(pull: str, status: str) -> int:
        with closing(PatientWatcher(pull)) as watcher:
            watcher.until(
                lambda s: (s["feeds"].get("slices") or {}).get("messages", 0) >= 16,
                PATIENCE_S,
                lambda: True,
            )
            _, plane = watcher.ask(SectionRequest("A", None, "y", 3), PATIENCE_S)
        assert np.array_equal(plane, newest)
        return 0

    replay(folder, screen)


def test_numbers_that_are_not_there_are_told(tmp_path: Path) -> None:
    folder = recorded(tmp_path, 0, 1, 4, 7)
    for first, last in ((2, 3), (8, None), (5, 6)):
        with pytest.raises(
            RecordingError, match=f"no scan from {first} to {last}; it contains 0 to"
        ):
            replay(folder, first=first, last=last)
    with pytest.raises(RecordingError, match="without 2, 3, 5, 6"):
        replay(folder, first=2, last=3)
    with pytest.raises(SettingError, match=r"--from and --to: got '3 and 1'"):
        replay(folder, first=3, last=1)
    begun = []
    source = ReplaySource(open_experiment(folder), 2, 5, None)
    while found := list(source.take(0)):
        begun += [r.record.key.scan for r in found if isinstance(r.record, ScanStart)]
    assert begun == [0, 4], "the reference, and what there is from 2 to 5"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Session.feed

    def fails(self: Session, record: object) -> object:
        if isinstance(record, SliceFrame) and (record.scan, record.frame) == (1, 4):
            raise FloatingPointError("not so")
        return feed(self, record)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "feed", fails)


def test_an_error_beside_the_screen_is_told_and_is_no_success(
    tmp_path: Path, failing: None
) -> None:
    def screen(pull: str, status: str) -> int:
        with closing(PatientWatcher(pull)) as watcher:
            state = watcher.until(lambda s: bool(s["alarms"]), PATIENCE_S, lambda: True)
        assert state["alarms"][-1]["condition"] == "engine"
        assert "the replay ends" in state["alarms"][-1]["text"]
        return 0

    folder = recorded(tmp_path, 0, 1)
    with pytest.raises(EngineFailed, match="FloatingPointError: not so"):
        replay(folder, screen)


def test_an_error_without_a_screen_leaves_what_was_recorded_broken(
    tmp_path: Path, failing: None
) -> None:
    folder = recorded(tmp_path / "first", 0, 1)
    with pytest.raises(EngineFailed, match="FloatingPointError: not so"):
        replay(folder, out=tmp_path / "again")
    made = tmp_path / "again" / "made-up"
    assert (made / "engine.lock").exists() and (made / "errors.log").exists()


def test_a_damaged_recording_beside_the_screen_is_no_success(tmp_path: Path) -> None:
    folder = recorded(tmp_path, 0, 1)
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:15], b"{\n"]))
    said: list[str] = []

    def screen(pull: str, status: str) -> int:
        eventually(lambda: said)
        return 0

    options = {"speed": None, "first": None, "last": None, "out": None}
    with pytest.raises(RecordingError, match="line 16 is damaged"):
        run_replay(folder, screen=screen, say=said.append, **options)


@pytest.mark.parametrize("fails", [True, False])
def test_a_screen_that_fails_is_no_success(tmp_path: Path, fails: bool) -> None:
    def screen(pull: str, status: str) -> int:
        if fails:
            raise PitwatchError("no display")
        return 3

    match = "no display" if fails else "the screen ended with code 3"
    with pytest.raises(PitwatchError, match=match):
        replay(recorded(tmp_path, 0), screen)


def test_a_replay_that_the_disk_refused_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recorded(tmp_path / "first", 0)

    def need(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk_space, "need", need)
    with pytest.raises(RecordingError, match="No space left on device"):
        replay(folder, out=tmp_path / "again")
