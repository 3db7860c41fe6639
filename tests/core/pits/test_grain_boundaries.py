"""Pits on the boundaries of synthetic Voronoi grains, and elsewhere."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from monitor.core.pits.grain_boundaries import (
    Placement,
    attraction,
    by_correlation,
    by_landmarks,
    on_map,
)
from simulators.truth.foil import FieldOfView, grain_boundaries_um

FIELD = FieldOfView(size=384)
PIXEL_UM = FIELD.voxel_um


def grains(seed=0):
    """Boundary points (n, 2) in µm and their picture on the map."""
    points = grain_boundaries_um(FIELD, np.random.default_rng(seed), margin_um=0.0)
    cells = np.rint(points / PIXEL_UM).astype(int)
    cells = cells[((cells >= 0) & (cells < FIELD.size)).all(axis=1)]
    picture = np.zeros((FIELD.size, FIELD.size), bool)
    picture[tuple(cells.T)] = True
    return points, binary_dilation(picture, iterations=1)


def anywhere(count, rng):
    return rng.uniform(0.0, FIELD.side_um, (count, 2))


def turned(angle, scale, origin):
    c, s = np.cos(angle), np.sin(angle)
    return Placement(scale * np.array([[c, -s], [s, c]]), np.asarray(origin, float))


def test_pits_on_boundaries_are_told_from_chance():
    rng = np.random.default_rng(1)
    points, picture = grains()
    on = points[rng.choice(len(points), 40)] + rng.normal(0.0, 1.5, (40, 2))
    found = attraction(np.vstack((on, anywhere(40, rng))), picture, PIXEL_UM)
    assert found.p_value == pytest.approx(1 / 1000)
    assert 0.3 < found.ratio < 0.75
    assert found.within > found.within_random + 0.2


@pytest.mark.slow
def test_random_pits_are_as_near_as_chance_says():
    _, picture = grains()
    rng = np.random.default_rng(2)
    found = [attraction(anywhere(60, rng), picture, PIXEL_UM, draws=199, seed=s) for s in range(60)]
    assert np.mean([one.ratio for one in found]) == pytest.approx(1.0, abs=0.03)
    p_values = np.array([one.p_value for one in found])
    assert np.mean(p_values < 0.05) < 0.15
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.12)


def test_pits_that_shun_boundaries_are_not_called_attracted():
    _, picture = grains()
    rng = np.random.default_rng(3)
    places = anywhere(2000, rng)
    cells = np.rint(places / PIXEL_UM).astype(int).clip(0, FIELD.size - 1)
    away = places[~binary_dilation(picture, iterations=12)[tuple(cells.T)]][:50]
    found = attraction(away, picture, PIXEL_UM)
    assert found.ratio > 1.2
    assert found.p_value > 0.99


def test_distances_are_in_um():
    picture = np.zeros((100, 100), bool)
    picture[:, 50] = True
    found = attraction([[20.0, 60.0], [30.0, 110.0], [-5.0, 3.0]], picture, 2.0)
    assert found.pits == 2, "one lies outside the field"
    assert found.mean_um == pytest.approx((40.0 + 10.0) / 2)


def test_only_places_that_were_seen_count():
    picture = np.zeros((100, 100), bool)
    picture[:, 10] = True
    seen = np.zeros((100, 100), bool)
    seen[:, :30] = True
    found = attraction([[50.0, 12.0], [50.0, 80.0]], picture, 1.0, seen=seen)
    assert found.pits == 1
    assert found.random_mean_um < 10.0
    assert attraction([[50.0, 80.0]], picture, 1.0, seen=seen) is None
    assert attraction(np.empty((0, 2)), picture, 1.0) is None


def test_landmarks_give_the_placement_and_how_well_they_agree():
    true = turned(0.3, 1.4, (12.0, -5.0))
    pixels = np.array([[10.0, 10.0], [200.0, 30.0], [40.0, 250.0], [180.0, 220.0]])
    found = by_landmarks(pixels, true.place(pixels))
    np.testing.assert_allclose(found.matrix, true.matrix, atol=1e-9)
    np.testing.assert_allclose(found.origin, true.origin, atol=1e-9)
    assert found.residual_um < 1e-9
    off = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    rough = by_landmarks(pixels, true.place(pixels) + off)
    assert 0.1 < rough.residual_um < 1.5
    assert np.isnan(by_landmarks(pixels[:3], true.place(pixels[:3])).residual_um)


@pytest.mark.parametrize(
    ("pixels", "word"),
    [
        ([[0, 0], [1, 1]], "at least 3"),
        ([[0, 0], [1, 1], [2, 2]], "line"),
        ([[0, 0, 0], [1, 1, 0], [2, 0, 0]], "expected the same"),
    ],
)
def test_landmarks_that_fix_nothing_are_refused(pixels, word):
    with pytest.raises(ValueError, match=word):
        by_landmarks(np.array(pixels), np.array(pixels)[:, :2] * 2.0)


@pytest.mark.parametrize("scale", [0.3, 1.7], ids=["finer image", "coarser image"])
def test_an_image_is_laid_on_the_map(scale):
    _, picture = grains()
    placement = turned(0.2, scale, (30.0, 10.0))
    size = int(320 / scale)
    pixels = np.stack(np.meshgrid(*[np.arange(size)] * 2, indexing="ij"), axis=-1)
    cells = np.rint(placement.place(pixels.reshape(-1, 2)) / PIXEL_UM).astype(int)
    inside = ((cells >= 0) & (cells < FIELD.size)).all(axis=1)
    image = np.zeros(size * size, bool)
    image[inside] = picture[tuple(cells[inside].T)]

    drawn, seen = on_map(image.reshape(size, size), placement, picture.shape, PIXEL_UM)

    near = binary_dilation(picture, iterations=3)
    assert 0.3 < seen.mean() < 0.95
    assert not (drawn & seen & ~near).any()
    assert binary_dilation(drawn, iterations=3)[picture & seen].mean() > 0.99


def test_a_shift_is_found_by_correlation():
    _, picture = grains()
    here = Placement(PIXEL_UM * np.eye(2), np.zeros(2))
    pits = np.roll(picture, (9, -14), axis=(0, 1)).astype(float)
    pits += np.random.default_rng(0).normal(0.0, 1.0, pits.shape)
    pits[100:120, 40:90] = np.nan
    found = by_correlation(picture, pits, here, PIXEL_UM)
    np.testing.assert_allclose(found.origin / PIXEL_UM, [9, -14], atol=1.01)
