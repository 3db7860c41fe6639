"""Numbers and times as an operator reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from html import escape
from typing import Any


def round_below(value: float) -> float:
    """The largest of 1, 2, 5 × 10ⁿ that is not above a positive value."""
    if not value > 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step for step in (5.0, 2.0, 1.0, 0.5) if step * power <= value * (1 + 1e-9)) * power


def number(value: Any, digits: int = 1, unit: str = "") -> str:
    """A number as text, a dash where it is unknown."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}" + (f" {unit}" if unit else "")


def with_error(value: Any, error: Any) -> str:
    """A number with its standard error, at the digits that the error allows."""
    if not isinstance(error, int | float) or not math.isfinite(error):
        return number(value)
    digits = 1 if error >= 0.1 else 2
    # an error below the last digit shown is rounded up to it
    return f"{number(value, digits)} ± {number(max(error, 0.01), digits)}"


def duration(seconds: float) -> str:
    """12 s, 4 min 05 s, 3 h 07 min."""
    total = round(abs(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def clock(time: float) -> str:
    """Time of day, UTC."""
    return f"{datetime.fromtimestamp(time, UTC):%H:%M:%S}"


def as_is(words: object) -> str:
    """Words that came over a wire or out of a file, for a label: Qt takes no tags in them for its
    own, and loads nothing."""
    return escape(str(words), quote=False)
