"""The standard error of a pit's depth, with the noise that neighbouring pixels share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.core.pits import peak_kernels
from monitor.core.pits.significance import smoothing_taps

Map = NDArray[np.float32]
Array = NDArray[np.float64]

SHARED_PX = np.linspace(0.2, 4.0, 96)
"""Widths of a Gaussian that could have smoothed white noise; 0.2 px leaves it white."""
FARTHEST_PX2 = 2 * 12**2
"""No two pixels of a fit are farther apart."""


def depth_errors(
    depth: Map,
    error: Map,
    labels: NDArray[np.int32],
    peaks: NDArray[np.int64],
    radius: Array,
    smoothed: Map,
    noise: Map,
    excess: float,
) -> Array:
    """Standard error of each depth of `peak_kernels.peak_depths`, without that of the plateau.

    `error`: (ny, nx) standard error of each pixel; `noise`: that of the smoothed depth;
    `excess`: how many times more the smoothed map scatters than it would with white noise.
    """
    width, beyond = _shared(excess)
    correlation = np.exp(-np.arange(FARTHEST_PX2 + 1) / (4.0 * width**2))
    errors = peak_kernels.peak_errors(
        depth,
        error,
        labels,
        peaks,
        radius,
        smoothed,
        noise.ravel()[peaks] / np.float32(beyond),
        correlation,
    )
    return np.asarray(beyond * errors)


def _shared(excess: float) -> tuple[float, float]:
    """Width of the Gaussian whose smoothed noise exceeds white noise by this factor, in px, and the
    factor that even the widest leaves unexplained.

    Noise that was smoothed with a Gaussian of s px has the correlation exp(-r²/4s²); under the taps
    g its variance is (Σ a(d) exp(-d²/4s²))² with a, the autocorrelation of g, instead of a(0)².
    """
    taps = smoothing_taps()
    own = np.correlate(taps, taps, "full")
    d = np.arange(own.size) - own.size // 2
    by_width = (own * np.exp(-(d**2) / (4.0 * SHARED_PX[:, None] ** 2))).sum(axis=1) / own.max()
    width = float(np.interp(excess, by_width, SHARED_PX))
    return width, max(1.0, excess / float(by_width[-1]))
