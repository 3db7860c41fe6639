"""Closure: its error, and when it is out of bounds."""

import pytest

from monitor.closure import Closure
from monitor.core.watchdog import checks
from monitor.settings import WatchSettings

BAND = (0.85, 1.15)


def summary(closure, coulometry=4.0, error=0.0):
    return {"closure": closure, "coulometry_um": coulometry, "averaged_error_um": error}


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (summary(0.84), "outside"),
        (summary(0.86), "inside"),
        (summary(1.16), "outside"),
        (summary(-0.26), "outside"),
        (summary(0.80, error=0.2), "inside"),  # ± 0.05: within two standard errors
        (summary(0.70, error=0.2), "outside"),
        (summary(0.5, coulometry=0.9), "unjudged"),
        (summary(0.5, coulometry=-2.0), "outside"),
    ],
)
def test_the_alarm_and_the_screen_judge_alike(told, verdict):
    assert Closure.of(told).verdict(BAND) == verdict
    sign = checks.closure(told, WatchSettings())
    assert (sign is None) == (verdict == "unjudged")
    assert sign is None or sign.bad == (verdict == "outside")


@pytest.mark.parametrize("told", [{}, summary(None), summary(1.0, None), summary(1.0, 0.0)])
def test_what_is_not_known_is_not_judged(told):
    assert Closure.of(told) is None
    assert checks.closure(told, WatchSettings()) is None
