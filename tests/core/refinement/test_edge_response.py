"""The learned shape of an edge against the derivative of the one that was rendered."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from monitor.core.refinement.edge_response import Profile, rows_to_learn_from
from monitor.core.refinement.refine import EDGE_BLUR, REACH, gaussian

NY, NX = 64, 64
USUAL = gaussian(EDGE_BLUR)


def edge(u, blur, fringe):
    """A step of 1 at u = 0 with a bright and dark fringe."""
    v = u / (blur * 2**0.5)
    return 0.5 * (1 + erf(v)) + fringe * v * np.exp(0.5 - v * v)


def paths(blur, fringe=0.0, noise=0.3, seed=0):
    """(NY, 2·REACH, NX): what is read of flat columns at places between voxels, ± 1."""
    rng = np.random.default_rng(seed)
    part = rng.uniform(0, 1, (NY, 1, NX))
    z = np.arange(-REACH, REACH + 1)[None, :, None] + 0.5 - part
    voxels = edge(z, blur, fringe) - 0.5 + noise * rng.standard_normal(z.shape)
    return (voxels[:, :-1] * (1 - part) + voxels[:, 1:] * part).astype(np.float32)


def derivative(blur, fringe, count):
    """At whole voxels from the middle, summing to 1 with both sides."""
    u, step = np.arange(count), 1e-3
    half = (edge(u + step, blur, fringe) - edge(u - step, blur, fringe)) / (2 * step)
    return half / (2 * half.sum() - half[0])


def _efficiency(weights, shape):
    """Of a filter: its squared correlation with the shape that it is to find."""
    return _dot(weights, shape) ** 2 / (_dot(weights, weights) * _dot(shape, shape))


def _dot(one, other):
    """Of two shapes that are given by their halves."""
    return 2 * float(one @ other) - float(one[0] * other[0])


def learned(*many, trust=1.0):
    profile = Profile(2 * REACH)
    for one in many:
        profile.add(one, np.zeros((NY, NX), np.float32))
    return profile.weights(USUAL, trust)


@pytest.mark.parametrize(
    ("blur", "fringe"), [(0.8, 0.0), (1.2, 0.0), (1.6, 0.0), (0.8, 0.3), (1.2, 0.4)]
)
def test_the_derivative_of_the_edge_is_found(blur, fringe):
    found = learned(*(paths(blur, fringe, seed=s) for s in range(4)))
    truth = derivative(blur, fringe, len(found))
    assert _efficiency(found, truth) > 0.96
    if (blur, fringe) != (EDGE_BLUR, 0.0):
        usual = np.pad(USUAL, (0, len(truth) - len(USUAL)))
        assert _efficiency(found, truth) > _efficiency(usual, truth)
    assert 2 * found.sum() - found[0] == pytest.approx(1.0, abs=1e-5)


def test_it_differs_from_the_usual_one_where_the_edge_does():
    assert np.abs(learned(paths(2.0))[:4] - USUAL).max() > 0.2
    assert learned(paths(2.0), trust=0.0) == pytest.approx(USUAL)


def test_little_data_stay_near_the_usual_edge():
    """Noise as large as the step."""
    truth = derivative(0.8, 0.0, 6)
    for seed in range(5):
        found = np.zeros(6)
        one = learned(paths(0.8, noise=1.0, seed=seed))
        found[: len(one)] = one
        assert np.abs(found - truth).max() < 0.2


@pytest.mark.parametrize("what", ["noise", "nothing", "upside down", "few columns"])
def test_without_an_edge_it_is_the_usual_one(what):
    rng = np.random.default_rng(1)
    given = {
        "noise": rng.standard_normal((NY, 2 * REACH, NX)),
        "nothing": np.zeros((NY, 2 * REACH, NX)),
        "upside down": -paths(0.8),
        "few columns": paths(0.8)[:2],
    }[what].astype(np.float32)
    profile = Profile(2 * REACH)
    profile.add(given, np.zeros((len(given), NX), np.float32))
    found = profile.weights(USUAL)
    assert np.isfinite(found).all()
    if what != "noise":
        np.testing.assert_array_equal(found, USUAL)


def test_rough_columns_do_not_count():
    smooth, rough = paths(0.8), paths(2.0, seed=1)
    both = np.concatenate([smooth, rough])
    residue = np.concatenate([np.zeros((NY, NX)), np.ones((NY, NX))]).astype(np.float32)
    profile = Profile(2 * REACH)
    profile.add(both, residue)
    assert profile.weights(USUAL) == pytest.approx(learned(smooth), abs=1e-6)


@pytest.mark.parametrize(
    ("ny", "nx"), [(48, 48), (300, 200), (2048, 2048), (8368, 8368), (5, 9000)]
)
def test_rows_lie_within_the_map_and_are_few(ny, nx):
    blocks = rows_to_learn_from(ny, nx, 65536, 4)
    rows = [row for block in blocks for row in range(ny)[block]]
    assert len(rows) == len(set(rows)) == sum(b.stop - b.start for b in blocks)
    assert len(rows) * nx >= min(ny * nx, 65536)
    assert len(rows) <= max(64, 65536 // nx + 8)
