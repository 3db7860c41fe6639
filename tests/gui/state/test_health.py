"""What the screen says of feeds and cells: what the engine tells, and that it does not answer."""

import re
from pathlib import Path

import pytest

from monitor.gui.state import health as feeds
from monitor.gui.state.snapshot import Snapshot
from tests.gui import made

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "watch.md"


def running(age, **more):
    about = made.cell(made.scan(0), running=made.running(1))
    return made.snapshot({"A": about}, ages={"slices A": age}, **more)


@pytest.mark.parametrize(("age", "state"), [(2.0, "LIVE"), (30.0, "LATE"), (90.0, "DEAD")])
def test_bar_card_and_panel_say_what_the_engine_tells(age, state):
    shown = running(age)
    for health in (feeds.slices_health(shown), feeds.cell_health(shown, "A")):
        assert (health.state, health.age_s) == (state, age)
        assert "scan 1" in health.why
    assert feeds.documents_health(shown).state == "IDLE"


def test_without_the_engine_all_is_dead_and_has_no_age():
    """A screen that was there and one that was opened later say the same."""
    for shown in (running(2.0, linked=False), Snapshot(silent_s=300.0), Snapshot()):
        for health in (
            feeds.slices_health(shown),
            feeds.documents_health(shown),
            feeds.cell_health(shown, "A"),
        ):
            assert (health.state, health.age_s) == ("DEAD", None)
            assert health.why == "the engine does not answer"


def test_a_cell_that_the_engine_does_not_know_is_idle():
    assert feeds.cell_health(made.snapshot({}), "A").state == "IDLE"


def test_an_engine_that_does_not_tell_is_not_called_live():
    shown = running(2.0)
    del shown.state["health"]
    assert feeds.slices_health(shown).state == feeds.cell_health(shown, "A").state == "IDLE"


@pytest.mark.parametrize(
    "told", [{}, {"state": "FINE"}, {"state": None}, {"state": "LIVE", "age_s": "x"}]
)
def test_a_state_that_is_none_stops_nothing(told):
    shown = running(2.0)
    shown.state["health"]["slices"] = told
    assert feeds.slices_health(shown).state in ("IDLE", "LIVE")


@pytest.mark.parametrize("mode", ["replay", "recording"])
def test_a_recording_is_never_called_late(mode):
    shown = running(999.0, mode=mode)
    for health in (feeds.slices_health(shown), feeds.cell_health(shown, "A")):
        assert (health.state, health.age_s) == ("REPLAY", None)


@pytest.mark.parametrize(
    ("now", "more", "text", "tone"),
    [
        (1200.0, {}, "in 10 min 00 s", "text"),
        (1900.0, {}, "due since 1 min 40 s", "text"),
        (1992.0, {}, "overdue by 3 min 12 s", "warn"),
        (1200.0, {"linked": False}, "not known: the engine does not answer", "warn"),
        (1992.0, {"mode": "recording"}, "not expected: this is a recording", "muted"),
        (1992.0, {"mode": "replay", "ended": True}, "not expected: the replay has ended", "muted"),
    ],
)
def test_the_next_scan_is_counted_down_or_it_is_said_why_there_is_none(now, more, text, tone):
    shown = made.snapshot({"A": made.cell(made.scan(0), now=now)}, **more)
    told = feeds.next_scan(shown, "A")
    assert (told.text, told.tone) == (text, tone)


def test_a_cyclers_run_that_has_ended_ends_the_wait_for_a_scan_unless_one_is_running():
    shown = made.snapshot({"A": made.cell(made.scan(0), now=1200.0)})
    shown.state["health"]["cells"]["A"]["ended"] = True
    assert feeds.next_scan(shown, "A").text == "not expected: the cycler's run has ended"
    assert feeds.mode_text(shown) == "run ended"
    shown.state["cells"]["A"]["running"] = made.running(1)
    assert feeds.mode_text(shown) == "live"
    told = feeds.next_scan(shown, "A").text
    assert told == "at 09:23:20 UTC (no readings: countdown stopped)", (
        "the cell's clock stands still"
    )


@pytest.mark.parametrize(
    ("more", "mode", "scan"),
    [
        ({}, "live", "scan 1: 120 of 250 slices"),
        ({"mode": "replay"}, "replay", "scan 1: 120 of 250 slices"),
        ({"mode": "replay", "ended": True}, "replay ended",
         "scan 1: 120 of 250 slices, not finished"),
        ({"mode": "recording"}, "recording", "scan 1: 120 of 250 slices, not finished"),
    ],
)  # fmt: skip
def test_what_has_ended_is_neither_called_live_nor_running(more, mode, scan):
    shown = running(2.0, **more)
    assert (feeds.mode_text(shown), feeds.scan_text(shown, "A")) == (mode, scan)


def test_a_run_is_over_only_once_that_of_each_cell_is():
    shown = made.snapshot({n: made.cell(made.scan(0)) for n in "AB"})
    told = shown.state["health"]["cells"]
    told["A"]["ended"] = True
    assert feeds.mode_text(shown) == "live"
    told["B"]["ended"] = True
    assert feeds.mode_text(shown) == "run ended"
    assert feeds.mode_text(Snapshot()) == ""


def test_without_a_clock_the_time_of_the_next_scan_is_told_with_its_date():
    about = made.cell(made.scan(0), cycler=None, time=made.T0)
    assert feeds.next_scan(made.snapshot({"A": about}), "A").text == "at 09:23:20 UTC"
    about["time"] = made.T0 + 86_400.0
    assert feeds.next_scan(made.snapshot({"A": about}), "A").text == "at 2025-10-09 09:23:20 UTC"


def test_a_clock_that_stands_still_is_not_counted_down_by():
    shown = made.snapshot({"A": made.cell(made.scan(0), now=1200.0)}, ages={"documents A": 90.0})
    assert feeds.cell_health(shown, "A").state == "DEAD"
    assert feeds.next_scan(shown, "A").text == "at 09:23:20 UTC (no readings: countdown stopped)"


def test_a_cell_without_a_clock_has_no_countdown():
    about = {"next_scan_time": 1060.0, "time": 1000.0, "cycler": {"time": 1000.0}}
    assert feeds.time_left(about) == 60.0
    assert feeds.time_left(about | {"cycler": None}) is None
    assert feeds.time_left(about | {"next_scan_time": None}) is None


def test_the_guide_shows_the_marks_that_the_screen_draws():
    told = dict(re.findall(r"^\| (LIVE|IDLE|LATE|DEAD|REPLAY) (\S) ", GUIDE.read_text(), re.M))
    assert told == feeds.MARKS
    for state, mark in feeds.MARKS.items():
        assert f"{mark} {state}" in feeds.TIPS["cell"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "Waiting for the first scan of cell A"),
        ({"mode": "replay"}, "Waiting for the first scan of cell A"),
        ({"mode": "replay", "ended": True}, "Cell A has no scan: the replay has ended"),
        ({"mode": "recording"}, "Cell A has no scan: this is a recording"),
    ],
)
def test_no_scan_is_waited_for_if_none_is_expected(more, text):
    assert feeds.no_scan(made.snapshot({"A": made.cell()}, **more), "A") == text


def test_nothing_is_said_of_a_scan_before_the_engine_has_answered():
    assert "running" not in feeds.scan_text(Snapshot(), "A")
