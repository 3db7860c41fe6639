"""bluesky documents on the wire: `prefix + b" " + name + b" " + payload`, msgpack or JSON.

A pickled payload is refused unread: loading it would run whatever code it carries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import msgpack
import msgpack_numpy
import numpy as np

from monitor.errors import BadMessage
from monitor.records import CyclerDocument

Codec = Literal["msgpack", "json"]


def serializer(codec: Codec) -> Callable[[dict[str, Any]], bytes]:
    """The `serializer` to give to `bluesky.callbacks.zmq.Publisher`."""
    return _to_msgpack if codec == "msgpack" else _to_json


def encode(document: CyclerDocument, codec: Codec, prefix: bytes = b"") -> bytes:
    """The frame that a bluesky Publisher would send."""
    return b" ".join([prefix, document.name.encode(), serializer(codec)(dict(document.doc))])


def decode(frame: bytes | memoryview) -> CyclerDocument:
    """The document in a frame. The payload tells msgpack from JSON by itself.

    Raises BadMessage: `bad_document` where it is neither, `pickled` where it is a pickle.
    """
    try:
        _prefix, name, payload = bytes(frame).split(b" ", 2)
        text = name.decode("ascii")
    except ValueError:
        raise BadMessage(
            "bad_document", "documents: a message is not 'prefix name payload'; dropped"
        ) from None
    doc = _payload(payload, text)
    if not isinstance(doc, dict):
        raise BadMessage("bad_document", f"documents: payload of {text!r} is not a map; dropped")
    return CyclerDocument(text, doc)


def _payload(payload: bytes, name: str) -> Any:
    if payload[:1] == b"\x80" and len(payload) > 1:
        raise _pickled(name)
    try:
        if payload[:1] == b"{":
            return json.loads(payload)
        return msgpack.unpackb(payload, object_hook=_object_hook, raw=False, strict_map_key=False)
    except BadMessage:
        raise
    except Exception:
        raise BadMessage(
            "bad_document",
            f"documents: payload of {name[:20]!r} is neither msgpack nor JSON; dropped",
        ) from None


def _object_hook(obj: dict[Any, Any]) -> Any:
    """Arrays of plain numbers and texts only: msgpack_numpy unpickles an array of objects, or takes
    the sender's bytes for pointers to them."""
    if b"nd" not in obj:
        return msgpack_numpy.decode(obj)
    if obj.get(b"kind") == b"O":
        raise _pickled("array of objects")
    kind = obj.get(b"type")
    if not isinstance(kind, str) or np.dtype(kind).kind not in "biufcSUmM":
        raise BadMessage("bad_document", "documents: an array of neither numbers nor text; dropped")
    return msgpack_numpy.decode(obj)


def _pickled(name: str) -> BadMessage:
    return BadMessage(
        "pickled",
        f"documents: payload of {name[:20]!r} is a pickle, refused because loading it runs code; "
        "set the publisher's serializer to msgpack or JSON",
    )


def _to_msgpack(doc: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(doc, default=msgpack_numpy.encode)
    return packed


def _to_json(doc: dict[str, Any]) -> bytes:
    return json.dumps(doc, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not go into a JSON document")
