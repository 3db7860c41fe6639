"""Grey levels against those that the volume was made with."""

import numpy as np
import pytest

from monitor.core.interface.grey_levels import Calibration
from monitor.core.interface.levels import Levels
from tests.core.phantom import LEVELS, NOISE, cell, columns, noisy, start

SHAPE = (120, 48, 48)
UPWARDS = ("collector", "lithium", "electrolyte")


def foil(levels=LEVELS, lower=30.0, upper=75.0, noise=NOISE, fringe=0.0, seed=0):
    """A tilted, slightly rough foil in a volume of `SHAPE`."""
    rng = np.random.default_rng(seed)
    tilt = np.linspace(-1, 1, 48)[:, None] + np.zeros((48, 48))
    rough = rng.normal(0, 0.7, (48, 48))
    clean = columns(lower + tilt, upper + tilt + rough, 120, levels=levels, fringe=fringe)
    return noisy(clean, noise=noise, seed=seed + 1)


def calibrated(volume, frames=range(120), layers=UPWARDS, **settings):
    made = Calibration(start(SHAPE), cell(layers=layers, **settings))
    for frame in frames:
        made.sample(frame, volume[frame])
    return made


def assert_levels(found, levels, noise, within=0.05):
    assert found is not None
    for value, true in zip((found.first, found.second, found.third), levels, strict=True):
        assert (value is None) == (true is None)
        if true is not None:
            assert abs(value - true) < within * noise
    assert found.noise == pytest.approx(noise, rel=0.05)


@pytest.mark.parametrize("noise", [NOISE, 20.0, 40.0])
def test_levels_and_noise_of_three_layers(noise):
    assert_levels(calibrated(foil(noise=noise)).levels(120), LEVELS, noise)


def test_a_fringe_does_not_shift_the_levels():
    assert_levels(calibrated(foil(noise=20.0, fringe=25.0)).levels(120), LEVELS, 20.0)


def test_reversed_layers():
    found = calibrated(foil(LEVELS[::-1], 40, 85), layers=UPWARDS[::-1]).levels(120)
    assert_levels(found, LEVELS[::-1], NOISE)
    assert found.cnr(reversed_z=True) == pytest.approx(6.0, rel=0.06)


def test_a_cell_without_collector():
    up = calibrated(foil((60.0, 60.0, 120.0)), layers=("lithium", "electrolyte")).levels(120)
    assert_levels(up, (None, 60.0, 120.0), NOISE)
    assert up.cnr(reversed_z=False) == pytest.approx(6.0, rel=0.06)
    down = calibrated(foil((120.0, 60.0, 60.0)), layers=("electrolyte", "lithium")).levels(120)
    assert_levels(down, (120.0, 60.0, None), NOISE)


def test_no_levels_before_the_electrolyte_has_come_up():
    made = calibrated(foil())
    for count in (0, 5, 16, 32, 48, 64, 76):
        assert made.levels(count) is None
    assert_levels(made.levels(104), LEVELS, NOISE)


def test_no_levels_where_lithium_is_not_the_darkest():
    assert calibrated(foil((60.0, 200.0, 120.0))).levels(120) is None


def test_no_levels_in_noise_alone():
    assert calibrated(foil((100.0, 100.0, 100.0))).levels(120) is None


def test_the_order_of_arrival_changes_nothing():
    volume = foil()
    straight = calibrated(volume).levels(104)
    shuffled = calibrated(volume, np.random.default_rng(2).permutation(120)).levels(104)
    assert straight is not None
    assert shuffled == straight


def test_missing_slices_cost_little():
    frames = [z for z in range(120) if z % 5 and not 50 < z < 60]
    assert_levels(calibrated(foil(), frames).levels(120), LEVELS, NOISE)


def test_vertical_slices_see_the_same_levels():
    volume = foil()
    made = Calibration(start(SHAPE, axis="y"), cell())
    for y in range(48):
        made.sample(y, np.ascontiguousarray(volume[:, y]))
    assert made.levels(8) is not None
    assert_levels(made.levels(48), LEVELS, NOISE)


def test_fixed_levels_need_no_data():
    fixed = {"collector": 210.0, "lithium": 61.0, "electrolyte": 119.0, "noise": 12.0}
    made = Calibration(start(SHAPE), cell(grey_levels=fixed))
    assert made.levels(SHAPE[0]) == Levels(210.0, 61.0, 119.0, 12.0)
    made = Calibration(start(SHAPE), cell(grey_levels=fixed, layers=UPWARDS[::-1]))
    assert made.levels(SHAPE[0]) == Levels(119.0, 61.0, 210.0, 12.0)
    del fixed["collector"]
    made = Calibration(start(SHAPE), cell(grey_levels=fixed, layers=("lithium", "electrolyte")))
    assert made.levels(SHAPE[0]) == Levels(None, 61.0, 119.0, 12.0)


def test_the_likelihood_ratio_is_that_of_two_gaussians():
    gain, offset, limit, *_ = Levels(*LEVELS, NOISE).model()
    for grey in (40.0, 130.0, 260.0):
        expected = ((grey - LEVELS[0]) ** 2 - (grey - LEVELS[1]) ** 2) / (2 * NOISE**2)
        assert gain * grey + offset == pytest.approx(expected, rel=1e-5, abs=1e-4)
    assert limit > 0.5 * (LEVELS[0] - LEVELS[1]) ** 2 / NOISE**2


@pytest.mark.parametrize("seen", [16, 48, 80])
def test_a_guess_tells_apart_what_has_been_seen(seen):
    volume = foil(noise=20.0)
    guess = calibrated(volume, range(seen)).guess()
    assert guess.first == pytest.approx(LEVELS[0], abs=2.0)
    assert guess.second < guess.first
    assert guess.third > guess.second
    if seen >= 48:
        # a few slices of electrolyte may be among those of lithium
        assert guess.second == pytest.approx(LEVELS[1], abs=7.0)


def test_a_guess_for_a_foil_without_collector():
    volume = foil((60.0, 60.0, 120.0))
    guess = calibrated(volume, range(32), layers=("lithium", "electrolyte")).guess()
    assert guess.first is None
    assert guess.second == pytest.approx(60.0, abs=1.0)
    assert guess.third > 100.0


def test_no_guess_from_a_handful_of_slices():
    assert calibrated(foil(), range(5)).guess() is None
