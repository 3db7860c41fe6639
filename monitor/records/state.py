"""What a session says of itself at any moment. JSON-ready: it goes to the screens as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from monitor.records.requests import PolicyMode


class FeedCounts(TypedDict, total=False):
    """Counters of a feed. `gaps`: messages that were lost on the way; `recovered`: slices that were
    lost and sent again; `repeats`: slices that were received twice; `late`: slices that were
    received after their scan had ended; `bad`: unusable messages by kind. Out of a recording
    (`recording`) some are missing; `last_time`: when its last message was received, UTC s."""

    messages: int
    readings: int
    bytes: int
    gaps: int
    recovered: int
    repeats: int
    late: int
    bad: Mapping[str, int]
    recording: bool
    last_time: float | None


class Feeds(TypedDict, total=False):
    """Counters of the feeds; `requests`: of the replies to scan requests."""

    slices: FeedCounts
    documents: FeedCounts
    requests: FeedCounts


class ScanProgress(TypedDict):
    """The scan that a cell is in the middle of: `received` of its `slices`; `start_time`: UTC s."""

    scan: int
    reason: str
    start_time: float
    received: int
    slices: int


class Policy(TypedDict, total=False):
    """What is done when an extra scan is due. `extra_scans`: made or on their way, of `max_scans`;
    None: not known. `unanswered`: of these, requested and not answered; `refusal`: why no more
    could be asked for now, or ""."""

    mode: PolicyMode
    max_scans: int
    extra_scans: int | None
    unanswered: int
    max_scans_per_hour: int
    refusal: str


class Watch(TypedDict):
    """The watch over a cell. `conditions`: what is wrong now; `scan_delay_s`: how long after its
    start, in cell time, the last scan on schedule was received from; None before any."""

    scan_delay_s: float | None
    conditions: list[str]
