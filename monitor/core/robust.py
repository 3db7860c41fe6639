"""Statistics that a few wild values do not move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAD_TO_SIGMA = 1.4826
"""Standard deviation of normal noise over the median of its magnitude."""


def sigma_of(deviations: NDArray[np.floating]) -> float:
    """Standard deviation of what deviates so from its middle; NaN of nothing."""
    if not deviations.size:
        return float("nan")
    return MAD_TO_SIGMA * float(np.median(np.abs(deviations)))


def known_of_rows(values: NDArray[np.float32], enough: int) -> NDArray[np.float32]:
    """(n,) the values of a map (ny, nx) that are no NaN; of one with more than `enough` pixels,
    those of one row in some."""
    some = values[:: max(1, values.size // enough)]
    return some[np.isfinite(some)]
