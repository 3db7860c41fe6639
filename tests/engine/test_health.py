"""States of feeds and cells, decided by the engine: situations, and what a reply says."""

import time
from types import SimpleNamespace

import pytest

from monitor.engine import health
from monitor.engine.feeds.silence import Silences
from monitor.engine.health import Heard, Silence
from monitor.engine.serving.engine_state import EngineState
from monitor.records import Event, ScanRequest
from monitor.settings import WatchSettings
from tests.engine.screens import FEEDS, update
from tests.gui.synthetic import T0, Cell
from tests.helpers.waiting import eventually

RUNNING = {"scan": 7, "received": 120, "slices": 250, "start_time": 0.0, "reason": "periodic"}
NOW = 1000.0


def cell(slices=None, cycler=None, *, overdue=("LIVE", 0.0), running=None, scans=True, ended=()):
    """Health of a cell; `slices`, `cycler`: (age in s, state) of the last message, or None."""
    parts = {
        (feed, "A"): Heard(NOW - told[0], told[1])
        for feed, told in (("slices", slices), ("documents", cycler))
        if told is not None
    }
    silence = Silence(parts, {"A": overdue}, frozenset(ended))
    return health.live(
        "A", silence, NOW, running=running, has_scans=scans, has_readings=cycler is not None
    )


SITUATIONS = {
    "receiving": (cell((2, "LIVE"), running=RUNNING), "LIVE", 2.0, "slices of scan 7"),
    "just begun": (cell(running=RUNNING), "LIVE", None, "scan 7"),
    "silent": (cell((30, "LATE"), running=RUNNING), "LATE", 30.0, "scan 7"),
    "long silent": (cell((90, "DEAD"), running=RUNNING), "DEAD", 90.0, "scan 7"),
    "between scans": (cell((500, "LIVE"), (1, "LIVE")), "IDLE", 500.0, "none is overdue"),
    "overdue": (cell((1992, "LIVE"), (1, "LIVE"), overdue=("LATE", 192.0)), "LATE", 1992.0, "over"),
    "left out": (cell((3700, "LIVE"), (1, "LIVE"), overdue=("DEAD", 1900.0)), "DEAD", 3700, "over"),
    "cycler dead": (cell((500, "LIVE"), (300, "DEAD")), "DEAD", 300.0, "no reading"),
    "both": (cell((70, "DEAD"), (300, "DEAD"), running=RUNNING), "DEAD", 70.0, "scan 7"),
    "cycler worse": (cell((30, "LATE"), (99, "DEAD"), running=RUNNING), "DEAD", 99.0, "no reading"),
    "run ended": (cell((500, "LIVE"), (300, "IDLE"), ended=["A"]), "IDLE", 500.0, "has ended"),
    "ended before its first scan": (
        cell(None, (9, "IDLE"), scans=False, ended=["A"]),
        "IDLE",
        None,
        "has ended",
    ),
    "ended in a scan": (
        cell((2, "LIVE"), (9, "IDLE"), running=RUNNING, ended=["A"]),
        "LIVE",
        2.0,
        "slices of scan 7",
    ),
    "ended in a scan that is silent": (
        cell((90, "DEAD"), (9, "IDLE"), running=RUNNING, ended=["A"]),
        "DEAD",
        90.0,
        "scan 7",
    ),
    "readings only": (cell(None, (1, "LIVE"), scans=False), "IDLE", None, "first scan"),
    "nothing yet": (cell(scans=False), "IDLE", None, "waiting for the first scan"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_cell_is_as_its_slices_unless_its_cycler_is_worse(name):
    told, state, age, why = SITUATIONS[name]
    assert (told.whole.state, told.whole.age_s) == (state, age)
    assert why in told.whole.why


@pytest.mark.parametrize("condition", sorted(health.WRONG_READINGS))
def test_readings_that_cannot_be_used_are_not_called_live(condition):
    told = health.live(
        "A",
        Silence({("documents", "A"): Heard(NOW - 1.0)}),
        NOW,
        running=None,
        has_scans=True,
        has_readings=True,
        conditions=["noise", condition],
    )
    assert (told.cycler.state, told.whole.state) == ("LATE", "LATE")
    assert told.whole.why == health.WRONG_READINGS[condition]
    # silence is worse, and says more
    dead = Silence({("documents", "A"): Heard(NOW - 99.0, "DEAD")})
    told = health.live(
        "A", dead, NOW, running=None, has_scans=True, has_readings=True, conditions=[condition]
    )
    assert told.cycler.state == "DEAD"


def test_documents_without_readings_are_not_called_live():
    quiet = cell(scans=False).cycler
    told = health.without_readings(quiet, {"unknown_run": 10}, 0)
    assert told.state == "LATE" and "10 × unknown_run" in told.why
    assert health.without_readings(quiet, {"unknown_run": 10}, 50) == quiet
    assert health.without_readings(quiet, {}, 0) == quiet


def test_a_feed_is_as_its_most_urgent_cell_and_names_it():
    well, late = (
        cell((1, "LIVE"), running=RUNNING).slices,
        cell((30, "LATE"), running=RUNNING).slices,
    )
    longer = cell((45, "LATE"), running=RUNNING).slices
    both = health.feed([("A", well), ("B", late), ("C", longer)])
    assert (both.state, both.age_s) == ("LATE", 45.0)
    assert both.why.startswith("cell C: ")
    idle = cell((500, "LIVE")).slices
    assert health.feed([("A", idle), ("B", well)]).state == "LIVE"
    assert health.feed([("A", idle), ("B", cell((90, "LIVE")).slices)]).age_s == 90.0
    assert health.feed([("A", late)]).why == late.why
    assert health.feed([]).state == "IDLE"


@pytest.mark.parametrize("mode", ["replay", "recording"])
def test_nothing_out_of_a_recording_is_late_or_has_an_age(mode):
    for ended in (False, True):
        told = health.recorded(mode, ended=ended, last_time=T0)
        assert (told.state, told.age_s) == ("REPLAY", None)
    assert "ended" in health.recorded("replay", ended=True).why
    assert "2025-10-09" in health.recorded("recording", ended=True, last_time=T0).why


def test_a_cyclers_run_that_has_ended_is_not_waited_for():
    silences = Silences(WatchSettings(cycler_s=30.0))
    silences.heard("documents", "A", 0.0)
    told = [silences.look((), 0.25 * tick, {}, ["A"]) for tick in range(800)]
    assert not any(told)
    assert silences.state.ended == {"A"}
    changes = [c.state for tick in range(200) for c in silences.look((), 200.0 + 0.25 * tick)]
    assert changes == ["DEAD"], "a new run is"
    changes = [c.state for c in silences.look((), 250.0, {}, ["A"])]
    assert changes == ["IDLE"], "and ends again"


def test_states_are_followed_where_no_alarm_is_wanted():
    silences = Silences(WatchSettings(enabled=False))
    silences.heard("slices", "A", 0.0)
    for tick in range(50):
        assert silences.look(("A",), 0.25 * tick) == []
    assert silences.state.parts["slices", "A"].state == "LATE"


# --- what a reply says ---


def heard(slices_age, state, clock):
    return Silence({("slices", "A"): Heard(clock[0] - slices_age, state)})


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock of the state, set by hand; that of the serving thread runs."""
    now = [5000.0]
    by_hand = SimpleNamespace(monotonic=lambda: now[0], time=time.time)
    monkeypatch.setattr("monitor.engine.serving.state.time", by_hand)
    return now


def test_ages_are_counted_when_a_reply_is_made_not_when_a_screen_connects(bench, clock):
    publisher, screen = bench()
    publisher.update((), EngineState(FEEDS, {"A": RUNNING}, silence=heard(3.0, "DEAD", clock)))
    first = screen.ask(type="state")
    clock[0] += 300.0
    moving = screen.ask(type="state", since=first["version"], engine=first["engine"])
    whole = screen.ask(type="state")
    assert moving["unchanged"] is True
    for told in (moving, whole):
        assert told["health"]["cells"]["A"]["age_s"] == pytest.approx(303.0)
        assert told["health"]["slices"]["age_s"] == pytest.approx(303.0)
        assert told["health"]["slices"]["state"] == "DEAD"

    def beats_dead():
        """Those of before the update may be on their way."""
        health = screen.status("heartbeat")[-1]["health"]
        return health if health["cells"]["A"]["state"] == "DEAD" else None

    assert eventually(beats_dead)["documents"]["state"] == "IDLE"


def test_a_replay_that_has_ended_is_told_at_once(bench):
    publisher, screen = bench(mode="replay")
    update(publisher)
    before = screen.ask(type="state")
    assert before["experiment"]["ended"] is False
    publisher.update((), EngineState(feeds=FEEDS, ended=True))
    after = screen.ask(type="state", since=before["version"], engine=before["engine"])
    assert after["experiment"]["ended"] is True, "though nothing else has changed"
    assert after["health"]["cells"]["A"]["ended"] is True


def test_a_request_without_an_answer_was_not_received(bench, clock):
    publisher, screen = bench()
    evidence = {"asked_by": "operator", "by": "Anna", "why": "edge looks odd"}
    update(publisher, ScanRequest("r1", "A", "manual", 1, evidence))

    def told():
        return screen.ask(type="state")["cells"]["A"]

    assert told()["unanswered"] == [{"id": "r1", "age_s": 0.0, "received": None}]
    clock[0] += 25.0
    assert told()["unanswered"] == [{"id": "r1", "age_s": 25.0, "received": False}]
    (request,) = told()["requests"]
    assert (request["by"], request["words"]) == ("Anna", "edge looks odd")
    update(publisher, Event(1, "scan_reply", "A", T0, {"id": "r1", "status": "accepted"}))
    assert told()["unanswered"] == []


def test_the_scan_that_answers_is_an_answer(bench, clock):
    publisher, screen = bench()
    update(publisher, ScanRequest("r1", "A", "pit_onset", 1, {"pits": 2}))
    update(publisher, Cell().result(2, reason="extra", request="r1"))
    clock[0] += 25.0
    assert screen.ask(type="state")["cells"]["A"]["unanswered"] == []


def test_the_state_says_what_closure_was_judged_and_computed_by(bench):
    cells = [{"name": "A", "clock_offset_s": -2.5}]
    _, screen = bench({"cells": cells, "watch": {"closure_band": [0.7, 1.3]}})
    state = screen.ask(type="state")
    assert state["settings"]["closure_band"] == [0.7, 1.3]
    assert state["cells"]["A"]["clock_offset_s"] == -2.5


def test_before_any_scan_the_first_is_waited_for(bench):
    publisher, screen = bench()
    update(publisher)
    assert "first scan" in screen.ask(type="state")["health"]["cells"]["A"]["why"]
    update(publisher, Cell().result(0))
    assert "none is overdue" in screen.ask(type="state")["health"]["cells"]["A"]["why"]


@pytest.mark.parametrize("state", ["preliminary", "extrapolated", "none", "final", None])
def test_a_row_of_the_table_says_whether_its_charge_is_final(bench, state):
    publisher, screen = bench()
    result = Cell().result(2)
    result.summary.update({} if state is None else {"charge_state": state})
    update(publisher, Cell().result(0), result)
    (row,) = screen.ask(type="state")["cells"]["A"]["table"]
    assert row.get("charge_state") == (None if state in (None, "final") else state)
