"""JSON of the results wire: values as JSON can hold them, and fields read with type and bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitor.errors import BadMessage
from monitor.plain_text import is_plain

Frame = bytes | memoryview
Place = tuple[float, float]
MAX_SIDE = 2**17
MAX_WHOLE = 2**53
MAX_NAME = 200
ROWS_AT_ONCE = 4096
REQUIRED: Any = object()


def plain(value: Any) -> Any:
    """The value as JSON can hold it: numpy becomes Python, a number that is not finite None."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def to_json(value: Any) -> bytes:
    """Compact JSON of anything that `plain` takes."""
    return json.dumps(plain(value), separators=(",", ":"), allow_nan=False).encode()


def columns_to_json(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """The same of equal-length columns, some rows at once: the interpreter lock is held by one
    encoding from beginning to end, and slices would wait for it."""
    pieces = []
    for name, column in columns.items():
        parts = (to_json(column[n : n + ROWS_AT_ONCE])[1:-1] for n in _firsts(len(column)))
        pieces.append(to_json(name) + b":[" + b",".join(parts) + b"]")
    return b"{" + b",".join(pieces) + b"}"


def _firsts(rows: int) -> range:
    return range(0, rows, ROWS_AT_ONCE)


def read_object(frame: Frame, what: str) -> dict[str, Any]:
    """The JSON object in a frame. Raises BadMessage for anything else."""
    try:
        message = json.loads(bytes(frame))
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise BadMessage("not_json", f"{what} of {len(frame)} bytes is not a JSON object")
    return message


class Fields:
    """The fields of one message. A field that is absent or null is the default, where there is one;
    whatever else is wrong with it raises BadMessage."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        self._message = message

    def text(
        self, key: str, default: Any = REQUIRED, *, longest: int = MAX_NAME, shortest: int = 0
    ) -> str:
        """Text of so many characters, all of them printable; an empty one is no default."""
        value = self._message.get(key)
        if value is None and default is not REQUIRED:
            return str(default)
        if not isinstance(value, str):
            raise self._bad(key, value, "text")
        if not shortest <= len(value) <= longest:
            raise self._bad(key, value, f"{shortest} to {longest} characters, not {len(value)}")
        if shortest and not value.strip():
            raise self._bad(key, value, "more than blanks")
        if not is_plain(value):
            raise self._bad(key, value, "printable characters")
        return value

    def whole(
        self, key: str, default: Any = REQUIRED, low: int = -MAX_WHOLE, high: int = MAX_WHOLE
    ) -> Any:
        """A whole number from `low` to `high`, or the default."""
        value = self._message.get(key)
        if value is None and default is not REQUIRED:
            return default
        if type(value) is not int or not low <= value <= high:
            raise self._bad(key, value, f"a whole number from {low} to {high}")
        return value

    def scan(self, key: str = "scan") -> Any:
        """The number of a scan, or None."""
        return self.whole(key, None, 0)

    def number(
        self, key: str, default: Any = REQUIRED, low: float = -1e30, high: float = 1e30
    ) -> Any:
        """A finite number from `low` to `high`, or the default."""
        value = self._message.get(key)
        if value is None and default is not REQUIRED:
            return default
        if not _is_number(value, low, high):
            raise self._bad(key, value, f"a number from {low:g} to {high:g}")
        return float(value)  # type: ignore[arg-type]

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._message.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._bad(key, value, "true or false")
        return value

    def choice(self, key: str, default: Any, among: Sequence[str]) -> Any:
        """One of the words in `among`."""
        value = self._message.get(key)
        if value is None and default is not REQUIRED:
            return default
        if not isinstance(value, str) or value not in among:
            raise self._bad(key, value, f"one of {', '.join(among)}")
        return value

    def sides(self, key: str, length: int, least: int) -> tuple[int, ...] | None:
        """So many whole numbers from `least` to the largest side of a map; None where absent."""
        value = self._message.get(key)
        if value is None:
            return None
        if (
            not isinstance(value, list)
            or len(value) != length
            or not all(type(side) is int and least <= side <= MAX_SIDE for side in value)
        ):
            raise self._bad(key, value, f"{length} whole numbers")
        return tuple(value)

    def place(self, key: str) -> Place:
        """(row, column) in pixels of a map, which may lie beside it."""
        return self._place(key, self._message.get(key))

    def places(self, key: str, most: int) -> tuple[Place, ...]:
        """At most so many places; none where absent."""
        value = self._message.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > most:
            raise self._bad(key, value, f"a list of at most {most} places")
        return tuple(self._place(key, place) for place in value)

    def words(self, key: str, most: int) -> tuple[str, ...]:
        """At most so many names; none where absent."""
        value = self._message.get(key)
        if value is None:
            return ()
        if (
            not isinstance(value, list)
            or len(value) > most
            or not all(isinstance(word, str) and len(word) <= MAX_NAME for word in value)
            or not all(is_plain(word) for word in value)
        ):
            raise self._bad(key, value, f"a list of at most {most} names")
        return tuple(value)

    def _place(self, key: str, value: Any) -> Place:
        far = 2.0 * MAX_SIDE
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(_is_number(v, -far, far) for v in value)
        ):
            raise self._bad(key, value, f"(row, column), each from {-far:g} to {far:g}")
        return float(value[0]), float(value[1])

    @staticmethod
    def _bad(key: str, value: Any, expected: str) -> BadMessage:
        return BadMessage("bad_request", f"message: {key} is {short(value)}, expected {expected}")


def _is_number(value: Any, low: float, high: float) -> bool:
    """NaN lies between no two numbers; a whole number of any length can be compared."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def short(value: object) -> str:
    """The value as it stands in a message, cut where it is long."""
    try:
        text = repr(value)
    except RecursionError:
        text = "something deeply nested"
    return text if len(text) <= 60 else text[:57] + "..."
