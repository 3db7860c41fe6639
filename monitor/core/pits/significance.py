"""Which pits are no noise, and how deep a pit must be to be found."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

SMOOTHING_PX = 1.5
FALSE_DISCOVERY_RATE = 1e-4
MISS_SIGMA = 1.645

Map = NDArray[np.float32]


def smoothing_taps() -> NDArray[np.float64]:
    """The Gaussian of 1.5 px that maps are smoothed with, its sum 1."""
    reach = math.ceil(3.0 * SMOOTHING_PX)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTHING_PX) ** 2)
    return np.asarray(taps / taps.sum())


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


def chance_of_noise(depth: Map, noise: Map, pixels: int) -> NDArray[np.float64]:
    """Chance that noise alone is as deep anywhere in the field: p = 1 − (1 − Φ(−z))^N.

    z = smoothed depth ÷ its noise at the deepest pixel; N = pixels ÷ 4πσ², the number of
    independent places under a Gaussian of σ px (Šidák's correction).
    """
    places = max(1.0, float(pixels) / (4.0 * math.pi * SMOOTHING_PX**2))
    z = depth.astype(np.float64) / noise
    p: NDArray[np.float64] = -np.expm1(places * log_ndtr(z))
    return p


def discovered(p_values: NDArray[np.float64]) -> NDArray[np.bool_]:
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
