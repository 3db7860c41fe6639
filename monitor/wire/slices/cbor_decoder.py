"""CBOR (RFC 8949) as far as DECTRIS Stream V2 needs it.

A library would copy the pixels, take memory for what a length claims and carry out what a tag
says. Here byte strings are views of the message, everything is bounded by the bytes that are
there, and a tag stays a tag.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple, NoReturn

from monitor.errors import BadMessage
from monitor.wire.fields import Frame
from monitor.wire.slices.limits import MAX_DEPTH

MAX_ITEMS = 20_000
MAX_PLAIN_BYTES = 2**20
"""Of a message without its byte strings: what is taken apart and kept."""
SELF_DESCRIBED = b"\xd9\xd9\xf7"
REFUSED_TAGS = (2, 3, 4, 5, 25, 28, 29, 256)
"""Numbers of any length, and values that stand for others."""
BREAK = 0xFF
SIMPLE = {20: False, 21: True, 22: None, 23: None}
FLOATS = {25: ">e", 26: ">f", 27: ">d"}

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, OTHER = range(8)


class Tag(NamedTuple):
    """A value, and what it is said to be."""

    number: int
    value: Any


def is_map(frame: Frame) -> bool:
    """Whether a frame begins as a map of CBOR does, which no JSON does."""
    place = len(SELF_DESCRIBED) if frame[: len(SELF_DESCRIBED)] == SELF_DESCRIBED else 0
    return len(frame) > place and frame[place] >> 5 == MAP


def read(frame: Frame) -> Any:
    """The value that a frame holds; byte strings in it are views of the frame. Maps have text for
    keys, each once. Raises BadMessage for what is no such value or exceeds the bounds."""
    reader = _Reader(memoryview(frame))
    return reader.whole()


class _Reader:
    """Reads one message from its beginning to its end."""

    def __init__(self, frame: memoryview) -> None:
        self._frame = frame
        self._at = 0
        self._items = 0
        self._byte_strings = 0

    def whole(self) -> Any:
        if self._frame[: len(SELF_DESCRIBED)] == SELF_DESCRIBED:
            self._at = len(SELF_DESCRIBED)
        value = self._item(0)
        if self._at != len(self._frame):
            self._refuse(f"continues after its end at byte {self._at}")
        return value

    def _item(self, depth: int) -> Any:
        self._items += 1
        if depth > MAX_DEPTH:
            self._refuse("is nested too deeply", "bad_header")
        if self._items > MAX_ITEMS or self._at - self._byte_strings > MAX_PLAIN_BYTES:
            self._refuse(
                f"announces more than {MAX_ITEMS} items or {MAX_PLAIN_BYTES} bytes besides its "
                "arrays",
                "bad_header",
            )
        kind, detail, number = self._head()
        if number is None and kind not in (ARRAY, MAP):
            self._refuse("has a string in parts, or a break where nothing ends")
        match kind:
            case 0:
                return number
            case 1:
                return -1 - (number or 0)
            case 2:
                self._byte_strings += number or 0
                return self._take(number or 0)
            case 3:
                return self._text(number or 0)
            case 4:
                return self._array(number, depth)
            case 5:
                return self._map(number, depth)
            case 6:
                return self._tag(number or 0, depth)
        return self._other(detail, number or 0)

    def _head(self) -> tuple[int, int, int | None]:
        """Kind, detail, and the number that they announce; None if an end is marked instead."""
        first = self._take(1)[0]
        kind, detail = first >> 5, first & 31
        if detail < 24:
            return kind, detail, detail
        if detail < 28:
            return kind, detail, int.from_bytes(self._take(1 << (detail - 24)), "big")
        if detail < 31:
            self._refuse(f"has no item that begins with {first:#x}")
        return kind, detail, None

    def _take(self, count: int) -> memoryview:
        end = self._at + count
        if end > len(self._frame):
            self._refuse(f"ends within an item of {count} bytes at byte {self._at}")
        taken = self._frame[self._at : end]
        self._at = end
        return taken

    def _text(self, length: int) -> str:
        if self._at + length - self._byte_strings > MAX_PLAIN_BYTES:
            self._refuse(f"has a text of {length} bytes", "bad_header")
        try:
            return str(self._take(length), "utf-8")
        except UnicodeDecodeError:
            self._refuse("has a text that is not UTF-8")

    def _array(self, length: int | None, depth: int) -> list[Any]:
        values: list[Any] = []
        while self._goes_on(len(values), length):
            values.append(self._item(depth + 1))
        return values

    def _map(self, length: int | None, depth: int) -> dict[str, object]:
        values: dict[str, object] = {}
        while self._goes_on(len(values), length):
            key = self._item(depth + 1)
            if not isinstance(key, str) or key in values:
                self._refuse("has a key that is not text, or occurs twice", "bad_header")
            values[key] = self._item(depth + 1)
        return values

    def _goes_on(self, count: int, length: int | None) -> bool:
        if length is not None:
            return count < length
        if self._at < len(self._frame) and self._frame[self._at] == BREAK:
            self._at += 1
            return False
        return True

    def _tag(self, number: int, depth: int) -> Tag:
        if number in REFUSED_TAGS:
            self._refuse(f"has tag {number}, which is not supported", "bad_header")
        return Tag(number, self._item(depth + 1))

    def _other(self, detail: int, number: int) -> float | bool | None:
        if detail in FLOATS:
            layout = FLOATS[detail]
            value: float = struct.unpack(layout, number.to_bytes(struct.calcsize(layout), "big"))[0]
            return value
        if number not in SIMPLE:
            self._refuse(f"has simple value {number}")
        return SIMPLE[number]

    def _refuse(self, why: str, kind: str = "not_json") -> NoReturn:
        raise BadMessage(kind, f"slices: CBOR of {len(self._frame)} bytes {why}; dropped")
