"""How an engine ends: only an end that was wanted ends the recording, whatever else happens."""

import errno
import json
import os
import signal
import sys
import threading
import time

import pytest

from monitor import processes
from monitor.core.session import Session
from monitor.engine import engine as run
from monitor.engine import start
from monitor.engine.engine import Engine
from monitor.engine.feeds.subscribe import Received
from monitor.engine.recorder import Recorder
from monitor.errors import EngineFailed, PitwatchError, RecordingError
from monitor.processes import Children
from monitor.recording.error_log import MAX_BYTES, ErrorLog
from monitor.recording.folder_lock import LOCK_FILE
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.verify.experiment import verify
from monitor.records import BadInput, Event, RecordingTrouble, ScanReply, ScanStart
from monitor.settings import Settings
from tests.core.experiment import cycler_documents, experiment, scan_records
from tests.core.phantom import cell
from tests.engine.screens import ANY_PORT, Screen
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S, eventually

WHOLE = experiment()
SECOND = next(n for n, r in enumerate(WHOLE) if isinstance(r, ScanStart) and r.key.scan == 1)
MIDDLE = SECOND + 40


class Feed:
    """A source that gives some records, then does what it is to do."""

    def __init__(self, records, then):
        self._records, self._then = list(records), then

    def take(self, timeout_ms):
        if not self._records:
            self._then()
            time.sleep(timeout_ms / 1000.0)
        ready, self._records = self._records, []
        for record in ready:
            yield Received("test", None, record)

    def close(self):
        pass


def raising(error):
    def then():
        raise error

    return then


def by_signal(number):
    return lambda: signal.raise_signal(number)


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """run(records, then) → (folder, what was said); raises what the engine ends with."""
    table = {"experiment": {"name": "trial", "data_dir": str(tmp_path)}, "results": ANY_PORT,
             "requests": {"backend": "none"}, "cells": (cell(),)}  # fmt: skip
    settings = Settings.model_validate(table)
    said = []

    def once(records, then, **changes):
        monkeypatch.setattr(start, "LiveFeeds", lambda *_: Feed(records, then))
        chosen = Settings.model_validate(table | changes) if changes else settings
        start.run_engine(chosen, None, new=False, say=said.append)

    once.said = said
    once.settings = settings
    return once


def numbers(folder):
    scans = open_experiment(folder).cells["A"].scans
    return [(s.number, s.summary()["averaged_um"], s.summary()["charge_mAh"]) for s in scans]


def alarms(folder):
    path = folder / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [(e["kind"], e["data"]["condition"]) for e in lines if e["kind"].startswith("alarm")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(errno.EMFILE, "Too many open files"), BrokenPipeError(),
     ZeroDivisionError("division by zero"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "µ"),
     AssertionError("first line\nsecond \ud800 line")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_an_error_of_our_own_leaves_a_recording_that_is_gone_on_with(engine, tmp_path, error):
    with pytest.raises(EngineFailed) as told:
        engine(WHOLE[:MIDDLE], raising(error))
    folder = tmp_path / "trial"
    assert (folder / LOCK_FILE).exists()
    (line,) = str(told.value).splitlines()
    assert type(error).__name__ in line and str(folder / "errors.log") in line
    log = (folder / "errors.log").read_text("utf-8")
    assert "Traceback" in log and "in then" in log
    assert alarms(folder) == [("alarm", "engine")]
    assert verify(folder).count("error") == 0

    engine(WHOLE[MIDDLE:], by_signal(signal.SIGTERM))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trial"]
    assert not (folder / LOCK_FILE).exists()
    assert alarms(folder) == [("alarm", "engine"), ("alarm_ended", "engine")]
    found = verify(folder)
    assert found.count("error") == found.count("warning") == 0, found.found
    assert [f.path.name for f in found.found if f.severity == "note"] == ["errors.log"]
    session = Session(engine.settings)
    replayed = [o for _, r in replay_records(open_experiment(folder)) for o in session.feed(r)]
    assert [o.data["condition"] for o in replayed if isinstance(o, Event) and "alarm" in o.kind
            and not o.cell] == ["engine", "engine"]  # fmt: skip


@pytest.mark.slow
def test_a_resumed_recording_is_judged_as_it_was_begun_and_that_is_said(engine, tmp_path):
    with pytest.raises(EngineFailed):
        engine(WHOLE[:MIDDLE], raising(MemoryError()))
    assert not any("early_verdict" in text for text in engine.said)
    engine(WHOLE[MIDDLE:], by_signal(signal.SIGTERM), onset={"early_verdict": False})
    assert sum("onset.early_verdict remains true" in text for text in engine.said) == 1
    assert open_experiment(tmp_path / "trial").settings.onset.early_verdict


@pytest.mark.slow
def test_what_is_gone_on_with_ends_as_if_nothing_had_happened(engine, tmp_path, monkeypatch):
    """The error comes in the middle of a scan, out of a message: that one alone is lost."""
    feed, fails = Session.feed, []

    def failing(self, record):
        if record is WHOLE[MIDDLE]:
            fails.append(record)
            raise RuntimeError("boom")
        return feed(self, record)

    monkeypatch.setattr(Session, "feed", failing)
    with pytest.raises(EngineFailed, match="RuntimeError: boom"):
        engine(WHOLE, by_signal(signal.SIGTERM))
    monkeypatch.setattr(Session, "feed", feed)
    assert fails
    engine(WHOLE[MIDDLE:], by_signal(signal.SIGINT))
    broken = numbers(tmp_path / "trial")
    engine(WHOLE, by_signal(signal.SIGTERM))
    assert len(broken) == 3 and numbers(tmp_path / "trial-2") == broken


@pytest.mark.parametrize("number", ["SIGHUP", "SIGUSR1"])
@pytest.mark.slow
def test_a_terminal_that_is_closed_does_not_end_the_recording(engine, tmp_path, number):
    engine(WHOLE[:MIDDLE], by_signal(getattr(signal, number)))
    assert (tmp_path / "trial" / LOCK_FILE).exists()
    engine(WHOLE[MIDDLE:], by_signal(signal.SIGTERM))
    assert [scan for scan, *_ in numbers(tmp_path / "trial")] == [0, 1, 2]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_an_end_that_was_wanted_ends_it(engine, tmp_path, number):
    engine(WHOLE[:SECOND], by_signal(getattr(signal, number)))
    assert not (tmp_path / "trial" / LOCK_FILE).exists()
    engine(WHOLE[:SECOND], by_signal(signal.SIGTERM))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trial", "trial-2"]


def test_a_second_interrupt_leaves_it_to_be_gone_on_with(engine, tmp_path):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        engine(WHOLE[:MIDDLE], twice)
    assert (tmp_path / "trial" / LOCK_FILE).exists()


def test_an_interrupt_while_all_is_closed_leaves_nothing_open(engine, tmp_path, monkeypatch):
    closed = []

    def close(self):
        closed.append("feeds")
        if len(closed) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Feed, "close", close)
    with pytest.raises(KeyboardInterrupt):
        engine(WHOLE[:SECOND], by_signal(signal.SIGINT))
    assert closed == ["feeds", "feeds"]
    assert [scan for scan, *_ in numbers(tmp_path / "trial")] == [0]


def test_what_fails_while_all_is_closed_keeps_nothing_from_being_closed(
    engine, tmp_path, monkeypatch
):
    closed = []
    monkeypatch.setattr(Feed, "close", raising_self(OSError("gone")))
    publisher_close = run.Publisher.close
    monkeypatch.setattr(
        run.Publisher, "close", lambda self: (closed.append(1), publisher_close(self))
    )
    with pytest.raises(OSError, match="gone"):
        engine(WHOLE[:SECOND], by_signal(signal.SIGTERM))
    assert closed == [1]
    assert [scan for scan, *_ in numbers(tmp_path / "trial")] == [0]


def raising_self(error):
    def method(self):
        raise error

    return method


def test_an_engine_that_cannot_begin_leaves_what_broke_off(engine, tmp_path, monkeypatch):
    with pytest.raises(EngineFailed):
        engine(WHOLE[:MIDDLE], raising(RuntimeError()))
    with monkeypatch.context() as broken:
        broken.setattr(run, "Requester", raising_init(ValueError("no such thing")))
        with pytest.raises(ValueError, match="no such thing"):
            engine([], by_signal(signal.SIGTERM))
    assert (tmp_path / "trial" / LOCK_FILE).exists()
    engine(WHOLE[MIDDLE:], by_signal(signal.SIGTERM))
    assert [scan for scan, *_ in numbers(tmp_path / "trial")] == [0, 1, 2]


def raising_init(error):
    def make(*_, **__):
        raise error

    return make


# --- threads ------------------------------------------------------------------------------------


class Bench:
    """An engine in a thread, fed by hand."""

    def __init__(self, folder):
        table = {"experiment": {"name": "trial", "data_dir": str(folder)}, "results": ANY_PORT,
                 "requests": {"backend": "none"}, "cells": (cell(),)}  # fmt: skip
        self.settings = Settings.model_validate(table)
        self.waiting, self.lock = [], threading.Lock()
        self.recorder = Recorder(self.settings, queue_bytes=2**20)
        self.folder = self.recorder.folder
        self.engine = Engine(self.settings, Source(self), recorder=self.recorder)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.engine.run, args=(self.stop,))
        self.thread.start()
        self.screen = Screen(self.engine._publisher)

    def put(self, records):
        with self.lock:
            self.waiting += records

    def until(self, met):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            state = self.screen.ask(type="state")
            if met(state):
                return state
            time.sleep(0.02)
        raise AssertionError(json.dumps(state, indent=1)[-2000:])

    def close(self):
        self.stop.set()
        self.thread.join()
        self.screen.close()
        self.engine.close()


class Source:
    def __init__(self, bench):
        self._bench = bench

    def take(self, timeout_ms):
        with self._bench.lock:
            ready, self._bench.waiting = self._bench.waiting, []
        if not ready:
            time.sleep(timeout_ms / 1000.0)
        yield from (Received("test", None, record) for record in ready)

    def close(self):
        pass


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    if not made.stop.is_set():
        made.close()


def conditions(state):
    return [alarm["condition"] for alarm in state["alarms"] if alarm["ended"] is None]


def finals(state):
    return sum(not scan["provisional"] for scan in state["cells"]["A"]["scans"])


@pytest.mark.parametrize("method", ["_write", "_flush", "_note", "_step"])
@pytest.mark.slow
def test_a_recorder_that_fails_is_an_alarm_and_goes_on(bench, monkeypatch, method):
    """As long as it fails, it loses what it writes; the queue never fills, maps go on."""
    with monkeypatch.context() as broken:
        broken.setattr(Recorder, method, lambda self, *_: 1 // 0)
        bench.put(scan_records(0))
        bench.until(lambda s: "recorder" in conditions(s) and finals(s) == 1)
        state = bench.until(lambda s: not s["recorder"]["queued_bytes"])
        assert "ZeroDivisionError" in state["recorder"]["alarm"]
        (alarm,) = [a for a in state["alarms"] if a["condition"] == "recorder"]
        assert "errors.log" in alarm["text"]
    bench.put(scan_records(1))
    bench.until(lambda s: finals(s) == 2)
    bench.close()
    assert 1 in [scan.number for scan in open_experiment(bench.folder).cells["A"].scans]
    log = (bench.folder / "errors.log").read_text("utf-8")
    assert log.count("ZeroDivisionError") == 1, "the same error stands there once"
    assert not (bench.folder / LOCK_FILE).exists()


def test_one_message_that_cannot_be_written_costs_itself(bench, monkeypatch):
    records = scan_records(0)
    write = Recorder._write

    def failing(self, message):
        if message.record is records[7]:
            raise IndexError("one slice")
        return write(self, message)

    monkeypatch.setattr(Recorder, "_write", failing)
    bench.put(records)
    bench.until(lambda s: finals(s) == 1 and "recorder" in conditions(s))
    bench.close()
    (scan,) = open_experiment(bench.folder).cells["A"].scans
    assert scan.summary()["slices_not_recorded"] == 1 and scan.map("height") is not None
    assert verify(bench.folder).count("error") == 0


def test_an_alarm_of_the_recorder_ends_once_it_is_calm(bench, monkeypatch):
    monkeypatch.setattr("monitor.engine.failures.CALM_S", 0.5)
    with monkeypatch.context() as broken:
        broken.setattr(Recorder, "_write", lambda self, *_: 1 // 0)
        bench.put(cycler_documents(60.0))
        bench.until(lambda s: s["alarms"])
    bench.until(lambda s: s["alarms"][-1]["ended"] is not None)


def test_a_recorder_that_has_ended_ends_the_engine_and_holds_nothing_up(tmp_path, monkeypatch):
    def ending(self):
        raise SystemExit

    settings = Settings.model_validate(
        {"experiment": {"name": "trial", "data_dir": str(tmp_path)}, "cells": (cell(),)}
    )
    with monkeypatch.context() as broken:
        broken.setattr(Recorder, "_step", ending)
        recorder = Recorder(settings, queue_bytes=50_000)
        recorder._thread.join()
    for record in scan_records(0):
        recorder.write("test", (), record, ())
    assert not recorder.drain(1.0)
    with pytest.raises(RecordingError, match="nothing more is recorded"):
        recorder.troubles()
    with pytest.raises(RecordingError, match="has ended"):
        recorder.stored_map("A", 0, "height")
    recorder.close()
    assert (recorder.folder / LOCK_FILE).exists()


def test_a_disk_that_hangs_is_an_alarm_that_ends(bench, monkeypatch):
    monkeypatch.setattr("monitor.engine.disk_troubles.STALLED_S", 0.5)
    write, go_on = Recorder._write, threading.Event()

    def hanging(self, message):
        assert go_on.wait(PATIENCE_S)
        return write(self, message)

    monkeypatch.setattr(Recorder, "_write", hanging)
    bench.put(cycler_documents(60.0))
    state = bench.until(lambda s: "stalled" in conditions(s))
    assert "has stopped" in state["alarms"][-1]["text"]
    go_on.set()
    bench.until(lambda s: s["alarms"][-1]["ended"] is not None)


@pytest.mark.parametrize("method", ["_publish", "_answer"])
def test_a_screen_is_served_again_after_an_error(bench, monkeypatch, method):
    with monkeypatch.context() as broken:
        broken.setattr(run.Publisher, method, lambda self: 1 // 0)
        bench.screen.dealer.send_json({"type": "state"})
        eventually((bench.folder / "errors.log").exists)
    assert bench.screen.dealer.poll(PATIENCE_MS)
    bench.screen.dealer.recv_multipart()
    bench.until(lambda s: "serving" in [alarm["condition"] for alarm in s["alarms"]])


# --- what is told --------------------------------------------------------------------------------


def test_the_log_of_errors_is_bounded(tmp_path):
    log = ErrorLog(tmp_path)
    for number in range(400):
        try:
            raise ValueError(f"{number} " + "µ" * 5000)
        except ValueError as error:
            assert log.write("test", error)
            assert log.write("test", error)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"errors.log", "errors.log.1"}
    assert max(sizes.values()) <= MAX_BYTES
    assert not ErrorLog(tmp_path / "nowhere").write("test", ValueError())


def test_an_error_without_words_is_told(tmp_path, monkeypatch):
    """A bare OSError has neither a cause nor a text."""
    settings = Settings.model_validate({"experiment": {"name": "x", "data_dir": str(tmp_path)}})
    recorder = Recorder(settings)
    recorder._note([OSError()])
    assert "fails (OSError)" in recorder.status["alarm"]
    recorder.close()


@pytest.mark.parametrize(
    "record",
    [BadInput("slices", "odd", "half of \ud83d"), ScanReply("x", "refused", "\udcff"),
     RecordingTrouble(True, 0, "recording to /data/caf\udce9 fails")],
    ids=lambda record: type(record).__name__,
)  # fmt: skip
def test_text_that_no_utf8_says_is_replayed(bench, record):
    bench.put([record, *scan_records(0)])
    bench.until(lambda s: finals(s) == 1)
    bench.close()
    lines = (bench.folder / "events.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    session = Session(bench.settings)
    outputs = [o for _, r in replay_records(open_experiment(bench.folder)) for o in session.feed(r)]
    replayed = [o.data for o in outputs if isinstance(o, Event) and not o.cell]
    assert [event["data"] for event in told] == replayed


def test_children_are_stopped_as_they_are_to_be(tmp_path, monkeypatch):
    """`monitor` whose screen failed must not end the recording."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys; from monitor.processes import stop_on_signal\n"
        "with stop_on_signal() as stop:\n"
        "    print('up', flush=True); stop.wait(); sys.exit(5 if stop.leaves_broken else 4)\n"
    )
    monkeypatch.setattr(processes, "command", lambda *_: [sys.executable, str(program)])
    for wanted, code in ((True, 4), (False, 5)):
        children = Children()
        reading, writing = os.pipe()
        before = os.dup(1)
        os.dup2(writing, 1)
        try:
            children.start("engine", [])
        finally:
            os.dup2(before, 1)
        assert os.read(reading, 2) == b"up"
        assert children.stop("engine", wanted=wanted) == code
        for descriptor in (reading, writing, before):
            os.close(descriptor)


def test_a_recording_whose_going_on_fails_stays(engine, tmp_path, monkeypatch):
    with pytest.raises(EngineFailed):
        engine(WHOLE[:MIDDLE], raising(RuntimeError()))
    journal = tmp_path / "trial" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b'"n":3,', b'"n":3;', 1))
    with pytest.raises(PitwatchError, match="line 4 is damaged"):
        engine([], by_signal(signal.SIGTERM))
    assert (tmp_path / "trial" / LOCK_FILE).exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trial"]
