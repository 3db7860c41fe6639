"""Work in portions: one at a turn of the event loop, in order, never twice."""

from functools import partial

from PySide6.QtCore import QTimer

from monitor.gui.widgets.paint_queue import Turns


def test_what_waits_is_done_in_order_one_at_a_turn(qtbot):
    turns, done, seen = Turns(), [], []
    between = QTimer(interval=0)
    between.timeout.connect(lambda: seen.append(len(done)))
    between.start()
    for name in "abc":
        turns.put(name, partial(done.append, name))
    assert not done
    qtbot.waitUntil(lambda: turns.idle)
    between.stop()
    assert done == ["a", "b", "c"]
    assert {1, 2} <= set(seen), "others have their turn in between"


def test_the_newest_of_a_name_is_done_once_in_the_place_of_the_first(qtbot):
    turns, done = Turns(), []
    turns.put("a", partial(done.append, "old a"))
    turns.put("b", partial(done.append, "b"))
    turns.put("a", partial(done.append, "a"))
    qtbot.waitUntil(lambda: turns.idle)
    assert done == ["a", "b"]


def test_what_is_put_while_another_is_done_follows(qtbot):
    turns, done = Turns(), []
    turns.put("a", lambda: turns.put("b", partial(done.append, "b")))
    qtbot.waitUntil(lambda: bool(done))
    assert (done, turns.idle) == (["b"], True)


def test_all_of_it_can_be_done_or_forgotten_at_once(qtbot):
    turns, done = Turns(), []
    turns.put("a", partial(done.append, "a"))
    turns.put("b", partial(done.append, "b"))
    turns.finish()
    assert done == ["a", "b"]
    turns.put("c", partial(done.append, "c"))
    turns.clear()
    turns.put("d", partial(done.append, "d"))
    qtbot.waitUntil(lambda: turns.idle)
    assert done == ["a", "b", "d"]


def test_one_that_fails_does_not_hold_up_the_others(qtbot):
    turns, done = Turns(), []

    def fail():
        raise ValueError("a view that breaks")

    with qtbot.captureExceptions() as raised:
        turns.put("a", fail)
        turns.put("b", partial(done.append, "b"))
        qtbot.waitUntil(lambda: turns.idle)
    assert (done, len(raised)) == (["b"], 1)
