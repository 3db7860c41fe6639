"""Questions to a producer's resend service, and its answers: what was lost, asked for again.

A question is one JSON frame. It is answered by the `header` and `image` messages asked for, as they
were sent the first time, in whichever codec, and then by a `resend_end` in JSON, which not every
producer sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from monitor.errors import BadMessage
from monitor.records import ResendEnd, ResendQuestion, ScanEnd, ScanStart, SliceFrame
from monitor.wire.fields import Fields, Frame, read_object, to_json
from monitor.wire.slices import codec as slices
from monitor.wire.slices import dectris, stins
from monitor.wire.slices.limits import LARGEST, Limits

MAX_FRAMES = 4096
MAX_BYTES = 1 << 16
MAX_SCAN = 2**62


def encode_question(question: ResendQuestion) -> bytes:
    """Frame of a `resend` message. `header` is left out where the header is not asked for."""
    message: dict[str, Any] = {
        "htype": "resend",
        "cell": question.cell,
        "scan": question.scan,
        "frames": question.frames,
        "stream": question.stream,
        "id": question.id,
    }
    return to_json(message | ({"header": True} if question.header else {}))


def decode_question(frame: Frame) -> ResendQuestion:
    """The question in a frame. Raises BadMessage for anything else."""
    if len(frame) > MAX_BYTES:
        raise BadMessage("too_long", f"resend: {len(frame)} bytes for a question; dropped")
    message = read_object(frame, "resend: a question")
    if message.get("htype") != "resend":
        raise BadMessage("unknown_htype", "resend: htype of a question is not resend; dropped")
    fields = Fields(message)
    return ResendQuestion(
        cell=fields.text("cell", longest=stins.MAX_NAME),
        scan=fields.whole("scan", low=0, high=MAX_SCAN),
        frames=_frames(message),
        header=message.get("header") is True,
        stream=fields.text("stream", "", longest=stins.MAX_NAME),
        id=fields.whole("id", 0),
    )


def encode_end(end: ResendEnd) -> list[Frame]:
    """Frames of a `resend_end` message."""
    message = {
        "htype": "resend_end",
        "cell": end.cell,
        "scan": end.scan,
        "frames": end.frames,
        "id": end.id,
    }
    return [to_json(message)]


def decode_answer(
    frames: Sequence[Frame], limits: Limits = LARGEST
) -> ScanStart | SliceFrame | ResendEnd:
    """The record in an answer, marked as recovered. Raises BadMessage for anything else, and for
    what is larger than the limits."""
    if not dectris.is_dectris(frames):
        if not frames or len(frames[0]) > MAX_BYTES:
            raise BadMessage("not_json", "resend: an answer without a header; dropped")
        message = read_object(frames[0], "resend: an answer")
        if message.get("htype") == "resend_end":
            return _end(message)
    record = slices.decode(frames, limits)
    if isinstance(record, ScanEnd):
        raise BadMessage("unknown_htype", "resend: a series_end was not asked for; dropped")
    return replace(record, recovered=True)


def _end(message: dict[str, Any]) -> ResendEnd:
    fields = Fields(message)
    return ResendEnd(
        cell=fields.text("cell", longest=stins.MAX_NAME),
        scan=fields.whole("scan", low=0, high=MAX_SCAN),
        frames=_frames(message),
        id=fields.whole("id", 0),
    )


def _frames(message: dict[str, Any]) -> tuple[int, ...]:
    """Indices of slices. Raises BadMessage where they are none."""
    frames = message.get("frames", [])
    if not isinstance(frames, list) or len(frames) > MAX_FRAMES:
        raise BadMessage("bad_index", f"resend: frames is no list of up to {MAX_FRAMES}; dropped")
    if not all(type(frame) is int and 0 <= frame < stins.MAX_SIDE for frame in frames):
        raise BadMessage("bad_index", "resend: frames holds what is no index of a slice; dropped")
    return tuple(frames)
