"""What the parts of a session tell each other: findings, and what becomes an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.records import ScanRequest


@dataclass(frozen=True, slots=True)
class Sign:
    """What one scan says of one condition; `facts` are its numbers, JSON-ready."""

    condition: str
    bad: bool
    good: bool
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What becomes an event. `at`: its time, UTC s; None = the newest that has been heard of."""

    kind: str
    cell: str
    data: Mapping[str, Any]
    at: float | None = None


News = Told | ScanRequest
