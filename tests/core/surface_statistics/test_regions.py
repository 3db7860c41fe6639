"""Regions against areas that are known, numbers in them against plain numpy and normal noise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from monitor.core.surface_statistics.regions import (
    Region,
    describe,
    histogram,
    mean_error,
    region_of,
    significant,
)
from monitor.core.surface_statistics.tiles import mean_over_tiles

SHAPE = (300, 400)


def pixels(region, shape=SHAPE):
    """The whole map, true in the region."""
    found = np.zeros(shape, bool)
    found[region.part] = True if region.mask is None else region.mask
    return found


def shoelace(points):
    rows, columns = np.array(points).T
    return abs(np.dot(rows, np.roll(columns, 1)) - np.dot(columns, np.roll(rows, 1))) / 2.0


# --- where ----------------------------------------------------------------------------------------


def test_the_whole_map():
    region = region_of("whole", (), SHAPE)
    assert region.pixels == 300 * 400 and region.mask is None and region.holds(299.4, 399.4)
    assert not region.holds(299.6, 0.0)


def test_a_rectangle_holds_the_pixels_whose_centres_it_holds():
    region = region_of("rectangle", ((20.5, 30.0), (9.2, 10.0)), SHAPE)
    assert region.window == (10, 21, 10, 31)
    assert region.pixels == 11 * 21
    assert region.holds(9.7, 10.3) and not region.holds(9.4, 10.0)


def test_an_ellipse_has_its_area():
    half_y, half_x, middle = 61.3, 120.8, (150.2, 200.7)
    corners = [(middle[0] + s * half_y, middle[1] + s * half_x) for s in (-1, 1)]
    region = region_of("ellipse", corners, SHAPE)
    assert region.pixels == pytest.approx(math.pi * half_y * half_x, rel=1e-3)
    y, x = np.nonzero(pixels(region))
    assert y.mean() == pytest.approx(middle[0], abs=0.05)
    assert x.var() == pytest.approx(half_x**2 / 4.0, rel=0.01), "of a filled ellipse"
    assert region.holds(*middle) and not region.holds(*corners[0])


POLYGONS = {
    "square": [(10, 10), (10, 60), (60, 60), (60, 10)],
    "triangle": [(10.3, 20.1), (280.7, 45.9), (140.2, 390.4)],
    "clockwise": [(140.2, 390.4), (280.7, 45.9), (10.3, 20.1)],
    "arrow": [(20.2, 20.3), (150.1, 140.2), (280.4, 20.6), (150.3, 380.7)],
}


@pytest.mark.parametrize("name", POLYGONS)
def test_a_polygon_has_its_area(name):
    points = POLYGONS[name]
    assert region_of("polygon", points, SHAPE).pixels == pytest.approx(shoelace(points), rel=2e-3)


def test_of_a_square_on_whole_pixels_two_sides_belong_to_it():
    region = region_of("polygon", POLYGONS["square"], SHAPE)
    assert region.pixels == 2500
    assert region.holds(10, 10) and not region.holds(60, 60)


def test_neighbouring_polygons_share_no_pixel_and_leave_none_out():
    middle = (133.0, 207.0)
    corners = [(0, 0), (0, 399), (299, 399), (299, 0)]
    parts = [
        pixels(region_of("polygon", [middle, corners[k - 1], corners[k]], SHAPE)) for k in range(4)
    ]
    inner = np.sum(parts, axis=0)[:-1, :-1]
    assert inner.min() == inner.max() == 1


def test_what_crosses_itself_is_even_and_odd():
    turn = np.arange(5) * 0.8 * math.pi
    star = [(150.37 + 140 * math.cos(a), 200.21 + 140 * math.sin(a)) for a in turn]
    region = region_of("polygon", star, SHAPE)
    assert not region.holds(150, 200), "the middle of a pentagram is crossed twice"
    inner = 140.0 / ((1.0 + math.sqrt(5.0)) / 2.0) ** 2
    side, height = 2 * inner * math.sin(0.2 * math.pi), 140 - inner * math.cos(0.2 * math.pi)
    assert region.pixels == pytest.approx(2.5 * side * height, rel=5e-3), "its five points"


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(-20, 80, allow_nan=False), st.floats(-20, 90, allow_nan=False)),
        min_size=3,
        max_size=9,
    )
)
def test_any_polygon_is_that_of_matplotlib(points):
    """With the even-odd rule, as two outlines that overlap; corners moved off the pixels."""
    off = [(r + 0.0123456, c + 0.0234567) for r, c in points]
    shape = (60, 70)
    found = pixels(region_of("polygon", off, shape), shape)
    y, x = np.mgrid[:60, :70]
    count = np.zeros(shape, int)
    rows, columns = np.array(off).T
    for k in range(len(off)):  # rays to the left, crossing by crossing
        r0, c0, r1, c1 = rows[k - 1], columns[k - 1], rows[k], columns[k]
        passes = (r0 > y) != (r1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            count += passes & (x > (c1 - c0) * (y - r0) / (r1 - r0) + c0)
    np.testing.assert_array_equal(found, count % 2 == 1)
    if len(off) == 3:
        inside = Outline(off).contains_points(np.column_stack([y.ravel(), x.ravel()]))
        assert (inside.reshape(shape) != found).sum() <= 2


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("rectangle", ((-50, -50), (-1, 9))),
        ("rectangle", ((3.2, 3.2), (3.8, 3.8))),
        ("ellipse", ((5, 5), (5, 50))),
        ("ellipse", ((400, 5), (500, 50))),
        ("polygon", ((5, 5), (5, 5), (5, 5))),
        ("polygon", ((-5, -5), (-5, 900), (-1, 900))),
        ("polygon", ((1e5, 1e5), (-1e5, 1e5), (0, 2e5))),
    ],
)
def test_regions_without_pixels_are_empty(kind, points):
    assert region_of(kind, points, SHAPE).pixels == 0


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "polygon"])
def test_what_lies_beside_the_map_is_cut_off(kind):
    points = [(-100.0, -100.0), (200.0, 200.0)]
    points = points if kind != "polygon" else [(-100, -100), (-100, 200), (200, 200), (200, -100)]
    inside = pixels(region_of(kind, points, SHAPE))
    larger = pixels(
        region_of(kind, [(r + 150, c + 150) for r, c in points], (600, 700)), (600, 700)
    )
    np.testing.assert_array_equal(inside, larger[150:450, 150:550])


# --- what -----------------------------------------------------------------------------------------


def test_numbers_of_normal_noise():
    """An independent truth: the quantiles of the normal distribution."""
    values = np.random.default_rng(3).normal(50.0, 2.0, 400_000).astype(np.float32)
    found = describe(values.copy())
    assert found["mean"] == pytest.approx(50.0, abs=0.02)
    assert found["sd"] == pytest.approx(2.0, rel=0.01)
    expected = {"p1": -2.3263, "p5": -1.6449, "median": 0.0, "p95": 1.6449, "p99": 2.3263}
    for name, z in expected.items():
        assert found[name] == pytest.approx(50.0 + 2.0 * z, abs=0.05)
    assert found["minimum"] == values.min() and found["maximum"] == values.max()


def test_the_spread_of_a_large_offset_is_not_lost():
    values = (1e5 + np.tile([-0.5, 0.5], 500)).astype(np.float32)
    assert describe(values)["sd"] == pytest.approx(0.5, rel=1e-3)


def test_of_nothing_and_of_one():
    nothing = describe(np.empty(0, np.float32))
    assert set(nothing.values()) == {None}
    one = describe(np.array([3.5], np.float32))
    assert one["mean"] == one["median"] == one["minimum"] == 3.5 and one["sd"] is None
    assert list(one) == list(nothing)


def test_a_histogram_counts_what_it_shows():
    values = np.random.default_rng(1).normal(5.0, 1.0, 20_000).astype(np.float32)
    edges, counts = histogram(values, 40, None, None, with_zero=False)
    assert (len(edges), len(counts)) == (41, 40)
    assert [edges[0], edges[-1]] == pytest.approx(np.percentile(values, (0.5, 99.5)), rel=1e-5)
    assert sum(counts) == pytest.approx(0.99 * values.size, abs=2)
    edges, counts = histogram(values, 10, 4.0, 6.0, with_zero=True)
    assert edges == pytest.approx(np.linspace(4.0, 6.0, 11))
    assert counts[5] == ((values >= edges[5]) & (values < edges[6])).sum()


def test_a_histogram_of_currents_reaches_to_zero():
    values = np.linspace(2.0, 3.0, 1000, dtype=np.float32)
    assert histogram(values, 8, None, None, with_zero=True)[0][0] == 0.0
    assert histogram(-values, 8, None, None, with_zero=True)[0][-1] == 0.0
    assert histogram(values, 8, 2.5, None, with_zero=True)[0][0] == 2.5


@pytest.mark.parametrize(("low", "high"), [(None, None), (7.0, None), (None, 1.0), (1.0, 2.0)])
def test_a_histogram_of_what_is_all_alike_has_a_width(low, high):
    edges, counts = histogram(np.full(10, 3.0, np.float32), 4, low, high, with_zero=False)
    assert (np.diff(edges) > 0).all() and len(counts) == 4
    assert low is None or edges[0] == low
    assert high is None or edges[-1] == high


def test_no_histogram_without_bins_or_values():
    nothing = np.empty(0, np.float32)
    assert histogram(np.ones(3, np.float32), 0, None, None, with_zero=False) == ([], [])
    assert histogram(nothing, 5, None, 1.0, with_zero=True) == ([], [])
    assert histogram(nothing, 5, 0.0, 1.0, with_zero=True)[1] == [0] * 5


def test_what_is_below_its_error_is_left_out():
    values = np.array([1.0, -3.0, 3.0, np.nan, 5.0, 0.0], np.float32)
    errors = np.array([1.0, 1.0, 1.01, 1.0, np.nan, 0.0], np.float32)
    found = significant(values, errors, 3.0)
    np.testing.assert_array_equal(found, np.array([np.nan, -3.0, np.nan, np.nan, np.nan, 0.0]))


def test_the_error_of_the_whole_is_that_of_its_tiles():
    values = np.random.default_rng(2).normal(3, 1, SHAPE).astype(np.float32)
    values[20:50, 60:90] = np.nan
    whole = region_of("whole", (), SHAPE)
    assert mean_error(values, whole, (37, 41)) == mean_over_tiles(values, (37, 41))[1]


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "polygon"])
def test_the_error_of_a_part_is_that_of_a_map_with_the_rest_unmeasured(kind):
    values = np.random.default_rng(2).normal(3, 1, SHAPE).astype(np.float32)
    corners = ((33.0, 51.0), (210.0, 330.0))
    points = corners if kind != "polygon" else (*corners, (250.0, 60.0))
    region = region_of(kind, points, SHAPE)
    rest = np.where(pixels(region), values, np.nan).astype(np.float32)
    expected = mean_over_tiles(rest, (20, 30))[1]
    assert mean_error(values[region.part], region, (20, 30)) == pytest.approx(expected, rel=1e-6)


def test_it_tells_how_well_the_mean_is_known():
    """Tiles that differ by 2: the mean of so many of them scatters by 2/√n."""
    rng = np.random.default_rng(7)
    means, errors = [], []
    for _ in range(200):
        values = np.kron(rng.normal(0, 2, (6, 8)), np.ones((25, 25))).astype(np.float32)
        region = region_of("rectangle", ((0, 0), (99, 199)), values.shape)
        means.append(values[region.part].mean())
        errors.append(mean_error(values[region.part], region, (25, 25)))
    assert np.std(means) == pytest.approx(2.0 / math.sqrt(32), rel=0.15)
    assert np.mean(errors) == pytest.approx(2.0 / math.sqrt(32), rel=0.05)


def test_too_few_tiles_have_no_error():
    small = Region((0, 10, 0, 10), None)
    assert mean_error(np.ones((10, 10), np.float32), small, (50, 50)) is None
