"""The real window before a real publisher: what is shown, and what reaches the engine."""

import csv
import io
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication

from monitor.engine.serving.engine_state import EngineState
from monitor.gui.formatting import stamp
from monitor.gui.widgets.view import menu_of
from monitor.records import CyclerReading, Event
from tests.gui.conftest import FEEDS
from tests.gui.mouse import zoom
from tests.gui.synthetic import T0, Cell


def texts(window):
    """All axis labels, captions and numbers of the window in one string."""
    panels = [
        window.views["map"].plot,
        window.views["section"].plot,
        window.views["map"].bar_scale,
        *window.views["trend"].rows.plots.values(),
    ]
    axes = [p.getAxis(side).labelText for p in panels for side in ("left", "bottom", "right")]
    axes += [title.text for title in window.views["trend"].rows.titles.values()]
    shown = [label.text() for label in window.views["cell"].facts.values()]
    table = window.views["table"].table
    heads = [
        table.horizontalHeaderItem(i).text()
        for i in range(table.columnCount())
        if not table.isColumnHidden(i)
    ]
    labels = [window.views["map"].readout, window.views["map"].caption]
    return " ".join([*axes, *shown, *heads, *(label.text() for label in labels)])


def shows(window, name, scan):
    answer = window.snapshot.answers.get("map")
    header = answer.header if answer else {}
    is_it = (header.get("name"), header.get("scan")) == (name, scan)
    return is_it and window.views["map"].image.isVisible() and window.turns.idle


def is_seen(window, view):
    return view in window.layouts.visible() and window.turns.idle


@pytest.fixture
def looking(bench, screen, qtbot):
    """A window that shows scan 3 of a cell with readings."""
    engine = bench()
    engine.scans("A", 4)
    window = screen(engine.publisher)
    qtbot.waitUntil(lambda: shows(window, "height", 3), timeout=5000)
    return engine, window


def test_the_newest_height_map_is_shown_as_it_was_computed(looking, qtbot):
    engine, window = looking
    result = engine.cells["A"].result(9)
    engine.update(result)
    qtbot.waitUntil(lambda: shows(window, "height", 9), timeout=5000)
    np.testing.assert_array_equal(window.views["map"].image.image, result.maps["height"])
    rect = window.views["map"].image.mapRectToParent(window.views["map"].image.boundingRect())
    assert rect.width() == pytest.approx(160 * 0.717)
    assert rect.left() == pytest.approx(-0.5 * 0.717)
    assert "µm" in texts(window)
    qtbot.waitUntil(
        lambda: (
            window.views["map"].overlay.rims.image is not None
            and window.views["map"].overlay.rims.image.any()
        )
    )


def test_keys_go_through_scans_and_maps(looking, qtbot):
    _, window = looking
    qtbot.keyClick(window, Qt.Key.Key_M)
    qtbot.waitUntil(lambda: shows(window, "removal", 3), timeout=5000)
    qtbot.keyClick(window, Qt.Key.Key_M)
    qtbot.waitUntil(lambda: shows(window, "cumulative", 3), timeout=5000)
    assert "mA/cm²" in window.views["map"].bar_scale.getAxis("right").labelText
    qtbot.keyClick(window, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: shows(window, "cumulative", 2), timeout=5000)
    assert window.selection.choice.scan == 2
    qtbot.keyClick(window, Qt.Key.Key_Left)
    qtbot.keyClick(window, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: "Scan 0" in window.views["cell"].shown.text(), timeout=5000)
    assert not window.views["map"].image.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_L)
    qtbot.waitUntil(lambda: shows(window, "cumulative", 3), timeout=5000)
    qtbot.keyClick(window, Qt.Key.Key_Question)
    assert window.help.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.help.isVisible()


def test_the_selector_and_the_timeline_choose(looking, qtbot):
    _, window = looking
    window.views["map"].selector.setCurrentIndex(7)
    window.views["map"].selector.activated.emit(7)
    qtbot.waitUntil(lambda: shows(window, "height_error", 3), timeout=5000)
    window.views["timeline"].scan_chosen.emit(1)
    qtbot.waitUntil(lambda: shows(window, "height_error", 1), timeout=5000)


def test_a_click_moves_the_crosshair_and_the_cross_section(looking, qtbot):
    engine, window = looking
    viewport = window.views["map"].plot.vb
    row, column = 30, 100
    at = viewport.mapViewToScene(QPointF(column * 0.717, row * 0.717)).toPoint()
    graphics = window.views["map"].plot.scene().views()[0]
    qtbot.mouseClick(graphics.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.waitUntil(lambda: window.selection.choice.cross is not None, timeout=5000)
    assert window.selection.choice.cross == pytest.approx((row, column), abs=1)
    row = window.selection.choice.cross[0]

    def cut():
        answers = window.snapshot.answers
        image, heights = answers.get("section"), answers.get("cut_height")
        if not (image and heights and window.turns.idle):
            return False
        return (image.header["index"], heights.header["window"][0]) == (row, row)

    qtbot.waitUntil(cut, timeout=5000)
    assert window.views["section"].image.image.shape == (60, 160)
    x, y = window.views["section"].curves["interface"].getData()
    removed, _ = engine.cells["A"].removal(3)
    expected = (2 + engine.cells["A"].foil + engine.cells["A"].rough - removed)[row] * 0.717
    np.testing.assert_allclose(x, np.arange(160) * 0.717)
    assert np.nanmax(np.abs(y - expected)) < 5 * 0.6 * 0.717
    window.views["section"].turn.click()
    qtbot.waitUntil(lambda: window.views["section"].image.image.shape == (60, 120), timeout=5000)


def test_zooming_in_fetches_that_part(looking, qtbot):
    _, window = looking
    zoom(window.views["map"], 20, 40)

    def zoomed():
        answer = window.snapshot.answers.get("map")
        return answer and answer.header["window"] != [0, 120, 0, 160]

    qtbot.waitUntil(zoomed, timeout=5000)
    y0, y1, x0, x1 = window.snapshot.answers["map"].header["window"]
    assert x0 * 0.717 <= 20 < 40 <= x1 * 0.717
    assert x1 - x0 < 160
    assert y1 - y0 < 120


def test_an_extra_scan_needs_two_presses_and_reaches_the_engine(looking, qtbot):
    engine, window = looking
    qtbot.waitUntil(window.views["acquisition"].extra.button.isEnabled)
    qtbot.mouseClick(window.views["acquisition"].extra.button, Qt.MouseButton.LeftButton)
    assert window.views["acquisition"].extra.button.text() == "Confirm extra scan: Enter"
    assert engine.orders == []
    qtbot.keyClick(window, Qt.Key.Key_E)
    qtbot.waitUntil(lambda: len(engine.orders) == 1, timeout=5000)
    assert (engine.orders[0].cell, engine.orders[0].reason) == ("A", "manual")
    assert window.views["acquisition"].extra.button.text() == "Extra scan"
    qtbot.waitUntil(
        lambda: "sent to the engine" in window.views["acquisition"].outcome.text(), timeout=5000
    )


def test_what_is_suggested_is_taken_with_two_presses_or_declined_with_one(looking, qtbot):
    engine, window = looking
    panel = window.views["acquisition"]

    def suggest(name):
        data = {"id": name, "reason": "pit_onset", "after_scan": 3, "evidence": {}}
        engine.update(Event(50, "scan_suggested", "A", 1.76e9, data))
        qtbot.waitUntil(lambda: panel.extra.button.text() == "Accept suggested scan", timeout=5000)

    suggest("s1")
    assert panel.extra.decline.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_E)
    qtbot.keyClick(window, Qt.Key.Key_E)
    qtbot.waitUntil(lambda: len(engine.orders) == 1, timeout=5000)
    assert (engine.orders[0].suggestion, engine.orders[0].accepted) == ("s1", True)
    engine.update(Event(51, "suggestion_closed", "A", 1.76e9, {"id": "s1", "why": "overtaken"}))
    qtbot.waitUntil(lambda: panel.extra.button.text() == "Extra scan", timeout=5000)
    assert not panel.extra.decline.isVisible()
    assert "overtaken" in panel.requests.item(0).text()
    suggest("s2")
    qtbot.keyClick(window, Qt.Key.Key_D)
    qtbot.waitUntil(lambda: len(engine.orders) == 2, timeout=5000)
    assert (engine.orders[1].suggestion, engine.orders[1].accepted) == ("s2", False)


def test_the_forecast_stands_with_the_numbers_of_the_scan(looking, qtbot):
    engine, window = looking
    result = engine.cells["A"].result(3)
    ahead = {"forecast_depth_um": 24.25, "forecast_low_um": 21.0, "forecast_high_um": 31.5}
    ahead |= {"collector_low_h": 9.2, "collector_h": 14.0, "collector_high_h": None}
    engine.update(replace(result, summary={**result.summary, **ahead}))
    facts = window.views["cell"].facts
    qtbot.waitUntil(lambda: facts["ahead"].text() == "24.2 (21.0–31.5) µm", timeout=5000)
    assert facts["collector"].text() == "in 14 (9–…) h"


def test_an_unconfirmed_extra_scan_is_forgotten(looking, qtbot, monkeypatch):
    engine, window = looking
    monkeypatch.setattr("monitor.gui.views.acquisition.extra.CONFIRM_MS", 50)
    qtbot.keyClick(window, Qt.Key.Key_E)
    qtbot.waitUntil(
        lambda: window.views["acquisition"].extra.button.text() == "Extra scan", timeout=5000
    )
    assert engine.orders == []


def test_the_trend_follows_readings_and_scans(looking, qtbot):
    engine, window = looking
    window.layouts.bring("table")
    rows = window.views["trend"].rows
    qtbot.waitUntil(lambda: rows.curves["potential"].getData()[0] is not None, timeout=5000)
    qtbot.waitUntil(
        lambda: window.turns.idle and window.views["table"].table.rowCount() > 0, timeout=5000
    )
    hours, potential = rows.curves["potential"].getData()
    readings = list(engine.cells["A"].readings(engine.cells["A"].start(3).stop_time + 600))
    assert potential[-1] == pytest.approx(readings[-1].potential_V)
    assert hours[-1] == pytest.approx((readings[-1].time - T0) / 3600)
    assert list(rows.curves["pits"].getData()[1]) == [
        len(engine.cells["A"].result(scan).pits) for scan in range(4)
    ]
    assert len(rows.scan_marks.data) == 4
    assert window.views["table"].table.item(0, 4).text() == f"{4.8491 * 0.55 * 1.5:.1f}"
    assert "Next scan in" in window.views["acquisition"].next.text()


def test_the_trend_tells_values_with_their_errors_of_the_shown_scan_and_under_the_mouse(
    looking, qtbot
):
    _, window = looking
    trend = window.views["trend"]

    def pits(scan):
        return f"● {len(looking[0].cells['A'].result(scan).pits)}</span>"

    qtbot.waitUntil(lambda: trend.rows.titles["pits"]._html.endswith(pits(3)))
    assert "±" in trend.rows.titles["thickness"]._html
    trend.rows.pointed.emit(0.52)
    assert trend.where.text() == "scan 1"
    assert trend.rows.titles["pits"]._html.endswith(pits(1))
    trend.rows.pointed.emit(None)
    assert trend.where.text() == "scan 3"


def test_a_value_has_its_error_at_the_crosshair_and_under_the_mouse(looking, qtbot):
    _, window = looking
    view = window.views["map"]
    qtbot.waitUntil(lambda: "±" in view.readout.text())
    at_cross = view.readout.text()
    view._point(view.plot.vb.mapViewToScene(QPointF(20.0, 30.0)))
    assert view.readout.text().startswith("x 20.1, y 30.1 µm · <b>")
    assert "±" in view.readout.text()
    view._point(None)
    assert view.readout.text() == at_cross


def test_what_views_ask_for_is_answered_before_the_next_scan_is_played(looking, qtbot):
    _, window = looking
    qtbot.waitUntil(window.views["timeline"].ready)
    window.selection.choose(scan=1)
    assert not window.views["timeline"].ready()
    qtbot.waitUntil(window.views["timeline"].ready)
    assert window.client.snapshot().answers["map"].header["scan"] == 1


def test_numbers_of_trend_and_histogram_can_be_taken_away(looking, qtbot):
    _, window = looking
    trend, histogram = window.views["trend"], window.views["distribution"]
    window.layouts.bring("distribution")
    qtbot.waitUntil(lambda: histogram.csv().count("\n") > 10)
    rows = list(csv.DictReader(io.StringIO(histogram.csv())))
    assert (rows[0]["cell"], rows[0]["scan"], rows[0]["map"]) == ("A", "3", "height")
    assert rows[0]["time"].endswith("+00:00")
    scans = list(csv.DictReader(io.StringIO(trend.csv())))
    assert [row["scan"] for row in scans] == ["0", "1", "2", "3"]
    assert len(scans[3]["averaged_um"]) <= 7
    menu = menu_of(trend)
    trend.offer(menu)
    assert [a.text() for a in menu.actions()][-1] == "Numbers as CSV…"
    next(a for a in menu.actions() if a.text() == "Copy numbers").trigger()
    assert QGuiApplication.clipboard().text() == trend.csv()
    assert window._about() == "A-scan3"


def test_the_status_says_who_looks_and_that_nothing_can_be_asked(looking):
    _, window = looking
    assert not window.status.who.isVisible()
    window.session.name_changed.emit("Night shift")
    window.status.operator = "Night shift"
    window.status.viewer = True
    window.tick()
    assert "VIEW ONLY" in window.status.who.text()
    assert "Night shift" in window.status.who.text()


def test_zooming_to_a_pit_and_back(looking, qtbot):
    _, window = looking
    view = window.views["map"]
    qtbot.waitUntil(lambda: view._pits is not None and view._labels is not None)
    qtbot.waitUntil(lambda: bool(view._past))
    whole = view.plot.vb.viewRect()
    pits = window.snapshot.answers["map_pits"].columns
    window.selection.choose(pit=pits["id"][0])
    qtbot.waitUntil(lambda: view._choice.pit == pits["id"][0])
    window.actions_by_name["zoom_to_pit"].trigger()
    qtbot.waitUntil(lambda: window.selection.choice.window is not None)
    seen = view.plot.vb.viewRect()
    assert seen.contains(pits["x_um"][0], pits["y_um"][0])
    assert 3.9 * pits["diameter_um"][0] <= seen.height() < whole.height()
    window.actions_by_name["zoom_back"].trigger()
    qtbot.waitUntil(lambda: window.selection.choice.window is None)
    assert view.plot.vb.viewRect().width() == pytest.approx(whole.width(), rel=1e-3)
    window.actions_by_name["zoom_back"].trigger()
    assert view.plot.vb.viewRect().width() == pytest.approx(whole.width(), rel=1e-3)


def test_progress_feeds_and_events_are_shown(looking, qtbot):
    engine, window = looking
    window.layouts.bring("events")
    running = {"scan": 4, "received": 21, "slices": 60, "reason": "periodic", "start_time": T0}
    engine.update(Event(1, "gap", "A", T0, {"lost": 2}), running={"A": running})
    qtbot.waitUntil(lambda: window.views["acquisition"].progress.value() == 21, timeout=5000)
    qtbot.waitUntil(lambda: window.views["events"].list.count() == 1, timeout=5000)
    assert window.views["events"].list.item(0).text() == (
        f"{stamp(T0)}  A  2 messages of the slice stream were lost."
    )
    assert "gaps 2" in window.status.slices.text()
    assert "bad 1" in window.status.slices.text()
    assert "bad_length: 1" in window.status.slices.toolTip()


def test_a_provisional_map_says_so(looking, qtbot):
    engine, window = looking
    running = {"scan": 4, "received": 30, "slices": 60, "reason": "periodic", "start_time": T0}
    engine.update(engine.cells["A"].result(4, provisional=True), running={"A": running})
    qtbot.waitUntil(lambda: shows(window, "height", 4), timeout=5000)
    assert "provisional, 30 of 60 slices" in window.views["map"].caption.text()
    window.selection.choose(map="removal")
    qtbot.waitUntil(lambda: shows(window, "removal", 3), timeout=5000)
    window.selection.choose(scan=4)
    qtbot.waitUntil(
        lambda: "once the scan has been evaluated" in window.views["map"].message.text, timeout=5000
    )


def test_a_part_of_the_trend_has_all_its_readings(bench, screen, qtbot, monkeypatch):
    monkeypatch.setattr("monitor.gui.views.trend.view.POINTS", 50)
    engine = bench()
    engine.update(engine.cells["A"].result(0))
    begin = engine.cells["A"].start(0).start_time
    for minute in range(600):
        reading = CyclerReading("A", begin + 60.0 * minute, 2.0 + 1e-3 * minute, -0.1)
        engine.update(cycler={"A": reading})
    window = screen(engine.publisher)

    def hours():
        drawn = window.views["trend"].rows.curves["potential"].getData()[0]
        return drawn if drawn is not None else np.empty(0)

    qtbot.waitUntil(lambda: len(hours()) == 50, timeout=5000)
    box = window.views["trend"].rows.plots["potential"].vb
    box.setXRange(4.0, 4.25, padding=0)
    qtbot.waitUntil(lambda: len(hours()) > 80, timeout=5000)
    at, potential = window.views["trend"].rows.curves["potential"].getData()
    assert (np.diff(at) > 0).all()
    assert np.diff(at[(at > 4.0) & (at < 4.25)]) == pytest.approx(1 / 60)
    assert (at[0] < 1.0, at[-1]) == (True, pytest.approx(599 / 60))
    assert potential == pytest.approx(2.0 + 0.06 * at)
    qtbot.mouseClick(window.views["trend"].whole, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(hours()) == 50, timeout=5000)
    assert window.selection.choice.span is None
    box.setXRange(4.0, 4.25, padding=0)
    qtbot.waitUntil(lambda: not window.views["trend"].rows.is_whole, timeout=5000)
    window.selection.choose(against="charge")
    qtbot.waitUntil(lambda: window.views["trend"].rows.is_whole, timeout=5000)


def test_without_a_voxel_size_nothing_is_in_um(bench, screen, qtbot):
    engine = bench(Cell(voxel_um=None))
    for scan in range(3):
        engine.update(engine.cells["A"].result(scan))
    window = screen(engine.publisher)
    qtbot.waitUntil(lambda: shows(window, "height", 2), timeout=5000)
    qtbot.waitUntil(lambda: window.views["section"].image.isVisible(), timeout=5000)
    for name in window.layouts.docks:
        window.layouts.bring(name)
        qtbot.waitUntil(partial(is_seen, window, name), timeout=5000)
    qtbot.waitUntil(lambda: window.turns.idle, timeout=5000)
    assert "µm" not in texts(window)
    assert "voxel" in texts(window)
    assert window.views["trend"].rows.titles["depth"].text == "Depth / voxel"
    assert window.views["map"].scale._unit == "voxel"
    assert "No cycler readings" in window.views["trend"].rows.why_empty.text
    rect = window.views["map"].image.mapRectToParent(window.views["map"].image.boundingRect())
    assert rect.width() == pytest.approx(160)


def test_before_the_first_scan_the_window_says_what_it_waits_for(bench, screen, qtbot):
    engine = bench(Cell("A"), Cell("B"))
    window = screen(engine.publisher, cell="B")
    qtbot.waitUntil(lambda: "engine is starting" in window.views["map"].message.text, timeout=5000)
    engine.update()
    qtbot.waitUntil(
        lambda: "first scan of cell B" in window.views["map"].message.text, timeout=5000
    )
    assert "tcp://" in window.views["map"].message.text
    assert not window.views["map"].image.isVisible()
    engine.update(engine.cells["B"].result(0))
    qtbot.waitUntil(lambda: shows(window, "height", 0), timeout=5000)
    assert window.selection.choice.cell == "B"
    window.selection.choose_cell("A")
    qtbot.waitUntil(
        lambda: "first scan of cell A" in window.views["map"].message.text, timeout=5000
    )


def test_a_cell_without_recorded_slices_says_so(bench, screen, qtbot):
    engine = bench(table={"experiment": {"record_slices": False}}, slices=False)
    engine.update(engine.cells["A"].result(0))
    window = screen(engine.publisher)
    qtbot.waitUntil(lambda: "not recorded" in window.views["section"].message.text, timeout=5000)


def test_the_screen_survives_a_restart_of_the_engine(bench, screen, qtbot):
    first = bench()
    first.scans("A", 3)
    window = screen(first.publisher)
    qtbot.waitUntil(lambda: shows(window, "height", 2), timeout=5000)
    address = first.publisher.pull_address
    first.publisher.close()
    second = bench(pull=address)
    second.update(second.cells["A"].result(0), Event(1, "scan_complete", "A", T0, {"scan": 0}))
    qtbot.waitUntil(lambda: shows(window, "height", 0), timeout=15000)
    assert len(window.snapshot.cell("A")["scans"]) == 1
    assert window.snapshot.linked


def test_what_was_fetched_stays_once_the_engine_is_gone(looking, qtbot):
    """The board and back: the maps could not be fetched again."""
    engine, window = looking
    engine.publisher.close()
    qtbot.waitUntil(lambda: not window.snapshot.linked, timeout=15_000)
    for _ in range(2):
        window.selection.toggle_board()
        window.turns.finish()
    assert shows(window, "height", 3)
    window.selection.choose(map="removal", scan=1)
    window.turns.finish()
    assert window.views["map"].caption.text() == (
        "Removal of scan 1 cannot be fetched: the engine does not answer"
    )


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_stretch_of_a_cross_section_is_that_of_its_size(looking, qtbot, size):
    _, window = looking
    window.resize(*size)

    box, bottom = window.views["section"].plot.vb, window.views["section"].plot.getAxis("bottom")

    def told():
        found = re.search(r"^x / µm \(y = \d+ µm, z ×([\d.]+)\)$", bottom.labelText)
        return float(found[1]) if found else 0.0

    def drawn():
        low, high = (box.mapViewToScene(QPointF(at, at)) for at in (0.0, 10.0))
        return abs(high.y() - low.y()) / abs(high.x() - low.x())

    qtbot.waitUntil(lambda: told() == pytest.approx(drawn(), rel=0.06))


def test_a_picture_of_the_window_can_be_kept(looking, tmp_path):
    _, window = looking
    window.screenshot(tmp_path / "window.png")
    assert (tmp_path / "window.png").stat().st_size > 20_000


def test_a_disk_that_refuses_is_told_without_widening_the_window(bench, screen, qtbot):
    made = bench()
    made.scans("A", 2)
    window = screen(made.publisher, "A", (1280, 800))
    why = "recording to /data/visitor/li-s-operando fails (No space left on device): 37 slices " * 3
    for failing, text in ((True, "Recording fails"), (False, "Recording resumed")):
        made.publisher.update(
            (),
            EngineState(
                feeds=FEEDS, recorder={"alarm": why, "failing": failing, "queued_bytes": 0}
            ),
        )
        qtbot.waitUntil(lambda text=text: text in window.status.recorder.text(), timeout=10_000)
        assert window.status.recorder.toolTip() == why
        assert window.width() == 1280
