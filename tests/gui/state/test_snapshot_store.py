"""What replies make of the snapshot, told without sockets."""

import numpy as np
import pytest

from monitor.gui.state import snapshot_store as module
from monitor.gui.state.snapshot import Query
from monitor.gui.state.snapshot_store import SnapshotStore
from monitor.wire.results.queries import CyclerRequest, MapRequest


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def state(version=1, engine="e", messages=1, size=0, **cell):
    feeds = {"slices": {"messages": messages, "bytes": size, "last_time": None}}
    known = {"running": None, "cycler": None} | cell
    return {"type": "state", "version": version, "engine": engine, "time": 0.0, "feeds": feeds,
            "cells": {"A": known}, "events": [{"version": version, "type": "gap"}]}  # fmt: skip


def test_the_rate_is_that_of_the_last_seconds(clock):
    box = SnapshotStore("tcp://x")
    for second in range(4):
        clock[0] = 100.0 + second
        box.take_state(state(second, size=second * 50_000_000))
    assert box.snapshot().rate_MB_s == pytest.approx(50.0)
    clock[0] += 10
    assert box.snapshot().rate_MB_s == 0.0


def test_nothing_of_another_engine_stays(clock):
    box = SnapshotStore("tcp://x")
    query = Query(MapRequest("A", 0, "height"))
    assert box.take_state(state())
    box.keep({"map": query})
    box.answer("map", query, {"type": "map"}, np.ones((2, 2), np.float32))
    assert box.has("map")
    assert not box.take_state(state(2))
    assert len(box.snapshot().events) == 2
    assert box.take_state(state(3, engine="other"))
    assert not box.has("map")
    assert [event["version"] for event in box.snapshot().events] == [3]


def test_an_answer_that_no_view_wants_any_more_is_left_out(clock):
    box = SnapshotStore("tcp://x")
    query = Query(MapRequest("A", 0, "pit_labels"))
    box.keep({})
    box.answer("labels", query, {"type": "map"}, np.ones((3, 3), np.int32))
    assert not box.has("labels")
    box.keep({"labels": query})
    box.answer("labels", query, {"type": "map"}, np.ones((3, 3), np.int32))
    assert box.snapshot().answers["labels"].rims is not None


def test_readings_are_named_and_what_is_none_costs_nothing():
    box = SnapshotStore("tcp://x")
    query = Query(CyclerRequest("A", rows=True))
    box.keep({"cycler": query})
    head, table = {"type": "cycler", "names": ["time", "current_mA"]}, np.array([[1.0, 2], [0, 5]])
    box.answer("cycler", query, dict(head), table)
    told = box.snapshot().answers["cycler"].header["columns"]
    np.testing.assert_array_equal(told["current_mA"], [0, 5])
    for bad in (None, np.ones((3, 2)), 5):
        box.answer("cycler", query, dict(head), bad)
    assert box.snapshot().bad_replies == 3
    assert box.snapshot().answers["cycler"].header["columns"] is told
