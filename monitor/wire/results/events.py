"""Status messages that are events, as JSON (docs/reference/events.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from monitor.records import ChargeState


class Evidence(TypedDict, total=False):
    """What led to a scan request: an operator's name and words, or the rule with its numbers."""

    asked_by: str
    by: str
    why: str
    rule: str


class StatusEvent(TypedDict, total=False):
    """A status message that is an event (docs/reference/events.md): what all of them have, and what
    those of some kinds have."""

    type: str
    version: int
    time: float
    cell: str
    number: int
    scan: int | None
    why: str
    text: str
    by: str
    id: str
    reason: str
    request: str
    slices: int
    sent: int
    complete: bool
    averaged_um: float | None
    complete_um: float | None
    coulometry_um: float | None
    closure: float | None
    pit_count: int | None
    soc: float | None
    charge_state: ChargeState
    changed: Sequence[str]
    after_scan: int
    evidence: Evidence
    status: str
    after_s: float | None
    verdict: str
    decision: str
    slices_to_come: int
    mode: str
    before: str | int
    max_scans: int | None
    alarm: int
    condition: str
    stream: str
    lost: int
    total: int
    count: int
    setting: str
    address: str
    state: str
    since: float
    times: int
    feed: str
    bad_kind: str
