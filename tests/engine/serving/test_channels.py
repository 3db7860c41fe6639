"""Channels over real sockets, and how many of their values are sent."""

import numpy as np
import pytest

from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.reading_history import MAX_READINGS, ChannelValues
from monitor.records import ChannelValue
from tests.engine.screens import FEEDS
from tests.gui.synthetic import T0

TABLE = {
    "channels": {"ring": {"key": "sr", "title": "Ring current"}},
    "cells": [{"name": "A", "channels": {"tc": {"key": "tc", "unit": "°C"}}}, {"name": "B"}],
}


def values(count, name="ring", cell="", unit="mA"):
    return [ChannelValue(cell, name, T0 + n, 200.0 - n, unit) for n in range(count)]


@pytest.fixture
def shown(bench):
    publisher, screen = bench(table=TABLE)
    state = EngineState(feeds=FEEDS, running={"A": None, "B": None})
    publisher.update((), state, (), [*values(10), *values(3, "tc", "A", "°C")])
    return screen


def test_the_state_names_the_channels_of_each_cell(shown):
    cells = shown.ask(type="state", since=-1)["cells"]
    ring = {"name": "ring", "title": "Ring current", "unit": "mA", "points": 10,
            "time": T0 + 9, "value": 191.0}  # fmt: skip
    assert cells["B"]["channels"] == [ring]
    assert cells["A"]["channels"][0] == ring
    assert cells["A"]["channels"][1]["unit"] == "°C"


def test_a_channel_without_a_value_is_there_with_its_unit_of_the_settings(bench):
    publisher, screen = bench(table=TABLE)
    publisher.update((), EngineState(feeds=FEEDS, running={"A": None}))
    ring, tc = screen.ask(type="state", since=-1)["cells"]["A"]["channels"]
    assert (ring["points"], ring["time"], ring["value"], ring["unit"]) == (0, None, None, "")
    assert tc["unit"] == "°C"
    _header, rows = screen.ask(type="channel", cell="A", name="ring")
    assert rows.shape == (2, 0)


def test_values_and_a_part_of_them(shown):
    header, rows = shown.ask(type="channel", cell="B", name="ring", max_points=100)
    assert (header["type"], header["name"], header["units"]) == ("channel", "ring", "mA")
    assert header["names"] == ["time", "value"]
    np.testing.assert_array_equal(rows, [T0 + np.arange(10), 200.0 - np.arange(10)])
    _, part = shown.ask(type="channel", cell="B", name="ring", since=T0 + 3.5, until=T0 + 5.5)
    assert part[0].tolist() == [T0 + 3, T0 + 4, T0 + 5, T0 + 6]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"cell": "B", "name": "tc"}, "channel 'tc', expected ring"),
        ({"cell": "X", "name": "ring"}, "cell 'X' is unknown"),
        ({"cell": "A", "name": "ring", "since": 2.0, "until": 1.0}, "since is 2"),
        ({"cell": "A"}, "name"),
    ],
)
def test_what_is_not_there_is_refused_by_name(shown, asked, why):
    answer = shown.ask(type="channel", **asked)
    assert answer["type"] == "error" and why in answer["why"]


def test_a_short_fall_stays_visible_in_few_points():
    kept = ChannelValues()
    for n in range(10_000):
        kept.add(ChannelValue("", "ring", T0 + n, 0.0 if n == 4321 else 200.0))
    rows = kept.rows(100)
    assert rows.shape[1] <= 100
    assert rows[0][rows[1] == 0.0].tolist() == [T0 + 4321]
    assert rows[0][-1] == T0 + 9999 and (np.diff(rows[0]) > 0).all()


def test_what_is_withdrawn_goes():
    kept = ChannelValues()
    for value in values(5):
        kept.add(value)
    kept.add(ChannelValue("", "ring", T0 + 3.5, 1.0, since=T0 + 2))
    assert kept.rows(100)[0].tolist() == [T0, T0 + 1, T0 + 3.5]


def test_memory_is_bounded():
    kept = ChannelValues()
    kept._rows = np.empty((MAX_READINGS, 2))
    kept._rows[:, 0] = T0 + np.arange(MAX_READINGS)
    kept._rows[:, 1] = 1.0
    kept.count = MAX_READINGS
    kept.add(ChannelValue("", "ring", T0 + MAX_READINGS, 2.0))
    assert kept.count < 0.8 * MAX_READINGS and kept.last == (T0 + MAX_READINGS, 2.0)
    assert (np.diff(kept._rows[: kept.count, 0]) > 0).all()
