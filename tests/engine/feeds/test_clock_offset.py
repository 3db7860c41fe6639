"""The estimate of a cycler's clock: the quickest of the newest readings."""

import time

import pytest

from monitor.engine.feeds.clock_offset import READINGS, Clocks
from tests.core.experiment import cycler_documents
from tests.engine.test_engine import Bench


def test_the_quickest_of_the_newest_readings_counts():
    clocks = Clocks()
    assert clocks.estimate_s("A") is None
    for late in (30.4, 30.1, 42.0):
        clocks.heard("A", 1000.0, 1000.0 + late)
    assert clocks.estimate_s("A") == 30.1
    assert clocks.estimate_s("B") is None
    for _ in range(READINGS):
        clocks.heard("A", 1000.0, 998.5)
    assert clocks.estimate_s("A") == -1.5, "a clock that is ahead; those before are forgotten"


@pytest.mark.parametrize("mode", ["live", "replay"])
def test_the_state_has_it_of_a_live_cell_alone(mode, tmp_path):
    bench = Bench(tmp_path, mode=mode)
    try:
        documents = list(cycler_documents(600.0))
        last = max(d.doc["time"] for d in documents if d.name == "event")
        begin = time.time()
        bench.feed.put(documents)
        state = bench.until(lambda s: (s["cells"]["A"]["cycler"] or {}).get("time") == last)
        cell = state["cells"]["A"]
        estimate = cell["watch"]["clock_offset_estimate_s"]
        if mode == "replay":
            assert estimate is None
        else:
            assert begin - last <= estimate <= time.time() - last
    finally:
        bench.close()


def fed(step_s, stamp_of, *, until=60.0, look_s=0.5, rest=10.0):
    """All that is told of a cell whose reading comes every `step_s` with a stamp by its coming."""
    clocks, found, now, due = Clocks(), [], 0.0, 0.0
    while now <= until + rest:
        while due <= min(now, until):
            clocks.heard("A", stamp_of(due), due, due)
            due += step_s
        found += clocks.look(now, now)
        now += look_s
    return found


@pytest.mark.parametrize("ahead", [0.0, 7200.0, -3600.0])
@pytest.mark.parametrize("step_s", [1.0, 10.0])
def test_readings_that_come_as_they_are_taken_are_steady(ahead, step_s):
    told = fed(step_s, lambda now: now + ahead)
    assert told[-1].steady and told[-1].newest - told[-1].at == pytest.approx(ahead, abs=0.1)
    assert len(told) <= 2, "a change is told once"


@pytest.mark.parametrize("set_by", [3600.0, -3600.0])
def test_a_clock_that_is_set_is_told_again(set_by):
    told = fed(1.0, lambda now: now + (set_by if now >= 30 else 0.0))
    ahead = [round(clock.newest - clock.at) for clock in told if clock.steady]
    assert ahead == [0, set_by]


@pytest.mark.parametrize("speed", [3.0, 10.0, 600.0])
def test_a_cell_whose_time_runs_at_another_speed_is_not_steady(speed):
    assert not any(clock.steady for clock in fed(5.0, lambda now: speed * now))


def test_readings_in_a_heap_are_told_when_they_have_come_to_rest():
    clocks = Clocks()
    for n in range(500):
        clocks.heard("A", 10.0 * n, 1e6, 0.001 * n)
    assert clocks.look(1e6, 1.0) == []
    clocks.look(1e6, 1.4)
    told = [c for now in range(2, 100) for c in clocks.look(1e6 + now, now * 0.4)]
    assert [(c.newest, c.steady) for c in told] == [(4990.0, False)]


def test_what_waits_while_maps_are_computed_is_not_at_rest():
    clocks = Clocks()
    clocks.heard("A", 5.0, 1e6, 0.0)
    assert clocks.look(1e6, 0.1) == []
    assert clocks.look(1e6 + 40, 40.0) == [], "nobody listened"
