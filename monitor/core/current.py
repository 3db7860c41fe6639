"""Heights and charge → removal and local current density.

Stripping counts positive throughout: the height falls, the removal grows, the charge and the
current density are above zero. Heights in µm, times in hours or UTC seconds, current densities in
mA/cm².
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from monitor.faraday import UM_PER_MAH_CM2
from monitor.records import frozen

Map = NDArray[np.float32]

REST_CHARGE_MAH_CM2 = 1e-3
"""Below this charge per area (5 nm of lithium) the cell counts as resting."""

MEAN_SIGNIFICANCE = 3.0
MEAN_TILES = 8


def removal(
    reference_height: Map, reference_error: Map, height: Map, error: Map
) -> tuple[Map, Map]:
    """Removal since the reference scan, d = h₀ − h, and its standard error.

    All arrays (ny, nx) float32 in one length unit; NaN in either scan gives NaN.
    """
    lost = np.subtract(reference_height, height, dtype=np.float32)
    lost_error = np.hypot(reference_error, error, dtype=np.float32)
    lost_error[np.isnan(lost)] = np.nan
    lost[np.isnan(lost_error)] = np.nan
    return lost, lost_error


def local_current(removal: Map, charge_mAh_cm2: float, hours: float) -> Map | None:
    """Local current density j = (Q/A)/t · d/⟨d⟩ in mA/cm² (Tonin et al.).

    `removal`: (ny, nx) in any length unit, NaN = not measurable; `charge_mAh_cm2`: net charge
    stripped in the same `hours`. Since the reference this is the cumulative, since the previous
    scan the interval map. None without a charge or without elapsed time. All NaN at rest, and
    where ⟨d⟩ is less than 3 standard errors from zero or has not the sign of the charge: the
    quotient would then magnify noise.
    """
    if not (np.isfinite(charge_mAh_cm2) and hours > 0.0):
        return None
    mean, error = _mean_and_error(removal)
    rests = abs(charge_mAh_cm2) < REST_CHARGE_MAH_CM2
    if rests or not abs(mean) > MEAN_SIGNIFICANCE * error or mean * charge_mAh_cm2 < 0.0:
        return np.full_like(removal, np.nan, dtype=np.float32)
    return np.multiply(removal, charge_mAh_cm2 / (hours * mean), dtype=np.float32)


def absolute_current(removal: Map, hours: float) -> Map:
    """Current density without renormalisation, j = d/(4.8491·t) in mA/cm².

    `removal`: (ny, nx) float32 in µm. A failing segmentation cannot hide here. All NaN where no
    time has passed.
    """
    scale = 1.0 / (UM_PER_MAH_CM2 * hours) if hours > 0.0 else np.nan
    return np.multiply(removal, scale, dtype=np.float32)


def _mean_and_error(removal: Map) -> tuple[float, float]:
    """Mean over the valid pixels, and its standard error from the scatter between 8×8 tiles.

    The scatter between tiles, unlike that between pixels, holds what neighbours have in common. It
    also holds the real lateral variation, which errs on the careful side.
    """
    valid = np.isfinite(removal)
    if not valid.any():
        return np.nan, np.nan
    filled = np.where(valid, removal, np.float32(0.0))
    rows = np.linspace(0, removal.shape[0], MEAN_TILES, endpoint=False).astype(int)
    columns = np.linspace(0, removal.shape[1], MEAN_TILES, endpoint=False).astype(int)
    totals = np.add.reduceat(
        np.add.reduceat(filled, rows, axis=0, dtype=np.float64), columns, axis=1
    )
    counts = np.add.reduceat(np.add.reduceat(valid, rows, axis=0, dtype=np.int64), columns, axis=1)
    mean = float(totals.sum() / counts.sum())
    used = counts > 0
    residual = totals[used] - mean * counts[used]
    tiles = int(used.sum())
    if tiles < 2:
        return mean, np.inf
    variance = float((residual**2).sum()) * tiles / (tiles - 1)
    return mean, float(np.sqrt(variance) / counts.sum())


DRIFT_SHARE = 0.03
DRIFT_PERIOD_H = 0.5
SPREAD_SHARE = 1.0
SPREAD_FLOOR_MA_CM2 = 0.05
SPREAD_UNKNOWN_MA_CM2 = 10.0
SURPRISE = 3.0
MAX_CURRENT_RATIO = 4.0


class Running:
    """Running estimate of height and local current density: a two-state Kalman filter per pixel.

    State of a pixel: height h (µm) and current density r (mA/cm², stripping positive) with their
    2×2 covariance, float32. Between two scans r is constant: h' = h − 4.8491·Δt·r. From one
    interval to the next r follows the cycler's mean current j̄ in proportion (r' = r·j̄'/j̄) and
    drifts by a random walk of 3 % of |j̄| per √(30 min); where j̄ is unknown r only drifts, as at
    1 mA/cm². At the first interval, after a rest, at a reversal or when the current changes more
    than fourfold, r restarts at j̄ with a standard deviation of |j̄| + 0.05 mA/cm². A height more
    than 3 standard deviations off the prediction means that the pixel has changed its pace, as
    when a pit breaks open: the variance of r is then raised by the discrepancy, so that the
    estimate follows at once. (Bar-Shalom, Li & Kirubarajan, Estimation with Applications to
    Tracking and Navigation, 2001: ch. 5 the filter, ch. 11 the raised noise at a manoeuvre.)
    """

    def __init__(self) -> None:
        self._state: NDArray[np.float32] | None = None
        self._time_s = float("nan")
        self._current = float("nan")

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
        ratio, restart = self._transition(mean_current_mA_cm2)
        known = np.isfinite(mean_current_mA_cm2)
        level = abs(mean_current_mA_cm2) if known else SPREAD_UNKNOWN_MA_CM2
        drift = DRIFT_SHARE * max(level if known else 1.0, SPREAD_FLOOR_MA_CM2)
        current, current_error = running_step(
            self._state,
            frozen(np.ascontiguousarray(height, np.float32)[...]),
            frozen(np.ascontiguousarray(error, np.float32)[...]),
            UM_PER_MAH_CM2 * hours,
            ratio,
            restart,
            (SPREAD_SHARE * level + SPREAD_FLOOR_MA_CM2) ** 2,
            drift**2 * hours / DRIFT_PERIOD_H,
        )
        if hours > 0.0:
            self._time_s, self._current = time_s, mean_current_mA_cm2
        return frozen(current), frozen(current_error)

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


@njit(nogil=True, cache=True)
def running_step(
    state: NDArray[np.float32],
    height: NDArray[np.float32],
    error: NDArray[np.float32],
    step: float,
    ratio: float,
    restart: float,
    restart_variance: float,
    drift_variance: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # pragma: no cover
    """Predicts and updates every pixel. `state` (5, ny, nx): h, r, P_hh, P_hr, P_rr; mutated."""
    ny, nx = height.shape
    current = np.full((ny, nx), np.float32(np.nan), np.float32)
    current_error = np.full((ny, nx), np.float32(np.nan), np.float32)
    for y in range(ny):
        for x in range(nx):
            z, variance = float(height[y, x]), float(error[y, x]) ** 2
            measured = np.isfinite(z) and np.isfinite(variance) and variance > 0.0
            if not np.isfinite(state[0, y, x]):
                if measured:
                    state[0, y, x], state[2, y, x] = z, variance
                continue
            h, r = float(state[0, y, x]), float(state[1, y, x])
            hh, hr, rr = float(state[2, y, x]), float(state[3, y, x]), float(state[4, y, x])
            fresh = np.isnan(r)
            if fresh or (np.isnan(ratio) and step > 0.0):
                r, hr, rr = restart, 0.0, restart_variance
            elif step > 0.0:
                r, hr, rr = r * ratio, hr * ratio, rr * ratio * ratio + drift_variance
            h -= step * r
            hh += step * (step * rr - 2.0 * hr)
            hr -= step * rr
            if measured:
                surprise = z - h
                if step > 0.0 and surprise * surprise > SURPRISE * SURPRISE * (hh + variance):
                    jump = (surprise / step) ** 2
                    rr += jump
                    hr -= step * jump
                    hh += step * step * jump
                total = hh + variance
                h += hh / total * surprise
                r += hr / total * surprise
                rr -= hr * hr / total
                hr *= variance / total
                hh *= variance / total
            if fresh and (step == 0.0 or not measured):
                r = np.nan
            state[0, y, x], state[1, y, x] = h, r
            state[2, y, x], state[3, y, x], state[4, y, x] = hh, hr, rr
            if not np.isnan(r):
                current[y, x] = r
                current_error[y, x] = np.sqrt(rr)
    return current, current_error
