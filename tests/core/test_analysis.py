"""From heights and charge to the numbers of a scan, on surfaces that were made up."""

import numpy as np
import pytest

from monitor.core.analysis import CellAnalysis
from monitor.core.arrival.running_scan import provisional
from monitor.core.cycler.history import CyclerHistory
from monitor.core.interface.heights import Heights
from monitor.core.plating import Measured
from monitor.faraday import UM_PER_MAH_CM2
from monitor.records import CyclerReading
from monitor.settings import PitSettings
from tests.core.moving import Foil, seen
from tests.core.phantom import cell, start

SIDE = 80


def heights(value):
    height = np.full((SIDE, SIDE), value, np.float32)
    height += np.random.default_rng(0).normal(0, 0.1, height.shape).astype(np.float32)
    return Heights(height, np.full_like(height, 0.1), np.full_like(height, 20.0), 0.1)


def measured(scan, value, side=SIDE, **changes):
    begin = start((100, side, side), scan=scan, **changes)
    return Measured(begin, np.ones(100, np.uint8), None, heights(value))


def analysis(*charges_mAh, **settings):
    """An analysis with a reading each half an hour: the net charge stripped so far."""
    history = CyclerHistory(cell(**settings))
    for number, charge in enumerate(charges_mAh):
        reading = CyclerReading("A", 1800.0 * number, current_mA=-0.2, charge_mAh=-charge)
        history.add(reading)
    return CellAnalysis(history.cell, PitSettings(), history)


def test_the_row_of_the_table_follows_from_heights_and_charge():
    made = analysis(0.0, 0.1)
    made.finish(measured(0, 45.0))
    summary = made.finish(measured(1, 42.5)).summary
    assert summary["charge_mAh"] == pytest.approx(0.1)
    assert summary["charge_mAh_cm2"] == pytest.approx(0.5)
    assert summary["coulometry_um"] == pytest.approx(0.5 * UM_PER_MAH_CM2)
    assert summary["averaged_um"] == pytest.approx(2.5, abs=0.01)
    assert summary["complete_um"] == pytest.approx(2.5, abs=0.1)
    assert summary["closure"] == pytest.approx(2.5 / (0.5 * UM_PER_MAH_CM2), rel=0.01)
    assert summary["mean_current_mA_cm2"] == pytest.approx(1.0)
    assert summary["current_mA_cm2"] == pytest.approx(1.0)
    assert (summary["step"], summary["discharge"]) == ("discharge", 1)
    assert summary["soc"] is None


def test_the_state_of_charge_needs_a_capacity():
    made = analysis(0.0, 0.15, capacity_mAh=0.6)
    made.finish(measured(0, 45.0))
    assert made.finish(measured(1, 42.0)).summary["soc"] == pytest.approx(0.75)


def test_the_reference_is_the_first_scan_that_has_heights():
    made = analysis(0.0, 0.1, 0.2)
    nothing = made.finish(measured(0, np.nan))
    assert "removal" not in nothing.maps
    assert np.isnan(nothing.maps["height"]).all()
    assert made.finish(measured(1, 45.0)).summary["averaged_um"] == pytest.approx(0, abs=1e-6)
    assert made.finish(measured(2, 42.0)).summary["averaged_um"] == pytest.approx(3, abs=1e-5)


def test_a_scan_of_another_voxel_size_is_not_compared():
    made = analysis(0.0, 0.1)
    made.finish(measured(0, 45.0))
    other = made.finish(measured(1, 42.5, voxel_um=2.0))
    assert "removal" not in other.maps
    assert other.pits == ()
    assert "averaged_um" not in other.summary


def test_summaries_hold_no_nan_and_no_micrometres_without_a_voxel_size():
    made = analysis()
    made.finish(measured(0, 45.0, voxel_um=None))
    summary = made.finish(measured(1, 42.5, voxel_um=None)).summary
    assert summary["averaged_voxel"] == pytest.approx(2.5, abs=0.01)
    assert summary["averaged_um"] is None
    assert summary["charge_mAh_cm2"] is None
    assert not any(isinstance(v, float) and np.isnan(v) for v in summary.values())
    assert summary["shift_z_um"] is None
    assert summary["shift_z_voxel"] == pytest.approx(0.0, abs=1e-6)


def test_all_maps_of_a_scan_that_moved_lie_on_the_reference():
    foil, rng = Foil(160, pits=20, seed=2), np.random.default_rng(0)
    foil.birth[:] = 0.0
    made = analysis(0.0, 0.05, 0.1)
    results = []
    for scan, (stage, shift) in enumerate([(0.3, (0, 0)), (0.4, (3.0, -2.0)), (0.5, (3.0, -2.0))]):
        scanned = seen(foil.height(stage, shift), 8, rng, 12.0 + scan)
        begin = start((100, 160, 160), scan=scan)
        results.append(made.finish(Measured(begin, np.ones(100, np.uint8), None, scanned)))
    first, second, third = results
    assert first.summary["registered"]
    assert first.summary["shift_x_um"] == first.summary["shift_error_um"] == 0.0
    for scan, result in enumerate((second, third), start=1):
        summary = result.summary
        assert summary["registered"]
        assert summary["shift_y_um"] == pytest.approx(3.0, abs=0.3)
        assert summary["shift_x_um"] == pytest.approx(-2.0, abs=0.3)
        assert summary["shift_z_um"] == pytest.approx(scan, abs=0.05)
        assert summary["valid_fraction"] == 1.0
        truth = foil.height(0.3) - foil.height(0.3 + 0.1 * scan)
        assert np.nanstd(result.maps["removal"] - truth) < 0.4
        assert np.nanmean(result.maps["bottom"]) == pytest.approx(12.0, abs=0.02)
        assert np.isnan(result.maps["removal"][-2:]).all()
    step = foil.height(0.4) - foil.height(0.5)
    interval = third.maps["interval"] / np.nanmean(third.maps["interval"])
    assert np.nanstd(interval - step / step.mean()) < 0.7
    persistent = {pit.id for pit in second.pits} & {pit.id for pit in third.pits}
    assert len(persistent) >= 0.8 * len(second.pits)
    assert made.doubt == ""


def test_a_scan_that_cannot_be_placed_has_no_shift():
    made = analysis()
    made.finish(measured(0, 45.0))
    empty = made.finish(measured(1, np.nan)).summary
    assert not empty["registered"]
    assert empty["shift_x_um"] is None
    assert empty["shift_z_um"] == pytest.approx(0.0, abs=1e-6)
    other = made.finish(measured(2, 45.0, voxel_um=2.0)).summary
    assert not other["registered"]
    assert other["tilt_x_mrad"] is None


def test_a_running_scan_shows_heights_only():
    ledger = np.zeros(100, np.uint8)
    shown = provisional(start((100, SIDE, SIDE)), ledger, heights(45.0))
    ledger[:] = 1
    assert shown.provisional
    assert not shown.complete
    assert not shown.ledger.any()
    assert set(shown.maps) == {"height", "bottom"}
    assert shown.summary == {}
