"""Scans on the cycler's time axis."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from monitor.sources.cyclers.timeline import reading_origin, scan_windows
from tests.sources.cyclers.eclab.mpt_files import mpt_text
from tests.sources.cyclers.whole import parsed


def test_own_time_begins_with_the_first_reading() -> None:
    windows = scan_windows(3, np.array([100.0, 900.0]), "own", 60.0, now=5.0)
    assert [window.start for window in windows] == [100.0, 160.0, 220.0]
    assert windows[0].stop == pytest.approx(106.0)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_scaled_time_spans_the_readings(count: int) -> None:
    windows = scan_windows(count, np.array([100.0, 500.0, 900.0]), "scaled", 60.0, now=5.0)
    assert windows[0].start == 100.0
    assert windows[-1].stop == pytest.approx(900.0)
    assert len({round(b.start - a.start, 6) for a, b in pairwise(windows)}) < 2


@pytest.mark.parametrize("mode", ["own", "scaled"])
def test_without_readings_time_begins_now(mode: str) -> None:
    windows = scan_windows(2, np.empty(0), mode, 60.0, now=5.0)
    assert [window.start for window in windows] == [5.0, 65.0]
    assert windows[0].at(0.5) == pytest.approx(8.0)


def test_a_file_without_start_time_begins_now() -> None:
    table = parsed(mpt_text(rows=3, header=None, first_row=100))
    times = reading_origin(table, now=5.0) + table.time_s
    np.testing.assert_allclose(times, [5.0, 15.0, 25.0])
