"""Scans of a cell that drifts, laid on the reference: shifts, tilts, errors, and what cannot be."""

import numpy as np
import pytest

from monitor.core.analysis import CellAnalysis
from monitor.core.arrival.measurement import ScanSetup
from monitor.core.arrival.running_scan import RunningScan
from monitor.core.cycler.history import CyclerHistory
from monitor.core.interface.heights import Heights
from monitor.core.registration import resample, shift_kernels
from monitor.core.registration.frame import Frame
from monitor.core.registration.resample import moved_back
from monitor.core.registration.shift import find_shift, structure
from monitor.core.registration.tilt import fitted_plane
from monitor.core.session import Session
from monitor.faraday import UM_PER_MAH_CM2
from monitor.records import CyclerReading, Event
from monitor.settings import PitSettings
from tests.core.experiment import settings
from tests.core.moving import NOISE, Foil, noise, seen
from tests.core.phantom import cell, columns, noisy, records, start

SIDE = 256
VOXEL_UM = 0.717


def shift_between(one, other, cnr, seed=0, reach=28.0):
    rng = np.random.default_rng(seed)
    maps = [(h + noise(h.shape, NOISE[cnr], rng)).astype(np.float32) for h in (one, other)]
    return find_shift(*(structure(h, NOISE[cnr]) for h in maps), reach)


def header(scan, side=SIDE, voxel_um=VOXEL_UM):
    return start((100, side, side), scan=scan, voxel_um=voxel_um)


def chain(foil, stages, shifts, cnr=2, *, seed=0, bottoms=None):
    """The scans of a foil placed one after the other: (heights as seen, as placed, how)."""
    rng, frame = np.random.default_rng(seed), Frame(has_bottom=True)
    for scan, (stage, shift) in enumerate(zip(stages, shifts, strict=True)):
        bottom = 12.0 if bottoms is None else bottoms[scan]
        heights = seen(foil.height(stage, shift), cnr, rng, bottom, VOXEL_UM)
        yield heights, *frame.place(header(scan, foil.side), heights)


def still(count):
    return [(0.0, 0.0)] * count


# --- sideways -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cnr", [2, 8])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.45), (-2.8, 1.7), (14.2, -9.6)])
def test_pits_that_grow_give_the_shift_to_a_tenth_of_a_voxel(cnr, shift):
    foil = Foil(SIDE, pits=40, seed=1)
    found = shift_between(foil.height(0.4), foil.height(0.5, shift), cnr)
    assert found.state == "found"
    np.testing.assert_allclose(found.yx, shift, atol=0.15)
    errors = np.sqrt(np.diag(found.covariance))
    assert (errors < 0.15).all()
    assert (np.abs(found.yx - shift) < 4 * errors).all()


@pytest.mark.parametrize(("cnr", "largest"), [(2, 0.5), (8, 0.25)])
def test_the_roughness_of_a_pristine_foil_gives_the_shift(cnr, largest):
    foil = Foil(SIDE, rough=0.28)
    for seed, shift in enumerate([(0.0, 0.0), (1.4, -2.6), (-12.3, 5.5)]):
        found = shift_between(foil.height(), foil.height(0, shift), cnr, seed)
        np.testing.assert_allclose(found.yx, shift, atol=largest)
        assert (np.abs(found.yx - shift) < 4 * np.sqrt(np.diag(found.covariance))).all()


def test_roughness_is_found_again_among_new_pits():
    foil = Foil(SIDE, pits=40, rough=0.28, seed=2)
    found = shift_between(foil.height(0.0), foil.height(0.2, (2.0, -1.5)), 8)
    np.testing.assert_allclose(found.yx, (2.0, -1.5), atol=0.3)


def test_the_stated_error_is_the_scatter():
    off = []
    for seed in range(12):
        foil = Foil(SIDE, pits=30, rough=0.1, seed=seed)
        found = shift_between(foil.height(0.5), foil.height(0.55, (0.7, 0.2)), 2, seed)
        off.append((found.yx - (0.7, 0.2)) / np.sqrt(np.diag(found.covariance)))
    assert 0.4 < np.sqrt(np.mean(np.square(off))) < 1.4


def test_noise_gives_no_shift():
    flat = np.full((SIDE, SIDE), 50.0)
    for seed in range(20):
        assert shift_between(flat, flat, 2, seed).state == "featureless"


def test_waves_longer_than_any_pit_give_no_shift():
    y, x = np.mgrid[:SIDE, :SIDE]
    wavy = 50 + 5 * np.sin(y / 80.0) * np.cos(x / 90.0)
    assert shift_between(wavy, 0.9 * wavy - 0.01 * x, 2).state != "lost"


def test_few_pits_are_enough():
    foil = Foil(SIDE, pits=3, seed=5)
    foil.place[:] = [[60, 70], [150, 190], [200, 80]]
    foil.birth[:] = 0.0
    found = shift_between(foil.height(0.5), foil.height(0.6, (1.2, -0.8)), 2)
    np.testing.assert_allclose(found.yx, (1.2, -0.8), atol=0.3)


def test_holes_and_the_round_edge_of_a_field_do_not_hold_the_shift_back():
    foil = Foil(SIDE, pits=40, seed=3)
    one, other = foil.height(0.4), foil.height(0.45, (3.0, -2.0))
    y, x = np.mgrid[:SIDE, :SIDE]
    outside = np.hypot(y - 128, x - 128) > 120
    dead = np.random.default_rng(0).random(one.shape) < 0.03
    one[outside | dead] = other[outside | dead[::-1]] = np.nan
    found = shift_between(one, other, 2)
    np.testing.assert_allclose(found.yx, (3.0, -2.0), atol=0.2)


def test_what_is_beyond_reach_or_another_surface_is_lost():
    foil = Foil(SIDE, pits=60, seed=4)
    far = shift_between(foil.height(0.5), foil.height(0.5, (40.0, -6.0)), 2)
    assert far.state == "lost"
    assert far.guess_px == pytest.approx(40.4, abs=3)
    other = shift_between(foil.height(0.5), Foil(SIDE, pits=60, seed=9).height(0.5), 2)
    assert other.state == "lost"
    assert np.isnan(other.yx).all()


def test_maps_too_small_or_empty_have_no_structure():
    assert structure(np.zeros((31, 200), np.float32), 0.3) is None
    assert structure(np.full((200, 200), np.nan, np.float32), 0.3) is None
    flat = structure(np.zeros((64, 64), np.float32), 0.3)
    assert find_shift(flat, flat, 28.0).state == "featureless"


# --- z and tilt -----------------------------------------------------------------------------------


def test_the_plane_between_two_bottoms():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :300] * 0.5
    texture = rng.normal(0, 0.2, y.shape)
    reference = (12 + texture).astype(np.float32)
    moved = 12 + texture + 1.5 + 0.010 * (y - 49.75) - 0.005 * (x - 74.75)
    moved += rng.normal(0, 0.1, y.shape)
    moved[:40, :90] = np.nan
    moved[150:170, 200:260] += 8.0
    plane = fitted_plane(reference, moved.astype(np.float32), (0.5, 0.5))
    assert plane.z == pytest.approx(1.5, abs=4 * plane.z_error)
    assert plane.slope_y == pytest.approx(0.010, abs=4 * plane.slope_error)
    assert plane.slope_x == pytest.approx(-0.005, abs=4 * plane.slope_error)
    assert plane.z_error < 0.02
    assert np.isnan(fitted_plane(reference, np.full_like(reference, np.nan), (1, 1)).z)


def test_the_bottom_is_put_back_and_the_height_is_left_alone():
    y, x = np.mgrid[:SIDE, :SIDE] - 0.5 * (SIDE - 1)
    tilted = 12.0 + 2.8 * x / SIDE - 1.4 * y / SIDE + 2.0
    foil = Foil(SIDE, pits=40, seed=6)
    first, second = chain(foil, (0.5, 0.5), still(2), bottoms=(12.0, tilted))
    raw, placed, how = second
    assert placed.height is raw.height
    assert placed.error is raw.error
    assert abs((placed.bottom - first[1].bottom).mean()) < 0.01
    assert np.std(placed.bottom - first[1].bottom) < 0.2 * VOXEL_UM
    summary = how.summary()
    assert summary["shift_z_um"] == pytest.approx(2.0 * VOXEL_UM, abs=0.02)
    assert summary["tilt_x_mrad"] == pytest.approx(2800 / SIDE, abs=0.2)
    assert summary["tilt_y_mrad"] == pytest.approx(-1400 / SIDE, abs=0.2)


# --- scan after scan ------------------------------------------------------------------------------


@pytest.mark.parametrize("rough", [0.0, 0.28])
def test_a_still_cell_keeps_its_maps_bit_by_bit(rough):
    foil = Foil(SIDE, pits=40, rough=rough, seed=7)
    for raw, placed, how in chain(foil, np.linspace(0, 1, 9), still(9)):
        assert placed is raw
        assert not how.doubt
        assert not abs(how.shift_x) > 4 * how.shift_error


def test_the_very_same_scan_again_lies_where_it_lay():
    heights = seen(Foil(SIDE, pits=40, seed=7).height(0.5), 2, np.random.default_rng(0))
    frame = Frame(has_bottom=True)
    for scan in range(3):
        placed, how = frame.place(header(scan), heights)
        assert placed is heights
        assert (how.shift_y, how.shift_x) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_a_cell_that_jumps_about_is_followed():
    rng = np.random.default_rng(3)
    foil = Foil(SIDE, pits=40, rough=0.28, seed=8)
    stages, shifts = np.linspace(0, 0.9, 7), [(0.0, 0.0), *rng.uniform(-4, 4, (6, 2))]
    reference = foil.height(0.0)
    for number, (raw, placed, how) in enumerate(chain(foil, stages, shifts, 8)):
        assert how.registered
        off = np.subtract((how.shift_y / VOXEL_UM, how.shift_x / VOXEL_UM), shifts[number])
        assert np.abs(off).max() <= max(4 * how.shift_error / VOXEL_UM, 1e-9)
        assert np.abs(off).max() < 0.5
        truth = foil.height(stages[number]) - reference
        rest = placed.height / VOXEL_UM - 60.0 - truth
        before = raw.height / VOXEL_UM - 60.0 - truth
        assert number == 0 or np.nanstd(rest) < 0.5 * np.std(before) or np.std(before) < 0.6


def test_a_slow_drift_adds_up():
    foil = Foil(SIDE, pits=50, seed=9)
    shifts = [(0.08 * scan, 0.0) for scan in range(10)]
    *_, last = chain(foil, np.linspace(0.5, 0.6, 10), shifts, 8)
    assert last[2].shift_y / VOXEL_UM == pytest.approx(0.72, abs=0.15)
    assert last[1] is not last[0]


def test_a_scan_that_cannot_be_placed_says_so_and_the_next_one_is():
    foil, other = Foil(SIDE, pits=60, seed=10), Foil(SIDE, pits=60, seed=11)
    rng, frame = np.random.default_rng(0), Frame(has_bottom=True)
    shown = [
        frame.place(header(scan), seen(height, 8, rng))
        for scan, height in enumerate(
            [foil.height(0.5), other.height(0.5), foil.height(0.55, (2.0, 1.0))]
        )
    ]
    registered = [how.registered for _, how in shown]
    assert registered == [True, False, True]
    assert "not found again within 20 µm" in shown[1][1].doubt
    assert "\n" not in shown[1][1].doubt
    assert np.isnan(shown[1][1].shift_x)
    assert shown[2][1].shift_y / VOXEL_UM == pytest.approx(2.0, abs=0.2)
    assert not shown[2][1].doubt


def test_a_featureless_foil_raises_a_doubt_only_where_it_has_moved():
    flat = Foil(SIDE)
    for _, _, how in chain(flat, (0.0, 0.1, 0.2), still(3), bottoms=(12.0, 12.3, 11.8)):
        assert not how.doubt
    *_, (_, _, how) = chain(flat, (0.0, 0.1), still(2), bottoms=(12.0, 15.0))
    assert not how.registered
    assert "+2.2 µm along z" in how.doubt


def test_without_a_collector_nothing_is_said_of_z():
    rng, frame = np.random.default_rng(0), Frame(has_bottom=False)
    foil = Foil(SIDE, pits=40, seed=12)
    for scan in range(2):
        heights = seen(foil.height(0.5), 8, rng)
        flat = Heights(heights.height, heights.error, np.full_like(heights.height, -0.5), 0.15)
        placed, how = frame.place(header(scan), flat)
    assert placed is flat
    assert how.registered
    assert np.isnan(how.plane.z)


# --- interpolation --------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [True, False])
def test_interpolation_is_exact_on_a_parabola(compiled):
    run = resample.resampled if compiled else resample.resampled.py_func
    y, x = np.mgrid[:12, :14].astype(np.float32)
    values = (0.3 * y * y - 0.2 * x * x + y * x).astype(np.float32)
    cubic, _ = run(values, 1.25, -0.5)
    j, i = y + 1.25, x - 0.5
    truth = 0.3 * j * j - 0.2 * i * i + j * i
    np.testing.assert_allclose(cubic[1:8, 2:-2], truth[1:8, 2:-2], atol=2e-4)
    assert np.isnan(cubic[11]).all()
    assert np.isfinite(cubic[:10]).all()


def test_interpolation_keeps_holes_where_they_are():
    values = np.ones((20, 20), np.float32)
    values[8, 9] = np.nan
    cubic, linear = resample.resampled(values, 2.2, 1.3)
    assert np.isnan(cubic[6, 8])
    assert np.isfinite(cubic[:17, :18]).sum() == 17 * 18 - 1
    np.testing.assert_allclose(cubic[np.isfinite(cubic)], 1.0, rtol=1e-6)
    assert np.isfinite(linear[0, 0])


@pytest.mark.parametrize("cnr", [2, 8])
def test_a_map_moved_back_keeps_its_pits_and_its_error_is_honest(cnr):
    foil, rng = Foil(SIDE, pits=40, rough=0.28, seed=13), np.random.default_rng(1)
    moved = seen(foil.height(0.5, (2.5, -1.3)), cnr, rng)
    back = moved_back(moved, np.array([2.5, -1.3]), np.eye(2) * 1e-6)
    off = (back.height - foil.height(0.5))[np.isfinite(back.height)]
    share = off / back.error[np.isfinite(back.height)]
    assert abs(off.mean()) < 0.02
    assert np.sqrt(np.mean(share**2)) == pytest.approx(1.0, abs=0.1)
    assert np.isnan(back.height[-2:]).all()
    assert not back.height.flags.writeable


def test_a_small_pit_keeps_its_depth():
    y, x = np.mgrid[:41, :41].astype(float)
    radius, depth = 7.0, 7.0  # 10 µm wide, 5 µm deep

    def pit(shift):
        inside = 1 - ((y - 20 - shift) ** 2 + (x - 20 - shift) ** 2) / radius**2
        return (50 - depth * np.clip(inside, 0, None)).astype(np.float32)

    back, _ = resample.resampled(pit(0.5), 0.5, 0.5)
    assert 50 - np.nanmin(back) > 0.98 * depth
    assert np.nansum(50 - back[2:-2, 2:-2]) == pytest.approx((50 - pit(0.0)).sum(), rel=0.01)


# --- the whole way --------------------------------------------------------------------------------


def rendered(foil, stage, scan, *, side, rng):
    """A scan of the drifting, tilting cell at a CNR of 2, gain off by up to 5 %: its shift (y, x),
    offset along z and slices."""
    shift = rng.uniform(-2.8, 2.8, 2) if scan else (0.0, 0.0)
    y, x = np.mgrid[:side, :side] / side - 0.5
    tilt = rng.uniform(-2.8, 2.8, 3) * (scan > 0)
    lower = 16.0 + tilt[0] + 0.5 * (tilt[1] * y + tilt[2] * x)
    clean = columns(lower, lower + foil.height(stage, shift), 100, blur=0.8)
    gain = 1 + 0.05 * rng.uniform(-1, 1) * (scan > 0)
    return shift, tilt[0], noisy(100 * gain * clean, noise=100 * gain * 30.0, seed=scan)


def test_closure_under_drift_tilt_and_gain():
    side, rng = 192, np.random.default_rng(0)
    foil = Foil(side, pits=25, rough=0.28, seed=14)
    foil.depth *= 0.6
    stages = (0.2, 0.3, 0.4)
    reference = foil.height(stages[0])
    history = CyclerHistory(cell())
    analysis = CellAnalysis(history.cell, PitSettings(), history)
    levels = None
    for scan, stage in enumerate(stages):
        shift, z, volume = rendered(foil, stage, scan, side=side, rng=rng)
        gone = reference - foil.height(stage)
        charge = gone.mean() * VOXEL_UM / UM_PER_MAH_CM2 * history.cell.area_cm2
        history.add(CyclerReading("A", 1800.0 * scan, current_mA=-1.0, charge_mAh=-charge))
        begin = start(volume.shape, scan=scan, voxel_um=VOXEL_UM)
        running = RunningScan(ScanSetup(begin, history.cell, levels, 10**9))
        for record in records(begin, volume)[1:-1]:
            running.add(record)
        measured = running.finish()
        levels = measured.levels
        result = analysis.finish(measured)
        if scan == 0:
            continue
        lost = result.maps["removal"]
        inside = np.isfinite(lost)
        closure = lost[inside].mean() / (gone[inside].mean() * VOXEL_UM)
        assert closure == pytest.approx(1.0, abs=0.01)
        assert result.summary["registered"]
        found = np.array([result.summary["shift_y_um"], result.summary["shift_x_um"]]) / VOXEL_UM
        np.testing.assert_allclose(found, shift, atol=0.8)
        assert result.summary["shift_z_um"] / VOXEL_UM == pytest.approx(z, abs=0.05)
        assert np.std((lost / VOXEL_UM - gone)[inside]) < 0.65


def test_a_lost_scan_is_an_alarm():
    side, session, alarms = 128, Session(settings()), []
    for scan, seed in enumerate((20, 21)):
        foil = Foil(side, pits=20, seed=seed)
        foil.birth[:] = 0.0
        height = np.maximum(foil.height(0.4), 20.0)
        volume = noisy(columns(np.full_like(height, 16.0), 16.0 + height, 90), seed=scan)
        begin = start(volume.shape, scan=scan)
        outputs = [out for record in records(begin, volume) for out in session.feed(record)]
        alarms.append([o for o in outputs if isinstance(o, Event) and o.kind == "alarm"])
    assert alarms[0] == []
    (alarm,) = alarms[1]
    assert "not registered" in alarm.data["text"]
    assert alarm.data["scan"] == 1


def test_the_same_scans_give_the_same_maps():
    foil, shifts = Foil(128, pits=12, seed=15), [(0.0, 0.0), (1.3, -2.2), (-0.7, 0.4)]
    one, other = (list(chain(foil, (0.4, 0.5, 0.6), shifts, 8)) for _ in range(2))
    for (_, a, how), (_, b, again) in zip(one, other, strict=True):
        assert how == again or np.isnan(how.shift_x)
        assert a.height.tobytes() == b.height.tobytes()
        assert a.error.tobytes() == b.error.tobytes()


# --- loops ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [True, False])
def test_least_squares_of_a_shifted_surface_give_back_the_shift(compiled):
    run = [
        kernel if compiled else kernel.py_func
        for kernel in (shift_kernels.slopes, shift_kernels.normal_equations)
    ]
    y, x = np.mgrid[:48, :48]

    def surface(shift):
        phase = 0.3 * (y - shift[0]) + 0.2 * (x - shift[1])
        return (np.sin(phase) + np.cos(0.25 * (x - shift[1]))).astype(np.float32)

    one, other = surface((0.0, 0.0)), surface((1.2, -0.1))
    other[20, 20] = np.nan
    maps = (one, *run[0](one), other - np.float32(3.0), *run[0](other))
    normal, rest = run[1](*maps, 1.0, 0.0, 16, 100.0)
    assert normal.shape == (9, 2, 2)
    step = np.linalg.solve(normal.sum(axis=0), rest.sum(axis=0))
    np.testing.assert_allclose(step, (0.2, -0.1), atol=0.02)


@pytest.mark.parametrize("compiled", [True, False])
def test_bins_and_averages_leave_holes_out(compiled):
    binned, smoothed, directions = (
        kernel if compiled else kernel.py_func
        for kernel in (shift_kernels.binned, shift_kernels.smoothed, shift_kernels.directions)
    )
    values = np.arange(49, dtype=np.float32).reshape(7, 7)
    values[0, 0] = values[2:4, 2:4] = np.nan
    bins = binned(values)
    assert bins.shape == (3, 3)
    assert bins[0, 0] == pytest.approx((1 + 7 + 8) / 3)
    assert bins[0, 1] == pytest.approx((2 + 3 + 9 + 10) / 4)
    assert np.isnan(bins[1, 1])
    assert smoothed(bins)[1, 1] == pytest.approx(bins[np.isfinite(bins)].mean(), abs=2)
    slope = np.array([[3.0, np.nan, 0.0]], np.float32)
    pointed = directions(slope, np.array([[4.0, 1.0, 0.0]], np.float32), 5.0)
    np.testing.assert_allclose(pointed, [[0.3 + 0.4j, 0, 0]], rtol=1e-6)
