"""Scans that are corrected by readings that arrive late: in the files, after a crash, in replay and
reprocess, as if the readings had come first."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import interrupted
from monitor.recording.verify.experiment import verify
from monitor.report.backtest import live
from monitor.reprocess.measure import reprocess
from tests.core.experiment import experiment
from tests.core.test_late_readings import is_event, readings_last, readings_of_a_scan_later
from tests.helpers.pools import Here
from tests.recording.resume.test_interrupted import broken_off, chosen, feed

MAPS = "entry/current_density/cumulative", "entry/interface/removal", "entry/interface/pit_labels"


def recorded(folder: Path, messages, **onset) -> Path:
    made = chosen(folder, **onset)
    session, recorder = Session(made), Recorder(made)
    feed(session, recorder, messages)
    recorder.close()
    assert recorder.status["failures"] == 0
    assert recorder.status["scans"] == 3
    return recorder.folder


def content(folder: Path) -> dict[str, tuple]:
    """Of each scan: summary, pits and maps, as they are in its file."""
    found = {}
    for scan in open_experiment(folder).cells["A"].scans:
        with h5py.File(scan.path) as file:
            pits = {name: column[...].tobytes() for name, column in file["entry/pits"].items()}
            maps = [file[path][...].tobytes() for path in MAPS]
        found[scan.path.name] = (scan.summary(), pits, maps)
    return found


@pytest.fixture(scope="module")
def in_order() -> list:
    return experiment()


@pytest.fixture(scope="module")
def expected(in_order, tmp_path_factory) -> dict[str, tuple]:
    """What the files hold if the readings came first."""
    return content(recorded(tmp_path_factory.mktemp("in order"), in_order))


@pytest.mark.parametrize("order", [readings_last, readings_of_a_scan_later])
@pytest.mark.slow
def test_files_hold_the_corrected_numbers_and_verify_is_clean(
    tmp_path: Path, in_order, expected, order
) -> None:
    folder = recorded(tmp_path / "other", order(in_order))
    assert content(folder) == expected
    found = verify(folder)
    assert found.count("error") == found.count("warning") == 0, found.found
    names = {path.name for path in (folder / "A").iterdir()}
    assert not [name for name in names if name.endswith((".part", ".old"))]


@pytest.mark.slow
def test_replay_and_reprocess_give_the_corrected_numbers(
    tmp_path: Path, in_order, expected
) -> None:
    folder = recorded(tmp_path / "one", readings_last(in_order))
    again = chosen(tmp_path / "replayed")
    session, recorder = Session(again), Recorder(again)
    for name, record in replay_records(open_experiment(folder)):
        recorder.write(name, (), record, session.feed(record))
    recorder.close()
    assert content(recorder.folder) == expected
    source = open_experiment(folder)
    made = reprocess(source, source.settings, Here(), tmp_path / "out", lambda line: None)
    assert content(made) == expected


@pytest.mark.parametrize("part", [0, 45, 90, 129])
@pytest.mark.slow
def test_a_recording_that_broke_off_at_any_place_ends_with_the_corrected_numbers(
    tmp_path: Path, in_order, expected, part: int
) -> None:
    messages = readings_last(in_order)
    first = len(messages) - 130 + part
    folder = broken_off(tmp_path, messages[:first])
    assert resumed(folder, messages[first:]) == expected


@pytest.mark.slow
def test_a_writer_killed_while_it_corrects_leaves_a_part_that_is_written_again(
    tmp_path: Path, in_order, expected
) -> None:
    messages = readings_last(in_order)
    folder = broken_off(tmp_path, messages)
    path = folder / "A" / "scan_0001.h5"
    with h5py.File(path, "r+") as file:
        file[MAPS[0]][:10] = 7.0
    path.replace(path.with_name(path.name + ".part"))
    assert resumed(folder, []) == expected


def resumed(folder: Path, messages) -> dict[str, tuple]:
    made = chosen(folder.parent)
    found, _ = interrupted(made, folder.parent)
    assert found is not None
    session, recorder = Session(made), Recorder(made, go_on=found.path)
    for name, record in replay_records(found):
        recorder.write_again(name, record, session.feed(record))
    recorder.written_again()
    feed(session, recorder, messages)
    recorder.close()
    assert recorder.status["failures"] == 0
    assert verify(folder).count("error") == 0, verify(folder).found
    return content(folder)


def test_a_map_that_a_correction_takes_away_is_empty_again(tmp_path: Path, in_order) -> None:
    """A held current gives a map; then the readings say that nothing flowed."""
    known = [r for r in in_order if not is_event(r) or r.doc["time"] <= 1750]
    folder = recorded(tmp_path, known)
    with h5py.File(folder / "A" / "scan_0001.h5") as file:
        assert file["entry/summary/charge_state"][()] == b"extrapolated"
        assert np.isfinite(file[MAPS[0]][...]).any()


def test_decisions_are_made_again_from_the_recording(tmp_path: Path, in_order) -> None:
    policy = {"when": ["new_pits", "closure", "current_step"], "cooldown_s": 0.0}
    folder = recorded(tmp_path, readings_of_a_scan_later(in_order), **policy)
    source = open_experiment(folder)
    outcome = live(source, source.cells["A"])
    assert outcome.reproduced is not None
    same, told = outcome.reproduced
    assert same == told == 6
