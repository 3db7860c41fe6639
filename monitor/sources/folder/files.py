"""Files that are still being written: which are complete, their order, and the numbers in names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

MOST_DEEP = 6
"""Folders within folders that are looked into."""
TOO_LARGE = 10_000
"""An engine adds this to the number of a scan that is made again."""

_DIGITS = re.compile(r"(\d+)")
_NUMBER = re.compile(r"(?<![\d.])\d+(?![\d.]|[A-Za-zµ])")
"""A whole number that is not part of a length or an energy, as in `0.65um` or `40keV`."""

Stat = tuple[int, int]
"""Bytes, and the time of the last change in ns."""


class Changes:
    """What files looked like when they were last polled.

    Files of a network file system are polled: it sends no events, and what one machine writes is
    visible on another after seconds.
    """

    def __init__(self) -> None:
        self._now: dict[Path, Stat] = {}
        self._before: dict[Path, Stat] = {}

    def next_poll(self) -> None:
        """Begins a poll. Files that the poll before did not look at are forgotten."""
        self._before, self._now = self._now, {}

    def stat(self, path: Path) -> Stat | None:
        """As it is in this poll; None for a file that does not exist or cannot be read."""
        if path not in self._now:
            with suppress(OSError):
                found = path.stat()
                self._now[path] = (found.st_size, found.st_mtime_ns)
        return self._now.get(path)

    def is_settled(self, path: Path, after_ns: int = 0) -> bool:
        """Whether it holds something that was written after `after_ns`, and has not changed since
        the poll before."""
        now = self.stat(path)
        return (
            now is not None and now[0] > 0 and now[1] > after_ns and self._before.get(path) == now
        )

    def unsettled(self, path: Path) -> str:
        """What may keep a file from being settled."""
        now = self.stat(path)
        return "missing" if now is None else "being written" if now[0] else "empty"

    def newest_ns(self, paths: Iterable[Path]) -> int:
        """When the newest of the files changed, 0 without one."""
        return max((stat[1] for path in paths if (stat := self.stat(path))), default=0)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key for the natural order: `scan_2` is before `scan_10`."""
    return tuple(
        (1, int(part), part) if part.isdigit() else (0, 0, part)
        for part in _DIGITS.split(name)
        if part
    )


def number_in(name: str) -> int | None:
    """The last whole number in the name of a volume, if it can be the number of a scan."""
    found = _NUMBER.findall(name)
    return int(found[-1]) if found and int(found[-1]) < TOO_LARGE else None


def files_below(
    folder: Path, is_leaf: Callable[[Path], bool], deep: int = MOST_DEEP
) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder and its files, in natural order, hidden ones left out; of a leaf only itself.
    Raises OSError if `folder` itself cannot be listed."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: natural(entry.name))
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    yield folder, [Path(entry) for entry in entries if not entry.is_dir()]
    if not deep or is_leaf(folder):
        return
    for below in [Path(entry) for entry in entries if entry.is_dir()]:
        with suppress(OSError):
            yield from files_below(below, is_leaf, deep - 1)
