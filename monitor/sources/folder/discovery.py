"""Which volumes are in a folder, whatever their formats."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from monitor.sources.folder.files import Changes, files_below
from monitor.sources.folder.growing import Growing
from monitor.sources.folder.hdf5_files import Hdf5File, Hdf5Parts, parts_in
from monitor.sources.folder.stacks import Stack, stacks_in
from monitor.sources.volumes.hdf5 import SUFFIXES as HDF5

HISTOGRAM = "histogram_*"
"""nabu's files with numbers of grey levels, beside a volume."""


class Discovery:
    """Finds volumes, and keeps what is known of them from one poll to the next."""

    def __init__(self, folders: Sequence[Path], pattern: str, changes: Changes) -> None:
        self._folders = folders
        self._pattern = pattern
        self._changes = changes
        self._volumes: dict[str, Growing] = {}

    def volumes(self) -> list[Growing]:
        """In natural order. Raises OSError if one of the folders cannot be listed."""
        found: dict[str, Growing] = {}
        for root in self._folders:
            for folder, files in files_below(root):
                for volume in self._in_folder(root, folder, files):
                    found[volume.name] = volume
        self._volumes = found
        parts = {source for volume in found.values() for source in volume.sources}
        return [
            volume
            for volume in found.values()
            if not isinstance(volume, Hdf5File) or volume.path.resolve() not in parts
        ]

    def _in_folder(self, root: Path, folder: Path, files: Sequence[Path]) -> list[Growing]:
        found: list[Growing] = []
        if parts := parts_in(folder, files):
            name = self._name(root, folder)
            if self._wanted(name):
                found.append(self._parts(name, folder, parts))
        for path in files:
            if path in parts.values() or path.suffix.lower() not in HDF5:
                continue
            name = self._name(root, path.with_suffix(""))
            if self._wanted(name) and not fnmatch(path.name, HISTOGRAM):
                known = self._volumes.get(name)
                found.append(
                    known if isinstance(known, Hdf5File) else Hdf5File(name, path, self._changes)
                )
        for (before, behind), stack in stacks_in(folder, files).items():
            label = before.rstrip("_-. ") + behind.rstrip("_-. ")
            name = self._name(root, folder / label if label else folder)
            if self._wanted(name):
                found.append(self._stack(name, folder, before, stack))
        return found

    def _parts(self, name: str, folder: Path, parts: dict[int, Path]) -> Growing:
        known = self._volumes.get(name)
        if isinstance(known, Hdf5Parts):
            known.update(parts)
            return known
        master = folder.with_name(folder.name + next(iter(parts.values())).suffix)
        return Hdf5Parts(name, parts, master, self._changes)

    def _stack(self, name: str, folder: Path, before: str, files: dict[int, Path]) -> Growing:
        known = self._volumes.get(name)
        if isinstance(known, Stack):
            known.update(files)
            return known
        infos = folder / f"{before.rstrip('_')}_infos.txt"
        return Stack(name, files, infos, self._changes)

    def _name(self, root: Path, path: Path) -> str:
        """From the watched folder on, which is told apart from the others by its own name."""
        within = path.relative_to(root).as_posix()
        if len(self._folders) == 1:
            return root.name if within == "." else within
        return root.name if within == "." else f"{root.name}/{within}"

    def _wanted(self, name: str) -> bool:
        return fnmatch(name, self._pattern) or fnmatch(name.rpartition("/")[2], self._pattern)
