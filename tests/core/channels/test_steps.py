"""Steps in made-up channels of which the truth is known, and what is none."""

import math

import numpy as np
import pytest

from monitor.core.channels.coincidence import Samples, coincidences, sentence
from monitor.core.channels.steps import silent_since, step_between

T0 = 1.79e9
SINCE, UNTIL = T0 + 3600.0, T0 + 5400.0
TIMES = T0 + np.arange(0.0, 5400.0 + 1, 10.0)
AT = T0 + 4200.0


def noisy(values, sigma, seed=1):
    return values + np.random.default_rng(seed).normal(0.0, sigma, len(values))


def level(before, after, at=AT):
    return np.where(at > TIMES, before, after)


SAWTOOTH = 200.0 - 1.0 * ((TIMES - T0) % 600.0) / 600.0
DUMPED = np.where((TIMES >= AT) & (TIMES < AT + 300), 0.0, 200.0)
STEPS = {
    "down": (noisy(level(200.0, 12.0), 0.1), (AT, 200.0, 12.0)),
    "up": (noisy(level(12.0, 200.0), 0.1), (AT, 12.0, 200.0)),
    "small against the noise of one value": (noisy(level(100.0, 90.0), 0.5), (AT, 100.0, 90.0)),
    "without noise": (level(1.0, 0.0), (AT, 1.0, 0.0)),
    "on a drift": (noisy(level(200.0, 100.0) - (TIMES - T0) * 1e-3, 0.05), (AT, 195.8, 95.7)),
    "the beam came back": (DUMPED, (AT, 200.0, 0.0)),
    "top-up that stopped": (np.where(TIMES < AT, SAWTOOTH, 50.0), (AT, 199.0, 50.0)),
    "just before the end": (level(200.0, 0.0, UNTIL - 20.0), (UNTIL - 20.0, 200.0, 0.0)),
}
NONE = {
    "no change": noisy(level(200.0, 200.0), 0.1),
    "constant": level(1.0, 1.0),
    "drift": 200.0 - (TIMES - T0) * 0.02,
    "drift with noise": noisy(200.0 - (TIMES - T0) * 0.02, 0.5),
    "decay": 200.0 * np.exp(-(TIMES - T0) / 3600.0),
    "top-up": SAWTOOTH,
    "one value that is off": np.where(np.abs(TIMES - AT) < 1, 0.0, noisy(TIMES * 0 + 200.0, 0.1)),
    "a step before the last good scan": level(200.0, 12.0, SINCE - 600.0),
    "a return to the usual": np.where((TIMES > SINCE - 60) & (TIMES < SINCE + 60), 0.0, 200.0),
    "the last digit": level(25.0, 25.1),
    "a step after the scan": level(200.0, 12.0, UNTIL + 1.0),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_found_at_its_time_with_its_levels(name):
    values, (at, before, after) = STEPS[name]
    found = step_between(TIMES, values, SINCE, UNTIL)
    assert found is not None and found.time == at
    assert found.before == pytest.approx(before, abs=1.0)
    assert found.after == pytest.approx(after, abs=1.0)


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_step(name):
    assert step_between(TIMES, NONE[name], SINCE, UNTIL) is None


@pytest.mark.parametrize("slope", [0.0, 0.02])
def test_noise_gives_no_step_in_hundreds_of_channels(slope):
    found = [
        step_between(TIMES, noisy(200.0 - slope * (TIMES - T0), 1.0, seed), SINCE, UNTIL)
        for seed in range(500)
    ]
    assert [one for one in found if one is not None] == []


def test_the_rarest_samples():
    """A baseline is read twice: a clear change counts, a small one could be noise."""
    twice = [T0, AT]
    assert step_between(twice, [200.0, 12.0], SINCE, UNTIL) is not None
    assert step_between(twice, [200.0, 180.0], SINCE, UNTIL) is None
    assert step_between(twice, [1.0, 0.0], SINCE, UNTIL) is not None


@pytest.mark.parametrize(
    ("times", "values"),
    [([], []), ([T0], [5.0]), ([AT], [5.0]), ([AT, AT + 10, AT + 20], [200.0, 200.0, 0.0]),
     ([T0, T0 + 10], [200.0, 0.0])],
)  # fmt: skip
def test_nothing_is_said_of_what_was_not_measured(times, values):
    assert step_between(times, values, SINCE, UNTIL) is None


def test_a_channel_that_stopped_arriving():
    times = TIMES[TIMES <= AT]
    assert silent_since(times, UNTIL) == AT
    assert silent_since(TIMES, UNTIL) is None
    assert silent_since(times[:3], UNTIL) is None  # too few to know its pace
    slow = T0 + np.arange(0.0, 5400.0, 1800.0)
    assert silent_since(slow, UNTIL) is None


# --- in words -----------------------------------------------------------------------------------


def sample(name, values, times=TIMES, unit="mA"):
    return Samples(name, name, unit, times, values)


def test_the_sentence_says_what_and_when_and_claims_no_cause():
    channels = [
        sample("ring current", level(200.0, 12.0)),
        sample("temperature", noisy(level(25.0, 25.0), 0.01), unit="°C"),
        sample("pressure", noisy(level(1.0, 1.0), 0.01)[TIMES <= AT - 60], TIMES[TIMES <= AT - 60]),
        sample("absent", [], []),
    ]
    found = coincidences(channels, SINCE, UNTIL)
    assert [(one.name, one.time) for one in found] == [("pressure", AT - 60), ("ring current", AT)]
    text = sentence(found, 12, UNTIL)
    assert text == (
        "Since scan 12, which was not affected: pressure has had no value since 15:22 UTC; "
        "ring current fell at 15:23 UTC (200 → 12 mA). This is a coincidence in time, not "
        "necessarily the cause"
    )
    assert sentence([], 12, UNTIL) == ""


def test_many_channels_do_not_make_a_long_text():
    found = coincidences([sample(f"c{n}", level(2.0, 1.0)) for n in range(9)], SINCE, UNTIL)
    assert len(found) == 9 and "4 more channels changed" in sentence(found, 1, UNTIL)


def test_a_change_of_another_day_has_its_date():
    (one,) = coincidences([sample("ring", level(200.0, 12.0))], SINCE, UNTIL)
    assert "2026-" in sentence([one], 1, UNTIL + 86_400) and math.isclose(one.time, AT)
