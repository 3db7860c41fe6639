import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import faraday
from simulators.imaging.tomogram import LEVELS, Imaging, Tomogram, _render_moss
from simulators.scenarios import SCENARIOS
from simulators.truth.cell import Cell
from simulators.truth.deposit import Moss, Plating
from simulators.truth.foil import FieldOfView

PITTING = SCENARIOS["paper-0.55"].cells[0].first_stripping
QUIET = Imaging(
    dtype="float32", slices=60, collector_slices=8.0, cnr=math.inf, fringe=0.0,
    gain_drift=0.0, offset_drift=0.0, z_drift=0.0,
)  # fmt: skip
charges = st.lists(st.floats(1e-3, 3.0) | st.floats(-2.0, -1e-3), min_size=1, max_size=8)


def lithium_um(cell: Cell) -> float:
    """All the lithium of a cell as a mean thickness of dense lithium."""
    moss = cell.moss
    return cell.heights_um.mean() + ((1 - moss.porosity) * moss.thickness_um.mean() if moss else 0)


@settings(max_examples=40)
@given(
    charges=charges,
    porosity=st.floats(0.05, 0.9),
    plain=st.floats(0.0, 1.0),
    share=st.floats(0.5, 1.5),
)
def test_no_lithium_is_lost_in_moss(charges, porosity, plain, share):
    field = FieldOfView(size=48, foil_um=40.0, field_share=share)
    cell = Cell(field, PITTING, 3, Plating(plain, porosity))
    pristine = lithium_um(cell)
    removed_um = 0.0
    for charge in charges:
        removed_um += share * faraday.thickness_um(charge)
        if removed_um > 39.9:
            break
        cell.update(charge)
        assert pristine - lithium_um(cell) == pytest.approx(removed_um, rel=1e-9, abs=1e-11)
        assert (cell.front_um >= cell.heights_um).all()


def test_moss_leaves_the_dense_lithium_alone_and_is_stripped_first():
    cell = Cell(FieldOfView(size=96), PITTING, 1, Plating(porosity=0.3))
    dense = cell.update(3.0)
    assert cell.moss is None
    cell.update(-2.0)
    np.testing.assert_allclose(cell.heights_um, dense, atol=1e-9)
    grown = cell.moss.thickness_um
    cell.update(0.5)
    np.testing.assert_allclose(cell.moss.thickness_um, 0.75 * grown)
    np.testing.assert_allclose(cell.heights_um, dense, atol=1e-9)
    cell.update(2.0)
    assert cell.moss is None
    assert (dense - cell.heights_um).mean() == pytest.approx(faraday.thickness_um(0.5))


def test_moss_fills_pits_before_it_stands_above_them():
    cell = Cell(FieldOfView(size=96), PITTING, 1, Plating(plain_share=0.0, porosity=0.3))
    before = cell.update(3.0)
    cell.update(-0.5)
    assert (cell.moss.thickness_um[before > before.max() - 1.0] < 0.5).all()
    cell.update(-3.0)
    assert np.ptp(cell.front_um) < 0.2 * np.ptp(before)
    with pytest.raises(ValueError, match=r"porosity: got 1\.0, expected 0 to less than 1"):
        Plating(porosity=1.0)


def test_the_first_charge_is_the_published_one():
    (simulated,) = SCENARIOS["first-charge"].cells
    field = FieldOfView(field_share=simulated.field_share)
    cell = Cell(field, simulated.first_stripping, 2, simulated.plating)
    discharge, _, charge, _ = simulated.steps
    before = cell.update(discharge.charge_mAh_cm2)
    cell.update(-charge.charge_mAh_cm2)
    assert faraday.thickness_um(charge.charge_mAh_cm2) == pytest.approx(13.0)
    assert (cell.front_um - before).mean() == pytest.approx(17.5)
    assert cell.moss.porosity == pytest.approx(0.257, abs=0.001)


@pytest.mark.parametrize("axis", ["z", "y"])
@pytest.mark.slow
def test_moss_is_a_grey_level_between_two_edges(axis):
    heights = np.linspace(10.0, 14.0, 12 * 10).reshape(12, 10)
    moss = Moss(np.linspace(4.0, 9.0, 120).reshape(12, 10), 0.3)
    tomogram = Tomogram(heights, replace(QUIET, axis=axis), moss=moss)
    grey = np.stack([tomogram.slice(k) for k in range(tomogram.slice_count)], axis="zy".index(axis))
    levels = LEVELS["float32"]
    z = np.arange(60)
    erf = np.vectorize(math.erf)
    for y, x in ((0, 0), (5, 7), (11, 9)):
        top = 7.5 + heights[y, x] / 0.717
        front = top + moss.thickness_um[y, x] / 0.717
        down = 0.5 * (1 - erf((z - 7.5) / (0.8 * math.sqrt(2))))
        low, high = (0.5 * (1 + erf((z - at) / (0.8 * math.sqrt(2)))) for at in (top, front))
        expected = (
            levels.lithium
            + levels.contrast * (0.3 * low + 0.7 * high)
            + (levels.collector - levels.lithium) * down
        )
        np.testing.assert_allclose(grey[:, y, x], expected, atol=3e-5)


def test_kernel_gives_the_same_compiled_and_plain():
    rng = np.random.default_rng(0)
    top = rng.uniform(3.0, 6.0, (5, 7)).astype(np.float32)
    edge = np.linspace(0.0, 1.0, 65, dtype=np.float32)
    outs = []
    for kernel in (_render_moss, _render_moss.py_func):
        out = np.empty((5, 7), np.float32)
        kernel(
            out, top, top + 2, np.float32(0.25), np.full(5, 6.0, np.float32),
            np.full(5, 100.0, np.float32), np.float32(50.0), edge, np.float32(4.0),
            np.zeros(64, np.float32), np.zeros(5, np.int64), np.zeros(5, np.float32),
            np.float32(0.0),
        )  # fmt: skip
        outs.append(out)
    np.testing.assert_allclose(outs[0], outs[1], rtol=1e-5)
    low, high = ((6.0 - at + 4.0) / 8.0 for at in (top, top + 2))
    expected = 100.0 + 50.0 * (0.25 * low.clip(0, 1) + 0.75 * high.clip(0, 1))
    np.testing.assert_allclose(outs[0], expected, atol=0.01)
