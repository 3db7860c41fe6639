"""Whether a channel changed by a step, or stopped arriving, within a time. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW, LEAST = 15, 5
"""Values before and after a step that are compared, and how many of each tell their spread."""
DRIFT = 60
"""Values before a step that tell their drift."""
SPREADS = 5.0
"""Least step, in robust standard deviations of the values around it."""
LEAST_SHARE, CLEAR_SHARE = 0.02, 0.5
"""Least step as a share of the larger level; and if there are too few values to tell their
spread."""
USUAL = 2000
"""Newest values before the time in question whose range is the usual one."""
CANDIDATES = 50
MAD_TO_SIGMA = 1.4826
SILENT_STEPS, STEPS = 3.0, 50

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level between two values: `time` of the first one after it, UTC s, and the
    median levels around it."""

    time: float
    before: float
    after: float


def step_between(
    times: Sequence[float], values: Sequence[float], since: float, until: float
) -> Step | None:
    """The largest step after `since` and up to `until`, UTC s; None if there is none.

    `times` (n,) rising, `values` (n,) finite. A step is a difference of the medians of up to 15
    values on either side that, without their drift, exceeds 5 times their spread (1.4826 × median
    absolute deviation), and 2 % of the level. It leads out of the usual range: beyond the 5th to
    95th percentile of the values before `since` by at least half of the step. A slow drift, the
    sawtooth of a top-up and a return to the usual level are none.
    """
    t, v = np.asarray(times, np.float64), np.asarray(values, np.float64)
    first, end = (int(np.searchsorted(t, at, "right")) for at in (since, until))
    if first == 0 or end <= first:
        return None  # nothing to compare with, or nothing new
    usual = np.percentile(v[max(0, first - USUAL) : first], (5, 95))
    jumps = np.abs(np.diff(v[first - 1 : end]))
    places = first + np.sort(np.argsort(-jumps, kind="stable")[:CANDIDATES])
    best, most = None, 0.0
    for place in places.tolist():
        before, after = v[max(0, place - WINDOW) : place], v[place : min(place + WINDOW, end)]
        gain = _gain(before, after)
        drift = _drift(v[max(0, place - DRIFT) : place])
        if gain > most and _is_step(before, after, usual, drift):
            best, most = place, gain
    if best is None:
        return None
    before, after = v[max(0, best - WINDOW) : best], v[best : min(best + WINDOW, end)]
    return Step(float(t[best]), float(np.median(before)), float(np.median(after)))


def _is_step(before: Array, after: Array, usual: Array, drift: float) -> bool:
    level, new = float(np.median(before)), float(np.median(after))
    change, largest = abs(new - level), max(abs(level), abs(new))
    if change == 0.0 or change < LEAST_SHARE * largest:
        return False
    if min(len(before), len(after)) < LEAST:
        certain = change >= CLEAR_SHARE * largest
    else:
        drifted = 0.5 * (len(before) + len(after)) * drift
        least = SPREADS * max(_spread(before), _spread(after))
        certain = min(change, abs(new - level - drifted)) > least
    outside = max(usual[0] - new, new - usual[1])
    return certain and bool(outside >= 0.5 * change)


def _drift(values: Array) -> float:
    """Drift from value to value, by the medians of the two halves."""
    half = len(values) // 2
    if half < LEAST:
        return 0.0
    return float(np.median(values[-half:]) - np.median(values[:half])) / (len(values) - half)


def _gain(before: Array, after: Array) -> float:
    """How much less the values deviate from two levels than from one: largest at the step."""
    return _deviation(np.concatenate((before, after))) - _deviation(before) - _deviation(after)


def _deviation(values: Array) -> float:
    return float(np.abs(values - np.median(values)).sum())


def _spread(values: Array) -> float:
    """Robust standard deviation."""
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


def silent_since(times: Sequence[float], until: float) -> float | None:
    """Time of the last value, UTC s, if by `until` a channel has been silent for 3 times the
    longest of its last pauses; None if it has not, or has too few values to tell."""
    known = np.asarray(times, np.float64)
    known = known[: int(np.searchsorted(known, until, "right"))][-STEPS - 1 :]
    if len(known) <= LEAST:
        return None
    last = float(known[-1])
    return last if until - last > SILENT_STEPS * float(np.diff(known).max()) else None
