"""What is asked for, when, how often, and when there is no more hope: by a clock that is set."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.arrival.missing_slices import Lacking
from monitor.engine.resend.retry_schedule import MAX_TRIES, SETTLE_S, RetrySchedule, pause_s
from monitor.records import ScanKey

QUIET_S = 1.0
NOTHING = np.empty(0, np.int64)


def lacking(frames, *, lost=(), passed=(), heard=50, over=False):
    arrays = [np.array(sorted(found), np.int64) for found in (lost, passed, frames)]
    key = ScanKey("A", "", 0)
    return Lacking(key, "s", "tcp://127.0.0.1:1", 100, heard, over, *arrays)


def schedule(found, now=100.0):
    made = RetrySchedule(found, QUIET_S, now)
    made.look(found, now)
    return made


def test_a_running_scan_is_asked_for_what_was_surely_lost_in_batches():
    one = schedule(lacking(range(90), lost=range(30), passed=range(40)))
    assert one.wanted(20, 100.0) == tuple(range(20))
    one.asked(tuple(range(20)))
    assert one.wanted(20, 100.0) == tuple(range(20, 30))
    one.asked(tuple(range(20, 30)))
    assert one.wanted(20, 100.0) == ()


def test_silence_widens_what_is_asked_for():
    found = lacking(range(90), lost=[3], passed=[3, 8])
    one = schedule(found)
    for now, expected in ((100.9, (3,)), (101.1, (3, 8)), (105.1, tuple(range(90)))):
        one.look(found, now)
        assert one.wanted(100, now) == expected
    heard = replace(found, heard=51)
    one.look(heard, 106.0)
    assert one.wanted(100, 106.0) == (3,)


def test_what_is_recovered_does_not_break_the_silence():
    one = schedule(lacking(range(90)))
    one.look(lacking(range(90)), 106.0)
    one.look(lacking(range(50)), 106.1)
    assert one.wanted(100, 106.1) == tuple(range(50))


def test_an_end_is_waited_for_a_moment_then_everything_is_asked_for():
    one = schedule(lacking([3, 8, 60]))
    ended = lacking([3, 8, 60], over=True)
    one.look(lacking([3, 8, 60], heard=51), 200.0)
    one.look(ended, 200.01)
    assert one.wanted(100, 200.01) == ()
    one.look(ended, 200.02 + SETTLE_S)
    assert one.wanted(100, 200.02 + SETTLE_S) == (3, 8, 60)


def test_what_does_not_come_is_asked_for_after_longer_and_longer_pauses_and_not_for_ever():
    found = lacking([5], lost=[5])
    one, now, asked = schedule(found), 100.0, []
    while now < 100.0 + 60.0:
        one.look(replace(found, heard=found.heard + int(now * 100)), now)  # the scan runs on
        if frames := one.wanted(10, now):
            asked.append(now)
            one.asked(frames)
            one.answered(frames, (), now)
        now += 0.01
    assert len(asked) == MAX_TRIES
    pauses = np.diff(asked)
    np.testing.assert_allclose(pauses, [pause_s(n) for n in range(1, MAX_TRIES)], atol=0.011)
    assert list(pauses) == sorted(pauses) and pauses[0] < 0.3 and pauses[-1] > 3


def test_the_end_of_a_scan_gives_a_new_chance():
    found = lacking([5], lost=[5])
    one = schedule(found)
    for _ in range(MAX_TRIES):
        one.answered((5,), (), 100.0)
    assert one.wanted(10, 150.0) == ()
    over = replace(found, over=True)
    for now in (150.0, 150.1):
        one.look(over, now)
    assert one.wanted(10, 150.1) == (5,)


def test_what_the_service_does_not_have_is_asked_for_again_only_while_the_scan_runs():
    found = lacking([5, 6], lost=[5, 6])
    one = schedule(found)
    one.answered((5, 6), (5,), 100.0)
    assert one.wanted(10, 101.0) == (5, 6)
    over = replace(found, over=True)
    for now in (102.0, 103.0):
        one.look(over, now)
    one.answered((5, 6), (5, 77), 103.0)
    assert one.wanted(10, 110.0) == (6,)


def test_there_is_hope_until_all_has_been_tried_and_nothing_has_come_for_a_while():
    over = lacking([5, 6], over=True)
    one = schedule(over)
    one.look(over, 101.1)
    assert not one.is_hopeless(101.1), "nothing has been asked for"
    frames = one.wanted(10, 101.1)
    one.asked(frames)
    one.answered(frames, (5, 6), 101.2)
    assert one.is_hopeless(101.2)
    one.look(lacking([6], over=True), 101.3)  # 5 has come after all
    assert not one.is_hopeless(102.2)
    assert one.is_hopeless(102.4)


def test_a_running_scan_and_one_with_questions_on_their_way_are_not_given_up():
    found = lacking([5])
    one = schedule(found)
    for _ in range(MAX_TRIES):
        one.answered((5,), (), 100.0)
    assert not one.is_hopeless(10_000.0)
    over = replace(found, over=True)
    for now in (200.0, 201.0):
        one.look(over, now)
    one.asked((5,))
    for _ in range(3):
        assert not one.is_hopeless(10_000.0)
    one.answered((5,), (5,), 300.0)
    assert one.is_hopeless(10_000.0)


@pytest.mark.parametrize("frames", [(5, 6), (6,)])
def test_it_knows_whether_a_question_is_answered(frames):
    one = schedule(lacking([5, 9]))
    assert one.lacks(frames) is (5 in frames)
