"""Whether a feed or a cell lives: a table of situations."""

import pytest

from monitor.gui import feeds
from monitor.gui.model import Snapshot

RUNNING = {"scan": 7, "received": 120, "slices": 250, "start_time": 0.0, "reason": "periodic"}
SCAN = {"scan": 6, "provisional": False}


def cell(*, left=None, running=None, scans=(SCAN,), cycler=True):
    """A cell whose next scan is due in `left` seconds of its own time."""
    due = None if left is None else 1000.0 + left
    reading = {"time": 1000.0} if cycler else None
    return {"scans": list(scans), "running": running, "cycler": reading, "time": 1000.0,
            "next_scan_time": due}  # fmt: skip


def snapshot(cells, ages, *, linked=True, mode="live", messages=5):
    state = {
        "cells": cells,
        "experiment": {"mode": mode},
        "settings": {"period_s": 1800.0},
        "feeds": {"slices": {"messages": messages}, "documents": {"messages": messages}},
    }
    return Snapshot(linked=linked, silent_s=77.0, state=state, feed_ages_s=ages)


def warned(about, *conditions):
    """The same cell with alarms that last."""
    return about | {"watch": {"conditions": list(conditions)}}


SITUATIONS = {
    "slices come": (cell(running=RUNNING), {"slices A": 2.0}, "LIVE", 2.0, "scan 7"),
    "just begun": (cell(running=RUNNING), {}, "LIVE", None, "scan 7"),
    "running, silent": (cell(running=RUNNING), {"slices A": 30.0}, "LATE", 30.0, "silent"),
    "running, long silent": (cell(running=RUNNING), {"slices A": 90.0}, "DEAD", 90.0, "silent"),
    "between scans": (cell(left=900), {"slices A": 500.0}, "IDLE", 500.0, "none is due"),
    "a little overdue": (cell(left=-100), {"slices A": 500.0}, "IDLE", 500.0, "none is due"),
    "overdue": (cell(left=-192), {"slices A": 1992.0}, "LATE", 1992.0, "3 min 12 s"),
    "a scan left out": (cell(left=-1900), {"slices A": 3700.0}, "DEAD", 3700.0, "overdue"),
    "no clock": (cell(left=-9999, cycler=False), {"slices A": 9999.0}, "IDLE", 9999.0, "none"),
    "cycler silent": (cell(left=900), {"slices A": 500.0, "documents A": 61.0}, "LATE", 500.0,
                      "cycler is silent for 1 min 01 s"),
    "cycler slow": (cell(left=900), {"slices A": 500.0, "documents A": 59.0}, "IDLE", 500.0, ""),
    "scan before cycler": (cell(running=RUNNING), {"slices A": 90.0, "documents A": 99.0}, "DEAD",
                           90.0, "running scan"),
    "cycler before scan": (cell(running=RUNNING), {"slices A": 1.0, "documents A": 99.0}, "LATE",
                           1.0, "cycler"),
    "all readings refused": (warned(cell(left=900), "readings_refused"),
                             {"slices A": 5.0, "documents A": 300.0}, "LATE", 5.0, "not used"),
    "clock ahead": (warned(cell(running=RUNNING), "clock_ahead"), {"slices A": 1.0}, "LATE", 1.0,
                    "clock is ahead"),
    "another alarm": (warned(cell(running=RUNNING), "noise"), {"slices A": 1.0}, "LIVE", 1.0, ""),
    "readings only": (cell(scans=()), {"documents A": 1.0}, "IDLE", None, "no scan yet"),
    "nothing yet": (cell(scans=(), cycler=False), {"slices": 1.0}, "IDLE", None, "nothing"),
    "feed stands in": (cell(running=RUNNING), {"slices": 30.0}, "LATE", 30.0, "silent"),
    "other cell lives": (cell(running=RUNNING), {"slices": 1.0, "slices A": 70.0}, "DEAD", 70.0,
                         "silent"),
}  # fmt: skip


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_cell_is_judged_by_its_scans_and_its_cycler(name):
    about, ages, state, age, why = SITUATIONS[name]
    health = feeds.cell_health(snapshot({"A": about}, ages), "A")
    assert (health.state, health.age_s) == (state, age)
    assert why in health.why


def test_the_limits_are_those_of_the_engine():
    watch = {"late_s": 20.0, "dead_s": 40.0, "cycler_s": 300.0, "due_grace": 0.5}
    told = ((15, "LIVE", "LIVE"), (30, "LATE", "LATE"), (50, "DEAD", "LATE"))
    for age, slices, documents in told:
        shown = snapshot({"A": cell(running=RUNNING)}, {"slices": age, "documents": age})
        shown.state["settings"]["watch"] = watch
        assert feeds.slices_health(shown).state == slices
        assert feeds.cell_health(shown, "A").state == slices
        assert feeds.documents_health(shown).state == documents
    shown = snapshot({"A": cell(left=-800)}, {"slices": 800.0, "documents": 299.0})
    assert feeds.cell_health(shown, "A").state == "LATE"
    shown.state["settings"]["watch"] = watch
    assert feeds.cell_health(shown, "A").state == "IDLE"
    shown.feed_ages_s["documents"] = 301.0
    assert feeds.cell_health(shown, "A").state == "LATE"


def test_a_scan_may_be_heard_of_as_late_as_the_last_one_was():
    about = cell(left=-1000) | {"watch": {"scan_delay_s": 900.0}}
    assert feeds.cell_health(snapshot({"A": about}, {"slices": 900.0}), "A").state == "IDLE"
    about["watch"]["scan_delay_s"] = 700.0
    health = feeds.cell_health(snapshot({"A": about}, {"slices": 900.0}), "A")
    assert health.state == "LATE" and "5 min 00 s" in health.why


@pytest.mark.parametrize("mode", ["replay", "recording"])
def test_a_recording_is_never_called_late(mode):
    shown = snapshot({"A": cell(left=-9999, running=RUNNING)}, {"slices": 999.0}, mode=mode)
    assert feeds.cell_health(shown, "A").state == "REPLAY"
    assert feeds.slices_health(shown).state == "REPLAY"
    assert feeds.documents_health(shown).state == "REPLAY"


def test_a_cell_of_a_silent_engine_is_dead_since_the_engine_is_silent():
    shown = snapshot({"A": cell(running=RUNNING)}, {"slices A": 1.0}, linked=False, mode="replay")
    health = feeds.cell_health(shown, "A")
    assert (health.state, health.age_s) == ("DEAD", 77.0)
    assert feeds.cell_health(Snapshot(), "A").state == "DEAD"


def test_a_cell_that_the_engine_does_not_know_is_idle():
    assert feeds.cell_health(snapshot({}, {}), "A").state == "IDLE"


@pytest.mark.parametrize(
    ("left", "running", "age", "state"),
    [
        (900, None, 1.0, "LIVE"),
        (900, None, 30.0, "IDLE"),
        (-300, None, 30.0, "LATE"),
        (-1900, None, 30.0, "DEAD"),
        (900, RUNNING, 30.0, "LATE"),
        (900, RUNNING, 90.0, "DEAD"),
    ],
)
def test_the_feed_of_slices_is_judged_by_the_worst_cell(left, running, age, state):
    cells = {"A": cell(left=900), "B": cell(left=left, running=running)}
    assert feeds.slices_health(snapshot(cells, {"slices": age})).state == state


def test_a_feed_that_never_spoke_is_idle_and_has_no_age():
    shown = snapshot({"A": cell()}, {}, messages=0)
    for health in (feeds.slices_health(shown), feeds.documents_health(shown)):
        assert (health.state, health.age_s) == ("IDLE", None)


def test_a_cell_without_a_clock_has_no_countdown():
    assert feeds.time_left(cell(left=60)) == 60.0
    assert feeds.time_left(cell(left=60, cycler=False)) is None
    assert feeds.time_left(cell()) is None


def test_a_feed_whose_readings_cannot_be_used_is_not_called_live():
    shown = snapshot({"A": cell()}, {"documents": 1.0})
    feed = shown.state["feeds"]["documents"]
    feed |= {"readings": 0, "bad": {"unknown_run": 10}}
    health = feeds.documents_health(shown)
    assert health.state == "LATE" and "10 × unknown_run" in health.why
    feed |= {"readings": 50}
    assert feeds.documents_health(shown).state == "LIVE"
    refused = snapshot({"A": warned(cell(), "readings_refused"), "B": cell()}, {"documents": 1.0})
    assert feeds.documents_health(refused).state == "LATE"
    assert "cell A" in feeds.documents_health(refused).why
