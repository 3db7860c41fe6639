"""Values of channels: which runs, streams and keys they are of, their times, and refusals."""

import math

import numpy as np
import pytest

from monitor.core.channels.documents import ChannelDocuments
from monitor.core.cycler.documents import Documents
from monitor.core.session import Session
from monitor.records import CyclerDocument, Event
from monitor.settings import parse

T0 = 1.79e9
TABLE = {
    "channels": {"ring": "sr_current", "shutter": {"key": "shut", "stream": "baseline"}},
    "cells": [{"name": "A", "channels": {"temperature": "tc"}}, {"name": "B"}],
}


class Feed:
    """Documents as they are written by hand; keeps what is taken of them."""

    def __init__(self, table=TABLE):
        self.settings = parse(table)
        self.channels = ChannelDocuments(self.settings)
        self.values, self.problems = [], []

    def take(self, name, /, **doc):
        taken = self.channels.take(CyclerDocument(name, doc))
        self.values += taken.values
        self.problems += taken.problems
        return self

    def begin(self, run="r", descriptor="d", stream="primary", cell=None, **units):
        self.take("start", uid=run, time=T0, **({} if cell is None else {"cell": cell}))
        keys = {key: {"units": unit, "dtype": "number"} for key, unit in units.items()}
        return self.take(
            "descriptor", uid=descriptor, run_start=run, name=stream, data_keys=keys, time=T0
        )

    def event(self, time, data, *, stamp=None, descriptor="d", when=None):
        stamps = {} if stamp is None else {"timestamps": dict.fromkeys(data, stamp)}
        when = time if when is None else when
        return self.take("event", descriptor=descriptor, data=data, time=when, **stamps)

    @property
    def found(self):
        return [(v.cell, v.name, v.time - T0, v.value) for v in self.values]

    @property
    def kinds(self):
        return [problem.kind for problem in self.problems]


# --- whose ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "stream", "expected"),
    [
        (None, "primary", ["ring", "temperature"]),
        (None, "baseline", ["ring", "shutter", "temperature"]),
        ("A", "baseline", ["ring", "shutter", "temperature"]),
        ("B", "baseline", ["ring", "shutter"]),
        ("X", "ring_monitor", ["ring"]),
    ],
)
def test_runs_and_streams(cell, stream, expected):
    feed = Feed().begin(cell=cell, stream=stream)
    feed.event(T0, {"sr_current": 200.0, "shut": 1, "tc": 25.0, "other": "text"})
    assert sorted(v.name for v in feed.values) == expected
    assert {v.name: v.cell for v in feed.values if v.name == "temperature"} in (
        {}, {"temperature": "A"},
    )  # fmt: skip
    assert feed.problems == []


def test_a_run_whose_start_was_missed_has_no_channels():
    feed = Feed().take("descriptor", uid="d", run_start="r", name="primary", data_keys={}, time=T0)
    assert feed.event(T0, {"sr_current": 200.0}).values == []


@pytest.mark.parametrize("given", [{}, {"unit": "A"}])
def test_the_unit_is_that_of_the_descriptor_unless_it_is_set(given):
    feed = Feed({"channels": {"ring": {"key": "sr_current", **given}}}).begin(sr_current="mA")
    feed.event(T0, {"sr_current": 200.0})
    feed.begin("s", "e", sr_current="uA").event(T0 + 1, {"sr_current": 1.0}, descriptor="e")
    if given:
        assert [v.unit for v in feed.values] == ["A", "A"] and feed.problems == []
    else:
        assert [v.unit for v in feed.values] == ["mA"] and feed.kinds == ["channel_unit"]
        assert "'sr_current' is in uA, but was in mA" in str(feed.problems[0])


@pytest.mark.parametrize("units", [None, 5, "m\u202eA", "m" * 41, {}])
def test_a_unit_that_cannot_be_shown_is_none(units):
    feed = Feed().begin(sr_current=units).event(T0, {"sr_current": 200.0})
    assert [v.unit for v in feed.values] == [""]


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(200, 200.0), ([200.5], 200.5), (np.array([3]), 3.0), (True, 1.0), (False, 0.0),
     (np.True_, 1.0), (None, None), (math.nan, None), ([None], None)],
)  # fmt: skip
def test_numbers_truths_and_nothing_measured(sent, expected):
    feed = Feed().begin().event(T0, {"sr_current": sent})
    assert [v.value for v in feed.values] == ([] if expected is None else [expected])
    assert feed.problems == []


@pytest.mark.parametrize("sent", ["open", "", math.inf, [1, 2], {}, [], b"1", 1j])
def test_a_text_costs_itself_and_is_named(sent):
    feed = Feed().begin(cell="A").event(T0, {"sr_current": sent, "tc": 25.0})
    assert feed.found == [("A", "temperature", 0.0, 25.0)]
    assert feed.kinds == ["bad_value"] and "channel ring: 'sr_current'" in str(feed.problems[0])


def test_a_page_is_its_rows():
    feed = Feed().begin()
    times = [T0, T0 + 1, T0 + 2]
    data = {"sr_current": [1.0, None, 3.0], "other": []}
    feed.take("event_page", descriptor="d", time=times, data=data,
              timestamps={"sr_current": times}, seq_num=[1, 2, 3])  # fmt: skip
    assert feed.found == [("", "ring", 0.0, 1.0), ("", "ring", 2.0, 3.0)]


def test_of_a_page_with_columns_of_different_length_the_rows_that_all_have_are_used():
    feed = Feed().begin()
    data, times = {"sr_current": [1.0, 2.0, 3.0]}, [T0, T0 + 1, T0 + 2]
    feed.take("event_page", descriptor="d", time=times, data=data,
              timestamps={"sr_current": times[:2]})  # fmt: skip
    assert [v.value for v in feed.values] == [1.0, 2.0] and feed.kinds == ["bad_document"]
    assert "2 and 3 rows; the first 2 are used" in str(feed.problems[0])


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "expected", "kinds"),
    [
        (None, 0.0, []),
        (T0 - 3000.0, -3000.0, []),
        (T0 - 2 * 86_400, 0.0, []),
        (T0 + 60.0, 60.0, []),
        (T0 + 3600.0, 0.0, ["channel_time"]),
        (512.0, 0.0, ["channel_time"]),
        (1e3 * (T0 - 5.0), -5.0, ["channel_time"]),
        (1e9 * T0, 0.0, ["channel_time"]),
        ("noon", 0.0, []),
        (math.nan, 0.0, []),
    ],
)  # fmt: skip
def test_a_value_has_its_timestamp_if_that_can_be_right(stamp, expected, kinds):
    feed = Feed().begin().event(T0, {"sr_current": 1.0}, stamp=stamp)
    assert [(v.time - T0) for v in feed.values] == [pytest.approx(expected, abs=1e-3)]
    assert feed.kinds == kinds
    feed.event(T0 + 5000, {"sr_current": 1.0}, stamp=T0 + 20_000)
    assert feed.kinds.count("channel_time") <= 2  # each fault once


@pytest.mark.parametrize(("when", "stamp"), [("noon", None), (None, "noon")])
def test_a_value_without_a_time_is_dropped(when, stamp):
    feed = Feed().begin()
    feed.take("event", descriptor="d", data={"sr_current": 1.0}, time=when,
              timestamps={"sr_current": stamp})  # fmt: skip
    assert feed.values == [] and feed.kinds == ["bad_document"]


def test_a_value_that_is_read_again_unchanged_has_the_time_of_its_event():
    feed = Feed().begin()
    for at in (0, 60, 120):
        feed.event(T0 + at, {"sr_current": 7.0}, stamp=T0 - 5)
    assert [t for _, _, t, _ in feed.found] == [-5, 60, 120] and feed.problems == []


def test_two_runs_that_send_the_same_value_bring_it_once():
    feed = Feed().begin("r", "d", cell="A").begin("s", "e", cell="B")
    for at in range(3):
        for descriptor in "de":
            feed.event(T0 + at, {"sr_current": 200.0 - at}, stamp=T0 + at, descriptor=descriptor)
    assert feed.found == [("", "ring", float(at), 200.0 - at) for at in range(3)]
    assert feed.problems == []


def test_another_value_of_the_same_instant_is_refused():
    feed = Feed().begin().event(T0, {"sr_current": 1.0}).event(T0, {"sr_current": 2.0})
    assert [v.value for v in feed.values] == [1.0] and feed.kinds == ["out_of_order"]


def test_an_earlier_value_is_refused_and_one_far_ahead_is_withdrawn():
    feed = Feed().begin()
    for at in (0, 10, 5, 9000, 20, 30, 40, 50):
        feed.event(T0 + at, {"sr_current": float(at)})
    assert feed.kinds == ["out_of_order", "out_of_order", "out_of_order", "stray_reading"]
    kept = []
    for value in feed.values:
        kept = [one for one in kept if one.time < value.replaces_from] + [value]
    assert [one.value for one in kept] == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]


# --- documents of no use --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "doc"),
    [
        ("start", {}), ("start", {"uid": 5}), ("descriptor", {"uid": "d"}),
        ("descriptor", {"uid": "d", "run_start": "r", "data_keys": []}),
        ("event", {"descriptor": "d"}), ("event", {"descriptor": "d", "data": None}),
        ("event", {"descriptor": "d", "data": {"sr_current": 1}, "timestamps": 5, "time": T0}),
        ("event_page", {"descriptor": "d", "data": {"sr_current": 1}, "time": T0}),
        ("event_page", {"descriptor": "d", "data": {"sr_current": None}, "time": None}),
        ("nothing", {}), ("event", {"descriptor": "x", "data": {"sr_current": 1.0}, "time": T0}),
    ],
)  # fmt: skip
def test_nothing_is_raised_for_what_a_document_holds(name, doc):
    feed = Feed().begin().take(name, **doc)
    assert feed.values == []
    assert feed.event(T0, {"sr_current": 1.0}, descriptor="d").found or name == "descriptor"


# --- channels without a value ---------------------------------------------------------------------


def alarms(session, *documents):
    """(kind, cell, condition, text) of the alarms of documents (name, content)."""
    told = [o for name, doc in documents for o in session.feed(CyclerDocument(name, doc))]
    return [
        (o.kind, o.cell, o.data["condition"], o.data["text"])
        for o in told
        if isinstance(o, Event) and str(o.data.get("condition")).startswith("channel_missing")
    ]


def cycler(first, last):
    """Readings of cell A in minutes `first` to `last`."""
    yield "start", {"uid": "c", "cell": "A", "time": T0}
    yield "descriptor", {"uid": "cd", "run_start": "c", "name": "primary", "data_keys": {}}
    for at in range(first, last):
        event = {"descriptor": "cd", "data": {"vmp_current": -1.0}, "time": T0 + 60.0 * at}
        yield "event", event


def run(cell=None, stream="primary", **keys):
    yield "start", {"uid": "r", "time": T0, **({} if cell is None else {"cell": cell})}
    named = {"uid": "d", "run_start": "r", "name": stream}
    yield "descriptor", {**named, "data_keys": keys}


@pytest.mark.parametrize(
    ("channel", "documents", "cause"),
    [
        ("ring", (), "no run whose start was received has its data key 'sr_current'"),
        ("ring", run(sr_curent={}), "no run whose start was received"),
        ("ring", run(sr_current={}), "'sr_current' is announced, but no event"),
        ("shutter", run(shut={}), "'shut' is in the stream 'primary', not in 'baseline'"),
        ("temperature", run("B", tc={}), "'tc' is in a run of cell 'B'"),
    ],
)
def test_a_channel_that_never_has_a_value_is_an_alarm_that_says_why(channel, documents, cause):
    session = Session(parse(TABLE))
    assert alarms(session, *documents, *cycler(0, 10)) == []
    found = alarms(session, *cycler(10, 30))
    assert len(found) == 3, "one for each channel, once"
    assert {kind for kind, *_ in found} == {"alarm"}
    (mine,) = [one for one in found if one[2] == f"channel_missing {channel}"]
    assert mine[1] == ("A" if channel == "temperature" else "") and cause in mine[3]


def test_the_alarm_of_a_channel_ends_with_its_first_value():
    session = Session(parse(TABLE))
    seen = {"descriptor": "d", "data": {"sr_current": 200.0}, "time": T0}
    assert alarms(session, *run(stream="baseline"), ("event", seen)) == []
    found = alarms(session, *cycler(0, 12))
    assert [one[2] for one in found] == ["channel_missing shutter", "channel_missing temperature"]
    late = {"descriptor": "d", "data": {"shut": 1, "tc": 25.0}, "time": T0 + 900.0}
    ended = alarms(session, ("event", late))
    assert [one[:3] for one in ended] == [
        ("alarm_ended", "", "channel_missing shutter"),
        ("alarm_ended", "A", "channel_missing temperature"),
    ]


def test_without_the_watch_there_is_no_alarm_of_a_channel():
    session = Session(parse({**TABLE, "watch": {"enabled": False}}))
    assert alarms(session, *cycler(0, 30)) == []


def test_a_channel_whose_values_are_in_files_is_named():
    feed = Feed().take("start", uid="r", time=T0)
    keys = {"sr_current": {"external": "STREAM:"}, "det_image": {"external": "STREAM:"}}
    feed.take("descriptor", uid="d", run_start="r", name="primary", data_keys=keys, time=T0)
    assert feed.kinds == ["external_data"] and "channel ring" in str(feed.problems[0])


# --- beside the readings of the cycler ------------------------------------------------------------


def test_events_of_channels_in_the_cycler_s_run_say_nothing_of_the_cycler():
    """They neither count as readings without the known keys, nor as a cycler that is alive."""
    documents = Documents(parse(TABLE))
    run = {"uid": "r", "cell": "A", "time": T0}
    documents.take(CyclerDocument("start", run))
    documents.take(CyclerDocument("descriptor", {"uid": "d", "run_start": "r"}))
    for at in range(5):
        event = {"descriptor": "d", "data": {"sr_current": 1.0}, "time": T0 + at}
        taken = documents.take(CyclerDocument("event", event))
        assert (taken.problems, taken.heard, taken.readings) == ([], set(), [])
    both = {"descriptor": "d", "data": {"sr_current": 1.0, "vmp_current": -1.0}, "time": T0 + 9}
    taken = documents.take(CyclerDocument("event", both))
    assert taken.heard == {"A"} and len(taken.readings) == 1


def test_a_session_counts_what_is_refused_and_gives_out_the_values():
    session = Session(parse(TABLE))
    documents = [
        ("start", {"uid": "r", "time": T0}),
        ("descriptor", {"uid": "d", "run_start": "r", "name": "primary", "data_keys": {}}),
        ("event", {"descriptor": "d", "data": {"sr_current": 200.0}, "time": T0}),
        ("event", {"descriptor": "d", "data": {"sr_current": "off"}, "time": T0 + 1}),
    ]
    told, values = [], []
    for name, doc in documents:
        told += session.feed(CyclerDocument(name, doc))
        values += session.channel_values
    assert [(v.cell, v.name, v.value) for v in values] == [("", "ring", 200.0)]
    assert [o.data["bad_kind"] for o in told if isinstance(o, Event)] == ["bad_value"]
    assert session.feeds["documents"]["bad"] == {"bad_value": 1}
