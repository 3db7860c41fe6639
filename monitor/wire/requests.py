"""Scan requests and their replies on the wire: one JSON frame each way."""

from __future__ import annotations

import json
import math
from typing import Any, cast, get_args

import numpy as np

from monitor.errors import BadMessage
from monitor.plain_text import is_plain, one_line
from monitor.records import ReplyStatus, ScanReply, ScanRequest
from monitor.wire.fields import short

STATUSES = get_args(ReplyStatus)
MAX_BYTES = 1 << 20
MAX_TEXT = 500


def encode_request(request: ScanRequest) -> bytes:
    """Frame of a `scan_request`. Numbers in the evidence that JSON lacks (NaN, ∞) become null."""
    return _json(
        {
            "type": "scan_request",
            "id": request.id,
            "cell": request.cell,
            "reason": request.reason,
            "after_scan": request.after_scan,
            "evidence": _plain(dict(request.evidence)),
        }
    )


def encode_reply(reply: ScanReply) -> bytes:
    """Frame of a `scan_reply`."""
    return _json(
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
    message = _message(frame, "scan_request")
    evidence = message.get("evidence", {})
    if not isinstance(evidence, dict):
        raise _bad("scan_request", "evidence", evidence, "an object")
    return ScanRequest(
        id=_text(message, "id"),
        cell=_text(message, "cell"),
        reason=_text(message, "reason"),
        after_scan=_whole(message, "after_scan", lowest=-1),
        evidence=evidence,
    )


def decode_reply(frame: bytes | memoryview) -> ScanReply:
    """The reply in a frame. Raises BadMessage for anything else."""
    message = _message(frame, "scan_reply")
    status = message.get("status")
    if status not in STATUSES:
        raise _bad("scan_reply", "status", status, " or ".join(STATUSES))
    scan = message.get("scan")
    why = message.get("why")
    why = "" if why is None else why
    if not isinstance(why, str):
        raise _bad("scan_reply", "why", why, "text")
    return ScanReply(
        id=_text(message, "id"),
        status=cast(ReplyStatus, status),
        why=one_line(why[:MAX_TEXT])[:MAX_TEXT],
        scan=None if scan is None else _whole(message, "scan", lowest=0),
    )


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _message(frame: bytes | memoryview, expected: str) -> dict[str, Any]:
    if len(frame) > MAX_BYTES:
        raise BadMessage("too_long", f"requests: {len(frame)} bytes for a {expected}; dropped")
    try:
        message = json.loads(bytes(frame))
    except (ValueError, RecursionError):
        raise BadMessage(
            "not_json", f"requests: a message of {len(frame)} bytes is not JSON; dropped"
        ) from None
    if not isinstance(message, dict):
        raise BadMessage("not_json", "requests: a message is JSON but not an object; dropped")
    if message.get("type") != expected:
        raise _bad("requests", "type", message.get("type"), expected)
    return message


def _text(message: dict[str, Any], key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not is_plain(value):
        raise _bad(message["type"], key, value, f"1 to {MAX_TEXT} printable characters")
    return value


def _whole(message: dict[str, Any], key: str, lowest: int) -> int:
    value = message.get(key)
    if type(value) is not int or not lowest <= value < 2**62:
        raise _bad(message["type"], key, value, f"a whole number of {lowest} or more")
    return value


def _bad(what: str, key: str, value: object, expected: str) -> BadMessage:
    return BadMessage(
        "bad_request", f"{what}: {key} is {short(value)}, expected {expected}; dropped"
    )
