"""What readers of files say of their formats, for help, errors and `doctor`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HEAD_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Software:
    """A module that some files of a format need; `extra` of pitwatch installs it.

    If several distributions have a module of this name, only `distribution` will do, from version
    `least` on; `else_lacking` says what the others do not read.
    """

    module: str
    files: str
    extra: str
    distribution: str = ""
    least: str = ""
    else_lacking: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """`files` says how its files are recognised, by suffixes for example; `least` is what a file
    must hold to be used."""

    name: str
    files: str
    least: str = ""
    software: Software | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.files})"


class Reader(Protocol):
    """What modules that read a format have in common."""

    @property
    def FORMAT(self) -> Format: ...

    def recognises(self, path: Path, head: bytes) -> bool:
        """Whether a file of this path, which begins with `head`, is one of this format."""
        ...


def listed(readers: Iterable[Reader]) -> str:
    """`HDF5 (.h5, .nx), TIFF (.tif) or …`, in the order of the readers."""
    *first, last = [str(reader.FORMAT) for reader in readers]
    return f"{', '.join(first)} or {last}" if first else last


def head_of(path: Path) -> bytes:
    """The first bytes of a file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def one_line(error: Exception) -> str:
    """What a library says is wrong with a file."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def is_pattern(path: Path) -> bool:
    """Whether the last part of a path is a pattern such as `name_*.tiff`, and no file's name."""
    return any(sign in path.name for sign in "*?[") and not path.exists()
