"""The running current density beside the map of one interval, and beside what is possible.

While pits open, many pixels change their pace from scan to scan by more than one interval's noise;
no filter in time can average there. How far one could come tells a Kalman filter of the same
heights that is told the true size (not the sign) of each pixel's change from one interval to the
next: its variances are right at every pixel and every scan, which no filter can know.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.faraday import UM_PER_MAH_CM2
from tests.studies.validation.paper import Moment

Values = NDArray[np.float64]
FIRST_CHANGE_MA_CM2 = 0.05


def compare(moments: Sequence[Moment], applied_mA_cm2: float) -> list[dict[str, float]]:
    """For each scan after the second, rms errors in mA/cm² of the interval's rate, of the running
    map and of the filter that is told the changes, over the pixels measured in all scans."""
    maps = [moment.result.maps for moment in moments]
    seen = np.isfinite([m["height"] for m in maps]).all(axis=0)
    heights = [np.asarray(m["height"], np.float64)[seen] for m in maps]
    errors = [np.asarray(m["height_error"], np.float64)[seen] for m in maps]
    removals = [moment.removal_um[seen] for moment in moments]
    hours = [moment.result.start.time / 3600.0 for moment in moments]
    told = _Told(heights[0], errors[0], applied_mA_cm2)
    rows, before = [], np.full(heights[0].shape, applied_mA_cm2)
    for k in range(1, len(moments)):
        step = UM_PER_MAH_CM2 * (hours[k] - hours[k - 1])
        rate = (removals[k] - removals[k - 1]) / step
        best = told.update(heights[k], errors[k], step, np.abs(rate - before))
        before = rate
        if k > 1:
            running = np.asarray(maps[k]["running"], np.float64)[seen]
            interval = (heights[k - 1] - heights[k]) / step
            off = {"interval": interval - rate, "running": running - rate, "told": best - rate}
            rows.append({name: float(np.sqrt(np.mean(e**2))) for name, e in off.items()})
    return rows


class _Told:
    """Height and rate of each pixel; the variance of each change of the rate is given."""

    def __init__(self, height: Values, error: Values, rate: float) -> None:
        self._x = np.stack([height, np.full(height.shape, rate)])
        self._hh, self._hr = error**2, np.zeros_like(height)
        self._rr = np.full(height.shape, FIRST_CHANGE_MA_CM2**2)

    def update(self, height: Values, error: Values, step: float, change: Values) -> Values:
        rr = self._rr + change**2
        hh = self._hh - 2.0 * step * self._hr + step**2 * rr
        hr = self._hr - step * rr
        off = height - (self._x[0] - step * self._x[1])
        gain_h, gain_r = hh / (hh + error**2), hr / (hh + error**2)
        self._x = np.stack([height - (1.0 - gain_h) * off, self._x[1] + gain_r * off])
        self._hh, self._hr, self._rr = hh * (1.0 - gain_h), hr * (1.0 - gain_h), rr - gain_r * hr
        return self._x[1]
