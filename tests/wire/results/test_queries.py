"""What screens may ask and order: what goes out comes in, and nothing else does."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import BadMessage
from monitor.wire.fields import MAX_SIDE, to_json
from monitor.wire.results import queries as ask
from monitor.wire.results.queries import MAX_REQUEST_BYTES, decode_request

CORNERS = ((1.5, -2.0), (30.0, 40.25))
REQUESTS = [
    ask.StateRequest(12, "abc", "s"),
    ask.StateRequest(12, "abc", changes=True),
    ask.MapRequest("A", 3, "removal", (0, 10, 5, 20), (600, 800), 1, 3.0, "t"),
    ask.MapRequest("A", None, "height"),
    ask.PitsRequest("A", 3),
    ask.SectionRequest("A", None, "y", 17),
    ask.SectionRequest("A", 2, "x", 4, (100, 200), "cut"),
    ask.CyclerRequest("B", 500),
    ask.CyclerRequest("B", rows=True),
    ask.CyclerRequest("B", since=1.5e9, until=1.6e9),
    ask.ChannelRequest("A", "ring_current"),
    ask.ChannelRequest("B", "ring_current", 50, "c", 1.5e9, 1.6e9),
    ask.StatisticsRequest("A", None, "height"),
    ask.StatisticsRequest("A", 4, "removal", "ellipse", CORNERS, 64, -1.0, 2.5, 0, 3.0, "s"),
    ask.StatisticsRequest("A", 4, "running", "polygon", (*CORNERS, (0.0, 9.0)), 512),
    ask.ProfileRequest("A", 4, "removal", *CORNERS, 100, 2, 1.5, "p"),
    ask.PitHistoryRequest("A", 17, "h"),
    ask.EventsRequest(),
    ask.EventsRequest("A", 400, 1000, ("note", "alarm"), "e"),
    ask.ScanOrder("A", "manual", "1", False, "the beam is off", "J. D."),
    ask.PolicyOrder("A", "auto"),
    ask.PolicyOrder("A", "off", 0, "J. D.", "o"),
    ask.NoteOrder("", "n" * 2000, "J. D.", 3),
    ask.AcknowledgeOrder("", 12, "J. D."),
]


UNSEEN = (
    "\u202e", "\u2066", "\u200f", "\u2028", "\u2029", "\u200b", "\u200d", "\ufeff", "\u00ad",
    "\u00a0", "\x1b", "\x9b", "\n", "\ud800", "\U000e0041",
)  # fmt: skip
"""Controls of terminals and of the direction of reading, separators, what has no width."""


def decoded(**message):
    return decode_request([json.dumps(message).encode()])


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_requests_come_back_as_they_went(request_):
    assert decode_request(ask.encode_request(request_)) == request_


def test_every_request_has_a_name_and_a_reader():
    assert {type(request) for request in REQUESTS} == set(ask.NAMES)
    with pytest.raises(BadMessage) as caught:
        decoded(type="volume")
    assert all(name in str(caught.value) for name in ask.NAMES.values())


def test_a_request_written_by_hand_is_read():
    frame = b'{"type":"map","cell":"A","scan":null,"name":"height","window":null,"shape":[4,5]}'
    assert decode_request([frame]) == ask.MapRequest("A", None, "height", None, (4, 5))
    whole = decoded(type="profile", cell="A", name="height", start=[1, 2], stop=[3, 4.5])
    assert whole == ask.ProfileRequest("A", None, "height", (1.0, 2.0), (3.0, 4.5))
    assert all(type(value) is float for value in whole.start)


MAP = {"type": "map", "cell": "A", "scan": 1, "name": "height"}
STATISTICS = {"type": "statistics", "cell": "A", "scan": 1, "name": "height"}
PROFILE = {"type": "profile", "cell": "A", "name": "height", "start": [0, 0], "stop": [1, 1]}
POLICY = {"type": "policy", "cell": "A", "mode": "auto"}
NOTE = {"type": "note", "cell": "A", "text": "x"}
WRONG = [
    MAP | {"name": None},
    MAP | {"cell": 3},
    MAP | {"cell": "A" * 201},
    MAP | {"scan": "1"},
    MAP | {"scan": -1},
    MAP | {"scan": 1.0},
    MAP | {"scan": 10**40},
    MAP | {"window": [0, 1, 2]},
    MAP | {"window": [-1, 1, 0, 2]},
    MAP | {"window": [0, 1, 0, MAX_SIDE + 1]},
    MAP | {"shape": [0, 5]},
    MAP | {"minus": -1},
    MAP | {"minus": [0]},
    MAP | {"least_errors": -0.5},
    MAP | {"least_errors": math.nan},
    MAP | {"least_errors": 10**400},
    MAP | {"tag": 5},
    {"type": "section", "cell": "A", "scan": 1, "axis": "z", "index": 3},
    {"type": "section", "cell": "A", "scan": 1, "axis": ["y"], "index": 3},
    {"type": "cycler", "cell": "A", "max_points": 0},
    {"type": "cycler", "cell": "A", "max_points": 10**9},
    {"type": "cycler", "cell": "A", "since": 5.0, "until": 5.0},
    {"type": "cycler", "cell": "A", "since": "yesterday"},
    {"type": "state", "since": True},
    {"type": "state", "changes": 1},
    {"type": ["map"]},
    STATISTICS | {"kind": "circle"},
    STATISTICS | {"points": [[0, 0], [1, 1]]},
    STATISTICS | {"kind": "rectangle"},
    STATISTICS | {"kind": "rectangle", "points": [[0, 0]]},
    STATISTICS | {"kind": "ellipse", "points": [[0, 0], [1, math.inf]]},
    STATISTICS | {"kind": "ellipse", "points": [[0, 0], [1, 10**30]]},
    STATISTICS | {"kind": "ellipse", "points": [[0, 0], [1, True]]},
    STATISTICS | {"kind": "polygon", "points": [[0, 0], [1, 1]]},
    STATISTICS | {"kind": "polygon", "points": [[0, k] for k in range(201)]},
    STATISTICS | {"kind": "polygon", "points": [[[0, 0], 0]] * 3},
    STATISTICS | {"kind": "polygon", "points": {"a": 1}},
    STATISTICS | {"bins": 513},
    STATISTICS | {"bins": -1},
    STATISTICS | {"low": 2.0, "high": 2.0},
    STATISTICS | {"low": math.nan},
    STATISTICS | {"high": "1"},
    PROFILE | {"start": None},
    PROFILE | {"start": [0]},
    PROFILE | {"stop": [0, math.nan]},
    PROFILE | {"points": 1},
    PROFILE | {"points": 4097},
    {"type": "pit_history", "cell": "A"},
    {"type": "pit_history", "cell": "A", "pit": 0},
    {"type": "pit_history", "cell": "A", "pit": True},
    {"type": "events", "limit": 0},
    {"type": "events", "limit": 1001},
    {"type": "events", "before": -1},
    {"type": "events", "kinds": "note"},
    {"type": "events", "kinds": [1]},
    {"type": "events", "kinds": ["note"] * 51},
    {"type": "request_scan", "cell": "A", "accepted": 1},
    {"type": "request_scan", "cell": "A", "why": "w" * 201},
    {"type": "request_scan", "cell": "A", "why": "two\nlines"},
    {"type": "request_scan"},
    POLICY | {"mode": "on"},
    POLICY | {"mode": None},
    POLICY | {"max_scans": -1},
    POLICY | {"max_scans": 10_001},
    POLICY | {"max_scans": 2.5},
    POLICY | {"by": "b" * 101},
    NOTE | {"text": ""},
    NOTE | {"text": "   "},
    NOTE | {"text": "n" * 2001},
    *(NOTE | {"text": f"a{sign}b"} for sign in UNSEEN),
    *(NOTE | {"by": f"a{sign}b"} for sign in UNSEEN),
    *({"type": "request_scan", "cell": "A", "why": f"a{sign}b"} for sign in UNSEEN),
    {"type": "events", "kinds": ["note", "a\u202eb"]},
    NOTE | {"text": "bell\x07"},
    NOTE | {"text": "half a sign \ud800"},
    NOTE | {"text": None},
    {"type": "acknowledge", "cell": "", "number": 0},
    {"type": "acknowledge", "cell": "", "number": "12"},
]


@pytest.mark.parametrize("message", WRONG, ids=lambda m: json.dumps(m)[:60])
def test_what_is_wrong_is_refused_in_one_line(message):
    with pytest.raises(BadMessage) as caught:
        decoded(**message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("frame", [b"", b"\xff\x00", b"[1]", b"{}", b"[" * 50_000, b"9" * 5000])
def test_garbage_is_a_bad_message(frame):
    with pytest.raises(BadMessage):
        decode_request([frame])


def test_what_is_deep_or_large_costs_a_line_only():
    deep = b'{"type":"statistics","cell":"A","name":"h","points":' + b"[" * 900 + b"]" * 900 + b"}"
    with pytest.raises(BadMessage):
        decode_request([deep])
    large = to_json({"type": "note", "cell": "A", "text": "x" * MAX_REQUEST_BYTES})
    with pytest.raises(BadMessage, match="bytes, expected 65536"):
        decode_request([large])
    many = to_json(STATISTICS | {"kind": "polygon", "points": [0] * 30_000})
    with pytest.raises(BadMessage, match=r"points\[0\] is 0"):
        decode_request([many])
    with pytest.raises(BadMessage, match="2 frames"):
        decode_request([b"{}", b"{}"])


def test_the_longest_that_may_be_asked_fits():
    """Every sign of a note may take twelve bytes."""
    note = ask.NoteOrder("A", "\U0001f50b" * ask.MAX_NOTE, "\U0001f50b" * ask.MAX_BY)
    corners = tuple((100_000.123456789 + k, -100_000.123456789) for k in range(ask.MAX_POINTS))
    polygon = ask.StatisticsRequest("A", 1, "height", "polygon", corners)
    for longest in (note, polygon):
        assert decode_request(ask.encode_request(longest)) == longest


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = sorted(ask.NAMES.values())
KEYS = sorted({name for kind in ask.NAMES for name in kind.__dataclass_fields__})


@settings(max_examples=600)
@given(
    st.sampled_from(sorted(ask.NAMES.values())), st.dictionaries(st.sampled_from(KEYS), ANYTHING)
)
def test_whatever_comes_is_a_whole_request_or_a_bad_message(name, fields):
    try:
        request = decoded(**{**fields, "type": name})
    except BadMessage:
        return
    assert ask.NAMES[type(request)] == name
    assert decode_request(ask.encode_request(request)) == request
