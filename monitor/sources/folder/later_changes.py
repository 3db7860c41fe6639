"""Volumes that have been sent: whether their files were written again, with other pixels.

Sizes and times of all files are compared from poll to poll, some thousand at a time. A change
counts once two looks in a row have found the same; the slices are then read again and compared with
the checksums of what was sent. A file that was only touched, copied or written again with the same
pixels is therefore not reported.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from monitor.errors import PitwatchError
from monitor.sources.folder.files import Changes, Stat
from monitor.sources.folder.growing import Growing
from monitor.sources.folder.slices import checksum
from monitor.sources.folder.state import SentVolume

FILES_A_POLL = 2000
READING_S = 0.2
"""Time in one poll for reading slices again: new slices are not kept waiting longer."""
TRIES = 30
"""Files that cannot be read are still being written, but not after so many looks."""
INCOMPLETE = (PitwatchError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class LaterChange:
    """The files of a volume as they are now, and in what they differ from what was sent, "" if they
    do not."""

    known: SentVolume
    files: int
    why: str


@dataclass(slots=True)
class _Look:
    """One volume, as far as its files have been looked at. `before`: what the look before found;
    `indices` of slices still to be compared, `None` if none are."""

    files: Sequence[Path]
    found: list[tuple[str, Stat | None]] = field(default_factory=list)
    before: int | None = None
    indices: list[int] | None = None
    failed: int = 0

    def begin(self, files: Sequence[Path]) -> None:
        """Looks at the files from the first on."""
        self.files, self.found, self.indices = files, [], None


class LaterChanges:
    """Looks at the volumes that have been sent, in turn."""

    def __init__(self, changes: Changes, begun: Sequence[SentVolume]) -> None:
        """`begun`: volumes of which an earlier process has sent slices."""
        self._changes = changes
        self._unwatched = {(known.name, known.version) for known in begun if known.slices}
        self._looks: dict[tuple[str, int], _Look] = {}
        self._last = ""

    def poll(self, sent: Sequence[tuple[Growing, SentVolume]]) -> Iterator[LaterChange]:
        """What has been found out in this poll. Each is found once, if `files` is then kept in the
        volume; that of a volume that has just been sent is what its files are compared with."""
        names = [known.name for _, known in sent]
        begin = names.index(self._last) + 1 if self._last in names else 0
        files_left, end = FILES_A_POLL, time.monotonic() + READING_S
        for volume, known in [*sent[begin:], *sent[:begin]]:
            if files_left <= 0 or time.monotonic() >= end:
                return
            self._last = known.name
            place = (known.name, known.version)
            if place not in self._looks:
                self._looks[place] = _Look(list(volume.files()))
            look = self._looks[place]
            if look.indices is None:
                files_left -= self._look(look, files_left)
                if len(look.found) < len(look.files):
                    continue
            change = self._judged(look, volume, known, end)
            if look.indices is None:
                look.begin(list(volume.files()))
            if change is not None:
                yield change

    def _look(self, look: _Look, most: int) -> int:
        """Sizes and times of the next files; returns how many."""
        files = look.files[len(look.found) : len(look.found) + most]
        look.found += [(path.name, self._changes.stat(path)) for path in files]
        return len(files)

    def _judged(
        self, look: _Look, volume: Growing, known: SentVolume, end: float
    ) -> LaterChange | None:
        """None as long as nothing is known, or nothing has changed."""
        if look.indices is None:
            stats = [stat for _, stat in look.found if stat is not None]
            now = _signature(look.found)
            if now == known.files or len(stats) < len(look.found) or not stats:
                look.before = None
                return None
            if now != look.before:
                look.before = now
                return None
            if known.files is None and self._is_as_sent(known, look, volume):
                return LaterChange(known, now, "")
        return self._compared(look, volume, known, end)

    def _is_as_sent(self, known: SentVolume, look: _Look, volume: Growing) -> bool:
        """Whether a volume that has just been sent needs no look at its slices: none of many files
        has changed since its slices were sent. What happened between two processes is not known."""
        if (known.name, known.version) in self._unwatched:
            return False
        then = list(volume.files().values())
        return len(then) == 1 or then == [stat for _, stat in look.found]

    def _compared(
        self, look: _Look, volume: Growing, known: SentVolume, end: float
    ) -> LaterChange | None:
        """Reads slices until they differ, are all compared, or the time is over."""
        try:
            why = self._difference(look, volume, known, end)
        except INCOMPLETE as error:
            look.failed += 1
            why = str(error) if look.failed >= TRIES else None
            look.indices = None
        if look.indices and not why:
            return None
        look.indices = None
        if why is None or (now := _signature_now(volume.files())) != look.before:
            return None  # still being written
        look.failed = 0
        return LaterChange(known, now, why)

    def _difference(
        self, look: _Look, volume: Growing, known: SentVolume, end: float
    ) -> str | None:
        """ "" as long as no slice differs; None if there is no slice to compare."""
        if look.indices is None:
            now = volume.progress()
            there = [] if now is None else [*now.ready, *now.maybe]
            look.indices = [index for index in there if known.checksum(index) is not None]
            if not look.indices:
                return None
        for plane in volume.planes(tuple(look.indices)):
            index = look.indices.pop(0)
            if checksum(plane) != known.checksum(index):
                return f"slice {index} is not the one that was sent"
            if time.monotonic() >= end:
                break
        return ""


def _signature(found: Sequence[tuple[str, Stat | None]]) -> int:
    return zlib.crc32(repr(found).encode())


def _signature_now(files: Iterable[Path]) -> int:
    """Of the files at this moment, not as this poll has found them before."""
    found: list[tuple[str, Stat | None]] = []
    for path in files:
        with suppress(OSError):
            stat = path.stat()
            found.append((path.name, (stat.st_size, stat.st_mtime_ns)))
    return _signature(found)
