import numpy as np
import pytest

from monitor.core.surface_statistics.areal import (
    PARAMETERS,
    areal,
    height_counts,
    plane_sums,
    texture_sums,
)
from tests.core.pit_fields import VOXEL_UM, scattered


def wave(amplitude=2.0, n=256, periods=4):
    x = np.arange(n)
    return np.broadcast_to(amplitude * np.cos(2 * np.pi * periods * (x + 0.5) / n), (n, n)).copy()


def test_sinusoid():
    found = areal(wave(), 1.0)
    assert found["Sq"] == pytest.approx(2.0 / np.sqrt(2.0), rel=1e-3)
    assert found["Sa"] == pytest.approx(2.0 * 2.0 / np.pi, rel=2e-3)
    assert found["Sz"] == pytest.approx(4.0, rel=2e-3)
    assert found["Ssk"] == pytest.approx(0.0, abs=1e-3)
    assert found["Sku"] == pytest.approx(1.5, rel=2e-3)


def test_a_plane_is_taken_out_even_through_holes():
    y, x = np.mgrid[:256, :256]
    tilted = wave() + 0.3 * x - 0.7 * y + 40.0
    tilted[30:60, 100:200] = np.nan
    level = wave()
    level[30:60, 100:200] = np.nan
    found, expected = areal(tilted, 1.0), areal(level, 1.0)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_skewness_of_pits_is_negative():
    rng = np.random.default_rng(0)
    z = rng.exponential(1.0, (300, 300))
    found = areal(-z, 1.0)
    assert found["Ssk"] == pytest.approx(-2.0, abs=0.15)
    assert found["Sku"] == pytest.approx(9.0, abs=1.0)


def test_developed_area_of_a_roof():
    x = np.arange(201)
    roof = np.broadcast_to(0.75 * np.abs(x - 100.0) * 0.5, (101, 201)).copy()
    assert areal(roof, (2.0, 0.5))["Sdr"] == pytest.approx(0.25, rel=1e-6)


def test_units_scale():
    one, other = areal(wave(), 1.0), areal(3.0 * wave(), 3.0)
    for name in ("Sa", "Sq", "Sz"):
        assert other[name] == pytest.approx(3.0 * one[name])
    for name in ("Sku", "Sdr"):
        assert other[name] == pytest.approx(one[name])


def test_nothing_to_measure():
    assert all(np.isnan(v) for v in areal(np.full((50, 50), np.nan), 1.0).values())
    flat = areal(np.full((50, 50), 125.0, np.float32), 1.0)
    assert tuple(flat) == PARAMETERS
    assert flat["Sq"] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(flat["Ssk"])


def test_kernels_compiled_and_in_python_agree():
    height = np.random.default_rng(0).normal(9.0, 1.0, (12, 17)).astype(np.float32)
    height[3, 4:7] = np.nan
    for one, other in zip(plane_sums(height), plane_sums.py_func(height), strict=True):
        np.testing.assert_allclose(one, other)
    plane = (height, 9.0, 0.1, -0.2, 0.7, 0.8)
    np.testing.assert_allclose(texture_sums(*plane), texture_sums.py_func(*plane), rtol=1e-5)
    counts = (*plane[:4], -5.0, 5.0, 64)
    np.testing.assert_array_equal(height_counts(*counts), height_counts.py_func(*counts))


def test_valleys_of_a_sinusoid():
    """80 % material lies at a·cos(0.8π), and the void below it has a closed form."""
    found = areal(wave(n=1500, periods=1), 1.0)
    level = np.cos(0.8 * np.pi)
    void = 2.0 * (0.2 * level + np.sin(0.8 * np.pi) / np.pi)
    assert found["Vvv"] == pytest.approx(void, rel=0.01)


def test_valleys_scale_with_the_unit():
    height = np.random.default_rng(0).normal(0.0, 1.0, (200, 200))
    one, other = areal(height, 1.0), areal(3.0 * height, 3.0)
    for name in ("Svk", "Vvv"):
        assert other[name] == pytest.approx(3.0 * one[name], rel=1e-3)


def test_valleys_of_a_plain_with_few_pits_are_the_pits():
    rng = np.random.default_rng(0)
    height = rng.normal(0.0, 0.1, (400, 400))
    height[rng.random(height.shape) < 0.03] -= 10.0 + rng.normal(0.0, 0.1)
    found, plain = areal(height, 1.0), areal(rng.normal(0.0, 0.1, (400, 400)), 1.0)
    assert found["Svk"] > 5.0 > 10.0 * plain["Svk"]
    assert found["Vvv"] == pytest.approx(0.03 * 10.0, rel=0.1)


@pytest.mark.parametrize("kind", ["pits", "noise", "crowded"])
def test_against_surfalize(kind):
    surfalize = pytest.importorskip("surfalize")
    rng = np.random.default_rng(0)
    density = {"pits": 150.0, "noise": 0.0, "crowded": 1300.0}[kind]
    field = scattered(n=384, per_mm2=density, seed=1)
    tilt = np.add.outer(np.arange(384) * 0.01, np.arange(384) * -0.02)
    height = 125.0 - field.removal + tilt + rng.normal(0.0, 0.3, field.removal.shape)
    peer = surfalize.Surface(height.copy(), VOXEL_UM, VOXEL_UM).level()

    found = areal(height, VOXEL_UM)

    for name in ("Sa", "Sq", "Sz", "Ssk", "Sku", "Svk", "Vvv"):
        expected = float(getattr(peer, name)())
        assert found[name] == pytest.approx(expected, rel=0.02, abs=1e-3), name
    assert 100.0 * found["Sdr"] == pytest.approx(float(peer.Sdr()), rel=0.02), "they give percent"
    height[40:90, 100:150] = np.nan
    assert areal(height, VOXEL_UM)["Vvv"] == pytest.approx(found["Vvv"], rel=0.1, abs=0.02)
