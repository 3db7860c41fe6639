"""Scan requests and their replies on the wire: one JSON frame each way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from monitor.errors import BadMessage
from monitor.plain_text import one_line
from monitor.records import ReplyStatus, ScanReply, ScanRequest
from monitor.wire.fields import Printable, checked, read_object, short, to_json

MAX_BYTES = 1 << 20
MAX_TEXT = 500
Text = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_TEXT), Printable]


@dataclass(frozen=True, slots=True)
class _Request:
    id: Text
    cell: Text
    reason: Text
    after_scan: Annotated[int, Field(strict=True, ge=-1, lt=2**62)]
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Reply:
    id: Text
    status: ReplyStatus
    why: Annotated[str, Field(strict=True)] = ""
    scan: Annotated[int, Field(strict=True, ge=0, lt=2**62)] | None = None


_REQUEST, _REPLY = TypeAdapter(_Request), TypeAdapter(_Reply)


def encode_request(request: ScanRequest) -> bytes:
    """Frame of a `scan_request`. Numbers in the evidence that JSON lacks (NaN, ∞) become null."""
    return to_json(
        {
            "type": "scan_request",
            "id": request.id,
            "cell": request.cell,
            "reason": request.reason,
            "after_scan": request.after_scan,
            "evidence": request.evidence,
        }
    )


def encode_reply(reply: ScanReply) -> bytes:
    """Frame of a `scan_reply`."""
    return to_json(
        {
            "type": "scan_reply",
            "id": reply.id,
            "status": reply.status,
            "why": reply.why,
            "scan": reply.scan,
        }
    )


def decode_request(frame: bytes | memoryview) -> ScanRequest:
    """The request in a frame. Raises BadMessage for anything else."""
    said = checked(_REQUEST, _message(frame, "scan_request"), "scan_request")
    return ScanRequest(said.id, said.cell, said.reason, said.after_scan, said.evidence)


def decode_reply(frame: bytes | memoryview) -> ScanReply:
    """The reply in a frame. Raises BadMessage for anything else."""
    said = checked(_REPLY, _message(frame, "scan_reply"), "scan_reply")
    why = one_line(said.why[:MAX_TEXT])[:MAX_TEXT]
    return ScanReply(said.id, said.status, why, said.scan)


def _message(frame: bytes | memoryview, expected: str) -> dict[str, object]:
    if len(frame) > MAX_BYTES:
        raise BadMessage("too_long", f"requests: {len(frame)} bytes for a {expected}; dropped")
    message = read_object(frame, "requests: a message")
    if message.get("type") != expected:
        got = short(message.get("type"))
        raise BadMessage("bad_request", f"requests: type is {got}, expected {expected}; dropped")
    return message
