"""What a screen may ask of the engine, and order from it: one JSON frame each.

Places are (row, column) in pixels of the whole map, the centre of the first pixel at (0, 0). A scan
that is None is the latest. `minus` names another scan of the cell, whose map of the same name is
subtracted; values smaller than `least_errors` standard errors are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from monitor.records import PolicyMode
from monitor.wire.fields import Frame, Place, to_json

Window = tuple[int, int, int, int]
RegionKind = Literal["whole", "rectangle", "ellipse", "polygon"]

MAX_POINTS = 200
MAX_BINS = 512
MAX_PROFILE_POINTS = 4096
MAX_READINGS_ASKED = 1_000_000
MAX_EVENTS_ASKED = 1000
MAX_KINDS = 50
MAX_SCANS_PER_CELL = 10_000
MAX_ERRORS = 1000.0
MAX_NOTE = 2000
MAX_BY = 100


@dataclass(frozen=True, slots=True)
class StateRequest:
    """Asks for the whole small state, unless `since` is still current in the same `engine`; with
    `changes`, of the scans only for those that are newer."""

    since: int = -1
    engine: str = ""
    tag: str = ""
    changes: bool = False


@dataclass(frozen=True, slots=True)
class MapRequest:
    """Asks for a window (y0, y1, x0, x1) of a map, thinned to fit `shape`."""

    cell: str
    scan: int | None
    name: str
    window: Window | None = None
    shape: tuple[int, int] | None = None
    minus: int | None = None
    least_errors: float = 0.0
    tag: str = ""


@dataclass(frozen=True, slots=True)
class PitsRequest:
    """Asks for the table of pits of a scan."""

    cell: str
    scan: int | None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class SectionRequest:
    """Asks for the vertical cut at `index` of `axis` (y: an x–z plane), thinned to fit `shape`."""

    cell: str
    scan: int | None
    axis: Literal["y", "x"]
    index: int
    shape: tuple[int, int] | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class CyclerRequest:
    """Asks for the cycler's readings from `since` to `until` (UTC seconds; None: all) and the next
    one on both sides, thinned to at most `max_points`; with `rows` as one array."""

    cell: str
    max_points: int = 4000
    tag: str = ""
    rows: bool = False
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class StatisticsRequest:
    """Asks for the numbers of a map inside a region, and for a histogram of `bins` between `low`
    and `high` (None: chosen by the engine). `points`: two opposite corners of a rectangle or of
    what an ellipse fills, or the corners of a polygon."""

    cell: str
    scan: int | None
    name: str
    kind: RegionKind = "whole"
    points: tuple[Place, ...] = ()
    bins: int = 0
    low: float | None = None
    high: float | None = None
    minus: int | None = None
    least_errors: float = 0.0
    tag: str = ""


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """Asks for a map along the line from `start` to `stop`, at so many evenly spaced points."""

    cell: str
    scan: int | None
    name: str
    start: Place
    stop: Place
    points: int = 512
    minus: int | None = None
    least_errors: float = 0.0
    tag: str = ""


@dataclass(frozen=True, slots=True)
class PitHistoryRequest:
    """Asks for one pit in all scans of its cell."""

    cell: str
    pit: int
    tag: str = ""


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """Asks for the newest `limit` events of a cell ("": of all) whose number is below `before`, of
    these `kinds` (none given: of all)."""

    cell: str = ""
    before: int | None = None
    limit: int = 200
    kinds: tuple[str, ...] = ()
    tag: str = ""


@dataclass(frozen=True, slots=True)
class ScanOrder:
    """An operator asks for a scan of a cell, or answers the suggestion of this id. `why`: in the
    operator's words; `by`: who."""

    cell: str
    reason: str = "manual"
    suggestion: str = ""
    accepted: bool = True
    why: str = ""
    by: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class PolicyOrder:
    """Sets what the engine may ask for by itself in a cell; `max_scans` None leaves it as it is."""

    cell: str
    mode: PolicyMode
    max_scans: int | None = None
    by: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class NoteOrder:
    """Puts the operator's words among the events of a cell ("": of none), about a scan or not."""

    cell: str
    text: str
    by: str = ""
    scan: int | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class AcknowledgeOrder:
    """Says that the alarm of this event number has been seen."""

    cell: str
    number: int
    by: str = ""
    tag: str = ""


Question = (
    StateRequest
    | MapRequest
    | PitsRequest
    | SectionRequest
    | CyclerRequest
    | StatisticsRequest
    | ProfileRequest
    | PitHistoryRequest
    | EventsRequest
)
Order = ScanOrder | PolicyOrder | NoteOrder | AcknowledgeOrder
Request = Question | Order

NAMES: dict[type[Request], str] = {
    StateRequest: "state",
    MapRequest: "map",
    PitsRequest: "pits",
    SectionRequest: "section",
    CyclerRequest: "cycler",
    StatisticsRequest: "statistics",
    ProfileRequest: "profile",
    PitHistoryRequest: "pit_history",
    EventsRequest: "events",
    ScanOrder: "request_scan",
    PolicyOrder: "policy",
    NoteOrder: "note",
    AcknowledgeOrder: "acknowledge",
}
"""The `type` of each; the reply to it bears the same, unless it is an error."""


def encode_request(request: Request) -> list[Frame]:
    """Frames of a request."""
    said = {field.name: getattr(request, field.name) for field in fields(request)}
    if not said["tag"]:
        del said["tag"]
    return [to_json({"type": NAMES[type(request)], **said})]
