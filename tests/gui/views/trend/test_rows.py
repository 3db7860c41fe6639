"""Rows of the trend: one x axis for all, with room to grow, moved one after the other."""

import numpy as np
import pytest

from monitor.gui.views.trend.rows import Trend, TrendRows, with_room
from monitor.gui.widgets import theme
from monitor.gui.widgets.paint_queue import Turns

NAMES = ("potential", "current", "pits", "depth", "width", "thickness", "closure")


def test_titles_lie_above_the_curves_and_never_widen_the_rows(rows, turns, qtbot):
    rows.titles["pits"].set("Pits", "99 " * 200)
    plot = rows.plots["pits"]
    qtbot.waitUntil(lambda: turns.idle and plot.titleLabel.isVisible())
    line, curves = (item.sceneBoundingRect() for item in (plot.titleLabel, plot.vb))
    assert line.bottom() <= curves.top() + 1
    assert curves.right() <= rows.graphics.width()


@pytest.fixture
def turns():
    return Turns()


@pytest.fixture
def rows(qtbot, qapp, turns):
    theme.apply(qapp)
    made = TrendRows(NAMES, turns.put)
    qtbot.addWidget(made.graphics)
    made.restyle()
    made.arrange(NAMES[:4])
    made.graphics.resize(600, 500)
    made.graphics.show()
    return made


def trend(hours):
    x = np.linspace(0.0, hours, 50)
    return Trend({"potential": (x, 2.1 + 0.01 * x), "pits": (x[::5], 3 * x[::5])}, shown=hours / 2)


def spans(rows, names=NAMES[:4]):
    return {name: tuple(rows.plots[name].vb.viewRange()[0]) for name in names}


def test_all_rows_show_the_same_part_of_x_as_it_grows(rows, turns, qtbot):
    for hours in (1.0, 1.02, 5.0):
        rows.draw(trend(hours))
        qtbot.waitUntil(lambda: turns.idle)
        (seen,) = set(spans(rows).values())
        assert seen[0] <= 0.0
        assert hours <= seen[1] <= 1.2 * hours
        assert seen == pytest.approx(rows.span)


def test_a_little_more_does_not_move_the_axis():
    first = with_room((0.0, 10.0), None)
    assert first == pytest.approx((-0.15, 10.5))
    assert with_room((0.0, 10.4), first) == first
    grown = with_room((0.0, 10.6), first)
    assert grown[1] > 10.6 > first[1]
    assert with_room((0.0, 3.0), first) == pytest.approx((-0.045, 3.15))
    assert with_room((2.0, 2.0), None) == (1.5, 2.5)


def test_where_one_row_is_moved_the_others_follow_and_stay(rows, turns, qtbot):
    rows.draw(trend(5.0))
    qtbot.waitUntil(lambda: turns.idle)
    with qtbot.waitSignal(rows.moved):
        rows.plots["pits"].vb.setXRange(2.0, 3.0, padding=0)
    qtbot.waitUntil(lambda: turns.idle)
    assert set(spans(rows).values()) == {(2.0, 3.0)}
    rows.draw(trend(6.0))
    qtbot.waitUntil(lambda: turns.idle)
    assert set(spans(rows).values()) == {(2.0, 3.0)}
    assert (rows.is_whole, rows.span) == (False, (2.0, 3.0))
    rows.show_whole()
    qtbot.waitUntil(lambda: turns.idle)
    (seen,) = set(spans(rows).values())
    assert (rows.is_whole, seen[0] <= 0.0, seen[1] >= 6.0) == (True, True, True)


def test_a_row_that_is_taken_in_later_is_drawn(rows, turns, qtbot):
    x = np.linspace(0, 1, 5)
    rows.draw(Trend({"closure": (x, np.full(5, 1.02))}))
    qtbot.waitUntil(lambda: turns.idle)
    assert rows.curves["closure"].getData()[0] is None
    rows.arrange(("pits", "closure"))
    qtbot.waitUntil(lambda: turns.idle)
    np.testing.assert_array_equal(rows.curves["closure"].getData()[1], np.full(5, 1.02))
    assert rows.plots["closure"].getAxis("bottom").style["showValues"]
    assert not rows.plots["pits"].getAxis("bottom").style["showValues"]


def test_nothing_is_drawn_where_there_is_nothing(rows, turns, qtbot):
    rows.draw(trend(2.0))
    rows.draw(Trend())
    qtbot.waitUntil(lambda: turns.idle)
    x, _ = rows.curves["potential"].getData()
    assert x is None or not len(x)
    assert not any(rows._shown[name].isVisible() for name in NAMES[:4])
    assert Trend().extent() is None


def test_only_rows_with_values_have_numbers_along_their_axes(rows, turns, qtbot):
    def numbered(side):
        return {n for n in NAMES[:4] if rows.plots[n].getAxis(side).style["showValues"]}

    rows.draw(Trend({}))
    qtbot.waitUntil(lambda: turns.idle)
    assert (numbered("left"), numbered("bottom")) == (set(), set())
    rows.draw(trend(1.0))
    qtbot.waitUntil(lambda: turns.idle)
    assert (numbered("left"), numbered("bottom")) == ({"potential", "pits"}, {NAMES[3]})
    rows.arrange(NAMES[:3])
    qtbot.waitUntil(lambda: turns.idle)
    assert numbered("bottom") & set(NAMES[:3]) == {NAMES[2]}
