"""The interface to a fraction of a voxel: what neighbouring columns know of the same surface.

The log-likelihood ratios of the slices around the interface are kept, one byte a voxel. A first
look sums them over 3×3 columns. The ratios are then read along paths that follow this surface,
smoothed, so that a slope or a pit's wall is flat in them; averaged over neighbours (Gaussian, one
pixel); and the step is found again, by the maximum of the likelihood of an edge with the shape
that this scan's edges have (`edge`), between voxels by a parabola. What is averaged is the
departure from the surface followed, not the surface: a pit ten voxels wide keeps its depth.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.core.refinement import kernels
from monitor.core.robust import MAD_TO_SIGMA

REACH = 6
PILOT_SIGMA_PX = 1.0
SIGMA_PX = 1.0
STIFF_SIGMA_PX = 2.0
EDGE_BLUR = 0.8
PILOT_NOISE, PILOT_RISE, PILOT_MOST = 1.17, 0.22, 0.7
"""The surface followed is noisy itself, the more so the larger the error (voxels) is: by this much
it exceeds that of a known path, as measured on phantoms; in proportion where an edge is sharper."""
RIM_SHARE, RIM_SIGMA_PX = 0.4, 1.5
SHARP_SIGMA_PX, SHRINK_SIGMA_PX, SHRINK_DOUBT = 0.5, 1.0, 1.5
SHARP_FROM, SHARP_RISE = 0.22, 0.07
BEND_SIGMA_PX = 1.5
LAGS, SCATTER_SAMPLES, LEAST_STEPS = 3, 2048, 200
NOISE_ROWS = 8
LEAST_REACH = 3
ROWS_AT_ONCE, HALO = 128, 8

Map = NDArray[np.float32]


def along_first_look(ratios: NDArray[np.int8]) -> tuple[Map, Map]:
    """First estimate of the interface, smoothed, in planes; the ratios along that surface."""
    ny, _, nx = ratios.shape
    first = np.empty((ny, nx), np.float32)
    kernels.pilot(ratios, first)
    surface = averaged(first, PILOT_SIGMA_PX)
    paths = np.empty((ny, 2 * REACH, nx), np.float32)
    kernels.follow(ratios, surface, REACH, paths)
    return surface, paths


def interface(ratios: NDArray[np.int8], edge: Map) -> tuple[Map, Map]:
    """Where the step is, in planes, and its standard deviation. `edge`: its blur."""
    surface, paths = along_first_look(ratios)
    shift, noise = _step(paths, SIGMA_PX, edge)
    left = _flattening(np.where(np.isfinite(shift), surface + shift, surface))
    known = noise[::NOISE_ROWS][np.isfinite(noise[::NOISE_ROWS])]
    spread = float(np.sqrt(np.median(known))) if known.size else np.inf
    trust = min(1.0, (SHARP_FROM - spread) / SHARP_RISE)
    if trust > 0:
        shift, noise, left = _sharpened(paths, edge, shift, noise, left, np.float32(trust))
    excess = PILOT_NOISE - 1 + PILOT_RISE * min(spread, PILOT_MOST)
    excess *= max(1.0, float(edge[0] / gaussian(EDGE_BLUR)[0]))
    return surface + shift, np.sqrt(np.float32(1 + excess) ** 2 * noise + left)


def _sharpened(
    paths: Map, edge: Map, calm: Map, calm_noise: Map, left: Map, trust: np.float32
) -> tuple[Map, Map, Map]:
    """Shift, its variance and what is left of the flattening, drawn towards an estimate from fewer
    neighbours where the two are further apart than noise explains (shrinkage, James & Stein 1961).

    Only for clear edges: in strong noise the estimate from few neighbours catches false ones.
    """
    sharp, sharp_noise = _step(paths, SHARP_SIGMA_PX, edge)
    both = np.isfinite(sharp) & np.isfinite(calm)
    apart = np.where(both, sharp - calm, np.float32(0))
    expected = np.maximum(sharp_noise - calm_noise, 0)
    square = averaged(apart**2, SHRINK_SIGMA_PX) + np.float32(1e-9)
    weight = trust * np.maximum(0, 1 - SHRINK_DOUBT * expected / square)
    return calm + weight * apart, calm_noise + weight**2 * expected, left * (1 - weight) ** 2


def _step(paths: Map, sigma: float, edge: Map) -> tuple[Map, Map]:
    """Place of the step along the paths, averaged over neighbours; and its variance. (ny, nx)
    float32 in planes from the middle, NaN where none is found.

    The variance is that of an M-estimator (Huber 1967): noise of the score's slope over the square
    of its curvature. The noise is measured at both ends of the paths, beyond the edge, so that
    whatever its spectrum (ramp filter, rings) and the edge's shape (fringes) it is what it is.
    """
    ny, _, nx = paths.shape
    joined = np.empty_like(paths)
    kernels.blur(paths, gaussian(sigma), joined)
    shift, bend = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    kernels.best_shift(joined, edge, shift, bend)
    place: Map = np.where(bend > 0, shift, np.float32(np.nan))
    curvature = np.maximum(averaged(bend, BEND_SIGMA_PX), np.float32(1e-6))
    rim = np.outer(_mirrored_twice(ny, sigma), _mirrored_twice(nx, sigma))
    return place, np.asarray(_slope_noise(joined, edge) / curvature**2 * rim, np.float32)


def _mirrored_twice(n: int, sigma: float) -> Map:
    """(n,) by how much the noise of a Gaussian average grows where an end is mirrored: there some
    columns count twice."""
    half = gaussian(sigma)
    reach = len(half) - 1
    line = np.concatenate([half[:0:-1], half])
    excess = np.ones(n, np.float32)
    for i in [*range(min(reach, n)), *range(max(0, n - reach), n)]:
        place = np.abs(np.arange(i - reach, i + reach + 1))
        place = np.minimum(np.abs(n - 1 - np.abs(n - 1 - place)), n - 1)
        excess[i] = (np.bincount(place, line) ** 2).sum() / (line**2).sum()
    return excess


def _slope_noise(joined: Map, edge: Map) -> np.float32:
    """Variance of the score's slope at a step: of ratios weighted by the edge's blur, at half a
    plane before and after. Covariances between planes by the robust scatter of sums and
    differences (Gnanadesikan & Kettenring 1972)."""
    line = np.concatenate([edge[:0:-1], edge]).astype(np.float64)
    slope = np.convolve(line, [0.5, 0.5])
    lags = np.correlate(slope, slope, "full")[len(slope) - 1 :]
    some = joined[:: max(1, len(joined) * joined.shape[2] // SCATTER_SAMPLES)].transpose(1, 0, 2)
    some = some.reshape(len(some), -1)
    step = (some[:LAGS].mean(axis=0) < 0) & (some[-LAGS:].mean(axis=0) > 0)
    if step.sum() > LEAST_STEPS:  # outside the electrode there is none
        some = some[:, step]
    total = 0.0
    for ends in (slice(0, LAGS), slice(-LAGS, None)):
        planes = some[ends]
        pairs = [planes[lag] + sign * planes[0] for lag in range(1, LAGS) for sign in (1, -1)]
        square = _spread(np.concatenate([planes, pairs])) ** 2
        covariance = np.full(len(lags), 0.25 * (square[-2] - square[-1]))
        covariance[0] = square[:LAGS].mean()
        covariance[1:LAGS] = 0.25 * (square[LAGS::2] - square[LAGS + 1 :: 2])
        total += lags[0] * covariance[0] + 2 * float(np.dot(lags[1:], covariance[1:]))
    return np.float32(max(0.5 * total, 1e-6))


def _spread(rows: Map) -> NDArray[np.float32]:
    """Robust standard deviation of each row."""
    middle = np.median(rows, axis=1, keepdims=True)
    spread: NDArray[np.float32] = MAD_TO_SIGMA * np.median(np.abs(rows - middle), axis=1)
    return spread


def _flattening(surface: Map) -> Map:
    """Variance for what averaging may have taken from a curved surface.

    The first part is what is left when the smoothing is applied to its own residue (twicing, Tukey
    1977); the second a share of the residue nearby, where a rim is sharper than the smoothing.
    """
    residue = surface - averaged(surface, SIGMA_PX)
    left = residue - averaged(residue, SIGMA_PX)
    near = averaged(np.abs(residue), RIM_SIGMA_PX)
    variance: Map = left**2 + (RIM_SHARE * near) ** 2
    return variance


def averaged(surface: Map, sigma: float) -> Map:
    """Gaussian average of a map without holes."""
    out = np.empty((len(surface), 1, surface.shape[1]), np.float32)
    kernels.blur(np.ascontiguousarray(surface[:, None], np.float32), gaussian(sigma), out)
    return out[:, 0]


def smoothed(surface: Map) -> Map:
    """The surface averaged over its neighbours, NaN left out: of what is stiff and noisy."""
    average = _over_known if not np.isfinite(surface).all() else averaged
    out = np.empty_like(surface)
    for rows, near, inner in row_blocks(len(surface)):
        out[rows] = average(surface[near], STIFF_SIGMA_PX)[inner]
    return out


def _over_known(surface: Map, sigma: float) -> Map:
    """As `averaged`, NaN left out."""
    known = np.isfinite(surface)
    planes = np.stack([np.where(known, surface, 0), known], axis=1).astype(np.float32)
    summed = np.empty_like(planes)
    kernels.blur(planes, gaussian(sigma), summed)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Map = summed[:, 0] / summed[:, 1]
    return mean


def row_blocks(ny: int, halo: int = HALO) -> Iterator[tuple[slice, slice, slice]]:
    """Rows of a map in blocks: the rows, those with a halo, and the former among the latter."""
    for top in range(0, ny, ROWS_AT_ONCE):
        low, high = max(0, top - halo), min(ny, top + ROWS_AT_ONCE + halo)
        rows = slice(top, min(ny, top + ROWS_AT_ONCE))
        yield rows, slice(low, high), slice(rows.start - low, rows.stop - low)


def gaussian(sigma: float) -> NDArray[np.float32]:
    """One half of a normalised Gaussian, centre first, out to 2.5 sigma; zeros to `LEAST_REACH`."""
    reach = int(2.5 * sigma + 0.5)
    half = np.exp(-0.5 * (np.arange(max(reach, LEAST_REACH) + 1) / sigma) ** 2)
    half[reach + 1 :] = 0
    weights: NDArray[np.float32] = np.asarray(half / (half[0] + 2 * half[1:].sum()), np.float32)
    return weights
