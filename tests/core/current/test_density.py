import numpy as np
import pytest

from monitor.core.current import kalman_kernels as kernels
from monitor.core.current.change_mixture import CHANGES, believed, in_common
from monitor.core.current.density import (
    Running,
    absolute_current,
    local_current,
    min_detectable_j,
    removal,
)
from monitor.faraday import UM_PER_MAH_CM2, thickness_um

HALF_HOUR_S = 1800.0
NOISE_UM = 0.36


def current(lost, charge_mAh_cm2, hours):
    """The map alone."""
    both = local_current(lost, np.ones_like(lost), charge_mAh_cm2, hours)
    return None if both is None else both[0]


def test_removal_is_what_is_gone_with_both_errors():
    before = np.array([[125.0, 125.0, np.nan, 125.0]], np.float32)
    after = np.array([[120.0, np.nan, 120.0, 110.0]], np.float32)
    errors = np.full((2, 1, 4), [[[3.0]], [[4.0]]], np.float32)
    errors[1, 0, 3] = np.nan

    lost, error = removal(before, errors[0], after, errors[1])

    assert lost.dtype == error.dtype == np.float32
    np.testing.assert_array_equal(lost, [[5.0, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(error, [[5.0, np.nan, np.nan, np.nan]])


def test_local_current_averages_to_the_applied_one_over_what_is_seen():
    lost = np.random.default_rng(0).uniform(4.0, 30.0, (64, 64)).astype(np.float32)
    lost[10:20, 5:30] = np.nan

    j = current(lost, charge_mAh_cm2=3.0, hours=6.0)

    assert np.nanmean(j, dtype=float) == pytest.approx(0.5, rel=1e-6)
    ratio = (j / lost)[np.isfinite(lost)]
    np.testing.assert_allclose(ratio, 0.5 / np.nanmean(lost, dtype=float), rtol=1e-5)


def test_local_current_is_the_same_in_voxels():
    lost = np.random.default_rng(0).uniform(4.0, 30.0, (32, 32)).astype(np.float32)
    np.testing.assert_allclose(current(lost / 0.717, 3.0, 6.0), current(lost, 3.0, 6.0), rtol=1e-5)


def test_plating_is_negative():
    lost = np.full((32, 32), -2.0, np.float32)
    np.testing.assert_allclose(current(lost, -0.5, 1.0), -0.5)


def test_no_local_current_at_rest_or_from_noise():
    lost = np.full((32, 32), 2.0, np.float32)
    noise = np.random.default_rng(0).normal(0.0, 1.0, (64, 64)).astype(np.float32)
    noise -= noise.mean() - 0.02

    assert np.isnan(current(lost, 0.0, 0.5)).all()
    assert np.isnan(current(noise, 0.3, 0.5)).all()
    assert np.isnan(current(lost, -0.3, 0.5)).all(), "sign of the charge contradicts"
    assert np.isnan(current(np.full_like(lost, np.nan), 0.3, 0.5)).all()


def test_no_map_without_a_charge_or_time():
    lost = np.full((32, 32), 2.0, np.float32)
    assert current(lost, float("nan"), 1.0) is None
    assert current(lost, 1.0, 0.0) is None


def test_the_error_of_a_current_is_that_of_the_removal_in_proportion():
    rng = np.random.default_rng(0)
    true, error = rng.uniform(1.0, 2.0, (96, 96)), np.full((96, 96), 0.3, np.float32)
    lost = (true + rng.normal(0.0, 0.3, true.shape)).astype(np.float32)

    j, j_error = local_current(lost, error, 0.275, 0.5)

    expected = 0.55 * true / true.mean()
    assert np.std((j - expected) / j_error) == pytest.approx(1.0, abs=0.05)
    assert local_current(lost, error, float("nan"), 0.5) is None
    assert all(np.isnan(m).all() for m in local_current(lost, error, 0.0, 0.5))
    assert (local_current(-lost, error, -0.275, 0.5)[1] > 0.0).all(), "on charge"


def test_the_least_current_that_shows_is_missed_and_imagined_in_five_percent():
    sigma = 0.36 * np.sqrt(2.0)
    least = min_detectable_j(np.full((300, 300), sigma, np.float32), 0.5)
    limit = 0.5 * least
    noise = np.random.default_rng(0).normal(0.0, sigma, (300, 300)) / (UM_PER_MAH_CM2 * 0.5)
    assert (noise > limit).mean() == pytest.approx(0.05, abs=0.005)
    assert (least + noise < limit).mean() == pytest.approx(0.05, abs=0.005)
    assert min_detectable_j(np.full((9, 9), np.nan, np.float32), 0.5) is None
    assert min_detectable_j(np.ones((9, 9), np.float32), 0.0) is None


def test_absolute_current_inverts_faraday():
    lost = np.full((4, 4), thickness_um(0.55 * 5.5), np.float32)
    np.testing.assert_allclose(absolute_current(lost, 5.5), 0.55, rtol=1e-6)
    assert np.isnan(absolute_current(lost, 0.0)).all()


def scans(rates, *, noise=NOISE_UM, shape=(96, 96), seed=0):
    """Scans 30 min apart: yields (measured height, error, time) after each of the `rates`."""
    rng = np.random.default_rng(seed)
    height = np.full(shape, 125.0)
    for k, rate in enumerate([0.0, *rates]):
        height = height - UM_PER_MAH_CM2 * rate * (0.5 if k else 0.0)
        measured = height + rng.normal(0.0, noise, shape)
        yield (
            measured.astype(np.float32),
            np.full(shape, noise, np.float32),
            HALF_HOUR_S * k,
        )


def test_running_is_nan_until_measured_twice():
    running = Running()
    (h0, e, t0), (h1, _, t1) = scans([0.55])
    h0[0, 0] = np.nan

    first, _ = running.update(h0, e, t0, float("nan"))
    second, error = running.update(h1, e, t1, 0.55)

    assert np.isnan(first).all()
    assert np.isnan(second[0, 0])
    assert np.isfinite(second).sum() == second.size - 1 == np.isfinite(error).sum()


def test_running_beats_the_interval_and_knows_its_error():
    rng = np.random.default_rng(1)
    rate = 0.55 * (1.0 + 0.5 * rng.standard_normal((96, 96)))
    running, previous = Running(), None
    for k, (height, error, time) in enumerate(scans([rate] * 5)):
        j, j_error = running.update(height, error, time, 0.55)
        if k:
            interval = (previous - height) / (UM_PER_MAH_CM2 * 0.5)
            assert np.std((j - rate) / j_error) == pytest.approx(1.0, abs=0.15)
        previous = height
    assert np.std(j - rate) < 0.3 * np.std(interval - rate)
    assert abs(np.mean(j - rate)) < 0.005


def test_running_error_holds_for_a_rate_that_drifts_as_the_filter_supposes():
    rng = np.random.default_rng(2)
    rates = 0.55 + np.cumsum(rng.normal(0, 0.03 * 0.55, (20, 96, 96)), axis=0)
    running = Running()
    for height, error, time in scans(rates):
        j, j_error = running.update(height, error, time, 0.55)
    assert np.std((j - rates[-1]) / j_error) == pytest.approx(1.0, abs=0.15)


def test_running_follows_a_step_of_the_applied_current_at_once():
    running = Running()
    applied = [0.3] * 6 + [0.9] * 2
    for (height, error, time), current in zip(scans(applied), [0.0, *applied], strict=True):
        j, _ = running.update(height, error, time, current)
    assert np.mean(j) == pytest.approx(0.9, abs=0.03)


def test_running_follows_a_pit_that_breaks_open_within_three_scans():
    applied = np.full((32, 32), 0.55)
    opened = applied.copy()
    opened[10:20, 10:20] = 4.0
    running = Running()
    for height, error, time in scans([applied] * 8 + [opened] * 3, shape=(32, 32)):
        j, _ = running.update(height, error, time, 0.55)
    assert np.mean(j[10:20, 10:20]) == pytest.approx(4.0, abs=0.15)
    assert np.mean(j[22:]) == pytest.approx(0.55, abs=0.05)


def test_running_follows_where_the_current_goes_within_two_scans():
    """The pits' share grows at the plain's expense, with and without a step of the current."""
    pits = np.zeros((96, 96), bool)
    pits[20:60, 30:80] = True
    running = Running()
    shares = [np.where(pits, 1.2, 0.83)] * 5 + [np.where(pits, 2.6, 0.55)] * 2
    applied = [0.3] * 5 + [0.9] * 2
    rates = [share * current for share, current in zip(shares, applied, strict=True)]
    for (height, error, time), current in zip(scans(rates), [0.0, *applied], strict=True):
        j, j_error = running.update(height, error, time, current)
    off = j - rates[-1]
    for place in (pits, ~pits):
        assert abs(off[place].mean()) < 0.02
    assert np.sqrt(np.mean(off**2)) < 0.5 * NOISE_UM * np.sqrt(2) / (UM_PER_MAH_CM2 * 0.5)
    assert 0.6 < np.mean((off / j_error) ** 2) < 1.2


def test_running_knows_its_error_where_pits_open_all_the_time():
    rng, applied = np.random.default_rng(3), np.full((128, 128), 0.3)
    rates = [applied]
    for _ in range(8):
        opened = rates[-1].copy()
        for y, x in rng.integers(0, 118, (12, 2)):
            opened[y : y + 10, x : x + 10] = rng.uniform(0.6, 4.0)
        rates.append(opened)
    running, previous, z, gain = Running(), None, [], []
    for k, (height, error, time) in enumerate(scans(rates, shape=(128, 128))):
        j, j_error = running.update(height, error, time, 0.55)
        if k > 2:
            off = j - rates[k - 1]
            interval = (previous - height) / (UM_PER_MAH_CM2 * 0.5)
            z.append(np.mean((off / j_error) ** 2))
            gain.append(np.std(interval - rates[k - 1]) / np.sqrt(np.mean(off**2)))
        previous = height
    assert 0.6 < np.mean(z) < 1.2, "rather too careful than too sure"
    assert min(gain) > 1.5 and gain[-1] > 2.0


def test_running_rests_and_reverses():
    running = Running()
    applied = [0.5, 0.5, 0.0, 0.0, -0.5, -0.5]
    means = []
    for (height, error, time), current in zip(scans(applied), [0.0, *applied], strict=True):
        means.append(np.mean(running.update(height, error, time, current)[0]))
    np.testing.assert_allclose(means[1:], applied, atol=0.02)


def test_running_only_predicts_through_a_hole():
    running = Running()
    for k, (height, error, time) in enumerate(scans([0.55] * 6)):
        if k in (3, 4):
            height[:48] = np.nan
        j, j_error = running.update(height, error, time, 0.55)
        if k == 4:
            assert np.isfinite(j).all()
            assert np.median(j_error[:48]) > 1.5 * np.median(j_error[48:])
    assert np.std(j[:48] - 0.55) < 0.15


def test_running_without_a_cycler_follows_the_heights_alone():
    running = Running()
    for height, error, time in scans([0.55] * 6):
        j, _ = running.update(height, error, time, float("nan"))
    assert np.mean(j) == pytest.approx(0.55, abs=0.02)


def test_running_is_deterministic_and_read_only():
    results = []
    for _ in range(2):
        running = Running()
        for height, error, time in scans([0.55] * 3, shape=(16, 16)):
            results_now = running.update(height, error, time, 0.55)
        results.append(results_now)
    for one, other in zip(*results, strict=True):
        assert one.tobytes() == other.tobytes()
        assert not one.flags.writeable


def both(name):
    """The kernel compiled and in plain Python."""
    kernel = getattr(kernels, name)
    return pytest.mark.parametrize(name, [kernel, kernel.py_func], ids=["compiled", "python"])


def one_pixel():
    """State, matrices of the Kalman filter, and what its step is."""
    state = np.array([100.0, 0.6, 0.2, -0.01, 0.04], np.float32).reshape(5, 1, 1)
    step, ratio, drift, z, error = 2.4, 0.9, 0.001, 98.5, 0.4
    x = np.array([100.0, 0.6])
    P = np.array([[0.2, -0.01], [-0.01, 0.04]])
    F = np.array([[1.0, -step * ratio], [0.0, ratio]])
    G = np.array([[-step], [1.0]])
    predicted = F @ x, F @ P @ F.T + drift * G @ G.T
    seen = np.full((1, 1), z, np.float32), np.full((1, 1), error, np.float32)
    return state, predicted, seen, (step, ratio, 0.0, 1.0, drift)


def updated(x, P, z, error):
    gain = P[:, 0] / (P[0, 0] + error**2)
    return x + gain * (z - x[0]), P - np.outer(gain, P[0])


@both("predict")
@both("correct")
def test_kernels_against_matrix_algebra(predict, correct):
    state, (x, P), (height, error), how = one_pixel()
    surprise = predict(state, height, error, *how, 0.0, 0.0, np.zeros((1, 3)))
    np.testing.assert_allclose(surprise, 98.5 - x[0], atol=1e-5)
    x, P = updated(x, P, 98.5, 0.4)
    filed, one = np.zeros((1, 1), np.uint16), np.ones(1, np.float32)
    j, j_error = correct(state, error, surprise, 1 / how[0], filed, one, 0 * one)

    expected = [x[0], x[1], P[0, 0], P[0, 1], P[1, 1]]
    np.testing.assert_allclose(state.ravel(), expected, rtol=1e-5, atol=1e-7)
    assert j[0, 0] == pytest.approx(x[1], rel=1e-6)
    assert j_error[0, 0] == pytest.approx(P[1, 1] ** 0.5, rel=1e-5)


@both("correct")
def test_several_paces_are_the_mean_of_their_filters_and_the_scatter_between_them(correct):
    state, (x, P), (height, error), how = one_pixel()
    surprise = kernels.predict(state, height, error, *how, 0.0, 0.0, np.zeros((1, 3)))
    total, G = P[0, 0] + 0.4**2, np.array([[-how[0]], [1.0]])
    share, change = 0.3, 5.0
    filters = [updated(x, P + c * total / how[0] ** 2 * G @ G.T, 98.5, 0.4) for c in (0.0, change)]
    (x0, P0), (x1, P1) = filters
    x = (1 - share) * x0 + share * x1
    P = (1 - share) * P0 + share * P1 + share * (1 - share) * np.outer(x1 - x0, x1 - x0)

    steady = np.array([(1 - share) + share / (1 + change)], np.float32)
    doubt = np.array([(1 - share) * share * (1 - 1 / (1 + change)) ** 2], np.float32)
    correct(state, error, surprise, 1 / how[0], np.zeros((1, 1), np.uint16), steady, doubt)

    expected = [x[0], x[1], P[0, 0], P[0, 1], P[1, 1]]
    np.testing.assert_allclose(state.ravel(), expected, rtol=1e-4, atol=1e-6)


@both("weigh")
def test_surprises_are_filed_by_class_and_size(weigh):
    rng = np.random.default_rng(0)
    state = np.zeros((5, 9, 7), np.float32)
    state[1] = rng.uniform(0.0, 1.0, (9, 7))
    state[2] = 0.25
    error = np.full((9, 7), 0.5, np.float32)
    surprise = rng.normal(0, 1, (9, 7)).astype(np.float32)
    surprise[2, 3] = np.nan
    before, off = state.copy(), surprise.copy()
    shift, class_of = np.array([0.1, -0.2, 0.3, 0.0], np.float32), np.array([0, 0, 1, 1], np.uint8)
    counts = np.zeros((2, kernels.CELLS), np.int64)

    filed = weigh(state, error, surprise, 0.5, 0.0, 4.0, shift, class_of, counts)

    common = shift[(before[1] * 4.0).astype(int)]
    np.testing.assert_allclose(state[0], before[0] + common, atol=1e-6)
    np.testing.assert_allclose(state[1], before[1] - 0.5 * common, atol=1e-6)
    np.testing.assert_allclose(surprise, off - common, atol=1e-6)
    squares = np.pad((off - common) ** 2 / 0.5, 1, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(squares, (3, 3))
    mean = (np.nanmean(around, axis=(2, 3)) + 0.5 * squares[1:-1, 1:-1]) / 1.5
    seen = np.isfinite(off)
    cell = (mean.astype(np.float32).view(np.int32) >> kernels.DROPPED_BITS) - kernels.FIRST_BITS
    expected = (before[1] >= 0.5) * kernels.CELLS + cell.clip(0, kernels.CELLS - 1)
    np.testing.assert_array_equal(filed[seen], expected[seen])
    assert (filed[~seen] == kernels.UNSEEN).all()
    assert counts.sum() == seen.sum()
    np.testing.assert_array_equal(counts.ravel(), np.bincount(expected[seen], minlength=192))


def test_what_pixels_of_like_rate_have_in_common_is_all_taken_out():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 3000, 256) * np.exp(-np.arange(256) / 40.0)
    surprise = 0.3 * np.exp(-np.arange(256) / 20.0)
    sums = np.stack([pixels, pixels * surprise, 0 * pixels], axis=1)
    shift, classes = in_common(sums, 100.0)
    assert classes.max() < 24
    left = np.bincount(classes, pixels * (surprise - shift)) / np.bincount(classes, pixels)
    assert np.abs(left).max() < 0.005
    assert in_common(np.array([[50.0, 7.0, 0.0]]), 0.0)[0] == 0.0, (
        "nothing to tell it from the rate"
    )


def test_high_estimates_that_are_so_by_chance_are_no_change_of_pace():
    rng = np.random.default_rng(0)
    rate = 0.5 + 0.1 * rng.standard_normal(500_000)  # the true rate is 0.5 everywhere
    step, per_rate = 2.4, 256 / 0.8
    cell = ((rate - 0.1) * per_rate).astype(int).clip(0, 255)
    off = step * (rate - 0.5)
    sums = [np.bincount(cell, w, minlength=256) for w in (0 * off + 1, off, 0 * off - step * 0.01)]
    kept, _ = in_common(np.stack(sums, axis=1), per_rate)
    taken, _ = in_common(np.stack([*sums[:2], 0 * sums[2]], axis=1), per_rate)
    assert np.std(off - kept[cell]) > 0.7 * np.std(off)
    assert np.std(off - taken[cell]) < 0.1 * np.std(off)


def test_the_more_surprising_the_less_the_past_is_believed():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.chisquare(2, 50_000) / 2, 30 * rng.chisquare(2, 5_000) / 2])
    bits = values.astype(np.float32).view(np.int32) >> kernels.DROPPED_BITS
    cells = (bits - kernels.FIRST_BITS).clip(0, kernels.CELLS - 1)
    counts = np.bincount(cells, minlength=kernels.CELLS)[None]

    steady, doubt = believed(counts)

    assert (np.diff(steady[0]) < 1e-9).all()
    assert steady[0, 20] > 0.95 and steady[0, -1] < 0.01
    assert (doubt >= 0.0).all() and doubt.max() < 0.25
    quiet = believed(np.bincount(cells[:50_000], minlength=kernels.CELLS)[None])[0]
    middle = np.searchsorted(np.cumsum(counts), 52_000)
    assert quiet[0, middle] > steady[0, middle]
    assert CHANGES[0] == 0.0
