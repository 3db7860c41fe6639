"""What a screen may ask of the engine, and order from it: one JSON frame each.

Places are (row, column) in pixels of the whole map, the centre of the first pixel at (0, 0). A scan
that is None is the latest. `minus` names another scan of the cell, whose map of the same name is
subtracted; values smaller than `least_errors` standard errors are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from pydantic import AfterValidator, FailFast, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from monitor.errors import BadMessage
from monitor.records import PolicyMode
from monitor.wire.fields import (
    MAX_SIDE,
    Flag,
    Frame,
    Name,
    Natural,
    Number,
    Place,
    Positive,
    Printable,
    Side,
    Whole,
    checked,
    read_object,
    short,
    to_json,
)

MAX_REQUEST_BYTES = 2**16

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

Window = tuple[Side, Side, Side, Side]
Shape = tuple[
    Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)],
    Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)],
]
ScanNumber = Annotated[Natural | None, Field(default=None)]
"""None, also where a message does not name it: the latest."""
RegionKind = Literal["whole", "rectangle", "ellipse", "polygon"]
Corners = Annotated[tuple[Place, ...], Field(max_length=MAX_POINTS), FailFast()]
Kinds = Annotated[tuple[Name, ...], Field(max_length=MAX_KINDS), FailFast()]
LeastErrors = Annotated[float, Field(strict=True, ge=0.0, le=MAX_ERRORS)]
By = Annotated[str, Field(strict=True, max_length=MAX_BY), Printable]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "Input should be more than blanks")
    return text


NoteText = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MAX_NOTE),
    AfterValidator(_not_blank),
    Printable,
]


@dataclass(frozen=True, slots=True)
class StateRequest:
    """Asks for the whole small state, unless `since` is still current in the same `engine`; with
    `changes`, of the scans only for those that are newer."""

    since: Whole = -1
    engine: Name = ""
    tag: Name = ""
    changes: Flag = False


@dataclass(frozen=True, slots=True)
class MapRequest:
    """Asks for a window (y0, y1, x0, x1) of a map, thinned to fit `shape`."""

    cell: Name
    scan: ScanNumber
    name: Name
    window: Window | None = None
    shape: Shape | None = None
    minus: Natural | None = None
    least_errors: LeastErrors = 0.0
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class PitsRequest:
    """Asks for the table of pits of a scan."""

    cell: Name
    scan: ScanNumber
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class SectionRequest:
    """Asks for the vertical cut at `index` of `axis` (y: an x–z plane), thinned to fit `shape`."""

    cell: Name
    scan: ScanNumber
    axis: Literal["y", "x"]
    index: Whole
    shape: Shape | None = None
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class CyclerRequest:
    """Asks for the cycler's readings from `since` to `until` (UTC seconds; None: all) and the next
    one on both sides, thinned to at most `max_points`; with `rows` as one array."""

    cell: Name
    max_points: Annotated[int, Field(strict=True, ge=2, le=MAX_READINGS_ASKED)] = 4000
    tag: Name = ""
    rows: Flag = False
    since: Number | None = None
    until: Number | None = None


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """Asks for the values of a channel from `since` to `until` (UTC seconds; None: all) and the
    next one on both sides, thinned to at most `max_points`."""

    cell: Name
    name: Name
    max_points: Annotated[int, Field(strict=True, ge=2, le=MAX_READINGS_ASKED)] = 4000
    tag: Name = ""
    since: Number | None = None
    until: Number | None = None


@dataclass(frozen=True, slots=True)
class StatisticsRequest:
    """Asks for the numbers of a map inside a region, and for a histogram of `bins` between `low`
    and `high` (None: chosen by the engine). `points`: two opposite corners of a rectangle or of
    what an ellipse fills, or the corners of a polygon."""

    cell: Name
    scan: ScanNumber
    name: Name
    kind: RegionKind = "whole"
    points: Corners = ()
    bins: Annotated[int, Field(strict=True, ge=0, le=MAX_BINS)] = 0
    low: Number | None = None
    high: Number | None = None
    minus: Natural | None = None
    least_errors: LeastErrors = 0.0
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """Asks for a map along the line from `start` to `stop`, at so many evenly spaced points."""

    cell: Name
    scan: ScanNumber
    name: Name
    start: Place
    stop: Place
    points: Annotated[int, Field(strict=True, ge=2, le=MAX_PROFILE_POINTS)] = 512
    minus: Natural | None = None
    least_errors: LeastErrors = 0.0
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class PitHistoryRequest:
    """Asks for one pit in all scans of its cell."""

    cell: Name
    pit: Positive
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """Asks for the newest `limit` events of a cell ("": of all) whose number is below `before`, of
    these `kinds` (none given: of all)."""

    cell: Name = ""
    before: Natural | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_EVENTS_ASKED)] = 200
    kinds: Kinds = ()
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class ScanOrder:
    """An operator asks for a scan of a cell, or answers the suggestion of this id. `why`: in the
    operator's words; `by`: who."""

    cell: Name
    reason: Name = "manual"
    suggestion: Name = ""
    accepted: Flag = True
    why: Name = ""
    by: By = ""
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class PolicyOrder:
    """Sets what the engine may ask for by itself in a cell; `max_scans` None leaves it as it is."""

    cell: Name
    mode: PolicyMode
    max_scans: Annotated[int, Field(strict=True, ge=0, le=MAX_SCANS_PER_CELL)] | None = None
    by: By = ""
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class NoteOrder:
    """Puts the operator's words among the events of a cell ("": of none), about a scan or not."""

    cell: Name
    text: NoteText
    by: By = ""
    scan: Natural | None = None
    tag: Name = ""


@dataclass(frozen=True, slots=True)
class AcknowledgeOrder:
    """Says that the alarm of this event number has been seen."""

    cell: Name
    number: Positive
    by: By = ""
    tag: Name = ""


Question = (
    StateRequest
    | MapRequest
    | PitsRequest
    | SectionRequest
    | CyclerRequest
    | ChannelRequest
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
    ChannelRequest: "channel",
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


def _consistent(request: Request) -> Request:
    """Checks the fields that have to fit each other."""
    match request:
        case CyclerRequest() | ChannelRequest():
            _check_order("since", request.since, request.until)
        case StatisticsRequest():
            _check_corners(request.kind, len(request.points))
            _check_order("low", request.low, request.high)
    return request


def _check_order(low: str, least: float | None, most: float | None) -> None:
    if least is not None and most is not None and least >= most:
        raise _unfit(f"{low} is {least:g}, expected less than {most:g}")


def _check_corners(kind: RegionKind, count: int) -> None:
    fits, corners = {
        "whole": (count == 0, "none"),
        "rectangle": (count == 2, "two opposite corners"),
        "ellipse": (count == 2, "two opposite corners"),
        "polygon": (count >= 3, f"3 to {MAX_POINTS} corners"),
    }[kind]
    if not fits:
        raise _unfit(f"{count} points of a {kind}, expected {corners}")


def _unfit(text: str) -> PydanticCustomError:
    return PydanticCustomError("unfit", "{text}", {"text": text})


_ADAPTERS: dict[str, TypeAdapter[Request]] = {
    name: TypeAdapter(Annotated[kind, AfterValidator(_consistent)])  # type: ignore[arg-type]
    for kind, name in NAMES.items()
}


def decode_request(frames: Sequence[Frame]) -> Request:
    """The request in a message, of which every field has been checked. Raises BadMessage for
    anything that is none; what is too long is not read."""
    if len(frames) != 1:
        raise BadMessage("bad_request", f"request of {len(frames)} frames, expected 1")
    if len(frames[0]) > MAX_REQUEST_BYTES:
        most = f"expected {MAX_REQUEST_BYTES} at most"
        raise BadMessage("bad_request", f"request of {len(frames[0])} bytes, {most}")
    message = read_object(frames[0], "request")
    name = message.get("type")
    if not isinstance(name, str) or name not in _ADAPTERS:
        known = ", ".join(_ADAPTERS)
        raise BadMessage("bad_request", f"request type {short(name)} is unknown; expected {known}")
    return checked(_ADAPTERS[name], message, "message")


def encode_request(request: Request) -> list[Frame]:
    """Frames of a request."""
    said = {field.name: getattr(request, field.name) for field in fields(request)}
    if not said["tag"]:
        del said["tag"]
    return [to_json({"type": NAMES[type(request)], **said})]
