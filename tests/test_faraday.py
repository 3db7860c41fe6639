"""Faraday's law against the figures of the paper and of first principles."""

import pytest

from monitor import faraday


def test_thickness_of_a_charge():
    # 1 mAh = 3.6 C; moles of electrons = moles of lithium; 6.94 g/mol; 0.534 g/cm³
    expected_cm = 3.6 / 96485.33 * 6.94 / 0.534
    assert faraday.thickness_um(1.0) == pytest.approx(expected_cm * 1e4, rel=1e-12)
    assert pytest.approx(4.8491, abs=5e-5) == faraday.UM_PER_MAH_CM2


@pytest.mark.parametrize(("charge", "thickness"), [(3.06, 14.84), (3.5, 16.97)])
def test_the_paper_s_coulometry(charge, thickness):
    assert faraday.thickness_um(charge) == pytest.approx(thickness, abs=0.005)


def test_there_and_back():
    assert faraday.charge_mAh_cm2(faraday.thickness_um(0.37)) == pytest.approx(0.37, rel=1e-14)
