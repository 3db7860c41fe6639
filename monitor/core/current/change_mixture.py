"""How far to believe that a pixel has changed its pace, from all the innovations of a scan.

An innovation has the variance S of what was predicted and measured; where the pixel has changed its
pace unforeseen, the larger S + c. How often which change happens is unknown beforehand, but the
innovations of a whole scan tell: a mixture over c, from nothing to far more than S, is fitted to
them class by class (expectation-maximisation: Dempster, Laird & Rubin, J. R. Stat. Soc. B 39, 1
(1977); a filter with several such models: Bar-Shalom, Li & Kirubarajan, Estimation with
Applications to Tracking and Navigation, 2001, ch. 11).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from monitor.core.current.kalman_kernels import CELLS, DROPPED_BITS, FIRST_BITS

CHANGES = np.concatenate(([0.0], np.geomspace(0.04, 2621.44, 17)))
"""c in units of S. The first one: no change."""
INDEPENDENT = 2.0
"""Independent innovations that the filed mean over neighbours stands for: their noise is shared."""
CHANGED_SHARE = 0.05
ROUNDS = 5
WEIGHT_OF_GUESS = 20.0
WEIGHT_OF_ALL = 100.0
LEAST_SHARE = 0.005
CLASSES = 24
CLASS_WEIGHT = 50.0
PASSES = 3
DENSITY_CELLS = 6.0

Table = NDArray[np.float64]


def in_common(
    sums: NDArray[np.float64], per_rate: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The mean innovation of pixels of like rate, and their class, by cell of the rate.

    `sums` (cells, 3): number of pixels, sums of their innovations and of their covariances of
    height and rate; `per_rate`: cells per mA/cm². Classes of about as many pixels each; between
    their means the innovation goes in proportion, so that all of a class's is taken out. No shift
    with one cell only.

    The highest estimates are too high on average even where nothing changes. Such innovations,
    cov(h, r) × d ln f/dr with f the density of the estimates (Tweedie's formula: Efron, J. Am.
    Stat. Assoc. 106, 1602 (2011)), are no change of pace: of the average with and without them
    the smaller is taken, none where the two contradict.
    """
    pixels, off, covariance = sums.T
    if pixels.size == 1 or not pixels.any():
        return np.zeros(pixels.size, np.float32), np.zeros(pixels.size, np.uint8)
    density = gaussian_filter1d(pixels, DENSITY_CELLS, mode="constant") + 1.0
    by_chance = covariance * np.gradient(np.log(density)) * per_rate
    before = np.cumsum(pixels) - 0.5 * pixels
    _, classes = np.unique((before / pixels.sum() * CLASSES).astype(int), return_inverse=True)
    count = np.bincount(classes, pixels)
    place = np.bincount(classes, pixels * np.arange(pixels.size)) / np.maximum(count, 1.0)
    total, changed = np.bincount(classes, off), np.bincount(classes, off - by_chance)
    total = np.where(total * changed > 0.0, np.sign(total) * np.fmin(abs(total), abs(changed)), 0.0)
    shift = np.zeros(pixels.size)
    for _ in range(PASSES):
        left = (total - np.bincount(classes, pixels * shift)) / (count + CLASS_WEIGHT)
        shift += np.interp(np.arange(pixels.size), place[count > 0], left[count > 0])
    return shift.astype(np.float32), classes.astype(np.uint8)


def _likelihoods() -> Table:
    """(changes, CELLS): likelihood of a filed mean for each c, up to a factor of its cell."""
    bits = ((2 * np.arange(CELLS) + 1 + 2 * FIRST_BITS) << (DROPPED_BITS - 1)).astype(np.int32)
    middle = bits.view(np.float32).astype(np.float64)
    logarithm = np.log1p(CHANGES)[:, None] + middle / (1.0 + CHANGES)[:, None]
    logarithm = -0.5 * INDEPENDENT * logarithm
    table: Table = np.exp(logarithm - logarithm.max(axis=0))
    return table


LIKELIHOODS = _likelihoods()


def believed(counts: NDArray[np.int64]) -> tuple[Table, Table]:
    """Mean and variance of 1/(1 + c) given a filed innovation: (classes, CELLS) each.

    `counts` (classes, CELLS): pixels by class and filed place, as `running_kernels.weigh` counts.
    """
    guess = np.full((1, CHANGES.size), CHANGED_SHARE / (CHANGES.size - 1))
    guess[0, 0] = 1.0 - CHANGED_SHARE
    everywhere = _shares(counts.sum(axis=0, keepdims=True), guess, WEIGHT_OF_GUESS)
    shares = _shares(counts, np.repeat(everywhere, len(counts), axis=0), WEIGHT_OF_ALL)
    shares[:, 1:] = np.maximum(shares[:, 1:], LEAST_SHARE / (CHANGES.size - 1))
    shares /= shares.sum(axis=1, keepdims=True)
    steady = 1.0 / (1.0 + CHANGES)
    total = shares @ LIKELIHOODS
    mean = (shares * steady) @ LIKELIHOODS / total
    square = (shares * steady**2) @ LIKELIHOODS / total
    return mean, np.maximum(square - mean**2, 0.0)


def _shares(counts: NDArray[np.int64], guess: Table, weight: float) -> Table:
    """(classes, changes): how often each change happens. `guess` counts as `weight` pixels."""
    shares = guess
    for _ in range(ROUNDS):
        seen = (counts / (shares @ LIKELIHOODS)) @ LIKELIHOODS.T
        shares = np.maximum(shares * seen + weight * guess, 1e-9)
        shares = shares / shares.sum(axis=1, keepdims=True)
    return shares
