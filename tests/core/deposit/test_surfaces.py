"""The porous deposit against the truth of a phantom: 17.5 µm for 13 µm, blur 0.8 voxel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from monitor.core.deposit import kernels
from monitor.core.deposit.surfaces import deposit
from monitor.core.interface.levels import Levels
from monitor.core.refinement.band import Range
from monitor.core.refinement.kernels import quantise

VOXEL_UM = 0.717
POROSITY = 1 - 13.0 / 17.5
THICK = 17.5 / VOXEL_UM
SIDE, NZ, FIRST = 112, 124, 4


def rough(rms_um, seed, side=SIDE):
    waves = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 4.0)
    return waves / waves.std() * rms_um / VOXEL_UM


def craters(side=SIDE):
    """Depth in voxels: 1,300 round craters a mm², 30–35 µm wide, 20–25 µm deep, merged."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] * VOXEL_UM
    depth = np.zeros((side, side))
    for _ in range(int(1300e-6 * (side * VOXEL_UM) ** 2)):
        cy, cx = rng.uniform(0, side * VOXEL_UM, 2)
        radius, deep = rng.uniform(15.0, 17.5), rng.uniform(20.0, 25.0)
        share = 1 - ((y - cy) ** 2 + (x - cx) ** 2) / radius**2
        depth = np.maximum(depth, deep * np.maximum(share, 0))
    return depth / VOXEL_UM


def plain():
    dense = 45.3 + rough(0.5, 5)
    return dense, dense + THICK + rough(0.5, 9)


def conformal():
    dense = 66.3 - craters() + rough(0.2, 5)
    return dense, dense + THICK


def filled():
    depth = craters()
    dense = 62.3 - depth + rough(0.2, 5)
    return dense, dense + depth + THICK - depth.mean() + rough(0.3, 3)


def volume(dense, front, cnr, *, porosity=POROSITY, fringe=0.0, seed=1):
    """(nz, ny, nx) float32: lithium 0, moss of the porosity, electrolyte 1, noise 1/cnr."""
    z = np.arange(NZ)[:, None, None]

    def edge(at):
        u = (z - at) / (0.8 * 2**0.5)
        return 0.5 * (1 + erf(u)) + fringe * u * np.exp(0.5 - u * u)

    clean = porosity * edge(dense) + (1 - porosity) * edge(front)
    noise = np.random.default_rng(seed).standard_normal(clean.shape)
    return (clean + noise / cnr).astype(np.float32)


def found(scan, cnr, place, *, levels=(0.0, 1.0), reversed_z=False, **options):
    """The deposit in a scan whose one interface is known to have been found at `place`."""
    lithium, electrolyte = levels
    if reversed_z:
        scan, place = scan[::-1], NZ - 1 - place
        ratio = Levels(electrolyte, lithium, None, 1 / cnr).model()[:3]
    else:
        ratio = Levels(None, lithium, electrolyte, 1 / cnr).model()[3:]
    around = Range(0, NZ - FIRST) if reversed_z else Range(FIRST, NZ)
    ratios = np.empty((scan.shape[1], around.last - around.first, scan.shape[2]), np.int8)
    for plane, image in enumerate(scan[around.first : around.last]):
        quantise(np.ascontiguousarray(image), *ratio, ratios[:, plane])
    place = np.asarray(place, np.float32)
    error = np.full_like(place, 0.5)
    return deposit(ratios, around, float(ratio[2]), place, error, reversed_z=reversed_z, **options)


def rms(values):
    return float(np.sqrt(np.nanmean(np.square(values))))


@pytest.mark.parametrize("make", [plain, conformal, filled])
@pytest.mark.parametrize("fringe", [0.0, 0.3])
def test_front_dense_top_and_porosity(make, fringe):
    """The published deposit at CNR 3, by a first look that is a voxel off."""
    dense, front = make()
    got = found(volume(dense, front, 3.0, fringe=fringe), 3.0, front - 1.0)
    assert np.isfinite(got.dense).mean() > 0.99
    for surface, error, truth, largest in (
        (got.front, got.front_error, front, 0.5),
        (got.dense, got.dense_error, dense, 1.0),
    ):
        off_um = (surface - truth) * VOXEL_UM
        assert rms(off_um) < largest
        assert abs(np.nanmean(off_um)) < 0.1
        assert 0.5 < np.nanstd((surface - truth) / error) < 1.4
    assert rms(got.porosity - POROSITY) < 0.02
    assert got.stack.porosity == pytest.approx(POROSITY, abs=0.01)
    assert got.stack.present and got.stack.porosity_error < 0.01
    assert np.median(got.confidence) > 0.95


def test_wrong_levels_and_a_reversed_stack_change_nothing():
    """The levels are the band's own: moss may have been taken for lithium by who gave them."""
    dense, front = filled()
    scan = volume(dense, front, 3.0)
    straight = found(scan, 3.0, front)
    biased = found(scan, 3.0, front, levels=(0.05, 0.97))
    reverse = found(scan, 3.0, front, reversed_z=True)
    assert biased.stack.porosity == pytest.approx(straight.stack.porosity, abs=0.005)
    assert rms(biased.dense - straight.dense) < 0.5
    for one, other in ((reverse.dense, straight.dense), (reverse.front, straight.front)):
        np.testing.assert_allclose(NZ - 1 - one, other, atol=0.1)


def test_where_there_is_no_moss_none_is_found():
    dense = 62.3 - craters() + rough(0.2, 5)
    for cnr in (2.0, 5.0):
        got = found(volume(dense, dense, cnr), cnr, dense)
        assert not got.stack.present and np.isnan(got.stack.porosity)
        np.testing.assert_allclose(got.dense, dense, atol=1e-3)
        np.testing.assert_array_equal(got.dense, got.front)
        assert np.isnan(got.porosity).all()


def test_moss_on_half_of_the_field_is_told_from_none():
    dense = 62.3 + rough(0.2, 5)
    front = dense.copy()
    front[:, SIDE // 2 :] += THICK
    got = found(volume(dense, front, 3.0), 3.0, front)
    has = np.isfinite(got.porosity)
    assert has[:, SIDE // 2 + 4 :].mean() > 0.99
    assert has[:, : SIDE // 2 - 4].mean() < 0.01
    assert rms(got.dense - dense) * VOXEL_UM < 0.5


@pytest.mark.slow
def test_confidence_falls_with_the_contrast_of_the_moss():
    """By noise, and by a porosity near that of one of its neighbours; then numbers are withheld."""
    dense, front = filled()
    given = [
        np.isfinite(found(volume(dense, front, cnr), cnr, front).dense).mean()
        for cnr in (3.0, 1.0, 0.7, 0.4)
    ]
    assert given[0] > 0.99 and given == sorted(given, reverse=True) and given[-1] < 0.01
    sure = [
        np.median(found(volume(dense, front, 3.0, porosity=p), 3.0, front, expected=0.9).confidence)
        for p in (0.3, 0.1, 0.05, 0.02)
    ]
    assert sure[0] > 0.99 and sure[1] > 0.9 and max(sure[2:]) < 0.6


def test_confidence_means_what_it_says_at_the_limit():
    dense, front = plain()
    got = found(volume(dense, front, 1.0), 1.0, front)
    known = np.isfinite(got.dense)
    right = (np.abs(got.dense - dense) < 3) & (np.abs(got.front - front) < 3)
    assert right[known].mean() == pytest.approx(got.confidence[known].mean(), abs=0.04)
    assert rms(got.dense - dense) * VOXEL_UM < 1.5


def test_missing_slices_show_in_the_error():
    tilt = np.linspace(-15, 15, SIDE)
    dense, front = (surface + tilt for surface in plain())
    scan = volume(dense, front, 3.0)
    came = np.ones(NZ - FIRST, np.bool_)
    came[[20, 41, 42, 43, 44, 45]] = False
    scan[FIRST:][~came] = 0.5
    got = found(scan, 3.0, front, came=came)
    hit = np.abs(dense - FIRST - 42.5) < 1
    away = np.abs(dense - FIRST - 42.5) > 8
    assert np.nanmedian(got.dense_error[hit]) > 1.5
    assert np.nanmedian(got.dense_error[away]) < 0.6
    assert rms((got.dense - dense)[away]) < 1.0
    assert rms((got.dense - dense)[hit]) < 3.0


def test_rows_that_did_not_come_have_no_number():
    dense, front = plain()
    scan = volume(dense, front, 3.0)
    came = np.ones(SIDE, np.bool_)
    came[[0, 50, 51]] = False
    scan[:, ~came] = 0.5
    got = found(scan, 3.0, front, came=came, vertical=True)
    assert np.isnan(got.dense[~came]).all() and not got.confidence[~came].any()
    assert rms((got.dense - dense)[came]) * VOXEL_UM < 0.5


def test_noise_that_neighbours_share_lowers_the_confidence():
    dense, front = plain()
    noise = gaussian_filter(np.random.default_rng(7).normal(size=(NZ, SIDE, SIDE)), 1.0)
    scan = volume(dense, front, np.inf) + (noise / noise.std() / 3).astype(np.float32)
    got = found(scan, 3.0, front)
    known = np.isfinite(got.dense)
    right = (np.abs(got.dense - dense) < 3) & (np.abs(got.front - front) < 3)
    assert got.confidence.mean() < 0.85
    assert right[known].mean() > got.confidence[known].mean() - 0.15


def test_a_band_that_ends_above_the_dense_top_gives_no_number():
    dense, front = plain()
    got = found(volume(dense - 40.0, front, 3.0), 3.0, front)
    assert np.isfinite(got.dense).mean() < 0.01


def test_a_field_of_odd_size_and_a_scan_without_slices():
    dense, front = (surface[:57, :43] for surface in plain())
    got = found(volume(dense, front, 3.0), 3.0, front)
    assert rms(got.dense - dense) * VOXEL_UM < 1.0 and got.porosity.shape == (57, 43)
    ratios = np.zeros((57, 60, 43), np.int8)
    nothing = np.full((57, 43), np.nan, np.float32)
    gone = np.zeros(60, np.bool_)
    got = deposit(ratios, Range(0, 60), 20.0, nothing, nothing, came=gone)
    assert np.isnan(got.dense).all() and not got.confidence.any()


def test_two_change_points_are_the_least_squares_of_all_pairs():
    rng = np.random.default_rng(4)
    levels = np.array([-100, -40, 100], np.float32)
    pairs = rng.normal(0, 60, (3, 14, 5)) + np.repeat(levels, (5, 5, 4))[:, None]
    pairs = pairs.astype(np.int16)
    outs = []
    for kernel in (kernels.stack, kernels.stack.py_func):
        out = np.empty((3, 3, 5), np.float32)
        kernel(pairs, levels, 2, *out)
        outs.append(out)
    np.testing.assert_allclose(outs[0], outs[1], rtol=1e-4)
    line = np.array([1, 2, 1])
    padded = np.pad(pairs, ((1, 1), (0, 0), (1, 1)), mode="edge").astype(float)
    sums = np.einsum(
        "abzyx,a,b->yzx", np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 2))
        .transpose(3, 4, 1, 0, 2), line, line,
    )  # fmt: skip
    for y in range(3):
        for x in range(5):
            least = min(
                (np.sum((sums[y, :, x] - 16 * np.repeat(levels, (a, b - a, 14 - b))) ** 2), a, b)
                for a in range(15) for b in range(a + 2, 15)
            )  # fmt: skip
            assert (outs[0][0, y, x], outs[0][1, y, x]) == least[1:]


def test_loops_give_the_same_compiled_and_plain():
    rng = np.random.default_rng(5)
    ratios = rng.integers(-127, 128, (5, 9, 7)).astype(np.int8)
    dense, front = np.full((3, 4), 2.0, np.float32), np.full((3, 4), 8.0, np.float32)
    outs = []
    for plain_ in (False, True):

        def run(kernel, *values, plain_=plain_):
            return (kernel.py_func if plain_ else kernel)(*values)

        pairs = np.empty((3, 9, 4), np.int16)
        run(kernels.bin_pairs, ratios, np.int16(-1), pairs)
        made = np.empty((3, 3, 4), np.float32)
        one = np.float32(1)
        run(kernels.between, pairs, dense, front, one, one, np.float32(3), *made)
        beyond = run(kernels.beyond, pairs, dense, front, 0.0)
        fine = np.empty((5, 7), np.float32)
        run(kernels.double, made[0], fine)
        outs.append((pairs, made, beyond, fine))
    for compiled, plain_ in zip(*outs, strict=True):
        np.testing.assert_allclose(compiled, plain_, rtol=1e-4)
    pairs, made, beyond, fine = outs[0]
    assert pairs[0, 8, 0] == -ratios[:2, 0, :2].astype(int).sum()
    assert pairs[2, 8, 3] == -4 * int(ratios[4, 0, 6])
    np.testing.assert_allclose(made[0], pairs[:, 3:7].sum(axis=1))
    assert beyond == pytest.approx((pairs[:, :2].mean(), pairs[:, 8:].mean()))
    assert fine[2, 2] == pytest.approx(
        (9 * made[0, 1, 1] + 3 * made[0, 1, 0] + 3 * made[0, 0, 1] + made[0, 0, 0]) / 16, rel=1e-4
    )
