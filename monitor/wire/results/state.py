"""The state that travels from the engine to the screens, as JSON (docs/reference/results.md).

Times are UTC s of the data unless stated otherwise; None is a number that is not known. What an
engine of before, or a recording, may leave out is read with `get`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from monitor.records.state import Feeds
from monitor.wire.results.cells import Alarm, Cell
from monitor.wire.results.events import StatusEvent

Mode = Literal["live", "replay", "recording"]
Role = Literal["operator", "viewer", ""]
HealthState = Literal["LIVE", "IDLE", "LATE", "DEAD", "REPLAY"]


class Experiment(TypedDict):
    """`started`: when the engine was started, UTC s by its clock; `ended`: nothing more comes out
    of the recording."""

    name: str
    record_slices: bool
    mode: Mode
    started: float
    ended: bool


class SilenceLimits(TypedDict, total=False):
    """By what the states of feeds are decided: s, and a share of the period (`due_grace`)."""

    late_s: float
    dead_s: float
    cycler_s: float
    due_grace: float


class ShownSettings(TypedDict, total=False):
    """Settings of the engine that screens show. `period_s`: between scans on schedule; `slices`:
    addresses of the feed; `closure_band`: outside of it the engine raises its alarm."""

    period_s: float
    requests: str
    slices: Sequence[str]
    onset: str
    watch: SilenceLimits
    closure_band: tuple[float, float]


class Health(TypedDict):
    """`age_s`: since the last message that the state is about, or None; `overdue_s`: how long the
    next scan is overdue, s of cell time, or None."""

    state: HealthState
    age_s: float | None
    why: str
    overdue_s: float | None


class CellHealth(Health):
    """Of a cell as a whole, of its two feeds, and whether nothing more is expected of it."""

    slices: Health
    cycler: Health
    ended: bool


class FeedsHealth(TypedDict, total=False):
    """Of the two feeds (the most urgent cell counts), and of each cell by name."""

    slices: Health
    documents: Health
    cells: Mapping[str, CellHealth]


class Compression(TypedDict):
    """Whether slices are compressed now (`on`), and the share of their bytes that the first ones of
    the scan were spared by that; None before they have been compressed."""

    on: bool
    saving: float | None


class Recorder(TypedDict, total=False):
    """What waits to be written (`queued_bytes`), what was written, and what went wrong: `alarm` in
    words, `failing` while the disk refuses; `compression` by cell. Empty if nothing is recorded."""

    folder: str
    queued_bytes: int
    queue_limit_bytes: int
    waits: int
    alarm: str
    failing: bool
    failures: int
    messages: int
    slices: int
    scans: int
    compression: Mapping[str, Compression]


class Kernels(TypedDict):
    """How many of the kernels are `compiled`, while an engine that has been started waits for
    them: it takes no message before."""

    compiled: int
    of: int


class RefusedClient(TypedDict):
    """A client whose key is not listed: when it came last, UTC s by the engine's clock, and how
    often. `door`: screens or producers."""

    time: float
    address: str
    key: str
    door: str
    count: int


class Security(TypedDict, total=False):
    """Who and what was refused so far."""

    refused_keys: int
    refused_orders: int
    last_refused: Sequence[RefusedClient]


class Heartbeat(TypedDict):
    """Data of the status message of each second. `dropped_previews`: status messages that were not
    sent because too many waited."""

    feeds: Feeds
    health: FeedsHealth
    recorder: Recorder
    dropped_previews: int
    security: Security


class State(TypedDict, total=False):
    """The reply to a question for the state. `time`: UTC s by the engine's clock; `unchanged`: it
    is only what moves all the time; `changes`: of the scans only those that are newer are there;
    `may_order`: "" or why no orders are taken; `role`: of the client that asks; `alarms`: those of
    no cell; `events`: the newest, oldest first; `kernels`: only until the first message can be
    taken; `resuming`: whether messages of an interrupted recording are being processed again."""

    type: str
    version: int
    engine: str
    time: float
    tag: str
    unchanged: bool
    changes: bool
    feeds: Feeds
    kernels: Kernels
    resuming: bool
    health: FeedsHealth
    recorder: Recorder
    security: Security
    experiment: Experiment
    settings: ShownSettings
    may_order: str
    role: Role
    alarms: Sequence[Alarm]
    cells: Mapping[str, Cell]
    events: Sequence[StatusEvent]
