"""The journal gives back the same records, pixel by pixel."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.records import (
    Acknowledgement,
    BadInput,
    CyclerDocument,
    FeedQuiet,
    FeedSilence,
    OperatorNote,
    OperatorRequest,
    PolicyChange,
    Record,
    ScanReply,
    ScanResult,
    ScanStart,
    SliceFrame,
)
from tests.recording.synthetic import (
    NX,
    NY,
    Scene,
    cycler_event,
    cycler_run,
    frames_of,
    messages,
    settings,
    write_scan,
)


def same(one: Record, other: Record) -> bool:
    if not isinstance(one, SliceFrame) or not isinstance(other, SliceFrame):
        return one == other
    fields = [f.name for f in dataclasses.fields(one) if f.name != "data"]
    return (
        all(getattr(one, name) == getattr(other, name) for name in fields)
        and one.data.dtype == other.data.dtype
        and np.array_equal(one.data, other.data, equal_nan=one.data.dtype.kind == "f")
    )


def two_cells() -> list[tuple[str, Record]]:
    """Interleaved scans of two cells, one along y, with everything else that a session can take."""
    rng = np.random.default_rng(1)
    made: list[tuple[str, Record]] = [
        ("documents", doc) for cell in ("A", "B") for doc in cycler_run(cell)
    ]
    array = CyclerDocument("descriptor", {"uid": "d", "run_start": "r", "a": np.arange(3.0)})
    made.append(("documents", array))
    scenes = {"A": Scene(dtype="float32"), "B": Scene(axis="y", dtype="uint8", nz=12)}
    streams: list[list[tuple[str, Record]]] = []
    for cell, scene in scenes.items():
        start = scene.start(0, 1.6e9, "reference", cell, 0)
        volume = scene.volume(np.full((NY, NX), 50.0))
        order = rng.permutation(start.slice_count)[:-1].tolist()
        streams.append([("slices", r) for r in messages(start, volume, order)])
    for pair in zip(*streams, strict=False):
        made += pair
    made += streams[1][len(streams[0]) :]
    repeat = streams[0][5]
    made.insert(30, repeat)
    header, again = streams[0][0][1], streams[0][7][1]
    made.append(("resend", dataclasses.replace(header, recovered=True)))
    made.append(("resend", dataclasses.replace(again, recovered=True)))
    made += [
        ("documents", cycler_event("A", 1.6e9 + 100, 0.05)),
        ("slices", BadInput("slices", "not_json", "a message is not JSON")),
        ("replies", ScanReply("id", "refused", "no beam")),
        ("operator", OperatorRequest("A", "manual", 3.0, why="a step", by="J. D.")),
        ("operator", PolicyChange("B", "off", 3, "J. D.", 4.0)),
        ("operator", OperatorNote("", "Küvette gewechselt \U0001f50b", "J. D.", 0, 5.0)),
        ("operator", Acknowledgement("A", 9999, "", 6.0)),
        ("slices", FeedQuiet(cell="B", run="r", scan=0)),
        ("slices", FeedSilence("slices", "B", "LATE", 10.125, 10.0)),
        ("documents", FeedSilence("documents", "A", "DEAD", 60.5, 60.0)),
        ("slices", FeedQuiet()),
    ]
    return made


def record(tmp_path: Path, made: list[tuple[str, Record]], session: Session | None = None) -> Path:
    recorder = Recorder(settings(tmp_path, "A", "B"))
    for feed, what in made:
        outputs = session.feed(what) if session else ()
        recorder.write(feed, frames_of(what), what, outputs)
    recorder.close()
    assert recorder.status["alarm"] == ""
    return recorder.folder


def test_the_same_records_in_the_same_order(tmp_path: Path) -> None:
    made = two_cells()
    back = list(replay_records(open_experiment(record(tmp_path, made))))
    assert [feed for feed, _ in back] == [feed for feed, _ in made]
    array = made.pop(4)[1], back.pop(4)[1]
    assert array[0].doc["a"].tolist() == array[1].doc["a"].tolist()
    assert all(same(a, b) for (_, a), (_, b) in zip(made, back, strict=True))
    assert [r.recovered for _, r in back if isinstance(r, ScanStart)] == [False, False, True]
    assert sum(r.recovered for _, r in back if isinstance(r, SliceFrame)) == 1
    assert not any(r.data.flags.writeable for _, r in back if isinstance(r, SliceFrame))


def outcome(outputs: list[Any]) -> list[Any]:
    return [
        (o.key, o.summary, o.pits, {n: m.tobytes() for n, m in o.maps.items()}, o.ledger.tobytes())
        if isinstance(o, ScanResult)
        else o
        for o in outputs
    ]


def test_a_session_fed_from_the_recording_says_the_same(tmp_path: Path) -> None:
    made = two_cells()
    bad = Scene().start(0, 1.6e9, "reference", "A", 0)
    not_finite = np.full((NY, NX), np.nan, np.float32)
    made.insert(20, ("slices", SliceFrame("A", 0, bad.stream, 900, 39, not_finite)))
    made.insert(21, ("slices", SliceFrame("A", 9, "who", 1, 3, not_finite)))
    made.insert(22, ("slices", SliceFrame("A", 0, bad.stream, 901, 99, not_finite)))
    first = Session(settings(tmp_path, "A", "B"))
    live = [out for _, what in made for out in first.feed(what)]
    folder = record(tmp_path, made, Session(settings(tmp_path, "A", "B")))
    second = Session(settings(tmp_path, "A", "B"))
    again = [o for _, what in replay_records(open_experiment(folder)) for o in second.feed(what)]
    assert sum(isinstance(o, ScanResult) and not o.provisional for o in live) == 2
    assert outcome(again) == outcome(live)
    assert second.feeds == first.feeds


def four_scans(tmp_path: Path, **experiment: Any) -> Path:
    recorder = Recorder(settings(tmp_path, **experiment))
    for number in range(4):
        write_scan(recorder, Scene(nz=8), number, msg_number=10 * number)
        recorder.write("documents", (), cycler_event("A", 1.6e9 + number, 0.1), ())
    recorder.close()
    return recorder.folder


@pytest.mark.parametrize(
    ("first", "last", "scans", "documents"),
    [
        (None, None, [0, 1, 2, 3], 4),
        (2, None, [0, 2, 3], 4),
        (2, 2, [0, 2], 2),
        (None, 1, [0, 1], 1),
    ],
)
@pytest.mark.slow
def test_from_and_to_keep_the_reference(
    tmp_path: Path, first: int | None, last: int | None, scans: list[int], documents: int
) -> None:
    back = list(replay_records(open_experiment(four_scans(tmp_path)), first, last))
    assert [r.key.scan for _, r in back if isinstance(r, ScanStart)] == scans
    assert sum(isinstance(r, CyclerDocument) for _, r in back) == documents
    slices = [r for f, r in back if f == "slices"]
    numbers = [r.msg_number for r in slices if not isinstance(r, FeedQuiet)]
    assert numbers == list(range(10 * len(scans)))
    quiet = {r.scan for r in slices if isinstance(r, FeedQuiet)}
    assert quiet == set(range(max(scans))) - set(scans), "no scan waits for those"


def test_where_scans_are_left_out_numbers_of_alarms_mean_nothing(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    for number in range(3):
        write_scan(recorder, Scene(nz=8), number, msg_number=10 * number)
    for order in (PolicyChange("A", "off"), Acknowledgement("A", 5), OperatorNote("A", "x")):
        recorder.write("operator", (), order, ())
    recorder.close()

    def orders(first: int | None) -> list[type]:
        records = replay_records(open_experiment(recorder.folder), first)
        return [type(record) for feed, record in records if feed == "operator"]

    assert orders(None) == [PolicyChange, Acknowledgement, OperatorNote]
    assert orders(2) == [PolicyChange, OperatorNote]


def test_what_cannot_be_replayed_says_so(tmp_path: Path) -> None:
    without = open_experiment(four_scans(tmp_path / "without", record_slices=False))
    with pytest.raises(RecordingError, match="record_slices was false"):
        replay_records(without)
    with pytest.raises(RecordingError, match="no scan from 7 to None; it contains 0 to 3"):
        replay_records(open_experiment(four_scans(tmp_path / "with")), 7)


def test_a_journal_that_a_crash_cut_short(tmp_path: Path) -> None:
    folder = four_scans(tmp_path)
    journal = folder / "journal.jsonl"
    whole = len(list(replay_records(open_experiment(folder))))
    journal.write_bytes(journal.read_bytes()[:-20])
    assert len(list(replay_records(open_experiment(folder)))) == whole - 1
    journal.write_bytes(b"{broken\n" + journal.read_bytes())
    with pytest.raises(RecordingError, match="line 1 is damaged"):
        list(replay_records(open_experiment(folder)))
