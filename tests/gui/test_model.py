"""What the screen asks for and shows, told without Qt."""

import numpy as np
import pytest

from monitor.gui import feeds, model, text
from monitor.gui.model import Choice, Snapshot


def scan(number, *, maps=("height", "removal"), provisional=False):
    return {"scan": number, "maps": list(maps), "provisional": provisional, "shape": [100, 200],
            "version": 10 + number}  # fmt: skip


def cell(*scans, **more):
    return {"scans": list(scans), "running": None, "cycler_points": 0, "cycler": None} | more


def snapshot(shown, *, ages=None, linked=True, messages=5):
    state = {
        "cells": {"A": shown},
        "settings": {"period_s": 1800.0},
        "feeds": {"slices": {"messages": messages}, "documents": {"messages": messages}},
    }
    return Snapshot(linked=linked, state=state, feed_ages_s=ages or {})


def test_live_shows_the_newest_scan_that_has_the_map():
    shown = cell(scan(0), scan(1), scan(2, maps=["height"], provisional=True))
    assert model.shown_scan(shown, Choice("A", None, "height"))["scan"] == 2
    assert model.shown_scan(shown, Choice("A", None, "removal"))["scan"] == 1
    assert model.shown_scan(shown, Choice("A", 0, "removal"))["scan"] == 0
    assert model.shown_scan(shown, Choice("A", 7, "removal")) is None
    assert model.shown_scan(cell(), Choice("A")) is None


def test_the_crosshair_stays_inside_the_map():
    assert model.crosshair(scan(0), Choice()) == (50, 100)
    assert model.crosshair(scan(0), Choice(cross=(500, -3))) == (99, 0)


def test_only_what_can_be_shown_is_asked_for():
    shown = cell(scan(0), scan(1, maps=["height", "bottom", "pit_labels"]), cycler_points=9)
    asked = model.wants(snapshot(shown), Choice("A", cross=(3, 4)), (64, 128), (512, 256))
    assert set(asked) == {
        "cycler", "map", "labels", "pits", "section", "cut_height", "cut_bottom", "cut_reference"
    }  # fmt: skip
    assert asked["map"].request.shape == (64, 128)
    assert asked["section"].request.index == 3
    assert asked["cut_height"].request.window == (3, 4, 0, 200)
    assert asked["cut_reference"].request.scan == 0
    turned = model.wants(snapshot(shown), Choice("A", cross=(3, 4), axis="x"), (64, 64), (9, 9))
    assert turned["cut_height"].request.window == (0, 100, 4, 5)
    absent = model.wants(snapshot(shown), Choice("A", 0, "interval"), (64, 64), (9, 9))
    assert "map" not in absent
    assert "cut_reference" not in absent


def test_the_cut_of_a_new_scan_is_asked_again_while_its_slices_are_written():
    def cut(shown, **recorder):
        now = snapshot(shown)
        now.state["recorder"] = recorder
        return model.wants(now, Choice("A"), (64, 64), (64, 64))["section"]

    shown = cell(scan(0))
    first = cut(shown, queued_bytes=9, slices=80)
    assert cut(shown, queued_bytes=5, slices=90) == first
    assert cut(shown, queued_bytes=5, slices=190) != first
    assert cut(shown, queued_bytes=0, slices=190) == cut(shown, queued_bytes=0, slices=999)


def test_the_outline_is_the_inner_rim_of_each_pit():
    labels = np.zeros((7, 9), np.int32)
    labels[1:6, 1:4] = 1
    labels[1:6, 4:8] = 2
    rim = model.outline(labels)[..., 3] > 0
    expected = labels > 0
    expected[2:5, 2] = False
    expected[2:5, 5:7] = False
    np.testing.assert_array_equal(rim, expected)


def test_colours_leave_out_outliers_and_survive_emptiness():
    array = np.linspace(0, 1, 1001)
    array[0], array[-1] = -1e6, 1e6
    low, high = model.colour_levels(array)
    assert (low, high) == pytest.approx((0.005, 0.995), abs=1e-6)
    assert model.colour_levels(np.full((3, 3), np.nan)) is None
    low, high = model.colour_levels(np.zeros((3, 3)))
    assert low < 0 < high


@pytest.mark.parametrize(
    ("age", "left", "running", "expected"),
    [
        (1.0, 900.0, None, "LIVE"),
        (30.0, 900.0, None, "IDLE"),
        (30.0, -60.0, None, "IDLE"),
        (30.0, -300.0, None, "LATE"),
        (30.0, -3000.0, None, "DEAD"),
        (30.0, 900.0, {"scan": 1}, "LATE"),
        (90.0, 900.0, {"scan": 1}, "DEAD"),
    ],
)
def test_the_slices_are_late_when_a_scan_is_due_or_silent(age, left, running, expected):
    shown = cell(scan(0), running=running, cycler={"time": 0}, time=1000.0)
    shown["next_scan_time"] = 1000.0 + left
    health = feeds.slices_health(snapshot(shown, ages={"slices": age}))
    assert health.state == expected


def test_without_a_cyclers_clock_no_scan_is_called_late():
    shown = cell(scan(0), time=1000.0, next_scan_time=10.0)
    assert feeds.time_left(shown) is None
    assert feeds.slices_health(snapshot(shown, ages={"slices": 500.0})).state == "IDLE"


@pytest.mark.parametrize(("age", "expected"), [(2.0, "LIVE"), (20.0, "LATE"), (200.0, "DEAD")])
def test_the_cycler_is_judged_by_its_silence(age, expected):
    shown = cell(scan(0))
    assert feeds.documents_health(snapshot(shown, ages={"documents": age})).state == expected


def test_feeds_of_a_silent_engine_are_dead_and_of_a_new_one_idle():
    shown = cell()
    lost = snapshot(shown, ages={"slices": 1.0, "documents": 1.0}, linked=False)
    new = snapshot(shown, ages={"slices": 1.0, "documents": 1.0}, messages=0)
    for health in (feeds.slices_health, feeds.documents_health):
        assert health(lost).state == "DEAD"
        assert health(new).state == "IDLE"


def test_numbers_and_times_are_worded():
    assert text.number(None) == "–"
    assert text.number(float("nan"), 2, "µm") == "–"
    assert text.number(1.256, 2, "µm") == "1.26 µm"
    assert [text.duration(s) for s in (5, 65, -3700)] == ["5 s", "1 min 05 s", "1 h 01 min"]
    assert [text.round_below(v) for v in (1.0, 4.9, 50.0, 99.0, 0.03)] == [1, 2, 50, 50, 0.02]
    assert text.with_error(5.014, 0.034) == "5.01 ± 0.03"
    assert text.with_error(16.04, 0.66) == "16.0 ± 0.7"
    assert text.with_error(5.0, 0.001) == "5.00 ± 0.01"
    assert text.with_error(16.04, None) == "16.0"
    assert text.clock(0) == "00:00:00"
