"""State of feeds, connections and the engine itself, as records for the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SilentFeed = Literal["slices", "documents", "schedule"]
SilenceState = Literal["LIVE", "IDLE", "LATE", "DEAD"]
LossReason = Literal["oversize", "stranger", "key", "silent", "crowded", "unread"]


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
    come by itself. `given_up`: for so long that scans whose end was not received have ended too.
    With
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
    """What a feed brings of a cell has become late (or dead: for longer) by this machine's
    clock, after `seconds` of silence where `limit_s` are allowed; LIVE: it arrives again; IDLE:
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
    none, answers at the address; "key": a CURVE key is refused; "silent": nothing arrives, and
    nobody answers; "crowded": too many clients at a bound address; "unread": a client
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
