"""Which slices of a volume that is being written are sent now, and which wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.errors import SourceError
from monitor.sources.folder.growing import Progress
from monitor.sources.folder.slices import complete_planes
from monitor.sources.folder.stacks import Stack

GREY, BLANK = np.arange(6, dtype=np.uint16).reshape(2, 3), np.zeros((2, 3), np.uint16)


@dataclass
class Volume(Stack):
    """Slices in memory: `G` is grey, `0` blank, `x` damaged."""

    content: str

    def planes(self, indices: Sequence[int]) -> Iterator[Any]:
        for index in indices:
            if self.content[index] == "x":
                raise SourceError(f"slice {index} is damaged")
            yield GREY if self.content[index] == "G" else BLANK


def sent(content: str, done: bool = False, first: int = 0, **known: Any) -> list[int]:
    """Indices of the slices from `first` on that are complete."""
    now = Progress((2, 3), GREY.dtype, range(len(content)), Path(), 0, 0, **known)
    indices = range(first, len(content))
    planes = complete_planes(Volume(content), now, indices, done, lambda text: None)
    return [index for index, _ in planes]


@pytest.mark.parametrize("content", ["GGG", "00G", "0GG", "G0G"])
def test_slices_before_one_that_is_not_blank_are_complete(content: str) -> None:
    assert sent(content) == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "now"),
    [("000", []), ("G00", []), ("GG0", [0]), ("G0G0", []), ("GGGG00", [0, 1, 2])],
)
def test_a_volume_that_ends_blank_may_be_filled_later(content: str, now: list[int]) -> None:
    """The last that is not blank may be half written."""
    assert sent(content) == now
    assert sent(content, done=True) == list(range(len(content)))
    assert sent(content, written=True) == list(range(len(content)))


def test_blank_slices_at_the_end_wait_for_what_follows() -> None:
    assert sent("GGG00", first=3) == []
    assert sent("GGG00G", first=3) == [3, 4, 5]


def test_a_damaged_last_slice_does_not_keep_the_others() -> None:
    now = Progress((2, 3), GREY.dtype, range(3), Path(), 0, 0)
    planes = complete_planes(Volume("GGx"), now, range(3), False, lambda text: None)
    assert [next(planes)[0], next(planes)[0]] == [0, 1]
    with pytest.raises(SourceError, match="slice 2 is damaged"):
        next(planes)
