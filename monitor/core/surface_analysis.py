"""What the heights of a scan say by themselves: place, removal, thickness, pits. No cycler here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.current.density import removal
from monitor.core.pits.detect import find_pits, pit_summary
from monitor.core.pits.link import PitMap, changes
from monitor.core.plating import Measured
from monitor.core.registration.frame import Frame, Registration
from monitor.core.registration.tilt import Plane
from monitor.core.surface_statistics.areal import areal
from monitor.core.surface_statistics.plateau import Plateau, complete
from monitor.core.surface_statistics.tiles import mean_over_tiles, tile_px
from monitor.quantities.table import keyed
from monitor.records import LEDGER_MISSING, LEDGER_RECOVERED, ScanStart
from monitor.settings import CellSettings, PitSettings

BIN_UM = 0.05
SMOOTHING_UM = 0.4
VOXEL_BIN = 0.07
VOXEL_SMOOTHING = 0.56
PERCENTILE_SAMPLE = 262144

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceStage:
    """A scan as its heights alone describe it.

    `scan`: with its maps in the frame of the reference; `maps`: (ny, nx) float32 in the scan's
    length unit; `reference`, `previous`: the scans it is compared with, None if it cannot be
    compared; `pits_before`, `pits`: of the previous scan and of this one; `doubt`: why it may lie
    beside the reference, or "".
    """

    scan: Measured
    maps: Mapping[str, Map]
    summary: Mapping[str, Any]
    doubt: str
    reference: Measured | None = None
    previous: Measured | None = None
    pits_before: PitMap | None = None
    pits: PitMap | None = None

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
        quality = self._quality(scan)
        scan, registration = self._placed(scan)
        heights = scan.heights
        maps: dict[str, Map] = {
            "height": heights.height,
            "height_error": heights.error,
            "bottom": heights.bottom,
        }
        if heights.moss is not None:
            maps["deposit_front"] = heights.moss.front
        summary = quality | registration.summary()
        summary |= keyed(areal(heights.height, scan.start.voxel_size[1:]))
        if self._reference is None and _can_be_reference(scan):
            self._reference = self._previous = scan
        reference, previous, before = self._reference, self._previous, self._pit_map
        if reference is None or not same_grid(reference.start, scan.start):
            return SurfaceStage(scan, maps, summary, registration.doubt)
        maps["removal"], maps["removal_error"] = removal(
            reference.heights.lithium,
            reference.heights.lithium_error,
            heights.lithium,
            heights.lithium_error,
        )
        summary |= self._thickness(scan.start, maps["removal"])
        summary |= self._above(reference, scan)
        found = self._pits(scan, maps, summary)
        self._previous = scan
        return SurfaceStage(
            scan, maps, summary, registration.doubt, reference, previous, before, found
        )

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

    @staticmethod
    def _thickness(start: ScanStart, lost: Map) -> dict[str, Any]:
        """Averaged and Complete (Tonin et al., Table 1)."""
        averaged, averaged_error = mean_over_tiles(lost, tile_px(start))
        plateau = _plateau(start, lost)
        return {
            "averaged_um": averaged,
            "averaged_error_um": averaged_error,
            "complete_um": plateau.value,
            "complete_error_um": plateau.error,
            "complete_low_um": plateau.low,
            "complete_high_um": plateau.high,
            "complete_separated": plateau.separated,
        }

    @staticmethod
    def _above(reference: Measured, scan: Measured) -> dict[str, Any]:
        """How far the front of the deposit stands above the first surface, 99th percentile."""
        if scan.heights.moss is None:
            return {"front_p99_um": None}
        highest = percentiles(scan.heights.moss.front - reference.heights.height, (99,))
        return {"front_p99_um": None if highest is None else highest[0]}

    def _pits(
        self, scan: Measured, maps: Mapping[str, Map], summary: dict[str, Any]
    ) -> PitMap | None:
        """Pits below the plateau; adds their statistics to `summary`."""
        plateau = summary["complete_um"]
        if not math.isfinite(plateau):
            return None
        start, before = scan.start, self._pit_map
        found = find_pits(
            maps["removal"],
            maps["removal_error"],
            plateau,
            voxel_yx=start.voxel_size[1:],
            settings=self._pit_settings,
            length_unit=start.length_unit,
            scan=start.key.scan,
            previous=before,
        )
        self._pit_map = found
        summary |= changes(found, before)
        area = float(np.isfinite(maps["removal"]).sum()) * math.prod(start.voxel_size[1:])
        statistics = pit_summary(
            found,
            area,
            summary["averaged_um"],
            plateau_value=plateau,
            length_unit=start.length_unit,
            averaged_error=summary["averaged_error_um"],
        )
        summary |= keyed(statistics)
        return found


def _can_be_reference(scan: Measured) -> bool:
    """Whether removal can be counted from this scan, if it is the first."""
    return not scan.made_again and bool(np.isfinite(scan.heights.height).any())


def _plateau(start: ScanStart, lost: Map) -> Plateau:
    in_um = start.voxel_size_um is not None
    return complete(
        lost,
        bin_width=BIN_UM if in_um else VOXEL_BIN,
        sigma=SMOOTHING_UM if in_um else VOXEL_SMOOTHING,
        tile_px=tile_px(start),
    )


def percentiles(values: Map, percents: tuple[float, ...]) -> list[float] | None:
    """Percentiles of the known values; of a large map, one row in some is enough. None where
    nothing is known."""
    some = values[:: max(1, values.size // PERCENTILE_SAMPLE)]
    known = some[np.isfinite(some)]
    return [float(v) for v in np.percentile(known, percents)] if known.size else None


def same_grid(one: ScanStart, other: ScanStart) -> bool:
    """Whether the maps of two scans lie on each other pixel by pixel."""
    return (
        one.volume_shape[1:] == other.volume_shape[1:] and one.voxel_size_um == other.voxel_size_um
    )
