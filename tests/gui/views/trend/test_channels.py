"""Channels in the trend, from the publisher to the curve."""

import numpy as np
import pytest

from monitor.gui.views.trend.channels import along
from monitor.records import ChannelValue
from tests.gui.synthetic import T0, Cell

TABLE = {
    "channels": {
        "ring": {"key": "sr", "title": "Ring current"}, "shut": "sh", "spare": "x",
        "evil": {"key": "y", "title": "<b>&now"},
    },
}  # fmt: skip
RING = "channel ring"


@pytest.fixture
def shown(bench, screen, qtbot):
    """The engine and its window, with two scans and an hour of ring current and shutter."""
    engine = bench(Cell("A"), Cell("B"), table=own("A", "B"))
    engine.scans("A", 2)
    engine.update(
        channels=[
            ChannelValue("", name, T0 + 60.0 * n, value(n), unit)
            for name, value, unit in (
                ("ring", lambda n: 200.0 if n < 40 else 12.0, "mA"),
                ("shut", lambda n: float(n >= 40), ""),
            )
            for n in range(61)
        ]
    )
    window = screen(engine.publisher, "A")
    return engine, window, window.views["trend"]


def own(*names):
    cells = [{"name": name} for name in names]
    cells[0]["channels"] = {"tc": {"key": "tc", "unit": "°C"}}
    return TABLE | {"cells": cells}


def curve(trend, row=RING):
    found = trend.rows.curves.get(row)
    data = found.getData()[0] if found is not None else None
    return (np.empty(0), np.empty(0)) if data is None else found.getData()


def test_a_channel_is_drawn_with_its_title_and_unit(shown, qtbot):
    _, window, trend = shown
    qtbot.waitUntil(lambda: len(curve(trend)[0]) == 61 and window.turns.idle)
    hours, current = curve(trend)
    assert hours[0] == pytest.approx(0.0, abs=0.01) and hours[-1] == pytest.approx(1.0, abs=0.01)
    assert set(current) == {200.0, 12.0}
    assert trend.rows.titles[RING].text == "Ring current / mA"
    trend.rows.pointed.emit(0.9)
    assert "12" in trend.rows.titles[RING]._html
    trend.rows.pointed.emit(0.1)
    assert "200" in trend.rows.titles[RING]._html


def test_the_menu_chooses_the_rows(shown, qtbot):
    _, window, trend = shown
    qtbot.waitUntil(lambda: trend.channels.isVisible() and window.turns.idle)
    actions = trend.channels.actions_of
    assert [name for name, action in actions.items() if action.isChecked()] == [RING]
    assert RING in trend.rows._order
    actions[RING].trigger()
    actions["channel shut"].trigger()
    assert RING not in trend.rows._order and "channel shut" in trend.rows._order
    actions["channel spare"].trigger()
    assert trend.rows._order[-1] == "channel spare"
    assert actions["channel evil"].text() == "<b>&&now"


def test_a_cell_has_its_own_channels(shown, qtbot):
    _, window, trend = shown
    qtbot.waitUntil(lambda: trend.channels.isVisible())
    tc = trend.channels.actions_of["channel tc"]
    assert tc.isVisible()
    tc.trigger()
    assert "channel tc" in trend.rows._order
    window.selection.choose(cell="B")
    qtbot.waitUntil(lambda: not tc.isVisible() and "channel tc" not in trend.rows._order)
    assert RING in trend.rows._order


def test_without_channels_there_is_no_menu(bench, screen, qtbot):
    engine = bench()
    engine.scans("A", 2)
    window = screen(engine.publisher)
    trend = window.views["trend"]
    qtbot.waitUntil(lambda: trend.rows.curves["potential"].getData()[0] is not None)
    assert not trend.channels.isVisible()


def test_against_the_charge_values_lie_where_the_readings_do(shown, qtbot):
    _, window, trend = shown
    qtbot.waitUntil(lambda: len(curve(trend)[0]) == 61 and window.turns.idle)
    window.selection.choose(against="soc")
    qtbot.waitUntil(lambda: window.turns.idle)
    readings = {"time": np.array([0.0, 10.0, 20.0])}
    found = along(np.array([-1.0, 5.0, 20.0, 21.0]), readings, np.array([1.0, 2.0, np.nan]))
    assert found == pytest.approx([np.nan, 1.5, np.nan, np.nan], nan_ok=True)


def test_a_part_in_view_has_all_its_values(shown, qtbot, monkeypatch):
    engine, _, trend = shown
    monkeypatch.setattr("monitor.gui.views.trend.channels.POINTS", 31)
    engine.update(
        channels=[
            ChannelValue("", "ring", T0 + 3660.0 + 60.0 * n, 7.0 * n % 13, "mA") for n in range(60)
        ]
    )
    qtbot.waitUntil(lambda: 0 < len(curve(trend)[0]) <= 31)
    trend.rows.plots["potential"].vb.setXRange(1.5, 1.6, padding=0)

    def steps():
        hours, _ = curve(trend)
        return np.diff(hours[(hours > 1.5) & (hours < 1.6)])

    qtbot.waitUntil(lambda: len(steps()) >= 4)
    assert steps() == pytest.approx(1 / 60)
