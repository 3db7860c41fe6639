"""Codec `stins` of the slice stream: JSON header frame + raw buffer frame.

Encoders return the frames to send; `decode` returns a record that looks into the received buffer
without copying it. The other codec has the same keys, and what they may hold is looked at here.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeGuard, TypeVar, get_args

import numpy as np

from monitor.errors import BadMessage
from monitor.plain_text import is_plain
from monitor.records import Reason, ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.units import seconds
from monitor.wire.fields import MAX_SIDE as MAX_SIDE
from monitor.wire.fields import Frame as Frame
from monitor.wire.slices.limits import (
    LARGEST,
    MAX_VOXELS,
    Limits,
    check_slice,
    check_volume,
    is_deep,
    shown,
)
from monitor.wire.slices.pixels import DTYPES as DTYPES
from monitor.wire.slices.pixels import compressed, pixels_of

SCHEMA = "operando-slices/1"
HTYPES = ("header", "image", "series_end")
REASONS: tuple[Reason, ...] = get_args(Reason)
MAX_NAME = 250
MAX_HEADER_BYTES = 2**20

Said = Mapping[str, object]
"""What a header says, before it is checked."""
T = TypeVar("T", int, str)


class Header(TypedDict, total=False):
    """What the messages of the stream say besides pixels (docs/reference/slices.md)."""

    htype: str
    msg_number: int
    filename: str
    schema: str
    stream: str
    cell: str
    run: str
    scan: int
    reason: str
    request: str
    axis: str
    volume_shape: list[int]
    type: str
    voxel_size_um: list[float] | None
    start_time: float
    stop_time: float
    resend: str
    frame: int
    shape: list[int]
    compression: str
    slices: int


def encode_start(start: ScanStart) -> list[Frame]:
    """Frames of a `header` message."""
    return [_json(start_header(start))]


def encode_slice(frame: SliceFrame, compression: str = "none") -> list[Frame]:
    """Frames of an `image` message. `compression`: "none" (no copy is made) or "bslz4"."""
    data = np.ascontiguousarray(frame.data, DTYPES[frame.data.dtype.name])
    return [_json(slice_header(frame, compression)), compressed(data, compression)]


def encode_end(end: ScanEnd) -> list[Frame]:
    """Frames of a `series_end` message."""
    return [_json(end_header(end))]


def start_header(start: ScanStart) -> Header:
    """What a `header` message says."""
    voxel = start.voxel_size_um
    return {
        "htype": "header",
        "msg_number": start.msg_number,
        "filename": "",
        "schema": SCHEMA,
        "stream": start.stream,
        "cell": start.key.cell,
        "run": start.key.run,
        "scan": start.number,
        "reason": start.reason,
        "request": start.request,
        "axis": start.axis,
        "volume_shape": list(start.volume_shape),
        "type": start.dtype,
        "voxel_size_um": list(voxel) if voxel else None,
        "start_time": start.start_time,
        "stop_time": start.stop_time,
        "resend": start.resend,
    }


def slice_header(frame: SliceFrame, compression: str = "none") -> Header:
    """What an `image` message says besides its pixels."""
    return {
        "htype": "image",
        "msg_number": frame.msg_number,
        "stream": frame.stream,
        "cell": frame.cell,
        "scan": frame.scan,
        "frame": frame.frame,
        "shape": list(frame.data.shape),
        "type": frame.data.dtype.name,
        "compression": compression,
    }


def end_header(end: ScanEnd) -> Header:
    """What a `series_end` message says."""
    return {
        "htype": "series_end",
        "msg_number": end.msg_number,
        "stream": end.stream,
        "cell": end.cell,
        "scan": end.scan,
        "slices": end.slices,
    }


def decode(frames: Sequence[Frame], limits: Limits = LARGEST) -> ScanStart | SliceFrame | ScanEnd:
    """The record in a received message. Raises BadMessage for anything that it cannot be, and for
    what is larger than the limits, before anything is done with its pixels."""
    header = _header(frames)
    htype = header.get("htype")
    if htype in HTYPES and is_deep(header, frames[0]):
        raise BadMessage("bad_header", f"slices: {htype} message: nested too deeply; dropped")
    return record_of(header, frames[1:], limits)


def record_of(
    header: Said, buffers: Sequence[Frame], limits: Limits = LARGEST
) -> ScanStart | SliceFrame | ScanEnd:
    """The record that a header says, of a slice with the pixels in its one buffer. Raises
    BadMessage as `decode` does."""
    match header.get("htype"):
        case "header":
            return _start(header, limits)
        case "image":
            return _slice(header, buffers, limits)
        case "series_end":
            return ScanEnd(
                cell=_text(header, "cell"),
                scan=_count(header, "scan"),
                stream=_text(header, "stream"),
                msg_number=_count(header, "msg_number"),
                slices=_count(header, "slices"),
            )
    raise BadMessage(
        "unknown_htype",
        f"slices: htype {shown(header.get('htype'))} is unknown, not header, image or series_end; "
        "dropped",
    )


def _json(header: Header) -> bytes:
    return json.dumps(header, separators=(",", ":")).encode()


def _header(frames: Sequence[Frame]) -> Said:
    if not frames:
        raise BadMessage("not_json", "slices: a message without frames; dropped")
    if len(frames[0]) > MAX_HEADER_BYTES:
        raise BadMessage(
            "bad_header",
            f"slices: header frame of {len(frames[0])} bytes, expected {MAX_HEADER_BYTES} at most; "
            "dropped",
        )
    try:
        header = json.loads(bytes(frames[0]))
    except (ValueError, RecursionError):
        raise BadMessage(
            "not_json", f"slices: header frame of {len(frames[0])} bytes is not JSON; dropped"
        ) from None
    if not isinstance(header, dict):
        raise BadMessage("not_json", "slices: header frame is JSON but not an object; dropped")
    return header


def _get(header: Said, key: str, kind: type[T]) -> T:
    value = header.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadMessage(
            "bad_header",
            f"slices: {header.get('htype')} message: {key} is {shown(value)}, "
            f"expected {kind.__name__}; dropped",
        )
    return value


def _count(header: Said, key: str) -> int:
    value = _get(header, key, int)
    if not 0 <= value < 2**62:
        raise BadMessage(
            "bad_header", f"slices: {key} is {shown(value)}, expected 0 or more; dropped"
        )
    return value


def _text(header: Said, key: str, default: str | None = None) -> str:
    """A name that can be printed, and written into any file; kept once for all messages. Null is as
    if it were missing."""
    if default is not None and header.get(key) is None:
        return default
    value = _get(header, key, str)
    if len(value) > MAX_NAME or not is_plain(value):
        raise BadMessage(
            "bad_header",
            f"slices: {key} is {shown(value)}, expected up to {MAX_NAME} printable characters; "
            "dropped",
        )
    return sys.intern(value)


def _is_finite(value: object) -> TypeGuard[float]:
    """Whether this is a number that float64 can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < sys.float_info.max


def _shape(header: Said, key: str, length: int) -> tuple[int, ...]:
    value = header.get(key)
    if (
        not isinstance(value, list)
        or len(value) != length
        or not all(type(side) is int and 0 < side <= MAX_SIDE for side in value)
    ):
        raise BadMessage(
            "bad_shape",
            f"slices: {key} is {shown(value)}, not {length} sides of 1 to {MAX_SIDE}; dropped",
        )
    return tuple(value)


def _dtype(header: Said) -> np.dtype[Any]:
    name = header.get("type")
    if not isinstance(name, str) or name not in DTYPES:
        raise BadMessage(
            "bad_type", f"slices: type is {shown(name)}, expected {', '.join(DTYPES)}; dropped"
        )
    return DTYPES[name]


def _start(header: Said, limits: Limits) -> ScanStart:
    shape = _shape(header, "volume_shape", 3)
    if math.prod(shape) > MAX_VOXELS:
        raise BadMessage(
            "bad_shape", f"slices: a volume of {shape} voxels is beyond all limits; scan refused"
        )
    said = {key: value for key, value in header.items() if value is not None}
    reason, axis = said.get("reason", "periodic"), said.get("axis", "z")
    if reason not in REASONS or axis not in ("z", "y"):
        raise BadMessage(
            "bad_header",
            f"slices: reason {shown(reason)} or axis {shown(axis)} is unknown; scan refused",
        )
    dtype = _dtype(header)
    check_volume(shape, axis, dtype.itemsize, limits)
    start, stop, time_remark = _times(header)
    voxel_size, remark = _voxel_size(header.get("voxel_size_um"))
    return ScanStart(
        key=ScanKey(_text(header, "cell"), _text(header, "run", ""), _count(header, "scan")),
        stream=_text(header, "stream"),
        msg_number=_count(header, "msg_number"),
        reason=reason,
        request=_text(header, "request", ""),
        axis=axis,
        volume_shape=(shape[0], shape[1], shape[2]),
        dtype=dtype.name,
        voxel_size_um=voxel_size,
        start_time=start,
        stop_time=stop,
        resend=_text(header, "resend", ""),
        remark=remark,
        time_remark=time_remark,
    )


def _times(header: Said) -> tuple[float, float, str]:
    """Start and announced end, UTC s, and what is wrong with them, or "". The end is the start if
    it is not known yet, or lies before it. Raises BadMessage for a start that is not a time."""
    try:
        start, unit = seconds(_finite(header.get("start_time")))
    except (ValueError, OverflowError):
        came = shown(header.get("start_time"))
        raise BadMessage(
            "bad_header", f"slices: start_time is {came}, expected UTC s; scan refused"
        ) from None
    remark = ""
    if unit:
        remark = (
            f"start_time is in {unit}: it was converted to seconds since 1970; make the "
            "producer send seconds"
        )
    try:
        stop, _ = seconds(_finite(header.get("stop_time")))
    except (ValueError, OverflowError):
        return start, start, remark
    if stop < start:
        remark = (
            f"stop_time is {start - stop:.0f} s before start_time: the scan is placed at "
            "its start; correct the producer"
        )
    return start, max(start, stop), remark


def _finite(value: object) -> float:
    """The number. Raises ValueError for anything else."""
    if not _is_finite(value):
        raise ValueError
    return float(value)


def _voxel_size(value: Any) -> tuple[tuple[float, float, float] | None, str]:
    """(z, y, x) in µm, or None if it is unknown; and what is wrong with it, or "".

    A wrong size does not cost the scan: it is taken as unknown, and lengths are in voxels.
    """
    if value is None:
        return None, ""
    if (
        isinstance(value, list)
        and len(value) == 3
        and all(_is_finite(side) and side > 0 for side in value)
    ):
        return (float(value[0]), float(value[1]), float(value[2])), ""
    return None, (
        f"slices: voxel_size_um is {shown(value)}, expected three positive numbers, or null if "
        "it is unknown; treated as unknown, lengths are in voxels"
    )


def _slice(header: Said, buffers: Sequence[Frame], limits: Limits) -> SliceFrame:
    shape = _shape(header, "shape", 2)
    check_slice(shape, limits)
    dtype = _dtype(header)
    if len(buffers) != 1:
        raise BadMessage(
            "bad_length",
            f"slices: an image message has {1 + len(buffers)} frames, expected 2; dropped",
        )
    return SliceFrame(
        cell=_text(header, "cell"),
        scan=_count(header, "scan"),
        stream=_text(header, "stream"),
        msg_number=_count(header, "msg_number"),
        frame=_count(header, "frame"),
        data=pixels_of(buffers[0], shape, dtype, header.get("compression") or "none"),
    )
