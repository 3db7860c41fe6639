"""JSON on the wire: values as JSON can hold them, and messages checked against the types of their
fields."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from monitor.errors import BadMessage
from monitor.plain_text import is_plain

Frame = bytes | memoryview
MAX_SIDE = 2**17
MAX_WHOLE = 2**53
MAX_NAME = 200
ROWS_AT_ONCE = 4096
T = TypeVar("T")


def _printable(text: str) -> str:
    if not is_plain(text):
        raise PydanticCustomError("printable", "Input should be printable characters")
    return text


Printable = AfterValidator(_printable)
Name = Annotated[str, Field(strict=True, max_length=MAX_NAME), Printable]
Whole = Annotated[int, Field(strict=True, ge=-MAX_WHOLE, le=MAX_WHOLE)]
Natural = Annotated[int, Field(strict=True, ge=0, le=MAX_WHOLE)]
Positive = Annotated[int, Field(strict=True, ge=1, le=MAX_WHOLE)]
Number = Annotated[float, Field(strict=True, ge=-1e30, le=1e30)]
"""Finite: NaN lies between no two numbers."""
Flag = Annotated[bool, Field(strict=True)]
Side = Annotated[int, Field(strict=True, ge=0, le=MAX_SIDE)]
"""Of a map, pixels."""
Coordinate = Annotated[float, Field(strict=True, ge=-2 * MAX_SIDE, le=2 * MAX_SIDE)]
Place = tuple[Coordinate, Coordinate]
"""(row, column) in pixels of a map, which may lie beside it."""


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


def read_object(frame: Frame, what: str) -> dict[str, object]:
    """The JSON object in a frame. Raises BadMessage for anything else."""
    try:
        message = json.loads(bytes(frame))
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise BadMessage("not_json", f"{what} of {len(frame)} bytes is not a JSON object")
    return message


def checked(
    fields: TypeAdapter[T], message: Mapping[str, object], what: str, kind: str = "bad_request"
) -> T:
    """What a message says, of the type that `fields` validates. A field that is null or absent is
    the default; unknown fields are ignored. Raises BadMessage of this kind, with a text that begins
    with `what`, for a field that is wrong."""
    try:
        return fields.validate_python({k: v for k, v in message.items() if v is not None})
    except ValidationError as error:
        raise BadMessage(kind, f"{what}: {_problem(error)}") from None


def _problem(error: ValidationError) -> str:
    """The first of what is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:  # of fields that do not fit each other
        return first["msg"]
    key, *places = first["loc"]
    name = f"{key}{''.join(f'[{place}]' for place in places)}"
    if first["type"] == "missing":
        return f"{name} is missing"
    expected = re.sub(r"^\w+ should (be|have) ", "", first["msg"])
    if first["type"] == "literal_error":
        expected = f"one of {expected.replace(' or ', ', ')}".replace("'", "")
    return f"{name} is {short(first['input'])}, expected {expected}"


def short(value: object) -> str:
    """The value as it is in a message, cut if it is long."""
    try:
        text = repr(value)
    except RecursionError:
        text = "something deeply nested"
    return text if len(text) <= 60 else text[:57] + "..."
