"""Loops behind `density`: differences of height maps, and maps times a number."""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel

Map = NDArray[np.float32]


@parallel()
def difference(
    before: Map, before_error: Map, after: Map, after_error: Map
) -> tuple[Map, Map]:  # pragma: no cover
    """before − after, (ny, nx) float32, and its standard error; NaN where either is."""
    lost, lost_error = np.empty_like(before), np.empty_like(before)
    nan = np.float32(np.nan)
    for y in prange(before.shape[0]):
        for x in range(before.shape[1]):
            value = before[y, x] - after[y, x]
            error = math.hypot(before_error[y, x], after_error[y, x])
            known = value == value and error == error
            lost[y, x] = value if known else nan
            lost_error[y, x] = error if known else nan
    return lost, lost_error


@parallel()
def scaled(values: Map, factor: np.float32) -> Map:  # pragma: no cover
    """Every value (ny, nx) float32 times `factor`."""
    out = np.empty_like(values)
    for y in prange(values.shape[0]):
        for x in range(values.shape[1]):
            out[y, x] = values[y, x] * factor
    return out
