"""Every action of the screen, by key or mouse, before an engine that computes and records."""

import csv
import gc
import io
from collections import Counter
from uuid import uuid4
from xml.etree import ElementTree

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPointF, QSettings, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit

from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.views.overview.card import CellCard
from monitor.gui.views.registry import VIEWS
from monitor.gui.widgets import theme
from monitor.wire.results.queries import NoteOrder, ScanOrder
from tests.gui.live import LiveEngine
from tests.gui.mouse import zoom

WAIT = 20_000


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Cell A with three scans (pits from scan 1 on), cell B with one."""
    made = LiveEngine(tmp_path_factory.mktemp("live"), onset={"mode": "suggest"})
    for scan in range(3):
        made.scan(scan)
    made.scan(0, "B", stream="b")
    yield made
    made.close()


@pytest.fixture
def make(qtbot, qapp, tmp_path):
    """make(engine, …) → the window on cell A; closed with its client at the end."""
    theme.apply(qapp)
    made = []

    def build(engine, cell="A", **options):
        client = Client(engine.pull_address, engine.status_address)
        kept = QSettings(str(tmp_path / "screen.ini"), QSettings.Format.IniFormat)
        kept.setValue("operator", "Night shift")
        window = Window(client, cell, kept=kept, **options)
        made.append((window, client))
        qtbot.addWidget(window)
        window.resize(1440, 900)
        window.restore()
        window.show()
        qtbot.waitUntil(window.isActiveWindow, timeout=WAIT)  # else keys go nowhere
        return window

    yield build
    for window, client in made:
        window.close()
        client.close()


@pytest.fixture
def window(engine, make, qtbot):
    made = make(engine)
    qtbot.waitUntil(lambda: shows(made, "height", 2), timeout=WAIT)
    return made


def shows(window, name, scan):
    answer = window.snapshot.answers.get("map")
    header = answer.header if answer else {}
    is_it = (header.get("name"), header.get("scan")) == (name, scan)
    return is_it and window.views["map"].image.isVisible() and window.turns.idle


def press(qtbot, window, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(window, key, modifier)
    wait(qtbot, lambda: window.turns.idle)


def wait(qtbot, done):
    qtbot.waitUntil(done, timeout=WAIT)


CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


# --- asking ---


def test_an_extra_scan_with_a_reason_reaches_the_acquisition(engine, window, qtbot):
    before = len(engine.acquisition.asked)
    wait(qtbot, window.views["acquisition"].extra.button.isEnabled)
    if window.views["acquisition"].extra.decline.isVisible():  # the onset suggested one already
        press(qtbot, window, Qt.Key.Key_D)
        wait(qtbot, lambda: not window.views["acquisition"].extra.decline.isVisible())
    press(qtbot, window, Qt.Key.Key_E)
    assert window.views["acquisition"].extra.why.isVisible()
    # typed into whatever has the keyboard: none of it may act as a key of the window
    chosen = window.selection.choice
    for letter in "edge looks odd":
        qtbot.keyClick(QApplication.focusWidget(), letter)
    assert window.selection.choice == chosen
    assert len(engine.acquisition.asked) == before
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
    wait(qtbot, lambda: len(engine.acquisition.asked) == before + 1)
    asked = engine.acquisition.asked[-1]
    assert (asked["cell"], asked["reason"]) == ("A", "manual")
    assert asked["evidence"]["why"] == "edge looks odd"
    wait(qtbot, lambda: "accepted" in window.views["acquisition"].requests.item(0).text())
    assert not isinstance(QApplication.focusWidget(), QLineEdit), "keys are the window's again"


def test_an_extra_scan_is_left_by_escape_before_it_is_asked(engine, window, qtbot):
    wait(qtbot, window.views["acquisition"].extra.button.isEnabled)
    if window.views["acquisition"].extra.decline.isVisible():
        press(qtbot, window, Qt.Key.Key_D)
        wait(qtbot, lambda: not window.views["acquisition"].extra.decline.isVisible())
    settle(qtbot, engine, window)
    asked = ids(engine)
    press(qtbot, window, Qt.Key.Key_E)
    qtbot.keyClick(QApplication.focusWidget(), "x")
    press(qtbot, window, Qt.Key.Key_Escape)
    assert window.views["acquisition"].extra.button.text() == "Extra scan"
    assert not window.views["acquisition"].extra.why.isVisible()
    assert not isinstance(QApplication.focusWidget(), QLineEdit)
    press(qtbot, window, Qt.Key.Key_E)
    assert window.views["acquisition"].extra.why.text() == "", "what was left is not asked later"
    press(qtbot, window, Qt.Key.Key_Escape)
    settle(qtbot, engine, window)
    assert ids(engine) == asked


def test_nothing_is_asked_for_before_it_is_seen_for_which_cell(engine, window, qtbot):
    settle(qtbot, engine, window)
    asked = ids(engine)
    window.layouts.docks["acquisition"].hide()
    window.selection.choose_cell("B")
    press(qtbot, window, Qt.Key.Key_E)
    wait(qtbot, lambda: "acquisition" in window.layouts.visible())
    assert window.views["acquisition"].extra.button.text() == "Extra scan", (
        "only brought to the front"
    )
    window.selection.toggle_board()
    press(qtbot, window, Qt.Key.Key_E)
    assert window.pages.currentWidget() is window.bench
    wait(qtbot, lambda: "acquisition" in window.layouts.visible())
    assert window.views["acquisition"].extra.button.text() == "Extra scan"
    assert ids(engine) == asked
    # a cell that is chosen is the one that the next key means, before anything is painted
    window.selection.choose(cell="A")
    window.actions_by_name["extra_scan"].trigger()
    window.selection.choose(cell="B")
    window.actions_by_name["extra_scan"].trigger()
    assert window.views["acquisition"].extra.button.text() == "Confirm extra scan: Enter"
    with qtbot.waitSignal(window.views["acquisition"].order_given) as told:
        window.actions_by_name["extra_scan"].trigger()
    assert told.args[0].cell == "B"


def test_views_behind_others_are_neither_drawn_nor_asked_for(window, qtbot):
    drawn, paint = [], window.views["relief"].draw
    window.views["relief"].draw = lambda *told: (drawn.append(told), paint(*told))
    press(qtbot, window, Qt.Key.Key_Left)
    wait(qtbot, lambda: shows(window, "height", 1))
    assert "relief" not in window.layouts.visible()
    assert not drawn
    assert "relief" not in window.snapshot.answers
    window.layouts.bring("relief")
    wait(qtbot, lambda: "relief" in window.snapshot.answers and bool(drawn))
    assert {"trend", "distribution"}.isdisjoint(window.layouts.visible())


def test_what_the_engine_suggests_is_taken_or_declined(make, tmp_path, qtbot):
    engine = LiveEngine(tmp_path / "own", onset={"mode": "suggest", "clear_scans": 1})
    try:
        window = make(engine)
        for scan in range(2):
            engine.scan(scan)
        wait(qtbot, lambda: window.views["acquisition"].extra.decline.isVisible())
        assert window.views["acquisition"].extra.button.text() == "Accept suggested scan"
        press(qtbot, window, Qt.Key.Key_E)
        press(qtbot, window, Qt.Key.Key_E)
        wait(qtbot, lambda: len(engine.acquisition.asked) == 1)
        assert engine.acquisition.asked[0]["reason"] == "pit_onset"
    finally:
        engine.close()


def test_policy_and_budget_are_switched_and_written_down(engine, window, qtbot):
    wait(qtbot, lambda: window.views["acquisition"].policy.mode.isEnabled())
    press(qtbot, window, Qt.Key.Key_A, CTRL | SHIFT)
    wait(qtbot, lambda: window.snapshot.cell("A")["policy"]["mode"] == "auto")
    wait(qtbot, lambda: window.views["acquisition"].policy.mode.currentText() == "auto")
    most = window.views["acquisition"].policy.budget.value()
    press(qtbot, window, Qt.Key.Key_Down, CTRL | SHIFT)
    wait(qtbot, lambda: window.snapshot.cell("A")["policy"]["max_scans"] == most - 1)
    window.views["acquisition"].policy.mode.activated.emit(0)
    wait(qtbot, lambda: window.snapshot.cell("A")["policy"]["mode"] == "off")
    assert window.snapshot.cell("B")["policy"]["mode"] == "suggest"
    engine.recorder.drain()
    changed = [e for e in engine.events() if e["kind"] == "policy_changed"]
    assert [e["data"]["mode"] for e in changed][-3:] == ["auto", "auto", "off"]
    assert changed[-1]["data"]["by"] == "Night shift"


def test_a_note_goes_into_the_events_of_the_cell(engine, window, qtbot):
    press(qtbot, window, Qt.Key.Key_N)
    assert window.views["events"].isVisible()
    qtbot.keyClicks(window.views["events"].note, "Sample stage touched: m, e, 1")
    assert window.selection.choice.cell == "A"
    qtbot.keyClick(window.views["events"].note, Qt.Key.Key_Return)

    def listed():
        texts = [
            window.views["events"].list.item(i).text()
            for i in range(window.views["events"].list.count())
        ]
        return any("Sample stage touched" in text for text in texts)

    wait(qtbot, listed)
    engine.recorder.drain()
    note = [e for e in engine.events() if e["kind"] == "note"][-1]["data"]
    assert (note["text"], note["by"]) == ("Sample stage touched: m, e, 1", "Night shift")
    assert note["scan"] == 2


def test_an_alarm_stands_above_until_it_is_acknowledged(make, tmp_path, qtbot):
    engine = LiveEngine(tmp_path / "own")
    try:
        window = make(engine)
        engine.scan(0, order=[z for z in range(96) if z not in (7, 8)])
        engine.scan(1)
        wait(qtbot, lambda: window.notices.alarm.isVisible())
        assert "2 slices of 96 are missing" in window.notices.alarm.text.text()
        wait(qtbot, lambda: window.notices.alarm.button.isEnabled())
        press(qtbot, window, Qt.Key.Key_A)
        wait(qtbot, lambda: not window.notices.alarm.isVisible())
        engine.recorder.drain()
        seen = [e for e in engine.events() if e["kind"] == "alarm_acknowledged"]
        assert seen[0]["data"]["by"] == "Night shift"
    finally:
        engine.close()


def ids(engine) -> set[str]:
    """Of the requests that the acquisition has heard, each once or more often."""
    return {request["id"] for request in engine.acquisition.asked}


def settle(qtbot, engine, window):
    """Until what was ordered before has come to its end: a note that is ordered now is recorded,
    and the acquisition has heard of all requests before it."""
    text = str(uuid4())
    window.client.order(NoteOrder("A", text))

    def is_over():
        events = [*engine.events("A"), *engine.events("B")]
        asked = {e["data"]["id"] for e in events if e["kind"] == "scan_request"}
        return text in [e["data"].get("text") for e in events] and asked <= ids(engine)

    wait(qtbot, is_over)


def test_a_screen_that_may_only_look_says_why_nothing_can_be_asked(engine, make, qtbot):
    window = make(engine, viewer=True)
    window.layouts.bring("events")
    wait(qtbot, lambda: shows(window, "height", 2) and window.views["events"].isVisible())
    for widget in (
        window.views["acquisition"].extra.button,
        window.views["acquisition"].policy.mode,
        window.views["events"].note,
    ):
        assert not widget.isEnabled()
        assert "--view-only" in widget.toolTip()
    settle(qtbot, engine, window)
    asked, events = ids(engine), len(engine.events())
    for key in (Qt.Key.Key_E, Qt.Key.Key_E, Qt.Key.Key_A):
        press(qtbot, window, key)
    press(qtbot, window, Qt.Key.Key_A, CTRL | SHIFT)
    settle(qtbot, engine, window)
    assert (ids(engine), len(engine.events())) == (asked, events + 1), "the note alone"


def test_what_the_engine_refuses_is_told_with_what_to_do(make, tmp_path, qtbot):
    engine = LiveEngine(tmp_path / "own", requests={"backend": "none"})
    try:
        window = make(engine)
        wait(qtbot, lambda: window.snapshot.linked and window.snapshot.state is not None)
        wait(qtbot, lambda: not window.views["acquisition"].extra.button.isEnabled())
        assert "No acquisition is connected" in window.views["acquisition"].outcome.text()
        window.views["acquisition"].order_given.emit(ScanOrder("A"))
        wait(qtbot, lambda: window.notices.problems[0].isVisible())
        assert "no acquisition is connected" in window.notices.problems[0].text.text()
        press(qtbot, window, Qt.Key.Key_Escape)
        assert not window.notices.problems[0].isVisible()
    finally:
        engine.close()


# --- looking ---


def test_the_board_opens_a_cell_and_is_where_several_cells_begin(engine, make, qtbot):
    window = make(engine, cell=None)
    wait(qtbot, lambda: window.board.isVisible())
    wait(qtbot, lambda: {"board A", "board B"} <= set(window.snapshot.answers))
    press(qtbot, window, Qt.Key.Key_2)
    wait(qtbot, lambda: window.bench.isVisible() and window.selection.choice.cell == "B")
    # the docks, which are visible only now, have their share of the window
    wait(qtbot, lambda: window.layouts.docks["cell"].width() > 0.18 * window.width())
    press(qtbot, window, Qt.Key.Key_B)
    assert window.board.isVisible()
    window.board.cell_opened.emit("A")
    wait(qtbot, lambda: shows(window, "height", 2))


def test_time_is_gone_through_played_and_followed(window, qtbot):
    press(qtbot, window, Qt.Key.Key_Home)
    wait(qtbot, lambda: shows(window, "height", 0))
    press(qtbot, window, Qt.Key.Key_Right)
    wait(qtbot, lambda: shows(window, "height", 1))
    press(qtbot, window, Qt.Key.Key_Home)
    press(qtbot, window, Qt.Key.Key_Space)
    wait(qtbot, lambda: window.selection.choice.scan == 2)
    press(qtbot, window, Qt.Key.Key_Left)
    wait(qtbot, lambda: shows(window, "height", 1))
    press(qtbot, window, Qt.Key.Key_L)
    wait(qtbot, lambda: window.selection.choice.scan is None and shows(window, "height", 2))


def test_two_scans_are_compared_side_by_side_and_as_a_difference(window, qtbot):
    press(qtbot, window, Qt.Key.Key_Home)
    wait(qtbot, lambda: shows(window, "height", 0))
    press(qtbot, window, Qt.Key.Key_P)
    assert window.selection.choice.pinned == 0
    press(qtbot, window, Qt.Key.Key_End)
    press(qtbot, window, Qt.Key.Key_C)
    wait(
        qtbot,
        lambda: window.views["pinned"].isVisible() and window.views["pinned"].image.isVisible(),
    )
    assert window.snapshot.answers["pinned"].header["scan"] == 0
    assert window.views["map"].bar_scale.levels() == window.views["pinned"].bar_scale.levels()
    zoom(window.views["map"], 5, 15)
    ours, theirs = (
        view.plot.vb.viewRange() for view in (window.views["map"], window.views["pinned"])
    )
    np.testing.assert_allclose(np.mean(ours, axis=1), np.mean(theirs, axis=1), atol=0.5)
    window.views["pinned"].cross_moved.emit(7, 9)
    assert window.selection.choice.cross == (7, 9)
    assert window.views["map"].across.value() == window.views["pinned"].across.value()
    window.views["map"].show_whole()
    press(qtbot, window, Qt.Key.Key_C)
    wait(qtbot, lambda: window.snapshot.answers["map"].header.get("minus") == 0)
    assert not window.views["pinned"].isVisible()
    answer = window.snapshot.answers["map"]
    # 3 µm of plateau and more in the pits have gone since the pinned scan
    assert np.nanmedian(answer.array) < -2
    low, high = window.views["map"].bar_scale.levels()
    assert low == pytest.approx(-high)
    press(qtbot, window, Qt.Key.Key_P)
    press(qtbot, window, Qt.Key.Key_C)
    assert window.selection.choice.comparison == "off"


def test_what_is_below_the_detection_limit_is_masked(window, qtbot):
    press(qtbot, window, Qt.Key.Key_M)
    press(qtbot, window, Qt.Key.Key_Home)
    wait(
        qtbot, lambda: shows(window, "removal", 0) or "removal" in window.views["map"].message.text
    )
    press(qtbot, window, Qt.Key.Key_End)
    wait(qtbot, lambda: shows(window, "removal", 2))
    errors = window.snapshot.answers["map"].array.copy()
    press(qtbot, window, Qt.Key.Key_K)
    wait(qtbot, lambda: window.snapshot.answers["map"].header.get("least_errors") == 3.0)
    masked = window.snapshot.answers["map"].array
    assert np.isnan(masked).sum() >= np.isnan(errors).sum()
    assert window.views["map"].controls.switches["masked"].isChecked()
    window.views["map"].controls.switches["masked"].click()
    assert not window.selection.choice.masked


def test_one_scale_for_all_scans_and_another_set_of_colours(window, qtbot):
    press(qtbot, window, Qt.Key.Key_S)
    wait(qtbot, lambda: {"scale_first", "scale_last"} <= set(window.snapshot.answers))
    ends = [window.snapshot.answers[f"scale_{which}"].header for which in ("first", "last")]
    last = min(end["p1"] for end in ends), max(end["p99"] for end in ends)
    wait(qtbot, lambda: window.views["map"].bar_scale.levels() == last)
    press(qtbot, window, Qt.Key.Key_Home)
    wait(qtbot, lambda: shows(window, "height", 0))
    assert window.views["map"].bar_scale.levels() == last
    window.actions_by_name["colours_cividis"].trigger()
    wait(qtbot, lambda: window.views["map"].bar_scale.colorMap().name == "cividis")


@pytest.mark.parametrize(("tool", "share"), [("rectangle", 1.0), ("ellipse", np.pi / 4)])
def test_a_region_on_the_map_is_measured(window, qtbot, tool, share):
    window.views["map"].controls.tools[tool].click()
    wait(qtbot, lambda: window.selection.choice.region.kind == tool)
    shape = window.views["map"].tools.shapes[tool]
    shape.setPos((9.5, 9.5))
    shape.setSize((20, 16))

    def measured():
        answer = window.snapshot.answers.get("region")
        points = window.selection.choice.region.points
        return answer is not None and answer.request.points == points

    wait(qtbot, measured)
    area = window.snapshot.answers["region"].header["area"]
    assert area == pytest.approx(share * 20 * 16, rel=0.05)
    assert window.views["distribution"].isVisible()
    window.views["map"].controls.tools[tool].click()
    wait(qtbot, lambda: window.selection.choice.region.kind == "whole")


def test_a_polygon_is_a_region_too(window, qtbot):
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    wait(qtbot, lambda: window.selection.choice.region.kind == "polygon")
    assert len(window.selection.choice.region.points) == 4
    wait(qtbot, lambda: "region" in window.snapshot.answers)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    assert window.selection.choice.region.kind == "whole"


def test_a_profile_follows_its_line(window, qtbot):
    press(qtbot, window, Qt.Key.Key_F)
    wait(qtbot, lambda: len(window.selection.choice.line) == 2)
    wait(qtbot, lambda: {"profile", "profile_reference"} <= set(window.snapshot.answers))
    assert window.views["profile"].isVisible()
    (row, left), (_, right) = window.selection.choice.line
    header = window.snapshot.answers["profile"].header
    assert header["length"] == pytest.approx((right - left), rel=1e-3)
    assert row == pytest.approx(23.5, abs=2)
    press(qtbot, window, Qt.Key.Key_F)
    assert window.selection.choice.line == ()


def test_a_pit_is_chosen_on_the_map_and_in_the_table_and_its_growth_is_shown(window, qtbot):
    wait(qtbot, lambda: "map_labels" in window.snapshot.answers and shows(window, "height", 2))
    at = window.views["map"].plot.vb.mapViewToScene(QPointF(13, 14)).toPoint()
    qtbot.mouseClick(window.views["map"].graphics.viewport(), Qt.MouseButton.LeftButton, pos=at)
    wait(qtbot, lambda: window.selection.choice.pit is not None)
    pit = window.selection.choice.pit
    wait(qtbot, lambda: "pit_history" in window.snapshot.answers)
    columns = window.snapshot.answers["pit_history"].header["columns"]
    assert columns["scan"] == [1, 2]
    assert columns["depth_max_um"][1] > columns["depth_max_um"][0]
    press(qtbot, window, Qt.Key.Key_Escape)
    assert window.selection.choice.pit is None
    window.views["pits"].pit_chosen.emit(pit)
    wait(qtbot, lambda: window.selection.choice.pit == pit)
    press(qtbot, window, Qt.Key.Key_Escape)
    window.selection.choose(cross=(14, 13))
    press(qtbot, window, Qt.Key.Key_I)
    wait(qtbot, lambda: window.selection.choice.pit == pit)


def test_the_crosshair_moves_by_keys(window, qtbot):
    window.selection.choose(cross=(20, 20))
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Right, Qt.Key.Key_Right):
        press(qtbot, window, key, SHIFT)
    assert window.selection.choice.cross == (21, 22)


def test_the_trend_is_drawn_against_charge_and_soc(window, qtbot):
    rows = window.views["trend"].rows
    wait(qtbot, lambda: rows.curves["potential"].getData()[0] is not None)
    press(qtbot, window, Qt.Key.Key_X)
    assert window.selection.choice.against == "charge"
    wait(qtbot, lambda: window.turns.idle)
    x, _ = rows.curves["pits"].getData()
    charges = [scan["charge_mAh_cm2"] for scan in window.snapshot.cell("A")["scans"]]
    np.testing.assert_allclose(x, charges)
    along, _ = rows.curves["potential"].getData()
    assert along[-1] == pytest.approx(charges[-1], rel=0.1)
    press(qtbot, window, Qt.Key.Key_X)
    wait(qtbot, lambda: window.turns.idle)
    assert all(plot.vb.xInverted() for plot in rows.plots.values()), "full on the left in each row"
    press(qtbot, window, Qt.Key.Key_X)
    wait(qtbot, lambda: window.turns.idle)
    assert not any(plot.vb.xInverted() for plot in rows.plots.values())
    assert window.selection.choice.against == "time"


def test_a_click_on_the_trend_goes_to_that_scan(window, qtbot):
    wait(qtbot, lambda: len(window.views["trend"]._places) == 3 and window.turns.idle)
    plot = window.views["trend"].rows.plots["pits"].vb
    at = plot.mapViewToScene(QPointF(0.5, 1.0)).toPoint()
    qtbot.mouseClick(
        window.views["trend"].rows.graphics.viewport(), Qt.MouseButton.LeftButton, pos=at
    )
    wait(qtbot, lambda: window.selection.choice.scan == 1)


# --- keeping ---


def test_pictures_are_written_as_png_and_svg(window, tmp_path):
    window.dialogs.picture(window, tmp_path / "window.png")
    assert QImage(str(tmp_path / "window.png")).width() == window.width()
    window.dialogs.picture(window.views["map"], tmp_path / "map.svg")
    root = ElementTree.parse(tmp_path / "map.svg").getroot()
    assert root.tag.endswith("svg")
    window.dialogs.picture(window.views["map"], tmp_path / "map.gif")
    assert "neither .png nor .svg" in window.notices.problems[0].text.text()
    window.dialogs.picture(window.views["map"], tmp_path / "nowhere" / "map.png")
    assert "cannot be written" in window.notices.problems[1].text.text()


def test_file_dialogs_leave_the_live_view_alone(window, qtbot):
    press(qtbot, window, Qt.Key.Key_S, CTRL)
    dialogs = window.findChildren(QFileDialog)
    assert dialogs
    assert not any(dialog.isModal() for dialog in dialogs)
    for dialog in dialogs:
        dialog.close()


def test_the_table_of_pits_is_exported(window, tmp_path, qtbot):
    wait(qtbot, lambda: "map_pits" in window.snapshot.answers)
    wait(qtbot, lambda: window.views["pits"].csv().count("\n") > 1)
    window.dialogs.write_csv(window.views["pits"], tmp_path / "pits")
    rows = list(csv.reader(io.StringIO((tmp_path / "pits.csv").read_text("utf-8"))))
    pits = window.snapshot.answers["map_pits"].header["columns"]["id"]
    assert len(rows) == len(pits) + 1
    assert rows[0][:4] == ["cell", "scan", "time", "id"]
    assert {int(row[3]) for row in rows[1:]} == set(pits)


def test_the_layout_is_undone_redone_reset_and_kept(engine, make, window, qtbot):
    wait(qtbot, lambda: not window.layouts._settle.isActive())
    dock = window.layouts.docks["table"]
    dock.hide()
    wait(qtbot, lambda: not window.layouts._settle.isActive())
    assert not dock.isVisible()
    press(qtbot, window, Qt.Key.Key_Z, CTRL)
    assert not dock.isHidden()
    press(qtbot, window, Qt.Key.Key_Z, CTRL | SHIFT)
    assert dock.isHidden()
    window.close()
    again = make(engine)
    assert again.layouts.docks["table"].isHidden()
    again.actions_by_name["default_layout"].trigger()
    wait(qtbot, lambda: not again.layouts.docks["table"].isHidden())


def test_views_are_shown_and_hidden_by_their_keys(window, qtbot):
    keys = {spec.name: spec.key for spec in VIEWS}
    press(qtbot, window, getattr(Qt.Key, f"Key_{keys['relief']}"))
    wait(qtbot, lambda: window.views["relief"].isVisible())
    wait(qtbot, lambda: "relief" in window.snapshot.answers)


@pytest.mark.slow
def test_dark_light_and_larger_letters(window, qtbot):
    dark = theme.palette()
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    assert theme.shade() == "light"
    assert window.grab().toImage().pixelColor(3, 3).name() == theme.palette().back
    press(qtbot, window, Qt.Key.Key_Plus, CTRL)
    assert theme.scale() > 1
    press(qtbot, window, Qt.Key.Key_Minus, CTRL)
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    assert theme.palette() == dark
    assert theme.scale() == 1.0


def test_help_names_every_key_and_the_guide_opens(window, qtbot):
    press(qtbot, window, Qt.Key.Key_Question)
    assert window.help.isVisible()
    text = "".join(column.text() for column in window.help.columns)
    for item in ("Extra scan", "Acknowledge the alarm", "Pin this scan", "Undo layout change"):
        assert item in text
    press(qtbot, window, Qt.Key.Key_Escape)
    assert not window.help.isVisible()
    press(qtbot, window, Qt.Key.Key_F1, SHIFT)
    wait(qtbot, lambda: window.dialogs._guide.isVisible())


def test_the_screen_goes_to_another_engine_and_back(engine, window, make, tmp_path, qtbot):
    other = LiveEngine(tmp_path / "other")
    try:
        other.scan(0)
        press(qtbot, window, Qt.Key.Key_E, CTRL)
        assert window.session.isVisible()
        window.session.address.setCurrentText("nonsense")
        window.session.go.click()
        assert "is not an address" in window.session.problem.text()
        window.session.address.setCurrentText(other.pull_address)
        window.session.go.click()
        wait(qtbot, lambda: len((window.snapshot.cell("A") or {}).get("scans", ())) == 1)
        press(qtbot, window, Qt.Key.Key_Home, CTRL)
        wait(qtbot, lambda: len((window.snapshot.cell("A") or {}).get("scans", ())) == 3)
    finally:
        other.close()


@pytest.mark.slow
def test_a_recording_is_opened_beside_the_engine(engine, window, qtbot, tmp_path):
    window.dialogs.open_recording(tmp_path)
    assert "not a recorded experiment" in window.notices.problems[0].text.text()
    engine.recorder.drain()
    window.dialogs.open_recording(engine.folder)
    qtbot.waitUntil(
        lambda: (window.snapshot.state or {}).get("experiment", {}).get("mode") == "recording",
        timeout=60_000,
    )
    window.selection.choose_cell("A")
    wait(qtbot, lambda: shows(window, "height", 2))
    assert not window.views["acquisition"].extra.button.isEnabled()
    assert window.views["acquisition"].extra.button.toolTip()


@pytest.mark.slow
def test_going_about_makes_no_new_plots_and_keeps_no_dialogs(engine, window, qtbot):
    """Plots leak when they are destroyed (pyqtgraph#2672): none may be made after the start."""

    def alive():
        gc.collect()
        kinds = (pg.PlotItem, pg.ROI, pg.ImageItem, CellCard, QFileDialog)
        return Counter(type(o).__name__ for o in gc.get_objects() if isinstance(o, kinds))

    def go_round():
        window.selection.toggle_board()
        wait(qtbot, lambda: len(window.board.cards) == 2)
        for cell in ("B", "A"):
            window.selection.choose_cell(cell)
            wait(qtbot, lambda: "map" in window.snapshot.answers)
        window.selection.choose(scan=1, pinned=0, comparison="beside", pit=1)
        for tool in ("rectangle", "polygon", "line", "none"):
            window.views["map"].use_tool(tool)
        for view in ("relief", "distribution", "profile", "events", "pits", "trend"):
            window.layouts.bring(view)
            wait(qtbot, lambda: window.turns.idle)
        window.dialogs.ask_window_picture()
        for dialog in window.findChildren(QFileDialog):
            dialog.close()
        wait(qtbot, lambda: not window.findChildren(QFileDialog))
        window.look.toggle_shade()
        window.dialogs.connect_to(engine.pull_address)
        wait(qtbot, lambda: window.snapshot.state is not None)

    for _ in range(2):
        go_round()
    before = alive()
    for _ in range(4):
        go_round()
    wait(qtbot, lambda: alive() == before)
