"""Tables of scans as CSV: from the screen, and for other programs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from monitor.plain_text import csv_field

DIGITS = 5
"""Significant digits of numbers in tables: more than any of them is certain to."""


def csv_time(seconds: float) -> str:
    """UTC seconds as ISO 8601, always with microseconds: pandas takes a column of times for text if
    some of them have no fraction."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def csv_text(
    cells: Sequence[str],
    scans: Sequence[int | None],
    begun: Sequence[float | None],
    columns: Mapping[str, Sequence[object]],
) -> str:
    """Columns of equal length as CSV (RFC 4180), each row with its cell, scan and the time at which
    that began (`begun` in UTC s, written in ISO 8601). What is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["cell", "scan", "time", *map(csv_field, columns)])
    for cell, scan, seconds, *values in zip(cells, scans, begun, *columns.values(), strict=True):
        time = "" if seconds is None else csv_time(seconds)
        writer.writerow(map(csv_field, (cell, scan, time, *map(_rounded, values))))
    return text.getvalue()


def _rounded(value: object) -> object:
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
