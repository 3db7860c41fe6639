"""A few cells of the campaign: called in time, nothing false, never over the budget."""

import pytest

from monitor.settings import OnsetSettings
from tests.studies.campaign.cells import drawn, measured
from tests.studies.campaign.judge import Tally, judged, over_budget


@pytest.mark.slow
def test_onsets_are_called_in_the_scan_in_which_they_can_be_known():
    limits, tally = OnsetSettings(), Tally()
    for k in range(10):
        kind = drawn(500 + k, pitting=k % 2 == 0, size=128)
        tally.add(judged(kind, measured(kind, limits), limits))
    assert tally.late == []
    assert tally.called_in_time == 10
    assert tally.false_requests == tally.over_budget == 0
    assert len(tally.next_depth) > 20
    assert sum(tally.next_depth) >= 0.8 * len(tally.next_depth)
    assert sum(tally.arrivals) >= 0.75 * len(tally.arrivals)


def test_a_budget_that_is_exceeded_is_counted():
    limits = OnsetSettings(max_scans_per_hour=1, max_scans_per_cell=2)
    assert over_budget([0.0, 4000.0], limits) == 0
    assert over_budget([0.0, 600.0], limits) == 1
    assert over_budget([0.0, 4000.0, 9000.0], limits) == 1
