"""Heights and charge → removal and local current density.

Stripping counts positive throughout: the height falls, the removal grows, the charge and the
current density are above zero. Heights in µm, times in hours or UTC seconds, current densities in
mA/cm².
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from monitor.core.current import kalman_kernels as kernels
from monitor.core.current import removal_kernels
from monitor.core.current.change_mixture import believed, in_common
from monitor.core.surface_statistics.tiles import mean_and_spread
from monitor.faraday import UM_PER_MAH_CM2
from monitor.records import frozen, shared

Map = NDArray[np.float32]

REST_CHARGE_MAH_CM2 = 1e-3
"""Below this charge per area (5 nm of lithium) the cell counts as resting."""

MEAN_SIGNIFICANCE = 3.0
MEAN_TILES = 8

DETECTION_SIGMA = 2.0 * 1.645
ERROR_SAMPLE = 65536


def removal(
    reference_height: Map, reference_error: Map, height: Map, error: Map
) -> tuple[Map, Map]:
    """Removal since the reference scan, d = h₀ − h, and its standard error.

    All arrays (ny, nx) float32 in one length unit; NaN in either scan gives NaN.
    """
    lost: tuple[Map, Map] = removal_kernels.difference(
        *map(shared, (reference_height, reference_error, height, error))
    )
    return lost


def scaled(values: Map, factor: float) -> Map:
    """A map times a factor, float32."""
    times: Map = removal_kernels.scaled(shared(values), np.float32(factor))
    return times


def local_current(
    removal: Map, removal_error: Map, charge_mAh_cm2: float, hours: float
) -> tuple[Map, Map] | None:
    """Local current density j = (Q/A)/t · d/⟨d⟩ and its standard error, in mA/cm² (Tonin et al.).

    `removal`: (ny, nx) float32 in any length unit, NaN = not measurable, and `removal_error` like
    it; `charge_mAh_cm2`: net charge stripped in the same `hours`. Since the reference this is the
    cumulative, since the previous scan the interval map. None without a charge or without elapsed
    time. All NaN at rest, and where ⟨d⟩ is less than 3 standard errors from zero or has not the
    sign of the charge: the quotient would then magnify noise. What the error of ⟨d⟩ adds is the
    same for all pixels, and is not in the error: closure shows that.
    """
    scale = _per_length(removal, charge_mAh_cm2, hours)
    if scale is None:
        return None
    return scaled(removal, scale), scaled(removal_error, abs(scale))


def _per_length(removal: Map, charge_mAh_cm2: float, hours: float) -> float | None:
    """mA/cm² for each unit of length removed, (Q/A)/(t·⟨d⟩); NaN and None as `local_current`."""
    if not (np.isfinite(charge_mAh_cm2) and hours > 0.0):
        return None
    mean, error = mean_and_spread(removal, MEAN_TILES)
    rests = abs(charge_mAh_cm2) < REST_CHARGE_MAH_CM2
    if rests or not abs(mean) > MEAN_SIGNIFICANCE * error or mean * charge_mAh_cm2 < 0.0:
        return float("nan")
    return charge_mAh_cm2 / (hours * mean)


def min_detectable_j(removal_error: Map, hours: float) -> float | None:
    """Smallest current density (mA/cm²) that one pixel would show, with 5 % chance of a false
    alarm and 5 % of a miss: 3.29 σ_d/(4.8491·t), σ_d the median error (Currie, Anal. Chem. 40, 586
    (1968)).

    `removal_error`: (ny, nx) float32 in µm, of the removal in these `hours`. None if no time
    has passed or nothing is known.
    """
    stride = max(1, math.isqrt(removal_error.size // ERROR_SAMPLE))
    some = removal_error[::stride, ::stride]
    some = some[np.isfinite(some)]
    if not (some.size and hours > 0.0):
        return None
    return DETECTION_SIGMA * float(np.median(some)) / (UM_PER_MAH_CM2 * hours)


def absolute_current(removal: Map, hours: float) -> Map:
    """Current density without renormalisation, j = d/(4.8491·t) in mA/cm².

    `removal`: (ny, nx) float32 in µm. A failing segmentation cannot hide here. All NaN where no
    time has passed.
    """
    scale = 1.0 / (UM_PER_MAH_CM2 * hours) if hours > 0.0 else np.nan
    return scaled(removal, scale)


DRIFT_SHARE = 0.02
DRIFT_PERIOD_H = 0.5
SPREAD_SHARE = 1.0
SPREAD_FLOOR_MA_CM2 = 0.05
SPREAD_UNKNOWN_MA_CM2 = 10.0
MAX_CURRENT_RATIO = 4.0
RATES = 256
RATE_PERCENT = (0.5, 99.5)
RATE_SAMPLE_PX = 8


class Running:
    """Running estimate of height and local current density: a two-state Kalman filter per pixel.

    State of a pixel: height h (µm) and current density r (mA/cm², stripping positive) with their
    2×2 covariance, float32. Between two scans r is constant: h' = h − 4.8491·Δt·r. From one
    interval to the next r follows the cycler's mean current j̄ in proportion (r' = r·j̄'/j̄) and
    drifts by a random walk of 2 % of |j̄| per √(30 min); where j̄ is unknown r only drifts, as at
    1 mA/cm². At the first interval, after a rest, at a reversal or when the current changes more
    than fourfold, r restarts at j̄ with a standard deviation of |j̄| + 0.05 mA/cm².

    The current moves from place to place: while pits open, less is left for the plain. What the
    pixels of like r (24 classes of them) deviate by on average is not noise, and is taken out
    first.
    What then still deviates at a pixel and its neighbours more than the other pixels of its class
    means that it has changed its pace, as when a pit breaks open; the more likely this is, the
    less its past counts (`pace`).
    """

    def __init__(self) -> None:
        self._state: NDArray[np.float32] | None = None
        self._time_s = float("nan")
        self._current = float("nan")

    def copy(self) -> Running:
        """The estimate as it is now; it can continue by itself."""
        other = Running()
        other._state = None if self._state is None else self._state.copy()
        other._time_s, other._current = self._time_s, self._current
        return other

    def update(
        self, height: Map, error: Map, time_s: float, mean_current_mA_cm2: float
    ) -> tuple[Map, Map]:
        """Takes in one scan; returns current density and its standard error, mA/cm².

        `height`, `error`: (ny, nx) float32 in µm; NaN in either, or an error of zero, only
        predicts. `mean_current_mA_cm2`: mean over the time since the previous update, NaN =
        unknown. Returns read-only (ny, nx) float32, NaN until a pixel has been measured twice. A
        time that has not grown counts as no time passed; another shape starts afresh.
        """
        if self._state is None or self._state.shape[1:] != height.shape:
            self._state = np.full((5, *height.shape), np.nan, np.float32)
            self._time_s, self._current = time_s, float("nan")
        hours = max(0.0, (time_s - self._time_s) / 3600.0)
        height, error = shared(height), shared(error)
        current, current_error = self._step(self._state, height, error, hours, mean_current_mA_cm2)
        if hours > 0.0:
            self._time_s, self._current = time_s, mean_current_mA_cm2
        return frozen(current), frozen(current_error)

    def _step(
        self, state: Map, height: Map, error: Map, hours: float, mean: float
    ) -> tuple[Map, Map]:
        ratio, restart = self._transition(mean)
        known = np.isfinite(mean)
        level = abs(mean) if known else SPREAD_UNKNOWN_MA_CM2
        drift = DRIFT_SHARE * max(level if known else 1.0, SPREAD_FLOOR_MA_CM2)
        lowest, per_rate = _rates(state[1], ratio)
        sums = np.zeros((RATES if per_rate else 1, 3))
        surprise = kernels.predict(
            state,
            height,
            error,
            UM_PER_MAH_CM2 * hours,
            ratio,
            restart,
            (SPREAD_SHARE * level + SPREAD_FLOOR_MA_CM2) ** 2,
            drift**2 * hours / DRIFT_PERIOD_H,
            lowest,
            per_rate,
            sums,
        )
        if hours <= 0.0:
            nothing = np.zeros(height.shape, np.uint16)
            one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
            unchanged: tuple[Map, Map] = kernels.correct(
                state, error, surprise, 0.0, nothing, one, none
            )
            return unchanged
        per_step = 1.0 / (UM_PER_MAH_CM2 * hours)
        shift, classes = in_common(sums, per_rate)
        counts = np.zeros((int(classes.max()) + 1, kernels.CELLS), np.int64)
        filed = kernels.weigh(
            state, error, surprise, per_step, lowest, per_rate, shift, classes, counts
        )
        steady, doubt = (table.astype(np.float32).ravel() for table in believed(counts))
        estimate: tuple[Map, Map] = kernels.correct(
            state, error, surprise, per_step, filed, steady, doubt
        )
        return estimate

    def _transition(self, current: float) -> tuple[float, float]:
        """(factor on r, or NaN to restart; value of r at a restart)."""
        if not np.isfinite(current):
            return 1.0, 0.0
        if not np.isfinite(self._current):
            return 1.0, current
        if self._current * current > 0.0:
            ratio = current / self._current
            if 1.0 / MAX_CURRENT_RATIO <= ratio <= MAX_CURRENT_RATIO:
                return ratio, current
        return float("nan"), current


def _rates(rate: Map, ratio: float) -> tuple[float, float]:
    """(lowest rate, cells per mA/cm²) of the pixels' predicted rates; (0, 0): one cell for all,
    if they restart or are not known yet."""
    sample = rate[::RATE_SAMPLE_PX, ::RATE_SAMPLE_PX] * ratio
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 0.0
    lowest, highest = (float(edge) for edge in np.percentile(sample, RATE_PERCENT))
    return lowest, RATES / max(highest - lowest, 1e-3)
