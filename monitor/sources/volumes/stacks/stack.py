"""Volumes in stacks of numbered files, one slice in each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.formats import Format, is_pattern
from monitor.sources.volumes.planes import PlaneKind, Planes
from monitor.sources.volumes.stacks.slice_files import (
    NUMBERED,
    SUFFIXES,
    SliceFile,
    form_of,
    slice_file,
    voxel_size_of,
)
from monitor.sources.volumes.tiff_pages import named

FORMAT = Format(
    "stack of TIFF, EDF or JPEG 2000", "a folder, or a quoted pattern such as 'name_*.tiff'"
)
PREVIEW = re.compile(r"preview|thumb|projection|mip\b|snapshot|screenshot", re.IGNORECASE)


def recognises(path: Path, head: bytes) -> bool:
    """A folder, or a pattern of names."""
    return path.is_dir() or is_pattern(path)


def read(path: Path, dataset: str) -> Planes:
    """The volume in numbered files of one slice each, in their natural order.

    Hidden files, previews and files without a number are left out, and reported. Voxel size as in
    `tiff.read`. Raises SourceError if the files belong to several stacks, if a number is missing
    between the first and the last, or if a file is not complete.
    """
    what = str(path)
    files, left_out = _one_stack(_found(path), what)
    reader = slice_file(files[0])
    kind: PlaneKind | None = None
    encoded: list[bool] = []
    for file in files:
        now, compressed = reader.kind(file)
        encoded.append(compressed)
        kind = kind or now
        if now != kind:
            raise SourceError(
                f"{file}: is {now}, the stack began with {kind}; planes of one volume must be alike"
            )
    if kind is None:
        raise SourceError("no files of a stack")
    match = NUMBERED.fullmatch(files[0].name)
    voxel, notes = voxel_size_of(files[0], match[1].rstrip("_") if match else "")
    if left_out:
        others = named([file.name for file in left_out])
        notes = (*notes, f"{what}: left out, not slices of the stack: {others}")
    shape = (len(files), *kind.shape)
    return Planes(
        shape,
        kind.dtype,
        voxel,
        lambda: _stack(files, reader),
        depth=int(all(encoded)),
        encoded=any(encoded),
        notes=notes,
    )


def _found(path: Path) -> list[Path]:
    folder, pattern = (path, "*") if path.is_dir() else (path.parent, path.name)
    files = [file for file in folder.glob(pattern) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise SourceError(
            f"{path}: contains no TIFF, EDF or JPEG 2000 file ({', '.join(SUFFIXES)}); check the "
            "path"
        )
    return files


def _one_stack(files: list[Path], what: str) -> tuple[list[Path], list[Path]]:
    """The files of the stack in their order, and those that do not belong to it."""
    stacks: dict[tuple[str, str, str], list[tuple[int, Path]]] = {}
    left_out: list[Path] = []
    for file in sorted(files):
        match = NUMBERED.fullmatch(file.name)
        if file.name.startswith(".") or match is None:
            left_out.append(file)
        else:
            stacks.setdefault((match[1], match[3], form_of(match[4])), []).append(
                (int(match[2]), file)
            )
    previews = [name for name in stacks if any(map(PREVIEW.search, name[:2]))]
    for name in previews if len(previews) < len(stacks) else ():
        left_out += [file for _, file in stacks.pop(name)]
    plain = [name for name in stacks if not name[1]]
    for name in [name for name in stacks if plain and name[1]]:
        left_out += [file for _, file in stacks.pop(name)]
    if len(stacks) > 1:
        patterns = ", ".join(
            f"'{name}*{tail}{stacks[name, tail, form][0][1].suffix}'"
            for name, tail, form in sorted(stacks)[:4]
        )
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


def _stack(files: list[Path], reader: SliceFile) -> Iterator[NDArray[Any]]:
    yield from map(reader.plane, files)
