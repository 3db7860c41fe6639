"""State of an engine, as it is passed to the code that serves the screens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.engine.health import Silence
from monitor.records import CyclerReading
from monitor.records.state import Feeds, Policy, ScanProgress, Watch
from monitor.wire.results.state import Recorder


@dataclass(frozen=True, slots=True)
class EngineState:
    """State of an engine after a message. Its mappings are kept: they are not changed afterwards.

    By cell: the scan that is `running`, the last reading of the `cycler`, `references` (net charge,
    mAh, that its reference scan found stripped), `policies`, `watches`, `clock_offsets_s`
    (estimates; docs/reference/watchdog.md). `silence`: when each feed was last received; `ended`: a
    replayed recording has no more messages; `resuming`: the messages of an interrupted recording
    are being processed again.
    """

    feeds: Feeds = field(default_factory=lambda: Feeds())
    running: Mapping[str, ScanProgress | None] = field(default_factory=dict)
    cycler: Mapping[str, CyclerReading] = field(default_factory=dict)
    recorder: Recorder = field(default_factory=lambda: Recorder())
    references: Mapping[str, float | None] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    watches: Mapping[str, Watch] = field(default_factory=dict)
    clock_offsets_s: Mapping[str, float | None] = field(default_factory=dict)
    silence: Silence = field(default_factory=Silence)
    ended: bool = False
    resuming: bool = False
