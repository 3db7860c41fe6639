"""A whole engine, fed by hand, with its recorder and a screen: orders, trends, going on."""

import errno
import json
import shutil
import threading
import time
from dataclasses import asdict

import event_model
import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine import engine as run
from monitor.engine.engine import Engine
from monitor.engine.feeds.subscribe import Received
from monitor.engine.recorder import Recorder
from monitor.errors import PitwatchError
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import interrupted
from monitor.recording.write import disk_space
from monitor.records import CyclerDocument, Event, OperatorNote, ScanStart
from monitor.report.policies import backtest
from monitor.settings import Settings
from tests.core.experiment import SHAPE, cycler_documents, experiment, scan_records
from tests.core.phantom import cell
from tests.engine.screens import ANY_PORT, Screen


class Feed:
    """A source that gives what was put into it."""

    def __init__(self):
        self._messages = []
        self._lock = threading.Lock()

    def put(self, records):
        with self._lock:
            self._messages += records

    def take(self, timeout_ms):
        with self._lock:
            ready, self._messages = self._messages, []
        if not ready:
            time.sleep(timeout_ms / 1000.0)
        yield from (Received("test", None, record) for record in ready)

    def close(self):
        pass


class Bench:
    """One engine in a thread of its own, and a screen."""

    def __init__(self, folder, *, mode="live", going_on=False, **sections):
        table = {"experiment": {"name": "trial", "data_dir": str(folder)}, "results": ANY_PORT,
                 "requests": {"backend": "none"}, "cells": (cell(capacity_mAh=2.0),)}  # fmt: skip
        self.settings = Settings.model_validate(table | sections)
        found = interrupted(self.settings, folder)[0] if going_on else None
        self.feed = Feed()
        self.recorder = Recorder(self.settings, go_on=found.path if found else None)
        self.folder = self.recorder.folder
        self.engine = Engine(self.settings, self.feed, mode=mode, recorder=self.recorder)
        self._stop = threading.Event()
        if found is not None:
            self.engine.go_on(replay_records(found), self._stop)
        self._thread = threading.Thread(target=self.engine.run, args=(self._stop,))
        self._thread.start()
        self.screen = Screen(self.engine._publisher)

    def state(self):
        return self.screen.ask(type="state")

    def until(self, met):
        """The first state that is as wanted."""
        end = time.monotonic() + 180
        while time.monotonic() < end:
            state = self.state()
            if met(state):
                return state
            time.sleep(0.02)
        raise AssertionError(json.dumps(state, indent=1)[-2000:])

    def scans(self, count):
        return self.until(lambda s: finals(s) == count)

    def events(self):
        lines = (self.folder / "A" / "events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def close(self):
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self.screen.close()
        self.engine.close()


def finals(state):
    return sum(not scan["provisional"] for scan in state["cells"]["A"]["scans"])


@pytest.fixture
def engine(tmp_path):
    """make(folder, …) → Bench; all are closed at the end."""
    made = []

    def make(folder=tmp_path, **options):
        made.append(Bench(folder, **options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def begin_of(scan):
    """Index in `experiment()` of the first message of a scan."""
    return [r.key.scan if isinstance(r, ScanStart) else None for r in experiment()].index(scan)


def test_trends_against_charge_agree_with_the_scans(engine):
    """The columns and the summaries come by two ways out of one history."""
    bench = engine()
    bench.feed.put(experiment())
    state = bench.scans(3)
    columns = bench.screen.ask(type="cycler", cell="A", max_points=4000)["columns"]
    documents = [d for d in cycler_documents(3660.0) if d.name == "event"][:61]
    assert columns["time"] == [d.doc["time"] for d in documents], "none is left out"
    assert set(columns["cycle"]) == set(columns["step"]) == {None}
    known = {d.doc["time"]: -d.doc["data"]["vmp_charge"] for d in documents}
    for scan in state["cells"]["A"]["scans"]:
        middle = 0.5 * (scan["start_time"] + scan["stop_time"])
        for name in ("charge_mAh_cm2", "soc"):
            here = np.interp(middle, columns["time"], columns[name])
            assert here == pytest.approx(scan[name], abs=1e-9)
    charge = [(known[t] - known[0.0]) / 0.2 for t in columns["time"]]
    assert columns["charge_mAh_cm2"] == pytest.approx(charge)
    assert columns["soc"] == pytest.approx([1 - known[t] / 2.0 for t in columns["time"]])


def test_a_page_of_readings_is_a_trend_of_all_of_them(engine):
    """With cycle and step, and no charge since a reference that has not come."""
    bench = engine(cells=(cell(),))
    composed = event_model.compose_run(metadata={"cell": "A"}, uid="r", time=0.0)
    names = ("vmp_current", "vmp_cycle", "vmp_step")
    keys = {name: {"dtype": "number", "shape": [], "source": "vmp"} for name in names}
    stream = composed.compose_descriptor(name="primary", data_keys=keys, uid="d", time=0.0)
    times = [60.0 * n for n in range(500)]
    page = {
        "descriptor": "d", "uid": [str(n) for n in range(500)], "time": times, "seq_num": times,
        "data": {"vmp_current": [-1.0] * 500, "vmp_cycle": [1.0] * 500,
                 "vmp_step": [float(n // 250) for n in range(500)]},
        "timestamps": dict.fromkeys(names, times), "filled": {},
    }  # fmt: skip
    bench.feed.put(
        [
            CyclerDocument("start", composed.start_doc),
            CyclerDocument("descriptor", stream.descriptor_doc),
            CyclerDocument("event_page", page),
        ]
    )
    state = bench.until(lambda s: s["cells"]["A"]["cycler_points"] == 500)
    assert state["cells"]["A"]["cycler"]["step"] == 1.0
    columns = bench.screen.ask(type="cycler", cell="A", max_points=1000)["columns"]
    assert columns["step"] == page["data"]["vmp_step"] and set(columns["cycle"]) == {1.0}
    assert set(columns["charge_mAh_cm2"]) == set(columns["soc"]) == {None}


def test_orders_take_effect_and_are_recorded(engine):
    bench = engine(onset={"cooldown_s": 0.0})
    messages, second = experiment(), begin_of(1)
    bench.feed.put(messages[:second])
    bench.scans(1)
    off = bench.screen.ask(type="policy", cell="A", mode="off", max_scans=7, by="J. D.")
    note = bench.screen.ask(type="note", cell="A", text="no beam until noon", scan=0)
    assert off["status"] == note["status"] == "sent"
    state = bench.until(lambda s: s["cells"]["A"]["policy"]["mode"] == "off")
    assert state["cells"]["A"]["policy"]["max_scans"] == 7
    bench.feed.put(messages[second:])
    bench.scans(3)
    bench.screen.ask(type="policy", cell="A", mode="auto")
    bench.until(lambda s: s["cells"]["A"]["policy"]["mode"] == "auto")
    reply = bench.screen.ask(type="events", cell="A", kinds=["note", "policy_changed", "decision"])
    told = [(e["type"], e.get("mode")) for e in reply["events"]]
    assert told == [
        ("decision", "auto"), ("policy_changed", "off"), ("note", None), ("decision", "off"),
        ("decision", "off"), ("policy_changed", "auto"),
    ]  # fmt: skip
    bench.close()
    kinds = [e["kind"] for e in bench.events() if e["kind"] in ("note", "policy_changed")]
    assert kinds == ["policy_changed", "note", "policy_changed"]
    ((live,),) = backtest([bench.folder], [], as_json=True).values()
    assert live["reproduced"] == {"same": 3, "of": 3} and live["fired"] == []


def test_what_was_ordered_holds_for_the_engine_that_goes_on(engine, tmp_path):
    first = engine(tmp_path / "first")
    messages, third = experiment(), begin_of(2)
    holes = scan_records(0, order=[z for z in range(96) if z != 40])
    first.feed.put([*messages[:3], *holes, *messages[begin_of(1) : third]])
    state = first.until(lambda s: finals(s) == 2 and s["cells"]["A"]["alarms"])
    (alarm, *_) = state["cells"]["A"]["alarms"]
    first.screen.ask(type="note", cell="", text="shutter open")
    seen = first.screen.ask(type="acknowledge", cell="A", number=alarm["number"])
    assert seen["status"] == "sent"
    first.screen.ask(type="policy", cell="A", mode="suggest", max_scans=3)
    before = first.until(lambda s: s["cells"]["A"]["policy"]["mode"] == "suggest")
    asked = {"type": "cycler", "cell": "A", "max_points": 10_000}
    columns = first.screen.ask(**asked)["columns"]
    while first.recorder.status["queued_bytes"]:
        time.sleep(0.01)
    (tmp_path / "second").mkdir()
    shutil.copytree(first.folder, tmp_path / "second" / "trial")

    second = engine(tmp_path / "second", going_on=True)
    assert second.folder == tmp_path / "second" / "trial"
    after = second.until(lambda s: finals(s) == 2)
    for key in ("policy", "alarms", "cycler_points", "requests"):
        assert after["cells"]["A"][key] == before["cells"]["A"][key], key
    assert alarm["number"] not in [a["number"] for a in after["cells"]["A"]["alarms"]]
    assert second.screen.ask(**asked)["columns"] == columns
    every = {"type": "events", "limit": 1000}

    def told(bench):
        events = bench.screen.ask(**every)["events"]
        return [{k: v for k, v in e.items() if k != "version"} for e in events]

    assert told(second) == told(first)
    second.feed.put(messages[third:])
    second.scans(3)
    decisions = second.screen.ask(**every, kinds=["decision"])["events"]
    assert (decisions[-1]["mode"], decisions[-1]["max_scans"]) == ("suggest", 3)


@pytest.mark.slow
def test_silence_is_an_alarm_that_ends_is_recorded_and_holds_for_the_engine_that_goes_on(
    engine, tmp_path
):
    watch = {"late_s": 2.0, "dead_s": 3.0, "cycler_s": 600.0}  # slices go to the disk each second
    first = engine(tmp_path / "first", watch=watch)
    messages = experiment()
    middle = begin_of(1) + 40
    first.feed.put(messages[:middle])

    def conditions(state):
        return state["cells"]["A"]["watch"]["conditions"]

    assert conditions(first.scans(1)) == []
    state = first.until(lambda s: conditions(s) == ["slices_dead"])
    late, dead = state["cells"]["A"]["alarms"]
    assert (late["condition"], dead["condition"]) == ("slices_late", "slices_dead")
    assert late["ended"] is not None and dead["ended"] is None
    assert state["settings"]["watch"] == {**watch, "due_grace": 0.1}
    first.until(lambda _: first.events()[-1]["data"].get("condition") == "slices_dead")
    (tmp_path / "second").mkdir()
    shutil.copytree(first.folder, tmp_path / "second" / "trial")

    second = engine(tmp_path / "second", going_on=True, watch=watch)
    second.until(lambda s: conditions(s) == ["slices_dead"])
    second.feed.put(messages[middle:])
    state = second.scans(3)
    assert conditions(state) == []
    assert [a["ended"] is not None for a in state["cells"]["A"]["alarms"][:2]] == [True, True]
    second.close()
    told = [
        (e["kind"], e["data"]["condition"]) for e in second.events() if "condition" in e["data"]
    ]
    assert told == [
        ("alarm", "slices_late"), ("alarm_ended", "slices_late"),
        ("alarm", "slices_dead"), ("alarm_ended", "slices_dead"),
    ]  # fmt: skip
    again = Session(second.settings)
    records = replay_records(open_experiment(second.folder))
    outputs = [out for _, record in records for out in again.feed(record)]
    replayed = [json.loads(json.dumps(asdict(o))) for o in outputs if isinstance(o, Event)]
    recorded = {e["number"]: {k: e[k] for k in replayed[0]} for e in second.events()}
    assert [e for e in replayed if e["number"] in recorded] == list(recorded.values())


def test_a_replay_takes_no_orders_and_shows_those_that_were_given(engine, tmp_path):
    bench = engine(mode="replay")
    bench.feed.put([*experiment(2), OperatorNote("A", "as it was", "J. D.", 1, 1800.0)])
    bench.scans(2)
    reply = bench.screen.ask(type="note", cell="A", text="x")
    assert reply["why"] == "This is a replay: nothing can be requested"
    bench.until(lambda s: s["events"][-1]["type"] == "note")


def test_orders_that_nobody_takes_do_not_pile_up(engine, monkeypatch):
    bench = engine()
    monkeypatch.setattr(run, "MAX_ORDERS", 3)
    taken = []
    bench.engine._orders.clear()
    monkeypatch.setattr(bench.engine, "_reported", lambda requester: taken.append(1) or ())
    replies = [bench.screen.ask(type="note", cell="A", text=str(n)) for n in range(5)]
    assert [reply["status"] for reply in replies].count("refused") >= 1
    assert "try again" in replies[-1]["why"]
    with pytest.raises(PitwatchError):
        bench.engine._take_order(OperatorNote("A", "x"))


def test_a_disk_that_refuses_is_an_alarm_that_ends_and_is_replayed(engine, monkeypatch):
    """In `recording/test_full_disk.py` the disk is a real one."""
    full = []

    def need(folder, size=0, *, leave=0):
        if full and leave != disk_space.LAST_BYTES:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk_space, "need", need)
    bench = engine()
    full.append(True)
    bench.feed.put(scan_records(0))
    state = bench.until(lambda s: finals(s) == 1 and s["alarms"])
    bench.until(lambda s: s["recorder"]["failing"] and not s["recorder"]["queued_bytes"])
    (alarm,) = state["alarms"]
    assert "No space left on device" in alarm["text"] and alarm["condition"] == "recording"
    full.clear()
    state = bench.until(lambda s: not s["recorder"]["failing"] and s["alarms"][0]["ended"])
    bench.close()
    experiment = open_experiment(bench.folder)
    (scan,) = experiment.cells["A"].scans
    assert scan.summary()["slices_not_recorded"] == SHAPE[0]
    told = [json.loads(line) for line in (bench.folder / "events.jsonl").read_text().splitlines()]
    begun, ended = (event for event in told if event["kind"].startswith("alarm"))
    assert (begun["kind"], ended["kind"]) == ("alarm", "alarm_ended")
    assert ended["data"]["alarm"] == begun["number"] == alarm["number"]
    assert ended["data"]["slices_not_recorded"] == SHAPE[0]
    session = Session(bench.settings)
    again = [o for _, r in replay_records(experiment) for o in session.feed(r)]
    assert [o.number for o in again if isinstance(o, Event) and o.kind == "alarm_ended"]
