"""HDF5 files whose writer was killed, read as if they had been closed.

HDF5 opens these in SWMR mode only, and there it tries what is damaged up to 100 times, each time
after twice the pause: forever. Here the marks of the writer, which are in the first 48 bytes
(superblock of version 3, HDF5 file format specification, II.A), are not shown to it.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUPERBLOCK = struct.Struct("<8s4B4QI")
"""Signature; version, size of offsets, size of lengths, marks; base address, address of the
extension, end of the file, address of the root group; checksum."""
VERSION, OFFSET_BYTES = 3, 8
WRITING = 1 | 4
"""Marks: open for writing, and so in SWMR mode."""


def is_unclosed(path: Path) -> bool:
    """Whether a file's superblock says that a writer has it open, or had when it was killed. Raises
    OSError."""
    with path.open("rb") as file:
        return _closed(file.read(SUPERBLOCK.size), 0) is not None


def opened_unclosed(path: Path) -> h5py.File:
    """The file, to be closed by the caller. Raises OSError."""
    raw = _Closed(path)
    try:
        return h5py.File(raw, "r")
    except BaseException:
        raw.close()
        raise


class _Closed(io.FileIO):
    """The bytes of a file, but for the superblock."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r")
        self._path = path
        size = self.seek(0, io.SEEK_END)
        self.seek(0)
        head = super().read(SUPERBLOCK.size)
        self._head = _closed(head, size) or head

    def __del__(self) -> None:
        """h5py lets go of it when the file is closed, but does not close it."""
        self.close()

    def __repr__(self) -> str:
        """What h5py takes for the file's name."""
        return str(self._path)

    def readinto(self, buffer: Any) -> int:
        place = self.tell()
        count = super().readinto(buffer)
        shown = self._head[place : place + count]
        memoryview(buffer).cast("B")[: len(shown)] = shown
        return count


def _closed(head: bytes, size: int) -> bytes | None:
    """A superblock without marks, of a file of `size` bytes; None if there are none on it."""
    if len(head) < SUPERBLOCK.size:
        return None
    signature, version, offsets, lengths, marks, *places, _ = SUPERBLOCK.unpack(head)
    base, extension, _, root = places
    known = signature == SIGNATURE and version == VERSION and offsets == lengths == OFFSET_BYTES
    if not known or not marks & WRITING:
        return None
    body = SUPERBLOCK.pack(signature, version, offsets, lengths, 0, base, extension, size, root, 0)
    body = body[:-4]
    return body + struct.pack("<I", _checksum(body))


def _checksum(data: bytes) -> int:
    """Bob Jenkins' lookup3 (hashlittle, from 0), by which HDF5 guards its structure."""
    blocks = -(-len(data) // 12)
    words = struct.unpack(f"<{3 * blocks}I", data.ljust(12 * blocks, b"\0"))
    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    for at in range(0, len(words), 3):
        a, b, c = (
            (one + other) & 0xFFFFFFFF
            for one, other in zip((a, b, c), words[at : at + 3], strict=True)
        )
        a, b, c = _mixed(a, b, c) if at + 3 < len(words) else _last_mixed(a, b, c)
    return c


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for turn in (4, 6, 8, 16, 19, 4):
        a = ((a - c) ^ _turned(c, turn)) & 0xFFFFFFFF
        c = (c + b) & 0xFFFFFFFF
        a, b, c = b, c, a
    return a, b, c


def _last_mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for turn in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _turned(b, turn)) & 0xFFFFFFFF
        a, b, c = b, c, a
    return c, a, b


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & 0xFFFFFFFF
