"""The estimate of a cycler's clock: the quickest of the newest readings."""

import time

import pytest

from monitor.engine.clocks import READINGS, Clocks
from tests.core.experiment import cycler_documents
from tests.engine.test_run import Bench


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
        bench.feed.put(documents)
        state = bench.until(lambda s: (s["cells"]["A"]["cycler"] or {}).get("time") == last)
        cell = state["cells"]["A"]
        estimate = cell["watch"]["clock_offset_estimate_s"]
        if mode == "replay":
            assert estimate is None
        else:
            assert estimate == pytest.approx(time.time() - last, abs=25.0)
    finally:
        bench.close()
