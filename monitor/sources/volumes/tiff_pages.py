"""Pages of a TIFF file, each looked at before it is used: tifffile fills what is missing with
zeros, and stops without an error where the chain of pages breaks."""

from __future__ import annotations

import json
import logging
import math
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from monitor.errors import MissingSoftware, PitwatchError, SourceError
from monitor.sources.formats import one_line
from monitor.sources.volumes.planes import PlaneKind
from monitor.sources.volumes.voxel_size import (
    Size,
    from_imagej,
    from_infos,
    from_ome,
    from_resolution,
)

MAX_TAGS = 4096
MAX_NAMED = 4
FIRST_OFFSET = 8
SMALLEST_REST = 512
"""Writers leave some bytes between the values of tags."""
REDUCED_OR_MASK = 0b101
"""Bits of NewSubfileType: a preview, a transparency mask."""
BAD_COPY = "the file is damaged or cut short: copy it again"

# What tifffile warns of is checked here, and said in one line.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


@contextmanager
def opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """The file; whatever is raised because it is damaged becomes one SourceError."""
    try:
        with tifffile.TiffFile(path) as tif:
            yield tif
    except PitwatchError:
        raise
    except Exception as error:
        raise SourceError(
            f"{path}: cannot be read as TIFF ({one_line(error)}); check the file"
        ) from None


def grey_pages(
    tif: tifffile.TiffFile, path: Path, codecs: set[tuple[int, int]]
) -> tuple[list[int], PlaneKind, list[int]]:
    """Indices of the planes, what they are, and indices of previews, which are left out.

    Every page is looked at: grey levels in one shape and type, all data inside the file, none
    twice, in a codec that is installed; one page of each that is not among `codecs` is decoded.
    Raises SourceError, and MissingSoftware for a codec.
    """
    _check_chain(tif, path)
    planes: list[int] = []
    previews: list[int] = []
    segments: list[tuple[int, int, int]] = []
    others: list[tuple[int, int]] = []
    kind: PlaneKind | None = None
    for index in range(len(tif.pages)):
        page = tif.pages[index]
        others += _tags(page, tif.tiff)
        for smaller in _pyramid(page):
            others += _tags(smaller, tif.tiff)
            others += list(zip(smaller.dataoffsets, smaller.databytecounts, strict=False))
        if int(page.subfiletype) & REDUCED_OR_MASK:
            previews.append(index)
            others += list(zip(page.dataoffsets, page.databytecounts, strict=False))
            continue
        now = _kind(page, index, path)
        kind = kind or now
        if now != kind:
            raise SourceError(
                f"{path}: page {index} is {now}, page {planes[0]} is {kind}; planes of one volume "
                "must be alike: save the volume alone"
            )
        planes.append(index)
        segments += _segments(page, index, path)
        if (codec := (int(page.compression), int(page.predictor))) not in codecs:
            codecs.add(codec)
            decoded(page, index, path)
    if kind is None:
        raise SourceError(f"{path}: contains no plane, expected a volume with one page per plane")
    _check_apart(segments, others, path)
    _check_told(tif, planes, path)
    _check_rest(segments, others, path)
    return planes, kind, previews


def decoded(page: Any, index: int, path: Path) -> NDArray[Any]:
    """The pixels of a page. Raises SourceError that names it, MissingSoftware for its codec."""
    try:
        plane: NDArray[Any] = page.asarray()
    except Exception as error:  # decoders raise whatever they like
        if "imagecodecs" in str(error):
            name = getattr(page.compression, "name", str(page.compression))
            how, other = f"is compressed with {name}", "without compression"
            if int(page.compression) == 1:
                how, other = (
                    f"has {page.bitspersample} bits per pixel",
                    "with 8 or 16 bits per pixel",
                )
            raise MissingSoftware(
                f"{path}: page {index} {how}, which needs imagecodecs: run "
                f"\"pip install 'pitwatch[tiff]'\", or save the file {other}"
            ) from None
        raise SourceError(
            f"{path}: {_which(page, index)} cannot be read ({one_line(error)}); {BAD_COPY}"
        ) from None
    return plane


def _which(page: Any, index: int) -> str:
    return "its plane" if len(page.parent.pages) == 1 else f"slice {index}"


def _check_chain(tif: tifffile.TiffFile, path: Path) -> None:
    """Each page says where the next one is: every one must lie in the file, and none come twice."""
    file, form = tif.filehandle, tif.tiff
    size = path.stat().st_size

    def number(form: str, offset: int, length: int) -> int:
        file.seek(offset)
        data = file.read(length)
        if len(data) < length:
            raise _broken(path, len(seen))
        return int(struct.unpack(form, data)[0])

    seen: set[int] = set()
    offset = number(form.offsetformat, 4 if form.version == 42 else 8, form.offsetsize)
    while offset:
        tags = number(form.tagnoformat, offset, form.tagnosize)
        after = offset + form.tagnosize + tags * form.tagsize
        if offset in seen or not 0 < tags <= MAX_TAGS or after + form.offsetsize > size:
            raise _broken(path, len(seen))
        seen.add(offset)
        offset = number(form.offsetformat, after, form.offsetsize)
    if len(seen) != len(tif.pages):
        raise SourceError(
            f"{path}: has {len(seen)} pages, {len(tif.pages)} can be read; {BAD_COPY}"
        )


def _broken(path: Path, pages: int) -> SourceError:
    return SourceError(f"{path}: the chain of pages breaks after page {pages}; {BAD_COPY}")


def _kind(page: Any, index: int, path: Path) -> PlaneKind:
    if int(page.photometric) == tifffile.PHOTOMETRIC.PALETTE:
        raise SourceError(
            f"{path}: page {index} has a colour palette, expected grey levels; save it as greyscale"
        )
    if page.samplesperpixel != 1 or int(page.photometric) > 1:
        raise SourceError(f"{path}: page {index} is a colour image, expected grey levels")
    if page.ndim != 2 or page.dtype is None or 0 in page.shape:
        raise SourceError(f"{path}: page {index} has the shape {page.shape}, expected (ny, nx)")
    return PlaneKind(tuple(page.shape), np.dtype(page.dtype))


def _segments(page: Any, index: int, path: Path) -> list[tuple[int, int, int]]:
    """(offset, bytes, page) of its strips or tiles, all of which must be there."""
    offsets, counts = page.dataoffsets, page.databytecounts
    expected = math.prod(page.chunked)
    size = path.stat().st_size
    for offset, count in zip(offsets, counts, strict=False):
        if not (offset >= FIRST_OFFSET and count > 0 and offset + count <= size):
            raise SourceError(f"{path}: {_which(page, index)} is incomplete; {BAD_COPY}")
    short = int(page.compression) == 1 and sum(counts) * 8 < math.prod(page.shape) * int(
        page.bitspersample
    )
    if len(offsets) != len(counts) or len(offsets) < expected or short:
        raise SourceError(f"{path}: {_which(page, index)} is incomplete; {BAD_COPY}")
    return [(int(o), int(n), index) for o, n in zip(offsets, counts, strict=True)]


def _pyramid(page: Any) -> list[Any]:
    """The same plane in fewer pixels, as OME and others write it for viewers (SubIFDs)."""
    return list(page.pages or ()) if page.subifds else []


def _tags(page: Any, form: Any) -> list[tuple[int, int]]:
    """(offset, bytes) of a page's list of tags and of their values."""
    size = form.tagnosize + len(page.tags) * form.tagsize + form.offsetsize
    values = [(tag.valueoffset, tag.valuebytecount) for tag in page.tags]
    return [(page.offset, size), *values]


def _check_apart(
    segments: list[tuple[int, int, int]], others: list[tuple[int, int]], path: Path
) -> None:
    """No two planes share bytes, nor does one with the tags."""
    segments.sort()
    for (offset, count, page), (after, _, other) in pairwise(segments):
        if offset + count > after:
            raise SourceError(
                f"{path}: slices {min(page, other)} and {max(page, other)} use the same bytes; "
                f"{BAD_COPY}"
            )
    starts = [offset for offset, _, _ in segments]
    for offset, count in others:
        before = bisect_left(starts, offset + count) - 1
        if before >= 0 and starts[before] + segments[before][1] > offset:
            raise SourceError(
                f"{path}: slice {segments[before][2]} and the list of pages use the same bytes; "
                f"{BAD_COPY}"
            )


def _check_rest(
    segments: list[tuple[int, int, int]], others: list[tuple[int, int]], path: Path
) -> None:
    """Bytes that belong to no page have no room for another one, unless they are empty: else the
    chain of pages ends too early."""
    sizes: dict[int, int] = {}
    for _, count, page in segments:
        sizes[page] = sizes.get(page, 0) + count
    room = max(min(sizes.values()), SMALLEST_REST)
    used = sorted([*(part[:2] for part in segments), *others, (path.stat().st_size, 0)])
    end = FIRST_OFFSET
    for offset, count in used if len(sizes) > 1 else ():
        if offset - end >= room:
            with path.open("rb") as file:
                file.seek(end)
                if any(file.read(room)):
                    raise SourceError(
                        f"{path}: has {len(sizes)} pages, and {offset - end} bytes that belong to "
                        f"no page; {BAD_COPY}"
                    )
        end = max(end, offset + count)


def _check_told(tif: tifffile.TiffFile, planes: list[int], path: Path) -> None:
    """How many planes ImageJ or tifffile say that they wrote, if they say it."""
    told = 0
    for index in planes:
        page = tif.pages[index]
        shape = _shaped(page)
        told += math.prod(shape[:-2]) if len(shape) >= 2 else 0
    if tif.is_imagej:
        told = int((tif.imagej_metadata or {}).get("images", 1))
    if len(planes) > 1 and told > len(planes):
        raise SourceError(f"{path}: has {len(planes)} pages of {told}; {BAD_COPY}")


def _shaped(page: Any) -> list[int]:
    """The shape that tifffile has put into the description of the first page of each array."""
    text = page.description
    if not text.startswith("{"):
        return []
    try:
        return [int(size) for size in json.loads(text).get("shape", [])]
    except (ValueError, TypeError, AttributeError):
        return []


def named(things: Sequence[object]) -> str:
    """The first few of them."""
    more = ", …" if len(things) > MAX_NAMED else ""
    return ", ".join(str(thing) for thing in things[:MAX_NAMED]) + more


def tagged_voxel_size(
    path: Path, name: str, tif: tifffile.TiffFile
) -> tuple[Size | None, tuple[str, ...]]:
    """And lines for the operator of what its tags leave open."""
    size, note = _voxel_size(path, name, tif)
    notes = (note,) if note else ()
    if int(tif.pages[0].photometric) == tifffile.PHOTOMETRIC.MINISWHITE:
        notes = (
            *notes,
            "is marked as a negative (MinIsWhite): grey levels are used as stored, the largest is "
            "the brightest; if that is wrong, invert and save it again",
        )
    return size, tuple(f"{path}: {line}" for line in notes)


def _voxel_size(path: Path, name: str, tif: tifffile.TiffFile) -> tuple[Size | None, str]:
    """And a line if the size along z is not in the file, or the size may be there by chance."""
    if (size := from_infos(path.with_name(f"{name}_infos.txt"))) is not None:
        return size, ""
    page = tif.pages[0]
    per_pixel = _per_pixel(page)
    if tif.is_imagej:
        told = dict(tif.imagej_metadata or {})
        size = from_imagej(told, per_pixel)
        if size is None or "spacing" in told:
            return size, ""
        return size, (
            f"voxel size {size[2]:.4g} µm, assumed along z too: ImageJ's description has no "
            "spacing; set another with --voxel-um"
        )
    if tif.is_ome:
        return from_ome(tif.ome_metadata or ""), ""
    unit = page.tags.valueof(296, 2)
    size = from_resolution(int(unit), per_pixel)
    if size is None:
        return None, ""
    return size, (
        f"voxel size {size[0]:.4g} µm from its resolution tags, assumed along z too; set another "
        "with --voxel-um"
    )


def _per_pixel(page: Any) -> tuple[float, float] | None:
    """Sides (y, x) of a pixel in the unit of its resolution."""
    sides = []
    for tag in (283, 282):
        value = page.tags.valueof(tag)
        if not isinstance(value, tuple) or len(value) != 2 or not all(value):
            return None
        sides.append(value[1] / value[0])
    return (sides[0], sides[1])
