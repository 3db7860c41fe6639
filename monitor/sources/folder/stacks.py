"""Stacks of numbered files while they are written, one slice in each."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.folder.files import Changes
from monitor.sources.folder.growing import Progress, Times, acquisition
from monitor.sources.volumes.tiff_pages import decoded, grey_pages, opened, tagged_voxel_size
from monitor.sources.volumes.voxel_size import Size

NUMBERED = re.compile(r"(.*?)(\d+)(\D*)\.tiff?", re.IGNORECASE | re.DOTALL)
TIME = re.compile(r"^\s*(start_time|end_time)\s*=\s*(.*)$", re.MULTILINE)


class Stack:
    """Numbered files with one slice each. nabu writes `{name}_infos.txt` when it has ended."""

    def __init__(self, name: str, files: dict[int, Path], infos: Path, changes: Changes) -> None:
        self.name = name
        self.sources: set[Path] = set()
        self._files = files
        self._infos = infos
        self._changes = changes
        self._codecs: set[tuple[int, int]] = set()
        self.begin_again(0)

    def update(self, files: dict[int, Path]) -> None:
        """The files that there are now, by the numbers in their names."""
        self._files = files

    def glance(self) -> Hashable:
        first = self._files[min(self._files)]
        return len(self._files), self._changes.stat(first), self._changes.stat(self._infos)

    def begin_again(self, after_ns: int) -> None:
        self._after_ns = self._newest_ns = after_ns
        self._complete: set[Path] = set()
        self._kind: tuple[tuple[int, int], np.dtype[Any]] | None = None
        self._encoded = True

    def progress(self) -> Progress | None:
        begins = min(self._files)
        if not self._changes.is_settled(self._files[begins], self._after_ns):
            return None
        ready = [
            number - begins for number in sorted(self._files) if self._whole(self._files[number])
        ]
        if self._kind is None or not ready:
            return None
        finished = self._changes.is_settled(self._infos, self._newest_ns - 1)
        return Progress(
            *self._kind,
            ready,
            first_file=self._files[begins],
            first_ns=self._changes.newest_ns([self._files[begins]]),
            newest_ns=self._newest_ns,
            finished=finished,
            written=self._encoded,
            begins_at=begins,
            voxel_size_um=self._voxel_size(begins),
            times=_acquired(self._infos) if finished else None,
        )

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        begins = min(self._files)
        for index in indices:
            path = self._files[begins + index]
            with opened(path) as tif:
                planes, _, _ = grey_pages(tif, path, self._codecs)
                yield decoded(tif.pages[planes[0]], planes[0], path)

    def _whole(self, path: Path) -> bool:
        """Whether the file is a complete slice. It is looked into until it is."""
        if path in self._complete or not self._changes.is_settled(path, self._after_ns):
            return path in self._complete
        try:
            with opened(path) as tif:
                planes, kind, _ = grey_pages(tif, path, self._codecs)
                encoded = int(tif.pages[planes[0]].compression) != 1
        except SourceError:
            return False
        self._kind = self._kind or (kind.shape, kind.dtype)
        if self._kind != (kind.shape, kind.dtype) or len(planes) != 1:
            raise SourceError(
                f"{path}: is {kind} with {len(planes)} pages, the stack began with one page of "
                f"{self._kind[0]} {self._kind[1]}; planes of one volume must be alike"
            )
        self._encoded = self._encoded and encoded
        self._complete.add(path)
        self._newest_ns = max(self._newest_ns, self._changes.newest_ns([path]))
        return True

    def _voxel_size(self, begins: int) -> Size | None:
        path = self._files[begins]
        with opened(path) as tif:
            return tagged_voxel_size(path, self._infos.name.removesuffix("_infos.txt"), tif)[0]


def _acquired(infos: Path) -> Times | None:
    """Begin and end of the acquisition in nabu's text."""
    found = dict(TIME.findall(infos.read_text("utf-8", "replace")))
    return acquisition(found.get("start_time", ""), found.get("end_time", ""))


def stacks_in(folder: Path, files: Sequence[Path]) -> dict[tuple[str, str], dict[int, Path]]:
    """Files with a number in their names, by what is before and behind it."""
    stacks: dict[tuple[str, str], dict[int, Path]] = {}
    for path in files:
        if (match := NUMBERED.fullmatch(path.name)) is not None:
            stacks.setdefault((match[1], match[3]), {})[int(match[2])] = path
    return stacks
