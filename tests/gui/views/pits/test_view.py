"""The table of pits and the growth of one of them, drawn from made-up answers."""

import csv
import io
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt

from monitor.gui.state.snapshot import Answer, Choice
from monitor.gui.views.pits.filter import SIGNS, WORDS, read_filter
from monitor.gui.views.pits.table_model import COLUMNS
from monitor.gui.views.pits.view import PitsView
from monitor.gui.widgets import theme
from monitor.wire.results.queries import PitHistoryRequest, PitsRequest
from tests.gui.made import of_one_cell

T0 = 1_760_000_000.0
DEPTHS = [12.0, 3.5, 30.0, None, 9.0, 100.0]


def pits(scan=3, depths=DEPTHS, word="um", first=1):
    """The table of a scan; pit numbers count from `first`."""
    n = len(depths)
    columns = {
        "id": list(range(first, first + n)),
        "parent": [-1, 1, *[-1] * (n - 2)][:n],
        "first_scan": [1 + i % 3 for i in range(n)],
        f"x_{word}": [10.0 * i for i in range(n)],
        f"y_{word}": [5.0 * i for i in range(n)],
        f"area_{word}2": [100.0 + i for i in range(n)],
        f"diameter_{word}": [20.0 - i % 7 for i in range(n)],
        f"depth_max_{word}": depths,
        f"depth_mean_{word}": [d and d / 2 for d in depths],
        f"volume_{word}3": [1000.0 * i for i in range(n)],
        "current_density_mA_cm2": [None] * n,
        "p_value": [1e-9] * n,
    }
    header = {"type": "pits", "cell": "A", "scan": scan, "columns": columns}
    return Answer(PitsRequest("A", scan), header, None)


def history(pit=3, scans=(1, 2, 3), **header):
    n = len(scans)
    columns = {
        "scan": list(scans),
        "time": [T0 + 1800 * s for s in scans],
        "charge_mAh_cm2": [0.275 * s for s in scans],
        "depth_max_um": [None, *(5.0 * s for s in scans[1:])],
        "diameter_um": [8.0 * s for s in scans],
    }
    assert all(len(column) == n for column in columns.values())
    told = {"type": "pit_history", "pit": pit, "columns": columns, "first_scan": 1, "parent": -1,
            "children": [], "length_unit": "µm"}  # fmt: skip
    return Answer(PitHistoryRequest("A", pit), told | header, None)


def scan_facts(number, unit="µm", **more):
    maps = ["height", "removal", "pit_labels"] if number else ["height"]
    facts = {"scan": number, "maps": maps, "provisional": False, "length_unit": unit,
             "voxel_size": [1.0, 2.0, 0.5], "start_time": T0 + 1800 * number,
             "version": number}  # fmt: skip
    return facts | more


def snapshot(scans=None, **answers):
    return of_one_cell([scan_facts(i) for i in range(4)] if scans is None else scans, **answers)


@pytest.fixture
def view(qtbot, qapp):
    theme.apply(qapp)
    made = PitsView()
    qtbot.addWidget(made)
    made.resize(900, 500)
    made.show()
    return made


def column(view, name):
    at = next(i for i, c in enumerate(COLUMNS) if c.name == name)
    model = view.model
    return [model.data(model.index(row, at)) for row in range(model.rowCount())]


def click(view, qtbot, row):
    place = view.table.visualRect(view.model.index(row, 0)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def click_heading(view, qtbot, name):
    at = next(i for i, c in enumerate(COLUMNS) if c.name == name)
    heads = view.table.horizontalHeader()
    place = QPoint(heads.sectionViewportPosition(at) + 10, 5)
    qtbot.mouseClick(heads.viewport(), Qt.MouseButton.LeftButton, pos=place)


def shown_pit(view):
    rows = view.table.selectionModel().selectedRows()
    return view.model.pit(rows[0].row()) if rows else None


def test_deepest_first_numbers_as_numbers_unknown_last(view, qtbot):
    view.draw(snapshot(pits=pits()), Choice("A"))
    deepest_first = ["100.0", "30.0", "12.0", "9.0", "3.5", "–"]
    assert column(view, "depth_max") == deepest_first
    click_heading(view, qtbot, "depth_max")
    assert column(view, "depth_max") == [*reversed(deepest_first[:-1]), "–"]
    click_heading(view, qtbot, "id")
    assert column(view, "id") == ["1", "2", "3", "4", "5", "6"]
    assert view.count.text() == "6 pits"


def test_titles_have_units_and_definitions(view):
    def heads(role):
        model = view.model
        across = Qt.Orientation.Horizontal
        return [model.headerData(i, across, role) for i in range(model.columnCount())]

    view.draw(snapshot(pits=pits()), Choice("A"))
    titles = heads(Qt.ItemDataRole.DisplayRole)
    assert {"Depth\nµm", "Area\nµm²", "Volume\nµm³", "Current density\nmA/cm²"} <= set(titles)
    assert all(tip for tip in heads(Qt.ItemDataRole.ToolTipRole))
    scans = [scan_facts(i, unit="voxel") for i in range(4)]
    view.draw(snapshot(scans, pits=pits(word="voxel")), Choice("A"))
    assert "Volume\nvoxel³" in heads(Qt.ItemDataRole.DisplayRole)
    assert column(view, "depth_max")[0] == "100.0"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("depth > 10 and diameter < 20", ["6", "3"]),
        ("DEPTH >= 12 AND depth<=30", ["3", "1"]),
        ("since = 3", ["6", "3"]),
        ("id = 12", []),
        ("pit != 6 and depth > 3.5e0", ["3", "1", "5"]),
        ("from = 1", ["2"]),
        ("max depth ≥ 30", ["6", "3"]),
        ("  ", ["6", "3", "1", "5", "2", "4"]),
    ],
)
def test_a_filter_shows_the_pits_that_it_says(view, text, numbers):
    view.draw(snapshot(pits=pits()), Choice("A"))
    view.filter.setText(text)
    assert column(view, "id") == numbers
    assert not view.wrong.isVisible()
    if text.strip():
        assert view.count.text() == f"{len(numbers)} of 6 pits"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("depht > 10", "depht"),
        ("depth > ten", "ten"),
        ("depth", "not a condition"),
        ("depth > 10 and", "missing"),
        ("__import__('os') = 1", "not a condition"),
    ],
)
def test_a_wrong_filter_is_told_and_shows_all(view, text, why):
    view.draw(snapshot(pits=pits()), Choice("A"))
    view.filter.setText(text)
    assert why in view.wrong.text()
    assert view.wrong.isVisible()
    assert "\n" not in view.wrong.text()
    assert view.model.rowCount() == 6
    view.filter.clear()
    assert not view.wrong.isVisible()


@given(st.text(max_size=40))
def test_no_text_breaks_the_filter(text):
    found = read_filter(text)
    assert not (found.why and found.conditions)


@given(
    st.sampled_from(sorted(WORDS)),
    st.sampled_from(sorted(SIGNS)),
    st.floats(-1e6, 1e6),
)
def test_every_condition_that_can_be_written_is_read_as_written(word, sign, number):
    found = read_filter(f"{word} {sign} {number!r}")
    assert [(WORDS[word] == c.column, c.sign, c.number) for c in found.conditions] == [
        (True, sign, number)
    ]


def test_a_click_chooses_and_a_second_one_lets_go(view, qtbot):
    view.draw(snapshot(pits=pits()), Choice("A"))
    chosen = qtbot.waitSignal(view.pit_chosen, check_params_cb=lambda pit: pit == 3)
    with chosen, qtbot.waitSignal(view.cross_moved) as moved:
        click(view, qtbot, 1)
    assert moved.args == [5, 40], "crosshair and cross-section go to the pit at x 20, y 10"
    view.draw(snapshot(pits=pits(), pit_history=history()), Choice("A", pit=3))
    assert shown_pit(view) == 3
    with qtbot.waitSignal(view.pit_chosen, check_params_cb=lambda pit: pit is None):
        click(view, qtbot, 1)
    view.draw(snapshot(pits=pits()), Choice("A"))
    assert shown_pit(view) is None


def test_arrows_move_the_choice_and_escape_ends_it(view, qtbot):
    view.draw(snapshot(pits=pits()), Choice("A", pit=3))
    view.table.setFocus()
    with qtbot.waitSignal(view.pit_chosen, check_params_cb=lambda pit: pit == 1):
        qtbot.keyClick(view.table, Qt.Key.Key_Down)
    with qtbot.waitSignal(view.pit_chosen, check_params_cb=lambda pit: pit is None):
        qtbot.keyClick(view.table, Qt.Key.Key_Escape)


def test_what_is_chosen_elsewhere_is_shown_and_nothing_is_told(view, qtbot):
    many = pits(depths=[float(200 - i) for i in range(200)])
    view.draw(snapshot(pits=many), Choice("A"))
    with qtbot.assertNotEmitted(view.pit_chosen):
        view.draw(snapshot(pits=many), Choice("A", pit=150))
    assert shown_pit(view) == 150
    row = view.table.visualRect(view.model.index(149, 0))
    assert view.table.viewport().rect().contains(row.center())
    view.filter.setText("id = 7")
    assert shown_pit(view) is None
    view.filter.clear()
    assert shown_pit(view) == 150


def test_another_scan_keeps_order_place_and_choice(view, qtbot):
    depths = [float(200 - i) for i in range(200)]
    view.draw(snapshot(pits=pits(depths=depths)), Choice("A", pit=3))
    click_heading(view, qtbot, "id")
    bar = view.table.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    place = bar.value()
    assert place > 0
    with qtbot.assertNotEmitted(view.pit_chosen):
        view.draw(snapshot(pits=pits(2, depths[:190])), Choice("A", scan=2, pit=3))
    assert view.count.text() == "190 pits"
    assert bar.value() == place
    assert shown_pit(view) == 3
    assert column(view, "id")[:3] == ["1", "2", "3"]


def test_only_the_shown_scan_is_taken(view):
    view.draw(snapshot(pits=pits(3)), Choice("A"))
    view.draw(snapshot(pits=pits(3)), Choice("A", scan=2))
    assert view.model.rowCount() == 6  # the old table until the new one is there
    view.draw(snapshot(pits=pits(2, DEPTHS[:2])), Choice("A", scan=2))
    assert view.model.rowCount() == 2


@pytest.mark.parametrize(
    ("scans", "said", "choice", "text"),
    [
        ([], {}, Choice("A"), "first scan of cell A"),
        (None, {}, Choice("A"), "Fetching the pits of scan 3"),
        (None, {}, Choice("A", scan=0), "no earlier scan"),
        ([scan_facts(0, provisional=True)], {}, Choice("A"), "evaluated"),
        (None, {"pits": pits(depths=[])}, Choice("A"), "No significant pit in scan 3"),
        (
            None,
            {"pits": Answer(PitsRequest("A", 3), {"type": "error", "why": "gone"}, None)},
            Choice("A"),
            "gone",
        ),
    ],
)
def test_an_empty_view_says_why(view, scans, said, choice, text):
    view.draw(snapshot(scans, **said), choice)
    assert text in view.message.text()
    assert view.message.isVisible()
    assert not view.table.isVisible()
    view.draw(snapshot(pits=pits()), Choice("A"))
    assert not view.message.isVisible()
    assert view.table.isVisible()


def test_csv_has_the_shown_rows_in_their_order(view, qtbot):
    view.draw(snapshot(pits=pits()), Choice("A"))
    view.filter.setText("depth > 5")
    rows = list(csv.DictReader(io.StringIO(view.csv(), newline="")))
    assert [row["id"] for row in rows] == ["6", "3", "1", "5"]
    assert float(rows[1]["depth_max_um"]) == 30.0
    assert rows[0]["current_density_mA_cm2"] == ""
    assert "\r\n" in view.csv()
    with qtbot.waitSignal(view.export_wanted):
        qtbot.mouseClick(view.export, Qt.MouseButton.LeftButton)


def test_growth_of_the_chosen_pit(view):
    told = history(first_scan=2, parent=7, children=[15, 16])
    view.draw(snapshot(pits=pits(), pit_history=told), Choice("A", scan=2, pit=3))
    growth = view.growth
    assert growth.isVisible()
    assert not view.hint.isVisible()
    for text in ("Pit 3", "since scan 2", "split from 7", "parent of 15, 16"):
        assert text in growth.caption.text()
    hours, depth = growth.depth_curve.getOriginalDataset()
    np.testing.assert_allclose(hours, [0.5, 1.0, 1.5])
    np.testing.assert_array_equal(depth, [np.nan, 10.0, 15.0])
    assert growth.mark.value() == pytest.approx(1.0)
    assert growth.plot.getAxis("bottom").labelText == "time / h"
    for against in ("charge", "soc"):
        choice = Choice("A", scan=2, pit=3, against=against)
        view.draw(snapshot(pits=pits(), pit_history=told), choice)
        np.testing.assert_allclose(
            growth.diameter_curve.getOriginalDataset()[0], [0.275, 0.55, 0.825]
        )
        assert "mAh/cm²" in growth.plot.getAxis("bottom").labelText
    view.draw(snapshot(pits=pits()), Choice("A"))
    assert not growth.isVisible()
    assert "Click a pit" in view.hint.text()
    assert view.hint.isVisible()


def test_growth_of_another_pit_is_not_shown_as_this_ones(view):
    view.draw(snapshot(pits=pits(), pit_history=history(3)), Choice("A", pit=5))
    assert "Pit 5" in view.growth.caption.text()
    assert not view.growth.depth_curve.isVisible()


def test_without_charge_the_growth_says_so(view):
    told = history()
    told.header["columns"]["charge_mAh_cm2"] = [None] * 3
    choice = Choice("A", pit=3, against="charge")
    view.draw(snapshot(pits=pits(), pit_history=told), choice)
    assert not view.growth.depth_curve.isVisible()
    view.draw(snapshot(pits=pits(), pit_history=told), Choice("A", pit=3))
    assert view.growth.depth_curve.isVisible()


def test_a_click_near_a_point_chooses_its_scan(view, qtbot):
    view.draw(snapshot(pits=pits(), pit_history=history()), Choice("A", pit=3))
    box = view.growth.plot.vb
    place = box.sceneBoundingRect().center()
    hour = box.mapSceneToView(place).x()
    nearest = min((1, 2, 3), key=lambda scan: abs(scan / 2 - hour))
    with qtbot.waitSignal(view.scan_chosen, check_params_cb=lambda scan: scan == nearest):
        at = view.growth.graphics.mapFromScene(place)
        qtbot.mouseClick(view.growth.graphics.viewport(), Qt.MouseButton.LeftButton, pos=at)


@pytest.mark.parametrize("shade", ["dark", "light"])
def test_another_look_changes_nothing_that_is_told(view, qapp, shade):
    view.draw(snapshot(pits=pits(), pit_history=history()), Choice("A", pit=3))
    theme.apply(qapp, shade, 1.5)
    view.restyle()
    view.draw(snapshot(pits=pits(), pit_history=history()), Choice("A", pit=3))
    assert view.table.rowHeight(0) == theme.px(22)
    assert shown_pit(view) == 3
    theme.apply(qapp)


def test_five_thousand_pits_are_drawn_at_once(view, qapp):
    depths = np.random.default_rng(1).gamma(4, 3, 5000).tolist()
    spent = []
    for _ in range(5):
        told = snapshot(pits=pits(depths=depths))
        begin = time.thread_time()
        view.draw(told, Choice("A", pit=12))
        spent.append(time.thread_time() - begin)
    again = []
    for _ in range(5):
        begin = time.thread_time()
        view.draw(told, Choice("A", pit=12))
        again.append(time.thread_time() - begin)
    assert min(again) < 0.2 * min(spent), "what has not changed is not drawn"
