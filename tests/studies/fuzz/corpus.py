"""Whole messages of every kind, to be broken. Slices are small: what matters is in the headers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np

from monitor.records import (
    CyclerDocument,
    ResendEnd,
    ResendQuestion,
    ScanEnd,
    ScanKey,
    ScanReply,
    ScanRequest,
    ScanStart,
    SliceFrame,
)
from monitor.wire import documents, requests, resend
from monitor.wire.results import queries
from monitor.wire.results import replies as results
from monitor.wire.slices import stins
from tests.helpers import dectris_stream

Frames = list[bytes]
SHAPE = (24, 16, 16)
CELL = "A"
T0 = 1.76e9


def _plain(frames: Any) -> Frames:
    return [bytes(frame) for frame in frames]


def starts(resend_at: str = "") -> list[ScanStart]:
    """Headers of three scans; of the last, slices are vertical."""
    common = {
        "stream": "s",
        "msg_number": 0,
        "request": "",
        "volume_shape": SHAPE,
        "dtype": "uint16",
        "voxel_size_um": (0.7, 0.7, 0.7),
        "start_time": T0,
        "stop_time": T0 + 60.0,
        "resend": resend_at,
    }
    reference = ScanStart(key=ScanKey(CELL, "", 0), reason="reference", axis="z", **common)
    second = replace(reference, key=ScanKey(CELL, "", 1), reason="periodic")
    return [reference, second, replace(second, key=ScanKey(CELL, "r", 2), axis="y")]


def slices(resend_at: str = "") -> list[Frames]:
    """A message of each kind on the slice stream."""
    rng = np.random.default_rng(1)
    made: list[Frames] = []
    for start in starts(resend_at):
        made.append(_plain(stins.encode_start(start)))
        for frame in (0, 1, start.slice_count - 1):
            data = rng.integers(0, 1000, start.slice_shape).astype(np.uint16)
            image = SliceFrame(CELL, start.key.scan, "s", frame + 1, frame, data)
            made.append(_plain(stins.encode_slice(image)))
            made.append(_plain(stins.encode_slice(image, "bslz4")))
        end = ScanEnd(CELL, start.key.scan, "s", start.slice_count + 1, start.slice_count)
        made.append(_plain(stins.encode_end(end)))
    return made


def dectris_slices() -> list[Frames]:
    """The same messages as DECTRIS Stream V2."""
    rng = np.random.default_rng(1)
    made: list[Frames] = []
    for start in starts():
        made.append(_plain(dectris_stream.encode_start(start)))
        image = rng.integers(0, 1000, start.slice_shape).astype(np.uint16)
        for frame in (0, 1, start.slice_count - 1):
            one = SliceFrame(CELL, start.key.scan, "s", frame + 1, frame, image)
            made += [_plain(dectris_stream.encode_slice(one, how)) for how in ("none", "bslz4")]
        end = ScanEnd(CELL, start.key.scan, "s", start.slice_count + 1, start.slice_count)
        made.append(_plain(dectris_stream.encode_end(end)))
    return made


def cycler() -> list[Frames]:
    """Documents of a run of the cycler, in both codecs, with arrays in some."""
    keys = ("vmp_potential", "vmp_current", "vmp_charge")
    data = dict(zip(keys, (2.1, -0.1, 0.0), strict=True))
    stamps = dict.fromkeys(keys, T0)
    event = {"uid": "e", "descriptor": "d", "seq_num": 1, "time": T0, "filled": {}}
    page = {key: [value] * 3 for key, value in data.items()}
    pages = {"data": page, "timestamps": {key: [T0] * 3 for key in keys}, "time": [T0] * 3}
    docs: list[tuple[str, dict[str, Any]]] = [
        ("start", {"uid": "run", "time": T0, "cell": CELL, "plan": {"name": "cycle", "n": [1, 2]}}),
        ("descriptor", {"uid": "d", "run_start": "run", "time": T0, "data_keys": {}, "name": "p"}),
        ("event", event | {"data": data, "timestamps": stamps}),
        ("event_page", event | pages | {"seq_num": [1, 2, 3]}),
        ("stop", {"uid": "stop", "run_start": "run", "time": T0, "exit_status": "success"}),
    ]
    made = [
        [documents.encode(CyclerDocument(name, doc), codec)]
        for name, doc in docs
        for codec in ("msgpack", "json")
    ]
    arrays = event | {"data": data | {"trace": np.arange(20.0), "n": np.float32(1.5)}}
    packed = msgpack.packb(arrays | {"timestamps": stamps}, default=msgpack_numpy.encode)
    nested = {b"nd": True, b"kind": b"O", b"type": "|O", b"shape": [1], b"data": b"\x80\x04."}
    evil = msgpack.packb(event | {"data": {"vmp_current": nested}})
    return [*made, [b" event " + packed], [b" event " + evil]]


def replies() -> list[Frames]:
    """The acquisition's replies."""
    statuses = ("accepted", "running", "done", "failed", "refused")
    return [[requests.encode_reply(ScanReply("1", status, "why", 3))] for status in statuses]


def scan_requests() -> list[Frames]:
    """Our own requests, as an acquisition reads them."""
    return [[requests.encode_request(ScanRequest("1", CELL, "manual", 3, {"n": [1.5, None]}))]]


def asked() -> list[Frames]:
    """Questions and orders of screens, but those whose effect would be to ask for more scans."""
    corners = ((1.0, 2.0), (8.0, 9.0))
    all_of_them: list[queries.Request] = [
        queries.StateRequest(5, "engine", "t"),
        queries.MapRequest(CELL, 0, "height", (0, 8, 0, 8), (4, 4), None, 1.0, "t"),
        queries.PitsRequest(CELL, None, "t"),
        queries.SectionRequest(CELL, 0, "y", 3, (8, 8), "t"),
        queries.CyclerRequest(CELL, 100, "t"),
        queries.StatisticsRequest(CELL, 0, "height", "rectangle", corners, 16, 0.0, 9.0, tag="t"),
        queries.ProfileRequest(CELL, 0, "height", *corners, 32, tag="t"),
        queries.PitHistoryRequest(CELL, 1, "t"),
        queries.EventsRequest(CELL, 100, 10, ("alarm",), "t"),
        queries.PolicyOrder(CELL, "off", 3, "me", "t"),
        queries.NoteOrder(CELL, "words", "me", 0, "t"),
        queries.AcknowledgeOrder(CELL, 10**6, "me", "t"),
        queries.ScanOrder(CELL, suggestion="none", accepted=False, tag="t"),
    ]
    return [_plain(queries.encode_request(request)) for request in all_of_them]


def dear() -> list[Frames]:
    """Requests by cost: those that take most work, most memory or most reading of their kind. Not
    the longest: several of them in one would be cut by the limit of a message."""
    circle = tuple((8.0 * math.cos(n), 8.0 * math.sin(n)) for n in range(queries.MAX_POINTS))
    whole: list[queries.Request] = [
        queries.StateRequest(tag="t"),
        queries.MapRequest(CELL, 0, "height", minus=0, least_errors=1.0, tag="t"),
        queries.StatisticsRequest(CELL, 0, "height", "polygon", circle, queries.MAX_BINS),
        queries.ProfileRequest(
            CELL, 0, "height", (0.0, 0.0), (9.0, 9.0), queries.MAX_PROFILE_POINTS
        ),
        queries.CyclerRequest(CELL, queries.MAX_READINGS_ASKED, "t"),
        queries.EventsRequest(CELL, limit=queries.MAX_EVENTS_ASKED, tag="t"),
        queries.PitsRequest(CELL, 0, "t"),
    ]
    long = [b'{"type":"state","tag":"t","x":"' + b"x" * size + b'"}' for size in (10_000, 20_000)]
    nested = b'{"type":"state","tag":"t","x":[' + b"[]," * 6_000 + b"0]}"
    plain = [_plain(queries.encode_request(request)) for request in whole]
    return [*plain, *([frame] for frame in (*long, nested))]


def answers() -> list[Frames]:
    """What an engine answers to screens."""
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    return [
        _plain(results.encode_reply({"type": "map", "tag": "t", "units": "µm"}, array)),
        _plain(results.encode_reply({"type": "state", "cells": {}, "version": 3})),
        [results.encode_status(results.Status("alarm", 3, T0, CELL, {"text": "x", "scan": 1}))],
    ]


def resend_questions() -> list[Frames]:
    """Questions to a producer's resend service."""
    question = ResendQuestion(CELL, 1, (1, 2, 3), stream="s", id=7)
    return [[resend.encode_question(question)]]


def resend_answers() -> list[Frames]:
    """Answers of such a service."""
    end = _plain(resend.encode_end(ResendEnd(CELL, 1, (2, 3), 7)))
    return [*slices(), *dectris_slices(), end, end]


def journal() -> list[Frames]:
    """Lines of a journal."""
    lines: list[dict[str, Any]] = [
        {"header": json.loads(frames[0]), "frame": {"pixels": "kept", "file": "scan_0000.h5"}}
        for frames in slices()
    ]
    lines += [
        {"name": "event", "doc": {"a": {"__array__": [1, 2], "dtype": "<f8"}, "b": "x"}},
        {"name": "event", "doc": {"a": {"__bytes__": "00ff"}}},
        {"bad": {"feed": "slices", "kind": "not_json", "text": "x"}},
        {"reply": {"id": "1", "status": "done", "why": "", "scan": 1, "after_s": 0.5}},
        {"operator": {"cell": CELL, "reason": "manual", "time": T0}},
        {"policy": {"cell": CELL, "mode": "off", "max_scans": None, "by": "", "time": T0}},
        {"note": {"cell": CELL, "text": "x", "by": "", "scan": None, "time": T0}},
        {"acknowledgement": {"cell": CELL, "number": 3, "by": "", "time": T0}},
        {"quiet": {"feed": "slices", "cell": CELL, "given_up": True}},
        {"quiet": {"feed": "slices", "cell": CELL, "scan": 3, "stream": "s"}},
        {
            "silence": {
                "feed": "slices",
                "cell": CELL,
                "state": "LATE",
                "seconds": 1.5,
                "limit_s": 1,
            }
        },
        {"trouble": {"failing": True, "lacking": 3, "text": "x"}},
        {
            "connection": {
                "setting": "feeds.slices",
                "address": "tcp://a:1",
                "state": "lost",
                "reason": "silent",
                "text": "x",
                "since": 1.0,
                "times": 1,
            }
        },
    ]
    return [[json.dumps({"n": 1, "at": T0, "feed": "x", **line}).encode()] for line in lines]
