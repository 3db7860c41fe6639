"""Heights and charge of a cell, scan after scan → removal, current density, pits, summary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.areal import areal
from monitor.core.current import (
    Running,
    absolute_current,
    local_current_and_error,
    min_detectable_j,
    removal,
)
from monitor.core.cycler import CyclerHistory
from monitor.core.forecast import Growth
from monitor.core.outlook import NOTHING, outlook
from monitor.core.pit_links import Persistence, PitMap, changes, growth
from monitor.core.pits import find_pits, pit_summary
from monitor.core.plateau import Plateau, complete
from monitor.core.plating import Measured, PlatingWatch
from monitor.core.register import Frame, Registration
from monitor.core.surfaces import Heights
from monitor.core.tiles import mean_over_tiles, tile_px
from monitor.core.tilt import Plane
from monitor.faraday import thickness_um
from monitor.records import LEDGER_MISSING, LEDGER_RECOVERED, ScanResult, ScanStart, frozen
from monitor.settings import CellSettings, PitSettings

BIN_UM = 0.05
SMOOTHING_UM = 0.4
VOXEL_BIN = 0.07
VOXEL_SMOOTHING = 0.56
PERCENTILE_SAMPLE = 262144
AREAL_LENGTHS = ("Sa", "Sq", "Sz", "Svk", "Vvv")
"""Vvv is a volume per area: a length."""

Map = NDArray[np.float32]


class CellAnalysis:
    """What is known of one cell so far: its reference scan, the previous scan, its pits."""

    def __init__(
        self,
        cell: CellSettings,
        pits: PitSettings,
        history: CyclerHistory,
        period_s: float = 1800.0,
    ) -> None:
        """`period_s`: how often a periodic scan is made, for forecasts of the next one."""
        self._cell = cell
        self._period_h = period_s / 3600.0
        self._growth = Growth()
        self._pit_settings = pits
        self._history = history
        self._reference: Measured | None = None
        self._previous: Measured | None = None
        self._pit_map: PitMap | None = None
        self._persistence = Persistence()
        self._running = Running()
        self._plating = PlatingWatch(cell)
        self._frame = Frame(has_bottom=cell.has_collector)
        self.doubt = ""
        """Why the last scan may lie beside the reference; "" where nothing speaks for it."""

    @property
    def reference_time(self) -> float | None:
        """Middle of the reference scan, UTC s: charge and removal are counted from there."""
        return None if self._reference is None else self._reference.start.time

    def finish(self, scan: Measured) -> ScanResult:
        """All maps, pits and numbers of a scan whose slices have come, in the reference's frame."""
        quality = self._quality(scan)
        scan, registration = self._placed(scan)
        self.doubt = registration.doubt
        heights = scan.heights
        maps: dict[str, Map] = {
            "height": heights.height,
            "height_error": heights.error,
            "bottom": heights.bottom,
        }
        if heights.moss is not None:
            maps["deposit_front"] = heights.moss.front
        summary = self._electrochemistry(scan) | quality | registration.summary()
        summary |= areal(heights.height, scan.start.voxel_size[1:])
        if self._reference is None and np.isfinite(heights.height).any():
            self._reference = self._previous = scan
        reference = self._reference
        labels = None
        pits: tuple[Any, ...] = ()
        if reference is not None and _same_grid(reference.start, scan.start):
            maps |= self._removal(reference, scan)
            maps |= self._currents(reference, scan, maps, summary)
            summary |= self._thickness(reference, scan, maps)
            summary |= self._plating.summary(scan, self._history, self._pit_map)
            found = self._pits(scan, maps, summary)
            if found is not None:
                labels, pits = found.labels, found.pits
                summary |= self._outlook(reference, found, summary, scan.start)
            summary |= _extremes(reference, scan, maps)
            self._previous = scan
        return ScanResult(
            start=scan.start,
            provisional=False,
            complete=bool(scan.ledger.all()),
            ledger=scan.ledger,
            maps={name: frozen(values) for name, values in maps.items()},
            pit_labels=labels,
            pits=pits,
            summary=_plain(summary, scan.start.length_unit),
        )

    def _placed(self, scan: Measured) -> tuple[Measured, Registration]:
        """The scan with its maps in the frame of the reference, and how it lay there."""
        if self._reference is None:
            comparable = bool(np.isfinite(scan.heights.height).any())
        else:
            comparable = _same_grid(self._reference.start, scan.start)
        if not comparable:
            return scan, Registration(False, Plane())
        heights, registration = self._frame.place(scan.start, scan.heights)
        return replace(scan, heights=heights), registration

    def _removal(self, reference: Measured, scan: Measured) -> dict[str, Map]:
        before, now = reference.heights, scan.heights
        lost, error = removal(before.lithium, before.lithium_error, now.lithium, now.lithium_error)
        return {"removal": lost, "removal_error": error}

    def _currents(
        self,
        reference: Measured,
        scan: Measured,
        removals: Mapping[str, Map],
        summary: dict[str, Any],
    ) -> dict[str, Map]:
        """Current-density maps, as far as a cycler is there and time has passed; adds to `summary`
        what could be detected."""
        previous = self._previous or reference
        lost, lost_error = removals["removal"], removals["removal_error"]
        charge, hours = self._charge_and_hours(reference.start.time, scan.start.time)
        maps: dict[str, Map | None] = {}
        in_um = scan.start.voxel_size_um is not None
        if charge is not None and hours > 0:
            both = local_current_and_error(lost, lost_error, charge, hours)
            maps["cumulative"], maps["cumulative_error"] = both or (None, None)
            if in_um:
                summary["min_detectable_j_mA_cm2"] = min_detectable_j(lost_error, hours)
        if hours > 0 and scan.start.voxel_size_um:
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
        if scan.start.voxel_size_um:
            elapsed = (scan.start.time - previous.start.time) / 3600.0
            mean = (
                step_charge / elapsed if step_charge is not None and elapsed > 0 else float("nan")
            )
            maps["running"], maps["running_error"] = self._running.update(
                scan.heights.lithium, scan.heights.lithium_error, scan.start.time, mean
            )
        return {name: values for name, values in maps.items() if values is not None}

    def _charge_and_hours(self, since: float, until: float) -> tuple[float | None, float]:
        """Net charge stripped between two times (mAh/cm²), and the hours with current in them."""
        q0, q1 = self._history.charge_at(since), self._history.charge_at(until)
        t0, t1 = self._history.active_hours_at(since), self._history.active_hours_at(until)
        if q0 is None or q1 is None or t0 is None or t1 is None:
            return None, max(0.0, (until - since) / 3600.0)
        return (q1 - q0) / self._cell.area_cm2, t1 - t0

    def _electrochemistry(self, scan: Measured) -> dict[str, Any]:
        history, time, area = self._history, scan.start.time, self._cell.area_cm2
        since = (self._reference or scan).start.time
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
            "charge_mAh_cm2": charge,
            "charge_mAh": charge * area if charge is not None else None,
            "current_mA_cm2": current / area if current is not None else None,
            "mean_current_mA_cm2": charge / hours if charge is not None and hours > 0 else None,
            "soc": 1.0 - total / capacity if total is not None and capacity else None,
            "step": history.step_at(time) if known else None,
            "discharge": discharge,
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

    def _quality(self, scan: Measured) -> dict[str, Any]:
        levels, turned = scan.levels, self._cell.reversed_z
        return {
            "noise_um": scan.heights.noise,
            "refined": scan.refined,
            "refine_memory_MB": scan.refine_memory_MB,
            "valid_fraction": float(np.isfinite(scan.heights.height).mean()),
            "cnr": levels.cnr(turned) if levels else None,
            "grey_lithium": levels.lithium if levels else None,
            "grey_electrolyte": levels.electrolyte(turned) if levels else None,
            "grey_noise": levels.noise if levels else None,
            "slices_missing": int((scan.ledger == LEDGER_MISSING).sum()),
            "slices_recovered": int((scan.ledger == LEDGER_RECOVERED).sum()),
        }

    def _thickness(
        self, reference: Measured, scan: Measured, maps: Mapping[str, Map]
    ) -> dict[str, Any]:
        """The table row: coulometry, Averaged, Complete and closure (Tonin et al., Table 1)."""
        lost = maps["removal"]
        in_um = scan.start.voxel_size_um is not None
        averaged, averaged_error = mean_over_tiles(lost, tile_px(scan.start))
        plateau = self._plateau(scan.start, lost)
        charge, _ = self._charge_and_hours(reference.start.time, scan.start.time)
        coulometry = thickness_um(charge) if charge is not None and in_um else None
        closure = averaged / coulometry if coulometry and abs(coulometry) > 1e-6 else None
        summary = {
            "coulometry_um": coulometry,
            "averaged_um": averaged,
            "averaged_error_um": averaged_error,
            "complete_um": plateau.value,
            "complete_error_um": plateau.error,
            "complete_low_um": plateau.low,
            "complete_high_um": plateau.high,
            "complete_separated": plateau.separated,
            "closure": closure,
        }
        cumulative = maps.get("cumulative")
        quantiles = None if cumulative is None else percentiles(cumulative, (1, 50, 99))
        if quantiles is not None:
            summary |= dict(zip(("j_p1", "j_p50", "j_p99"), quantiles, strict=True))
        return summary

    @staticmethod
    def _plateau(start: ScanStart, lost: Map) -> Plateau:
        in_um = start.voxel_size_um is not None
        return complete(
            lost,
            bin_width=BIN_UM if in_um else VOXEL_BIN,
            sigma=SMOOTHING_UM if in_um else VOXEL_SMOOTHING,
            tile_px=tile_px(start),
        )

    def _pits(
        self, scan: Measured, maps: Mapping[str, Map], summary: dict[str, Any]
    ) -> PitMap | None:
        """Pits below the plateau; adds their statistics to `summary`."""
        plateau = summary["complete_um"]
        if not math.isfinite(plateau):
            return None
        voxel, before = scan.start.voxel_size, self._pit_map
        found = find_pits(
            maps["removal"],
            maps["removal_error"],
            plateau,
            voxel_yx=voxel[1:],
            settings=self._pit_settings,
            length_unit=scan.start.length_unit,
            scan=scan.start.key.scan,
            previous=before,
            current=maps.get("cumulative"),
        )
        self._pit_map = found
        since = (self._previous or scan).start.time
        step_charge, _ = self._charge_and_hours(since, scan.start.time)
        summary |= changes(found, before) | growth(found, before, step_charge)
        summary["pit_persistence"] = self._persistence.update(
            found, summary["discharge"], summary["charge_mAh_cm2"]
        )
        area = float(np.isfinite(maps["removal"]).sum()) * voxel[1] * voxel[2]
        statistics = pit_summary(
            found,
            area,
            summary["averaged_um"],
            plateau_value=plateau,
            length_unit=scan.start.length_unit,
            averaged_error=summary["averaged_error_um"],
        )
        lengths = {
            "pit_depth_max", "pit_depth_mean", "pit_depth_ten", "pit_depth_p50", "pit_depth_p99",
            "pit_diameter_median", "pit_diameter_p99", "pit_detection_limit",
        }  # fmt: skip
        summary.update({k + "_um" if k in lengths else k: v for k, v in statistics.items()})
        return found

    def _outlook(
        self, reference: Measured, found: PitMap, summary: Mapping[str, Any], start: ScanStart
    ) -> dict[str, Any]:
        """What is to come; only in µm and with a cycler can growth be tied to the charge."""
        charge = summary["charge_mAh_cm2"]
        if charge is None or start.voxel_size_um is None:
            return dict(NOTHING)
        self._growth.update(
            found.pits, found.noise, summary["complete_um"], charge, summary["discharge"]
        )
        foil = float(np.nanmean(reference.heights.lithium))
        current = summary["current_mA_cm2"]
        return outlook(self._growth, charge, current or 0.0, self._period_h, foil)


def _extremes(reference: Measured, scan: Measured, maps: Mapping[str, Map]) -> dict[str, Any]:
    """99th percentiles: of the running current density, and of how far the front of the deposit
    stands above the first surface. None where there is none."""
    above = None
    if scan.heights.moss is not None:
        above = scan.heights.moss.front - reference.heights.height
    found = {"j_running_p99": maps.get("running"), "front_p99_um": above}
    highest = {name: None if m is None else percentiles(m, (99,)) for name, m in found.items()}
    return {name: None if values is None else values[0] for name, values in highest.items()}


def percentiles(values: Map, percents: Sequence[float]) -> list[float] | None:
    """Percentiles of the known values; of a large map, one row in some is enough. None where
    nothing is known."""
    some = values[:: max(1, values.size // PERCENTILE_SAMPLE)]
    known = some[np.isfinite(some)]
    return [float(v) for v in np.percentile(known, percents)] if known.size else None


def provisional(start: ScanStart, ledger: NDArray[np.uint8], heights: Heights) -> ScanResult:
    """The heights of a scan that is still running."""
    return ScanResult(
        start=start,
        provisional=True,
        complete=False,
        ledger=frozen(ledger.copy()),
        maps={"height": heights.height, "bottom": heights.bottom},
        pit_labels=None,
        pits=(),
        summary={},
    )


def _same_grid(one: ScanStart, other: ScanStart) -> bool:
    """Whether the maps of two scans lie on each other pixel by pixel."""
    return (
        one.volume_shape[1:] == other.volume_shape[1:] and one.voxel_size_um == other.voxel_size_um
    )


def _plain(summary: dict[str, Any], length_unit: str) -> dict[str, Any]:
    """JSON-ready: no NaN, and lengths under `_voxel` names where the voxel size is unknown."""
    plain: dict[str, Any] = {}
    for key, value in summary.items():
        if isinstance(value, float | np.floating):
            value = float(value) if math.isfinite(value) else None
        plain[key] = value
        if length_unit == "voxel" and key.endswith("_um"):
            plain[key.removesuffix("_um") + "_voxel"] = value
            plain[key] = None
        elif key in AREAL_LENGTHS:
            plain[f"{key}_{'um' if length_unit == 'µm' else 'voxel'}"] = plain.pop(key)
    return plain
