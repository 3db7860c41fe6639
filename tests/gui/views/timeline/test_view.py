"""The time line: its marks, and how scans are chosen, played and pinned."""

import time

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from monitor.gui.state.snapshot import Choice
from monitor.gui.views.timeline.marks import hit, places, radius, ticks, timeline
from monitor.gui.views.timeline.view import TimelineView
from monitor.gui.widgets import theme
from tests.gui import made


@pytest.fixture(autouse=True)
def look(qapp):
    theme.apply(qapp)


def hours(count):
    """Scans each half an hour, the third incomplete, and an extra one before the last."""
    scans = [made.scan(n, complete=n != 2) for n in range(count)]
    extra = made.scan(count, start=scans[-1]["start_time"] - 600.0, reason="manual")
    return [*scans[:-1], extra, scans[-1]]


def told(scans, choice=None, events=(), **more):
    about = made.cell(*scans, **more)
    return timeline(made.snapshot({"A": about}, events=events), choice or Choice("A"))


def test_each_scan_has_a_mark_of_its_kind_in_order_of_time():
    shown = told(hours(4))
    assert [mark.scan for mark in shown.marks] == [0, 1, 2, 4, 3]
    assert [mark.kind for mark in shown.marks] == [
        "reference", "periodic", "periodic", "extra", "periodic"
    ]  # fmt: skip
    assert [mark.complete for mark in shown.marks] == [True, True, False, True, True]
    assert [round(mark.hours, 3) for mark in shown.marks] == [0, 0.5, 1, 1.333, 1.5]
    assert shown.due == pytest.approx(2.0)
    assert shown.span == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("more", "due"),
    [({}, True), ({"mode": "replay"}, True), ({"mode": "replay", "ended": True}, False),
     ({"mode": "recording"}, False)],
)  # fmt: skip
def test_no_place_is_kept_for_a_next_scan_if_none_is_expected(more, due):
    about = made.cell(*[made.scan(n) for n in range(3)])
    shown = timeline(made.snapshot({"A": about}, **more), Choice("A"))
    assert (shown.due is not None) == due
    assert shown.span == pytest.approx(1.5 if due else 1.0)


def test_a_scan_that_runs_is_there_before_its_first_map_but_cannot_be_chosen():
    running = made.running(2, received=50, slices=200)
    shown = told([made.scan(0), made.scan(1)], running=running)
    assert shown.numbers == [0, 1]
    assert (shown.marks[-1].scan, shown.marks[-1].progress) == (2, 0.25)
    first = told([made.scan(0), made.scan(1), made.scan(2, provisional=True)], running=running)
    assert first.numbers == [0, 1, 2]
    assert first.marks[-1].progress == 0.25
    assert "50 of 200 slices" in first.marks[-1].tip


def test_the_onset_is_the_engines_or_else_the_first_scan_with_pits():
    scans = [made.scan(n, pits=n // 2) for n in range(5)]
    assert [mark.scan for mark in told(scans).marks if mark.is_onset] == [2]
    events = [{"type": "pit_onset", "cell": "B", "scan": 1},
              {"type": "pit_onset", "cell": "A", "scan": 3}]  # fmt: skip
    assert [m.scan for m in told(scans, events=events).marks if m.is_onset] == [3]
    flat = [made.scan(n, pits=0) for n in range(5)]
    assert not any(mark.is_onset for mark in told(flat).marks)


def test_a_tip_tells_number_reason_time_what_is_missing_and_pits():
    tip = told([made.scan(0), made.scan(1), made.scan(2, complete=False)]).marks[2].tip
    assert tip.splitlines() == [
        "Scan 2, periodic", "1.00 h, 2025-10-09 09:53:20 UTC", "incomplete: 12 slices missing",
        "6 pits",
    ]  # fmt: skip


def test_what_is_shown_follows_the_live_scan_and_nothing_is_shown_of_nothing():
    scans = hours(4)
    assert told(scans).shown == 3
    assert told(scans, Choice("A", scan=1, pinned=2)).shown == 1
    assert told(scans, Choice("A", pinned=2)).pinned == 2
    assert told([]).marks == ()
    assert timeline(made.snapshot({}), Choice("A")).marks == ()


def test_a_click_finds_the_nearest_mark_within_reach():
    xs = [10.0, 20.0, 100.0]
    assert [hit(xs, x, 16.0) for x in (0, 14, 16, 84.5, 116, 300)] == [0, 0, 1, 2, 2, None]
    assert hit(xs, 60.0, 16.0) is None
    assert hit([], 5.0, 16.0) is None


def test_marks_shrink_where_scans_are_many():
    few, many = places([0, 1, 2], 2.0, 0, 900), places(range(301), 300.0, 0, 900)
    assert few == [0, 450, 900]
    assert radius(few, 6.5, 1.8) == 6.5
    assert radius(many, 6.5, 1.8) == 1.8
    assert radius([0.0], 6.5, 1.8) == 6.5
    # one extra scan close to another does not shrink all
    assert radius([0, 100, 101, 200, 300], 6.5, 1.8) == 6.5


@pytest.mark.parametrize(
    ("span", "most", "expected"),
    [
        (3.5, 10, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]),
        (0.5, 3, [0, 0.2, 0.4]),
        (150, 4, [0, 50, 100, 150]),
        (1.0, 1, [0, 1]),
    ],
)
def test_hours_on_the_axis_are_round(span, most, expected):
    assert ticks(span, most) == pytest.approx(expected)


class Screen:
    """A time line whose intentions are carried out, as the window does."""

    def __init__(self, qtbot, scans, **more):
        self.view, self.choice, self.chosen = TimelineView(), Choice("A"), []
        self.snapshot = made.snapshot({"A": made.cell(*scans, **more)})
        qtbot.addWidget(self.view)
        self.view.resize(1280, 66)
        self.view.scan_chosen.connect(self.choose)
        self.view.newest_chosen.connect(lambda: self.set(scan=None))
        self.view.pin_chosen.connect(lambda scan: self.set(pinned=scan))
        self.view.comparison_chosen.connect(lambda how: self.set(comparison=how))
        self.set()
        self.view.show()
        qtbot.waitExposed(self.view)

    def choose(self, scan):
        self.chosen.append(scan)
        self.set(scan=scan)

    def set(self, **fields):
        known = {name: getattr(self.choice, name) for name in ("scan", "pinned", "comparison")}
        self.choice = Choice("A", **(known | fields))
        self.view.draw(self.snapshot, self.choice)

    def at(self, index):
        strip = self.view.strip
        return QPoint(round(strip.xs()[index]), strip.height() // 2)


@pytest.fixture
def screen(qtbot):
    return lambda scans, **more: Screen(qtbot, scans, **more)


def test_a_click_chooses_and_ctrl_or_the_right_button_pin(screen, qtbot):
    one = screen(hours(5))
    strip = one.view.strip
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=one.at(1))
    assert one.chosen == [1]
    assert not one.view.live.isChecked()
    qtbot.mouseClick(strip, Qt.MouseButton.RightButton, pos=one.at(2))
    assert (one.choice.pinned, one.chosen) == (2, [1])
    ctrl = Qt.KeyboardModifier.ControlModifier
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, ctrl, one.at(4))
    assert one.choice.pinned == 5
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, ctrl, one.at(4))
    assert one.choice.pinned is None
    between = (one.at(0) + one.at(1)) / 2
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=between)
    assert one.chosen == [1]


def test_dragging_runs_through_the_scans(screen, qtbot):
    one = screen(hours(5))
    strip = one.view.strip
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(strip, left, pos=one.at(0))
    for index in (0, 1, 2, 2):
        place = QPointF(one.at(index))
        moved = QMouseEvent(
            QEvent.Type.MouseMove, place, strip.mapToGlobal(place), Qt.MouseButton.NoButton, left,
            Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QApplication.sendEvent(strip, moved)
    qtbot.mouseRelease(strip, left, pos=one.at(2))
    assert one.chosen == [0, 1, 2]


def test_steps_end_at_the_first_and_at_the_last_scan(screen):
    one = screen(hours(4))
    one.view.step(1)
    assert one.chosen == []
    one.view.step(-1)
    one.view.step(-1)
    one.view.step(-100_000)
    one.view.step(100_000)
    assert one.chosen == [4, 2, 0, 3]
    assert not one.view.after.isEnabled()
    one.view.first.click()
    assert one.chosen[-1] == 0
    assert not one.view.before.isEnabled()
    one.view.after.click()
    assert one.chosen[-1] == 1


def test_play_runs_from_the_first_to_the_last_and_stops(screen, qtbot):
    one = screen(hours(4))
    one.view.speed.setCurrentIndex(2)
    one.view.toggle_play()
    assert one.view.is_playing
    assert one.view.play.text() == "Stop"
    qtbot.waitUntil(lambda: not one.view.is_playing, timeout=5000)
    assert one.chosen == [0, 1, 2, 4, 3]
    assert one.view.play.text() == "Play"


def test_play_goes_on_from_the_scan_that_is_shown_and_stops_when_asked(screen, qtbot):
    one = screen([made.scan(n) for n in range(50)])
    one.set(scan=10)
    one.view.speed.setCurrentIndex(2)
    one.view.play.click()
    qtbot.waitUntil(lambda: len(one.chosen) >= 3, timeout=5000)
    one.view.play.click()
    assert not one.view.is_playing
    assert one.chosen == list(range(11, 11 + len(one.chosen)))


def test_play_does_not_show_a_scan_twice_where_the_screen_is_slow(qtbot):
    view, chosen = TimelineView(), []
    qtbot.addWidget(view)
    about = made.cell(*[made.scan(n) for n in range(4)])
    view.draw(made.snapshot({"A": about}), Choice("A", scan=0))
    view.scan_chosen.connect(chosen.append)
    view.speed.setCurrentIndex(2)
    view.toggle_play()
    qtbot.waitUntil(lambda: not view.is_playing, timeout=5000)
    assert chosen == [1, 2, 3]


def test_play_waits_until_all_views_show_the_scan(screen, qtbot):
    one, beats = screen(hours(4)), []
    one.view.speed.setCurrentIndex(2)
    one.view.ready = lambda: bool(beats.append(1)) or len(beats) > 3
    one.view.toggle_play()
    begun = list(one.chosen)
    qtbot.waitUntil(lambda: len(beats) == 3)
    assert one.chosen == begun
    qtbot.waitUntil(lambda: not one.view.is_playing)
    assert one.chosen == [0, 1, 2, 4, 3]


def test_going_live_stops_the_player(screen):
    one = screen(hours(4))
    one.view.toggle_play()
    one.view.live.click()
    assert not one.view.is_playing
    assert one.choice.scan is None
    assert one.view.live.isChecked()
    one.view.live.click()
    assert one.view.live.isChecked()


def test_three_scans_a_second_are_usual(screen):
    one = screen(hours(4))
    one.view.toggle_play()
    assert one.view._timer.interval() == 333


def test_pin_toggles_and_comparison_needs_a_pin(screen):
    one = screen(hours(4))
    assert not one.view.comparison.isEnabled()
    one.view.toggle_pin()
    assert one.choice.pinned == 3
    assert one.view.pin.isChecked()
    assert one.view.comparison.isEnabled()
    one.view.comparison.activated.emit(2)
    assert one.choice.comparison == "difference"
    assert one.view.comparison.currentText() == "difference"
    one.view.step(-1)
    assert not one.view.pin.isChecked()
    one.view.step(1)
    one.view.toggle_pin()
    assert one.choice.pinned is None
    assert not one.view.pin.isChecked()


@pytest.mark.parametrize("scans", [[], [made.scan(0)]])
def test_with_one_scan_or_none_there_is_nothing_to_play(screen, scans):
    one = screen(scans)
    one.view.toggle_play()
    one.view.step(1)
    one.view.toggle_pin()
    assert not one.view.is_playing
    assert one.chosen == []
    assert not one.view.play.isEnabled()
    one.view.grab()


def test_a_mark_and_what_is_due_have_tips(screen):
    one = screen(hours(4))
    strip = one.view.strip
    assert strip.tip_at(strip.xs()[0]).startswith("Scan 0, reference")
    assert "due" in strip.tip_at(strip.width() - 16)
    assert strip.tip_at((strip.xs()[0] + strip.xs()[1]) / 2) == ""


def test_kinds_and_states_look_different(screen):
    pictures = set()
    for scan in (made.scan(1), made.scan(1, reason="extra"), made.scan(1, reason="reference"),
                 made.scan(1, complete=False), made.scan(1, provisional=True)):  # fmt: skip
        one = screen([made.scan(0), scan, made.scan(2)])
        one.set(scan=0)
        place = one.at(1)
        around = one.view.strip.grab().copy(place.x() - 9, place.y() - 9, 18, 18).toImage()
        pictures.add(bytes(around.constBits()))
    assert len(pictures) == 5


def test_three_hundred_scans_are_drawn_within_a_few_ms(screen):
    one = screen([made.scan(n) for n in range(300)])
    taken = []
    for scan in range(0, 300, 30):
        begun = time.thread_time()
        one.set(scan=scan)
        taken.append(time.thread_time() - begun)
    assert min(taken) < 0.010
    painted = []
    for _ in range(3):
        begun = time.thread_time()
        one.view.strip.grab()
        painted.append(time.thread_time() - begun)
    assert min(painted) < 0.05
