"""Message numbers: what was skipped, and what came after all."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.streams import MAX_REMEMBERED, StreamCounter


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
