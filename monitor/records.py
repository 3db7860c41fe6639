"""Frozen records that travel between the rooms. Arrays in them are read-only: threads share them.

Times are UTC seconds of the data, never of this machine's clock. Lengths are in `length_unit`:
"µm" where the voxel size is known, "voxel" where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Reason = Literal["reference", "periodic", "extra", "manual"]
LengthUnit = Literal["µm", "voxel"]
ReplyStatus = Literal["accepted", "refused", "running", "done", "failed"]
PolicyMode = Literal["off", "suggest", "auto"]
SilentFeed = Literal["slices", "documents", "schedule"]
SilenceState = Literal["LIVE", "IDLE", "LATE", "DEAD"]
ChargeState = Literal[
    "final", "interpolated", "extrapolated", "preliminary", "unknown", "none"
]  # fmt: skip
"""On what a scan's charge rests: on readings up to its time; on two that lie far apart around it;
on the current of the last one, held for a stated time; on readings that are still missing; the
readings begin after the scan; there are none."""
SETTLED_CHARGE = ("final", "interpolated", "unknown")
"""Readings to come cannot change these."""
LossReason = Literal["oversize", "stranger", "key", "silent", "crowded", "unread"]
PLANNED: tuple[Reason, ...] = ("reference", "periodic")
"""Why scans on schedule are made."""
FINAL_REPLIES: tuple[ReplyStatus, ...] = ("refused", "done", "failed")

SAME_START_S = 1.0
"""Headers of one scan may differ by so much in `start_time`: producers round it."""
SAME_VOXEL = 1e-6

LEDGER_MISSING, LEDGER_RECEIVED, LEDGER_RECOVERED = 0, 1, 2

INTERFACE_MAPS = (
    "height",
    "height_error",
    "bottom",
    "removal",
    "removal_error",
    "deposit_front",
)
CURRENT_MAPS = (
    "cumulative",
    "cumulative_error",
    "interval",
    "interval_error",
    "absolute",
    "running",
    "running_error",
)


@dataclass(frozen=True, slots=True, order=True)
class ScanKey:
    """Names one scan of one cell in one run of the acquisition."""

    cell: str
    run: str
    scan: int


@dataclass(frozen=True, slots=True)
class ScanStart:
    """`header` of the slice stream. `voxel_size_um` is (z, y, x), or None where it is unknown;
    `remark` says what was wrong in the header and has been put right, `time_remark` the same of its
    times; `recovered`: it came by the resend service, asked for; `sent`: the scan's number as the
    producer sent it, if another scan had that number already and `key` has a free one; else
    None."""

    key: ScanKey
    stream: str
    msg_number: int
    reason: Reason
    request: str
    axis: Literal["z", "y"]
    volume_shape: tuple[int, int, int]
    dtype: str
    voxel_size_um: tuple[float, float, float] | None
    start_time: float
    stop_time: float
    resend: str = ""
    remark: str = ""
    time_remark: str = ""
    recovered: bool = field(default=False, compare=False)
    sent: int | None = None

    @property
    def number(self) -> int:
        """The scan's number as the producer sent it, which its slices bear."""
        return self.key.scan if self.sent is None else self.sent

    def numbered(self, scan: int) -> ScanStart:
        """The same header, with the scan known under this number."""
        sent = None if scan == self.number else self.number
        return replace(self, key=replace(self.key, scan=scan), sent=sent)

    @property
    def slice_count(self) -> int:
        """Number of slices along `axis`."""
        nz, ny, _ = self.volume_shape
        return nz if self.axis == "z" else ny

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Shape of one slice: (ny, nx) for axis z, (nz, nx) for axis y."""
        nz, ny, nx = self.volume_shape
        return (ny, nx) if self.axis == "z" else (nz, nx)

    def is_like(self, other: ScanStart) -> bool:
        """Whether slices of the two make up one volume."""
        mine, others = ((start.volume_shape, start.dtype, start.axis) for start in (self, other))
        return mine == others

    def is_same(self, other: ScanStart) -> bool:
        """Whether the two headers, which bear the same number, announce the same scan."""
        sizes = tuple(zip(self.voxel_size, other.voxel_size, strict=True))
        return (
            self.is_like(other)
            and self.reason == other.reason
            and self.length_unit == other.length_unit
            and all(math.isclose(one, two, rel_tol=SAME_VOXEL) for one, two in sizes)
            and abs(self.start_time - other.start_time) <= SAME_START_S
        )

    def contradicts(self, other: ScanStart) -> bool:
        """Whether two headers of one number and time announce different volumes."""
        return not self.is_like(other) and abs(self.start_time - other.start_time) <= SAME_START_S

    @property
    def length_unit(self) -> LengthUnit:
        return "µm" if self.voxel_size_um else "voxel"

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """(z, y, x) in `length_unit`."""
        return self.voxel_size_um or (1.0, 1.0, 1.0)

    @property
    def time(self) -> float:
        """Middle of the scan, UTC s: the instant its heights are taken to belong to."""
        return 0.5 * (self.start_time + self.stop_time)


@dataclass(frozen=True, slots=True, eq=False)
class SliceFrame:
    """One slice. `data`: read-only view of the received buffer, (ny, nx); (nz, nx) for axis y.
    `recovered`: it was missing, was asked for, and came by the resend service."""

    cell: str
    scan: int
    stream: str
    msg_number: int
    frame: int
    data: NDArray[Any]
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class ScanEnd:
    """`series_end` of the slice stream."""

    cell: str
    scan: int
    stream: str
    msg_number: int
    slices: int


@dataclass(frozen=True, slots=True)
class ResendQuestion:
    """Asks a producer's resend service for slices of a scan, and for its header. `stream` "": of
    whatever session of the producer; `id`: comes back with the end of the answer."""

    cell: str
    scan: int
    frames: tuple[int, ...] = ()
    header: bool = False
    stream: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class ResendEnd:
    """The resend service has answered the question `id`; `frames` are what it does not have."""

    cell: str
    scan: int
    frames: tuple[int, ...] = ()
    id: int = 0


@dataclass(frozen=True, slots=True)
class CyclerReading:
    """One reading of the cycler; NaN where the feed does not carry a quantity."""

    cell: str
    time: float
    potential_V: float = float("nan")
    current_mA: float = float("nan")
    charge_mAh: float = float("nan")
    cycle: float = float("nan")
    step: float = float("nan")


@dataclass(frozen=True, slots=True)
class CyclerPoint:
    """A reading as it stands in its cell's history: what it did not carry is held from those
    before. `stripped_mAh`: net charge stripped since the first reading. A point that is not later
    than the one before stands for that one and all that are not earlier; where `since` is given,
    for all from that time on, UTC s. `measured`: what it did carry."""

    reading: CyclerReading
    stripped_mAh: float
    measured: CyclerReading | None = None
    since: float | None = None

    @property
    def replaces_from(self) -> float:
        """Readings from this time on, UTC s, that were told of before are replaced."""
        return self.reading.time if self.since is None else min(self.since, self.reading.time)


@dataclass(frozen=True, slots=True)
class CyclerDocument:
    """One bluesky document of the cycler's feed; `name` is start, descriptor, event, …"""

    name: str
    doc: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadInput:
    """A message that could not be used: counted under `kind`, shown as `text`. Out of a journal,
    `count` of them, of which `text` is the last one's."""

    feed: Literal["slices", "documents", "requests", "operator"]
    kind: str
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class FeedQuiet:
    """No slice of a cell ("": of any) has come for a while: what an ended scan still lacks will not
    come by itself. `given_up`: for so long that scans whose end was not heard have ended too. With
    `run` and `scan`, of that scan alone: nobody has what it lacks. With `stream` and `scan`: nobody
    has the header of what has come of that one."""

    feed: Literal["slices"] = "slices"
    cell: str = ""
    given_up: bool = False
    run: str = ""
    scan: int | None = None
    stream: str = ""


@dataclass(frozen=True, slots=True)
class FeedSilence:
    """What a feed brings of a cell has become late (or dead: for very long) by this machine's
    clock, after `seconds` of silence where `limit_s` are allowed; LIVE: it comes again; IDLE:
    nothing is waited for any more. Of the schedule, s of cell time that a scan is overdue."""

    feed: SilentFeed
    cell: str
    state: SilenceState
    seconds: float
    limit_s: float


TroublePart = Literal["recording", "recorder", "serving", "engine", "lock", "stalled"]
"""What of the engine has a trouble: the disk refuses what is to be recorded; an error of our own in
the recorder, in what serves screens, or in the engine's own thread; a folder without locks; a disk
that neither takes nor refuses."""


@dataclass(frozen=True, slots=True)
class CyclerClock:
    """A cell's readings against this machine's clock: at `at` by it, UTC s, the newest reading had
    the time `newest`. `steady`: readings come as they are taken, each as far from the clock as the
    others; otherwise they come in heaps, or faster than time passes."""

    cell: str
    at: float
    newest: float
    steady: bool


@dataclass(frozen=True, slots=True)
class RecordingTrouble:
    """A trouble of the engine itself begins (`failing`) or is over: the disk refuses what is to be
    recorded, or takes it again, or what `part` says. `lacking`: slices that the recording lacks
    by that; `text`: why, and what to do."""

    failing: bool
    lacking: int
    text: str
    part: TroublePart = "recording"


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """A connection of the engine is lost for a reason that does not pass by itself, or is back.

    `setting` names it (feeds.slices, requests.endpoint, results.pull …). `reason`: "oversize": a
    message longer than the limit, or that does not end; "stranger": another kind of socket, or
    none, answers at the address; "key": a CURVE key is refused; "silent": nothing arrives, not even
    an answer to a heartbeat; "crowded": too many clients at a bound address; "unread": a client
    does not read its replies. `since`: when it was lost, UTC s by this machine's clock; `times`:
    how often it was lost until it is back; `text`: what happened, and what to do.
    """

    setting: str
    address: str
    state: Literal["lost", "back"]
    reason: LossReason
    text: str
    since: float
    times: int = 1


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
    then done or failed; any of these may be the first that is heard, and be heard again. `after_s`:
    seconds by this machine's clock from the cell's last slice until the reply was heard."""

    id: str
    status: ReplyStatus
    why: str = ""
    scan: int | None = None
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, small and JSON-ready. `number` counts the events of a session."""

    number: int
    kind: str
    cell: str
    time: float
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pit:
    """One pit in one scan. Lengths in the scan's `length_unit`, after ASTM G46 / ISO 11463.

    `id` stays the same from scan to scan; `parent` is the id of the pit that it split from or that
    swallowed it (-1: none); `x`, `y` are the centroid of the opening; depths are below the plateau.
    """

    id: int
    parent: int
    first_scan: int
    x: float
    y: float
    area: float
    diameter: float
    depth_max: float
    depth_mean: float
    volume: float
    current_density_mA_cm2: float
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class ScanResult:
    """All that is computed of one scan.

    `maps` holds (ny, nx) float32 arrays by the names in `INTERFACE_MAPS` (in `length_unit`) and
    `CURRENT_MAPS` (mA/cm²); NaN = not measurable; a map that has no meaning yet is absent.
    `pit_labels` is (ny, nx) int32, the pit id of each pixel, 0 = none. `summary` holds the scalars
    of `/entry/summary`; None = unknown. While the scan runs, `provisional` is true and only
    `height` and `bottom` are there.
    """

    start: ScanStart
    provisional: bool
    complete: bool
    ledger: NDArray[np.uint8]
    maps: Mapping[str, NDArray[np.float32]]
    pit_labels: NDArray[np.int32] | None
    pits: tuple[Pit, ...]
    summary: Mapping[str, Any]

    @property
    def key(self) -> ScanKey:
        return self.start.key

    @property
    def preliminary(self) -> bool:
        """Whether readings to come may change the numbers that rest on the charge."""
        return is_preliminary(self.summary)


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


def is_preliminary(summary: Mapping[str, Any]) -> bool:
    """Whether readings to come may change the numbers of a summary that rest on the charge."""
    return (summary.get("charge_state") or "final") not in SETTLED_CHARGE


def map_units(name: str, length_unit: LengthUnit) -> str:
    """Unit of the map `name` for a scan with this length unit."""
    return "mA/cm2" if name in CURRENT_MAPS else length_unit


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, marked read-only so that threads may share it."""
    array.setflags(write=False)
    return array
