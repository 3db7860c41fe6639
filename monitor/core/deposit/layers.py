"""What lithium, moss and electrolyte look like in one scan, and where moss is, coarsely.

Works on sums of 2×2 columns. The levels are taken from the band itself: lithium from well below the
two edges that the first look finds, electrolyte from well above, moss from between. That there is
moss is judged by voxels well inside it, which the blur of an edge does not reach: log-likelihood
ratio of a level of its own to one edge from lithium to electrolyte, less what more parameters and
the choice among many places must bring (Schwarz 1978).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from monitor.core.deposit import kernels
from monitor.core.refinement import kernels as refinement_kernels
from monitor.core.refinement.refine import averaged, gaussian
from monitor.core.robust import sigma_of

PER_PAIR = 4
NONE = np.float32(0)
SIGMA_PAIRS = 1.0
MARGIN = 2.0
LEAST_MOSS = 4
PRESUMED_POROSITY, PRESUMED_PLANES = 0.25, 100
PENALTY, TOO_THIN = 3.0, 0.3
POROSITIES = (0.1, 0.2, 0.3, 0.42, 0.55, 0.7, 0.85)
STRIPES, STRIPE_ROWS = 8, 8
ROUNDS = 3
LEAST_SHARE, MOST_SHARE = 0.03, 0.95
BIAS_SHARE = 0.3
LEAST_NOISE, MOST_NOISE = 0.7, 10.0

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Stack:
    """What the layers look like in one scan.

    `levels` (3,) float32 of lithium, moss and electrolyte in the band's units; `noise` of one voxel
    in them, as it matters to sums over many; `porosity` of the field, and its standard deviation.
    `present`: whether moss was found; if it was not, the porosity is NaN and the moss's level a
    presumed one. `share` of the field that has moss, or, if none was found, was expected to.
    """

    levels: NDArray[np.float32]
    noise: float
    porosity: float
    porosity_error: float
    present: bool
    share: float


@dataclass(frozen=True, eq=False)
class Inside:
    """What lies between the edges, maps of pairs: mean grey level; how many voxels it is worth;
    log-likelihood ratio of two edges to one, less what two more parameters must bring."""

    mean: Map
    weight: Map
    evidence: Map


def survey(
    ratios: NDArray[np.int8], limit: float, *, reversed_z: bool = False, expected: float = 0.5
) -> Stack:
    """Levels and porosity of the field by a few stripes of rows. Arguments as of `deposit`."""
    nominal, nominal_noise = _nominal(limit)
    noise = nominal_noise
    stripes = [summed_pairs(ratios[rows], reversed_z) for rows in _stripes(len(ratios))]
    trials = [_with_porosity(nominal, porosity) for porosity in POROSITIES]
    levels = min(trials, key=lambda trial: sum(look(p, trial)[2].sum() for p in stripes[::2]))
    for _ in range(ROUNDS):
        found = np.array([_means(pairs, levels, noise) for pairs in stripes])
        share = float(found[:, 3].mean())
        known = np.isfinite(found[:, :3]).any(axis=0)
        levels = np.where(known, _mean_of_known(found[:, :3]), levels).astype(np.float32)
        noise = _joint_noise(found[:, 5], nominal_noise)
        rising = levels[0] < levels[1] < levels[2]
        if not (rising and share >= LEAST_SHARE):
            presumed = _with_porosity(nominal, PRESUMED_POROSITY)
            return Stack(presumed, noise, math.nan, math.nan, False, expected)
    each, contrast = found[np.isfinite(found[:, 1]), 1], float(levels[2] - levels[0])
    spread = float(each.std()) / math.sqrt(max(1, each.size - 1))
    # edges are put where the noise suits them, and the more so the less is known
    bias = BIAS_SHARE * float(_mean_of_known(found[:, 4]))
    porosity = float(levels[1] - levels[0]) / contrast
    error = math.hypot(spread, bias) / contrast
    seen = 1 - _missed(np.array([min(porosity, 1 - porosity) * contrast / noise]))
    likely = min(share / max(seen, share), MOST_SHARE)
    return Stack(levels, noise, porosity, error, True, likely)


def unseen(stack: Stack) -> float:
    """Odds of moss that is there and cannot be told from its neighbours, to no moss: too thin, or
    of too little contrast, at the field's porosity where that is known, otherwise at any."""
    contrast = float(stack.levels[2] - stack.levels[0]) / stack.noise
    porosity = np.array([stack.porosity]) if stack.present else np.linspace(0.01, 0.99, 50)
    missed = TOO_THIN + _missed(contrast * np.minimum(porosity, 1 - porosity))
    return missed * stack.share / (1 - stack.share)


def _must_bring(planes: int) -> float:
    """Nats that two edges must gain over one: two places among so many planes, and a margin."""
    return PENALTY + 2.0 * math.log(planes)


def _missed(contrast: NDArray[np.float64]) -> float:
    """How often moss a few planes thick is not seen; `contrast` to its neighbours, over noise."""
    gain = 0.5 * contrast**2 * PER_PAIR * LEAST_MOSS / float(squares(gaussian(SIGMA_PAIRS)))
    return float(expit(_must_bring(PRESUMED_PLANES) - gain).mean())


def look(pairs: NDArray[np.int16], levels: NDArray[np.float32]) -> tuple[Map, Map, Map]:
    """First look at both edges, (ny, nx) of pairs: planes, and the score of the fit."""
    dense, front, score = np.empty((3, len(pairs), pairs.shape[2]), np.float32)
    kernels.stack(pairs, PER_PAIR * levels, LEAST_MOSS, dense, front, score)
    return dense, front, score


def looked_inside(
    pairs: NDArray[np.int16],
    dense: Map,
    front: Map,
    levels: NDArray[np.float32],
    noise: float,
    margin: float = MARGIN,
) -> Inside:
    """The grey level between the two edges, and whether it is one of its own.

    The alternative is one edge from lithium to electrolyte in each column, wherever it fits best:
    a wall that runs through the columns joined for the first look is not taken for moss.
    """
    lithium, _, electrolyte = PER_PAIR * levels
    sums, counts, least = np.empty((3, *dense.shape), np.float32)
    kernels.between(
        pairs, dense, front, np.float32(margin),
        electrolyte - lithium, (lithium + electrolyte) / 2, sums, counts, least,
    )  # fmt: skip
    total, count = averaged(sums, SIGMA_PAIRS), averaged(counts, SIGMA_PAIRS)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, total / count, 0).astype(np.float32)
    own = counts * (mean**2 - electrolyte**2) - 2 * (mean - electrolyte) * sums
    joined = squares(gaussian(SIGMA_PAIRS))
    gain = averaged(least - own / 2, SIGMA_PAIRS) / (joined * np.float32(PER_PAIR * noise**2))
    seen = (mean > lithium) & (mean < electrolyte)
    evidence: Map = np.where(seen, gain, NONE) - np.float32(_must_bring(pairs.shape[1]))
    weight: Map = PER_PAIR * count / joined
    return Inside(mean / np.float32(PER_PAIR), weight, evidence)


def _means(
    pairs: NDArray[np.int16], levels: NDArray[np.float32], noise: float
) -> tuple[float, ...]:
    """Mean level of lithium, moss and electrolyte in a stripe, the share of it that has moss, the
    error of the moss's level in one place, and the noise of sums; NaN where there is none."""
    dense, front, _ = look(pairs, levels)
    inside = looked_inside(pairs, dense, front, levels, noise)
    has = (inside.evidence > 0) & (inside.weight > 0)
    weight = inside.weight[has]
    moss = error = math.nan
    if weight.size:
        moss = float((inside.mean[has] * weight).sum() / weight.sum())
        error = noise / math.sqrt(float(np.median(weight)))
    below, above = kernels.beyond(pairs, dense, front, 2 * MARGIN)
    return (
        below / PER_PAIR,
        moss,
        above / PER_PAIR,
        float(has.mean()),
        error,
        _noise_of_sums(pairs, dense, front),
    )


def _noise_of_sums(pairs: NDArray[np.int16], dense: Map, front: Map) -> float:
    """Noise of sums over 4×4 columns and 4 planes, as if of a single voxel (over the root of 64).

    Well below the two edges and well above; robust. NaN where there is no room.
    """
    low, high = (
        int(np.percentile(dense, 1) - 2 * MARGIN),
        int(np.percentile(front, 99) + 2 * MARGIN),
    )
    ny, nx = pairs.shape[0] // 2, pairs.shape[2] // 2
    off = []
    for zone in (pairs[:, : max(low, 0)], pairs[:, high + 1 :]):
        n = zone.shape[1] // 4
        if n and ny and nx:
            cut = zone[: 2 * ny, : 4 * n, : 2 * nx].reshape(ny, 2, n, 4, nx, 2)
            sums = cut.sum(axis=(1, 3, 5), dtype=np.float64)
            off.append(np.abs(sums - np.median(sums)).ravel())
    return sigma_of(np.concatenate(off)) / 8.0 if off else math.nan


def _joint_noise(found: NDArray[np.float64], nominal: float) -> float:
    """Noise of one voxel such that what many of them are averaged to has the scatter it has.

    Neighbours that share their noise (filters, rings) average it down less than white noise.
    """
    known = found[np.isfinite(found)]
    if not known.size:
        return nominal
    return float(np.clip(np.median(known), LEAST_NOISE * nominal, MOST_NOISE * nominal))


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean: NDArray[np.float64] = np.where(known, values, 0).sum(axis=0) / count
    return mean


def _nominal(limit: float) -> tuple[NDArray[np.float32], float]:
    """Levels of lithium and electrolyte in units of the band, the moss's not yet known, and the
    noise of one voxel: `limit` nats are contrast²/2 + 4 contrasts (contrast over noise)."""
    contrast = math.sqrt(16.0 + 2.0 * limit) - 4.0
    unit = refinement_kernels.FULL / limit
    half = unit * 0.5 * contrast**2
    return np.array([-half, np.nan, half], np.float32), unit * contrast


def _with_porosity(levels: NDArray[np.float32], porosity: float) -> NDArray[np.float32]:
    low, high = levels[0], levels[2]
    return np.array([low, low + porosity * (high - low), high], np.float32)


def _stripes(ny: int) -> list[slice]:
    """Rows that stand for the field: a few stripes over all of it."""
    count = min(STRIPES, max(1, ny // STRIPE_ROWS))
    begins = ((np.arange(count) + 0.5) * ny / count - STRIPE_ROWS / 2).astype(int)
    return [slice(max(0, b), max(0, b) + STRIPE_ROWS) for b in begins]


def summed_pairs(ratios: NDArray[np.int8], reversed_z: bool) -> NDArray[np.int16]:
    """2×2 columns summed, lithium first."""
    ny, n, nx = ratios.shape
    out = np.empty(((ny + 1) // 2, n, (nx + 1) // 2), np.int16)
    kernels.bin_pairs(ratios, np.int16(-1 if reversed_z else 1), out)
    return out


def squares(weights: NDArray[np.float32]) -> np.float32:
    """Sum of the squares of the separable lateral weights: by how much noise is averaged down."""
    return np.float32((weights[0] ** 2 + 2 * (weights[1:] ** 2).sum()) ** 2)
