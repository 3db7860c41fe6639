"""EC-Lab and BT-Lab text exports (`.mpt`, `.txt`, `.csv`), parsed piece by piece: bytes in,
readings out.

Lines end with CRLF or LF; the text is windows-1252 or UTF-8; fields are separated by tabs,
semicolons or commas; numbers have a decimal point or comma, and the other one may separate
thousands; the header has any number of lines, or
there is none. Its electrode area is never used: it is often an untouched default.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from monitor.errors import SourceError
from monitor.sources.cyclers.eclab import dates
from monitor.sources.cyclers.eclab.columns import role
from monitor.sources.cyclers.eclab.derive import Carry, derive
from monitor.sources.cyclers.new_readings import Look, at_lines
from monitor.sources.cyclers.table import Column, CyclerTable, make_table
from monitor.sources.formats import Format

SUFFIXES = (".mpt", ".txt", ".csv")
FORMAT = Format(
    "EC-Lab text",
    ", ".join(SUFFIXES),
    "its column names and at least one complete line of values below them",
)
MAX_LINE_BYTES = 2**20
BYTE_ORDER_MARK = "\ufeff"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS = "\t;,"
SHOWN = 60
"""So much of a line is shown in an error."""
SPARE_LINES = 8
"""So many lines later than the header says the column names may stand: a comment of several lines
makes it longer."""

_TITLES = ("EC-Lab ASCII FILE", "BT-Lab ASCII FILE")
_ONE_SIGN = re.compile(r"(?=.*\d)[+-]?\d*([.,])\d*(?:[eE][+-]?\d+)?")
_THOUSANDS = {
    sign: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(other)}\d{{3}})+(?:{re.escape(sign)}\d*)?")
    for sign, other in (".,", ",.")
}
"""Numbers with this decimal sign whose thousands are separated by the other one."""
_NUMBER_OF_LINES = re.compile(r"Nb header lines\s*:?\s*(\d*)")
_STARTED = re.compile(r"^Acquisition started on\s*:\s*(.*?)[\s;,]*$")


def recognises(path: Path, head: bytes) -> bool:
    """By its suffix, its title or its column names; what is wrong with it the parser says."""
    lines = [_decoded(line).strip("\r\n" + BYTE_ORDER_MARK) for line in head.split(b"\n")]
    return (
        path.suffix.lower() in SUFFIXES
        or lines[0].startswith(_TITLES)
        or any(_is_names(_split(line, sign)) for line in lines for sign in SEPARATORS)
    )


def follow(path: Path) -> Look:
    """Looks at a file that grows by lines."""
    return at_lines(path, MptParser(str(path)))


class MptParser:
    """EC-Lab text, fed in pieces of any size: each piece gives the readings that it completes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""
        self._line = 0
        self._names_line = 0
        self._names: list[str] | None = None
        self._separator = "\t"
        self._width = 0
        self._last_length = 0
        self._started = ""
        self._decimal = ""
        self._zone_said = False
        self._day_first: bool | None = None
        self._origin: float | None = None
        self._skipped = 0
        self._readings = 0
        self._carry = Carry()

    def feed(self, data: bytes) -> CyclerTable:
        """The readings in the lines that `data` completes; a line still growing is kept."""
        if self._line == 0 and (self._rest + data).startswith(UTF_16):
            raise SourceError(f"{self._name}: is UTF-16 text; save it as UTF-8, or export it again")
        *lines, self._rest = (self._rest + data).split(b"\n")
        if b"\0" in data:
            line = self._line + data[: data.index(0)].count(b"\n")
            raise SourceError(
                f"{self._name}: is not text, it holds zero bytes after line {line}; expected an "
                "EC-Lab .mpt export: copy it again, or export it again"
            )
        if len(self._rest) > MAX_LINE_BYTES:
            raise SourceError(f"{self._name}: is not text, expected an EC-Lab .mpt export")
        return self._take(lines)

    def finish(self) -> CyclerTable:
        """The reading in a last line without its end, where all its fields are there; or none.

        Raises SourceError if the column names never arrived.
        """
        rest, self._rest = self._rest, b""
        table = self._take([rest] if rest else [], complete=False)
        if self._names is None:
            raise SourceError(
                f"{self._name}: ends before its column names, expected an EC-Lab .mpt export"
            )
        return table

    def _take(self, lines: list[bytes], complete: bool = True) -> CyclerTable:
        rows: list[list[str]] = []
        for raw in lines:
            self._line += 1
            text = _decoded(raw).rstrip("\r\n")
            if self._names is None:
                self._header(text)
            elif text.strip():
                self._row(text, rows, complete)
        columns = self._columns(rows)
        timed = np.isfinite(columns["time/s"]) if rows else np.empty(0, bool)
        self._skipped += int(timed.size - timed.sum())
        columns = {name: values[timed] for name, values in columns.items()}
        derived = derive(columns, int(timed.sum()), self._carry)
        self._readings += len(derived["time_s"])
        if 2 * len(self._carry.restarts) > self._readings:
            raise SourceError(
                f"{self._name}: time/s runs backwards up to line {self._line}; sort the lines by "
                "time, or export the file again"
            )
        return self._table(derived)

    def _columns(self, rows: list[list[str]]) -> dict[str, Column]:
        """The columns that are used, time as `time/s`; names without any value are left out."""
        columns: dict[str, Column] = {}
        self._find_decimal(rows)
        for index, name in enumerate((self._names or [])[: self._width or None]):
            known = role(name)
            if known is None or name in columns:
                continue
            texts = [row[index] if index < len(row) else "" for row in rows]
            if known[0] != "time":
                columns[name] = self._numbers(name, texts)
            elif "time/s" not in columns:
                columns["time/s"] = self._times(texts, known[1])
        return columns

    def _find_decimal(self, rows: list[list[str]]) -> None:
        """The sign in a number that has one, and no thousands: "2.5", but not "1,234"."""
        for text in (text for row in rows for text in row if not self._decimal):
            found = _ONE_SIGN.fullmatch(text)
            if found is not None and not any(one.fullmatch(text) for one in _THOUSANDS.values()):
                self._decimal = found[1]

    def _number(self, text: str) -> float:
        """NaN for what is not a number. Until a number has shown what the decimal sign is, point
        and comma both are."""
        thousands = _THOUSANDS.get(self._decimal)
        if thousands is not None and thousands.fullmatch(text):
            other = "," if self._decimal == "." else "."
            if other in text:
                plain = text.replace(other, "")
                self._carry.notes.setdefault(
                    "thousands", f"'{text}' is read as {plain}: decimals have a {self._decimal!r}"
                )
                text = plain
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return float("nan")

    def _numbers(self, name: str, texts: list[str]) -> Column:
        """NaN, which is reported, for what is not a number."""
        values = np.array([self._number(text) for text in texts], float)
        bad = np.flatnonzero(~np.isfinite(values))
        values[bad] = np.nan
        for index in bad:
            if texts[index]:
                self._carry.notes.setdefault(
                    f"no number in {name}",
                    f"column {name} holds '{texts[index]}' and possibly other text: left out",
                )
                break
        return values

    def _times(self, texts: list[str], factor: float) -> Column:
        """Seconds since the start: numbers, absolute dates, or hours:minutes:seconds."""
        times = np.array([self._number(text) for text in texts], float) * factor
        stamped = [i for i, text in enumerate(texts) if dates.STAMP.fullmatch(text)]
        if stamped and self._day_first is None:
            self._day_first = dates.day_first([self._started, *(texts[i] for i in stamped)])
            self._carry.can_restart = False
        for index in stamped:
            if (moment := self._utc(texts[index])) is None:
                continue
            if self._origin is None:
                start = self._start()
                self._origin = moment if start is None else start
            times[index] = moment - self._origin
        for index, text in enumerate(texts):
            if np.isnan(times[index]) and (clock := dates.clock_s(text)) is not None:
                times[index] = clock
        return times

    def _start(self) -> float | None:
        """When the acquisition started by its header, which may be in another order than rows."""
        day_first = self._read_day_first()
        moment = dates.parse(self._started, day_first)
        return self._stamp(moment or dates.parse(self._started, not day_first))

    def _utc(self, text: str) -> float | None:
        return self._stamp(dates.parse(text, self._read_day_first()))

    def _stamp(self, moment: datetime | None) -> float | None:
        if moment is None:
            return None
        self._zone_said = self._zone_said or moment.tzinfo is not None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def _read_day_first(self) -> bool:
        return dates.day_first([self._started]) if self._day_first is None else self._day_first

    def _table(self, columns: Mapping[str, Column]) -> CyclerTable:
        start = self._origin if self._origin is not None else self._start()
        return make_table(columns, start, not self._zone_said, self._skipped, self._notes())

    def _notes(self) -> tuple[str, ...]:
        told = self._carry.told()
        moment = dates.parse(self._started, self._read_day_first())
        if moment is not None and dates.is_ambiguous(self._started):
            first = "day" if self._read_day_first() else "month"
            told = (
                f"start {self._started} is read with the {first} first, {moment.day} "
                f"{moment:%B %Y}; the .mpr file of the run is unambiguous",
                *told,
            )
        if self._started and self._start() is None:
            told = (
                f"start '{self._started}' cannot be read as a date and time (expected month/day/"
                "year hours:minutes:seconds)",
                *told,
            )
        names = (self._names or [])[self._width :] if self._width else []
        if lacking := [name for name in names if role(name)]:
            told = (*told, f"columns without values: {', '.join(lacking)}")
        return tuple(f"{self._name}: {line}" for line in told)

    def _header(self, text: str) -> None:
        text = text.removeprefix(BYTE_ORDER_MARK)
        if text.startswith(_TITLES):
            self._names_line = max(self._names_line, self._line + 1 + SPARE_LINES)
            return
        if (match := _NUMBER_OF_LINES.match(text)) is not None:
            self._names_line = int(match[1] or 0) + SPARE_LINES
            return
        if (match := _STARTED.match(text)) is not None:
            self._started = match[1]
            return
        for separator in SEPARATORS:
            names = _split(text, separator)
            if _is_names(names):
                break
        else:
            if not text.strip() or self._line < self._names_line:
                return
            raise SourceError(
                f"{self._name}: no column time/s up to line {self._line} ({text[:SHOWN]!r}), "
                "expected the column names of an EC-Lab export; export the file again from EC-Lab "
                "with time/s, files of other cyclers cannot be read"
            )
        while names[-1] == "":
            names.pop()
        self._names, self._separator = names, separator

    def _repeats_names(self, text: str, fields: list[str]) -> bool:
        """Whether a line repeats the column names. Raises SourceError if others, or another header,
        begin within the rows."""
        while fields and fields[-1] == "":
            fields = fields[:-1]
        if fields == self._names:
            return True
        if text.startswith(_TITLES) or _is_names(fields):
            raise SourceError(
                f"{self._name}: another export begins at line {self._line}; save each in a file of "
                "its own, and give all of them with --cycler"
            )
        return False

    def _row(self, text: str, rows: list[list[str]], complete: bool) -> None:
        if self._names is None:
            raise RuntimeError("a row before the names of the columns")
        fields = _split(text, self._separator)
        if text.lstrip(' "<(')[:1].isalpha() and self._repeats_names(text, fields):
            return
        filled = max((i + 1 for i, field in enumerate(fields) if field), default=0)
        if self._separator == "," and filled > len(self._names):
            raise SourceError(
                f"{self._name}: line {self._line} has {filled} values for {len(self._names)} "
                "names: commas separate both values and decimals; export the file again with tabs"
            )
        if complete:  # rows may be shorter than the line of names
            self._width = max(self._width, min(filled, len(self._names)))
        if len(fields) < (self._width or len(self._names)):
            self._skipped += 1
            return
        last = (self._width or len(self._names)) - 1
        if complete:
            self._last_length = len(fields[last])
        elif len(fields[last]) < self._last_length:  # a line without its end may lack digits
            fields[last] = ""
        rows.append(fields)


def _is_names(fields: list[str]) -> bool:
    return any((known := role(field)) is not None and known[0] == "time" for field in fields)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _split(text: str, separator: str) -> list[str]:
    if separator == "\t":
        return [field.strip() for field in text.split("\t")]
    return [field.strip() for field in next(csv.reader([text], delimiter=separator), [])]
