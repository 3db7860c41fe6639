"""When files of a volume that was sent are read again, and how many are looked at in a poll."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.sources.folder import later_changes
from monitor.sources.folder.files import Changes, Stat
from monitor.sources.folder.growing import Progress
from monitor.sources.folder.later_changes import LaterChange, LaterChanges
from monitor.sources.folder.slices import checksum
from monitor.sources.folder.state import SentVolume
from tests.sources.folder.test_state import VOLUME

NZ = 5


class Stack:
    """Files with one slice each; counts the slices that are read."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.read, self.sources = name, 0, set[Path]()
        self.paths = [folder / f"{name}_{index}.raw" for index in range(NZ)]
        self.write(1)

    def write(self, seed: int) -> None:
        data = np.random.default_rng(seed).integers(0, 99, (NZ, 4), "u1")
        data[0] = 7
        for path, plane in zip(self.paths, data, strict=True):
            path.write_bytes(plane.tobytes())
        self.touch(seed)

    def touch(self, time_ns: int) -> None:
        for path in self.paths:
            os.utime(path, ns=(time_ns, time_ns))

    def sent(self) -> SentVolume:
        known = replace(VOLUME, name=self.name, shape=(NZ, 1, 4), ended=True)
        for index, plane in enumerate(self.planes(range(NZ))):
            known = known.with_slice(index, checksum(plane))
        self.read = 0
        return known

    def glance(self) -> None: ...

    def begin_again(self, after_ns: int) -> None: ...

    def files(self) -> Mapping[Path, Stat | None]:
        return {path: (4, path.stat().st_mtime_ns) for path in self.paths}

    def progress(self) -> Progress:
        return Progress((1, 4), np.dtype("u1"), range(NZ), self.paths[0], 0, 0)

    def planes(self, indices: Sequence[int]) -> Iterator[Any]:
        for index in indices:
            self.read += 1
            yield np.fromfile(self.paths[index], "u1")


class Watch:
    """Polls of some stacks, with what is found kept as `publish-folder` keeps it."""

    def __init__(self, *stacks: Stack) -> None:
        self.changes = Changes()
        self.later = LaterChanges(self.changes, ())
        self.sent = {stack.name: (stack, stack.sent()) for stack in stacks}

    def poll(self) -> list[LaterChange]:
        self.changes.next_poll()
        found = list(self.later.poll(list(self.sent.values())))
        for change in found:
            stack, known = self.sent[change.known.name]
            self.sent[change.known.name] = (stack, replace(known, files=change.files))
        return found


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path, "a")


def test_a_change_counts_once_two_polls_in_a_row_have_found_it(stack: Stack) -> None:
    watch = Watch(stack)
    assert [len(watch.poll()) for _ in range(4)] == [0, 1, 0, 0]
    for time_ns in (50, 60, 50, 60, 50):  # as two servers of a network file system might say
        stack.touch(time_ns)
        assert watch.poll() == [] and stack.read == 0
    (change,) = watch.poll()
    assert change.why == "" and stack.read == NZ
    assert watch.poll() == watch.poll() == [] and stack.read == NZ


def test_other_pixels_are_reported_by_the_first_slice_that_differs(stack: Stack) -> None:
    watch = Watch(stack)
    watch.poll(), watch.poll()
    stack.write(2)
    assert watch.poll() == []
    (change,) = watch.poll()
    assert change.why == "slice 1 is not the one that was sent" and stack.read == 2
    assert watch.poll() == watch.poll() == [], "reported once"


def test_slices_that_were_not_read_are_not_compared(stack: Stack) -> None:
    watch = Watch(stack)
    watch.poll(), watch.poll()
    known = replace(watch.sent["a"][1], checksums="-" * 8 * NZ)
    watch.sent["a"] = (stack, known)
    stack.write(2)
    assert [watch.poll() for _ in range(4)] == [[]] * 4 and stack.read == 0


def test_reading_goes_on_in_the_next_poll_when_the_time_is_over(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(stack)
    watch.poll(), watch.poll()
    stack.touch(99)
    watch.poll()
    times = iter(range(10**6))
    monkeypatch.setattr(later_changes.time, "monotonic", lambda: float(next(times)))
    monkeypatch.setattr(later_changes, "READING_S", 1.5)
    found: list[LaterChange] = []
    for poll in range(1, NZ + 1):
        assert found == [] and stack.read == poll - 1
        found = watch.poll()
    assert [change.why for change in found] == [""] and stack.read == NZ


def test_volumes_take_turns_if_there_are_too_many_files_for_one_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later_changes, "FILES_A_POLL", NZ)
    watch = Watch(*(Stack(tmp_path, name) for name in "abc"))
    found = [change.known.name for _ in range(6) for change in watch.poll()]
    assert found == ["a", "b", "c"]


def test_files_that_change_while_they_are_read_are_not_reported(stack: Stack) -> None:
    watch = Watch(stack)
    watch.poll(), watch.poll()
    stack.write(2)
    watch.poll()
    read = stack.planes

    def planes(indices: Sequence[int]) -> Iterator[Any]:
        stack.touch(1000 + stack.read)
        return read(indices)

    stack.planes = planes  # type: ignore[method-assign]
    assert watch.poll() == []
    stack.planes = read  # type: ignore[method-assign]
    assert watch.poll() == []
    (change,) = watch.poll()
    assert change.why
