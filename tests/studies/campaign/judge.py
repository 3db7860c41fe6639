"""How the policy and the forecasts did on simulated cells, against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from monitor.core.pits.growth import Growth
from monitor.settings import OnsetSettings
from tests.studies.campaign.cells import Kind, Seen, events

MIN_DIAMETER_UM = 5.0
VOXEL_UM, NOISE_UM = 0.717, 0.1
TARGETS = (1.15, 1.4)
"""Depths, in units of the deepest one now, whose arrival is forecast."""


@dataclass
class Tally:
    """Counts over a campaign. Forecasts: one entry each, whether the interval holds the truth."""

    cells: int = 0
    called_in_time: int = 0
    late: list[str] = field(default_factory=list)
    pit_free_scans: int = 0
    false_requests: int = 0
    over_budget: int = 0
    requests: int = 0
    next_depth: list[bool] = field(default_factory=list)
    arrivals: list[bool] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the counts of another one."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def deepest_detectable(seen: Seen, limit_um: float) -> float:
    """True depth of the deepest pit that is as wide as a pit must be where it is half as deep as
    the limit; 0 without one."""
    excess = seen.removal_um - seen.plateau_um
    regions, count = label(excess > 0.5 * limit_um)
    sizes = np.bincount(regions.ravel(), minlength=count + 1) * VOXEL_UM**2
    deepest = 0.0
    for k in range(1, count + 1):
        if 2.0 * np.sqrt(sizes[k] / np.pi) >= MIN_DIAMETER_UM:
            deepest = max(deepest, float(excess[regions == k].max()))
    return deepest


def judged(kind: Kind, scans: Iterable[Seen], limits: OnsetSettings) -> Tally:
    """One cell: when its onset was called, what it asked for, how its forecasts came true."""
    history, tally = list(scans), Tally(cells=1)
    due = called = None
    asked: list[float] = []
    for seen in history:
        summary = seen.result.summary
        limit = summary.get("pit_detection_limit_um")
        scan = seen.result.key.scan
        if due is None and limit and deepest_detectable(seen, limit) > limit:
            due = scan
        if called is None and events(seen, "pit_onset"):
            called = scan
        asked += [seen.result.start.stop_time for _ in events(seen, "scan_request")]
    tally.requests = len(asked)
    tally.over_budget = over_budget(asked, limits)
    if kind.pits:
        tally.called_in_time = int(called == due)
        if called != due:
            tally.late.append(f"cell {kind.seed}: due in scan {due}, called in {called}")
        tally.next_depth = _next_depths(kind, history)
        tally.arrivals = arrivals(kind, history)
    else:
        tally.pit_free_scans = len(history) - 1
        tally.false_requests = len(asked)
        tally.called_in_time = int(called is None)
    return tally


def over_budget(asked: Sequence[float], limits: OnsetSettings) -> int:
    """Requests beyond what an hour, or the cell, allows."""
    beyond = max(0, len(asked) - limits.max_scans_per_cell)
    for k, time in enumerate(asked):
        lately = sum(time - 3600.0 < t <= time for t in asked[: k + 1])
        beyond += lately > limits.max_scans_per_hour
    return beyond


def _next_depths(kind: Kind, history: Sequence[Seen]) -> list[bool]:
    """Whether the forecast of the deepest pit at the next scan holds the true depth there."""
    depths = [float(seen.removal_um.max()) for seen in history]
    charges = [seen.result.summary["charge_mAh_cm2"] or 0.0 for seen in history]
    step, found = kind.current_mA_cm2 * 0.5, []
    for k, seen in enumerate(history[:-1]):
        said = seen.result.summary
        low, high = said.get("forecast_low_um"), said.get("forecast_high_um")
        if low is not None and abs(charges[k + 1] - charges[k] - step) < 0.02 * step:
            found.append(low <= depths[k + 1] <= high)
    return found


def arrivals(kind: Kind, history: Sequence[Seen]) -> list[bool]:
    """Whether the forecast time at which some depths are reached holds the true one, wherever that
    was reached; the model is fed with what the monitor measured."""
    growth, found = Growth(), []
    depths: NDArray[np.float64] = np.array([seen.removal_um.max() for seen in history])
    charges = np.array([seen.result.summary["charge_mAh_cm2"] or 0.0 for seen in history])
    for k, seen in enumerate(history):
        summary = seen.result.summary
        if summary.get("complete_um") is None:
            continue
        growth.update(seen.result.pits, NOISE_UM, summary["complete_um"], charges[k], 1)
        for target in TARGETS if seen.result.pits else ():
            depth = target * depths[k]
            if depth > depths[-1] or depths[k] == 0.0:
                continue
            true_h = (np.interp(depth, depths[k:], charges[k:]) - charges[k]) / kind.current_mA_cm2
            arrival = growth.arrival(depth, kind.current_mA_cm2)
            if arrival is not None:
                found.append(arrival.low <= true_h <= arrival.high)
    return found
