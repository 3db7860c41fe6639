"""Files of one slice each, in any of the formats that stacks are made of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.volumes import tiff
from monitor.sources.volumes.planes import PlaneKind
from monitor.sources.volumes.stacks import edf, jpeg2000
from monitor.sources.volumes.stacks.edf import EdfFile
from monitor.sources.volumes.stacks.jpeg2000 import Jpeg2000File
from monitor.sources.volumes.tiff_pages import decoded, grey_pages, opened, tagged_voxel_size
from monitor.sources.volumes.voxel_size import Size, from_infos

SUFFIXES = (*tiff.SUFFIXES, *edf.SUFFIXES, *jpeg2000.SUFFIXES)
NUMBERED = re.compile(r"(.*?)(\d+)(\D*)\.(tiff?|edf|jp2)", re.IGNORECASE | re.DOTALL)
"""A name, the number of the slice, what may be behind it, as in `rec_0007_crop.tif`, and the
format."""


class SliceFile(Protocol):
    """Reads files of one slice each."""

    def kind(self, path: Path) -> tuple[PlaneKind, bool]:
        """What the slice is, and whether it is compressed. Raises SourceError for a file that is
        not complete or holds something else, MissingSoftware for a codec."""
        ...

    def plane(self, path: Path) -> NDArray[Any]:
        """The slice, (ny, nx). Raises SourceError, MissingSoftware."""
        ...


class TiffFile:
    """Reads files of one slice each; one of each codec is decoded when it is looked at."""

    def __init__(self) -> None:
        self._codecs: set[tuple[int, int]] = set()

    def kind(self, path: Path) -> tuple[PlaneKind, bool]:
        with opened(path) as tif:
            planes, kind, _ = grey_pages(tif, path, self._codecs)
            if len(planes) != 1:
                raise SourceError(
                    f"{path}: has {len(planes)} pages; a stack has one plane per file"
                )
            return kind, int(tif.pages[planes[0]].compression) != 1

    def plane(self, path: Path) -> NDArray[Any]:
        with opened(path) as tif:
            planes, _, _ = grey_pages(tif, path, self._codecs)
            return decoded(tif.pages[planes[0]], planes[0], path)


def slice_file(path: Path) -> SliceFile:
    """By its suffix, which is one of SUFFIXES."""
    if path.suffix.lower() in edf.SUFFIXES:
        return EdfFile()
    return Jpeg2000File() if path.suffix.lower() in jpeg2000.SUFFIXES else TiffFile()


def form_of(suffix: str) -> str:
    """One text for all suffixes of a format."""
    return "tif" if suffix.lower().startswith("tif") else suffix.lower()


def voxel_size_of(path: Path, name: str) -> tuple[Size | None, tuple[str, ...]]:
    """From `{name}_infos.txt` beside the first file of a stack, otherwise from its own tags; and
    lines for the operator."""
    if path.suffix.lower() in tiff.SUFFIXES:
        with opened(path) as tif:
            return tagged_voxel_size(path, name, tif)
    return from_infos(path.with_name(f"{name}_infos.txt")), ()
