import numpy as np
import pytest

from monitor.core.current import (
    Running,
    absolute_current,
    local_current,
    removal,
    running_step,
)
from monitor.faraday import UM_PER_MAH_CM2, thickness_um

HALF_HOUR_S = 1800.0
NOISE_UM = 0.36


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

    j = local_current(lost, charge_mAh_cm2=3.0, hours=6.0)

    assert np.nanmean(j, dtype=float) == pytest.approx(0.5, rel=1e-6)
    ratio = (j / lost)[np.isfinite(lost)]
    np.testing.assert_allclose(ratio, 0.5 / np.nanmean(lost, dtype=float), rtol=1e-5)


def test_local_current_is_the_same_in_voxels():
    lost = np.random.default_rng(0).uniform(4.0, 30.0, (32, 32)).astype(np.float32)
    np.testing.assert_allclose(
        local_current(lost / 0.717, 3.0, 6.0), local_current(lost, 3.0, 6.0), rtol=1e-5
    )


def test_plating_is_negative():
    lost = np.full((32, 32), -2.0, np.float32)
    np.testing.assert_allclose(local_current(lost, -0.5, 1.0), -0.5)


def test_no_local_current_at_rest_or_from_noise():
    lost = np.full((32, 32), 2.0, np.float32)
    noise = np.random.default_rng(0).normal(0.0, 1.0, (64, 64)).astype(np.float32)
    noise -= noise.mean() - 0.02

    assert np.isnan(local_current(lost, 0.0, 0.5)).all()
    assert np.isnan(local_current(noise, 0.3, 0.5)).all()
    assert np.isnan(local_current(lost, -0.3, 0.5)).all(), "sign of the charge contradicts"
    assert np.isnan(local_current(np.full_like(lost, np.nan), 0.3, 0.5)).all()


def test_no_map_without_a_charge_or_time():
    lost = np.full((32, 32), 2.0, np.float32)
    assert local_current(lost, float("nan"), 1.0) is None
    assert local_current(lost, 1.0, 0.0) is None


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


@pytest.mark.parametrize("kernel", [running_step, running_step.py_func], ids=["compiled", "python"])
def test_kernel_against_matrix_algebra(kernel):
    state = np.array([100.0, 0.6, 0.2, -0.01, 0.04], np.float32).reshape(5, 1, 1)
    step, ratio, drift, z, error = 2.4, 0.9, 0.001, 98.5, 0.4
    x = np.array([100.0, 0.6])
    P = np.array([[0.2, -0.01], [-0.01, 0.04]])
    F = np.array([[1.0, -step * ratio], [0.0, ratio]])
    G = np.array([[-step], [1.0]])
    x, P = F @ x, F @ P @ F.T + drift * G @ G.T
    gain = P[:, 0] / (P[0, 0] + error**2)
    x = x + gain * (z - x[0])
    P = P - np.outer(gain, P[0])

    j, j_error = kernel(
        state,
        np.full((1, 1), z, np.float32),
        np.full((1, 1), error, np.float32),
        step,
        ratio,
        0.0,
        1.0,
        drift,
    )

    expected = [x[0], x[1], P[0, 0], P[0, 1], P[1, 1]]
    np.testing.assert_allclose(state.ravel(), expected, rtol=1e-5, atol=1e-7)
    assert j[0, 0] == pytest.approx(x[1], rel=1e-6)
    assert j_error[0, 0] == pytest.approx(P[1, 1] ** 0.5, rel=1e-5)
