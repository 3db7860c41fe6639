"""Slices in any order come out as the same runs, or leave honest holes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.arrival.assembly import Arrival, Assembly
from monitor.records import SliceFrame
from tests.core.phantom import start

COUNT = 70
SIZE = 12


def frame(index):
    return SliceFrame("A", 0, "s", index, index, np.full((3, 4), index, np.uint8))


def fed(order, memory=10**9, *, drain=True):
    """Arrivals, and all slices as they left: (index of the first, indices in the run)."""
    assembly = Assembly(start((COUNT, 3, 4), dtype="uint8"), memory)
    arrivals, left = [], []
    for index in order:
        arrivals.append(assembly.add(frame(index)))
        if drain:
            left += assembly.runs()
    left += assembly.runs(last=True)
    runs = [(first, [int(image[0, 0]) for image in images]) for first, images in left]
    return assembly, arrivals, runs


@settings(max_examples=60)
@given(st.permutations(range(COUNT)), st.lists(st.integers(0, COUNT - 1), max_size=10))
def test_any_order_with_repeats_leaves_whole_slabs_in_order(order, repeats):
    shuffled = list(order)
    for place, index in enumerate(repeats):
        shuffled.insert(7 * place, index)
    assembly, arrivals, runs = fed(shuffled)
    assert [z for _, run in runs for z in run] == list(range(COUNT))
    assert all(first == run[0] for first, run in runs)
    # the kernels' groups of 16 are the same in every order
    assert all(first % 16 == 0 for first, _ in runs)
    assert arrivals.count(Arrival.REPEAT) == len(repeats)
    assert assembly.ledger.all()
    assert assembly.missing == 0


@settings(max_examples=60)
@given(st.permutations(range(COUNT)), st.integers(1, COUNT - 1))
def test_what_never_came_is_a_hole(order, cut):
    assembly, _, runs = fed(order[:cut])
    assert sorted(z for _, run in runs for z in run) == sorted(order[:cut])
    assert [z for _, run in runs for z in run] == sorted(order[:cut])
    assert list(np.flatnonzero(assembly.ledger)) == sorted(order[:cut])
    assert (assembly.received, assembly.missing) == (cut, COUNT - cut)
    for first, run in runs:
        assert run == list(range(first, first + len(run)))


@settings(max_examples=60)
@given(st.permutations(range(COUNT)), st.integers(2, 20))
def test_memory_is_bounded_whatever_comes(order, kept):
    assembly = Assembly(start((COUNT, 3, 4), dtype="uint8"), kept * SIZE)
    used, late = [], 0
    for index in order:
        late += assembly.add(frame(index)) is Arrival.LATE
        for first, images in assembly.runs():
            used += range(first, first + len(images))
        assert not assembly.full
    used += [
        z for first, images in assembly.runs(last=True) for z in range(first, first + len(images))
    ]
    assert used == sorted(set(used))
    assert len(used) + late == COUNT
    assert set(np.flatnonzero(assembly.ledger)) == set(used)
    assert assembly.late == late


@pytest.mark.parametrize("waiting", [0, 1, 3, 4])
def test_a_slice_for_a_gap_that_was_given_up_is_late(waiting):
    """Four slices wait, however little memory there is."""
    _, arrivals, runs = fed([1, 2, 3, 4, 5, 0, 6], memory=waiting * SIZE)
    assert arrivals == [Arrival.NEW] * 5 + [Arrival.LATE, Arrival.NEW]
    assert [z for _, run in runs for z in run] == [1, 2, 3, 4, 5, 6]


def test_a_gap_is_filled_while_four_slices_wait():
    _, arrivals, runs = fed([1, 2, 3, 4, 0, 5], memory=0)
    assert arrivals == [Arrival.NEW] * 6
    assert [z for _, run in runs for z in run] == [0, 1, 2, 3, 4, 5]


def test_contiguous_counts_from_the_first_slice():
    assembly = Assembly(start((COUNT, 3, 4), dtype="uint8"), 10**9)
    seen = []
    for index in (1, 2, 0, 4, 3):
        assembly.add(frame(index))
        seen.append(assembly.contiguous)
    assert seen == [0, 0, 3, 3, 5]


def test_vertical_slices_leave_in_order_at_once():
    assembly = Assembly(start((9, COUNT, 4), axis="y", dtype="uint8"), 10**9)
    for index in (5, 2, 9):
        assembly.add(frame(index))
    assert [y for y, _ in assembly.vertical()] == [2, 5, 9]
    assert assembly.vertical() == []
    assert not assembly.full


@settings(max_examples=60)
@given(st.permutations(range(COUNT)), st.integers(2, 40), st.booleans())
def test_no_gap_is_given_up_without_being_pressed_before(order, kept, sparing):
    assembly = Assembly(start((COUNT, 3, 4), dtype="uint8"), kept * SIZE)
    for index in order:
        pressed, walked = assembly.memory_pressure, assembly._next
        assembly.add(frame(index))
        assembly.runs(sparing=sparing)
        gaps = np.flatnonzero(assembly.ledger[walked : assembly._next] == 0)
        assert pressed or not gaps.size


def test_it_is_not_pressed_where_nothing_is_missing():
    """However full: while no grey levels are known, everything waits."""
    assembly = Assembly(start((COUNT, 3, 4), dtype="uint8"), 20 * SIZE)
    for index in range(60):
        assembly.add(frame(index))
        assert not assembly.memory_pressure
        assembly.runs(sparing=True)
    assembly.add(frame(61))
    for index in range(62, COUNT):
        assembly.add(frame(index))
        assembly.runs(sparing=True)
    assert assembly.ledger[60] == 0


def test_recovered_slices_are_marked_and_what_was_passed_is_not_wanted_any_more():
    assembly = Assembly(start((COUNT, 3, 4), dtype="uint8"), 10 * SIZE)
    assert list(assembly.wanted) == list(range(COUNT))
    assembly.add(replace(frame(1), recovered=True))
    assembly.add(frame(3))
    assembly.runs()
    assert list(assembly.ledger[:4]) == [0, 2, 0, 1]
    assert list(assembly.wanted) == [0, 2, *range(4, COUNT)]
    for index in range(4, 14):  # memory is full: the gaps are given up
        assembly.add(frame(index))
        assembly.runs()
    assert list(assembly.wanted) == list(range(14, COUNT))
