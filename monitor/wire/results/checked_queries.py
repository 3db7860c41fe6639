"""Requests as they come in: every field is checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

from monitor.errors import BadMessage
from monitor.records import PolicyMode
from monitor.wire.fields import REQUIRED, Fields, Frame, read_object, short
from monitor.wire.results import queries as ask

MAX_REQUEST_BYTES = 2**16


def decode_request(frames: Sequence[Frame]) -> ask.Request:
    """The request in a message. Raises BadMessage for anything that is none."""
    if len(frames) != 1:
        raise BadMessage("bad_request", f"request of {len(frames)} frames, expected 1")
    if len(frames[0]) > MAX_REQUEST_BYTES:
        most = f"expected {MAX_REQUEST_BYTES} at most"
        raise BadMessage("bad_request", f"request of {len(frames[0])} bytes, {most}")
    message = read_object(frames[0], "request")
    name = message.get("type")
    if not isinstance(name, str) or name not in _READERS:
        known = ", ".join(_READERS)
        raise BadMessage("bad_request", f"request type {short(name)} is unknown; expected {known}")
    said = Fields(message)
    return _READERS[name](said, said.text("tag", ""))


def _state(said: Fields, tag: str) -> ask.StateRequest:
    changes = said.flag("changes", False)
    return ask.StateRequest(said.whole("since", -1), said.text("engine", ""), tag, changes)


def _map(said: Fields, tag: str) -> ask.MapRequest:
    window: Any = said.sides("window", 4, 0)
    shape: Any = said.sides("shape", 2, 1)
    name, least = said.text("name"), _least_errors(said)
    minus = said.scan("minus")
    return ask.MapRequest(said.text("cell"), said.scan(), name, window, shape, minus, least, tag)


def _pits(said: Fields, tag: str) -> ask.PitsRequest:
    return ask.PitsRequest(said.text("cell"), said.scan(), tag)


def _section(said: Fields, tag: str) -> ask.SectionRequest:
    shape: Any = said.sides("shape", 2, 1)
    axis = said.choice("axis", "y", ("y", "x"))
    return ask.SectionRequest(said.text("cell"), said.scan(), axis, said.whole("index"), shape, tag)


def _cycler(said: Fields, tag: str) -> ask.CyclerRequest:
    points = said.whole("max_points", 4000, 2, ask.MAX_READINGS_ASKED)
    since, until = said.number("since", None), said.number("until", None)
    if since is not None and until is not None and since >= until:
        text = f"message: since is {since:g}, expected less than {until:g}"
        raise BadMessage("bad_request", text)
    rows = said.flag("rows", False)
    return ask.CyclerRequest(said.text("cell"), points, tag, rows, since, until)


def _statistics(said: Fields, tag: str) -> ask.StatisticsRequest:
    kind: ask.RegionKind = said.choice("kind", "whole", get_args(ask.RegionKind))
    points = said.places("points", ask.MAX_POINTS)
    _check_corners(kind, len(points))
    low, high = said.number("low", None), said.number("high", None)
    if low is not None and high is not None and low >= high:
        raise BadMessage("bad_request", f"message: low is {low:g}, expected less than {high:g}")
    return ask.StatisticsRequest(
        said.text("cell"),
        said.scan(),
        said.text("name"),
        kind,
        points,
        said.whole("bins", 0, 0, ask.MAX_BINS),
        low,
        high,
        said.scan("minus"),
        _least_errors(said),
        tag,
    )


def _check_corners(kind: ask.RegionKind, count: int) -> None:
    wrong = {
        "whole": "" if count == 0 else "none",
        "rectangle": "" if count == 2 else "two opposite corners",
        "ellipse": "" if count == 2 else "two opposite corners",
        "polygon": "" if count >= 3 else f"3 to {ask.MAX_POINTS} corners",
    }[kind]
    if wrong:
        raise BadMessage("bad_request", f"message: {count} points of a {kind}, expected {wrong}")


def _profile(said: Fields, tag: str) -> ask.ProfileRequest:
    return ask.ProfileRequest(
        said.text("cell"),
        said.scan(),
        said.text("name"),
        said.place("start"),
        said.place("stop"),
        said.whole("points", 512, 2, ask.MAX_PROFILE_POINTS),
        said.scan("minus"),
        _least_errors(said),
        tag,
    )


def _pit_history(said: Fields, tag: str) -> ask.PitHistoryRequest:
    return ask.PitHistoryRequest(said.text("cell"), said.whole("pit", REQUIRED, 1), tag)


def _events(said: Fields, tag: str) -> ask.EventsRequest:
    limit = said.whole("limit", 200, 1, ask.MAX_EVENTS_ASKED)
    kinds = said.words("kinds", ask.MAX_KINDS)
    return ask.EventsRequest(
        said.text("cell", ""), said.whole("before", None, 0), limit, kinds, tag
    )


def _request_scan(said: Fields, tag: str) -> ask.ScanOrder:
    suggestion, accepted = said.text("suggestion", ""), said.flag("accepted", True)
    reason, why, by = said.text("reason", "manual"), said.text("why", ""), _by(said)
    return ask.ScanOrder(said.text("cell"), reason, suggestion, accepted, why, by, tag)


def _policy(said: Fields, tag: str) -> ask.PolicyOrder:
    mode = said.choice("mode", REQUIRED, get_args(PolicyMode))
    most = said.whole("max_scans", None, 0, ask.MAX_SCANS_PER_CELL)
    return ask.PolicyOrder(said.text("cell"), mode, most, _by(said), tag)


def _note(said: Fields, tag: str) -> ask.NoteOrder:
    text = said.text("text", longest=ask.MAX_NOTE, shortest=1)
    return ask.NoteOrder(said.text("cell"), text, _by(said), said.scan(), tag)


def _acknowledge(said: Fields, tag: str) -> ask.AcknowledgeOrder:
    number = said.whole("number", REQUIRED, 1)
    return ask.AcknowledgeOrder(said.text("cell"), number, _by(said), tag)


def _least_errors(said: Fields) -> float:
    least: float = said.number("least_errors", 0.0, 0.0, ask.MAX_ERRORS)
    return least


def _by(said: Fields) -> str:
    return said.text("by", "", longest=ask.MAX_BY)


_READERS: dict[str, Callable[[Fields, str], ask.Request]] = {
    "state": _state,
    "map": _map,
    "pits": _pits,
    "section": _section,
    "cycler": _cycler,
    "statistics": _statistics,
    "profile": _profile,
    "pit_history": _pit_history,
    "events": _events,
    "request_scan": _request_scan,
    "policy": _policy,
    "note": _note,
    "acknowledge": _acknowledge,
}
