"""Volumes in TIFF stacks: one file a plane, numbered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.formats import Format, is_pattern
from monitor.sources.volumes.planes import Planes
from monitor.sources.volumes.tiff import SUFFIXES
from monitor.sources.volumes.tiff_pages import (
    PageKind,
    decoded,
    grey_pages,
    named,
    opened,
    tagged_voxel_size,
)

FORMAT = Format("TIFF stack", "a folder, or a quoted pattern such as 'name_*.tiff'")
NUMBERED = re.compile(r"(.*?)(\d+)(\D*)\.tiff?", re.IGNORECASE)
"""A name, the number of the slice, and what may are behind it, as in `rec_0007_crop.tif`."""
PREVIEW = re.compile(r"preview|thumb|projection|mip\b|snapshot|screenshot", re.IGNORECASE)


def recognises(path: Path, head: bytes) -> bool:
    """A folder, or a pattern of names."""
    return path.is_dir() or is_pattern(path)


def read(path: Path, dataset: str) -> Planes:
    """The volume in numbered single-page files, in their natural order.

    Hidden files, previews and files without a number are left out, and reported. Voxel size as in
    `tiff.read`. Raises SourceError if the files belong to several stacks, if a number is missing
    between the first and the last, or if a file is not complete.
    """
    what = str(path)
    files, left_out = _one_stack(_found(path), what)
    kind: PageKind | None = None
    encoded: list[bool] = []
    codecs: set[tuple[int, int]] = set()
    for file in files:
        with opened(file) as tif:
            planes, now, _ = grey_pages(tif, file, codecs)
            if len(planes) != 1:
                raise SourceError(
                    f"{file}: has {len(planes)} pages; a stack has one plane per file"
                )
            encoded.append(int(tif.pages[planes[0]].compression) != 1)
        kind = kind or now
        if now != kind:
            raise SourceError(
                f"{file}: is {now}, the stack began with {kind}; planes of one volume must be alike"
            )
    if kind is None:
        raise SourceError("no files of a stack")
    with opened(files[0]) as tif:
        match = NUMBERED.fullmatch(files[0].name)
        voxel, notes = tagged_voxel_size(files[0], match[1].rstrip("_") if match else "", tif)
    if left_out:
        others = named([file.name for file in left_out])
        notes = (*notes, f"{what}: left out, not slices of the stack: {others}")
    shape = (len(files), *kind.shape)
    return Planes(
        shape,
        kind.dtype,
        voxel,
        lambda: _stack(files, codecs),
        depth=int(all(encoded)),
        encoded=any(encoded),
        notes=notes,
    )


def _found(path: Path) -> list[Path]:
    folder, pattern = (path, "*") if path.is_dir() else (path.parent, path.name)
    files = [file for file in folder.glob(pattern) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise SourceError(f"{path}: contains no TIFF file ({', '.join(SUFFIXES)}); check the path")
    return files


def _one_stack(files: list[Path], what: str) -> tuple[list[Path], list[Path]]:
    """The files of the stack in their order, and those that do not belong to it."""
    stacks: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    left_out: list[Path] = []
    for file in sorted(files):
        match = NUMBERED.fullmatch(file.name)
        if file.name.startswith(".") or match is None:
            left_out.append(file)
        else:
            stacks.setdefault((match[1], match[3]), []).append((int(match[2]), file))
    previews = [name for name in stacks if any(map(PREVIEW.search, name))]
    for name in previews if len(previews) < len(stacks) else ():
        left_out += [file for _, file in stacks.pop(name)]
    plain = [name for name in stacks if not name[1]]
    for name in [name for name in stacks if plain and name[1]]:
        left_out += [file for _, file in stacks.pop(name)]
    if len(stacks) > 1:
        suffix = files[0].suffix
        patterns = ", ".join(f"'{name}*{tail}{suffix}'" for name, tail in sorted(stacks)[:4])
        raise SourceError(f"{what}: holds {len(stacks)} stacks; name one by pattern: {patterns}")
    if not stacks:
        raise SourceError(f"{what}: {left_out[0].name} has no number; expected name_000000.tiff, …")
    (numbered,) = stacks.values()
    numbered.sort()
    for (before, _), (after, file) in pairwise(numbered):
        if after == before:
            raise SourceError(f"{what}: number {after} exists twice ({file.name}); keep one")
        if after != before + 1:
            raise SourceError(
                f"{what}: number {before} is followed by {after}; restore the missing files"
            )
    return [file for _, file in numbered], left_out


def _stack(files: list[Path], codecs: set[tuple[int, int]]) -> Iterator[NDArray[Any]]:
    for file in files:
        with opened(file) as tif:
            planes, _, _ = grey_pages(tif, file, codecs)
            yield decoded(tif.pages[planes[0]], planes[0], file)
