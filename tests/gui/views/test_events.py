"""The list of events: search, kinds, and a click that leads to the scan."""

import pytest
from PySide6.QtCore import Qt

from monitor.gui.state.snapshot import Choice
from monitor.gui.views.events import EventView
from monitor.gui.widgets import theme
from monitor.records import Event
from tests.gui import made
from tests.gui.synthetic import T0, Cell

WAIT = 20_000


def event(number, kind, cell="A", **data):
    return {"type": kind, "version": number, "number": number, "time": made.T0 + number,
            "cell": cell} | data  # fmt: skip


EVENTS = (
    event(1, "scan_complete", scan=0, complete=True, pit_count=0),
    event(2, "alarm", scan=1, text="12 slices of 96 are missing"),
    event(3, "pit_onset", scan=1, why="1 significant pit"),
    event(4, "note", cell="B", scan=None, text="Sample touched", by="Anna"),
)


@pytest.fixture
def view(qtbot, qapp):
    theme.apply(qapp)
    made_view = EventView()
    qtbot.addWidget(made_view)
    about = {"A": made.cell(made.scan(0), made.scan(1)), "B": made.cell(made.scan(0))}
    made_view.draw(made.snapshot(about, events=EVENTS), Choice("A"))
    made_view.show()
    return made_view


def lines(view):
    return [view.list.item(i).text() for i in range(view.list.count())]


def test_events_are_sentences_with_a_date_newest_first(view):
    assert lines(view) == [
        "2025-10-09 08:53:24  B  Note by Anna: Sample touched",
        "2025-10-09 08:53:23  A  Pitting has begun in scan 1: 1 significant pit.",
        "2025-10-09 08:53:22  A  Alarm on scan 1: 12 slices of 96 are missing.",
        "2025-10-09 08:53:21  A  Scan 0 is complete: 0 pits.",
    ]


@pytest.mark.parametrize(
    ("words", "count"),
    [("missing", 1), ("scan 1", 2), ("by ANNA", 1), ("2025-10-09 08:53:2", 4), ("beam", 0)],
)
def test_search_keeps_the_lines_that_have_the_text(view, qtbot, words, count):
    qtbot.keyClicks(view.search, words)
    assert view.list.count() == count
    view.search.clear()
    assert view.list.count() == 4


def test_search_and_kinds_hold_together(view, qtbot):
    view.kinds.setCurrentText("alarms")
    view.kinds.activated.emit(view.kinds.currentIndex())
    qtbot.keyClicks(view.search, "scan")
    assert view.list.count() == 1


def test_a_click_tells_cell_and_scan_if_there_is_one(view, qtbot):
    told = []
    view.scan_of_cell_chosen.connect(lambda *at: told.append(at))
    for row in range(view.list.count()):
        place = view.list.visualItemRect(view.list.item(row)).center()
        qtbot.mouseClick(view.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert told == [("A", 1), ("A", 1), ("A", 0)]
    assert "show scan 1" in view.list.item(1).toolTip()
    assert "Click" not in view.list.item(0).toolTip()


def test_a_click_goes_to_the_scan_of_another_cell(bench, screen, qtbot):
    engine = bench(Cell("A"), Cell("B"))
    engine.scans("A", 2)
    engine.scans("B", 3)
    engine.update(Event(1, "alarm", "B", T0, {"scan": 1, "text": "12 slices"}))
    engine.update(Event(2, "alarm", "B", T0, {"scan": 99, "text": "a scan that is not there"}))
    window = screen(engine.publisher, "A")
    window.layouts.bring("events")
    qtbot.waitUntil(lambda: window.views["events"].list.count() == 2, timeout=WAIT)
    window.views["events"].list.itemClicked.emit(window.views["events"].list.item(0))
    assert (window.selection.choice.cell, window.selection.choice.scan) == ("A", None)
    window.views["events"].list.itemClicked.emit(window.views["events"].list.item(1))
    assert (window.selection.choice.cell, window.selection.choice.scan) == ("B", 1)
