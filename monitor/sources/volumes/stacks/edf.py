"""EDF, the ESRF data format: one image in a file, behind a header of text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.volumes.planes import PlaneKind

SUFFIXES = (".edf",)
BLOCK = 512
MOST_HEADER = 2**20
END = re.compile(rb"}\r?\n")
DTYPES = {
    "signedbyte": "i1", "signed8": "i1", "unsignedbyte": "u1", "unsigned8": "u1",
    "signedshort": "i2", "signed16": "i2", "unsignedshort": "u2", "unsigned16": "u2",
    "unsignedshortinteger": "u2", "signedinteger": "i4", "signedlong": "i4", "signed32": "i4",
    "unsignedinteger": "u4", "unsignedlong": "u4", "unsigned32": "u4", "signed64": "i8",
    "unsigned64": "u8", "float": "f4", "floatvalue": "f4", "real": "f4", "float32": "f4",
    "floatieee32": "f4", "double": "f8", "doublevalue": "f8", "floatieee64": "f8",
    "doubleieee64": "f8",
}  # fmt: skip
"""Types as fabio and ESRF programs name them."""
ORDERS = {"lowbytefirst": "<", "highbytefirst": ">"}


class EdfFile:
    """Reads files of one slice each."""

    def kind(self, path: Path) -> tuple[PlaneKind, bool]:
        """What the image is, and that it is not compressed. Raises SourceError for a file that is
        not complete, or is not one plain image."""
        names, offset = _header(path)
        dtype = DTYPES.get(names.get("datatype", "").lower())
        order = ORDERS.get(names.get("byteorder", "").lower())
        sides = [names.get("dim_2", ""), names.get("dim_1", "")]
        if dtype is None or order is None or not all(side.isdigit() for side in sides):
            raise SourceError(
                f"{path}: DataType is {names.get('datatype')}, ByteOrder {names.get('byteorder')}, "
                f"Dim_2 and Dim_1 are {sides}; expected an image as EDF describes it"
            )
        if names.get("compression", "none").lower() not in ("none", "nocompression"):
            raise SourceError(f"{path}: is compressed; save it without compression")
        for entry, plain in (("edf_binaryfilename", ""), ("dim_3", "1")):
            if names.get(entry, plain) != plain:
                raise SourceError(
                    f"{path}: {entry.upper()} is {names[entry]}, expected one image of two "
                    "dimensions behind its header; save each slice so"
                )
        kind = PlaneKind((int(sides[0]), int(sides[1])), np.dtype(order + dtype))
        size, there = kind.dtype.itemsize * kind.shape[0] * kind.shape[1], path.stat().st_size
        if not size or there - offset < size:
            raise SourceError(
                f"{path}: its plane is incomplete: {there - offset} of {size} bytes; the file is "
                "damaged or cut short: copy it again"
            )
        if there - offset >= size + BLOCK:
            raise SourceError(
                f"{path}: contains more than one image, or {there - offset - size} bytes too many; "
                "a stack has one image per file"
            )
        return kind, False

    def plane(self, path: Path) -> NDArray[Any]:
        """The image, (ny, nx)."""
        kind, _ = self.kind(path)
        _, offset = _header(path)
        count = kind.shape[0] * kind.shape[1]
        return np.fromfile(path, kind.dtype, count, offset=offset).reshape(kind.shape)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Its entries, with names in lower case, and where the image begins: the header ends with the
    first `}` before a line break."""
    try:
        with path.open("rb") as file:
            text = b""
            end = None
            while end is None and len(text) < MOST_HEADER and (block := file.read(BLOCK)):
                text += block
                end = END.search(text, max(0, len(text) - BLOCK - 2))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    if not text.lstrip().startswith(b"{") or end is None:
        raise SourceError(f"{path}: has no complete header of EDF; check the file")
    entries = text[: end.start()].decode("latin-1").lstrip().removeprefix("{").split(";")
    pairs = [entry.partition("=") for entry in entries]
    return {name.strip().lower(): value.strip() for name, _, value in pairs}, end.end()
