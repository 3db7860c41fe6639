"""Message numbers: what was skipped, and what came after all."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.arrival import message_numbers as module
from monitor.core.arrival.message_numbers import MAX_REMEMBERED, StreamCounter


def test_nothing_is_lost_in_a_straight_stream_that_is_joined_late():
    counter = StreamCounter()
    assert [counter.take(n) for n in range(40, 60)] == [0] * 20
    assert counter.lost == 0


def test_a_gap_is_seen_with_the_next_message_and_closed_by_what_comes_later():
    counter = StreamCounter()
    assert [counter.take(n) for n in (0, 1, 5, 6)] == [0, 0, 3, 0]
    assert counter.missing == {2, 3, 4}
    assert [counter.take(n) for n in (3, 3, 2)] == [0, 0, 0]
    assert counter.lost == 1


def test_a_huge_jump_costs_no_memory():
    counter = StreamCounter()
    counter.take(0)
    assert counter.take(2**61) == 2**61 - 1
    assert counter.lost == 2**61 - 1
    assert len(counter.missing) == MAX_REMEMBERED


@given(st.permutations(range(30)), st.integers(0, 30))
def test_what_is_missing_is_what_never_came(order, cut):
    counter = StreamCounter()
    came = [0, *(n + 1 for n in order[:cut])]
    for number in came:
        counter.take(number)
    assert counter.missing == set(range(max(came))) - set(came)


def test_what_came_because_it_was_asked_for_was_lost_but_is_not_missing():
    counter = StreamCounter()
    for number in (0, 1, 5):
        counter.take(number)
    counter.recover(3)
    assert (counter.missing, counter.lost) == ({2, 4}, 3)
    counter.take(3)  # it was only late
    assert (counter.missing, counter.lost) == ({2, 4}, 2)


def test_what_is_asked_for_before_it_is_missed_counts_once_it_is():
    counter = StreamCounter()
    counter.take(7)
    counter.recover(3)  # before the first: joined late, not lost
    for number in (8, 9, 12):
        counter.recover(number)
    assert (counter.missing, counter.lost) == (set(), 0)
    assert counter.take(11) == 3
    assert (counter.missing, counter.lost) == ({10}, 3)
    assert counter.take(12) == 0
    assert counter.take(13) == 0
    assert counter.lost == 3


@given(st.permutations(range(30)), st.integers(0, 30), st.sets(st.integers(0, 29)), st.randoms())
def test_lost_is_what_never_came_by_itself_and_missing_what_never_came(order, cut, asked, rng):
    counter = StreamCounter()
    came = [0, *(n + 1 for n in order[:cut])]
    events = [(counter.take, n) for n in came] + [(counter.recover, n + 1) for n in asked]
    rest = events[1:]
    rng.shuffle(rest)
    for note, number in [events[0], *rest]:
        note(number)
    seen = set(range(max(came)))
    assert counter.missing == seen - set(came) - {n + 1 for n in asked}
    assert counter.lost == len(seen - set(came))


def test_memory_of_what_was_recovered_is_bounded(monkeypatch):
    limit = 1000
    monkeypatch.setattr(module, "MAX_REMEMBERED", limit)
    counter = StreamCounter()
    counter.take(0)
    for begin in range(0, 3 * limit, limit // 2):
        counter.take(begin + limit // 2)
        for number in range(begin + 1, begin + limit // 2):
            counter.recover(number)
    assert len(counter._recovered) <= limit
    assert counter.lost == 6 * (limit // 2 - 1)
