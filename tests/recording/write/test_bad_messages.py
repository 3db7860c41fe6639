"""Bad messages, however many and small, take little room; in a replay they count the same."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.errors import BadMessage, RecordingError
from monitor.recording.journal import record_of
from monitor.recording.read.experiment import Experiment, open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.verify.experiment import verify
from monitor.recording.write import bad_messages
from monitor.records import BadInput, Output, Record
from monitor.wire import documents
from monitor.wire.slices import codec
from tests.core.experiment import experiment, settings

MANY = 3000


def of_slices(number: int) -> BadInput:
    try:
        codec.decode([b"%d" % (number % 10)])
    except BadMessage as error:
        return BadInput("slices", error.kind, str(error))
    raise AssertionError


def of_documents(number: int) -> BadInput:
    try:
        documents.decode(b"%d" % (number % 10))
    except BadMessage as error:
        return BadInput("documents", error.kind, str(error))
    raise AssertionError


def one_byte(number: int) -> BadInput:
    return of_slices(number) if number % 3 else of_documents(number)


def between_slices() -> list[Record]:
    """Ten after each message of an experiment; of a kind too that the session refuses itself."""
    other = [replace(r, cell="Z") for r in experiment(1) if hasattr(r, "frame")]
    found: list[Record] = []
    for number, (good, bad) in enumerate(zip(experiment(1), other * 2, strict=False)):
        found += [good, *map(one_byte, range(number, number + 9))]
        found += [bad, BadInput("slices", "unknown_scan", f"from the wire {number}")]
    return found


FLOODS = {
    "slices": lambda: [of_slices(n) for n in range(MANY)],
    "both feeds": lambda: [one_byte(n) for n in range(MANY)],
    "with requests": lambda: [BadInput("requests", "bad_reply", f"{n}") for n in range(MANY)],
    "of an operator": lambda: [BadInput("operator", "no_alarm", f"{n}") for n in range(MANY)],
    "between slices": between_slices,
}


def bad(session: Session) -> dict[str, object]:
    return {feed: counts["bad"] for feed, counts in session.feeds.items()}


def record(folder: Path, records: list[Record]) -> tuple[Recorder, Session, list[Output]]:
    chosen = settings(experiment={"name": "trial", "data_dir": str(folder)})
    session, recorder = Session(chosen), Recorder(chosen)
    made: list[Output] = []
    for one in records:
        outputs = session.feed(one)
        recorder.write("test", (), one, outputs)
        made += outputs
    return recorder, session, made


def replayed(experiment: Experiment) -> tuple[Session, list[Output]]:
    session = Session(experiment.settings)
    made: list[Output] = []
    for _, one in replay_records(experiment):
        made += session.feed(one)
    return session, made


def events(outputs: list[Output]) -> list[Output]:
    return [output for output in outputs if type(output).__name__ == "Event"]


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.slow
def test_they_are_summed_up_and_replayed_they_are_the_same(flood: str, tmp_path: Path) -> None:
    records = FLOODS[flood]()
    recorder, session, made = record(tmp_path, records)
    recorder.close()
    found = lines(recorder.folder)
    count = sum(isinstance(one, BadInput) for one in records)
    written = [line["bad"] for line in found if "bad" in line]
    assert sum(line["count"] for line in written) == count >= 900
    assert len(written) < 100
    first = {}
    for one in records:
        if isinstance(one, BadInput):
            first.setdefault((one.feed, one.kind), one.text)
    for line in written:
        assert first.pop((line["feed"], line["kind"]), line["text"]) == line["text"]
    assert not first, "the first of each kind is whole"
    assert [line["n"] for line in found] == list(range(len(found)))

    again, made_again = replayed(open_experiment(recorder.folder))
    assert bad(again) == bad(session)
    assert events(made_again) == events(made), "the same, in the same order"
    assert verify(recorder.folder).count("error") == 0
    assert (recorder.folder / "journal.jsonl").stat().st_size < 500 * len(found)


def test_what_waits_is_on_the_disk_before_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an engine that is killed: what it had counted until then, but for the last seconds."""
    monkeypatch.setattr(bad_messages, "LONGEST_WAIT_S", 0.0)
    recorder, session, made = record(tmp_path, [one_byte(n) for n in range(50)])
    assert recorder.drain()
    copy = shutil.copytree(recorder.folder, tmp_path / "killed" / "trial")
    recorder.close()
    again, made_again = replayed(open_experiment(copy))
    assert bad(again) == bad(session) and events(made_again) == events(made)

    resumed = Recorder(open_experiment(copy).settings, go_on=copy)
    for name, one in replay_records(open_experiment(copy)):
        resumed.write_again(name, one, ())
    resumed.written_again()
    for one in [one_byte(n) for n in range(50, 90)]:
        outputs = again.feed(one)
        resumed.write("test", (), one, outputs)
    resumed.close()
    last, _ = replayed(open_experiment(copy))
    assert bad(last) == bad(again)
    assert sum(sum(counts.values()) for counts in bad(last).values()) == 90
    assert verify(copy).count("error") == 0


def test_a_disk_that_refuses_costs_no_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, session, _ = record(tmp_path, [])
    journal = recorder._writer._journal
    right, refused = journal.append, iter([True])

    def full(entry: object) -> None:
        if next(refused, False):
            raise OSError(28, "No space left on device")
        right(entry)

    for one in [one_byte(n) for n in range(4)]:  # the 1st of each kind is on the disk
        recorder.write("test", (), one, session.feed(one))
    assert recorder.drain()
    monkeypatch.setattr(bad_messages, "LONGEST_WAIT_S", 0.0)
    monkeypatch.setattr(journal, "append", full)
    one = BadInput("slices", of_slices(0).kind, "x")
    recorder.write("test", (), one, ())
    assert recorder.drain()
    recorder.close()
    assert recorder.status["failures"] == 1
    written = [line["bad"] for line in lines(recorder.folder) if "bad" in line]
    assert sum(line["count"] for line in written) == 5


def test_lines_of_older_recordings_count_one() -> None:
    old = {"feed": "slices", "kind": "not_json", "text": "a message is not JSON"}
    assert record_of({"n": 0, "bad": old}) == BadInput("slices", "not_json", old["text"], 1)
    assert record_of({"n": 0, "bad": {**old, "count": 7}}).count == 7


@pytest.mark.parametrize("count", [0, -1, 2**33, 10**300, 1.5, "2", None, True])
def test_a_count_that_is_none_is_refused(count: object) -> None:
    line = {"feed": "slices", "kind": "not_json", "text": "x", "count": count}
    with pytest.raises((RecordingError, ValueError)):
        record_of({"n": 0, "bad": line})
