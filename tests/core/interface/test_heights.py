"""Heights and their errors against the foil that was rendered."""

import numpy as np
import pytest

from monitor.core.interface.heights import scatter
from monitor.core.interface.levels import Levels
from monitor.core.interface.surfaces import Surfaces
from tests.core.phantom import LEVELS, NOISE, cell, columns, noisy, start

SHAPE = (100, 32, 40)
UPWARDS = ("collector", "lithium", "electrolyte")


def foil(seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :40]
    lower = 20 + 0.05 * y
    return lower, lower + 45 + 0.08 * x + rng.uniform(-0.5, 0.5, (32, 40))


def heights(volume, frames=None, *, layers=UPWARDS, levels=LEVELS, voxel_um=1.0, noise=NOISE):
    begin = start(volume.shape, voxel_um=voxel_um)
    made = Surfaces(begin, cell(layers=layers))
    made.set_levels(Levels(*levels, noise))
    ledger = np.zeros(len(volume), np.uint8)
    ledger[list(range(len(volume)) if frames is None else frames)] = 1
    z = 0
    while z < len(volume):
        end = z
        while end < len(volume) and ledger[end]:
            end += 1
        if end > z:
            made.add(z, tuple(volume[z:end]))
        z = end + 1
    return made.heights(ledger)


def test_heights_and_bottom_are_those_of_the_foil():
    lower, upper = foil()
    found = heights(noisy(columns(lower, upper, 100)), voxel_um=0.7)
    np.testing.assert_allclose(found.height, 0.7 * (upper - lower), atol=1.5)
    assert abs((found.height / 0.7 - (upper - lower)).mean()) < 0.02
    np.testing.assert_allclose(found.bottom, 0.7 * lower, atol=1.0)
    assert found.height.dtype == found.error.dtype == np.float32
    assert not found.height.flags.writeable


def test_reversed_layers_give_the_same_heights_above_the_last_slice():
    lower, upper = foil()
    volume = noisy(columns(lower, upper, 100))
    up = heights(volume)
    down = heights(np.ascontiguousarray(volume[::-1]), layers=UPWARDS[::-1], levels=LEVELS[::-1])
    np.testing.assert_allclose(down.height, up.height, atol=2e-4)
    np.testing.assert_allclose(down.bottom, up.bottom, atol=2e-4)


def test_a_cell_without_collector_measures_from_the_volume_s_end():
    _, upper = foil()
    clean = columns(np.full_like(upper, -50.0), upper, 100)
    up = heights(noisy(clean), layers=UPWARDS[1:], levels=(None, *LEVELS[1:]))
    np.testing.assert_allclose(up.height, upper + 0.5, atol=1.5)
    assert (up.bottom == -0.5).all()
    down = heights(
        noisy(clean[::-1]), layers=("electrolyte", "lithium"), levels=(*LEVELS[:0:-1], None)
    )
    np.testing.assert_allclose(down.height, upper + 0.5, atol=2.0)


def test_columns_without_lithium_or_electrolyte_are_not_measurable():
    lower, upper = foil()
    clean = columns(lower, upper, 100)
    clean[:, 3, 4] = LEVELS[0]
    clean[:, 5, 6] = np.where(np.arange(100) < 20, LEVELS[0], LEVELS[1])
    found = heights(noisy(clean))
    nowhere = np.isnan(found.height)
    assert set(zip(*map(tuple, np.nonzero(nowhere)), strict=True)) == {(3, 4), (5, 6)}
    assert (np.isnan(found.error) == nowhere).all()
    assert (np.isnan(found.bottom) == nowhere).all()


def test_without_levels_nothing_is_measured():
    made = Surfaces(start(SHAPE), cell())
    made.add(0, tuple(noisy(columns(*foil(), 100))))
    assert np.isnan(made.heights(np.ones(100, np.uint8)).height).all()


def test_the_error_is_the_scatter_of_the_heights():
    lower, _ = foil()
    found = heights(noisy(columns(lower, lower + 45.3, 100), noise=15.0), noise=15.0)
    true = np.std(found.height)
    assert np.nanmedian(found.error) == pytest.approx(true, rel=0.15)


def test_edges_in_a_hole_go_to_its_middle_with_the_error_of_its_width():
    lower = np.full((32, 40), 20.3)
    upper = np.full((32, 40), 65.0)
    upper[:, 20:] = 75.4
    volume = noisy(columns(lower, upper, 100))
    whole = heights(volume)
    holed = heights(volume, [z for z in range(100) if not 62 <= z <= 68])
    # the change lies between slices 61 and 69: uniform over 8 voxels
    inside = holed.height[:, :20] + holed.bottom[:, :20]
    middle = inside == 65.0
    assert middle.mean() > 0.99  # noise may put one beside the hole
    expected = np.sqrt(64 / 12 + holed.noise**2)
    np.testing.assert_allclose(holed.error[:, :20][middle], expected, rtol=1e-5)
    np.testing.assert_allclose(holed.height[:, 20:], whole.height[:, 20:], atol=1e-4)
    np.testing.assert_allclose(holed.error[:, 20:], holed.noise, rtol=1e-5)


def test_a_hole_beside_an_edge_enlarges_its_error():
    lower, upper = np.full((32, 40), 20.3), np.full((32, 40), 65.4)
    volume = noisy(columns(lower, upper, 100))
    beside = heights(volume, [z for z in range(100) if z != 68])
    away = heights(volume, [z for z in range(100) if z != 80])
    assert (beside.error > away.error).mean() > 0.99
    np.testing.assert_allclose(beside.height, away.height, atol=1e-3)


def test_a_hole_at_the_lower_edge_counts_too():
    lower, upper = np.full((32, 40), 20.3), np.full((32, 40), 65.4)
    holed = heights(noisy(columns(lower, upper, 100)), [z for z in range(100) if not 19 <= z <= 22])
    assert (holed.bottom == 20.5).all()
    assert holed.error == pytest.approx(np.sqrt(25 / 12 + holed.noise**2), rel=1e-5)


def test_vertical_slices_give_the_same_heights_bit_by_bit():
    lower, upper = foil()
    volume = noisy(columns(lower, upper, 100))
    made = Surfaces(start(SHAPE, axis="y"), cell())
    made.set_levels(Levels(*LEVELS, NOISE))
    for y in range(32):
        image = np.ascontiguousarray(volume[:, y])
        image.setflags(write=False)
        made.add_vertical(y, image)
    vertical, flat = made.heights(np.ones(32, np.uint8)), heights(volume)
    for name in ("height", "error", "bottom"):
        np.testing.assert_array_equal(getattr(vertical, name), getattr(flat, name))


def test_a_missing_vertical_slice_leaves_its_row_open():
    lower, upper = foil()
    volume = noisy(columns(lower, upper, 100))
    made = Surfaces(start(SHAPE, axis="y"), cell())
    made.set_levels(Levels(*LEVELS, NOISE))
    ledger = np.ones(32, np.uint8)
    ledger[7] = 0
    for y in np.flatnonzero(ledger):
        image = np.ascontiguousarray(volume[:, y])
        image.setflags(write=False)
        made.add_vertical(y, image)
    found = made.heights(ledger).height
    assert np.isnan(found[7]).all()
    assert np.isfinite(np.delete(found, 7, axis=0)).all()


def test_scatter_sees_noise_but_neither_slopes_nor_steps():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:200, :200]
    surface = 0.3 * x - 0.2 * y + 10 * (x > 100) + rng.normal(0, 0.5, (200, 200))
    assert scatter(surface.astype(np.float32)) == pytest.approx(0.5, rel=0.05)
    assert np.isnan(scatter(np.zeros((4, 100), np.float32)))
    assert np.isnan(scatter(np.full((50, 50), np.nan, np.float32)))


def test_reversed_columns_are_measured_where_a_neighbour_has_no_lithium():
    """One column without lithium must not cost its whole row, whichever way the index runs."""
    lower, upper = np.full((16, 24), 20.3), np.full((16, 24), 65.4)
    volume = noisy(columns(lower, upper, 100)).copy()
    volume[:, 4, 5] = volume[80:, 4, 5].mean()
    upwards = heights(volume)
    downwards = heights(
        np.ascontiguousarray(volume[::-1]), layers=UPWARDS[::-1], levels=LEVELS[::-1]
    )
    for found in (upwards, downwards):
        assert np.isfinite(np.delete(found.height[4], 5)).all()
