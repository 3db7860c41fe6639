"""What goes into a session, what comes out of it, and what happened in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.records.conditions import (
    BadInput,
    ConnectionChange,
    CyclerClock,
    FeedQuiet,
    FeedSilence,
    RecordingTrouble,
)
from monitor.records.cycler import CyclerDocument
from monitor.records.requests import Order, ScanReply, ScanRequest
from monitor.records.scans import ScanResult
from monitor.records.slices import ScanEnd, ScanStart, SliceFrame

Json = str | bool | int | float | None | Sequence["Json"] | Mapping[str, "Json"]
"""What JSON can hold, read-only."""
EventData = Mapping[str, Any]
"""What an event says, JSON-ready; the table of events in docs/reference/events.md has its keys."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, small and JSON-ready. `number` counts the events of a session."""

    number: int
    kind: str
    cell: str
    time: float
    data: EventData = field(default_factory=dict)


Record = (
    ScanStart
    | SliceFrame
    | ScanEnd
    | CyclerDocument
    | ScanReply
    | Order
    | FeedQuiet
    | FeedSilence
    | CyclerClock
    | RecordingTrouble
    | ConnectionChange
    | BadInput
)
"""What goes into a session."""
Output = Event | ScanResult | ScanRequest
"""What comes out of a session."""
