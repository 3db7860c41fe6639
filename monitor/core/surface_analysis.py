"""What the heights of a scan say by themselves: place, removal, thickness, pits. No cycler here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.current.density import removal
from monitor.core.interface.heights import Heights
from monitor.core.pits.detect import find_pits
from monitor.core.pits.link import PitChanges, PitMap, changes
from monitor.core.pits.statistics import PitStatistics, pit_statistics
from monitor.core.plating import Measured
from monitor.core.registration.frame import Frame, Registration
from monitor.core.registration.tilt import Plane
from monitor.core.robust import known_of_rows
from monitor.core.summary import Numbers
from monitor.core.surface_statistics.areal import areal
from monitor.core.surface_statistics.plateau import Plateau, complete, extent
from monitor.core.surface_statistics.tiles import mean_over_tiles, tile_px
from monitor.quantities.table import keyed
from monitor.records import LEDGER_MISSING, LEDGER_RECOVERED, ScanStart, frozen
from monitor.settings import CellSettings, PitSettings

BIN_UM = 0.05
SMOOTHING_UM = 0.4
VOXEL_BIN = 0.07
VOXEL_SMOOTHING = 0.56
PERCENTILE_SAMPLE = 262144

Map = NDArray[np.float32]
NO_MAP = frozen(np.empty((0, 0), np.float32))


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a scan could be measured. Lengths in its length unit; grey levels as in the slices;
    None = unknown."""

    noise_um: float
    refined: bool
    refine_memory_MB: float | None
    valid_fraction: float
    cnr: float | None
    grey_lithium: float | None
    grey_electrolyte: float | None
    grey_noise: float | None
    slices_missing: int
    slices_recovered: int


@dataclass(frozen=True, slots=True)
class Thickness:
    """Lithium removed since the reference, by Averaged and Complete (Tonin et al., Table 1), and
    how far the front of the deposit is above the first surface (99th percentile, None without
    a deposit), in the length unit of the scan."""

    averaged_um: float
    averaged_error_um: float
    complete_um: float
    complete_error_um: float
    complete_low_um: float
    complete_high_um: float
    complete_separated: bool
    front_p99_um: float | None


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceStage:
    """A scan as its heights alone describe it.

    `scan`: with its maps in the frame of the reference; `maps`: (ny, nx) float32 in the scan's
    length unit; `roughness`: parameters of ISO 25178-2; `registration`: how it lay against the
    reference. If it can be compared with the reference: `thickness`; `reference`, `previous`: the
    scans it is compared with; `pits_before`, `pits`: of the previous scan and of this one.
    """

    scan: Measured
    maps: Mapping[str, Map]
    quality: Quality
    registration: Registration
    roughness: Mapping[str, float]
    thickness: Thickness | None = None
    reference: Measured | None = None
    previous: Measured | None = None
    pits_before: PitMap | None = None
    pits: PitMap | None = None
    pit_changes: PitChanges | None = None
    pit_statistics: PitStatistics | None = None

    @property
    def numbers(self) -> tuple[Numbers | Mapping[str, float] | None, ...]:
        """What goes into the summary."""
        return (
            self.quality,
            self.registration.summary(),
            self.roughness,
            self.thickness,
            self.pit_changes,
            self.pit_statistics,
        )

    def complete(self, scan: Measured) -> SurfaceStage:
        """As it is once no more slices are awaited; its heights are the same."""
        whole = replace(self.scan, ledger=scan.ledger, running=False)
        missing, recovered = _slices(scan)
        quality = replace(self.quality, slices_missing=missing, slices_recovered=recovered)
        return replace(self, scan=whole, quality=quality)

    @property
    def nbytes(self) -> int:
        """Bytes of the maps and labels that it keeps alive."""
        heights = self.scan.heights
        arrays = {id(a): a.nbytes for a in (*self.maps.values(), heights.lithium, heights.error)}
        return sum(arrays.values()) + (0 if self.pits is None else self.pits.labels.nbytes)


class SurfaceAnalysis:
    """Follows the surface of one cell: its reference scan, the scan before, its pits."""

    def __init__(self, cell: CellSettings, pits: PitSettings) -> None:
        self._cell = cell
        self._pit_settings = pits
        self._reference: Measured | None = None
        self._previous: Measured | None = None
        self._pit_map: PitMap | None = None
        self._frame = Frame(has_bottom=cell.has_collector)

    @property
    def reference(self) -> Measured | None:
        """The first scan that has heights."""
        return self._reference

    def update(self, scan: Measured) -> SurfaceStage:
        """Takes in one scan, in the order of scans."""
        quality = _quality(scan, self._cell)
        scan, registration = self._placed(scan)
        maps = _maps(scan.heights)
        scan = replace(scan, heights=replace(scan.heights, bottom=NO_MAP))  # not compared again
        stage = SurfaceStage(
            scan,
            maps,
            quality,
            registration,
            keyed(areal(scan.heights.height, scan.start.voxel_size[1:])),
        )
        if self._reference is None and _can_be_reference(scan):
            self._reference = self._previous = scan
        reference, previous = self._reference, self._previous
        if reference is None or previous is None or not same_grid(reference.start, scan.start):
            return stage
        stage = self._with_pits(_compared(stage, reference, previous))
        self._previous = scan
        return stage

    def _placed(self, scan: Measured) -> tuple[Measured, Registration]:
        """The scan with its maps in the frame of the reference, and how it lay there."""
        if self._reference is None:
            comparable = _can_be_reference(scan)
        else:
            comparable = same_grid(self._reference.start, scan.start)
        if not comparable:
            return scan, Registration(False, Plane())
        heights, registration = self._frame.place(scan.start, scan.heights)
        return replace(scan, heights=heights), registration

    def _with_pits(self, stage: SurfaceStage) -> SurfaceStage:
        """With the pits below the plateau, if there is one."""
        before, start, thickness = self._pit_map, stage.scan.start, stage.thickness
        if thickness is None or not math.isfinite(thickness.complete_um):
            return replace(stage, pits_before=before)
        found = find_pits(
            stage.maps["removal"],
            stage.maps["removal_error"],
            thickness.complete_um,
            voxel_yx=start.voxel_size[1:],
            settings=self._pit_settings,
            length_unit=start.length_unit,
            scan=start.key.scan,
            previous=before,
        )
        self._pit_map = found
        area = extent(stage.maps["removal"])[2] * math.prod(start.voxel_size[1:])
        statistics = pit_statistics(
            found,
            float(area),
            thickness.averaged_um,
            plateau_value=thickness.complete_um,
            length_unit=start.length_unit,
            averaged_error=thickness.averaged_error_um,
        )
        return replace(
            stage,
            pits_before=before,
            pits=found,
            pit_changes=changes(found, before),
            pit_statistics=statistics,
        )


def _maps(heights: Heights) -> dict[str, Map]:
    maps = {"height": heights.height, "height_error": heights.error, "bottom": heights.bottom}
    return maps if heights.moss is None else {**maps, "deposit_front": heights.moss.front}


def _quality(scan: Measured, cell: CellSettings) -> Quality:
    levels, turned = scan.levels, cell.reversed_z
    missing, recovered = _slices(scan)
    return Quality(
        noise_um=scan.heights.noise,
        refined=scan.refined,
        refine_memory_MB=scan.refine_memory_MB,
        valid_fraction=extent(scan.heights.height)[2] / scan.heights.height.size,
        cnr=levels.cnr(turned) if levels else None,
        grey_lithium=levels.lithium if levels else None,
        grey_electrolyte=levels.electrolyte(turned) if levels else None,
        grey_noise=levels.noise if levels else None,
        slices_missing=missing,
        slices_recovered=recovered,
    )


def _slices(scan: Measured) -> tuple[int, int]:
    """How many slices are missing, while it runs only before the last that arrived; and how many
    were recovered."""
    ledger = scan.ledger
    if scan.running:
        ledger = ledger[: int(ledger.nonzero()[0][-1])]
    return int((ledger == LEDGER_MISSING).sum()), int((ledger == LEDGER_RECOVERED).sum())


def _compared(stage: SurfaceStage, reference: Measured, previous: Measured) -> SurfaceStage:
    """With what has been removed since the reference."""
    one, other = reference.heights, stage.scan.heights
    lost, lost_error = removal(one.lithium, one.lithium_error, other.lithium, other.lithium_error)
    return replace(
        stage,
        maps={**stage.maps, "removal": lost, "removal_error": lost_error},
        thickness=_thickness(reference, stage.scan, lost),
        reference=reference,
        previous=previous,
    )


def _thickness(reference: Measured, scan: Measured, lost: Map) -> Thickness:
    averaged, averaged_error = mean_over_tiles(lost, tile_px(scan.start))
    plateau = _plateau(scan.start, lost)
    moss, highest = scan.heights.moss, None
    if moss is not None:
        highest = percentiles(moss.front - reference.heights.height, (99,))
    return Thickness(
        averaged,
        averaged_error,
        plateau.value,
        plateau.error,
        plateau.low,
        plateau.high,
        plateau.separated,
        None if highest is None else highest[0],
    )


def _can_be_reference(scan: Measured) -> bool:
    """Whether removal can be counted from this scan, if it is the first."""
    return not scan.made_again and extent(scan.heights.height)[2] > 0


def _plateau(start: ScanStart, lost: Map) -> Plateau:
    in_um = start.voxel_size_um is not None
    return complete(
        lost,
        bin_width=BIN_UM if in_um else VOXEL_BIN,
        sigma=SMOOTHING_UM if in_um else VOXEL_SMOOTHING,
        tile_px=tile_px(start),
    )


def percentiles(values: Map, percents: tuple[float, ...]) -> list[float] | None:
    """Percentiles of the known values; of a large map, one row in some is enough. None if
    nothing is known."""
    known = known_of_rows(values, PERCENTILE_SAMPLE)
    return [float(v) for v in np.percentile(known, percents)] if known.size else None


def same_grid(one: ScanStart, other: ScanStart) -> bool:
    """Whether the maps of two scans lie on each other pixel by pixel."""
    return (
        one.volume_shape[1:] == other.volume_shape[1:] and one.voxel_size_um == other.voxel_size_um
    )
