import math

import numpy as np
import pytest

from monitor.core.deposit.mass_balance import plated_um, plating_shares, porosity_by_charge


def test_porosity_by_charge_is_that_of_the_published_deposit():
    assert porosity_by_charge(17.5, 13.0 / 4.8491) == pytest.approx(0.257, abs=1e-3)
    assert porosity_by_charge(15.0, 15.7 / 4.8491) == pytest.approx(-0.047, abs=1e-3)
    assert math.isnan(porosity_by_charge(0.0, 1.0))


def test_plated_lithium_is_rise_and_solid_part_of_the_moss():
    before = np.array([[100.0, 100.0, 100.0, np.nan]], np.float32)
    dense = np.array([[100.0, 102.0, 103.0, 100.0]], np.float32)
    front = np.array([[110.0, 112.0, 103.0, 110.0]], np.float32)
    porosity = np.array([[0.2, 0.5, np.nan, 0.2]], np.float32)
    plated = plated_um(before, dense, front, porosity)
    np.testing.assert_allclose(plated, [[8.0, 7.0, 3.0, np.nan]], rtol=1e-6)
    shares = plating_shares(plated, np.array([[0, 4, 4, 0]]))
    assert shares.plated_um == pytest.approx(6.0)
    assert shares.in_pits_um == pytest.approx(10 / 3)
    assert shares.on_plain_um == pytest.approx(8 / 3)
    assert shares.pit_share == pytest.approx(10 / 18)
    assert shares.measured == 0.75


def test_nothing_measured_is_nothing_said():
    shares = plating_shares(np.full((2, 2), np.nan, np.float32), np.ones((2, 2), np.int32))
    assert math.isnan(shares.plated_um) and math.isnan(shares.pit_share) and shares.measured == 0
