"""Removal → pits: found against noise, split where they touch, linked to the previous scan's.

A pit is a connected region that lies below the plateau by more than its noise, and at its deepest
by more than a least depth. A pit that the border of the field cuts counts, with the part that is
seen.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

from monitor.core.pits import kernels
from monitor.core.pits.link import PitMap, link
from monitor.records import LengthUnit, Pit, frozen
from monitor.settings import PitSettings

Map = NDArray[np.float32]

SMOOTHING_PX = 1.5
MIN_KERNEL_WEIGHT = 0.3
MIN_DEPTH_VOXEL = 1.0
MIN_DIAMETER_PX = 7.0
OUTLINE = 0.5
SIGNIFICANT_SHARE = 0.5
FALSE_DISCOVERY_RATE = 1e-4
PROMINENCE_SIGMA = 4.0
PROMINENCE_SHARE = 0.04
PROMINENCE_FAITH = 0.5
PEAK_FIT_SHARE = 0.6
PEAK_FIT_PX = (3.0, 6.0)
NOISE_SAMPLE = 65536
MIN_NOISE_SAMPLE = 100
NORMAL_QUARTILE = 0.6745
OUTLINE_SHARE = 0.5
MISS_SIGMA = 1.645


def find_pits(
    removal: Map,
    removal_error: Map,
    plateau_value: float,
    *,
    voxel_yx: tuple[float, float],
    settings: PitSettings,
    length_unit: LengthUnit,
    scan: int,
    previous: PitMap | None = None,
) -> PitMap:
    """Pits of a removal map, their current densities still unknown (NaN).

    `removal`, `removal_error`: (ny, nx) float32 in `length_unit`, NaN = not measurable;
    `plateau_value` and `voxel_yx` in the same unit.

    Depth = removal − plateau, smoothed with a Gaussian of 1.5 px. In a pit it exceeds
    `min_depth_um` at the deepest place, and `settings.significance` × the noise of the smoothed
    map over at least half of the area that `min_diameter_um` stands for; the pit reaches outwards
    to half of these limits, so that its opening is not cut short, and there it is at least
    `min_diameter_um` wide. Of all pits found, the share that noise alone has made is held under
    1e-4. In voxel units the settings in µm have no meaning: one voxel is the least depth and 7 px
    are the least diameter. `previous` gives the ids; a pit map of another shape passes on only its
    `next_id`.
    """
    depth = np.subtract(removal, plateau_value, dtype=np.float32)
    smoothed, noise = _smoothed(depth, removal_error)
    in_um = length_unit == "µm"
    limit = settings.min_depth_um if in_um else MIN_DEPTH_VOXEL
    former = _same_shape(previous, depth.shape)
    labels, peaks = _split(smoothed, noise, settings.significance, limit, former.labels)
    pixel_area = voxel_yx[0] * voxel_yx[1]
    min_diameter = settings.min_diameter_um if in_um else MIN_DIAMETER_PX * math.sqrt(pixel_area)
    labels = _trimmed(labels, depth, OUTLINE_SHARE * limit)
    sizes = np.bincount(labels.ravel(), minlength=len(peaks) + 1)[1:]
    radius = np.clip(PEAK_FIT_SHARE * np.sqrt(sizes / math.pi), *PEAK_FIT_PX)
    deepest = kernels.peak_depths(depth, labels, peaks, radius, smoothed)
    p_values = _p_values(
        smoothed.ravel()[peaks], noise.ravel()[peaks], int(np.isfinite(noise).sum())
    )
    labels, kept = _keep(
        labels,
        (deepest > limit) & _discovered(p_values),
        smoothed > settings.significance * noise,
        sizes,
        math.pi / 4.0 * min_diameter**2 / pixel_area,
    )
    peaks, deepest, p_values = peaks[kept], deepest[kept], p_values[kept]
    measured = _measure(depth, smoothed, labels, deepest, p_values, voxel_yx)
    usual_noise = _median_of_finite(noise)
    pixels = int(np.isfinite(noise).sum())
    return link(
        labels,
        peaks,
        measured,
        scan=scan,
        previous=former,
        noise=usual_noise,
        detection_limit=detection_limit(usual_noise, pixels, limit, settings.significance),
        pixel=math.sqrt(pixel_area),
    )


def detection_limit(noise: float, pixels: int, least: float, significance: float) -> float:
    """Depth of a pit, of the least diameter or more, that is found with a chance of 95 %.

    `noise`: standard error of the smoothed depth; `pixels`: measured ones of the field; `least`:
    the least depth asked for; all lengths in one unit. A pit is found whose measured depth is above
    `least`, above `significance` × the noise, and above what noise alone reaches once in 10⁴
    fields; the noise of its own depth is added to that (Currie, Anal. Chem. 40, 586 (1968)).
    """
    places = max(1.0, pixels / (4.0 * math.pi * SMOOTHING_PX**2))
    by_chance = -float(ndtri(FALSE_DISCOVERY_RATE / places))
    return max(least, significance * noise, by_chance * noise) + MISS_SIGMA * noise


def pit_summary(
    pit_map: PitMap,
    area_total: float,
    averaged: float,
    *,
    plateau_value: float,
    length_unit: LengthUnit,
    averaged_error: float = 0.0,
) -> dict[str, float | int | None]:
    """Pit statistics after ASTM G46 / ISO 11463; lengths in the unit of the map, None = unknown.

    `area_total`: measured area of the field, `averaged`: mean penetration of the whole of it. Keys:
    `pit_count`; `pit_density_mm2` (pits per mm², None in voxel units); `pitting_factor` (deepest
    penetration from the original surface, plateau + depth, ÷ mean penetration; None unless the
    mean is 3 errors above zero); `pit_depth_max`, `pit_depth_mean`, `pit_depth_ten` (of the ten
    deepest), `pit_depth_p50`, `pit_depth_p99` (percentiles over the pits); `pit_area_fraction`
    (opening); `pit_diameter_median`, `pit_diameter_p99`; `pit_detection_limit` (see
    `detection_limit`).
    """
    pits = pit_map.pits
    depths = np.sort(np.array([pit.depth_max for pit in pits]))[::-1]
    density = len(pits) / area_total * 1e6 if length_unit == "µm" and area_total > 0.0 else None
    significant = averaged > max(0.0, 3.0 * averaged_error)
    deepest = float(depths[0]) if pits else None
    depth_p50, depth_p99 = _quantiles(depths)
    diameter_p50, diameter_p99 = _quantiles(np.array([pit.diameter for pit in pits]))
    return {
        "pit_count": len(pits),
        "pit_density_mm2": density,
        "pitting_factor": (
            (plateau_value + deepest) / averaged if deepest is not None and significant else None
        ),
        "pit_depth_max": deepest,
        "pit_depth_mean": float(depths.mean()) if pits else None,
        "pit_depth_ten": float(depths[:10].mean()) if pits else None,
        "pit_depth_p50": depth_p50,
        "pit_depth_p99": depth_p99,
        "pit_area_fraction": sum(p.area for p in pits) / area_total if area_total > 0.0 else None,
        "pit_diameter_median": diameter_p50,
        "pit_diameter_p99": diameter_p99,
        "pit_detection_limit": pit_map.detection_limit,
    }


def _quantiles(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Median and 99th percentile, linear between neighbours; None of nothing."""
    if not values.size:
        return None, None
    middle, high = np.percentile(values, (50.0, 99.0))
    return float(middle), float(high)


def _smoothed(depth: Map, error: Map) -> tuple[Map, Map]:
    """Smoothed depth and its noise, raised to what the unpitted surface really shows.

    White noise is averaged down by the kernel as Σg² says. Noise that neighbours share is not; so
    the scatter of the smoothed map on the side above the plateau, where no pit can reach, must
    agree: its median against the normal quartile gives the factor (never below 1).
    """
    reach = math.ceil(3.0 * SMOOTHING_PX)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTHING_PX) ** 2)
    taps /= taps.sum()
    smoothed, noise = kernels.smooth(
        depth,
        frozen(np.ascontiguousarray(error, np.float32)[...]),
        taps.astype(np.float32),
        MIN_KERNEL_WEIGHT,
    )
    stride = max(1, math.isqrt(depth.size // NOISE_SAMPLE))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = smoothed[::stride, ::stride] / noise[::stride, ::stride]
    above = -ratio[np.isfinite(ratio) & (ratio < 0.0)]
    if above.size >= MIN_NOISE_SAMPLE:
        noise *= np.float32(max(1.0, float(np.median(above)) / NORMAL_QUARTILE))
    return smoothed, noise


def _same_shape(previous: PitMap | None, shape: tuple[int, ...]) -> PitMap:
    """The previous pits; an empty map where there are none to compare with."""
    if previous is not None and previous.labels.shape == shape:
        return previous
    return PitMap(np.zeros(shape, np.int32), (), previous.next_id if previous else 1)


def _median_of_finite(noise: Map) -> float:
    sample = noise[::4, ::4]
    sample = sample[np.isfinite(sample)]
    return float(np.median(sample)) if sample.size else math.nan


def _split(
    smoothed: Map, noise: Map, significance: float, min_depth: float, former: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Watershed of all that lies deeper than the outline: labels 1…n, and flat index of each peak.

    A basin stays a pit of its own if its peak is above the saddle to a deeper one by 4 × the
    noise and by 4 % of its own depth.
    """
    padded, tops, depth = kernels.catchments(
        smoothed, noise, OUTLINE * significance, OUTLINE * min_depth
    )
    pairs, heights = kernels.saddles(padded, depth)
    peak = _with_background(smoothed.ravel()[tops])
    need = np.maximum(
        PROMINENCE_SIGMA * _with_background(noise.ravel()[tops]), PROMINENCE_SHARE * peak
    )
    order = kernels.deepest_first(heights)
    into = kernels.merged(
        pairs, heights, order, peak, need, _with_background(former.ravel()[tops]), PROMINENCE_FAITH
    )
    stays = into == np.arange(into.size)
    number = (np.cumsum(stays) - 1).astype(np.int32)
    return number[into][padded[1:-1, 1:-1]], tops[stays[1:]]


def _with_background(values: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate((np.zeros(1, values.dtype), values))


def _trimmed(labels: NDArray[np.int32], depth: Map, least: float) -> NDArray[np.int32]:
    """Without the rim that smoothing carries over the edge of a steep pit: a pixel belongs where
    it, or most of its four neighbours, lies as deep as an outline must, or is not measurable."""
    deep = ~(depth <= least)
    near = np.zeros(depth.shape, np.int8)
    near[1:] += deep[:-1]
    near[:-1] += deep[1:]
    near[:, 1:] += deep[:, :-1]
    near[:, :-1] += deep[:, 1:]
    return np.where(deep | (near >= 3), labels, 0).astype(np.int32)


def _keep(
    labels: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    significant: NDArray[np.bool_],
    sizes: NDArray[np.int64],
    min_pixels: float,
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The `allowed` basins that are wide enough and half significant at least of that, numbered
    afresh; and which of them these are. `sizes`: pixels of each basin.

    A single wild value is smeared by the smoothing and may be deep; it is not wide.
    """
    count = len(allowed) + 1
    deep = np.bincount(labels[significant], minlength=count)[1:]
    kept = allowed & (sizes >= min_pixels) & (deep >= SIGNIFICANT_SHARE * min_pixels)
    renumbered = np.zeros(count, np.int32)
    renumbered[1:][kept] = np.arange(1, int(kept.sum()) + 1, dtype=np.int32)
    return renumbered[labels], kept


def _measure(
    depth: Map,
    smoothed: Map,
    labels: NDArray[np.int32],
    deepest: NDArray[np.float64],
    p_values: NDArray[np.float64],
    voxel_yx: tuple[float, float],
) -> list[Pit]:
    """One `Pit` a label, with id, parent and first scan still open (0, -1, 0)."""
    count = len(deepest)
    sums = kernels.sums_per_label(labels, depth, smoothed, count)[1:]
    pixels = sums[:, 0]
    pixel_area = voxel_yx[0] * voxel_yx[1]
    areas = pixels * pixel_area
    return [
        Pit(
            id=0,
            parent=-1,
            first_scan=0,
            x=float(sums[k, 2] / pixels[k] * voxel_yx[1]),
            y=float(sums[k, 1] / pixels[k] * voxel_yx[0]),
            area=float(areas[k]),
            diameter=2.0 * math.sqrt(areas[k] / math.pi),
            depth_max=float(deepest[k]),
            depth_mean=float(sums[k, 3] / pixels[k]),
            volume=float(sums[k, 3] * pixel_area),
            current_density_mA_cm2=math.nan,
            p_value=float(p_values[k]),
        )
        for k in range(count)
    ]


def _p_values(depth: Map, noise: Map, pixels: int) -> NDArray[np.float64]:
    """Chance that noise alone is as deep anywhere in the field: p = 1 − (1 − Φ(−z))^N.

    z = smoothed depth ÷ its noise at the deepest pixel; N = pixels ÷ 4πσ², the number of
    independent places under a Gaussian of σ px (Šidák's correction).
    """
    places = max(1.0, float(pixels) / (4.0 * math.pi * SMOOTHING_PX**2))
    z = depth.astype(np.float64) / noise
    p: NDArray[np.float64] = -np.expm1(places * log_ndtr(z))
    return p


def _discovered(p_values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the deepest places are no noise, by the step-up rule for the false-discovery rate.

    `p_values`: chance that noise is as deep anywhere; −ln(1 − p) places are then expected to be. Of
    the k deepest, they must be less than k × the rate (Benjamini & Hochberg, J. R. Stat. Soc. B 57,
    289 (1995)).
    """
    with np.errstate(divide="ignore"):
        expected = -np.log1p(-p_values)
    ranked = np.sort(expected)
    passing = np.flatnonzero(ranked <= FALSE_DISCOVERY_RATE * np.arange(1, ranked.size + 1))
    highest = ranked[passing[-1]] if passing.size else -1.0
    found: NDArray[np.bool_] = expected <= highest
    return found
