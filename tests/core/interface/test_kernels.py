"""Kernels against analytic edges, exhaustive search, and the published noise of a change point."""

from itertools import combinations

import numpy as np
import pytest

from monitor.core.interface import kernels
from monitor.core.interface.levels import Levels
from monitor.records import frozen
from tests.core.phantom import LEVELS, NOISE, columns, noisy

BOTH_WAYS = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "py_func"])


def model(levels=LEVELS, noise=NOISE):
    return Levels(*levels, noise).model()


def run(volume, sizes=(16, 4, 1), levels=LEVELS, noise=NOISE):
    """State after the volume (nz, ny, nx), given in slabs of the sizes in turn, then one by one."""
    state = np.zeros((volume.shape[1], kernels.PLANES, volume.shape[2]), np.float32)
    stage = np.full(volume.shape[1], kernels.OPEN)
    until = np.zeros(volume.shape[1], np.float32)
    z, turn = 0, 0
    while z < len(volume):
        size = sizes[turn % len(sizes)]
        turn += 1
        size = size if z + size <= len(volume) else 1
        if size == 1:
            kernels.advance_one(volume[z], z, model(levels, noise), state, stage, until)
        else:
            slab = tuple(volume[z : z + size])
            kernels.advance(slab, z, model(levels, noise), state, stage, until)
        z += size
    return state


def edges(state):
    return state[:, kernels.EDGE_1_OF_2] - 1, state[:, kernels.EDGE_2] - 1


@pytest.mark.parametrize("blur", [0.5, 0.7, 1.0])
@pytest.mark.parametrize("levels", [LEVELS, LEVELS[::-1]], ids=["upwards", "downwards"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_edges_of_clean_columns_are_found_to_a_fraction_of_a_voxel(dtype, levels, blur):
    phase = np.linspace(0, 1, 200, endpoint=False)
    scale = 1 if dtype == "uint8" else 100
    levels = tuple(scale * level for level in levels)
    clean = columns(12 + phase, 30 + phase[::-1], 48, levels=levels, blur=blur)
    volume = noisy(clean[:, None, :], noise=0, dtype=dtype)
    first, second = edges(run(volume, levels=levels, noise=scale * NOISE))
    for found, true in ((first[0], 12 + phase), (second[0], 30 + phase[::-1])):
        error = found - true
        assert abs(error.mean()) < 0.02
        # linear between two voxels: exact at its ends and middle, off by little between them
        assert np.abs(error).max() < {0.5: 0.16, 0.7: 0.08, 1.0: 0.05}[blur]


def test_py_func_and_compiled_agree():
    clean = columns(np.full((2, 9), 6.3), np.linspace(14, 18, 18).reshape(2, 9), 24)
    volume = noisy(clean, seed=3)
    compiled = run(volume)
    state = np.zeros_like(compiled)
    for y in range(2):
        for z in range(0, 24, 4):
            rows = [volume[z + k, y] for k in range(4)]
            kernels.both_edges.py_func(*rows, np.float32(z), model(), state[y])
    found = np.array(edges(state)) - np.array(edges(compiled))
    assert np.abs(found).max() < 1e-3


def test_py_func_of_a_settled_row_agrees():
    clean = columns(np.full((1, 9), 6.3), np.linspace(14, 18, 9)[None], 24)
    volume = noisy(clean, seed=3)
    compiled = run(volume)
    state = np.zeros_like(compiled)
    for z in range(0, 12, 4):
        rows = [volume[z + k, 0] for k in range(4)]
        kernels.both_edges.py_func(*rows, np.float32(z), model(), state[0])
    assert kernels.settle.py_func(state[0])
    rows = [volume[12 + k, 0] for k in range(4)]
    kernels.second_edge.py_func(*rows, np.float32(12), model(), state[0])
    for z in range(16, 24):
        kernels.second_edge_one.py_func(volume[z, 0], np.float32(z), model(), state[0])
    assert np.abs(np.array(edges(state)) - np.array(edges(compiled))).max() < 1e-3


@pytest.mark.parametrize("levels", [LEVELS, LEVELS[::-1]], ids=["upwards", "downwards"])
def test_how_slices_are_grouped_changes_nothing(levels):
    rng = np.random.default_rng(4)
    lower, upper = rng.uniform(8, 14, (2, 6, 33))
    volume = noisy(columns(lower, upper + 20, 61, levels=levels), noise=20, seed=5)
    one = edges(run(volume, (1,), levels, 20.0))
    for sizes in ((16,), (4,), (4, 1, 1, 16)):
        np.testing.assert_array_equal(edges(run(volume, sizes, levels, 20.0)), one)


@pytest.mark.parametrize("noise", [15.0, 40.0])
def test_edges_are_those_of_an_exhaustive_search(noise):
    """Every pair of change points i < j is tried; the likeliest one has the same voxels."""
    rng = np.random.default_rng(6)
    clean = columns(rng.uniform(4, 8, (1, 300)), rng.uniform(12, 20, (1, 300)), 26)
    volume = noisy(clean, noise=noise, seed=7, dtype="float32")
    gain1, offset1, limit1, gain2, offset2, limit2 = (float(v) for v in model(noise=noise))
    ratio1 = np.clip(volume[:, 0] * gain1 + offset1, -limit1, limit1)
    ratio2 = np.clip(volume[:, 0] * gain2 + offset2, -limit2, limit2)
    # likelihood of the second layer from i on and the third from j on, over the first throughout
    sum1 = np.concatenate([np.zeros((1, 300)), np.cumsum(ratio1, 0)])
    sum2 = np.concatenate([np.zeros((1, 300)), np.cumsum(ratio2, 0)])
    pairs = np.array(list(combinations(range(26), 2)))
    likelihood = sum1[26] - sum1[pairs[:, 0]] + sum2[26] - sum2[pairs[:, 1]]
    best = pairs[np.argmax(likelihood, 0)]
    # one whose last layers are absent ends differently: keep the columns where three are likeliest
    absent = np.maximum(0, (sum1[26] - sum1[:26]).max(0))
    three = likelihood.max(0) > absent + 1e-3
    assert three.mean() > 0.9
    first, second = (edge[0][three] for edge in edges(run(volume, noise=noise)))
    assert ((first >= best[three, 0] - 1) & (first <= best[three, 0])).all()
    assert ((second >= best[three, 1] - 1) & (second <= best[three, 1])).all()


@pytest.mark.parametrize(("cnr", "low", "high"), [(3.0, 0.6, 1.0), (4.0, 0.45, 0.7)])
def test_noise_of_an_edge_is_that_of_a_change_point(cnr, low, high):
    """A two-level change point has an rms of 0.60 voxel at CNR 4, blur 0.7, and no bias; no
    estimator of single columns gets below sqrt(2 sqrt(pi) s)/CNR = 0.39."""
    rng = np.random.default_rng(8)
    upper = rng.uniform(35, 45, (40, 500))
    noise = 60.0 / cnr
    clean = columns(np.full_like(upper, 12.0), upper, 80)
    volume = noisy(clean, noise=noise, seed=9, dtype="float32")
    error = edges(run(volume, noise=noise))[1] - upper
    assert abs(error.mean()) < 0.03
    assert low < np.sqrt((error**2).mean()) < high


def test_vertical_slices_give_what_horizontal_ones_give():
    rng = np.random.default_rng(10)
    lower, upper = rng.uniform(8, 14, (2, 5, 31))
    volume = noisy(columns(lower, upper + 20, 50), seed=11)
    state = np.zeros((5, kernels.PLANES, 31), np.float32)
    for y in range(5):
        kernels.advance_column_slice(frozen(np.ascontiguousarray(volume[:, y])), model(), state[y])
    np.testing.assert_array_equal(edges(state), edges(run(volume)))


def test_a_hot_voxel_does_not_move_an_edge():
    clean = columns(np.full((1, 4), 8.3), np.full((1, 4), 30.4), 48)
    spoilt = clean.copy()
    spoilt[20, 0, 1], spoilt[20, 0, 2], spoilt[40, 0, 3] = 60_000, 0, 0
    reference = np.array(edges(run(noisy(clean, noise=0))))
    np.testing.assert_allclose(edges(run(noisy(spoilt, noise=0))), reference, atol=1e-5)


@BOTH_WAYS
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_no_number_is_found(value, compiled):
    check = kernels.any_not_finite if compiled else kernels.any_not_finite.py_func
    values = np.array([0.0, -0.0, 3.4e38, -3.4e38, 1e-45, 5.0], np.float32)
    assert not check(values.view(np.uint32))
    for place in range(len(values)):
        spoilt = values.copy()
        spoilt[place] = value
        assert check(spoilt.view(np.uint32))


@BOTH_WAYS
@pytest.mark.parametrize("least", [1, 3])
def test_three_segments_are_those_of_an_exhaustive_search(least, compiled):
    rng = np.random.default_rng(12)
    profiles = rng.normal(0, 1, (20, 15)) + 3 * (np.arange(15) > 6) - 2 * (np.arange(15) > 10)
    cuts = np.zeros((20, 2), np.int64)
    search = kernels.three_segments if compiled else kernels.three_segments.py_func
    search(profiles, least, cuts)

    def residual(profile, i, j):
        return sum(((part - part.mean()) ** 2).sum() for part in np.split(profile, [i, j]))

    allowed = [
        (i, j)
        for i, j in combinations(range(1, 15), 2)
        if i >= least and j - i >= least and 15 - j >= least
    ]
    for profile, (i, j) in zip(profiles, cuts, strict=True):
        best = min(residual(profile, a, b) for a, b in allowed)
        assert residual(profile, i, j) == pytest.approx(best)


def stages(volume, levels=LEVELS, noise=NOISE):
    """State, stage and until after the volume (nz, ny, nx), in slabs of 16."""
    state = np.zeros((volume.shape[1], kernels.PLANES, volume.shape[2]), np.float32)
    stage = np.full(volume.shape[1], kernels.OPEN)
    until = np.zeros(volume.shape[1], np.float32)
    for z in range(0, len(volume), 16):
        slab = tuple(volume[z : z + 16])
        kernels.advance(slab, z, model(levels, noise), state, stage, until)
    return state, stage, until


def test_a_row_is_done_once_a_depth_of_the_last_layer_lies_over_all_its_columns():
    upper = np.full((3, 40), 40.0)
    upper[2, 7] = 100.0
    volume = noisy(columns(np.full_like(upper, 12.3), upper, 160), noise=8.0, seed=8)
    state, stage, until = stages(volume, noise=8.0)
    assert list(stage) == [kernels.DONE, kernels.DONE, kernels.FIRST_SETTLED]
    assert (until[:2] < 160).all() and until[2] == 160
    assert np.abs(edges(state)[1] - upper).max() < 1.0
    # what is not asked any more is not looked at: the same edges whatever comes
    volume = volume.copy()
    volume[128:, :2] = 0
    np.testing.assert_array_equal(edges(stages(volume, noise=8.0)[0])[1][:2], edges(state)[1][:2])


def test_a_pocket_of_the_last_layer_does_not_end_the_search():
    clean = columns(np.full((1, 40), 12.3), np.full((1, 40), 90.0), 240)
    clean[50:56] = LEVELS[2]
    state, _, _ = stages(noisy(clean, noise=2.0, seed=9), noise=2.0)
    assert np.abs(edges(state)[1] - 90.0).max() < 0.5
