"""What the charge adds to a scan's heights: current density, coulometry, closure, forecast.

Everything here can be computed again when readings arrive after the scan: `ChargeAnalysis` is
copied before a scan whose readings are still missing, and the copy takes the scan again later.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.current.density import (
    Running,
    absolute_current,
    local_current_and_error,
    min_detectable_j,
    removal,
)
from monitor.core.cycler.history import CyclerHistory
from monitor.core.pits.forecast import NOTHING, forecast
from monitor.core.pits.growth import Growth
from monitor.core.pits.link import Persistence, PitMap, growth
from monitor.core.plating import Measured, PlatingWatch
from monitor.core.surface_analysis import SurfaceStage, percentiles
from monitor.faraday import thickness_um
from monitor.records import Pit
from monitor.settings import CellSettings

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ChargeStage:
    """Numbers of one scan that rest on the charge. `maps`: (ny, nx) float32, mA/cm²; `pits`: those
    of the surface, each with its mean current density."""

    maps: Mapping[str, Map]
    summary: Mapping[str, Any]
    pits: tuple[Pit, ...]


class ChargeAnalysis:
    """What is carried from scan to scan: running current density, pit growth, what was plated."""

    def __init__(self, cell: CellSettings, history: CyclerHistory, period_s: float) -> None:
        """`period_s`: how often a periodic scan is made, for forecasts of the next one."""
        self._cell = cell
        self._history = history
        self._period_h = period_s / 3600.0
        self._growth = Growth()
        self._persistence = Persistence()
        self._running = Running()
        self._plating = PlatingWatch(cell)

    def copy(self) -> ChargeAnalysis:
        """Independent of this one from now on; the cell's readings are shared."""
        other = copy.copy(self)
        other._growth = copy.deepcopy(self._growth)
        other._persistence = copy.copy(self._persistence)
        other._running = self._running.copy()
        other._plating = copy.copy(self._plating)
        return other

    def update(self, stage: SurfaceStage) -> ChargeStage:
        """Takes in one scan, in the order of scans."""
        scan, reference, previous = stage.scan, stage.reference, stage.previous
        summary = self._electrochemistry(scan, (reference or scan).start.time)
        if reference is None or previous is None:
            return ChargeStage({}, summary, ())
        maps = self._currents(stage, reference, previous, summary)
        summary |= self._thickness(stage, maps, summary["charge_mAh_cm2"])
        summary |= self._plating.summary(scan, self._history, stage.pits_before)
        pits: tuple[Pit, ...] = ()
        if stage.pits is not None:
            pits = _with_currents(stage.pits, maps.get("cumulative"))
            summary |= self._growth_of_pits(stage, stage.pits, previous, summary)
            summary |= self._outlook(stage, stage.pits, reference, summary)
        running = maps.get("running")
        highest = None if running is None else percentiles(running, (99,))
        summary["j_running_p99"] = None if highest is None else highest[0]
        return ChargeStage(maps, summary, pits)

    def _charge_and_hours(self, since: float, until: float) -> tuple[float | None, float]:
        """Net charge stripped between two times (mAh/cm²), and the hours with current in them."""
        history = self._history
        q0, q1 = history.charge_at(since), history.charge_at(until)
        t0, t1 = history.active_hours_at(since), history.active_hours_at(until)
        unknown = until > since and history.begins_after(until)
        if unknown or q0 is None or q1 is None or t0 is None or t1 is None:
            return None, max(0.0, (until - since) / 3600.0)
        return (q1 - q0) / self._cell.area_cm2, t1 - t0

    def _electrochemistry(self, scan: Measured, since: float) -> dict[str, Any]:
        history, time, area = self._history, scan.start.time, self._cell.area_cm2
        charge, hours = self._charge_and_hours(since, time)
        current = history.current_at(time)
        discharge = history.discharge_at(time)
        total = history.charge_at(time)
        capacity = self._cell.capacity_mAh
        known = charge is not None
        during = self._during_discharge(discharge, time)
        return {
            "time": time,
            "reason": scan.start.reason,
            "request": scan.start.request,
            "charge_state": history.charge_state(time),
            "charge_mAh_cm2": charge,
            "charge_mAh": charge * area if charge is not None else None,
            "current_mA_cm2": current / area if current is not None else None,
            "mean_current_mA_cm2": charge / hours if charge is not None and hours > 0 else None,
            "soc": 1.0 - total / capacity if known and total is not None and capacity else None,
            "step": history.step_at(time) if known else None,
            "discharge": discharge if known else None,
            "discharge_charge_mAh_cm2": during[0],
            "discharge_current_mA_cm2": during[1],
        }

    def _during_discharge(
        self, discharge: int | None, time: float
    ) -> tuple[float | None, float | None]:
        """Charge stripped since the last discharge began (mAh/cm²), and its mean current."""
        if discharge is None:
            return None, None
        charge, hours = self._charge_and_hours(self._history.discharge_start(discharge), time)
        return charge, charge / hours if charge is not None and hours > 0 else None

    def _currents(
        self,
        stage: SurfaceStage,
        reference: Measured,
        previous: Measured,
        summary: dict[str, Any],
    ) -> dict[str, Map]:
        """Current-density maps, as far as a cycler is there and time has passed; adds to `summary`
        what could be detected."""
        scan = stage.scan
        lost, lost_error = stage.maps["removal"], stage.maps["removal_error"]
        charge, hours = self._charge_and_hours(reference.start.time, scan.start.time)
        maps: dict[str, Map | None] = {}
        in_um = scan.start.voxel_size_um is not None
        if charge is not None and hours > 0:
            both = local_current_and_error(lost, lost_error, charge, hours)
            maps["cumulative"], maps["cumulative_error"] = both or (None, None)
            if in_um:
                summary["min_detectable_j_mA_cm2"] = min_detectable_j(lost_error, hours)
        if hours > 0 and in_um:
            maps["absolute"] = absolute_current(lost, hours)
        step_charge, step_hours = self._charge_and_hours(previous.start.time, scan.start.time)
        if step_charge is not None and step_hours > 0:
            summary["interval_current_mA_cm2"] = step_charge / step_hours
            step, step_error = removal(
                previous.heights.lithium,
                previous.heights.lithium_error,
                scan.heights.lithium,
                scan.heights.lithium_error,
            )
            both = local_current_and_error(step, step_error, step_charge, step_hours)
            maps["interval"], maps["interval_error"] = both or (None, None)
            if in_um:
                least = min_detectable_j(step_error, step_hours)
                summary["min_detectable_j_interval_mA_cm2"] = least
        if in_um:
            elapsed = (scan.start.time - previous.start.time) / 3600.0
            mean = (
                step_charge / elapsed if step_charge is not None and elapsed > 0 else float("nan")
            )
            maps["running"], maps["running_error"] = self._running.update(
                scan.heights.lithium, scan.heights.lithium_error, scan.start.time, mean
            )
        return {name: values for name, values in maps.items() if values is not None}

    @staticmethod
    def _thickness(
        stage: SurfaceStage, maps: Mapping[str, Map], charge_mAh_cm2: float | None
    ) -> dict[str, Any]:
        """Coulometry and closure (Tonin et al., Table 1), percentiles of the current density."""
        in_um = stage.scan.start.voxel_size_um is not None
        averaged = stage.summary["averaged_um"]
        coulometry = None
        if charge_mAh_cm2 is not None and in_um:
            coulometry = thickness_um(charge_mAh_cm2)
        closure = averaged / coulometry if coulometry and abs(coulometry) > 1e-6 else None
        cumulative = maps.get("cumulative")
        quantiles = None if cumulative is None else percentiles(cumulative, (1, 50, 99))
        numbers: dict[str, Any] = {"coulometry_um": coulometry, "closure": closure}
        if quantiles is not None:
            numbers |= dict(zip(("j_p1", "j_p50", "j_p99"), quantiles, strict=True))
        return numbers

    def _growth_of_pits(
        self, stage: SurfaceStage, found: PitMap, previous: Measured, summary: Mapping[str, Any]
    ) -> dict[str, Any]:
        step, _ = self._charge_and_hours(previous.start.time, stage.scan.start.time)
        numbers: dict[str, Any] = dict(growth(found, stage.pits_before, step))
        numbers["pit_persistence"] = self._persistence.update(
            found, summary["discharge"], summary["charge_mAh_cm2"]
        )
        return numbers

    def _outlook(
        self, stage: SurfaceStage, found: PitMap, reference: Measured, summary: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What is to come; only in µm and with a cycler can growth be tied to the charge."""
        charge = summary["charge_mAh_cm2"]
        if charge is None or stage.scan.start.voxel_size_um is None:
            return dict(NOTHING)
        plateau = stage.summary["complete_um"]
        self._growth.update(found.pits, found.noise, plateau, charge, summary["discharge"])
        foil = float(np.nanmean(reference.heights.lithium))
        current = summary["current_mA_cm2"]
        return forecast(self._growth, charge, current or 0.0, self._period_h, foil)


def _with_currents(found: PitMap, current: Map | None) -> tuple[Pit, ...]:
    """The pits with the mean of `current` ((ny, nx), mA/cm²) over each; NaN where unknown."""
    if current is None or not found.pits:
        return found.pits
    known = np.isfinite(current) & (found.labels > 0)
    labels, values = found.labels[known], current[known].astype(np.float64)
    sums = np.bincount(labels, values, minlength=found.next_id)
    counts = np.bincount(labels, minlength=found.next_id)
    with np.errstate(invalid="ignore"):
        means = sums / counts
    return tuple(replace(pit, current_density_mA_cm2=float(means[pit.id])) for pit in found.pits)
