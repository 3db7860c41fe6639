"""What a data key of a document says: a number, nothing measured, or something that is neither."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

MOST_NESTED = 8
UNITS = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
LEAST_S, MOST_S = 1e8, 1e10
"""Seconds since 1970 of 1973 and 2286: in between lies what is taken for a time in another unit."""
MAX_TIME_S = 1e11


def number(value: Any) -> float:
    """The number in a value; NaN for null and NaN, "not measured". An array or a list of one
    element is its element. Raises ValueError for text, infinity, true, several values and the like.
    """
    for _ in range(MOST_NESTED):
        if isinstance(value, np.ndarray | np.generic) and value.size == 1:
            value = value.item()
        elif isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        else:
            break
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
        raise ValueError
    try:
        found = float(value)
    except OverflowError:
        raise ValueError from None
    if math.isinf(found):
        raise ValueError
    return found


def seconds(value: float) -> tuple[float, str]:
    """A time in seconds, and the unit that it was given in where that was another, else "".

    No measurement is of the year 5000: what is so large and is a time of our days in milli-, micro-
    or nanoseconds is taken for one. Raises ValueError for what is no time at all.
    """
    if abs(value) < MAX_TIME_S:
        return value, ""
    for unit, factor in UNITS:
        if LEAST_S <= value / factor < MOST_S:
            return value / factor, unit
    raise ValueError
