"""The filter of the pits that an operator writes: `depth > 10 and diameter < 40`.

A filter is conditions joined by "and": a column, a sign, a number. It is read, never executed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.quantities.table import PIT_COLUMNS

SYNONYMS = {
    "max depth": "depth_max",
    "mean": "depth_mean",
    "width": "diameter",
    "current": "current_density_mA_cm2",
    "j": "current_density_mA_cm2",
}
TITLES = {column.title.lower(): name for name, column in PIT_COLUMNS.items()}
WORDS = {
    **{name.lower(): name for name in PIT_COLUMNS},
    **{name.lower().replace("_", " "): name for name in PIT_COLUMNS},
    **SYNONYMS,
    **TITLES,
}
"""Columns by all names that an operator may use: title, name, and other common ones."""

Compare = Callable[[Any, float], Any]
SIGNS: dict[str, Compare] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "≤": operator.le,
    "≥": operator.ge,
    "≠": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}

_AND = re.compile(r"\band\b|&&?", re.IGNORECASE)
_CONDITION = re.compile(
    r"\s*(?P<word>[a-z][\w ]*?)\s*(?P<sign><=|>=|!=|==|[≤≥≠=<>])\s*(?P<number>\S+)\s*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Condition:
    """One column compared with one number."""

    column: str
    sign: str
    number: float

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where it is true; never where a value is unknown (NaN)."""
        true: NDArray[np.bool_] = SIGNS[self.sign](values, self.number) & ~np.isnan(values)
        return true


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold; or none, and `why` the text is not a filter."""

    conditions: tuple[Condition, ...] = ()
    why: str = ""

    def rows(self, columns: Mapping[str, NDArray[np.float64]], count: int) -> NDArray[np.intp]:
        """Indices of the rows that pass, in their order."""
        passing = np.ones(count, np.bool_)
        for condition in self.conditions:
            values = columns.get(condition.column)
            passing &= False if values is None else condition.holds(values)
        return np.flatnonzero(passing)


def read_filter(text: str) -> Filter:
    """The filter that a text says; an empty text lets everything pass."""
    if not text.strip():
        return Filter()
    conditions = []
    for part in _AND.split(text):
        found = _read_condition(part)
        if isinstance(found, str):
            return Filter(why=found)
        conditions.append(found)
    return Filter(tuple(conditions))


def _read_condition(part: str) -> Condition | str:
    """A condition, or why the text is none."""
    match = _CONDITION.fullmatch(part)
    if match is None:
        said = f"“{part.strip()}” is not a condition" if part.strip() else "A condition is missing"
        return f"{said}: write one such as depth > 10, several joined by and"
    word = " ".join(match["word"].lower().split())
    column = WORDS.get(word)
    if column is None:
        known = ", ".join(TITLES)
        return f"There is no “{word}”: write {known}"
    if _NUMBER.fullmatch(match["number"]) is None:
        return f"“{match['number']}” is not a number: write one such as 12.5"
    return Condition(column, match["sign"], float(match["number"]))
