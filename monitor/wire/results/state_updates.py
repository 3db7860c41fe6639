"""The engine's state, assembled from its replies: first all scans, then only new ones.

Scans are kept for the whole experiment, with more than a hundred values each, so they are kept
small.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any, cast

from monitor.wire.results.cells import Cell, Scan
from monitor.wire.results.state import State

Kind = type[float] | type[int] | type[object]
Places = dict[str, tuple[Kind, int]]
EXACT = 2**53
SMALL = 64
"""So many numbers, 512 bytes, Python keeps among others of their size; what is longer may keep a
page of memory for itself."""
_PLACES: dict[tuple[tuple[str, Kind], ...], Places] = {}


def updated(old: State | None, told: State) -> State:
    """The state after a reply, of the same engine as `old` or of another. Raises KeyError,
    TypeError or ValueError if the reply is malformed."""
    if old is None or old["engine"] != told["engine"]:
        return merged(None, told)
    if told.get("unchanged"):
        moved = told["cells"].items()
        cells: dict[str, Cell] = {name: {**old["cells"][name], **cell} for name, cell in moved}
        return {**old, **told, "cells": cells}
    return merged(old, told)


def merged(old: State | None, told: State) -> State:
    """The updated state. `told` is complete, or has `changes`: its scans then replace those of
    `old`, and all other scans of `old` are kept."""
    cells: dict[str, Cell] = {}
    known = old["cells"] if old and told.get("changes") else {}
    for name, cell in told["cells"].items():
        scans = known[name].get("scans", ()) if name in known else ()
        cells[name] = {**cell, "scans": _scans(scans, cell.get("scans", ()))}
    return {**told, "cells": cells}


def _scans(known: Iterable[Scan], new: Iterable[Scan]) -> list[Scan]:
    """All of a cell, in the order of time."""
    scans = {(scan["run"], scan["scan"]): scan for scan in known}
    scans |= {(scan["run"], scan["scan"]): cast(Scan, Facts(scan)) for scan in new}
    return sorted(scans.values(), key=lambda scan: float(scan["start_time"] or 0.0))


class Facts(Mapping[str, object]):
    """A dict that is not changed any more: where things lie is shared with all others that are made
    alike, and numbers lie in a row. A fifth of the memory, for a scan's facts."""

    __slots__ = ("_numbers", "_others", "_places")

    def __init__(self, facts: Mapping[str, object]) -> None:
        kinds = tuple((sys.intern(key), _kind(value)) for key, value in facts.items())
        if kinds not in _PLACES:
            _PLACES[kinds] = _places(kinds)
        self._places = _PLACES[kinds]
        numbers = (cast("float | None", facts[key]) for key, kind in kinds if kind is not object)
        row = [math.nan if value is None else value for value in numbers]
        self._numbers = tuple(array("d", row[i : i + SMALL]) for i in range(0, len(row), SMALL))
        self._others = tuple(_shared(facts[key]) for key, kind in kinds if kind is object)

    def __getitem__(self, key: str) -> Any:
        kind, at = self._places[key]
        if kind is object:
            return self._others[at]
        number = self._numbers[at // SMALL][at % SMALL]
        if number != number:
            return None
        return int(number) if kind is int else number

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _kind(value: Any) -> Kind:
    """How it is kept; what is unknown as NaN, which JSON has not, so that scans stay alike."""
    if value is None or type(value) is float:
        return float
    return int if type(value) is int and abs(value) <= EXACT else object


def _places(kinds: tuple[tuple[str, Kind], ...]) -> Places:
    numbers, others = count(), count()
    return {key: (kind, next(others if kind is object else numbers)) for key, kind in kinds}


def _shared(value: Any) -> Any:
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, list):
        return tuple(_shared(item) for item in value)
    return value
