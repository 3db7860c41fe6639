"""Scan requests in words: what was requested, by whom, why, and its state. Pure functions."""

from __future__ import annotations

from monitor.gui.formatting import duration
from monitor.gui.state.health import mode_of
from monitor.gui.state.snapshot import Snapshot
from monitor.quantities.table import FINDINGS
from monitor.wire.results.cells import Cell, RequestState, UnansweredRequest

NOT_RECEIVED = "not received"
REASONS = {
    "manual": "requested by the operator",
    "pit_onset": "pit onset",
    **{rule: one.title for rule, one in FINDINGS.items()},
}
"""Reasons of requests, in words."""


def reason_text(reason: object) -> str:
    """A reason in words; one that is not known as it stands."""
    return REASONS.get(str(reason), str(reason).replace("_", " "))


def status_of(snapshot: Snapshot, cell: Cell, request: RequestState) -> str:
    """The status of a request. A request that was sent, but not answered for too long, or never
    again in a recording, is "not received"."""
    status = str(request["status"])
    if status != "sent":
        return status
    if mode_of(snapshot) == "recording":
        return NOT_RECEIVED
    waiting = _unanswered(cell, request)
    return NOT_RECEIVED if waiting is not None and waiting.get("received") is False else status


def request_text(snapshot: Snapshot, cell: Cell, request: RequestState) -> str:
    """One line: reason, scan, who requested it and why, its status."""
    status = status_of(snapshot, cell, request)
    text = reason_text(request["reason"])
    after = request.get("after_scan")
    if after is not None:
        text += ", before any scan" if after < 0 else f", after scan {after}"
    if request.get("by"):
        text += f", by {request['by']}"
    if request.get("words"):
        text += f", “{request['words']}”"
    text += f": {status}"
    if status == NOT_RECEIVED:
        waiting = _unanswered(cell, request)
        answer = "no answer is recorded"
        if waiting:
            age = duration(waiting["age_s"])
            answer = f"no answer from the acquisition for {age}; is it running?"
        text += f" ({answer})"
    if request.get("why"):
        text += f", {request['why']}"
    if request.get("scan") is not None:
        text += f" → scan {request['scan']}"
    return text


def _unanswered(cell: Cell, request: RequestState) -> UnansweredRequest | None:
    waiting = cell.get("unanswered") or ()
    return next((one for one in waiting if one.get("id") == request["id"]), None)
