"""Differences, what is above its error, statistics, profiles and pits in time, over real sockets,
against plain numpy on the maps that were put in."""

import math
from dataclasses import replace

import numpy as np
import pytest

from monitor.core.surface_statistics.tiles import mean_over_tiles, tile_px
from monitor.engine.serving import map_replies
from monitor.wire.results.queries import MapRequest, StatisticsRequest
from tests.engine.screens import update
from tests.gui.synthetic import Cell

UM = 0.717


def with_errors(result, seed=0):
    """The result with errors to its maps, which differ from pixel to pixel."""
    rng = np.random.default_rng(seed)
    shape = result.start.volume_shape[1:]
    maps = {**result.maps}
    for name in ("removal", "cumulative", "interval", "running"):
        maps[f"{name}_error"] = rng.uniform(0.05, 0.8, shape).astype(np.float32)
    if "absolute" in maps:
        maps["absolute"] = (maps["removal"] / np.float32(4.8491 * 1.5)).astype(np.float32)
    return replace(result, maps=maps)


@pytest.fixture
def scans(bench):
    """(publisher, screen, results by scan)."""
    publisher, screen = bench()
    cell = Cell()
    results = {scan: with_errors(cell.result(scan), scan) for scan in range(5)}
    update(publisher, *results.values())
    return publisher, screen, results


# --- maps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["height", "removal", "cumulative", "bottom", "removal_error"])
def test_a_scan_less_another_voxel_by_voxel(scans, name):
    _, screen, results = scans
    header, found = screen.ask(type="map", cell="A", scan=4, name=name, minus=2)
    np.testing.assert_array_equal(found, results[4].maps[name] - results[2].maps[name])
    assert (header["scan"], header["minus"], header["least_errors"]) == (4, 2, 0.0)
    assert header["units"] == ("mA/cm2" if name == "cumulative" else "µm")
    _, part = screen.ask(
        type="map", cell="A", scan=4, name=name, minus=2, window=[10, 110, 20, 160], shape=[30, 50]
    )
    np.testing.assert_array_equal(part, found[10:110:4, 20:160:4])


@pytest.mark.parametrize("name", ["removal", "cumulative", "interval", "running"])
def test_what_is_below_its_error_is_not_shown(scans, name):
    _, screen, results = scans
    header, found = screen.ask(type="map", cell="A", scan=3, name=name, least_errors=3)
    values, errors = results[3].maps[name], results[3].maps[f"{name}_error"]
    np.testing.assert_array_equal(found, np.where(np.abs(values) >= 3 * errors, values, np.nan))
    assert header["least_errors"] == 3.0 and header["minus"] is None
    assert 0 < np.isnan(found).sum() < found.size


def test_of_absolute_it_is_the_removal_that_must_be_seen(scans):
    _, screen, results = scans
    _, found = screen.ask(type="map", cell="A", scan=3, name="absolute", least_errors=3)
    maps = results[3].maps
    seen = np.abs(maps["removal"]) >= 3 * maps["removal_error"]
    assert (np.isfinite(found) != seen).sum() <= 1, "but for rounding"
    _, found = screen.ask(type="map", cell="A", scan=3, name="absolute", least_errors=3, minus=1)
    other = results[1].maps
    difference = maps["absolute"] - other["absolute"]
    joint = np.hypot(maps["removal_error"], other["removal_error"]) / (4.8491 * 1.5)
    assert (np.isfinite(found) != (np.abs(difference) >= 3 * joint)).sum() <= 1


@pytest.mark.parametrize("name", ["removal", "height"])
def test_of_a_difference_both_errors_count(scans, name):
    _, screen, results = scans
    _, found = screen.ask(type="map", cell="A", scan=3, name=name, least_errors=2, minus=2)
    values = results[3].maps[name] - results[2].maps[name]
    joint = np.hypot(*(results[k].maps[f"{name}_error"] for k in (3, 2)))
    np.testing.assert_array_equal(found, np.where(np.abs(values) >= 2 * joint, values, np.nan))


def test_a_height_by_itself_is_left_as_it_is(scans):
    _, screen, results = scans
    _, found = screen.ask(type="map", cell="A", scan=3, name="height", least_errors=5)
    np.testing.assert_array_equal(found, results[3].maps["height"])
    _, labels = screen.ask(type="map", cell="A", scan=3, name="pit_labels", least_errors=5)
    np.testing.assert_array_equal(labels, results[3].pit_labels)


def test_what_cannot_be_subtracted_says_why(bench):
    publisher, screen = bench({"cells": [{"name": "A"}, {"name": "B"}]})
    small, coarse = Cell(shape=(60, 90, 160)), Cell(voxel_um=1.4)
    update(publisher, Cell().result(0), Cell().result(1), small.result(2), coarse.result(3))

    def why(**asked):
        reply = screen.ask(type="map", cell="A", name="height", tag="t", **asked)
        assert (reply["type"], reply["tag"]) == ("error", "t")
        return reply["why"]

    assert "90×160 and 120×160 pixels" in why(scan=2, minus=1)
    assert "voxel sizes differ" in why(scan=3, minus=1)
    assert "does not have scan 9" in why(scan=1, minus=9)
    reply = screen.ask(type="map", cell="A", scan=1, name="cumulative", minus=0)
    assert "scan 0 of cell A has no map cumulative" in reply["why"]
    reply = screen.ask(type="map", cell="A", scan=1, name="pit_labels", minus=0)
    assert "cannot be subtracted" in reply["why"]
    reply = screen.ask(type="map", cell="A", scan=1, name="removal", least_errors=2)
    assert "no map removal_error" in reply["why"]


# --- statistics -----------------------------------------------------------------------------------


def test_statistics_of_the_whole_map(scans):
    _, screen, results = scans
    found = screen.ask(type="statistics", cell="A", scan=3, name="height", bins=20, tag="s")
    values = results[3].maps["height"]
    known = values[np.isfinite(values)].astype(float)
    assert found["count"] == known.size < values.size
    assert found["share"] == pytest.approx(known.size / values.size)
    assert found["area"] == pytest.approx(values.size * UM**2)
    assert (found["type"], found["tag"], found["units"]) == ("statistics", "s", "µm")
    expected = {"mean": known.mean(), "sd": known.std(ddof=1), "minimum": known.min(),
                "median": np.median(known), "maximum": known.max()}  # fmt: skip
    expected |= {f"p{k}": np.percentile(known, k) for k in (1, 5, 95, 99)}
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert found["pits"] == len(results[3].pits) > 3
    counts, edges = np.histogram(known, 20, np.percentile(known, (0.5, 99.5)))
    assert found["edges"] == pytest.approx(edges.tolist(), rel=1e-6)
    assert np.abs(np.array(found["counts"]) - counts).sum() <= 4


def test_the_error_of_a_mean_is_that_of_the_summary(scans):
    _, screen, results = scans
    found = screen.ask(type="statistics", cell="A", scan=3, name="removal")
    start = results[3].start
    mean, error = mean_over_tiles(results[3].maps["removal"], tile_px(start))
    assert found["mean"] == pytest.approx(mean, rel=1e-6)
    assert found["mean_error"] == pytest.approx(error, rel=1e-6)
    assert found["mean_error_why"] == ""
    few = {"kind": "rectangle", "points": [[0, 0], [20, 20]]}
    found = screen.ask(type="statistics", cell="A", scan=3, name="removal", **few)
    assert found["mean_error"] is None and "fewer than two tiles" in found["mean_error_why"]


def test_statistics_of_a_rectangle_of_a_difference_above_its_error(scans):
    _, screen, results = scans
    found = screen.ask(
        type="statistics", cell="A", scan=4, name="removal", minus=1, least_errors=2.0,
        kind="rectangle", points=[[30.2, 99.8], [10, 20]],
    )  # fmt: skip
    part = (slice(10, 31), slice(20, 100))
    one, two = results[4].maps, results[1].maps
    values = (one["removal"] - two["removal"])[part]
    seen = np.abs(values) >= 2 * np.hypot(one["removal_error"], two["removal_error"])[part]
    assert found["count"] == seen.sum() < values.size
    assert found["mean"] == pytest.approx(values[seen].mean(), rel=1e-5)
    assert found["share"] == pytest.approx(seen.mean())
    assert (found["minus"], found["least_errors"], found["kind"]) == (1, 2.0, "rectangle")
    assert found["area"] == pytest.approx(21 * 80 * UM**2)


@pytest.mark.parametrize("kind", ["ellipse", "polygon"])
def test_statistics_inside_an_outline(scans, kind):
    _, screen, results = scans
    y, x = np.mgrid[:120, :160]
    if kind == "ellipse":
        points = [[20.5, 30.5], [80.5, 130.5]]
        inside = ((y - 50.5) / 30) ** 2 + ((x - 80.5) / 50) ** 2 <= 1
    else:
        points = [[20.5, 30.5], [100.5, 30.5], [100.5, 110.5]]
        inside = (x > 30.5) & (y < 100.5) & (x - 30.5 < y - 20.5)
    found = screen.ask(type="statistics", cell="A", scan=4, name="height", kind=kind, points=points)
    values = results[4].maps["height"][inside]
    assert found["count"] == np.isfinite(values).sum()
    assert found["mean"] == pytest.approx(np.nanmean(values), rel=1e-6)
    pits = [inside[round(pit.y / UM), round(pit.x / UM)] for pit in results[4].pits]
    assert found["pits"] == sum(pits) and 0 < sum(pits) < len(pits)


def test_a_histogram_of_a_current_reaches_to_zero_and_one_of_a_height_does_not(scans):
    _, screen, _ = scans
    ask = {"type": "statistics", "cell": "A", "scan": 4, "bins": 16}
    assert screen.ask(**ask, name="cumulative")["edges"][0] == 0.0
    assert screen.ask(**ask, name="height")["edges"][0] > 1.0
    own = screen.ask(**ask, name="height", low=0.0, high=100.0)
    assert (own["edges"][0], own["edges"][-1], sum(own["counts"])) == (0.0, 100.0, own["count"])
    none = screen.ask(type="statistics", cell="A", scan=4, name="height")
    assert none["edges"] == none["counts"] == []


def test_a_map_of_nothing_has_no_numbers(bench):
    publisher, screen = bench()
    result = Cell().result(1)
    blank = np.full(result.start.volume_shape[1:], np.nan, np.float32)
    update(publisher, replace(result, maps={**result.maps, "height": blank}))
    found = screen.ask(type="statistics", cell="A", scan=1, name="height", bins=8)
    assert (found["count"], found["share"], found["mean"], found["p99"]) == (0, 0.0, None, None)
    assert found["edges"] == [] and found["mean_error"] is None


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"name": "pit_labels"}, "pit numbers"),
        ({"name": "moss"}, "no map moss"),
        ({"kind": "rectangle", "points": [[500, 500], [600, 600]]}, "contains no pixel"),
        ({"kind": "circle"}, "one of whole, rectangle"),
        ({"scan": 99}, "does not have scan 99"),
    ],
)
def test_statistics_that_cannot_be_made_say_why(scans, asked, why):
    _, screen, _ = scans
    reply = screen.ask(**{"type": "statistics", "cell": "A", "scan": 3, "name": "height", **asked})
    assert reply["type"] == "error" and why in reply["why"]


def test_large_ones_are_counted_where_nothing_waits(scans, monkeypatch):
    """Whatever is large goes to the slow thread; a small region of a large map does not."""
    publisher, screen, _ = scans
    monkeypatch.setattr(map_replies, "LARGE_PIXELS", 1000)
    slow = []
    put = publisher._slow.put
    monkeypatch.setattr(publisher._slow, "put", lambda item: (slow.append(item), put(item)))
    whole = screen.ask(type="statistics", cell="A", scan=3, name="height")
    small = {"kind": "rectangle", "points": [[0, 0], [20, 20]]}
    part = screen.ask(type="statistics", cell="A", scan=3, name="height", **small)
    screen.ask(type="map", cell="A", scan=3, name="height", minus=1)
    screen.ask(type="map", cell="A", scan=3, name="height", shape=[20, 20])
    assert whole["type"] == part["type"] == "statistics"
    assert [asked.request for _, asked in slow] == [
        StatisticsRequest("A", 3, "height"),
        MapRequest("A", 3, "height", minus=1),
    ]


def test_whatever_an_answer_needs_may_be_on_the_disk(bench):
    cell = Cell()
    results = {scan: with_errors(cell.result(scan), scan) for scan in range(4)}
    asked = []

    def stored(name, scan, which):
        asked.append((scan, which))
        return results[scan].maps[which]

    publisher, screen = bench({"results": {"memory_MB": 0.001}}, stored_map=stored)
    update(publisher, *results.values())
    question = {"cell": "A", "scan": 3, "name": "removal", "minus": 1, "least_errors": 1.0}
    screen.ask(type="map", **question)
    assert sorted(asked) == [(1, "removal"), (1, "removal_error")]
    screen.ask(type="profile", **question, start=[0, 0], stop=[9, 9])
    found = screen.ask(type="statistics", **question)
    assert len(asked) == 6
    assert found["maximum"] == pytest.approx(
        np.nanmax(results[3].maps["removal"] - results[1].maps["removal"])
    )


# --- profiles -------------------------------------------------------------------------------------


def test_a_profile_on_pixels_and_between_them(scans):
    _, screen, results = scans
    values = results[4].maps["removal"]
    header, row = screen.ask(
        type="profile", cell="A", scan=4, name="removal", start=[60, 0], stop=[60, 159], points=160
    )
    np.testing.assert_allclose(row, values[60], rtol=1e-6)
    assert header["length"] == pytest.approx(159 * UM)
    assert (header["units"], header["start"], header["stop"]) == ("µm", [60, 0], [60, 159])
    header, slope = screen.ask(
        type="profile", cell="A", scan=4, name="removal", start=[10, 20], stop=[40, 60], points=21
    )
    assert header["length"] == pytest.approx(math.hypot(30, 40) * UM)
    assert slope.dtype == np.float32
    assert slope[10] == pytest.approx(values[25, 40], rel=1e-6)
    assert slope[1] == pytest.approx((values[11, 22] + values[12, 22]) / 2, rel=1e-6)


def test_a_profile_of_a_difference_above_its_error(scans):
    _, screen, _ = scans
    ask = {"cell": "A", "scan": 4, "name": "removal", "minus": 2, "least_errors": 2.0}
    _, whole = screen.ask(type="map", **ask)
    _, line = screen.ask(type="profile", **ask, start=[0, 33], stop=[119, 33], points=120)
    np.testing.assert_array_equal(line, whole[:, 33])
    assert np.isnan(line).any() and np.isfinite(line).any()


def test_a_profile_that_leaves_the_map(scans):
    _, screen, _ = scans
    _, line = screen.ask(
        type="profile", cell="A", scan=4, name="removal", start=[-10, 5], stop=[9, 5], points=20
    )
    assert np.isnan(line[:10]).all() and np.isfinite(line[10:]).all()
    reply = screen.ask(
        type="profile", cell="A", scan=4, name="pit_labels", start=[0, 5], stop=[9, 5]
    )
    assert reply["type"] == "error"


# --- a pit in time --------------------------------------------------------------------------------


def test_a_pit_is_followed_through_all_scans(scans):
    _, screen, results = scans
    number = results[2].pits[0].id
    found = screen.ask(type="pit_history", cell="A", pit=number, tag="h")
    seen = [(r, p) for r in results.values() for p in r.pits if p.id == number]
    assert (found["type"], found["pit"], found["tag"]) == ("pit_history", number, "h")
    columns = found["columns"]
    assert list(columns)[:3] == ["scan", "time", "charge_mAh_cm2"]
    assert columns["scan"] == [r.key.scan for r, _ in seen] == [1, 2, 3, 4]
    assert columns["time"] == [r.start.time for r, _ in seen]
    assert columns["charge_mAh_cm2"] == [r.summary["charge_mAh_cm2"] for r, _ in seen]
    for name in ("depth_max", "depth_mean", "diameter", "x", "y"):
        assert columns[f"{name}_um"] == pytest.approx([getattr(p, name) for _, p in seen])
    assert columns["volume_um3"][-1] > columns["volume_um3"][0] > 0
    assert "area_um2" in columns
    assert (found["first_scan"], found["parent"], found["children"]) == (1, -1, [])
    assert found["length_unit"] == "µm"


def test_a_pit_knows_its_kin_and_its_unit(bench):
    publisher, screen = bench()
    cell = Cell(voxel_um=None)
    results = [cell.result(scan) for scan in range(1, 4)]
    mother = results[-1].pits[0].id
    pits = [replace(p, parent=mother) if p.id in (3, 5) else p for p in results[-1].pits]
    provisional = cell.result(4, provisional=True)
    update(publisher, *results[:-1], replace(results[-1], pits=tuple(pits)), provisional)
    found = screen.ask(type="pit_history", cell="A", pit=mother)
    children = [number for number in (3, 5) if number in {p.id for p in pits} and number != mother]
    assert found["children"] == children != []
    assert found["length_unit"] == "voxel" and "depth_max_voxel" in found["columns"]
    child = screen.ask(type="pit_history", cell="A", pit=children[0])
    assert child["parent"] == mother
    reply = screen.ask(type="pit_history", cell="A", pit=999)
    assert reply["why"] == "there is no pit 999 in the 3 scans so far"
