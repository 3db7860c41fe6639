"""The board: what its cards say, how they are laid out, and how a cell is opened."""

import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt

from monitor.gui.state.snapshot import Answer, Choice, Snapshot
from monitor.gui.views.overview.card import LINE, CellCard, letters, map_width
from monitor.gui.views.overview.facts import cell_facts, clear_of_noise, map_words
from monitor.gui.views.overview.view import Board, columns_for
from monitor.gui.widgets import theme
from monitor.gui.widgets.icons import coloured, picture
from monitor.wire.results.queries import MapRequest
from tests.gui import made


@pytest.fixture(autouse=True)
def look(qapp):
    theme.apply(qapp)


def scans(count, **last):
    return [made.scan(n, **(last if n == count - 1 else {})) for n in range(count)]


def value(facts, title):
    return next(fact for fact in facts.rows if fact.title == title)


def test_a_running_scan_and_the_newest_numbers_are_told():
    about = made.cell(*scans(7), made.scan(7, provisional=True), running=made.running(7))
    facts = cell_facts(made.snapshot({"A": about}, ages={"slices A": 2.0}), "A")
    assert (facts.state, facts.age, facts.why) == ("LIVE", "2 s", "receiving slices of scan 7")
    assert (facts.progress, facts.scanning) == ((120, 250), "scan 7: 120 of 250 slices")
    said = {fact.title: fact.value for fact in facts.rows}
    assert said == {"SOC": "70 %", "Step": "discharge", "E": "2.104 V", "I": "-0.108 mA",
                    "Pits": "18", "Deepest": "11.0 µm", "Closure": "1.02"}  # fmt: skip


def test_what_has_never_come_is_a_dash():
    about = made.cell(cycler=None, time=None)
    facts = cell_facts(made.snapshot({"A": about}), "A")
    assert {fact.value for fact in facts.rows} == {"–"}
    assert (facts.state, facts.age, facts.due) == ("IDLE", "", "next scan –")
    assert (facts.progress, facts.scanning, facts.news) == (None, "no scan is running", "")


def test_no_pit_is_told_as_0_and_no_charge_as_0():
    facts = cell_facts(made.snapshot({"A": made.cell(made.scan(0, soc=0.0))}), "A")
    assert value(facts, "Pits").value == "0"
    assert value(facts, "SOC").value == "0 %"
    assert value(facts, "Deepest").value == "–"


def test_lengths_are_told_in_voxels_where_no_more_is_known():
    scan = made.scan(3, length_unit="voxel", pit_depth_max_um=None, pit_depth_max_voxel=9.0)
    facts = cell_facts(made.snapshot({"A": made.cell(scan)}), "A")
    assert value(facts, "Deepest").value == "9.0 voxel"


@pytest.mark.parametrize(
    ("closure", "tone"),
    [(0.84, "warn"), (0.86, "text"), (1.14, "text"), (1.16, "warn"), (None, "text")],
)
def test_closure_is_coloured_by_the_band_of_the_alarm(closure, tone):
    scan = made.scan(3, closure=closure, coulometry_um=4.0)
    facts = cell_facts(made.snapshot({"A": made.cell(scan)}), "A")
    assert value(facts, "Closure").tone == tone


def test_closure_is_not_coloured_before_the_alarm_would_begin():
    """Little stripped yet; within two standard errors of the band; another band in the settings."""
    out = {"closure": 0.7, "coulometry_um": 4.0}
    for changes in ({"coulometry_um": 0.9}, {"averaged_error_um": 0.4}):
        about = made.snapshot({"A": made.cell(made.scan(3, **out | changes))})
        assert value(cell_facts(about, "A"), "Closure").tone == "text"
    about = made.snapshot({"A": made.cell(made.scan(3, **out))})
    assert value(cell_facts(about, "A"), "Closure").tone == "warn"
    about.state["settings"]["closure_band"] = [0.6, 1.4]
    assert value(cell_facts(about, "A"), "Closure").tone == "text"


@pytest.mark.parametrize(
    ("now", "due", "tone"),
    [(1200.0, "next scan in 10 min 00 s", "text"), (1992.0, "overdue by 3 min 12 s", "warn")],
)
def test_the_next_scan_is_counted_down_in_the_cells_own_time(now, due, tone):
    facts = cell_facts(made.snapshot({"A": made.cell(made.scan(0), now=now)}), "A")
    assert due in facts.due
    assert facts.due_tone == tone


def test_without_a_clock_the_time_of_the_next_scan_is_told():
    facts = cell_facts(made.snapshot({"A": made.cell(made.scan(0), cycler=None)}), "A")
    assert facts.due == "next scan at 09:23:20 UTC"


def event(kind, cell="A", **more):
    return {"type": kind, "cell": cell, "time": made.T0, "scan": 5} | more


def test_the_news_are_the_newest_alarm_or_onset_of_this_cell():
    told = [
        event("alarm", text="older"),
        event("pit_onset", why="4 significant pits"),
        event("scan_complete"),
        event("alarm", cell="B", text="of another cell"),
    ]
    about = {"A": made.cell(made.scan(5)), "B": made.cell(made.scan(5))}
    facts = cell_facts(made.snapshot(about, events=told), "A")
    assert (facts.news, facts.news_tone) == (
        "pit onset, 08:53:20 scan 5: 4 significant pits", "warn"
    )  # fmt: skip
    alarms = [{"number": 9, "time": made.T0, "scan": 5, "text": "12 slices are missing"},
              {"number": 4, "time": made.T0, "scan": 2, "text": "older"}]  # fmt: skip
    about["A"]["alarms"] = alarms
    facts = cell_facts(made.snapshot(about, events=told), "A")
    assert facts.news == "2 alarms, newest: 08:53:20 scan 5: 12 slices are missing"
    assert facts.news_tone == "bad"
    alarms[0]["ended"] = made.T0 + 60
    facts = cell_facts(made.snapshot(about, events=told), "A")
    assert facts.news.endswith("missing (ended)") and facts.news_tone == "bad", "the older lasts"
    alarms[1]["ended"] = made.T0 + 60
    assert cell_facts(made.snapshot(about, events=told), "A").news_tone == "warn"


@pytest.mark.parametrize(("more", "tone"), [({}, "bad"), ({"alarms": []}, "muted")])
def test_an_alarm_that_has_been_seen_is_not_red_any_more(more, tone):
    about = {"A": made.cell(made.scan(5), **more)}
    facts = cell_facts(made.snapshot(about, events=[event("alarm", text="12 slices")]), "A")
    assert (facts.news, facts.news_tone) == ("08:53:20 scan 5: 12 slices", tone)


def test_what_stands_for_a_map_that_is_not_there():
    assert map_words(None, False) == ("", "waiting for the first scan")
    assert map_words(None, True) == ("", "fetching the map")
    assert map_words(None, False, "this is a recording") == ("", "no scan: this is a recording")
    request = MapRequest("A", 3, "removal")
    failed = Answer(request, {"type": "error", "why": "has left memory"}, None)
    assert map_words(failed, True) == ("", "has left memory")
    blank = made.map_answer("A", 3, array=np.full((4, 4), np.nan))
    assert map_words(blank, True) == ("", "no removal is measurable in scan 3")
    full = made.map_answer("A", 3, array=np.linspace(0, 100, 900).reshape(30, 30))
    assert map_words(full, True) == ("removal 0.5 … 99.5 µm", "")


def test_the_small_map_has_its_first_row_below_and_grey_where_nothing_is_known():
    values = np.array([[0.0, np.nan], [10.0, 5.0]], np.float32)
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    rgb = coloured(values, (0.0, 10.0), table, np.array([9, 8, 7], np.uint8))
    assert rgb[1, 0].tolist() == [0, 0, 0]
    assert rgb[1, 1].tolist() == [9, 8, 7]
    assert rgb[0, 0].tolist() == [255, 255, 255]
    assert rgb[0, 1].tolist() == [128, 128, 128]


def test_the_small_map_follows_the_colours_that_are_chosen():
    answer = made.map_answer("A", 3)
    paper, grey = picture(answer, "paper"), picture(answer, "grey")
    assert (paper.width(), paper.height()) == (96, 72)
    assert paper.pixelColor(48, 36) != grey.pixelColor(48, 36)
    assert picture(made.map_answer("A", 3, array=np.full((4, 4), np.nan)), "paper") is None


@pytest.mark.parametrize("size", [(1280, 760), (1920, 1040), (3840, 2120)])
@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (6, 3), (9, 3), (12, 4)]
)
def test_the_grid_has_no_holes_for_usual_numbers_of_cells(count, columns, size):
    assert columns_for(count, *size) == columns


def test_a_narrow_window_stacks_the_cells_and_large_letters_need_fewer_columns():
    assert columns_for(3, 400, 1200) == 1
    assert columns_for(12, 1280, 760, 2.0) == 2


@pytest.mark.parametrize("size", [(250, 205), (315, 240), (420, 720), (1270, 720), (1920, 1040)])
@pytest.mark.parametrize("proportions", [0.4, 1.0, 3.0])
def test_no_part_of_a_card_lies_on_another(qtbot, size, proportions):
    card = CellCard("A")
    qtbot.addWidget(card)
    card.resize(*size)
    whole = np.linspace(0, 9, 900).reshape(30, 30)
    answer = made.map_answer("A", 6, array=whole, voxel_size=[1.0, 1.0, proportions])
    card.draw(made.snapshot({"A": made.cell(*scans(7))}, {"board A": answer}), Choice())
    card.show()
    qtbot.waitExposed(card)
    card.grab()
    lines = [line for pair in card.rows for line in pair]
    parts = [card.title, card.state, card.why, card.picture, card.caption, *lines, card.bar,
             card.due, card.news]  # fmt: skip
    boxes = [QRect(part.mapTo(card, QPoint()), part.size()) for part in parts]
    for index, one in enumerate(boxes):
        assert card.rect().contains(one), parts[index].text()
        assert not any(one.intersects(other) for other in boxes[index + 1 :])
    wide, beside = map_width(*size, LINE * letters(*size, 1.0), proportions)
    assert beside == (card.facts.y() < card.caption.y())
    assert card.picture.height() * proportions > 0.7 * wide, "it has the room that was foreseen"


@pytest.fixture
def board(qtbot):
    """A board of three cells, B chosen, shown."""
    made_board = Board()
    qtbot.addWidget(made_board)
    made_board.resize(1280, 760)
    cells = {name: made.cell(*scans(7)) for name in "ABC"}
    cells["C"]["running"] = made.running(7)
    answers = {"board A": made.map_answer("A", 6)}
    ages = {"slices C": 200.0}
    made_board.draw(made.snapshot(cells, answers, ages=ages), Choice(cell="B"))
    made_board.show()
    qtbot.waitExposed(made_board)
    return made_board


def test_a_click_anywhere_opens_the_cell(board, qtbot):
    card = board.cards["C"]
    for part in (card, card.title, card.picture, card.bar, board.cards["C"].rows[0][1]):
        with qtbot.waitSignal(board.cell_opened) as told:
            qtbot.mouseClick(part, Qt.MouseButton.LeftButton)
        assert told.args == ["C"]
    with qtbot.assertNotEmitted(board.cell_opened):
        qtbot.mouseClick(card, Qt.MouseButton.RightButton)


def test_tab_goes_from_card_to_card_and_enter_opens(board, qtbot):
    board.activateWindow()
    board.cards["A"].setFocus()
    qtbot.keyClick(board.cards["A"], Qt.Key.Key_Tab)
    assert board.cards["B"].hasFocus()
    with qtbot.waitSignal(board.cell_opened) as told:
        qtbot.keyClick(board.cards["B"], Qt.Key.Key_Return)
    assert told.args == ["B"]


def test_the_chosen_cell_is_marked(board):
    assert [card.property("chosen") for card in board.cards.values()] == [False, True, False]


def test_state_is_said_in_words_to_a_screen_reader_too(board):
    assert board.cards["C"].accessibleName().startswith("C: DEAD 3 min 20 s")


def test_the_map_is_painted_and_parts_explain_themselves(board):
    card = board.cards["A"]
    image = card.grab().toImage()
    at = card.picture.mapTo(card, card.picture.rect().center())
    purple = image.pixelColor(at)
    assert purple != image.pixelColor(3, 3)
    assert card.shown.caption.startswith("removal")
    assert "LATE" in card.state.toolTip() and card.state.toolTip().startswith("no scan is running")
    assert any("Faraday" in value.toolTip() for _, value in card.rows)
    assert "Colour scale: removal" in card.picture.toolTip()


def test_nothing_is_painted_again_where_nothing_changed(board, monkeypatch):
    cells = {name: made.cell(*scans(7)) for name in "ABC"}
    shown = made.snapshot(cells)
    board.draw(shown, Choice(cell="B"))
    painted = []
    for card in board.cards.values():
        monkeypatch.setattr(card, "_say", lambda shown, name=card.name: painted.append(name))
    board.draw(shown, Choice(cell="B"))
    assert painted == []
    board.draw(shown, Choice(cell="C"))
    assert painted == ["B", "C"]


def test_cells_that_come_and_go_keep_the_cards_of_those_that_stay(board):
    before = board.cards["B"]
    shown = made.snapshot({name: made.cell() for name in "BD"})
    board.draw(shown, Choice())
    assert list(board.cards) == ["B", "D"]
    assert board.cards["B"] is before


def test_before_an_engine_answers_the_board_says_so(qtbot):
    board = Board()
    qtbot.addWidget(board)
    board.show()
    board.draw(Snapshot(), Choice())
    assert board.empty.isVisible()
    board.draw(made.snapshot({"A": made.cell()}), Choice())
    assert not board.empty.isVisible()


def test_another_look_changes_colours_and_least_sizes(board, qapp):
    cells = made.snapshot({name: made.cell(*scans(7)) for name in "ABC"})
    board.draw(cells, Choice())
    dark = board.cards["A"].why.grab().toImage()
    theme.apply(qapp, "light", 1.5)
    board.restyle()
    assert board.cards["A"].minimumWidth() == theme.px(250)
    board.draw(cells, Choice())
    light = board.cards["A"].why.grab().toImage()
    assert light.height() > dark.height()
    colours = [{look.pixel(x, y) for x in range(60) for y in range(12)} for look in (dark, light)]
    assert colours[0] != colours[1]


def test_a_dozen_cells_are_drawn_within_a_few_ms(qtbot):
    cells = {name: made.cell(*scans(60)) for name in "ABCDEFGHIJKL"}
    answers = {f"board {name}": made.map_answer(name, 6) for name in cells}
    events = [event("scan_complete") for _ in range(200)]
    board = Board()
    qtbot.addWidget(board)
    board.resize(1280, 760)
    board.draw(made.snapshot(cells, answers, events=events), Choice())
    taken = []
    for age in range(20):
        ages = {f"slices {name}": float(age) for name in cells}
        shown = made.snapshot(cells, answers, events=events, ages=ages)
        begun = time.thread_time()
        board.draw(shown, Choice())
        taken.append(time.thread_time() - begun)
    assert min(taken) < 0.010


def test_a_flat_surface_looks_flat_on_the_board():
    noise = np.random.default_rng(1).normal(125.0, 0.1, (40, 40))
    flat = made.map_answer("A", 1, "height", noise)
    low, high = clear_of_noise(flat, made.cell(made.scan(1, noise_um=0.1))).levels
    assert high - low == pytest.approx(2.0)
    assert low < noise.mean() < high
    pitted = made.map_answer("A", 1)
    assert clear_of_noise(pitted, made.cell(made.scan(1, noise_um=0.1))) is pitted
    assert clear_of_noise(flat, made.cell(made.scan(1))) is flat
