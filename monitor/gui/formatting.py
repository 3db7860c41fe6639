"""Formats of times and of numbers (`number_text`) on the screen."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from html import escape

from monitor.number_text import (
    column_head,
    counted,
    number,
    percent,
    signed,
    summary_text,
    value_text,
    with_error,
    with_unit,
)
from monitor.plain_text import visible

__all__ = [
    "as_is", "clock", "column_head", "counted", "duration", "number", "percent", "round_below",
    "signed", "stamp", "summary_text", "value_text", "with_error", "with_unit",
]  # fmt: skip


def round_below(value: float) -> float:
    """The largest of 1, 2, 5 × 10ⁿ that is not above a positive value."""
    if not value > 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step for step in (5.0, 2.0, 1.0, 0.5) if step * power <= value * (1 + 1e-9)) * power


def duration(seconds: float) -> str:
    """12 s, 4 min 05 s, 3 h 07 min, 2 d 03 h."""
    total = round(abs(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    if total < 48 * 3600:
        return f"{total // 3600} h {total % 3600 // 60:02d} min"
    return f"{total // 86400} d {total % 86400 // 3600:02d} h"


def clock(time: float, now: float | None = None) -> str:
    """Time of day, UTC; with the date if that is not the day of `now` (UTC s)."""
    moment = datetime.fromtimestamp(time, UTC)
    if now is None or moment.date() == datetime.fromtimestamp(now, UTC).date():
        return f"{moment:%H:%M:%S}"
    return stamp(time)


def stamp(time: float) -> str:
    """Date and time of day, UTC."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}"


def as_is(words: object) -> str:
    """Text that arrived over the network or from a file, as one line of HTML: tags in it have no
    effect, and all its characters are visible."""
    return escape(visible(words), quote=False)
