"""Numbers as text: the same words on the screen, in a report and on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from monitor.quantities.quantity import Quantity
from monitor.quantities.table import SCALARS

UNKNOWN = "–"
SMALLEST = "< 1e-300"
"""A number above zero that is smaller than a float can hold."""


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
    error below 0.1, otherwise one."""
    if not isinstance(error, int | float) or not math.isfinite(error):
        return number(value)
    if number(value) == UNKNOWN:
        return UNKNOWN
    digits = 1 if error >= 0.1 else 2
    # an error below the last digit shown is rounded up to it
    return f"{number(value, digits)} ± {number(max(error, 0.01), digits)}"


def value_text(quantity: Quantity, value: Any) -> str:
    """A value with the digits of its quantity, without the unit but for the % of a share."""
    if quantity.form == "share":
        return percent(value, quantity.digits or 0)
    if quantity.form == "text":
        return str(value or UNKNOWN)
    text = number(value, max(quantity.digits or 0, 0))
    if quantity.digits == -1 and text != UNKNOWN:
        return f"{value:.0e}" if value else SMALLEST
    return text


def with_unit(quantity: Quantity, value: Any, length_unit: str) -> str:
    """The same with its unit; lengths are in `length_unit`, µm or voxel."""
    text, unit = value_text(quantity, value), quantity.unit_text(length_unit)
    return text if text == UNKNOWN or unit in ("", "%") else f"{text} {unit}"


def summary_text(quantity: Quantity, summary: Mapping[str, Any]) -> str:
    """A number of a scan's summary with its unit, and with its error if it is a length that has
    one; a dash if it is not known."""
    length_unit = str(summary.get("length_unit") or "µm")
    value = summary.get(quantity.key(length_unit))
    if not (quantity.is_length and quantity.error):
        return with_unit(quantity, value, length_unit)
    text = with_error(value, summary.get(SCALARS[quantity.error].key(length_unit)))
    return text if text == UNKNOWN else f"{text} {length_unit}"


def column_head(quantity: Quantity, length_unit: str) -> str:
    """Head of a column: title over unit; the unit alone for charge and current, as in the paper."""
    unit = quantity.unit_text(length_unit)
    return unit if unit.startswith("mA") else f"{quantity.title}\n{unit}".rstrip()


def counted(count: int, noun: str, plural: str = "") -> str:
    """ "1 pit", "2 pits"; `plural` for a noun that does not end in s then."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0.0 else text
