"""Numbers as text: the same words on the screen, in a report and on a terminal."""

from __future__ import annotations

import math
from typing import Any

UNKNOWN = "–"


def number(value: Any, digits: int = 1, unit: str = "") -> str:
    """A number with so many decimals and its unit; a dash if it is unknown. What rounds to zero
    has no sign: never "-0.000"."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    return _unsigned_zero(f"{value:.{digits}f}") + (f" {unit}" if unit else "")


def signed(value: Any, digits: int = 1, unit: str = "") -> str:
    """The same, with a plus in front of a positive number; zero has no sign."""
    text = number(value, digits, unit)
    is_positive = text != UNKNOWN and value > 0 and float(text.split(" ")[0]) != 0.0
    return f"+{text}" if is_positive else text


def percent(share: Any, digits: int = 0) -> str:
    """A share (1 = all) in percent."""
    return number(None if share is None else 100.0 * share, digits, "%")


def with_error(value: Any, error: Any) -> str:
    """A number with its standard error, at the digits that the error allows: two decimals for an
    error below 0.1, else one."""
    if not isinstance(error, int | float) or not math.isfinite(error):
        return number(value)
    if number(value) == UNKNOWN:
        return UNKNOWN
    digits = 1 if error >= 0.1 else 2
    # an error below the last digit shown is rounded up to it
    return f"{number(value, digits)} ± {number(max(error, 0.01), digits)}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """ "1 pit", "2 pits"; `plural` for a noun that does not end in s then."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0.0 else text
