"""What was sent of a folder, kept in a small file, so that a restart continues with it."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from monitor.errors import SourceError
from monitor.sources.volumes.voxel_size import Size

VERSION = 1
DIGITS, UNREAD = 8, "-"
"""Of one checksum, and in place of one that is not known."""


@dataclass(frozen=True, slots=True)
class SentVolume:
    """One volume as it was announced, and how far it was sent.

    `scan`, `start_time`, `shape`, `dtype` and `voxel_size_um` identify it for the engine: they are
    the same after a restart. `slices`: how many were sent or left out, in their order; `checksums`:
    of these slices, as hexadecimal digits, which say whether the files were written again;
    `version` counts how often they were; `newest_ns`: when the newest of its files changed,
    `after_ns` that of the version before; `ended`: its end was sent; `files`: a checksum of the
    sizes and times of its files after that.
    """

    name: str
    scan: int
    reference: bool
    start_time: float
    stop_time: float
    shape: tuple[int, int, int]
    dtype: str
    voxel_size_um: Size | None
    begins_at: int
    after_ns: int = 0
    newest_ns: int = 0
    version: int = 0
    slices: int = 0
    checksums: str = ""
    ended: bool = False
    files: int | None = None

    def checksum(self, index: int) -> int | None:
        """That of a slice, None if it was not read."""
        digits = self.checksums[DIGITS * index : DIGITS * (index + 1)]
        return int(digits, 16) if digits.strip(UNREAD) else None

    def with_slice(self, index: int, checksum: int | None) -> SentVolume:
        """With this slice sent or left out. If it was sent before, its checksum stays."""
        checksums = self.checksums
        if len(checksums) <= DIGITS * index:
            digits = UNREAD * DIGITS if checksum is None else f"{checksum:0{DIGITS}x}"
            checksums = checksums.ljust(DIGITS * index, UNREAD) + digits
        return replace(self, slices=index + 1, checksums=checksums)


@dataclass(frozen=True, slots=True)
class SentFolder:
    """`run` is the run of all scans; volumes are in the order in which they began."""

    cell: str
    run: str = field(default_factory=lambda: str(uuid.uuid4()))
    volumes: tuple[SentVolume, ...] = ()
    format: int = VERSION

    def get(self, name: str) -> SentVolume | None:
        """The newest volume of this name."""
        return next((known for known in reversed(self.volumes) if known.name == name), None)

    def with_volume(self, volume: SentVolume) -> SentFolder:
        """With this volume in place of the same one, or at the end."""
        mine = (volume.name, volume.version)
        others = tuple(known for known in self.volumes if (known.name, known.version) != mine)
        if len(others) == len(self.volumes):
            return replace(self, volumes=(*self.volumes, volume))
        kept = (volume if (v.name, v.version) == mine else v for v in self.volumes)
        return replace(self, volumes=tuple(kept))


_FORMAT = TypeAdapter(SentFolder)


def read_state(path: Path, cell: str) -> SentFolder:
    """What is in the file, or a new run if there is none. Raises SourceError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return SentFolder(cell)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        state = _FORMAT.validate_json(text)
    except ValidationError:
        state = None
    if state is None or state.format != VERSION:
        raise SourceError(
            f"{path}: is not a list of what was sent; remove it to send all volumes as a new run"
        )
    if state.cell != cell:
        raise SourceError(
            f"{path}: belongs to cell {state.cell}, not to {cell}; name another file with --state"
        )
    return state


def write_state(path: Path, state: SentFolder) -> None:
    """Replaces the file at once, so that it is complete whenever the process ends. Raises
    SourceError."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(_FORMAT.dump_json(state, indent=1))
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise SourceError(
            f"{path}: cannot be written ({error.strerror}); name a file that can, with --state"
        ) from None
