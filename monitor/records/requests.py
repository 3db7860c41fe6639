"""What operators ask of a session, and a session of the acquisition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ReplyStatus = Literal["accepted", "refused", "running", "done", "failed"]
PolicyMode = Literal["off", "suggest", "auto"]
FINAL_REPLIES: tuple[ReplyStatus, ...] = ("refused", "done", "failed")


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """An operator asks for an extra scan of a cell, or answers what was suggested (its id). `why`:
    in the operator's words; `by`: who. `time`, here and in the other orders: newest time that the
    data of the cell had told."""

    cell: str
    reason: str = "manual"
    time: float = 0.0
    suggestion: str = ""
    accepted: bool = True
    why: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """An operator sets whether extra scans of a cell are asked for, suggested or neither, and how
    many there may be in all; `max_scans` None leaves that as it is."""

    cell: str
    mode: PolicyMode
    max_scans: int | None = None
    by: str = ""
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class OperatorNote:
    """An operator's words on a cell ("": on none), and the scan that they are about, if any."""

    cell: str
    text: str
    by: str = ""
    scan: int | None = None
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An operator has seen the alarm whose event has this number."""

    cell: str
    number: int
    by: str = ""
    time: float = 0.0


Order = OperatorRequest | PolicyChange | OperatorNote | Acknowledgement
"""What an operator can send into a session."""


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """Asks the acquisition for a scan."""

    id: str
    cell: str
    reason: str
    after_scan: int
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScanReply:
    """The acquisition's answer to a `ScanRequest`. A request is accepted or refused, then running,
    then done or failed; any of these may be the first that is received, and be received again.
    `after_s`: seconds by this machine's clock from the cell's last slice until the reply was
    received."""

    id: str
    status: ReplyStatus
    why: str = ""
    scan: int | None = None
    after_s: float | None = None
