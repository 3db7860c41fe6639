import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy.ndimage import correlate1d, gaussian_filter
from scipy.special import ndtr
from skimage.measure import label
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from monitor.core.pits import detect, kernels, label_kernels, peak_kernels, significance
from monitor.core.pits.detect import find_pits
from monitor.core.pits.link import Persistence, PitGrowth, changes, growth
from monitor.core.pits.statistics import pit_statistics
from monitor.settings import PitSettings
from tests.core.pit_fields import VOXEL_UM, craters, noisy, scattered

NOISE_UM = 0.9


def find(removal, plateau, *, noise=NOISE_UM, seed=0, unit="µm", voxel=VOXEL_UM, **more):
    values, error = noisy(removal, noise, seed)
    return find_pits(
        values,
        error,
        plateau,
        voxel_yx=(voxel, voxel),
        settings=PitSettings(),
        length_unit=unit,
        scan=more.pop("scan", 1),
        **more,
    )


def shared_noise(removal, noise=0.35, seed=0):
    """Removal with noise that neighbours share, as the refined heights have it, and its error."""
    white = np.random.default_rng(seed).normal(0.0, 1.0, removal.shape)
    shared = gaussian_filter(white, 1.0, mode="wrap")
    shared *= noise / shared.std()
    return (removal + shared).astype(np.float32), np.full(removal.shape, noise, np.float32)


def found_in(removal, error, plateau):
    return find_pits(
        removal,
        error,
        plateau,
        voxel_yx=(VOXEL_UM, VOXEL_UM),
        settings=PitSettings(),
        length_unit="µm",
        scan=1,
    )


def peak_places_um(found):
    rows, columns = np.unravel_index([found.peaks[p.id] for p in found.pits], found.labels.shape)
    return (np.stack((rows, columns), axis=1) + 0.5) * VOXEL_UM


def matched(found, field):
    """Index of the true pit within a third of its diameter from each found peak, -1 = none."""
    distances = np.hypot(*(peak_places_um(found)[:, None] - field.centres[None]).T).T
    nearest = distances.argmin(axis=1)
    close = distances.min(axis=1) < field.diameters[nearest] / 3
    return np.where(close, nearest, -1)


def one_crater(diameter=32.0, depth=28.0, n=96, at=None):
    centre = at or (n * VOXEL_UM / 2, n * VOXEL_UM / 2)
    return craters((n, n), [centre], [diameter], [depth])


@pytest.mark.parametrize("seed", [0, 1])
def test_merged_pits_are_told_apart(seed):
    field = scattered(n=384, per_mm2=1300, apart=16.0, seed=seed)
    found = find(field.removal, 5.0)
    truth = matched(found, field)
    assert (truth >= 0).all(), "none is invented"
    assert len(set(truth)) == len(truth), "none is counted twice"
    assert len(truth) >= 0.98 * len(field.centres)


def test_pits_at_random_places_are_told_apart_as_far_as_they_can_be():
    field = scattered(n=384, per_mm2=1300, seed=2)
    found = find(field.removal, 5.0)
    truth = matched(found, field)
    assert (truth >= 0).mean() > 0.98
    assert 0.7 * len(field.centres) < len(truth) <= len(field.centres)


def test_few_small_pits_are_all_found_with_their_sizes():
    field = scattered(
        n=512, per_mm2=150, diameter=(10, 20), depth=(8, 12), plateau=15.6, apart=25.0, seed=1
    )
    found = find(field.removal, 15.6)
    truth = matched(found, field)
    assert sorted(truth) == list(range(len(field.centres)))
    depths = np.array([pit.depth_max for pit in found.pits])
    diameters = np.array([pit.diameter for pit in found.pits])
    assert abs(np.median(depths - field.depths[truth])) < 0.2
    assert np.std(depths - field.depths[truth]) < 0.5
    assert abs(np.median(diameters - field.diameters[truth])) < 1.0


def test_deepest_point_is_neither_flattened_nor_exaggerated():
    errors = [find(5.0 + one_crater(), 5.0, seed=s).pits[0].depth_max - 28.0 for s in range(40)]
    assert abs(np.mean(errors)) < 0.1
    assert np.std(errors) < 0.3


@pytest.mark.parametrize("shared", [False, True])
def test_errors_of_depths_are_as_large_as_the_errors_made(shared):
    pulls = []
    for seed in range(3):
        field = scattered(n=384, per_mm2=700, apart=16.0, seed=seed)
        make = shared_noise if shared else noisy
        found = found_in(*make(field.removal, 0.35, seed=seed), 5.0)
        truth = matched(found, field)
        for pit, k in zip(found.pits, truth, strict=True):
            pulls.append((pit.depth_max - field.depths[k]) / pit.depth_max_error)
    assert len(pulls) > 100
    assert 0.8 < np.std(pulls) < 1.25
    assert abs(np.mean(pulls)) < 0.5


def test_noise_that_neighbours_share_makes_depths_less_exact():
    white, shared = (
        found_in(*make(5.0 + one_crater(), 0.35), 5.0).pits[0].depth_max_error
        for make in (noisy, shared_noise)
    )
    assert 0.0 < 2.0 * white < shared < 0.35


def test_walls_do_not_deepen_a_flat_floor():
    y, x = np.mgrid[:96, :96]
    floor = 15.0 * (np.hypot(y - 48, x - 48) <= 10.0 / VOXEL_UM)
    deepest = []
    for seed in range(20):
        (pit,) = found_in(*shared_noise(5.0 + floor, seed=seed), 5.0).pits
        deepest.append(pit.depth_max)
    assert abs(np.mean(deepest) - 15.0) < 0.4
    assert np.max(deepest) < 16.0


def test_measures_of_one_pit():
    depth = one_crater(diameter=30.0, depth=20.0, at=(30.0, 40.0), n=128)
    (pit,) = find(5.0 + depth, 5.0, noise=0.1, scan=7).pits
    assert (pit.id, pit.parent, pit.first_scan) == (1, -1, 7)
    # as on the map's axes, where the first pixel's centre is 0
    half = 0.5 * VOXEL_UM
    assert (pit.y, pit.x) == pytest.approx((30.0 - half, 40.0 - half), abs=0.2)
    assert pit.diameter == pytest.approx(30.0, abs=1.0)
    assert pit.area == pytest.approx(np.pi / 4 * pit.diameter**2)
    assert pit.volume == pytest.approx(depth.sum() * VOXEL_UM**2, rel=0.02)
    assert pit.depth_mean == pytest.approx(pit.volume / pit.area)
    assert math.isnan(pit.current_density_mA_cm2), "the charge may not be known yet"
    assert pit.p_value < 1e-30


def test_a_pit_cut_by_the_border_counts():
    found = find(5.0 + one_crater(at=(0.0, 30.0)), 5.0)
    assert len(found.pits) == 1
    assert found.pits[0].area == pytest.approx(np.pi / 8 * 32.0**2, rel=0.06)


def test_holes_in_a_pit_belong_to_it():
    removal = 5.0 + one_crater()
    removal[48, 40:56] = np.nan
    removal[:, 90:] = np.nan
    found = find(removal, 5.0)
    assert len(found.pits) == 1
    assert (found.labels[48, 42:54] == found.pits[0].id).all()
    assert not found.labels[:, 93:].any()


@pytest.mark.parametrize("unit", ["µm", "voxel"])
def test_noise_alone_has_no_pits(unit):
    flat = np.full((128, 128), 16.0)
    assert sum(len(find(flat, 16.0, seed=s, unit=unit, voxel=1.0).pits) for s in range(100)) == 0


def test_noise_that_neighbours_share_has_no_pits():
    rng = np.random.default_rng(0)
    for _ in range(10):
        coarse = np.repeat(np.repeat(rng.normal(0, NOISE_UM, (32, 32)), 4, 0), 4, 1)
        error = np.full(coarse.shape, NOISE_UM, np.float32)
        found = find_pits(
            coarse.astype(np.float32),
            error,
            0.0,
            voxel_yx=(VOXEL_UM, VOXEL_UM),
            settings=PitSettings(min_depth_um=0.1),
            length_unit="µm",
            scan=1,
        )
        assert found.pits == ()


def test_single_wild_values_are_no_pits():
    removal = np.full((128, 128), 5.0)
    removal[np.random.default_rng(0).random(removal.shape) < 5e-4] = 25.0
    assert find(removal, 5.0).pits == ()


def test_shallow_and_narrow_ones_are_left_out_in_um():
    assert find(5.0 + one_crater(diameter=30.0, depth=1.5), 5.0, noise=0.1).pits == ()
    assert find(5.0 + one_crater(diameter=3.5, depth=8.0), 5.0, noise=0.1).pits == ()


@pytest.mark.parametrize("shape", ["bowl", "cone", "floor"])
def test_pits_ten_um_wide_and_three_deep_are_found_whatever_their_shape(shape):
    centres = [(20.0 + 24.0 * i, 20.0 + 24.0 * j) for i in range(10) for j in range(10)]
    y = x = (np.arange(384) + 0.5) * VOXEL_UM
    depth = np.zeros((384, 384))
    for cy, cx in centres:
        r = np.hypot(y[:, None] - cy, x[None] - cx) / 5.0
        profile = {"bowl": 1.0 - r**2, "cone": 1.0 - r, "floor": 1.0 + 0.0 * r}[shape]
        depth = np.maximum(depth, np.where(r < 1.0, 3.0 * profile, 0.0))
    removal, error = shared_noise(5.0 + depth)
    found = found_in(removal, error, 5.0)
    near = np.hypot(*(peak_places_um(found)[:, None] - np.array(centres)[None]).T).T < 5.0
    assert near.any(axis=0).mean() >= 0.98, "recall"
    assert near.any(axis=1).all() and (near.sum(axis=0) <= 1).all(), "precision"


def test_many_quiet_scans_have_no_pits():
    """Noise as measured: shared by neighbours, as large as the heights' at a CNR of 2."""
    flat = np.full((128, 128), 5.0)
    counts = [len(found_in(*shared_noise(flat, seed=s), 5.0).pits) for s in range(200)]
    assert sum(counts) == 0


def test_the_deepest_of_many_noisy_places_is_no_discovery():
    rng = np.random.default_rng(0)
    anywhere = -np.expm1(-5000 * rng.uniform(size=5000))
    assert significance.discovered(np.concatenate((anywhere, np.full(50, 1e-9)))).sum() == 50
    assert not significance.discovered(anywhere).any()
    assert significance.discovered(np.empty(0)).size == 0
    # the more there are, the less is asked of each: the share of false ones counts
    assert significance.discovered(np.full(100, 40 * significance.FALSE_DISCOVERY_RATE)).all()
    assert not significance.discovered(np.full(1, 40 * significance.FALSE_DISCOVERY_RATE)).any()


def test_nothing_measured_gives_no_pits():
    found = find(np.full((64, 64), np.nan), 5.0)
    assert found.pits == ()
    assert not found.labels.any()
    assert np.isnan(found.noise)


def test_p_value_counts_the_places_where_noise_could_be_as_deep():
    depth, noise = np.array([1.0], np.float32), np.array([0.25], np.float32)
    places = 10_000 / (4 * np.pi * significance.SMOOTHING_PX**2)
    (p,) = significance.chance_of_noise(depth, noise, 10_000)
    assert p == pytest.approx(1.0 - ndtr(4.0) ** places, rel=1e-6)


def test_ids_stay_through_growth_and_noise():
    field = scattered(n=256, per_mm2=1000, apart=14.0, seed=4)
    previous, first = None, {}
    for scan, share in enumerate((0.3, 0.5, 0.7, 0.9, 1.0)):
        depths = share * field.depths
        map_ = craters((256, 256), field.centres, np.sqrt(share) * field.diameters, depths)
        found = find(5.0 + map_, 5.0, seed=scan, previous=previous, scan=scan)
        for pit, true in zip(found.pits, matched(found, field), strict=True):
            assert first.setdefault(pit.id, true) == true, "an id changed its pit"
        previous = found
    assert found.next_id - 1 <= 1.05 * len(field.centres)
    assert sum(pit.first_scan == 0 for pit in found.pits) >= 0.9 * len(field.centres)


def twins(apart_um, depth=25.0):
    middle = 48 * VOXEL_UM
    centres = [(middle, middle - apart_um / 2), (middle, middle + apart_um / 2)]
    return 5.0 + craters((96, 96), centres, [24.0, 26.0], [depth, depth + 1])


def test_a_swallowed_pit_names_its_swallower_and_comes_back_under_its_id():
    apart = find(twins(26.0), 5.0, noise=0.1, scan=0)
    merged = find(twins(26.0) * 0 + 5 + one_crater(50.0, 30.0), 5.0, previous=apart, scan=1)
    again = find(twins(26.0), 5.0, noise=0.1, previous=merged, scan=2)

    assert {pit.id for pit in apart.pits} == {1, 2}
    (survivor,) = merged.pits
    (swallowed,) = merged.swallowed
    assert {survivor.id, swallowed.id} == {1, 2}
    assert swallowed.parent == survivor.id
    assert merged.hidden == merged.swallowed
    back = {pit.id: pit for pit in again.pits}
    assert set(back) == {1, 2}
    assert back[swallowed.id].parent == survivor.id
    assert back[swallowed.id].first_scan == 0
    assert again.hidden == ()


def test_a_pit_that_splits_is_the_parent_of_the_new_one():
    one = find(5.0 + one_crater(50.0, 30.0), 5.0, noise=0.1, scan=3)
    two = find(twins(26.0), 5.0, noise=0.1, previous=one, scan=4)
    old, new = sorted(two.pits, key=lambda pit: pit.id)
    assert (old.id, old.parent, old.first_scan) == (1, -1, 3)
    assert (new.id, new.parent, new.first_scan) == (2, 1, 4)


def test_a_pit_that_vanishes_keeps_its_id_for_its_return():
    there, gone = 5.0 + one_crater(), np.full((96, 96), 5.0)
    first = find(there, 5.0, scan=0)
    second = find(gone, 5.0, previous=first, scan=1)
    third = find(there, 5.0, previous=second, scan=2, seed=1)
    assert second.pits == second.swallowed == ()
    assert second.hidden[0].parent == -1
    assert [(pit.id, pit.first_scan) for pit in third.pits] == [(1, 0)]


def test_a_new_pit_over_the_place_of_a_vanished_one_is_not_that_one():
    first = find(5.0 + one_crater(diameter=16.0, depth=10.0), 5.0, scan=0)
    gone = find(np.full((96, 96), 5.0), 5.0, previous=first, scan=1)
    beside = one_crater(diameter=40.0, depth=20.0, at=(34.4, 49.0))
    other = find(5.0 + beside, 5.0, previous=gone, scan=2)
    assert other.labels.flat[first.peaks[1]] > 0, "it does reach over the old place"
    assert [(pit.id, pit.first_scan) for pit in other.pits] == [(2, 2)]
    assert [pit.id for pit in other.hidden] == [1]


def test_what_became_of_the_pits_is_counted():
    one = find(5.0 + one_crater(50.0, 30.0), 5.0, noise=0.1, scan=0)
    two = find(twins(26.0), 5.0, noise=0.1, previous=one, scan=1)
    merged = find(5.0 + one_crater(50.0, 30.0), 5.0, previous=two, scan=2)
    gone = find(np.full((96, 96), 5.0), 5.0, previous=merged, scan=3)
    counted = [changes(b, a) for a, b in ((None, one), (one, two), (two, merged), (merged, gone))]
    names = ("pits_born", "pits_split", "pits_merged", "pits_vanished")
    assert [tuple(getattr(c, name) for name in names) for c in counted] == [
        (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
    ]  # fmt: skip


def test_growth_with_the_charge():
    small, large = (
        find(5.0 + one_crater(d, z), 5.0, noise=0.1) for d, z in ((20.0, 10.0), (24.0, 14.0))
    )
    large = find(5.0 + one_crater(24.0, 14.0), 5.0, noise=0.1, previous=small)
    grown = growth(large, small, 0.5)
    assert grown.pit_depth_growth == pytest.approx(8.0, abs=0.5)
    assert grown.pit_diameter_growth == pytest.approx(8.0, abs=0.8)
    for nothing in (
        growth(large, None, 0.5),
        growth(large, small, 0.0),
        growth(large, small, None),
    ):
        assert nothing == PitGrowth()


def test_persistence_from_one_discharge_to_the_next():
    places = [(15.0, 15.0), (15.0, 50.0), (50.0, 15.0), (50.0, 50.0)]

    def scan(depths, previous, number):
        depth = craters((96, 96), places, [16.0] * 4, depths)
        return find(5.0 + depth, 5.0, noise=0.1, previous=previous, scan=number)

    watch = Persistence()
    early = scan([10.0, 10.0, 10.0, 0.0], None, 0)
    ended = scan([20.0, 20.0, 20.0, 20.0], early, 1)
    filled = scan([8.0, 8.0, 0.0, 0.0], ended, 2)
    again = scan([20.0, 20.0, 0.0, 20.0], filled, 3)
    assert watch.update(early, None, None) is None, "without a cycler"
    assert watch.update(early, 1, 0.5) is None
    assert watch.update(ended, 1, 3.0) is None
    assert watch.update(filled, 1, 1.0) is None, "on charge"
    assert watch.update(again, 2, 1.5) == pytest.approx(3 / 4)
    other = find(5.0 + one_crater(60.0, 30.0), 5.0, previous=filled, scan=3)
    assert watch.update(other, 2, 1.5) == pytest.approx(2 / 4), "two are part of what is there now"


def test_another_shape_carries_on_the_numbering_only():
    first = find(5.0 + one_crater(), 5.0, scan=0)
    second = find(5.0 + one_crater(n=80), 5.0, previous=first, scan=1)
    assert [pit.id for pit in second.pits] == [2]


def test_deterministic_and_read_only():
    field = scattered(n=192, seed=3)
    one, other = (find(field.removal, 5.0) for _ in range(2))
    assert one.labels.tobytes() == other.labels.tobytes()
    assert one.pits == other.pits != ()
    assert not one.labels.flags.writeable


def test_summary():
    centres = [(20.0, 20.0), (20.0, 60.0), (50.0, 40.0)]
    depth = craters((128, 128), centres, [20.0, 22.0, 24.0], [10.0, 15.0, 20.0])
    found = find(4.0 + depth, 4.0, noise=0.1)
    area = (128 * VOXEL_UM) ** 2
    averaged = float((4.0 + depth).mean())

    summary = pit_statistics(found, area, averaged, plateau_value=4.0, length_unit="µm")

    assert summary.pit_count == 3
    assert summary.pit_density_mm2 == pytest.approx(3 / (area * 1e-6))
    assert summary.pit_depth_max_um == pytest.approx(20.0, abs=0.2)
    assert summary.pit_depth_mean_um == summary.pit_depth_ten_um == pytest.approx(15.0, abs=0.2)
    assert summary.pitting_factor == pytest.approx(24.0 / averaged, rel=0.01)
    assert summary.pit_area_fraction == pytest.approx((depth > 0).mean(), rel=0.1)
    # what is not on the plateau's level was stripped in pits
    assert summary.pit_volume_share == pytest.approx(1.0 - 4.0 / averaged, rel=0.02)
    assert summary.pit_diameter_median_um == pytest.approx(22.0, abs=1.0)
    assert summary.pit_depth_p50_um == pytest.approx(15.0, abs=0.2)
    assert summary.pit_depth_p99_um == pytest.approx(15.0 + 0.98 * 5.0, abs=0.2)
    assert summary.pit_diameter_p99_um == pytest.approx(22.0 + 0.98 * 2.0, abs=1.0)


def test_summary_without_pits_or_units():
    empty = find(np.full((64, 64), 5.0), 5.0)
    summary = pit_statistics(
        empty, 4096.0, 0.1, plateau_value=0.0, length_unit="voxel", averaged_error=0.2
    )
    assert summary.pit_count == 0
    assert summary.pit_area_fraction == 0.0
    unknown = {"pit_density_mm2", "pitting_factor", "pit_volume_share",
               "pit_depth_max_um", "pit_depth_p50_um", "pit_depth_p99_um",
               "pit_diameter_median_um", "pit_diameter_p99_um"}  # fmt: skip
    assert unknown <= {name for name, value in asdict(summary).items() if value is None}


@pytest.mark.parametrize(("plateau", "share"), [(0.5, 0.0), (5.0, 0.0)])
def test_an_even_surface_has_nothing_stripped_in_pits(plateau, share):
    even = find(np.full((64, 64), plateau), plateau)
    summary = pit_statistics(even, 4096.0, plateau, plateau_value=plateau, length_unit="µm")
    assert summary.pit_volume_share == share


@pytest.mark.parametrize("plateau", [1.0, 2.0, 8.0])
def test_the_share_in_pits_is_the_share_of_the_volume(plateau):
    depth = one_crater()
    found = find(plateau + depth, plateau)
    area = depth.size * VOXEL_UM**2
    averaged = float((plateau + depth).mean())
    summary = pit_statistics(found, area, averaged, plateau_value=plateau, length_unit="µm")
    assert summary.pit_volume_share == pytest.approx(depth.mean() / averaged, rel=0.02)


def test_splitting_agrees_with_scikit_image():
    field = scattered(n=128, per_mm2=1300, apart=10.0, seed=6)
    depth, error = noisy(field.depth, 0.5)
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2).astype(np.float32)
    smoothed, noise = kernels.smooth(depth, error, taps / taps.sum(), 0.3)
    flat = np.full_like(noise, 0.4)

    labels, _ = detect._split(smoothed, flat, 5.0, 2.0, np.zeros((128, 128), np.int32))

    prominent = label(h_maxima(smoothed.astype(float), 5.0 * 0.4))
    peer = watershed(-smoothed, prominent, mask=smoothed > 1.0, connectivity=2)
    lone = np.unique(labels[(peer == 0) & (labels > 0)])
    for number in lone:
        labels[labels == number] = 0
    pairs, pixels = np.unique(np.stack((labels.ravel(), peer.ravel())), axis=1, return_counts=True)
    main = {
        a: b for (a, b), _ in sorted(zip(pairs.T.tolist(), pixels, strict=True), key=lambda p: p[1])
    }
    agreed = sum(n for (a, b), n in zip(pairs.T.tolist(), pixels, strict=True) if main[a] == b)
    assert len(set(main.values())) == len(main) == prominent.max() + 1
    assert agreed / labels.size > 0.99


def test_smoothing_against_scipy_and_its_noise_against_many_maps():
    taps = np.array([0.25, 0.5, 0.25], np.float32)
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (2000, 12, 12)).astype(np.float32)
    values[:, 5, 6] = np.nan
    error = np.ones((12, 12), np.float32)
    maps = np.stack([kernels.smooth(v, error, taps, 0.3)[0] for v in values])
    predicted = kernels.smooth(values[0], error, taps, 0.3)[1]
    np.testing.assert_allclose(maps.std(axis=0), predicted, rtol=0.1)

    seen = np.isfinite(values[0]).astype(float)
    both = [np.nan_to_num(values[0]).astype(float), seen]
    for axis in (0, 1):
        both = [correlate1d(b, taps.astype(float), axis=axis, mode="constant") for b in both]
    np.testing.assert_allclose(maps[0], both[0] / both[1], rtol=1e-4, atol=1e-5)


def test_kernels_compiled_and_in_python_agree():
    depth, error = noisy(one_crater(12.0, 10.0, n=24), 0.5)
    depth[3, 4] = np.nan
    taps = np.array([0.25, 0.5, 0.25], np.float32)
    smoothed, noise = both(kernels.smooth, depth, error, taps, 0.3)
    labels, tops = both(kernels.catchments, smoothed, noise, 1.0, 0.2)
    pairs, heights = both(kernels.saddles, labels, smoothed)
    order = both(kernels.deepest_first, heights)
    assert (np.diff(heights[order]) <= np.ptp(heights) / kernels.LEVELS).all()
    peak = np.concatenate(([0], smoothed.ravel()[tops])).astype(np.float32)
    former = np.zeros(peak.size, np.int32)
    both(kernels.merged, pairs, heights, order, peak, 0.3 + 0 * peak, former, 0.5)
    rim = (depth, 1.0, smoothed, noise, 5.0, len(tops))
    np.testing.assert_array_equal(
        label_kernels.trim(labels.copy(), *rim), label_kernels.trim.py_func(labels.copy(), *rim)
    )
    both(label_kernels.sums_per_label, labels, depth, smoothed, len(tops))
    both(label_kernels.mean_per_label, labels, depth, len(tops))
    both(label_kernels.overlaps, labels, labels[::-1].copy(), len(tops) + 1)
    wide = np.full(len(tops), 3.0)
    both(peak_kernels.peak_depths, depth, labels, tops, wide, smoothed)
    near = np.exp(-0.5 * np.arange(40.0))
    at_peaks = noise.ravel()[tops]
    both(peak_kernels.peak_errors, depth, error, labels, tops, wide, smoothed, at_peaks, near)


def both(kernel, *arguments):
    compiled, plain = kernel(*arguments), kernel.py_func(*arguments)
    pairs = (
        zip(compiled, plain, strict=True) if isinstance(compiled, tuple) else [(compiled, plain)]
    )
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    return compiled


def test_a_pit_with_steep_walls_is_not_wider_than_it_is():
    y, x = np.mgrid[:96, :96]
    inside = (y - 48) ** 2 + (x - 48) ** 2 <= (10.0 / VOXEL_UM) ** 2
    removal = (5.0 + 12.0 * inside + np.random.default_rng(4).normal(0, 0.15, y.shape)).astype("f4")
    (pit,) = find(removal, 5.0, noise=0.15).pits
    assert pit.area == pytest.approx(inside.sum() * VOXEL_UM**2, rel=0.05)
    assert pit.depth_mean == pytest.approx(12.0, abs=0.5)
