"""What the screen asks for and shows, told without Qt."""

import numpy as np
import pytest

from monitor.gui import formatting
from monitor.gui.state import snapshot as model
from monitor.gui.state.snapshot import Choice, Snapshot
from monitor.gui.views import overview
from monitor.gui.views.registry import queries


def scan(number, *, maps=("height", "removal"), provisional=False):
    return {"scan": number, "maps": list(maps), "provisional": provisional, "shape": [100, 200],
            "version": 10 + number}  # fmt: skip


def cell(*scans, **more):
    return {"scans": list(scans), "running": None, "cycler_points": 0, "cycler": None} | more


def snapshot(shown, *, linked=True, messages=5):
    state = {
        "cells": {"A": shown},
        "settings": {"period_s": 1800.0},
        "engine": "e",
        "feeds": {"slices": {"messages": messages}, "documents": {"messages": messages}},
    }
    return Snapshot(linked=linked, state=state)


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


def ask(shown, choice, views=("section", "trend"), shape=(64, 128), cut=(512, 256), **more):
    seen = {"map": shape, "pinned": shape} | dict.fromkeys(views, cut)
    return queries(snapshot(shown, **more), choice, seen)


def test_only_what_can_be_shown_is_asked_for():
    shown = cell(scan(0), scan(1, maps=["height", "bottom", "pit_labels"]), cycler_points=9)
    asked = ask(shown, Choice("A", cross=(3, 4)))
    assert set(asked) == {
        "cycler", "map", "map_labels", "map_pits", "section", "cut_height", "cut_bottom",
        "cut_reference",
    }  # fmt: skip
    assert asked["map"].request.shape == (64, 128)
    assert asked["section"].request.index == 3
    assert asked["cut_height"].request.window == (3, 4, 0, 200)
    assert asked["cut_reference"].request.scan == 0
    turned = ask(shown, Choice("A", cross=(3, 4), axis="x"))
    assert turned["cut_height"].request.window == (0, 100, 4, 5)
    absent = ask(shown, Choice("A", 0, "interval"))
    assert "map" not in absent
    assert "cut_reference" not in absent


def test_views_that_are_not_seen_ask_for_nothing():
    maps = ["height", "removal", "pit_labels"]
    shown = cell(scan(0, maps=maps), scan(1, maps=maps), cycler_points=9)
    assert set(ask(shown, Choice("A", outlines=False), views=())) == {"map", "map_pits"}
    seen = ask(shown, Choice("A", pit=3), views=("relief", "distribution", "pits"))
    assert set(seen) == {"map", "map_labels", "map_pits", "relief", "relief_labels",
                         "distribution", "pit_history"}  # fmt: skip
    assert seen["relief"].request.name == "removal"
    assert "relief" in ask(shown, Choice("A", 0), views=("relief",))
    line = Choice("A", line=((1.0, 2.0), (3.0, 4.0)), pinned=0)
    assert {"profile", "profile_reference"} <= set(ask(shown, line, views=("profile",)))


def test_two_scans_are_asked_for_side_by_side_or_as_a_difference():
    shown = cell(scan(0), scan(1), scan(2))
    beside = ask(shown, Choice("A", pinned=0, comparison="beside"))
    assert (beside["map"].request.scan, beside["pinned"].request.scan) == (2, 0)
    assert beside["map"].request.minus is None
    difference = ask(shown, Choice("A", 1, pinned=2, comparison="difference", masked=True))
    assert (difference["map"].request.scan, difference["map"].request.minus) == (1, 2)
    assert difference["map"].request.least_errors == model.LEAST_ERRORS
    assert "pinned" not in difference
    same = ask(shown, Choice("A", 1, pinned=1, comparison="difference"))
    assert same["map"].request.minus is None


def test_one_scale_for_all_scans_comes_from_the_first_and_the_last():
    shown = cell(scan(0, maps=["height"]), scan(1), scan(2), scan(3, provisional=True))
    asked = ask(shown, Choice("A", map="removal", common=True))
    assert (asked["scale_first"].request.scan, asked["scale_last"].request.scan) == (1, 2)


def test_the_board_asks_for_a_small_map_of_each_cell():
    now = snapshot(cell(scan(0), scan(1)))
    now.state["cells"]["B"] = cell(scan(0, maps=["height"]))
    now.state["cells"]["C"] = cell()
    asked = overview.view.queries(now)
    assert set(asked) == {"board A", "board B"}
    assert [query.request.name for query in asked.values()] == ["removal", "height"]


def test_the_cut_of_a_new_scan_is_asked_again_while_its_slices_are_written():
    def cut(shown, **recorder):
        now = snapshot(shown)
        now.state["recorder"] = recorder
        return queries(now, Choice("A"), {"section": (512, 512)})["section"]

    shown = cell(scan(0))
    first = cut(shown, queued_bytes=9, slices=80)
    assert cut(shown, queued_bytes=5, slices=90) == first
    assert cut(shown, queued_bytes=5, slices=190) != first
    assert cut(shown, queued_bytes=0, slices=190) == cut(shown, queued_bytes=0, slices=999)


def test_the_cut_of_an_earlier_scan_is_requested_again_until_its_slices_are_written():
    """Later scans were received meanwhile; the disk is slow."""

    def cut(error, **recorder):
        now = snapshot(cell(*map(scan, range(9))))
        now.state["recorder"] = recorder
        asked = queries(now, Choice("A", 2), {"section": (512, 512)})["section"]
        if error is None:
            return asked
        now.answers["section"] = model.Answer(
            asked.request, {"type": "error", "why": error} if error else {}, None
        )
        return queries(now, Choice("A", 2), {"section": (512, 512)})["section"]

    assert cut("not yet", queued_bytes=9, slices=80) != cut("not yet", queued_bytes=9, slices=190)
    assert cut("not yet", queued_bytes=9, slices=190) != cut("not yet", queued_bytes=0, slices=990)
    for error in (None, ""):
        assert cut(error, queued_bytes=9, slices=80) == cut(error, queued_bytes=9, slices=190)


def test_why_nothing_can_be_asked_is_told():
    now = snapshot(cell())
    assert model.order_problem(now) == ""
    assert "--view-only" in model.order_problem(now, viewer=True)
    assert "does not answer" in model.order_problem(snapshot(cell(), linked=False))
    now.state["may_order"] = "This is a replay: nothing can be requested"
    assert "replay" in model.order_problem(now)
    now.state.update(may_order="", role="viewer")
    assert "viewer" in model.order_problem(now)


def test_alarms_of_all_cells_stand_newest_first():
    now = snapshot(cell(alarms=[{"number": 3, "text": "a"}, {"number": 9, "text": "b"}]))
    now.state["alarms"] = [{"number": 5, "text": "c"}]
    assert [alarm["number"] for alarm in model.alarms(now)] == [9, 5, 3]


def test_relatives_of_a_pit_are_parents_and_children():
    columns = {"id": [1, 2, 3, 4], "parent": [-1, 1, 2, 1]}
    assert model.relatives(columns, 2) == {1, 3}
    assert model.relatives(columns, 1) == {2, 4}
    assert model.relatives(columns, None) == set()


def test_the_outline_is_the_inner_rim_of_each_pit():
    labels = np.zeros((7, 9), np.int32)
    labels[1:6, 1:4] = 1
    labels[1:6, 4:8] = 2
    expected = labels.copy()
    expected[2:5, 2] = 0
    expected[2:5, 5:7] = 0
    np.testing.assert_array_equal(model.rims(labels), expected)


def test_colours_leave_out_outliers_and_survive_emptiness():
    array = np.linspace(0, 1, 1001)
    array[0], array[-1] = -1e6, 1e6
    low, high = model.colour_levels(array)
    assert (low, high) == pytest.approx((0.005, 0.995), abs=1e-6)
    assert model.colour_levels(np.full((3, 3), np.nan)) is None
    low, high = model.colour_levels(np.zeros((3, 3)))
    assert low < 0 < high


def test_numbers_and_times_are_worded():
    assert formatting.number(None) == "–"
    assert formatting.number(float("nan"), 2, "µm") == "–"
    assert formatting.number(1.256, 2, "µm") == "1.26 µm"
    assert [formatting.duration(s) for s in (5, 65, -3700)] == ["5 s", "1 min 05 s", "1 h 01 min"]
    assert [formatting.round_below(v) for v in (1.0, 4.9, 50.0, 99.0, 0.03)] == [1, 2, 50, 50, 0.02]
    assert formatting.with_error(5.014, 0.034) == "5.01 ± 0.03"
    assert formatting.with_error(16.04, 0.66) == "16.0 ± 0.7"
    assert formatting.with_error(5.0, 0.001) == "5.00 ± 0.01"
    assert formatting.with_error(16.04, None) == "16.0"
    assert formatting.clock(0) == "00:00:00"
    assert formatting.clock(0, now=86_399.0) == "00:00:00"
    assert formatting.clock(0, now=86_400.0) == "1970-01-01 00:00:00", "another day than now"
    assert formatting.stamp(86_400.0) == "1970-01-02 00:00:00"
