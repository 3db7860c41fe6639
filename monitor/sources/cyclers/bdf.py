"""Battery Data Format (BDF) as CSV, parsed piece by piece: bytes in, readings out.

One line of names, then one for each reading; commas between fields, decimal points. Names are the
labels of the Battery Data Alliance's ontology ("Current / A") or its machine-readable ones
("current_ampere"). A positive current charges.
https://github.com/battery-data-alliance/battery-data-format
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from monitor.errors import SourceError
from monitor.sources.cyclers.eclab.derive import Carry, derive
from monitor.sources.cyclers.new_readings import Look, at_lines
from monitor.sources.cyclers.table import Column, CyclerTable, make_table
from monitor.sources.formats import Format

SUFFIXES = (".bdf", ".bdf.csv")
FORMAT = Format(
    "Battery Data Format",
    ", ".join(SUFFIXES),
    "its column names and at least one complete line of values below them",
)
MAX_LINE_BYTES = 2**20
REQUIRED = {
    "Test Time / s": "test_time_second",
    "Voltage / V": "voltage_volt",
    "Current / A": "current_ampere",
}
"""Label → machine-readable name."""
OPTIONAL = {
    "Unix Time / s": "unix_time_second",
    "Cycle Count / 1": "cycle_count",
    "Step ID": "step_id",
    "Step Count / 1": "step_count",
    "Step Index / 1": "step_index",
    "Net Capacity / Ah": "net_capacity_ah",
    "Charging Capacity / Ah": "charging_capacity_ah",
    "Discharging Capacity / Ah": "discharging_capacity_ah",
}
KNOWN = REQUIRED | OPTIONAL
_LABELS = {name: label for label, name in KNOWN.items()}
STEPS = ("Step ID", "Step Count / 1", "Step Index / 1")
"""The first of these that a file has; the last is that of earlier versions."""


def recognises(path: Path, head: bytes) -> bool:
    """By its suffix, or its column names."""
    names = labels(_fields(head.split(b"\n", 1)[0]))
    return path.name.lower().endswith(SUFFIXES) or all(name in names for name in REQUIRED)


def follow(path: Path) -> Look:
    """Looks at a file that grows by lines."""
    return at_lines(path, BdfParser(str(path)))


def labels(names: Sequence[str]) -> list[str]:
    """Names of columns as labels; others as they are."""
    return [_LABELS.get(name.strip(), name.strip()) for name in names]


def check_names(file: str, names: Sequence[str]) -> None:
    """Raises SourceError if a column that every file must have is missing, or if it is not clear
    which of two is meant. `names`: labels, of all columns."""
    if lacking := [name for name in REQUIRED if name not in names]:
        raise SourceError(
            f"{file}: has no column {', '.join(lacking)}, expected the column names of Battery "
            "Data Format in its first line; convert the file again"
        )
    if double := sorted({name for name in names if name in KNOWN and names.count(name) > 1}):
        raise SourceError(
            f"{file}: has several columns {', '.join(double)}, expected one; remove the others"
        )


class Readings:
    """Columns of BDF become readings, in pieces of any size."""

    def __init__(self) -> None:
        self._carry = Carry()
        self._start: float | None = None

    def table(
        self, columns: Mapping[str, Column], skipped: int, notes: Sequence[str], file: str
    ) -> CyclerTable:
        """Readings of these columns, by label; those without a time count as skipped."""
        timed = np.isfinite(columns["Test Time / s"])
        found = {name: values[timed] for name, values in columns.items()}
        time_s, unix_s = found["Test Time / s"], found.get("Unix Time / s")
        if self._start is None and unix_s is not None:
            origins = (unix_s - time_s)[np.isfinite(unix_s)]
            self._start = float(origins[0]) if origins.size else None
        derived = derive(_as_eclab(found), time_s.size, self._carry)
        told = [f"{file}: {line}" for line in (*notes, *self._carry.told())]
        return make_table(derived, self._start, False, skipped, tuple(told))


def _as_eclab(found: Mapping[str, Column]) -> dict[str, Column]:
    """The columns by the names of EC-Lab for the same, in its units."""
    columns = {
        "time/s": found["Test Time / s"],
        "Ewe/V": found["Voltage / V"],
        "I/A": found["Current / A"],
    }
    net = found.get("Net Capacity / Ah")
    into, out = found.get("Charging Capacity / Ah"), found.get("Discharging Capacity / Ah")
    if net is None and into is not None and out is not None:
        net = into - out
    step = next((found[name] for name in STEPS if name in found), None)
    more = {"(Q-Qo)/A.h": net, "cycle number": found.get("Cycle Count / 1"), "Ns": step}
    return columns | {name: values for name, values in more.items() if values is not None}


class BdfParser:
    """BDF text, fed in pieces of any size: each piece gives the readings that it completes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""
        self._names: list[str] | None = None
        self._skipped = 0
        self._notes: dict[str, str] = {}
        self._readings = Readings()

    def feed(self, data: bytes) -> CyclerTable:
        """The readings in the lines that `data` completes; a line still growing is kept. Raises
        SourceError."""
        if b"\0" in data:
            raise SourceError(f"{self._name}: is not text, expected Battery Data Format as CSV")
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise SourceError(f"{self._name}: is not text, expected Battery Data Format as CSV")
        return self._take(lines)

    def finish(self) -> CyclerTable:
        """The reading in a last line without its end, if all its fields are there; or none. Raises
        SourceError if there were no column names."""
        rest, self._rest = self._rest, b""
        table = self._take([rest])
        if self._names is None:
            raise SourceError(f"{self._name}: is empty, expected Battery Data Format as CSV")
        return table

    def _take(self, lines: Sequence[bytes]) -> CyclerTable:
        rows: list[list[str]] = []
        for line in lines:
            fields = _fields(line)
            if not any(fields):
                continue
            if self._names is None:
                names = labels(fields)
                check_names(self._name, names)
                self._names = names
            elif len(fields) == len(self._names):
                rows.append(fields)
            else:
                self._skipped += 1
        columns = {
            name: self._numbers(name, [row[index] for row in rows])
            for index, name in enumerate(self._names or REQUIRED)
            if name in KNOWN
        }
        self._skipped += int(np.isnan(columns["Test Time / s"]).sum())
        return self._readings.table(columns, self._skipped, [*self._notes.values()], self._name)

    def _numbers(self, name: str, texts: Sequence[str]) -> Column:
        """NaN, which is reported, for what is not a number."""
        values = np.full(len(texts), np.nan)
        for index, text in enumerate(texts):
            try:
                value = float(text or "nan")
            except ValueError:
                value = np.inf
            if np.isinf(value):
                told = f"column {name} holds '{text[:40]}' and possibly other text: left out"
                self._notes.setdefault(name, told)
            else:
                values[index] = value
        return values


def _fields(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").strip("\r\n\ufeff")
    try:
        return [field.strip() for field in next(csv.reader([text]), [])]
    except csv.Error:  # a field of more than 128 KiB
        return []
