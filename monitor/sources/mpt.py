"""EC-Lab and BT-Lab text exports (`.mpt`), parsed piece by piece: bytes in, readings out.

Lines end with CRLF or LF; the text is windows-1252; numbers have a decimal point or comma; the
header has any number of lines, or there is none. Its electrode area is never used: it is often an
untouched default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

import numpy as np

from monitor.errors import SourceError
from monitor.sources.cycler_table import (
    COLUMNS,
    USED,
    Carry,
    Column,
    CyclerTable,
    derive,
    make_table,
)

MAX_LINE_BYTES = 2**20
BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf"  # of UTF-8, as windows-1252 shows it

_TITLES = ("EC-Lab ASCII FILE", "BT-Lab ASCII FILE")
_STARTED = re.compile(
    r"^Acquisition started on\s*:\s*(\d{1,4})([/.-])(\d{1,2})[/.-](\d{1,4})"
    r"\s+(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,6}))?"
)


class MptParser:
    """EC-Lab text, fed in pieces of any size: each piece gives the readings that it completes."""

    def __init__(self, name: str, tz: tzinfo | None = None) -> None:
        self._name = name
        self._tz = tz
        self._rest = b""
        self._line = 0
        self._names_line = 0
        self._names: list[str] | None = None
        self._start_time: float | None = None
        self._skipped = 0
        self._carry = Carry()
        self._all: list[CyclerTable] = []

    def feed(self, data: bytes) -> CyclerTable:
        """The readings in the lines that `data` completes; a line still growing is kept."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if b"\0" in data or len(self._rest) > MAX_LINE_BYTES:
            raise SourceError(f"{self._name}: is not text, expected an EC-Lab .mpt export")
        table = self._take(lines)
        self._all.append(table)
        return table

    def close(self) -> CyclerTable:
        """All readings, those of `finish` among them. Raises SourceError."""
        self._all.append(self.finish())
        return self._table(
            {
                name: np.concatenate([getattr(table, name) for table in self._all])
                for name in COLUMNS
            }
        )

    def finish(self) -> CyclerTable:
        """The reading in a last line without its end, where all its fields are there; or none.

        Raises SourceError where the column names never came.
        """
        rest, self._rest = self._rest, b""
        table = self._take([rest] if rest else [])
        if self._names is None:
            raise SourceError(
                f"{self._name}: ends before its column names, expected an EC-Lab .mpt export"
            )
        return table

    def _take(self, lines: list[bytes]) -> CyclerTable:
        rows: list[list[float]] = []
        for raw in lines:
            self._line += 1
            text = raw.decode("cp1252", "replace").rstrip("\r\n")
            if self._names is None:
                self._header(text)
            elif text.strip():
                self._row(text, rows)
        names = self._names or []
        values = np.array(rows, float).reshape(len(rows), len(names))
        columns = {name: values[:, i] for i, name in enumerate(names) if name in USED}
        return self._table(derive(columns, len(rows), self._carry))

    def _table(self, columns: Mapping[str, Column]) -> CyclerTable:
        return make_table(columns, self._start_time, self._tz is None, self._skipped)

    def _header(self, text: str) -> None:
        if self._line == 1 and text.removeprefix(BYTE_ORDER_MARK).startswith(_TITLES):
            return
        if self._line == 2 and text.startswith("Nb header lines"):
            digits = re.search(r"\d+", text)
            self._names_line = int(digits[0]) if digits else 0
            return
        if self._line < self._names_line:
            self._start_time = _start_time(text, self._tz) or self._start_time
            return
        names = [name.strip() for name in text.removeprefix(BYTE_ORDER_MARK).split("\t")]
        if "time/s" not in names:
            raise SourceError(
                f"{self._name}: line {self._line} has no column time/s, expected the column names "
                "of an EC-Lab .mpt export; export the file again with time/s"
            )
        self._names = names[:-1] if names[-1] == "" else names

    def _row(self, text: str, rows: list[list[float]]) -> None:
        assert self._names is not None
        fields = text.split("\t")
        values = [
            _number(field) if name in USED else 0.0
            for name, field in zip(self._names, fields, strict=False)
        ]
        if len(values) < len(self._names) or not np.isfinite(values[self._names.index("time/s")]):
            self._skipped += 1
            return
        rows.append(values)


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


def _start_time(text: str, tz: tzinfo | None) -> float | None:
    """UTC s from the header's line, month first as EC-Lab writes it; None where it is not there."""
    match = _STARTED.match(text)
    if match is None:
        return None
    first, mark, second, third = int(match[1]), match[2], int(match[3]), int(match[4])
    if len(match[1]) == 4:
        year, month, day = first, second, third
    elif mark == "." or first > 12:
        day, month, year = first, second, third
    else:
        month, day, year = first, second, third
    fraction_us = int((match[8] or "0").ljust(6, "0"))
    clock = (int(match[5]), int(match[6]), int(match[7]), fraction_us)
    try:
        return datetime(year, month, day, *clock, tzinfo=tz or UTC).timestamp()
    except ValueError:
        return None
