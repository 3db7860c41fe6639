"""Seconds since 1970, whatever unit a time was sent in."""

from __future__ import annotations

UNITS = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
LEAST_S, MOST_S = 1e8, 1e10
"""Seconds since 1970 of 1973 and 2286: in between lies what is taken for a time in another unit."""
MAX_TIME_S = 1e11


def seconds(value: float) -> tuple[float, str]:
    """A time in seconds, and the unit that it was given in if that was another, otherwise "".

    No measurement is of the year 5000: what is so large and is a time of our days in milli-, micro-
    or nanoseconds is taken for one. Raises ValueError for what is not a time at all.
    """
    if abs(value) < MAX_TIME_S:
        return value, ""
    for unit, factor in UNITS:
        if LEAST_S <= value / factor < MOST_S:
            return value / factor, unit
    raise ValueError
