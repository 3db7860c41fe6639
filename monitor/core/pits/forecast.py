"""What is to come for one cell, as numbers of the summary: pits, the collector, the next look."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.core.pits.growth import FARTHEST_H, Growth, Interval

INFORMATIVE = 3.0
FIRST_LOOK_H = 1.0 / 12.0
NOTHING: dict[str, Any] = {
    "forecast_depth_um": None,
    "forecast_low_um": None,
    "forecast_high_um": None,
    "collector_h": None,
    "collector_low_h": None,
    "collector_high_h": None,
    "informative_h": None,
}


def forecast(
    growth: Growth, charge_mAh_cm2: float, current_mA_cm2: float, period_h: float, foil_um: float
) -> dict[str, Any]:
    """Summary of what the pits will do if the current stays as it is.

    `forecast_depth_um` with `_low_`, `_high_` (5 and 95 %): depth of the deepest pit below the
    original surface at the next periodic scan, `period_h` from now; `collector_h`,
    `collector_low_h`, `collector_high_h`: hours until a pit reaches the collector, `foil_um` below
    that surface, None = not within 200 h; `informative_h`: hours until a scan tells most. All None
    without pits, or where nothing is being stripped.
    """
    if not (math.isfinite(charge_mAh_cm2) and current_mA_cm2 > 0.0):
        return dict(NOTHING)
    ahead = growth.penetration(charge_mAh_cm2 + current_mA_cm2 * period_h)
    collector = growth.arrival(foil_um, current_mA_cm2)
    if ahead is None or collector is None:
        return dict(NOTHING)
    hours = informative_hours(growth, charge_mAh_cm2, current_mA_cm2, collector)
    return {
        "forecast_depth_um": ahead.middle,
        "forecast_low_um": ahead.low,
        "forecast_high_um": ahead.high,
        "collector_h": collector.middle,
        "collector_low_h": collector.low,
        "collector_high_h": collector.high,
        "informative_h": hours,
    }


def informative_hours(
    growth: Growth, charge_mAh_cm2: float, current_mA_cm2: float, collector: Interval
) -> float:
    """When a scan tells most for its cost, hours from now; at least five minutes.

    That is once the forecast of the deepest pit has become three times as uncertain as a scan would
    leave it, or a pit may reach the collector. Before, it would measure what is known; later, what
    has happened unseen.
    """
    hours = np.geomspace(FIRST_LOOK_H, FARTHEST_H, 32)
    now = growth.penetration(charge_mAh_cm2)
    width = now.high - now.low if now is not None else 0.0
    for t in hours:
        then = growth.penetration(charge_mAh_cm2 + current_mA_cm2 * float(t))
        if then is not None and then.high - then.low > INFORMATIVE * max(width, 1e-6):
            return float(min(t, max(collector.low, FIRST_LOOK_H)))
    return float(min(FARTHEST_H, max(collector.low, FIRST_LOOK_H)))
