"""A recording that broke off at any place is gone on with, and ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import count_lines, interrupted, is_interrupted
from monitor.recording.write.experiment import ExperimentWriter, Message
from monitor.recording.write.new_experiment import create_experiment
from monitor.recording.write.scan_file import ScanFile
from monitor.records import OperatorNote, PolicyChange, ScanReply, ScanRequest
from tests.core.experiment import experiment, scan_records, settings

PLACES = {"in the reference": 60, "between scans": 115, "in the second scan": 190, "late": 290}


def chosen(folder: Path, **onset):
    return settings(experiment={"name": "trial", "data_dir": str(folder)}, onset=onset)


def feed(session, recorder, messages):
    asked = []
    for record in messages:
        outputs = session.feed(record)
        name = "resend" if getattr(record, "recovered", False) else "test"
        recorder.write(name, (), record, outputs)
        asked += [o for o in outputs if isinstance(o, ScanRequest)]
    return asked


def broken_off(folder: Path, messages) -> Path:
    """The folder as a killed engine leaves it: a copy of a recording that nobody has closed."""
    made = chosen(folder / "first")
    session, recorder = Session(made), Recorder(made)
    feed(session, recorder, messages)
    assert recorder.drain()
    (folder / "second").mkdir()
    copy = shutil.copytree(recorder.folder, folder / "second" / recorder.folder.name)
    recorder.close()
    return copy


def gone_on_with(folder: Path, messages) -> tuple[Path, Session]:
    made = chosen(folder.parent)
    found, why_not = interrupted(made, folder.parent)
    assert found is not None and why_not == ""
    session, recorder = Session(made), Recorder(made, go_on=found.path)
    for name, record in replay_records(found, resumed=True):
        recorder.write_again(name, record, session.feed(record))
    recorder.written_again()
    feed(session, recorder, messages)
    recorder.close()
    return found.path, session


def contents(folder: Path) -> dict[str, object]:
    """Everything in a recording's scans, events and cycler file, byte for byte."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("scan_*.h5")):
        with h5py.File(path, "r") as file:

            def take(name, item, path=path):
                if isinstance(item, h5py.Dataset):
                    found[f"{path.name}:{name}"] = np.asarray(item[()]).tobytes()

            file.visititems(take)
    for path in sorted(folder.rglob("events.jsonl")):
        found[str(path.relative_to(folder))] = path.read_text().splitlines()
    for cell in open_experiment(folder).cells.values():
        found[f"cycler {cell.name}"] = {k: v.tobytes() for k, v in cell.cycler().items()}
    return found


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    made = chosen(tmp_path_factory.mktemp("unbroken"))
    recorder = Recorder(made)
    feed(Session(made), recorder, experiment())
    recorder.close()
    return contents(recorder.folder)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.slow
def test_wherever_it_breaks_off_the_recording_ends_the_same(tmp_path, place, unbroken):
    messages = experiment()
    at = PLACES[place]
    broken = broken_off(tmp_path, messages[:at])
    assert is_interrupted(broken)
    folder, _ = gone_on_with(broken, messages[at:])
    assert not is_interrupted(folder)
    assert not list(folder.rglob("*.part")) and not list(folder.rglob("*.old"))
    assert contents(folder) == unbroken
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert [line["n"] for line in lines] == list(range(len(messages)))


def test_a_master_that_lags_behind_at_the_crash_is_made_anew(tmp_path):
    broken = broken_off(tmp_path, experiment())
    count = len(list((broken / "A").glob("scan_*.h5")))
    with h5py.File(broken / "A" / "A.nxs", "r") as file:
        assert len(file["entry/summary/scan"]) < count, "it is written every few seconds only"
    folder, _ = gone_on_with(broken, [])
    with h5py.File(folder / "A" / "A.nxs", "r") as file:
        np.testing.assert_array_equal(file["entry/summary/scan"][()], range(count))


def test_no_event_is_on_the_disk_before_what_it_follows_from(tmp_path):
    """Else it would outlive a crash that its cause does not, and its number be given again."""
    made = chosen(tmp_path)
    folder = create_experiment(made, tmp_path)
    session, writer = Session(made), ExperimentWriter(made, folder)
    for record in experiment()[:120]:
        writer.take(Message("test", 0.0, None, record, session.feed(record)))
    journal = folder / "journal.jsonl"

    def told():
        found = [path.read_text().splitlines() for path in folder.rglob("events.jsonl")]
        return [json.loads(line)["kind"] for lines in found for line in lines]

    assert told() == []
    assert writer.flush() == []
    assert {"scan_started", "scan_complete"} <= set(told())
    assert count_lines(journal) == 120
    writer.close()


def with_recovered() -> list:
    """Two scans; slices of the first come by asking, late, when the second runs already."""
    first = scan_records(0, resend="tcp://127.0.0.1:5602")
    again = {20: 60, 40: 70, 41: 130}  # slice: before which message it comes
    made = [r for r in first if getattr(r, "frame", None) not in again]
    made += scan_records(1)
    for frame, place in again.items():
        made.insert(place, replace(first[1 + frame], recovered=True))
    return made


@pytest.mark.parametrize("place", [65, 100, 125, 150])
@pytest.mark.slow
def test_recovered_slices_are_recovered_also_after_a_crash(tmp_path, place):
    made = chosen(tmp_path / "unbroken")
    recorder = Recorder(made)
    feed(Session(made), recorder, with_recovered())
    recorder.close()
    ledger = open_experiment(recorder.folder).cells["A"].scans[0].ledger()
    assert list(np.flatnonzero(ledger == 2)) == [20, 40, 41] and ledger.all()
    broken = broken_off(tmp_path, with_recovered()[:place])
    folder, session = gone_on_with(broken, with_recovered()[place:])
    assert contents(folder) == contents(recorder.folder)
    assert session.feeds["slices"]["recovered"] == 3


def test_where_it_can_be_asked_must_be_as_it_was(tmp_path):
    broken = broken_off(tmp_path, experiment()[:10])
    made = settings(
        experiment={"name": "trial", "data_dir": str(broken.parent)}, feeds={"resend": "off"}
    )
    found, why = interrupted(made, broken.parent)
    assert found is None and "feeds.resend has changed" in why


@pytest.mark.slow
def test_a_crash_while_it_is_gone_on_with_costs_nothing_more(tmp_path, unbroken):
    messages = experiment()
    broken = broken_off(tmp_path, messages[:190])
    (part,) = broken.rglob("*.part")
    part.replace(part.with_name(part.name + ".old"))
    part.write_bytes(b"half written")
    folder, _ = gone_on_with(broken, messages[190:])
    assert contents(folder) == unbroken


def killed_again(broken: Path) -> Path:
    """The folder as an engine leaves it that is killed once it has resumed the recording."""
    found, _ = interrupted(chosen(broken.parent), broken.parent)
    assert found is not None
    session, recorder = (
        Session(chosen(broken.parent)),
        Recorder(chosen(broken.parent), go_on=broken),
    )
    for name, record in replay_records(found, resumed=True):
        recorder.write_again(name, record, session.feed(record))
    recorder.written_again()
    again = broken.parents[1] / "third"
    again.mkdir()
    copy = shutil.copytree(broken, again / broken.name)
    recorder.close()
    return copy


@pytest.mark.parametrize("slices", [1, 5, 30])
@pytest.mark.parametrize("lost", [False, True])
def test_a_scan_of_which_no_slice_had_reached_the_disk_can_be_resumed_twice(
    tmp_path, slices, lost, unbroken, monkeypatch
):
    """Its file was laid out, its lines were in the journal, its slices nowhere. `lost`: as after a
    disk that was full, not even the file is there."""
    messages = experiment()
    begin = next(n for n, r in enumerate(messages) if getattr(r, "msg_number", 0) == 98)
    at = begin + 1 + slices
    flush = ScanFile.flush
    with monkeypatch.context() as patched:
        is_first = "scan_0000.h5".__eq__
        patched.setattr(ScanFile, "flush", lambda s: is_first(s.path.name) and flush(s))
        broken = broken_off(tmp_path, messages[:at])
    again = killed_again(broken)
    if lost:
        for part in again.rglob("scan_0001.h5.*"):
            part.unlink()
    folder, _ = gone_on_with(again, messages[begin + 1 :])
    with h5py.File(folder / "A" / "scan_0001.h5") as file:
        assert file["entry/ledger/received"][()].all()
    found = contents(folder)
    assert {k: v for k, v in found.items() if "order" not in k and "json" not in k} == {
        k: v for k, v in unbroken.items() if "order" not in k and "json" not in k
    }


def test_lines_cut_short_are_taken_off(tmp_path, unbroken):
    messages = experiment()
    broken = broken_off(tmp_path, messages[:190])
    for path in (broken / "journal.jsonl", broken / "A" / "events.jsonl"):
        with path.open("ab") as file:
            file.write(b'{"n": 9999, "cut sho')
    folder, _ = gone_on_with(broken, messages[190:])
    assert contents(folder) == unbroken


@pytest.mark.slow
def test_a_request_that_was_on_its_way_is_asked_for_again_and_a_served_one_is_not(tmp_path):
    messages = experiment()
    made = chosen(tmp_path / "first")
    session, recorder = Session(made), Recorder(made)
    (request,) = feed(session, recorder, messages)
    for status, unserved in (("", 1), ("accepted", 1), ("running", 0), ("done", 0)):
        if status:
            reply = ScanReply(request.id, status)
            recorder.write("replies", (), reply, session.feed(reply))
        assert recorder.drain()
        copy = tmp_path / f"after {status}" / "trial"
        shutil.copytree(recorder.folder, copy)
        _, again = gone_on_with(copy, [])
        assert [r.id for r in again.unserved] == [request.id] * unserved
    recorder.close()


@pytest.mark.slow
def test_what_operators_ordered_outlives_a_crash(tmp_path):
    """The last order is on the disk at once: nothing flushes the journal after it."""
    messages = experiment()
    orders = [
        PolicyChange("A", "suggest", 4, "J. D.", 100.0),
        OperatorNote("A", "refilled", "J. D.", 0, 100.0),
        OperatorNote("", "shutter open"),
        PolicyChange("A", "off", None, "J. D.", 200.0),
    ]
    whole = [*messages[:60], *orders, *messages[60:]]
    made = chosen(tmp_path / "whole")
    recorder = Recorder(made)
    feed(Session(made), recorder, whole)
    recorder.close()
    made = chosen(tmp_path / "first")
    session, recorder = Session(made), Recorder(made)
    feed(session, recorder, whole[:60])
    assert recorder.drain()
    feed(session, recorder, orders)
    while recorder.status["messages"] < 64:
        time.sleep(0.01)
    (tmp_path / "second").mkdir()
    broken = shutil.copytree(recorder.folder, tmp_path / "second" / "trial")
    recorder.close()
    folder, session = gone_on_with(broken, messages[60:])
    assert contents(folder) == contents(tmp_path / "whole" / "trial")
    assert (session.policies["A"]["mode"], session.policies["A"]["max_scans"]) == ("off", 4)
    told = [json.loads(line) for line in (folder / "A" / "events.jsonl").read_text().splitlines()]
    verdicts = [event["data"]["verdict"] for event in told if event["kind"] == "decision"]
    assert verdicts == ["no", "no", "no"]
    (general,) = (folder / "events.jsonl").read_text().splitlines()
    assert json.loads(general)["data"]["text"] == "shutter open"


def test_one_that_ended_cleanly_or_that_is_written_is_left_alone(tmp_path):
    made = chosen(tmp_path)
    recorder = Recorder(made)
    assert interrupted(made, tmp_path) == (None, ""), "somebody records there"
    recorder.close()
    assert interrupted(made, tmp_path) == (None, "")


def test_other_settings_begin_anew_and_say_so(tmp_path):
    broken = broken_off(tmp_path, experiment()[:10])
    found, why = interrupted(chosen(broken.parent, min_pits=7), broken.parent)
    assert found is None and "[onset]" in why


def test_a_start_that_fails_leaves_nothing_behind(tmp_path):
    recorder = Recorder(chosen(tmp_path))
    recorder.give_up()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_could_not_be_written_again_is_kept(tmp_path, monkeypatch):
    messages = experiment()
    broken = broken_off(tmp_path, messages[:190])

    def full(self, frame):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monitor.recording.write.scan_file.ScanFile.add", full)
    folder, _ = gone_on_with(broken, [])
    (kept,) = folder.rglob("*.kept")
    with h5py.File(kept, "r", libver="latest", swmr=True) as file:
        assert (file["entry/ledger/order"][()] >= 0).sum() > 20
    assert not list(folder.rglob("*.old"))


def test_readings_in_whose_file_the_writer_was_killed_are_written_again(tmp_path: Path) -> None:
    messages = experiment()
    folder = broken_off(tmp_path, messages[:250])
    path = folder / "A" / "cycler.h5"
    with h5py.File(path) as file:
        expected = file["time"][:]
    killed = textwrap.dedent(f"""
        import os, h5py
        file = h5py.File({str(path)!r}, "r+", libver=("v110", "v110"), locking=False)
        file["time"].resize((3,))
        file.flush()
        os._exit(9)
    """)
    subprocess.run([sys.executable, "-c", killed], check=False)
    with pytest.raises(OSError):
        h5py.File(path).close()
    gone_on_with(folder, messages[250:])
    with h5py.File(path) as file:
        found = file["time"][:]
    assert len(found) > len(expected)
    assert np.array_equal(found[: len(expected)], expected)
