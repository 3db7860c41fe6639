"""One volume sent upright and reversed: the same maps, and those of the foil that was rendered."""

import numpy as np
import pytest

from monitor.core.arrival.measurement import ScanSetup
from monitor.core.arrival.running_scan import RunningScan
from monitor.core.interface.levels import Levels
from monitor.records import SliceFrame, frozen
from monitor.settings import CellSettings
from tests.core.phantom import LEVELS, NOISE, columns, noisy, start

UPWARDS = ("collector", "lithium", "electrolyte")
MEMORY = 10**9
LITHIUM = 22
Y, X = np.mgrid[:64, :64]


def foil(collector, above=20, lithium=LITHIUM, noise=NOISE):
    """Heights and the volume of a wavy foil over so many slices of a slightly wavy collector."""
    lower = collector - 0.5 + 0.2 * np.sin(Y / 11.0)
    upper = collector + lithium + np.sin(X / 9.0) * np.cos(Y / 7.0)
    clean = columns(lower, upper, collector + lithium + above)
    return upper - lower, noisy(clean, noise=noise, seed=collector)


def sent(volume, *, upright, order=None, axis="z", memory=MEMORY, layers=UPWARDS, previous=None):
    """The scan after these slices of the volume came, and the provisional heights it gave;
    `previous`: grey levels of the scan before."""
    cell = CellSettings(
        name="A",
        foil_thickness_um=16.0,
        electrode_area_cm2=0.2,
        layers=layers if upright else layers[::-1],
    )
    volume = volume if upright else volume[::-1]
    scan = RunningScan(ScanSetup(start(volume.shape, axis=axis), cell, previous, memory))
    given = []
    for index in range(scan.start.slice_count) if order is None else order:
        plane = volume[index] if axis == "z" else volume[:, index]
        image = frozen(np.ascontiguousarray(plane))
        scan.add(SliceFrame("A", 0, "s", int(index), int(index), image))
        given.append(scan._measurement.provisional())
    return scan, [heights for heights in given if heights is not None]


def measured(*args, **kwargs):
    return sent(*args, **kwargs)[0].finish()


def assert_same_maps(down, up, *, share=0.2):
    """Alike to a small part of the error: kernels walk the index upwards, so not bit for bit."""
    for name in ("height", "bottom"):
        one, other = getattr(down.heights, name), getattr(up.heights, name)
        error = np.nanmedian(up.heights.error)
        assert abs(np.nanmean(one - other)) < 0.05 * error
        assert np.nanstd(one - other) < share * error
    assert np.nanmedian(down.heights.error) == pytest.approx(
        np.nanmedian(up.heights.error), rel=0.1
    )
    assert (np.isnan(down.heights.height) != np.isnan(up.heights.height)).mean() < 0.002


def assert_true(found, height):
    """The heights that were rendered, with the error that is stated."""
    off = found.heights.height - height
    assert np.isfinite(off).mean() > 0.99
    assert abs(np.nanmean(off)) < 0.05
    assert np.nanstd(off) < 1.25 * np.nanmedian(found.heights.error)


@pytest.mark.parametrize("noise", [NOISE, 3 * NOISE])
@pytest.mark.parametrize("collector", [4, 6, 12])
def test_a_volume_sent_reversed_gives_the_maps_of_the_volume_upright(collector, noise):
    height, volume = foil(collector, noise=noise)
    up, down = (measured(volume, upright=upright) for upright in (True, False))
    assert up.refined
    assert down.refined
    assert_true(up, height)
    assert_true(down, height)
    assert_same_maps(down, up)
    assert (down.levels.first, down.levels.second, down.levels.third, down.levels.noise) == (
        up.levels.third,
        up.levels.second,
        up.levels.first,
        up.levels.noise,
    )


@pytest.mark.parametrize("collector", [4, 6, 12])
@pytest.mark.parametrize("upright", [True, False])
def test_shuffled_slices_give_the_same_bits_in_both_orientations(upright, collector):
    _, volume = foil(collector)
    order = np.random.default_rng(collector).permutation(len(volume))
    straight = measured(volume, upright=upright)
    shuffled = measured(volume, upright=upright, order=order)
    assert shuffled.levels == straight.levels
    for name in ("height", "error", "bottom"):
        np.testing.assert_array_equal(
            getattr(shuffled.heights, name), getattr(straight.heights, name)
        )


@pytest.mark.parametrize("collector", [4, 6, 12])
def test_where_upright_knows_its_levels_early_and_reversed_at_the_end_maps_agree(collector):
    height, volume = foil(collector, above=60)
    (upright, early), (reverse, none) = (sent(volume, upright=up) for up in (True, False))
    assert early
    assert not none
    up, down = upright.finish(), reverse.finish()
    assert_true(down, height)
    assert_same_maps(down, up)


def before(levels=LEVELS, noise=NOISE):
    """Grey levels of a scan before, reversed."""
    return Levels(*levels[::-1], noise)


@pytest.mark.parametrize("noise", [NOISE, 3 * NOISE])
@pytest.mark.parametrize("collector", [10, 12, 20])
def test_levels_of_the_scan_before_tell_a_thin_collector_before_the_last_slice(collector, noise):
    height, volume = foil(collector, above=60, noise=noise)
    earlier = before(noise=1.05 * noise)
    scan, _ = sent(volume, upright=False, previous=earlier)
    own = sent(volume, upright=False, order=range(len(volume) - 1), previous=earlier)[0]
    assert own._measurement.used > len(volume) - collector - LITHIUM
    assert own._measurement._surfaces.refined
    assert own._measurement.levels.third == pytest.approx(LEVELS[0], abs=0.2 * noise)
    down = scan.finish()
    assert down.levels == own._measurement.levels != earlier
    assert scan._measurement.used_previous_levels
    assert_true(down, height)
    assert_same_maps(down, measured(volume, upright=True))


@pytest.mark.parametrize("collector", [10, 12])
def test_shuffled_slices_of_a_thin_collector_give_the_same_bits(collector):
    _, volume = foil(collector, above=60)
    order = np.random.default_rng(collector).permutation(len(volume))
    straight = measured(volume, upright=False, previous=before())
    shuffled = measured(volume, upright=False, order=order, previous=before())
    assert shuffled.levels == straight.levels
    np.testing.assert_array_equal(shuffled.heights.height, straight.heights.height)


@pytest.mark.parametrize(
    "earlier",
    [
        None,
        before(tuple(1.3 * level for level in LEVELS)),
        before((1.2 * LEVELS[0], *LEVELS[1:])),
        before((*LEVELS[:2], LEVELS[2] + 12.0)),
        before(noise=2.0 * NOISE),
    ],
    ids=["none", "brighter", "other collector", "other electrolyte", "noisier"],
)
def test_a_thin_collector_that_looks_otherwise_is_known_at_the_end_only(earlier):
    height, volume = foil(12, above=60)
    scan, given = sent(volume, upright=False, previous=earlier)
    assert not given
    assert scan._measurement.used == 0
    down = scan.finish()
    assert_true(down, height)
    assert down.levels == measured(volume, upright=False).levels


def test_a_fringe_is_not_taken_for_a_collector_that_is_expected():
    _, volume = foil(12, above=60)
    fringe = np.random.default_rng(1).normal(90.0, NOISE, volume[:12].shape)
    volume = np.concatenate((fringe.astype(volume.dtype), volume[12:]))
    scan, given = sent(volume, upright=False, previous=before())
    assert not given
    assert scan._measurement.used == 0


def test_a_thick_collector_is_known_while_slices_come_in_both_orientations():
    height, volume = foil(120, above=120)
    for upright in (True, False):
        _, given = sent(volume, upright=upright, order=range(len(volume) - 1))
        assert given
        off = given[-1].height - height
        assert abs(np.nanmean(off)) < 0.05
        assert np.nanstd(off) < 1.25 * np.nanmedian(given[-1].error)


@pytest.mark.parametrize("collector", [4, 6])
def test_a_thin_collector_in_a_deep_volume_is_cut_to_the_slice(collector):
    """Of profiles of more than 160 slices the cuts are found on bins of several."""
    height, volume = foil(collector, above=300)
    down = measured(volume, upright=False)
    assert_true(down, height)
    assert down.levels.third == pytest.approx(LEVELS[0], abs=0.1 * NOISE)
    assert_same_maps(down, measured(volume, upright=True))


@pytest.mark.parametrize("collector", [4, 6, 12])
def test_vertical_slices_give_the_same_maps_reversed(collector):
    height, volume = foil(collector)
    up, down = (measured(volume, upright=upright, axis="y") for upright in (True, False))
    assert_true(down, height)
    assert_same_maps(down, up)


def test_a_cell_without_collector_gives_the_same_maps_reversed():
    """The lithium reaches the end of the volume, in whichever way that is sent."""
    for depth in (6, 22):
        upper = depth + np.sin(X / 9.0) * np.cos(Y / 7.0)
        volume = noisy(columns(np.full_like(upper, -50.0), upper, depth + 40))
        up, down = (measured(volume, upright=one, layers=UPWARDS[1:]) for one in (True, False))
        assert_true(up, upper + 0.5)
        assert_true(down, upper + 0.5)
        assert_same_maps(down, up)


@pytest.mark.parametrize("fringe", [0.0, 25.0])
@pytest.mark.parametrize("came", [30, 40, 49])
def test_no_collector_is_made_up_where_a_reversed_scan_breaks_off_in_the_lithium(came, fringe):
    """20 slices of electrolyte, 36 of lithium, then the collector, of which nothing came."""
    upper = 12 + 36 + np.sin(X / 9.0)
    volume = noisy(columns(11.5 + 0 * upper, upper, 12 + 36 + 20, fringe=fringe), noise=20.0)
    scan, given = sent(volume, upright=False, order=range(came))
    assert not given
    found = scan.finish()
    assert found.levels is None
    assert np.isnan(found.heights.height).all()


@pytest.mark.parametrize("seed", range(1, 4))
def test_short_memory_and_shuffled_slices_make_up_no_height_over_a_thin_collector(seed):
    """Most slices went by a guess or came too late: levels found in the rest cannot mend that."""
    _, volume = foil(6, above=40)
    order = np.random.default_rng(seed).permutation(len(volume))
    scan, given = sent(volume, upright=False, order=order, memory=16 * volume[0].nbytes)
    for heights in [*given, scan.finish().heights]:
        assert np.isnan(heights.height).all()


def test_short_memory_in_order_measures_over_a_thin_collector():
    height, volume = foil(6, above=40)
    scan, _ = sent(volume, upright=False, memory=16 * volume[0].nbytes)
    found = scan.finish()
    assert np.isfinite(found.heights.height).mean() > 0.99
    assert abs(np.nanmedian(found.heights.height - height)) < 0.3


@pytest.mark.parametrize("lost", [(2,), (1, 3), (0,)])
def test_slices_lost_in_the_collector_or_at_its_end_cost_no_levels(lost):
    """`lost`: counted from the collector's bottom."""
    height, volume = foil(8)
    count = len(volume)
    kept = [z for z in range(count) if z not in lost]
    up = measured(volume, upright=True, order=kept)
    down = measured(volume, upright=False, order=[count - 1 - z for z in kept[::-1]])
    assert_true(down, height)
    assert down.levels.third == up.levels.first
    assert_same_maps(down, up)
