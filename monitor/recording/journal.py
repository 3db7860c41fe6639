"""Records ↔ lines of `journal.jsonl`: every message in the order in which the session took it.

A line of a slice holds its JSON header as it arrived; the pixels are in the scan's file. `frame`
says in which file, and whether they were kept: "kept" (of a repeat, those that came first), "none"
(a slice that fits no running scan) or "not_finite".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from monitor.errors import RecordingError
from monitor.recording import files
from monitor.recording.checksums import NAME, with_crc
from monitor.records import (
    Acknowledgement,
    BadInput,
    ConnectionChange,
    CyclerClock,
    CyclerDocument,
    FeedQuiet,
    FeedSilence,
    OperatorNote,
    OperatorRequest,
    PolicyChange,
    Record,
    RecordingTrouble,
    ScanEnd,
    ScanReply,
    ScanStart,
    SliceFrame,
)
from monitor.wire.documents import MAX_BYTES, plain_dtype
from monitor.wire.slices import codec, stins
from monitor.wire.slices.limits import LARGEST, Limits

MAX_WAITING_BYTES = 2**26
MAX_LINE_BYTES = 8 * MAX_BYTES
"""Of a document, the longest message; each of its bytes may take six in JSON."""
MAX_ARRAY_BYTES = MAX_BYTES
LONE = re.compile("[\ud800-\udfff]")
"""Halves of a character, that JSON can escape and UTF-8 cannot say."""
DAMAGED = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError,
)  # fmt: skip
"""What reading a line raises that was not written by a `JournalWriter`."""
NUMBER: Final = "scan"
"""In `frame` of a header's line: the number of the scan here, if that is not the one sent."""
MAX_COUNT = 2**32
"""Bad messages in one line."""
RESEND_FEED = "resend"
"""`feed` of a line whose message had been lost and arrived because it was asked for."""
NAMES: dict[str, type[Any]] = {
    "bad": BadInput,
    "reply": ScanReply,
    "operator": OperatorRequest,
    "policy": PolicyChange,
    "note": OperatorNote,
    "acknowledgement": Acknowledgement,
    "quiet": FeedQuiet,
    "silence": FeedSilence,
    "clock": CyclerClock,
    "trouble": RecordingTrouble,
    "connection": ConnectionChange,
}
READERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in NAMES.items()}


Object = dict[str, object]
"""A line that was read, before it is known what it is."""


class Place(TypedDict, total=False):
    """Where the pixels of a slice are; of a header, the file of its scan, and its number here if
    that is not the one sent."""

    file: str
    pixels: Literal["kept", "none", "not_finite", "refused"]
    scan: int


class Line(TypedDict, total=False):
    """A line of the journal: of the slice stream `header` and `frame`, of the cycler `name` and
    `doc`, otherwise one of `NAMES` with the fields of its record."""

    n: int
    at: float
    feed: str
    header: stins.Header
    frame: Place
    name: str
    doc: Mapping[str, object]


class JournalWriter:
    """Appends lines. What the disk refuses waits in memory, up to a bound, and is tried again."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._encoder = json.JSONEncoder(separators=(",", ":"), default=_tagged)
        self._waiting = bytearray()
        self._number = 0

    def go_on(self, lines: int) -> None:
        """There are so many lines already."""
        self._number = lines

    def append(self, entry: Line) -> None:
        """Numbers the line, keeps it for the next `flush`. Raises OSError when too much waits."""
        line = self._encoder.encode({"n": self._number, **entry})
        if len(self._waiting) > MAX_WAITING_BYTES:
            raise OSError("too many lines of the journal are waiting for the disk")
        self._waiting += with_crc(line.encode())
        self._number += 1

    def flush(self) -> None:
        """Hands all lines to the system. Raises OSError; nothing is lost by that."""
        while self._waiting:
            written = os.write(self._file, self._waiting)
            del self._waiting[:written]

    def sync(self) -> None:
        """As `flush`, and all is on the disk when this returns."""
        self.flush()
        os.fsync(self._file)

    def close(self) -> None:
        """Flushes and closes."""
        try:
            self.flush()
        finally:
            os.close(self._file)


def slice_header(
    frame: bytes | memoryview | None, record: ScanStart | SliceFrame | ScanEnd
) -> stins.Header:
    """The header of a slice-stream message by its first frame, as it arrived (without one, as we
    would send it); of codec `dectris2` in the keys of `stins`, as pixels are elsewhere."""
    if frame is not None:
        return codec.header_of(frame)
    match record:
        case ScanStart():
            return stins.start_header(record)
        case ScanEnd():
            return stins.end_header(record)
    return stins.slice_header(record)


def entry_of(record: Record, header: stins.Header | None, frame: Place) -> Line:
    """What a line says of a record; `header` and `frame` for messages of the slice stream."""
    if header is not None:
        return {"header": header, "frame": frame}
    if isinstance(record, CyclerDocument):
        return {"name": record.name, "doc": record.doc}
    name = next(name for name, kind in NAMES.items() if isinstance(record, kind))
    return cast(Line, {name: asdict(record)})


def writable(record: Record) -> Record:
    """The record as it can be read from a journal again: what no UTF-8 says in its texts (lone
    surrogates, as from names of files) is "?"."""
    if not isinstance(record, tuple(NAMES.values())):
        return record
    bad: dict[str, Any] = {
        name: LONE.sub("?", text)
        for name, text in asdict(record).items()
        if isinstance(text, str) and not text.isascii() and LONE.search(text)
    }
    return replace(record, **bad) if bad else record


def record_of(entry: Line, limits: Limits = LARGEST) -> Record:
    """The record in a line, except of a slice's `image` message, whose pixels are elsewhere.

    Raises RecordingError if it holds none.
    """
    if "header" in entry:
        message = stins.decode([json.dumps(entry["header"]).encode()], limits)
        if isinstance(message, ScanStart):
            return _numbered(replace(message, recovered=_is_recovered(entry)), entry)
        return message
    if "doc" in entry and isinstance(entry["doc"], dict):
        return CyclerDocument(str(entry["name"]), entry["doc"])
    for name, reader in READERS.items():
        if name in entry:
            text = json.dumps(cast(Object, entry)[name], ensure_ascii=False)
            record: Record = reader.validate_json(LONE.sub("?", text), strict=True)
            if isinstance(record, BadInput) and not 0 < record.count <= MAX_COUNT:
                raise RecordingError(f"journal: line {entry.get('n')} counts {record.count!r:.20}")
            return record
    raise RecordingError(f"journal: line {entry.get('n')} contains no known message")


def slice_of(entry: Line, pixels: NDArray[Any]) -> SliceFrame:
    """The slice of a line with an `image` message, whose pixels are given."""
    header = entry["header"]
    return SliceFrame(
        cell=header["cell"],
        scan=header["scan"],
        stream=header["stream"],
        msg_number=header["msg_number"],
        frame=header["frame"],
        data=pixels,
        recovered=_is_recovered(entry),
    )


def _numbered(start: ScanStart, entry: Line) -> ScanStart:
    """A header with the number under which its scan is recorded, if that is not the one sent."""
    scan = number_of(entry)
    return start if scan == start.number else start.numbered(scan)


def number_of(entry: Line) -> int:
    """The number under which the scan of a line with a `header` message is recorded."""
    return int((entry.get("frame") or {}).get(NUMBER, entry["header"]["scan"]))


def _is_recovered(entry: Line) -> bool:
    return bool(entry.get("feed") == RESEND_FEED)


def lines(path: Path, within: Path) -> Iterator[Object]:
    """The lines of a journal in the recording `within`. A last line that a crash cut short is left
    out.

    Raises RecordingError if there is no journal, or a line within it is damaged.
    """
    number = 0
    try:
        with files.opened(path, within) as file:
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                if line.endswith(b"\n"):
                    yield parse_line(line)
                elif len(line) == MAX_LINE_BYTES:
                    raise ValueError
    except DAMAGED:
        raise RecordingError(f"{path}: line {number} is damaged") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror})") from None


def parse_line(line: bytes) -> Object:
    """What a line says. Raises one of `DAMAGED`."""
    entry = json.loads(line, object_hook=_untagged)
    if not isinstance(entry, dict):
        raise ValueError
    entry.pop(NAME, None)  # it says nothing of the message; `verify` looks at it
    return entry


def _tagged(value: Any) -> Any:
    """What JSON cannot say: arrays and bytes of a bluesky document."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"__array__": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, bytes):
        return {"__bytes__": value.hex()}
    return str(value)


def _untagged(found: dict[str, Any]) -> Any:
    if "__array__" in found:
        return _array(found["__array__"], found["dtype"])
    if "__bytes__" in found:
        return bytes.fromhex(found["__bytes__"])
    return found


def _array(values: Any, name: Any) -> NDArray[Any]:
    dtype = plain_dtype(name)
    if dtype.itemsize * _count(values) > MAX_ARRAY_BYTES:
        raise ValueError
    return np.array(values, dtype)


def _count(values: Any) -> int:
    """How many values are in lists of lists."""
    return sum(map(_count, values)) if isinstance(values, list) else 1
