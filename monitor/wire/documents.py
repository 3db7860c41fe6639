"""bluesky documents on the wire: `prefix + b" " + name + b" " + payload`, msgpack or JSON.

A pickled payload is refused unread: loading it would run whatever code it carries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeGuard

import msgpack
import msgpack_numpy
import numpy as np

from monitor.errors import BadMessage
from monitor.records import CyclerDocument
from monitor.wire.slices.limits import MAX_DEPTH

Codec = Literal["msgpack", "json"]

MAX_BYTES = 2**22
DTYPE = re.compile(r"[<>|=]?([biufc]\d{1,2}|[SU]\d{0,7}|[mM]8(\[\d{0,3}[a-zA-Zμ]{1,7}\])?)")
COLUMNS, TABLES = {"time", "seq_num", "uid"}, {"data", "timestamps", "filled"}
"""Keys of a page that hold a value for each row, and names of such columns."""
PLAIN = (str, int, float, complex, bytes, type(None), np.generic, np.ndarray)


def serializer(codec: Codec) -> Callable[[Mapping[str, object]], bytes]:
    """The `serializer` to give to `bluesky.callbacks.zmq.Publisher`."""
    return _to_msgpack if codec == "msgpack" else _to_json


def encode(document: CyclerDocument, codec: Codec, prefix: bytes = b"") -> bytes:
    """The frame that a bluesky Publisher would send."""
    return b" ".join([prefix, document.name.encode(), serializer(codec)(dict(document.doc))])


def decode(frame: bytes | memoryview) -> CyclerDocument:
    """The document in a frame. The payload tells msgpack from JSON by itself.

    Raises BadMessage: `pickled` where it is a pickle; `too_long`; `bad_document` if it is none
    of them, or holds more than names, plain values and lists of them.
    """
    if len(frame) > MAX_BYTES:
        raise BadMessage(
            "too_long", f"documents: {len(frame)} bytes, expected {MAX_BYTES} at most; dropped"
        )
    try:
        _prefix, name, payload = bytes(frame).split(b" ", 2)
        text = name.decode("ascii")
    except ValueError:
        raise BadMessage(
            "bad_document", "documents: a message is not 'prefix name payload'; dropped"
        ) from None
    doc = _payload(payload, text)
    if not isinstance(doc, dict) or not _is_plain(doc):
        raise BadMessage(
            "bad_document",
            f"documents: payload of {text[:20]!r} is not a map of names to plain values; dropped",
        )
    return CyclerDocument(text, doc)


def portions(document: CyclerDocument, rows: int) -> Iterator[CyclerDocument]:
    """A document as it is; a page of more than so many rows as several, in the order of its rows.
    What is wrong with a column is in each portion, and what is longer than `time` in the last.
    """
    doc, total = document.doc, rows_of(document)
    if total <= rows:
        yield document
        return
    for first in range(0, total, rows):
        part = slice(first, first + rows if first + rows < total else None)
        cut = {key: _cut(column, part) for key, column in doc.items() if key in COLUMNS}
        for key in doc.keys() & TABLES:
            table = doc[key]
            if isinstance(table, dict):
                cut[key] = {name: _cut(column, part) for name, column in table.items()}
        yield CyclerDocument(document.name, {**doc, **cut})


def rows_of(document: CyclerDocument) -> int:
    """Rows of a page; 1 of any other document."""
    times = document.doc.get("time")
    return len(times) if document.name == "event_page" and _is_column(times) else 1


def _cut(column: Any, part: slice) -> Any:
    return column[part] if _is_column(column) else column


def _is_column(value: Any) -> TypeGuard[list[Any]]:
    """Whether it has rows; texts and bytes too, whose elements are taken for values."""
    return isinstance(value, list | str | bytes) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def _payload(payload: bytes, name: str) -> Any:
    if payload[:1] == b"\x80" and len(payload) > 1:
        raise _pickled(name)
    try:
        if payload[:1] == b"{":
            return json.loads(payload)
        # lengths that are announced are bounded by the payload itself before anything is made
        return msgpack.unpackb(
            payload, object_hook=_object_hook, raw=False, strict_map_key=True, timestamp=1
        )
    except BadMessage:
        raise
    except Exception:
        raise BadMessage(
            "bad_document",
            f"documents: payload of {name[:20]!r} is neither msgpack nor JSON; dropped",
        ) from None


def _object_hook(obj: dict[Any, Any]) -> Any:
    """What msgpack_numpy makes of numbers and arrays, read without it: it unpickles an array of
    objects, or takes the sender's bytes for pointers to them."""
    if b"complex" in obj:
        return complex(str(obj[b"data"]))
    if b"nd" not in obj:
        return obj
    if obj.get(b"kind") == b"O":
        raise _pickled("array of objects")
    values = np.frombuffer(obj[b"data"], plain_dtype(obj.get(b"type")))
    if obj[b"nd"] is not True:
        return values[0]
    # an empty array may be of any length in its other directions: to list it would take forever
    return values if values.size == 0 else values.reshape(obj[b"shape"])


def plain_dtype(name: Any) -> np.dtype[Any]:
    """The type of an array's elements: numbers, text or times. Raises ValueError for any other.

    numpy reads more into such a text than a type, and would have Python parse some of it.
    """
    if not isinstance(name, str) or not DTYPE.fullmatch(name):
        raise ValueError(name)
    try:
        return np.dtype(name)
    except TypeError as error:
        raise ValueError(name) from error


def _is_plain(doc: dict[Any, Any]) -> bool:
    """Whether a document is what can be written into the journal, and read from it again: names,
    values and lists of them, not deeply nested."""
    level, layer = 0, [doc]
    while layer:
        level += 1
        inner: list[Any] = []
        for box in layer:
            if isinstance(box, dict) and not all(type(key) is str for key in box):
                return False
            for value in box.values() if isinstance(box, dict) else box:
                if isinstance(value, dict | list):
                    inner.append(value)
                elif not isinstance(value, PLAIN):
                    return False
        if level > MAX_DEPTH:
            return False
        layer = inner
    return True


def _pickled(name: str) -> BadMessage:
    return BadMessage(
        "pickled",
        f"documents: payload of {name[:20]!r} is a pickle, refused because loading it runs code; "
        "set the publisher's serializer to msgpack or JSON",
    )


def _to_msgpack(doc: Mapping[str, object]) -> bytes:
    packed: bytes = msgpack.packb(doc, default=msgpack_numpy.encode)
    return packed


def _to_json(doc: Mapping[str, object]) -> bytes:
    return json.dumps(doc, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
