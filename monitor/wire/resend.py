"""Questions to a producer's resend service, and its answers: what was lost, asked for again.

A question is one JSON frame. It is answered by the `header` and `image` messages asked for, as they
were sent the first time, in whichever codec, and then by a `resend_end` in JSON, which not every
producer sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import FailFast, Field, TypeAdapter

from monitor.errors import BadMessage
from monitor.records import ResendEnd, ResendQuestion, ScanEnd, ScanStart, SliceFrame
from monitor.wire.fields import Frame, Printable, Whole, checked, read_object, to_json
from monitor.wire.slices import codec as slices
from monitor.wire.slices import dectris, stins
from monitor.wire.slices.limits import LARGEST, Limits

MAX_FRAMES = 4096
MAX_BYTES = 1 << 16
Cell = Annotated[str, Field(strict=True, max_length=stins.MAX_NAME), Printable]
Index = Annotated[int, Field(strict=True, ge=0, lt=stins.MAX_SIDE)]


@dataclass(frozen=True, slots=True)
class _Said:
    """The fields of a question, and of the end of an answer to it."""

    cell: Cell
    scan: Annotated[int, Field(strict=True, ge=0, le=2**62)]
    frames: Annotated[tuple[Index, ...], Field(max_length=MAX_FRAMES), FailFast()] = ()
    header: Any = False
    stream: Cell = ""
    id: Whole = 0


_SAID = TypeAdapter(_Said)


def encode_question(question: ResendQuestion) -> bytes:
    """Frame of a `resend` message. `header` is left out where the header is not asked for."""
    message: dict[str, object] = {
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
        raise BadMessage("too_long", f"resend: {len(frame)} bytes for a request; dropped")
    message = read_object(frame, "resend: a request")
    if message.get("htype") != "resend":
        raise BadMessage("unknown_htype", "resend: htype of a request is not resend; dropped")
    said = checked(_SAID, message, "resend")
    header = said.header is True
    return ResendQuestion(said.cell, said.scan, said.frames, header, said.stream, said.id)


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
            said = checked(_SAID, message, "resend")
            return ResendEnd(said.cell, said.scan, said.frames, said.id)
    record = slices.decode(frames, limits)
    if isinstance(record, ScanEnd):
        raise BadMessage("unknown_htype", "resend: a series_end that was not requested; dropped")
    return replace(record, recovered=True)
