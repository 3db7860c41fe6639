"""Dates and times of day as EC-Lab writes them: local, in the order of its own locale.

EC-Lab writes the month first, with slashes or dots. A file whose days tell otherwise is read with
the day first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import pairwise

STAMP = re.compile(
    r"\s*(\d{1,4})([/.-])(\d{1,2})\2(\d{1,4})[ T]+"
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(?:([AP])\.?\s?M\.?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?\s*",
    re.IGNORECASE,
)
CLOCK = re.compile(r"\s*(\d+):(\d{2}):(\d{2}(?:[.,]\d+)?)\s*")
MONTHS = 12
CENTURY = 2000
"""Of years of two digits."""


def parse(text: str, day_first: bool = False) -> datetime | None:
    """The date and time in `text`, with a zone only if it says one; None if it is none."""
    match = STAMP.fullmatch(text)
    if match is None:
        return None
    first, second, third = int(match[1]), int(match[3]), int(match[4])
    if len(match[1]) == 4:
        year, month, day = first, second, third
    elif day_first:
        year, month, day = third, second, first
    else:
        year, month, day = third, first, second
    if year < 100:
        year += CENTURY
    hour = int(match[5])
    if match[9]:
        hour = hour % 12 + (12 if match[9].upper() == "P" else 0)
    fraction_us = int((match[8] or "0")[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, int(match[6]), int(match[7] or 0), fraction_us)
        return moment.replace(tzinfo=_zone(match[10])) if match[10] else moment
    except ValueError:
        return None


def _zone(text: str) -> tzinfo:
    """Of `Z` or `+02:00`."""
    if text.upper() == "Z":
        return UTC
    ahead = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-ahead if text[0] == "-" else ahead)


def clock_s(text: str) -> float | None:
    """Seconds in a time such as `0:12:30.5`; None if it is none."""
    match = CLOCK.fullmatch(text)
    if match is None:
        return None
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3].replace(",", "."))


def day_first(texts: Sequence[str]) -> bool:
    """Whether these dates, in the order of a file, have the day first.

    The month is first unless it cannot be: some month would be above 12, or times would run
    backwards, or (as both are possible) they would span much longer than with the day first.
    """
    month_first, other = (
        [parse(text, order) for text in texts if STAMP.fullmatch(text)] for order in (False, True)
    )
    if None in month_first or None in other:
        return sum(date is None for date in month_first) > sum(date is None for date in other)
    ordered = [_span_s(dates) for dates in (month_first, other)]
    return ordered[1] < ordered[0]


def is_ambiguous(text: str) -> bool:
    """Whether month and day, or a year of two digits, can be exchanged for another date."""
    match = STAMP.fullmatch(text)
    if match is None or len(match[1]) == 4:
        return False
    if len(match[4]) < 4:
        return True
    return int(match[1]) <= MONTHS and int(match[3]) <= MONTHS and int(match[1]) != int(match[3])


def _span_s(dates: Sequence[datetime | None]) -> float:
    """The sum of all steps, forwards or back."""
    return sum(
        abs((after - before).total_seconds())
        for before, after in pairwise(date.replace(tzinfo=None) for date in dates if date)
    )
