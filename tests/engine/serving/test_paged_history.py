"""What lies in pages is what was put in."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.engine.serving.paged_history import PER_PAGE, Pages

COUNTS = st.integers(0, 5 * PER_PAGE)


@given(COUNTS, st.booleans(), st.data())
def test_records_come_back_by_number_whatever_is_put_in_their_place(count, compress, data):
    pages, known = Pages(compress=compress), {}
    for number in range(count):
        pages.append(known.setdefault(number, os.urandom(number % 7) + b"%d" % number))
    if count:
        for number in data.draw(st.lists(st.integers(0, count - 1))):
            pages[number] = known[number] = b"again" * (number % 3)
    assert len(pages) == count
    assert [pages[number] for number in range(count)] == list(known.values())
    some = data.draw(st.lists(st.sampled_from(sorted(known)))) if known else []
    assert list(pages.some(some)) == [known[number] for number in some]


def test_the_oldest_can_be_let_go():
    pages = Pages()
    for number in range(4 * PER_PAGE):
        pages.append(b"%d" % number)
    pages.forget_page()
    assert (pages.first, len(pages)) == (PER_PAGE, 4 * PER_PAGE)
    assert pages[PER_PAGE] == b"%d" % PER_PAGE
    for number in (0, PER_PAGE - 1, 4 * PER_PAGE):
        with pytest.raises(IndexError):
            pages[number]
    for _ in range(9):
        pages.forget_page()
    assert pages[4 * PER_PAGE - 1] == b"%d" % (4 * PER_PAGE - 1), "the newest stay"
