"""Growth laws that are known: forecasts find them, and their intervals mean what they say."""

import math

import numpy as np
import pytest

from monitor.core.pits.forecast import Forecast, forecast
from monitor.core.pits.growth import Growth
from tests.core.situations import pit

STEP, NOISE = 0.3, 0.05


def followed(law, scans, *, seed=0, pits=6, plateau=lambda x: x, first=1, relative=0.01):
    """A growth model fed with pits whose depth is law(charge since birth) at every `STEP`."""
    rng = np.random.default_rng(seed)
    births = STEP * (first - 1 + rng.uniform(0.1, 0.9, pits))
    growth = Growth()
    for scan in range(scans):
        x = STEP * scan
        seen = [
            pit(k + 1, law(x - born) * (1 + relative * rng.normal()) + 2 * NOISE * rng.normal())
            for k, born in enumerate(births)
            if x > born
        ]
        growth.update(seen, NOISE, plateau(x), x, 1)
    return growth, births


def true_deepest(law, births, x, plateau=lambda x: x):
    return plateau(x) + max(law(x - born) for born in births)


@pytest.mark.parametrize("exponent", [0.4, 0.5, 0.75, 1.0])
def test_the_next_depth_is_found_for_any_growth_law(exponent):
    def law(age):
        return 15.0 * age**exponent

    growth, births = followed(law, 8)
    ahead = growth.penetration(8 * STEP)
    true = true_deepest(law, births, 8 * STEP)
    assert ahead.middle == pytest.approx(true, rel=0.05)
    assert ahead.low < true < ahead.high
    assert ahead.high - ahead.low < 0.25 * true


def test_nine_in_ten_intervals_hold_the_truth():
    rng, inside = np.random.default_rng(1), []
    for seed in range(300):
        factor, exponent = rng.uniform(8, 25), np.clip(rng.normal(0.5, 0.2), 0.25, 1.0)
        scans = int(rng.integers(3, 10))

        def law(age, factor=factor, exponent=exponent):
            return factor * age**exponent

        growth, births = followed(law, scans, seed=seed, pits=1, relative=0.02)
        ahead = growth.penetration(STEP * scans)
        inside.append(ahead.low < true_deepest(law, births, STEP * scans) < ahead.high)
    assert 0.84 < np.mean(inside) < 0.96


def test_the_collector_is_reached_when_the_law_says():
    def law(age):
        return 12.0 * age

    growth, births = followed(law, 8)
    current = 0.5
    arrival = growth.arrival(60.0, current)
    x = next(x for x in np.arange(0, 20, 0.01) if true_deepest(law, births, x) > 60.0)
    hours = (x - 7 * STEP) / current
    assert arrival.low < hours < arrival.high
    assert arrival.middle == pytest.approx(hours, rel=0.15)
    assert growth.arrival(1.0, current).middle == 0.0
    assert math.isinf(growth.arrival(1e6, current).low)


def test_forecasts_that_do_not_come_true_are_widened():
    calm, _ = followed(lambda age: 15.0 * age**0.5, 9)
    rng = np.random.default_rng(0)
    wild, _ = followed(lambda age: 15.0 * age**0.5 * rng.uniform(0.8, 1.25), 9)
    assert wild.scale > 2 * calm.scale


def test_without_pits_charge_or_stripping_nothing_is_said():
    assert Growth().penetration(1.0) is None
    assert Growth().arrival(10.0, 0.5) is None
    assert forecast(Growth(), 0.5, 0.5, 0.5, 125.0) == Forecast()
    growth, _ = followed(lambda age: 15.0 * age**0.5, 5)
    assert forecast(growth, 4 * STEP, -0.5, 0.5, 125.0) == Forecast()
    assert forecast(growth, math.nan, 0.5, 0.5, 125.0) == Forecast()


def test_a_second_discharge_begins_anew_with_the_pits_that_are_there():
    growth, _ = followed(lambda age: 15.0 * age**0.5, 6)
    growth.update([pit(1, 15.0)], NOISE, 5.0, 0.2, 2)
    growth.update([pit(1, 16.0)], NOISE, 5.2, 0.5, 2)
    growth.update([pit(1, 17.0)], NOISE, 5.4, 0.8, 2)
    ahead = growth.penetration(1.1)
    assert ahead.low < 23.6 < ahead.high
    assert ahead.middle == pytest.approx(23.6, abs=0.6)


def test_a_rest_teaches_nothing():
    growth, _ = followed(lambda age: 15.0 * age**0.5, 6)
    before = growth.penetration(6 * STEP)
    growth.update([pit(1, 50.0)], NOISE, 3.0, 5 * STEP, 1)
    assert growth.penetration(6 * STEP) == before


def test_the_outlook_says_when_to_look_again():
    growth, _ = followed(lambda age: 15.0 * age**0.5, 6)
    said = forecast(growth, 5 * STEP, 0.55, 0.5, 125.0)
    assert said.forecast_low_um < said.forecast_depth_um < said.forecast_high_um
    assert said.collector_low_h < said.collector_h
    assert 1 / 12 <= said.informative_h <= said.collector_low_h
    fresh, _ = followed(lambda age: 15.0 * age**0.5, 2)
    sooner = forecast(fresh, STEP, 0.55, 0.5, 125.0)
    assert sooner.forecast_high_um > 1.3 * sooner.forecast_depth_um
