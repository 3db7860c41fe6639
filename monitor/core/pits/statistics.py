"""The pits of a scan in numbers, after ASTM G46 / ISO 11463."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.pits.link import PitMap
from monitor.records import LengthUnit


@dataclass(frozen=True, slots=True)
class PitStatistics:
    """Lengths in the length unit of the map; None = unknown.

    `pit_density_mm2`: pits per mm², None in voxel units; `pitting_factor`: deepest penetration from
    the original surface, plateau + depth, over the mean penetration, None unless the mean is 3
    errors above zero; `pit_depth_ten_um`: mean of the ten deepest; `pit_depth_p50_um` …:
    percentiles over the pits; `pit_area_fraction`: of the openings; `pit_volume_share`: volume
    missing below the plateau, over all that is missing, known if the factor is;
    `pit_detection_limit_um`: as in `PitMap`.
    """

    pit_count: int
    pit_density_mm2: float | None
    pitting_factor: float | None
    pit_depth_max_um: float | None
    pit_depth_mean_um: float | None
    pit_depth_ten_um: float | None
    pit_depth_p50_um: float | None
    pit_depth_p99_um: float | None
    pit_area_fraction: float | None
    pit_volume_share: float | None
    pit_diameter_median_um: float | None
    pit_diameter_p99_um: float | None
    pit_detection_limit_um: float


def pit_statistics(
    pit_map: PitMap,
    area_total: float,
    averaged: float,
    *,
    plateau_value: float,
    length_unit: LengthUnit,
    averaged_error: float = 0.0,
) -> PitStatistics:
    """`area_total`: measured area of the field; `averaged`: mean penetration of the whole of it;
    both and `plateau_value` in the length unit of the map."""
    pits = pit_map.pits
    depths = np.sort(np.array([pit.depth_max for pit in pits]))[::-1]
    density = len(pits) / area_total * 1e6 if length_unit == "µm" and area_total > 0.0 else None
    significant = averaged > max(0.0, 3.0 * averaged_error)
    deepest = float(depths[0]) if pits else None
    depth_p50, depth_p99 = _quantiles(depths)
    diameter_p50, diameter_p99 = _quantiles(np.array([pit.diameter for pit in pits]))
    factor = (plateau_value + deepest) / averaged if deepest is not None and significant else None
    removed = averaged * area_total if significant else 0.0
    return PitStatistics(
        pit_count=len(pits),
        pit_density_mm2=density,
        pitting_factor=factor,
        pit_depth_max_um=deepest,
        pit_depth_mean_um=float(depths.mean()) if pits else None,
        pit_depth_ten_um=float(depths[:10].mean()) if pits else None,
        pit_depth_p50_um=depth_p50,
        pit_depth_p99_um=depth_p99,
        pit_area_fraction=sum(p.area for p in pits) / area_total if area_total > 0.0 else None,
        pit_volume_share=sum(p.volume for p in pits) / removed if removed > 0.0 else None,
        pit_diameter_median_um=diameter_p50,
        pit_diameter_p99_um=diameter_p99,
        pit_detection_limit_um=pit_map.detection_limit,
    )


def _quantiles(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Median and 99th percentile, linear between neighbours; None of nothing."""
    if not values.size:
        return None, None
    middle, high = np.percentile(values, (50.0, 99.0))
    return float(middle), float(high)
