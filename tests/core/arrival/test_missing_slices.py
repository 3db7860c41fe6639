"""What counts as lost, and where it may be asked for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.arrival.missing_slices import (
    MAX_ADDRESSES,
    MAX_UNKNOWN,
    Progress,
    Recovery,
    Unknown,
    margin,
)
from monitor.core.arrival.missing_slices import refusal as why_not
from monitor.errors import BadMessage
from monitor.settings import FeedSettings
from tests.core.phantom import start

COUNT = 200


def lost(frames, came, length=64):
    """What counts as lost once the slices `came` have come."""
    progress = Progress(COUNT, length)
    for frame in came:
        progress.note(frame)
    return [f for f in progress.passed(surely=True) if f in frames]


@pytest.mark.parametrize("turn", [1, -1])
@given(seed=st.integers(0, 2**32 - 1), holes=st.sets(st.integers(0, COUNT - 1), max_size=20))
def test_what_is_shuffled_over_less_than_the_margin_is_not_taken_for_lost(turn, seed, holes):
    """In growing and in falling order: a slice that comes later never counted as lost before."""
    rng = np.random.default_rng(seed)
    sent = [f for f in range(COUNT)[::turn] if f not in holes]
    order = np.argsort(np.arange(len(sent)) + rng.uniform(0, 30, len(sent)))
    progress = Progress(COUNT, 64)
    for place in order:
        assert sent[place] not in progress.passed(surely=True)
        progress.note(sent[place])


@pytest.mark.parametrize("turn", [1, -1])
def test_what_others_have_passed_long_ago_is_lost_also_before_the_first_that_came(turn):
    sent = [f for f in range(COUNT)[::turn] if f not in (0, 199, 50, 150, 101)]
    assert lost((0, 199, 50, 150, 101), sent[:64]) == []
    found = lost((0, 199, 50, 150, 101), sent[:150])
    assert found == ([0, 50] if turn == 1 else [150, 199])
    progress = Progress(COUNT, 64)
    for frame in sent[:60]:
        progress.note(frame)
    expected = {0, 50} if turn == 1 else {199, 150}
    assert {0, 199, 50, 150, 101} & set(progress.passed(surely=False)) == expected


def test_nothing_is_passed_before_anything_came():
    progress = Progress(COUNT, 4)
    assert not progress.passed(surely=False) and not progress.passed(surely=True)
    progress.note(0)
    assert list(progress.passed(surely=False)) == []


def test_the_margin_leaves_most_of_the_memory_to_what_waits_for_the_answer():
    assert margin(1, 10**9) == 64
    assert margin(8 * 2**20, 10**9) == 29
    assert margin(2**30, 10**9) == 4


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("tcp://127.0.0.1:5602", True),
        ("tcp://127.3.2.1:1", True),
        ("tcp://localhost:5602", True),
        ("tcp://[::1]:5602", True),
        ("tcp://RECON.lan:77", True),
        ("tcp://10.0.0.7:5602", True),
        ("tcp://10.0.0.8:5602", False),
        ("tcp://127.0.0.1.evil.org:5602", False),
        ("tcp://127.0.0.1", False),
        ("tcp://127.0.0.1:0", False),
        ("tcp://127.0.0.1:65536", False),
        ("tcp://127.0.0.1:*", False),
        ("tcp://user@127.0.0.1:5602", False),
        ("tcp://127.0.0.1:5602;tcp://10.0.0.9:1", False),
        ("ipc:///tmp/x", False),
        ("inproc://x", False),
        ("pgm://127.0.0.1:5602", False),
        (" tcp://127.0.0.1:5602", False),
    ],
)
def test_a_header_may_name_this_machine_or_that_of_the_slices(address, allowed):
    feeds = FeedSettings(slices=("tcp://recon.LAN:5601", "tcp://10.0.0.7:5601"))
    assert (why_not(address, feeds) == "") is allowed


def test_a_list_allows_what_is_in_it_and_nothing_else():
    feeds = FeedSettings(resend=("tcp://far.org:5602",))
    recovery = Recovery(feeds)
    assert recovery.address(start((3, 3, 3), resend="tcp://far.org:5602")) == "tcp://far.org:5602"
    with pytest.raises(BadMessage, match=r"127.0.0.1:5602', which is not one of feeds.resend"):
        recovery.address(start((3, 3, 3), resend="tcp://127.0.0.1:5602"))
    assert recovery.addresses == ("tcp://far.org:5602",)


def test_addresses_of_headers_are_remembered_the_newest():
    recovery = Recovery(FeedSettings())
    assert recovery.addresses == () and recovery.address(start((3, 3, 3))) == ""
    for port in range(1, MAX_ADDRESSES + 3):
        recovery.address(start((3, 3, 3), resend=f"tcp://127.0.0.1:{port}"))
    recovery.address(start((3, 3, 3), resend="tcp://127.0.0.1:4"))
    assert recovery.addresses == tuple(f"tcp://127.0.0.1:{port}" for port in (3, 5, 6, 4))


def test_off_asks_nobody():
    recovery = Recovery(FeedSettings(resend="off"))
    assert recovery.address(start((3, 3, 3), resend="tcp://10.9.8.7:1")) == ""
    assert recovery.addresses == ()


def test_scans_without_a_header_are_remembered_until_it_comes_and_not_too_many():
    recovery = Recovery(FeedSettings())
    recovery.miss(Unknown("A", "s", 0), ended=True)
    recovery.miss(Unknown("A", "s", 0))
    recovery.miss(Unknown("A", "s", 1))
    assert recovery.found(start((3, 3, 3))) is True
    assert recovery.found(start((3, 3, 3), scan=1)) is False
    assert recovery.found(replace(start((3, 3, 3), scan=1))) is None
    for scan in range(40):
        recovery.miss(Unknown("A", "s", scan))
    assert [one.scan for one in recovery.unknown] == list(range(40 - MAX_UNKNOWN, 40))
