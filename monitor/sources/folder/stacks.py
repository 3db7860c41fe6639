"""Stacks of numbered files while they are written, one slice in each."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.folder.files import Changes, Stat
from monitor.sources.folder.growing import Progress, Times, acquisition
from monitor.sources.volumes.planes import PlaneKind
from monitor.sources.volumes.stacks.slice_files import NUMBERED, form_of, slice_file, voxel_size_of

TIME = re.compile(r"^[ \t]*(start_time|end_time)[ \t]*=(.*)$", re.MULTILINE)
INFOS = "_infos.txt"


class Numbered(dict[int, Path]):
    """Files by their numbers; `twice` is one whose number another file has too."""

    twice: Path | None = None

    def add(self, number: int, path: Path) -> None:
        if number in self:
            self.twice = path
        self[number] = path


class Stack:
    """Numbered files with one slice each. nabu writes `{name}_infos.txt` when it has ended."""

    def __init__(self, name: str, files: Numbered, infos: Path, changes: Changes) -> None:
        self.name = name
        self.sources: set[Path] = set()
        self.lacking = ""
        self._files = files
        self._infos = infos
        self._changes = changes
        self._reader = slice_file(next(iter(files.values())))
        self.begin_again(0)

    def update(self, files: Numbered) -> None:
        """The files that there are now, by the numbers in their names."""
        self._files = files

    def glance(self) -> Hashable:
        first = self._files[min(self._files)]
        return len(self._files), self._changes.stat(first), self._changes.stat(self._infos)

    def files(self) -> Mapping[Path, Stat | None]:
        return {path: self._complete.get(path) for path in self._files.values()}

    def begin_again(self, after_ns: int) -> None:
        self._after_ns = self._newest_ns = after_ns
        self._complete: dict[Path, Stat | None] = {}
        self._kind: PlaneKind | None = None
        self._encoded = True

    def progress(self) -> Progress | None:
        self.lacking = ""
        if (twice := self._files.twice) is not None:
            raise SourceError(f"{twice}: another file has the same number; keep one of the two")
        begins = min(self._files)
        first = self._files[begins]
        if not self._changes.is_settled(first, self._after_ns):
            self.lacking = f"{first} is {self._changes.unsettled(first)}"
            return None
        if self._changes.stat(first) != self._complete.get(first):
            self._complete.pop(first, None)  # it is written again, and may not be complete
        ready = [
            number - begins for number in sorted(self._files) if self._whole(self._files[number])
        ]
        if self._kind is None or not ready:
            return None
        finished = self._changes.is_settled(self._infos, self._newest_ns - 1)
        voxel, notes = voxel_size_of(first, self._infos.name.removesuffix(INFOS))
        return Progress(
            self._kind.shape,
            self._kind.dtype,
            ready,
            first_file=first,
            first_ns=self._changes.newest_ns([first]),
            newest_ns=self._newest_ns,
            finished=finished,
            written=self._encoded,
            begins_at=begins,
            voxel_size_um=voxel,
            times=acquired(self._infos) if finished else None,
            notes=notes,
        )

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        begins = min(self._files)
        for index in indices:
            yield self._reader.plane(self._files[begins + index])

    def _whole(self, path: Path) -> bool:
        """Whether the file is a complete slice. It is looked into until it is."""
        if path in self._complete or not self._changes.is_settled(path, self._after_ns):
            return path in self._complete
        try:
            kind, encoded = self._reader.kind(path)
        except MissingSoftware:
            raise
        except SourceError as error:
            self.lacking = str(error)
            return False
        self._kind = self._kind or kind
        if self._kind != kind:
            raise SourceError(
                f"{path}: is {kind}, the stack began with {self._kind}; planes of one volume must "
                "be alike"
            )
        self._encoded = self._encoded and encoded
        self._complete[path] = self._changes.stat(path)
        self._newest_ns = max(self._newest_ns, self._changes.newest_ns([path]))
        return True


def acquired(infos: Path) -> Times | None:
    """Begin and end of the acquisition in nabu's text."""
    found = dict(TIME.findall(infos.read_text("utf-8", "replace")))
    return acquisition(found.get("start_time", ""), found.get("end_time", ""))


def stacks_in(files: Sequence[Path]) -> dict[tuple[str, str, str], Numbered]:
    """Files with a number in their names, by what is before and behind it, and their format."""
    stacks: dict[tuple[str, str, str], Numbered] = {}
    for path in files:
        if (match := NUMBERED.fullmatch(path.name)) is not None:
            key = (match[1], match[3], form_of(match[4]))
            stacks.setdefault(key, Numbered()).add(int(match[2]), path)
    return stacks
