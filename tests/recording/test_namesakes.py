"""Scans that were sent under a number that is taken: in the files, and whatever reads those."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.playback.replay import replay_settings
from monitor.recording.read.contents import read_contents
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import interrupted
from monitor.recording.verify.experiment import verify
from monitor.recording.write.experiment import Message
from monitor.recording.write.second_recording import SecondRecording
from monitor.records import Event
from monitor.report.table import numbers
from monitor.reprocess import measure
from monitor.reprocess.settings import changed
from tests.core.arrival.test_reused_numbers import AGAIN, LATER_S, broken_off, sent
from tests.core.experiment import experiment, scan_records, settings
from tests.core.test_session import finals, plain
from tests.helpers.pools import Here
from tests.recording.resume.test_interrupted import contents

STOPPED = [
    *experiment(1),
    *broken_off(),
    *sent(scan_records(1), 147, later=LATER_S),
    *sent(scan_records(2), 245),
]
RESTARTED = [
    *experiment(2),
    *(
        record
        for scan in (0, 1)
        for record in sent(scan_records(scan), 98 * scan, stream="new", later=7200.0)
    ),
    sent(scan_records(1), stream="again", later=7200.0)[0],
]
FEEDS = {"stopped": (STOPPED, [0, 1, 1 + AGAIN, 2]),
         "restarted": (RESTARTED, [0, 1, AGAIN, 1 + AGAIN])}  # fmt: skip


def chosen(folder: Path):
    return settings(experiment={"name": "trial", "data_dir": str(folder)})


def record_all(session, recorder, records):
    made = []
    for record in records:
        record = session.named(record)
        outputs = session.feed(record)
        recorder.write("test", (), record, outputs)
        made += outputs
    return made


@pytest.fixture(scope="module", params=FEEDS)
def recorded(request, tmp_path_factory):
    """The recording, what came of it live, and the numbers of its scans in time."""
    records, expected = FEEDS[request.param]
    made = chosen(tmp_path_factory.mktemp("namesakes"))
    recorder = Recorder(made, identity="this one")
    session = Session(made, identity=recorder.identity)
    outputs = record_all(session, recorder, records)
    recorder.close()
    return recorder.folder, outputs, expected


def test_every_scan_has_a_file_that_bears_its_number(recorded):
    folder, outputs, expected = recorded
    assert [r.key.scan for r in finals(outputs)] == expected
    assert sorted(path.name for path in (folder / "A").glob("scan_*")) == sorted(
        f"scan_{number:04d}.h5" for number in expected
    )
    for result in finals(outputs):
        with h5py.File(folder / "A" / f"scan_{result.key.scan:04d}.h5") as file:
            entry = file["entry"]
            assert entry.attrs["scan"] == result.key.scan
            assert entry.attrs.get("sent_scan", result.key.scan) == result.start.number
            assert entry.attrs["start_time_s"] == result.start.start_time
            assert bool(entry["ledger/complete"][()]) == result.complete
            np.testing.assert_array_equal(entry["ledger/received"][()], result.ledger)
            np.testing.assert_array_equal(entry["interface/height"][()], result.maps["height"])
            data = entry["reconstruction/data"][()]
        sent_data = np.stack([r.data for r in scan_records(result.start.number)[1:-1]])
        here = result.ledger > 0
        np.testing.assert_array_equal(data[here], sent_data[here])


def test_verify_finds_nothing(recorded):
    assert [(f.severity, f.what) for f in verify(recorded[0]).found] == []


def test_a_replay_gives_the_same_events_and_results(recorded):
    folder, outputs, _ = recorded
    found = open_experiment(folder)
    session = Session(found.settings, identity=found.identity)
    again = [out for _, record in replay_records(found) for out in session.feed(record)]
    assert [str(plain(o)) for o in again] == [str(plain(o)) for o in outputs]


def test_a_part_of_it_can_be_replayed_by_number(recorded):
    folder, outputs, _ = recorded
    found = open_experiment(folder)
    number = 1 + AGAIN
    session = Session(found.settings)
    records = replay_records(found, number, number)
    again = finals([out for _, record in records for out in session.feed(record)])
    assert [result.key.scan for result in again] == [0, number]
    (live,) = [result for result in finals(outputs) if result.key.scan == number]
    np.testing.assert_array_equal(again[-1].maps["height"], live.maps["height"])


@pytest.mark.slow
def test_it_can_be_reprocessed(recorded, tmp_path):
    folder, _, expected = recorded
    found = open_experiment(folder)
    asked = changed(replay_settings(found.settings), [])
    out = measure.reprocess(found, asked, Here(), tmp_path, lambda text: None)
    assert verify(out).found == []
    assert open_experiment(out).identity == found.identity
    one, two = contents(folder), contents(out)
    kept = [key for key in one if key in two]
    assert len(kept) > 50 * len(expected)
    assert {key: one[key] for key in kept} == {key: two[key] for key in kept}


def test_it_opens_with_every_scan_in_its_time(recorded):
    folder, outputs, expected = recorded
    found = open_experiment(folder)
    opened = read_contents(found.cells["A"])
    assert opened.problems == []
    assert [r.key.scan for r in opened.results] == expected
    assert [r.start for r in opened.results] == [r.start for r in finals(outputs)]
    assert sorted(opened.files) == sorted(expected)
    assert [scan["scan"] for scan in numbers(found)["cells"]["A"]["scans"]] == expected


def test_events_on_the_disk_are_those_told(recorded):
    folder, outputs, _ = recorded
    told = [o for o in outputs if isinstance(o, Event) and o.kind != "scan_progress"]
    written = [json.loads(line) for line in (folder / "A/events.jsonl").read_text().splitlines()]
    kept = ("number", "kind", "data")
    assert [{k: e[k] for k in kept} for e in written] == [
        {k: json.loads(json.dumps(asdict(o)))[k] for k in kept} for o in told
    ]


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("share", [0.3, 0.55, 0.8, 1.0])
@pytest.mark.slow
def test_it_ends_the_same_wherever_it_breaks_off(name, share, tmp_path):
    records, _ = FEEDS[name]
    made = chosen(tmp_path)
    at = int(share * len(records))
    recorder = Recorder(made, identity="this one")
    record_all(Session(made, identity="this one"), recorder, records[:at])
    recorder.leave_broken()
    recorder.close()
    found = interrupted(made, tmp_path)[0]
    assert found is not None
    recorder = Recorder(made, go_on=found.path, identity="another")
    assert recorder.identity == "this one"
    session = Session(made, identity=recorder.identity)
    for name, record in replay_records(found):
        record = session.named(record)
        recorder.write_again(name, record, session.feed(record))
    recorder.written_again()
    record_all(session, recorder, records[at:])
    recorder.close()
    assert verify(recorder.folder).found == []
    unbroken = Recorder(made, tmp_path / "unbroken", identity="this one")
    record_all(Session(made, identity="this one"), unbroken, records)
    unbroken.close()
    assert contents(recorder.folder) == contents(unbroken.folder)


def test_a_second_disk_takes_the_scan_under_the_same_number(tmp_path):
    made = chosen(tmp_path)
    second = SecondRecording(made, tmp_path / "second", "this one")
    session = Session(made)
    begun = len(experiment(1)) + 49
    for place, record in enumerate(STOPPED):
        record = session.named(record)
        message = Message("test", 0.0, None, record, session.feed(record))
        second.take(message, refused=begun + 20 <= place < begun + 25)
        second.needed = False
    second.close()
    assert second.folder is not None
    (scan,) = open_experiment(second.folder).cells["A"].scans
    assert (scan.path.name, scan.header["sent_scan"]) == ("scan_10001.h5", 1)
    assert scan.order().max() == 76
    assert [f for f in verify(second.folder).found if f.severity == "error"] == []
