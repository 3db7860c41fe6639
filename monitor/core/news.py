"""What the parts of a session tell each other: findings, and what becomes an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.records import Json, ScanRequest

Facts = Mapping[str, Json]
"""By name, of a sign or an event."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What one scan says of one condition; `facts` are its numbers, JSON-ready."""

    condition: str
    bad: bool
    good: bool
    text: str
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What becomes an event. `at`: its time, UTC s; None = the newest that has been received
    from."""

    kind: str
    cell: str
    data: Facts
    at: float | None = None


News = Told | ScanRequest
