import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from monitor import faraday
from simulators.scenarios import SCENARIOS, CellScenario
from simulators.truth.cell import Cell
from simulators.truth.foil import FieldOfView
from simulators.truth.stripping import Stripping

PITTING = SCENARIOS["paper-0.55"].cells[0].first_stripping
charges = st.lists(st.floats(1e-3, 3.0) | st.floats(-1.5, -1e-3), min_size=1, max_size=6)


@settings(max_examples=25)
@given(charges=charges, share=st.floats(0.5, 1.5), seed=st.integers(0, 5))
def test_lithium_is_conserved_whatever_the_pits_do(charges, share, seed):
    cell = Cell(FieldOfView(size=48, foil_um=40.0, field_share=share), PITTING, seed)
    pristine = cell.heights_um
    total = 0.0
    for charge in charges:
        expected_um = share * 6.94 * 3.6 * (total + charge) / (0.534 * 96485.33) * 1e4
        if expected_um > 39.9:
            break
        heights = cell.update(charge)
        total += charge
        removed_um = (pristine - heights).mean()
        assert removed_um == pytest.approx(expected_um, rel=1e-9, abs=1e-12)
        assert heights.min() >= 0.0


def test_a_worn_through_foil_gives_its_lithium_elsewhere_and_no_more_than_it_has():
    cell = Cell(FieldOfView(size=48, foil_um=20.0), PITTING, 1)
    pristine = cell.heights_um
    charge = faraday.charge_mAh_cm2(18.0)
    heights = cell.update(charge)
    assert (heights == 0.0).any()
    assert (pristine - heights).mean() == pytest.approx(18.0, rel=1e-9)
    with pytest.raises(ValueError, match=r"of lithium left; end the discharge"):
        cell.update(faraday.charge_mAh_cm2(3.0))
    np.testing.assert_array_equal(cell.heights_um, heights)
    cell.update(-charge)
    assert cell.heights_um.mean() == pytest.approx(pristine.mean(), rel=1e-12)


def complete_um(removal: np.ndarray) -> float:
    """Plateau as Table 1 reads it: first of the peaks of the histogram (15 % of the highest)."""
    edges = np.arange(removal.min() - 3.0, removal.max() + 3.0, 0.05)
    count = gaussian_filter1d(np.histogram(removal, edges)[0].astype(float), 0.4 / 0.05)
    inner = count[1:-1]
    peak = (inner > count[:-2]) & (inner >= count[2:]) & (inner >= 0.15 * count.max())
    first = int(np.flatnonzero(peak)[0]) + 1
    return float(0.5 * (edges[first] + edges[first + 1]))


def discharged(scenario: CellScenario, seed: int, parts: int = 8) -> tuple[Cell, np.ndarray]:
    field = FieldOfView(field_share=scenario.field_share)
    cell = Cell(field, scenario.first_stripping, seed)
    pristine = cell.heights_um
    for _ in range(parts):
        heights = cell.update(scenario.steps[0].charge_mAh_cm2 / parts)
    return cell, pristine - heights


@pytest.mark.parametrize(
    ("name", "coulometry", "complete"), [("paper-0.55", 14.84, 5.0), ("paper-0.23", 17.04, 16.0)]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_published_table(name, coulometry, complete, seed):
    scenario = SCENARIOS[name].cells[0]
    _, removal = discharged(scenario, seed)
    charge = scenario.steps[0].charge_mAh_cm2
    assert faraday.thickness_um(charge) == pytest.approx(coulometry, abs=0.05)
    assert removal.mean() == pytest.approx(16.0, abs=0.01)
    assert complete_um(removal) == pytest.approx(complete, abs=0.2)


def inside(cell: Cell) -> np.ndarray:
    pits, side = cell.pits, cell.field.side_um
    return (pits.y_um > 0) & (pits.y_um < side) & (pits.x_um > 0) & (pits.x_um < side)


def test_pits_at_0_55_are_wide_deep_and_merged():
    cell, removal = discharged(SCENARIOS["paper-0.55"].cells[0], 3)
    density_mm2 = inside(cell).sum() / (cell.field.side_um * 1e-3) ** 2
    assert 1000 < density_mm2 < 1500
    assert 0.59 < (removal > cell.plateau_um + 0.5).mean() < 0.71
    assert 29.0 < 2 * np.median(cell.pits.radius_um) < 35.0
    assert 24.0 < np.median(cell.pits.depth_um) < 30.0
    assert removal.max() < 37.0


def test_pits_at_0_23_are_few_small_and_shallow():
    cell, removal = discharged(SCENARIOS["paper-0.23"].cells[0], 3)
    assert 2 <= inside(cell).sum() < 20
    assert 9.0 < 2 * np.median(cell.pits.radius_um) < 20.0
    assert 7.0 < np.median(cell.pits.depth_um) < 12.0
    assert (removal > cell.plateau_um + 0.5).mean() < 0.04


def test_the_first_pits_open_between_100_and_90_percent():
    cell = Cell(FieldOfView(), PITTING, 1)
    pristine = cell.heights_um
    cell.update(faraday.charge_mAh_cm2(0.04 * 16.0))
    assert len(cell.pits) == 0
    assert np.ptp(pristine - cell.heights_um) < 1e-9
    cell.update(faraday.charge_mAh_cm2(0.06 * 16.0))
    detectable = (cell.pits.depth_um > 4.0) & (cell.pits.radius_um > 4.0)
    assert detectable.sum() >= 3
    assert (pristine - cell.heights_um > cell.plateau_um + 1.0).mean() < 0.1


def test_pits_grow_and_do_not_move():
    cell = Cell(FieldOfView(size=192), PITTING, 4)
    before = None
    for _ in range(5):
        cell.update(faraday.charge_mAh_cm2(3.0))
        now = {(y, x): (r, d) for y, x, r, d in zip(*columns(cell), strict=True)}
        if before:
            assert before.keys() <= now.keys()
            assert all(now[at] >= shape for at, shape in before.items())
        before = now
    assert before


def columns(cell: Cell) -> tuple[np.ndarray, ...]:
    pits = cell.pits
    return pits.y_um, pits.x_um, pits.radius_um, pits.depth_um


def test_second_discharge_keeps_the_pits_and_adds_more():
    scenario = SCENARIOS["second-cycle"].cells[0]
    cell, first = discharged(scenario, 1)
    old = set(zip(cell.pits.y_um, cell.pits.x_um, strict=True))
    cell.update(-scenario.steps[2].charge_mAh_cm2)
    assert cell.plateau_um < 5.0
    cell.begin(scenario.steps[4].stripping)
    cell.update(scenario.steps[4].charge_mAh_cm2)
    new = set(zip(cell.pits.y_um, cell.pits.x_um, strict=True))
    assert old < new
    assert len(new) > 1.2 * len(old)
    assert 27.0 < np.percentile(columns(cell)[3], 90) < 32.0
    assert first.max() > 25.0


def test_the_same_seed_gives_the_same_cell():
    one, two, other = (Cell(FieldOfView(size=96), PITTING, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.update(2.0), two.update(2.0))
    assert np.abs(one.heights_um - other.update(2.0)).max() > 1.0


def test_early_pits_sit_on_grain_boundaries():
    always = Stripping(16.0, 11.0, 0.0, (30.0, 35.0), (27.0, 1.0), boundary_share=2.0)
    cell = Cell(FieldOfView(size=192), always, 2)
    cell.update(2.0)
    centres = np.stack([cell.pits.y_um, cell.pits.x_um], axis=1)
    gaps = np.linalg.norm(centres[:, None] - cell._boundary[None], axis=2).min(axis=1)
    assert gaps.max() < 1e-9
