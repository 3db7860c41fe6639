"""The two edges of the porous deposit to a fraction of a voxel, by maximum likelihood.

Ratios are read along paths that follow the first look, averaged over neighbours, and the step is
found again, as in refine.py. The threshold is the middle of the grey levels on both sides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.core.deposit import kernels
from monitor.core.deposit.layers import PER_PAIR, SIGMA_PAIRS, Stack, squares
from monitor.core.refinement import kernels as refinement_kernels
from monitor.core.refinement.refine import averaged, gaussian

FRONT_SIGMA_PX = 1.0
EDGE_BLUR = 0.8
DENSE_REACH, FRONT_REACH = 8, 6
PATH_NOISE = 1.15
ROUGH_SHARE, ROUGH_SIGMA = 0.6, 1.5
LEAST_ROOM = 5.0
TOLERANCE = 3.0

Map = NDArray[np.float32]


def refined_dense(
    pairs: NDArray[np.int16], first: Map, level: Map, stack: Stack
) -> tuple[Map, Map]:
    """Plane at which the moss begins, on pairs of columns, and its variance: without bound where
    the first look put it at the band's begin, below which it may lie."""
    n, per = pairs.shape[1], np.float32(PER_PAIR)
    near = averaged(first, SIGMA_PAIRS)
    surface = np.clip(near, DENSE_REACH, n - DENSE_REACH - 1)
    paths = np.empty((len(pairs), 2 * DENSE_REACH, pairs.shape[2]), np.float32)
    refinement_kernels.follow(pairs, surface, DENSE_REACH, paths)
    step = per * (level - stack.levels[0])
    kernels.lower_by(paths, per * stack.levels[0] + step / 2)
    worth = step / (per * np.float32(stack.noise**2))
    place, variance = _edge(paths, surface, worth, step * worth, SIGMA_PAIRS)
    return place, np.where(near >= LEAST_ROOM, variance, np.float32(np.inf))


def refined_front(
    ratios: NDArray[np.int8], path: Map, level: Map, stack: Stack, reversed_z: bool
) -> tuple[Map, Map]:
    """Plane at which the electrolyte begins, column by column, and its standard deviation."""
    n, reach = ratios.shape[1], FRONT_REACH
    surface = np.clip(averaged(path, FRONT_SIGMA_PX), reach, n - reach - 1)
    paths = np.empty((len(ratios), 2 * reach, ratios.shape[2]), np.float32)
    if reversed_z:
        refinement_kernels.follow(ratios, n - surface, reach, paths)
        paths = np.negative(paths[:, ::-1])
    else:
        refinement_kernels.follow(ratios, surface, reach, paths)
    step = stack.levels[2] - level
    kernels.lower_by(paths, level + step / 2)
    worth = step / np.float32(stack.noise**2)
    place, variance = _edge(paths, surface, worth, step * worth, FRONT_SIGMA_PX)
    return place, np.sqrt(variance)


def _edge(paths: Map, surface: Map, worth: Map, power: Map, sigma: float) -> tuple[Map, Map]:
    """The step in `paths`, which follow `surface` and are averaged, in planes, and its variance.

    `worth`: nats of one unit above the middle of the step; `power`: square of the step over the
    noise. NaN where there is none.
    """
    weights = gaussian(sigma)
    joined = np.empty_like(paths)
    refinement_kernels.blur(paths, weights, joined)
    shift, bend = np.empty_like(surface), np.empty_like(surface)
    refinement_kernels.best_shift(joined, gaussian(EDGE_BLUR), shift, bend)
    place = surface + shift
    information = bend * worth
    found = (bend > 0) & (worth > 0)
    joint = squares(weights)
    noise = PATH_NOISE**2 * joint / np.where(found, information, np.nan)
    # a weak step's place is off by more than its curvature says: 26 (noise/step)⁴ (Yao 1987)
    noise = np.maximum(noise, 26 * (joint / np.maximum(power, 1e-9)) ** 2)
    rough = place - averaged(np.where(found, place, surface), sigma)
    variance = noise + (ROUGH_SHARE * averaged(np.abs(np.nan_to_num(rough)), ROUGH_SIGMA)) ** 2
    return np.where(found, place, np.float32(np.nan)), variance.astype(np.float32)


def within(error: Map) -> Map:
    """Probability that an edge with this standard deviation is not off by more than tolerated.

    √(1 − exp(−2x²/π)) for erf(x/√2) (Pólya 1945): right to a hundredth.
    """
    x = np.float32(TOLERANCE) / error
    inside: Map = np.sqrt(np.float32(1) - np.exp(np.float32(-0.63662) * x * x))
    inside[~np.isfinite(error)] = 0
    return inside
