import numpy as np
import pytest

from monitor.core.surface_statistics.plateau import (
    complete,
    half_sample_mode,
    lowest_peak,
    tile_histograms,
)
from tests.core.pit_fields import noisy, scattered

TILE_PX = 70


@pytest.mark.parametrize("noise", [0.0, 0.3, 0.6, 1.0])
def test_plateau_among_merged_pits(noise):
    field = scattered(n=384, per_mm2=1250, depth=(26.0, 31.0), apart=8.0, seed=3)
    assert field.removal.mean() == pytest.approx(16.0, abs=1.5)
    assert 0.59 < (field.depth > 0).mean() < 0.71

    plateau = complete(noisy(field.removal, noise)[0], tile_px=TILE_PX)

    assert plateau.value == pytest.approx(5.0, abs=0.3)
    assert plateau.low <= plateau.value <= plateau.high
    assert plateau.separated


@pytest.mark.parametrize("noise", [0.3, 0.9, 2.0])
def test_a_single_peak_is_the_plateau(noise):
    flat = np.full((256, 256), 16.0)
    plateau = complete(noisy(flat, noise)[0], tile_px=TILE_PX)
    assert plateau.value == pytest.approx(16.0, abs=0.1)
    assert plateau.separated


def test_few_small_pits_leave_the_plateau_alone():
    field = scattered(per_mm2=100, diameter=(10, 20), depth=(8, 12), plateau=15.6)
    plateau = complete(noisy(field.removal, 0.9)[0], tile_px=TILE_PX)
    assert plateau.value == pytest.approx(15.6, abs=0.1)


def test_equal_values_are_found_exactly():
    assert complete(np.zeros((64, 64), np.float32), tile_px=8).value == pytest.approx(0.0, abs=1e-6)


def test_no_peak_separates_in_an_even_distribution():
    even = np.random.default_rng(0).uniform(0.0, 30.0, (256, 256)).astype(np.float32)
    assert not complete(even, tile_px=TILE_PX).separated


def test_no_peak_separates_in_a_broad_hump_and_its_mode_stands_in():
    hump = np.random.default_rng(0).normal(16.0, 6.0, (256, 256)).astype(np.float32)
    plateau = complete(hump, tile_px=TILE_PX)
    assert not plateau.separated
    assert plateau.value == pytest.approx(16.0, abs=3.0)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(60):
        waves = np.repeat(np.repeat(rng.normal(0.0, 0.5, (8, 8)), 16, 0), 16, 1)
        map_ = 10.0 + waves + rng.normal(0.0, 0.9, waves.shape)
        plateau = complete(map_.astype(np.float32), tile_px=16)
        held += plateau.low <= 10.0 <= plateau.high
    assert 50 <= held <= 60


def test_scale_of_the_unit_does_not_matter():
    removal = noisy(scattered().removal, 0.9)[0]
    in_um = complete(removal, tile_px=TILE_PX)
    scaled = complete(
        removal / np.float32(0.5), tile_px=TILE_PX, bin_width=0.05 / 0.5, sigma=0.4 / 0.5
    )
    assert scaled.value * 0.5 == pytest.approx(in_um.value, abs=0.01)


def test_holes_and_wild_values_change_little():
    removal = noisy(scattered().removal, 0.9)[0]
    whole = complete(removal, tile_px=TILE_PX)
    rng = np.random.default_rng(0)
    removal[rng.random(removal.shape) < 0.2] = np.nan
    removal[0, 0], removal[0, 1] = 1e6, -1e6
    assert complete(removal, tile_px=TILE_PX).value == pytest.approx(whole.value, abs=0.1)


def test_too_few_pixels_give_no_number():
    empty = np.full((64, 64), np.nan, np.float32)
    few = empty.copy()
    few[:7, :7] = 5.0
    for removal in (empty, few):
        plateau = complete(removal, tile_px=TILE_PX)
        assert np.isnan(plateau.value)
        assert not plateau.separated


def test_the_same_seed_gives_the_same_answer():
    removal = noisy(scattered().removal, 0.9)[0]
    assert complete(removal, tile_px=30, seed=4) == complete(removal, tile_px=30, seed=4)


def test_kernels_compiled_and_in_python_agree():
    values = np.random.default_rng(0).normal(3.0, 1.0, (20, 24)).astype(np.float32)
    arguments = (values, -1.0, 0.25, 40, 8, 10)
    tiles = tile_histograms(*arguments)
    assert tiles.sum() == values.size
    np.testing.assert_array_equal(tiles, tile_histograms.py_func(*arguments))
    density = tiles.sum(axis=0)
    for kernel in (lowest_peak, half_sample_mode):
        assert kernel(density, 1.6) == pytest.approx(kernel.py_func(density, 1.6))


def test_lowest_peak_skips_small_ones_and_ripples():
    x = np.arange(200.0)
    bumps = [(20, 0.10), (60, 0.3), (120, 1.0)]
    density = 1e5 * sum(h * np.exp(-0.5 * ((x - c) / 6) ** 2) for c, h in bumps)
    density *= 1.0 + 0.02 * np.sin(x)
    assert lowest_peak(density.astype(np.float32), 8.0) == pytest.approx(60.0, abs=3.0)
