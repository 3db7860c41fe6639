"""What the charge adds to a scan's heights: current density, coulometry, closure, forecast.

Everything here can be computed again when readings arrive after the scan: `ChargeAnalysis` is
copied before a scan whose readings are still missing, and the copy takes the scan again later.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.current.density import (
    Running,
    absolute_current,
    local_current,
    min_detectable_j,
    removal,
)
from monitor.core.cycler.history import CyclerHistory
from monitor.core.pits.forecast import Forecast, forecast
from monitor.core.pits.growth import Growth
from monitor.core.pits.label_kernels import mean_per_label
from monitor.core.pits.link import Persistence, PitGrowth, PitMap, growth
from monitor.core.plating import Measured, Plating, PlatingWatch
from monitor.core.summary import Numbers
from monitor.core.surface_analysis import SurfaceStage, Thickness, percentiles
from monitor.core.surface_statistics.tiles import mean_over_tiles, tile_px
from monitor.faraday import thickness_um
from monitor.records import ChargeState, Pit, ScanStart, shared
from monitor.settings import CellSettings

Map = NDArray[np.float32]

LEAST_UM = 1e-6
"""Of a thinner layer by charge, no closure is reported."""


@dataclass(frozen=True, slots=True)
class Electrochemistry:
    """The cell at the time of a scan, by its cycler; None = unknown. Charges are net, and were
    stripped since the reference, or since the last discharge began; `soc`: 0 to 1."""

    time: float
    reason: str
    request: str
    charge_state: ChargeState
    charge_mAh_cm2: float | None
    charge_mAh: float | None
    current_mA_cm2: float | None
    mean_current_mA_cm2: float | None
    soc: float | None
    step: str | None
    discharge: int | None
    discharge_charge_mAh_cm2: float | None
    discharge_current_mA_cm2: float | None


@dataclass(frozen=True, slots=True)
class Detection:
    """Mean current since the scan before, and the least current density that one pixel would show,
    since the reference and since the scan before; mA/cm², None = unknown."""

    min_detectable_j_mA_cm2: float | None
    interval_current_mA_cm2: float | None
    min_detectable_j_interval_mA_cm2: float | None


@dataclass(frozen=True, slots=True)
class Coulometry:
    """Thickness of lithium that the charge says is removed, µm; closure: what was measured over
    that (Tonin et al., Table 1); percentiles of the current density, mA/cm². None = unknown."""

    coulometry_um: float | None
    closure: float | None
    j_p1: float | None = None
    j_p50: float | None = None
    j_p99: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ChargeStage:
    """Results of one scan that depend on charge. `maps`: (ny, nx) float32, mA/cm²; `pits`: those
    of the surface, each with its mean current density; `pit_persistence`: share of the first
    discharge's pits that are there; `j_running_p99`: of the running current density, mA/cm². What
    needs a reference, plated lithium or pits is None without them."""

    electrochemistry: Electrochemistry
    maps: Mapping[str, Map] = field(default_factory=dict)
    pits: tuple[Pit, ...] = ()
    detection: Detection | None = None
    coulometry: Coulometry | None = None
    plating: Plating | None = None
    pit_growth: PitGrowth | None = None
    forecast: Forecast | None = None
    others: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[Numbers | Mapping[str, float | None] | None, ...]:
        """What goes into the summary."""
        return (
            self.electrochemistry,
            self.detection,
            self.coulometry,
            self.plating,
            self.pit_growth,
            self.forecast,
            self.others,
        )


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
        cell = self._electrochemistry(scan, (reference or scan).start.time)
        if reference is None or previous is None or stage.thickness is None:
            return ChargeStage(cell)
        maps, detection = self._currents(stage, reference, previous)
        coulometry = _coulometry(scan.start, stage.thickness, maps, cell.charge_mAh_cm2)
        found = ChargeStage(
            cell,
            maps,
            detection=detection,
            coulometry=coulometry,
            plating=self._plating.update(scan, self._history, stage.pits_before),
        )
        running = maps.get("running")
        highest = None if running is None else percentiles(running, (99,))
        others = {"j_running_p99": None if highest is None else highest[0]}
        if stage.pits is None:
            return replace(found, others=others)
        step, _ = self._charge_and_hours(previous.start.time, scan.start.time)
        persistence = self._persistence.update(stage.pits, cell.discharge, cell.charge_mAh_cm2)
        return replace(
            found,
            pits=_with_currents(stage.pits, maps.get("cumulative")),
            pit_growth=growth(stage.pits, stage.pits_before, step),
            forecast=self._forecast(scan, stage.pits, stage.thickness.complete_um, reference, cell),
            others={**others, "pit_persistence": persistence},
        )

    def _charge_and_hours(self, since: float, until: float) -> tuple[float | None, float]:
        """Net charge stripped between two times (mAh/cm²), and the hours with current in them."""
        history = self._history
        q0, q1 = history.charge_at(since), history.charge_at(until)
        t0, t1 = history.active_hours_at(since), history.active_hours_at(until)
        unknown = until > since and history.begins_after(until)
        if unknown or q0 is None or q1 is None or t0 is None or t1 is None:
            return None, max(0.0, (until - since) / 3600.0)
        return (q1 - q0) / self._cell.area_cm2, t1 - t0

    def _electrochemistry(self, scan: Measured, since: float) -> Electrochemistry:
        history, time, area = self._history, scan.start.time, self._cell.area_cm2
        charge, hours = self._charge_and_hours(since, time)
        current = history.current_at(time)
        discharge = history.discharge_at(time)
        total = history.charge_at(time)
        capacity = self._cell.capacity_mAh
        known = charge is not None
        during = self._during_discharge(discharge, time)
        return Electrochemistry(
            time=time,
            reason=scan.start.reason,
            request=scan.start.request,
            charge_state=history.charge_state(time),
            charge_mAh_cm2=charge,
            charge_mAh=charge * area if charge is not None else None,
            current_mA_cm2=current / area if current is not None else None,
            mean_current_mA_cm2=charge / hours if charge is not None and hours > 0 else None,
            soc=1.0 - total / capacity if known and total is not None and capacity else None,
            step=history.step_at(time) if known else None,
            discharge=discharge if known else None,
            discharge_charge_mAh_cm2=during[0],
            discharge_current_mA_cm2=during[1],
        )

    def _during_discharge(
        self, discharge: int | None, time: float
    ) -> tuple[float | None, float | None]:
        """Charge stripped since the last discharge began (mAh/cm²), and its mean current."""
        if discharge is None:
            return None, None
        charge, hours = self._charge_and_hours(self._history.discharge_start(discharge), time)
        return charge, charge / hours if charge is not None and hours > 0 else None

    def _currents(
        self, stage: SurfaceStage, reference: Measured, previous: Measured
    ) -> tuple[dict[str, Map], Detection]:
        """Current-density maps, as far as there is a cycler and time has passed; and what could be
        detected in them."""
        scan, lost, lost_error = stage.scan, stage.maps["removal"], stage.maps["removal_error"]
        charge, hours = self._charge_and_hours(reference.start.time, scan.start.time)
        step_charge, step_hours = self._charge_and_hours(previous.start.time, scan.start.time)
        in_um = scan.start.voxel_size_um is not None
        maps = _pair("cumulative", lost, lost_error, charge, hours)
        least = least_step = mean_step = None
        if charge is not None and hours > 0 and in_um:
            least = min_detectable_j(lost_error, hours)
        if hours > 0 and in_um:
            maps["absolute"] = absolute_current(lost, hours)
        if step_charge is not None and step_hours > 0:
            mean_step = step_charge / step_hours
            before, now = previous.heights, scan.heights
            step, step_error = removal(
                before.lithium, before.lithium_error, now.lithium, now.lithium_error
            )
            maps |= _pair("interval", step, step_error, step_charge, step_hours)
            least_step = min_detectable_j(step_error, step_hours) if in_um else None
        if in_um:
            elapsed = (scan.start.time - previous.start.time) / 3600.0
            passed = step_charge is not None and elapsed > 0
            mean = step_charge / elapsed if passed and step_charge is not None else math.nan
            maps["running"], maps["running_error"] = self._running.update(
                scan.heights.lithium, scan.heights.lithium_error, scan.start.time, mean
            )
        return maps, Detection(least, mean_step, least_step)

    def _forecast(
        self,
        scan: Measured,
        found: PitMap,
        plateau: float,
        reference: Measured,
        cell: Electrochemistry,
    ) -> Forecast:
        """What is to come; only in µm and with a cycler can growth be tied to the charge."""
        charge = cell.charge_mAh_cm2
        if charge is None or scan.start.voxel_size_um is None:
            return Forecast()
        self._growth.update(found.pits, found.noise, plateau, charge, cell.discharge)
        foil, _ = mean_over_tiles(reference.heights.lithium, tile_px(reference.start))
        current = cell.current_mA_cm2 or 0.0
        return forecast(self._growth, charge, current, self._period_h, foil)


def _pair(
    name: str, lost: Map, error: Map, charge_mAh_cm2: float | None, hours: float
) -> dict[str, Map]:
    """Local current density and its error, if charge and time are known."""
    if charge_mAh_cm2 is None or not hours > 0:
        return {}
    both = local_current(lost, error, charge_mAh_cm2, hours)
    return {} if both is None else {name: both[0], f"{name}_error": both[1]}


def _coulometry(
    start: ScanStart, thickness: Thickness, maps: Mapping[str, Map], charge_mAh_cm2: float | None
) -> Coulometry:
    coulometry = closure = None
    if charge_mAh_cm2 is not None and start.voxel_size_um is not None:
        coulometry = thickness_um(charge_mAh_cm2)
        closure = thickness.averaged_um / coulometry if abs(coulometry) > LEAST_UM else None
    cumulative = maps.get("cumulative")
    quantiles = None if cumulative is None else percentiles(cumulative, (1, 50, 99))
    return Coulometry(coulometry, closure, *(quantiles or ()))


def _with_currents(found: PitMap, current: Map | None) -> tuple[Pit, ...]:
    """The pits with the mean of `current` ((ny, nx), mA/cm²) over each; NaN where unknown."""
    if current is None or not found.pits:
        return found.pits
    means = mean_per_label(found.labels, shared(current), found.next_id - 1)
    return tuple(replace(pit, current_density_mA_cm2=float(means[pit.id])) for pit in found.pits)
