"""Removal → pits: found against noise, split where they touch, linked to the previous scan's.

A pit is a connected region that lies below the plateau by more than its noise, and at its deepest
by more than a least depth. A pit that the border of the field cuts counts, with the part that is
visible.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.pits import kernels, label_kernels, peak_kernels
from monitor.core.pits.depth_error import depth_errors
from monitor.core.pits.link import PitMap, link
from monitor.core.pits.significance import (
    chance_of_noise,
    detection_limit,
    discovered,
    smoothing_taps,
)
from monitor.core.surface_statistics.plateau import extent
from monitor.records import LengthUnit, Pit, shared
from monitor.settings import PitSettings

Map = NDArray[np.float32]

MIN_KERNEL_WEIGHT = 0.3
MIN_DEPTH_VOXEL = 1.0
MIN_DIAMETER_PX = 7.0
OUTLINE = 0.5
SIGNIFICANT_SHARE = 0.5
PROMINENCE_SIGMA = 4.0
PROMINENCE_SHARE = 0.04
PROMINENCE_FAITH = 0.5
PEAK_FIT_SHARE = 0.6
PEAK_FIT_PX = (3.0, 6.0)
NOISE_SAMPLE = 65536
MIN_NOISE_SAMPLE = 100
NORMAL_QUARTILE = 0.6745
OUTLINE_SHARE = 0.5


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
    smoothed, noise, excess = _smoothed(depth, removal_error)
    in_um = length_unit == "µm"
    limit = settings.min_depth_um if in_um else MIN_DEPTH_VOXEL
    former = _same_shape(previous, depth.shape)
    labels, peaks = _split(smoothed, noise, settings.significance, limit, former.labels)
    pixel_area = voxel_yx[0] * voxel_yx[1]
    min_diameter = settings.min_diameter_um if in_um else MIN_DIAMETER_PX * math.sqrt(pixel_area)
    count = len(peaks)
    sizes = label_kernels.trim(
        labels, depth, OUTLINE_SHARE * limit, smoothed, noise, settings.significance, count
    )[1:]
    radius = np.clip(PEAK_FIT_SHARE * np.sqrt(sizes[:, 0] / math.pi), *PEAK_FIT_PX)
    deepest = peak_kernels.peak_depths(depth, labels, peaks, radius, smoothed)
    pixels = extent(noise)[2]
    p_values = chance_of_noise(smoothed.ravel()[peaks], noise.ravel()[peaks], pixels)
    least = math.pi / 4.0 * min_diameter**2 / pixel_area
    kept = _keep(labels, (deepest > limit) & discovered(p_values), sizes, least)
    peaks, deepest, p_values = peaks[kept], deepest[kept], p_values[kept]
    errors = depth_errors(
        depth, removal_error, labels, peaks, radius[kept], smoothed, noise, excess
    )
    measured = _measure(depth, smoothed, labels, deepest, errors, p_values, voxel_yx)
    usual_noise = _median_of_finite(noise)
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


def _smoothed(depth: Map, error: Map) -> tuple[Map, Map, float]:
    """Smoothed depth, its noise raised to what the unpitted surface really shows, and how often it
    is raised.

    White noise is averaged down by the kernel as Σg² says. Noise that neighbours share is not; so
    the scatter of the smoothed map on the side above the plateau, if no pit can reach, must
    agree: its median against the normal quartile gives the factor (never below 1).
    """
    smoothed, noise = kernels.smooth(
        depth,
        shared(error),
        smoothing_taps().astype(np.float32),
        MIN_KERNEL_WEIGHT,
    )
    stride = max(1, math.isqrt(depth.size // NOISE_SAMPLE))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = smoothed[::stride, ::stride] / noise[::stride, ::stride]
    above = -ratio[np.isfinite(ratio) & (ratio < 0.0)]
    excess = 1.0
    if above.size >= MIN_NOISE_SAMPLE:
        excess = max(1.0, float(np.median(above)) / NORMAL_QUARTILE)
        noise *= np.float32(excess)
    return smoothed, noise, excess


def _same_shape(previous: PitMap | None, shape: tuple[int, ...]) -> PitMap:
    """The previous pits; an empty map if there are none to compare with."""
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
    labels, tops = kernels.catchments(smoothed, noise, OUTLINE * significance, OUTLINE * min_depth)
    pairs, heights = kernels.saddles(labels, smoothed)
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
    label_kernels.renumber(labels, number[into])
    return labels, tops[stays[1:]]


def _with_background(values: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate((np.zeros(1, values.dtype), values))


def _keep(
    labels: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    sizes: NDArray[np.int64],
    min_pixels: float,
) -> NDArray[np.bool_]:
    """Which of the `allowed` basins are wide enough and half significant at least of that; numbers
    them afresh in `labels`. `sizes` (n, 2): pixels of each basin, and significant ones.

    A single wild value is smeared by the smoothing and may be deep; it is not wide.
    """
    wide = (sizes[:, 0] >= min_pixels) & (sizes[:, 1] >= SIGNIFICANT_SHARE * min_pixels)
    kept: NDArray[np.bool_] = allowed & wide
    renumbered = np.zeros(len(allowed) + 1, np.int32)
    renumbered[1:][kept] = np.arange(1, int(kept.sum()) + 1, dtype=np.int32)
    label_kernels.renumber(labels, renumbered)
    return kept


def _measure(
    depth: Map,
    smoothed: Map,
    labels: NDArray[np.int32],
    deepest: NDArray[np.float64],
    errors: NDArray[np.float64],
    p_values: NDArray[np.float64],
    voxel_yx: tuple[float, float],
) -> list[Pit]:
    """One `Pit` a label, with id, parent and first scan still open (0, -1, 0)."""
    count = len(deepest)
    sums = label_kernels.sums_per_label(labels, depth, smoothed, count)[1:]
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
            depth_max_error=float(errors[k]),
            depth_mean=float(sums[k, 3] / pixels[k]),
            volume=float(sums[k, 3] * pixel_area),
            current_density_mA_cm2=math.nan,
            p_value=float(p_values[k]),
        )
        for k in range(count)
    ]
