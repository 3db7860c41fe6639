"""JPEG 2000: one image in a file."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.formats import one_line
from monitor.sources.volumes.planes import PlaneKind

SUFFIXES = (".jp2",)
HEAD_BYTES = 4096
BOX_BYTES = 8
"""Of the head of a box; a length of 0 stands for all that is left of the file."""
END = b"\xff\xd9"
"""The marker that ends a codestream (ISO/IEC 15444-1, annex A)."""
TYPES = {7: "u1", 15: "u2"}
"""By the entry `BPC` of the image header: bits of a pixel less one, without a sign."""


class Jpeg2000File:
    """Reads files of one slice each."""

    def kind(self, path: Path) -> tuple[PlaneKind, bool]:
        """What the image is, and that it is compressed. Raises SourceError for a file that is not
        complete, or is not grey levels of 8 or 16 bits."""
        try:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
                file.seek(max(0, _end_of_image(file) - len(END)))
                end = file.read(len(END))
        except OSError as error:
            raise SourceError(
                f"{path}: cannot be read ({error.strerror}); check the file"
            ) from None
        place = head.find(b"ihdr") + 4
        if place < 4 or len(head) < place + 11:
            raise SourceError(f"{path}: has no header of JPEG 2000 (JP2); check the file")
        ny, nx, channels, bits = struct.unpack_from(">IIHB", head, place)
        if end != END:
            raise SourceError(
                f"{path}: its plane is incomplete; the file is damaged or cut short: copy it again"
            )
        if channels != 1 or bits not in TYPES or 0 in (ny, nx):
            raise SourceError(
                f"{path}: has {channels} channels of {(bits & 0x7F) + 1} bits"
                f"{' with a sign' if bits & 0x80 else ''}, expected grey levels of 8 or 16 bits "
                "without a sign"
            )
        return PlaneKind((ny, nx), np.dtype(TYPES[bits])), True

    def plane(self, path: Path) -> NDArray[Any]:
        """The image, (ny, nx). Raises MissingSoftware without imagecodecs."""
        try:
            import imagecodecs
        except ImportError:
            raise MissingSoftware(
                f'{path}: is compressed with JPEG 2000, which needs imagecodecs: run "pip install '
                "'pitwatch[tiff]'\", or write another format"
            ) from None
        try:
            plane: NDArray[Any] = imagecodecs.jpeg2k_decode(path.read_bytes())
        except (OSError, imagecodecs.Jpeg2kError) as error:
            raise SourceError(
                f"{path}: its plane cannot be read ({one_line(error)}); the file is damaged or cut "
                "short: copy it again"
            ) from None
        return plane


def _end_of_image(file: BinaryIO) -> int:
    """Where the box of the codestream ends (annex I.4); others may be behind it, with metadata."""
    end, kind = 0, b""
    size = file.seek(0, os.SEEK_END)
    while kind != b"jp2c" and end < size:
        file.seek(end)
        length, kind = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
        end = end + length if length >= BOX_BYTES else size
    return end
