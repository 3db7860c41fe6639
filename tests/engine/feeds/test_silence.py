"""Silence by the clock: late, dead and live again, and what makes none of them."""

import pytest

from monitor.engine.feeds.silence import Silences
from monitor.settings import WatchSettings


def told(silences, scanning=("A",), *, until, start=0.0, heard=(), feed="slices", step=0.25):
    """(time, state) of all changes, looked for every `step` s; messages come at `heard`."""
    waiting, changes, now = sorted(heard), [], start
    while now <= until:
        while waiting and waiting[0] <= now:
            silences.heard(feed, "A", waiting.pop(0))
        changes += [(now, change.state) for change in silences.look(scanning, now)]
        now += step
    return changes


def every(period, start, stop):
    return [start + period * n for n in range(int((stop - start) / period) + 1)]


@pytest.mark.parametrize(
    ("heard", "changes"),
    [
        (every(1.0, 0, 100), []),
        (every(10.0, 0, 100), []),
        ([0.0], [(10.25, "LATE"), (60.25, "DEAD")]),
        ([0.0, *every(1.0, 20, 100)], [(10.25, "LATE"), (30.0, "LIVE")]),
        ([0.0, *every(1.0, 70, 100)], [(10.25, "LATE"), (60.25, "DEAD"), (80.0, "LIVE")]),
        (every(11.0, 0, 100), [(10.25, "LATE")]),
        (every(9.0, 0, 27) + every(1.0, 40, 100), [(37.25, "LATE"), (50.0, "LIVE")]),
        ([], []),
    ],
)
def test_slices_of_a_running_scan(heard, changes):
    assert told(Silences(WatchSettings()), until=100.0, heard=heard) == changes


def test_between_scans_slices_are_not_waited_for():
    silences = Silences(WatchSettings())
    assert told(silences, until=12.0, heard=[0.0]) == [(10.25, "LATE")]
    assert told(silences, (), start=12.25, until=200.0) == [(12.25, "IDLE")]
    assert told(silences, start=200.0, until=205.0, heard=[200.0]) == [(200.0, "LIVE")]


@pytest.mark.parametrize("scanning", [("A",), ()])
def test_the_cycler_is_waited_for_always_and_longer(scanning):
    silences = Silences(WatchSettings(cycler_s=30.0))
    heard = [0.0, *every(5.0, 40.0, 100.0)]
    changes = told(silences, scanning, until=100.0, heard=heard, feed="documents")
    assert changes == [(30.25, "DEAD"), (70.0, "LIVE")]


def test_what_waits_while_nobody_listens_is_not_late():
    """Maps are computed for 40 s, twice."""
    silences = Silences(WatchSettings())
    assert told(silences, until=5.0, heard=[0.0]) == []
    assert told(silences, start=45.0, until=47.0) == []
    assert told(silences, start=87.0, until=95.0) == [(90.25, "LATE")]


def test_a_silence_that_was_recorded_goes_on():
    silences = Silences(WatchSettings())
    silences.go_on("slices", "A", "DEAD", 0.0)
    assert told(silences, until=20.0) == []
    assert told(silences, start=20.0, until=40.0, heard=every(1.0, 20, 40)) == [(30.0, "LIVE")]


def test_nothing_is_told_where_nothing_is_watched():
    assert told(Silences(WatchSettings(enabled=False)), until=100.0, heard=[0.0]) == []


def test_a_change_says_how_long_and_what_the_limit_is():
    silences = Silences(WatchSettings())
    silences.heard("slices", "A", 0.0)
    assert [*silences.look(("A",), 0.0)] == []
    for now in (0.4, 0.8):
        silences.look(("A",), now)
    for tick in range(200):
        for change in silences.look(("A",), 0.8 + 0.4 * tick):
            expected = 10.0 if change.state == "LATE" else 60.0
            assert change.limit_s == expected
            assert change.seconds == pytest.approx(expected, abs=0.5)


def test_a_scan_is_overdue_only_when_it_stays_so_by_the_clock():
    """In a simulation, minutes of the cell pass while a header waits in its socket."""
    silences, told = Silences(WatchSettings()), []
    for tick in range(400):
        now = 0.25 * tick
        state = "LIVE" if now < 20 or 22 <= now < 30 else "LATE" if now < 60 else "DEAD"
        for change in silences.look((), now, {"A": (state, 300.0)}):
            told.append((now, change.feed, change.state, change.limit_s))
    assert told == [(40.25, "schedule", "LATE", 180.0), (60.0, "schedule", "DEAD", 180.0)]
