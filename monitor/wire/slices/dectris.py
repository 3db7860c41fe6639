"""Codec `dectris2` of the slice stream: DECTRIS Stream V2, one frame of CBOR a message.

The keys of codec `stins` are in `user_data`. What DECTRIS has fields of its own for (index, shape
and type of a slice, its compression, size of the series) is read from those; where `user_data` says
it too, both must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from monitor.errors import BadMessage
from monitor.records import ScanEnd, ScanStart, SliceFrame
from monitor.wire.fields import Frame
from monitor.wire.slices import cbor_decoder, stins
from monitor.wire.slices.cbor_decoder import Tag
from monitor.wire.slices.limits import LARGEST, Limits, shown
from monitor.wire.slices.pixels import DTYPES

HTYPES = {"start": "header", "image": "image", "end": "series_end"}
DATE, ROWS_FIRST, COMPRESSED = 0, 40, 56500
TYPED = {
    64: "uint8", 65: "uint16 (big-endian)", 66: "uint32 (big-endian)", 68: "uint8", 69: "uint16",
    70: "uint32", 72: "int8", 77: "int16", 78: "int32", 81: "float32 (big-endian)", 85: "float32",
    86: "float64",
}  # fmt: skip
KINDS = {
    "shape": "bad_shape", "volume_shape": "bad_shape", "type": "bad_type",
    "compression": "bad_compression",
}  # fmt: skip


def is_dectris(frames: Sequence[Frame]) -> bool:
    """Whether a message is of this codec, by its first byte."""
    return bool(frames) and cbor_decoder.is_map(frames[0])


def decode(frames: Sequence[Frame], limits: Limits = LARGEST) -> ScanStart | SliceFrame | ScanEnd:
    """The record in a received message. Raises BadMessage for anything that it cannot be, and for
    what is larger than the limits, before anything is done with its pixels."""
    if len(frames) != 1:
        raise BadMessage(
            "bad_length", f"slices: a CBOR message has {len(frames)} frames, expected 1; dropped"
        )
    header, buffers = _translated(frames[0])
    return stins.record_of(header, buffers, limits)


def header_of(frame: Frame) -> stins.Header:
    """What a message says besides its pixels, in the keys of codec `stins` and as JSON can hold it,
    `codec` and further keys of `user_data` included. Raises BadMessage."""
    return cast(stins.Header, _translated(frame)[0] | {"codec": "dectris2"})


def _translated(frame: Frame) -> tuple[dict[str, object], list[Frame]]:
    """The header in the keys of `stins`, and the buffer of an image."""
    message = cbor_decoder.read(frame)
    if not isinstance(message, dict):
        raise BadMessage("not_json", "slices: a CBOR message is not a map; dropped")
    kind, user = message.get("type"), message.get("user_data") or {}
    if not isinstance(kind, str) or kind not in HTYPES:
        raise BadMessage(
            "unknown_htype",
            f"slices: type {shown(kind)} of a CBOR message is unknown, not start, image or end; "
            "dropped",
        )
    if not isinstance(user, dict):
        raise BadMessage("bad_header", f"slices: user_data of {kind} is not a map; dropped")
    own: dict[str, object] = {"htype": HTYPES[kind]}
    buffers: list[Frame] = []
    if kind == "start":
        own |= _announced(message, user)
    elif kind == "image":
        image, buffer = _image(message)
        own |= image
        buffers.append(buffer)
    _check_agreement(user, own)
    plain = {key: value for key, value in user.items() if _is_plain(value)}
    return plain | own, buffers


def _check_agreement(user: dict[str, object], own: dict[str, object]) -> None:
    for key, value in own.items():
        if user.get(key) is not None and user[key] != value:
            raise BadMessage(
                KINDS.get(key, "bad_header"),
                f"slices: {key} is {shown(user[key])} in user_data and {shown(value)} beside it; "
                "dropped",
            )


def _announced(message: dict[str, object], user: dict[str, object]) -> dict[str, object]:
    """What DECTRIS's own fields say of a series, in the keys of `stins`, as far as they are there.
    The day of arming is taken for a start that is not given."""
    found: dict[str, object] = {}
    if message.get("image_dtype") is not None:
        found["type"] = message["image_dtype"]
    names = ["number_of_images", "image_size_y", "image_size_x"]
    if user.get("axis") == "y":
        names[:2] = reversed(names[:2])
    sides = [message.get(name) for name in names]
    if any(side is not None for side in sides):
        given = user.get("volume_shape")
        if isinstance(given, list) and len(given) == len(sides):
            sides = [g if own is None else own for g, own in zip(given, sides, strict=True)]
        found["volume_shape"] = sides
    if user.get("start_time") is None:
        found["start_time"] = _seconds(message.get("arm_date"))
    return found


def _seconds(date: Any) -> float | None:
    """UTC s of a date of CBOR; None if it is none, or of no known time zone."""
    if not isinstance(date, Tag) or date.number != DATE or not isinstance(date.value, str):
        return None
    try:
        day = datetime.fromisoformat(date.value)
        return day.timestamp() if day.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _image(message: dict[str, object]) -> tuple[dict[str, object], Frame]:
    """Index, shape, type and compression of the one channel of an image, and its buffer."""
    data = message.get("data")
    if not isinstance(data, dict) or len(data) != 1:
        raise BadMessage("bad_header", "slices: data of image is not a map of one channel; dropped")
    shape, typed = _parts(next(iter(data.values())))
    if typed.number not in TYPED:
        raise BadMessage(
            "bad_type", f"slices: the array is of CBOR tag {typed.number}, not pixels; dropped"
        )
    name = TYPED[typed.number]
    compression, buffer = _buffer(typed.value, name)
    found = {"shape": shape, "type": name, "compression": compression}
    if message.get("image_id") is not None:
        found["frame"] = message["image_id"]
    return found, buffer


def _parts(array: Any) -> tuple[Any, Tag]:
    """Shape and typed array of an array of several dimensions."""
    if isinstance(array, Tag) and array.number == ROWS_FIRST:
        match array.value:
            case [list() as shape, Tag() as typed]:
                return shape, typed
    raise BadMessage(
        "bad_shape",
        f"slices: a channel is not an array of CBOR tag {ROWS_FIRST}, [shape, typed array]; "
        "dropped",
    )


def _buffer(value: Any, name: str) -> tuple[str, Frame]:
    """Compression and bytes of a typed array of a known type."""
    if isinstance(value, memoryview):
        return "none", value
    size = DTYPES[name].itemsize if name in DTYPES else None
    if isinstance(value, Tag) and value.number == COMPRESSED:
        match value.value:
            case [str() as algorithm, int() as given, memoryview() as buffer]:
                if algorithm != "bslz4":
                    raise BadMessage(
                        "bad_compression",
                        f"slices: compression {shown(algorithm)} is unknown, not bslz4; dropped",
                    )
                if size is not None and given != size:
                    raise BadMessage(
                        "bad_compression",
                        f"slices: bslz4 of elements of {given} bytes, expected {size}; dropped",
                    )
                return algorithm, buffer
    raise BadMessage(
        "bad_compression",
        f"slices: a typed array is neither bytes nor CBOR tag {COMPRESSED} with algorithm, size "
        "and bytes; dropped",
    )


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold it."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return not isinstance(value, Tag | memoryview)
