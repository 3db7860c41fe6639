"""OME-Zarr while it is written: a slice is complete once all files of its layer are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from monitor.sources.folder.files import Changes, Stat
from monitor.sources.folder.growing import Progress
from monitor.sources.volumes.ome_zarr import OmeZarr


class ZarrFolder:
    """The folder of one image; its shape is known from the start."""

    def __init__(self, name: str, path: Path, changes: Changes) -> None:
        self.name = name
        self.path = path
        self.sources: set[Path] = set()
        self.lacking = ""
        self._changes = changes
        self.begin_again(0)

    def glance(self) -> Hashable:
        first = self._volume.files(0)[0] if self._volume is not None else self.path
        return self._changes.stat(first)

    def files(self) -> Mapping[Path, Stat | None]:
        if (volume := self._volume) is None:
            return {}
        files = (file for layer in volume.layers for file in volume.files(layer))
        return {file: self._stats.get(file) for file in files}

    def begin_again(self, after_ns: int) -> None:
        self._after_ns = self._newest_ns = after_ns
        self._complete = 0
        self._stats: dict[Path, Stat | None] = {}
        self._volume: OmeZarr | None = None

    def progress(self) -> Progress | None:
        self.lacking = ""
        volume = self._volume = OmeZarr(self.path)
        nz, ny, nx = volume.shape
        first = volume.files(0)[0]
        while self._complete < len(volume.layers):
            files = volume.files(self._complete)
            settled = [self._changes.is_settled(file, self._after_ns) for file in files]
            if not all(settled):
                self.lacking = volume.lacks(self._complete)
                break
            self._complete += 1
            self._stats |= {file: self._changes.stat(file) for file in files}
            self._newest_ns = max(self._newest_ns, self._changes.newest_ns(files))
        if not all(self._changes.is_settled(file, self._after_ns) for file in volume.files(0)):
            return None
        return Progress(
            (ny, nx),
            volume.dtype,
            range(min(nz, self._complete * volume.depth)),
            first_file=first,
            first_ns=self._changes.newest_ns([first]),
            newest_ns=self._newest_ns,
            total=nz,
            in_place=volume.filled_in_part,
            written=not volume.filled_in_part,
            fill=volume.fill,
            voxel_size_um=volume.voxel_size_um,
        )

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        volume = OmeZarr(self.path)
        step = int(volume.array.chunks[0])
        for _, group in groupby(indices, key=lambda index: index // step):
            wanted = list(group)
            slab = volume.slab(wanted[0], wanted[-1] + 1)
            yield from (slab[index - wanted[0]] for index in wanted)
