"""What is to come for one cell, as numbers of the summary: pits, the collector, the next look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor.core.pits.growth import FARTHEST_H, Growth, Interval

INFORMATIVE = 3.0
FIRST_LOOK_H = 1.0 / 12.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the pits will do if the current stays as it is; all None without pits, or if nothing is
    being stripped.

    `forecast_depth_um` with `_low_`, `_high_` (5 and 95 %): depth of the deepest pit below the
    original surface at the next periodic scan; `collector_h`, `collector_low_h`,
    `collector_high_h`: hours until a pit reaches the collector, None = not within 200 h;
    `informative_h`: hours until a scan tells most.
    """

    forecast_depth_um: float | None = None
    forecast_low_um: float | None = None
    forecast_high_um: float | None = None
    collector_h: float | None = None
    collector_low_h: float | None = None
    collector_high_h: float | None = None
    informative_h: float | None = None


def forecast(
    growth: Growth, charge_mAh_cm2: float, current_mA_cm2: float, period_h: float, foil_um: float
) -> Forecast:
    """Of the pits whose `growth` has been followed. `period_h`: hours until the next periodic scan;
    `foil_um`: depth of the collector below the original surface."""
    if not (math.isfinite(charge_mAh_cm2) and current_mA_cm2 > 0.0):
        return Forecast()
    ahead = growth.penetration(charge_mAh_cm2 + current_mA_cm2 * period_h)
    collector = growth.arrival(foil_um, current_mA_cm2)
    if ahead is None or collector is None:
        return Forecast()
    hours = informative_hours(growth, charge_mAh_cm2, current_mA_cm2, collector)
    return Forecast(
        ahead.middle,
        ahead.low,
        ahead.high,
        collector.middle,
        collector.low,
        collector.high,
        hours,
    )


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
