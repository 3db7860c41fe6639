"""Means over tiles against plain numpy."""

import numpy as np
import pytest

from monitor.core.surface_statistics.tiles import mean_and_spread, mean_over_tiles, tile_sums


def test_the_mean_over_tiles_and_its_error():
    rng = np.random.default_rng(1)
    tiles = rng.normal(10, 2, (8, 8))
    values = np.kron(tiles, np.ones((10, 10))).astype(np.float32)
    mean, error = mean_over_tiles(values, (10, 10))
    assert mean == pytest.approx(tiles.mean(), rel=1e-6)
    assert error == pytest.approx(tiles.std(ddof=1) / 8, rel=1e-5)


def test_the_mean_leaves_out_what_is_not_measurable():
    values = np.full((20, 20), 3.0, np.float32)
    values[:10] = np.nan
    assert mean_over_tiles(values, (5, 5))[0] == 3.0
    assert np.isnan(mean_over_tiles(np.full((9, 9), np.nan, np.float32), (3, 3))).all()
    mean, error = mean_over_tiles(np.ones((4, 4), np.float32), (4, 4))
    assert mean == 1.0
    assert np.isnan(error)


def test_tiles_sum_to_the_whole_whatever_their_size():
    values = np.random.default_rng(1).normal(5, 1, (37, 53)).astype(np.float32)
    values[3:9, 7:30] = np.nan
    totals, counts = tile_sums(values, np.arange(0, 37, 8), np.arange(0, 53, 10))
    assert counts.shape == (5, 6) and counts.sum() == np.isfinite(values).sum()
    np.testing.assert_allclose(totals[0, 1], np.nansum(values[:8, 10:20]), rtol=1e-6)
    np.testing.assert_allclose(totals.sum(), np.nansum(values), rtol=1e-6)


def test_the_spread_between_tiles_is_the_error_of_the_mean():
    rng = np.random.default_rng(2)
    means = [mean_and_spread(rng.normal(0, 1, (64, 64)).astype(np.float32), 8) for _ in range(200)]
    assert 0.8 < np.std([m for m, _ in means]) / np.median([e for _, e in means]) < 1.2
    assert np.isnan(mean_and_spread(np.full((9, 9), np.nan, np.float32), 8)).all()
