"""Volumes in TIFF: one file with many pages, or one file a plane."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.volumes.planes import Planes
from monitor.sources.volumes.tiff_pages import BAD_COPY, PageKind, decoded, grey_pages, opened
from monitor.sources.volumes.voxel_size import (
    Size,
    from_imagej,
    from_infos,
    from_ome,
    from_resolution,
)

SUFFIXES = (".tif", ".tiff")
NUMBERED = re.compile(r"(.*?)(\d+)(\D*)\.tiff?", re.IGNORECASE)
"""A name, the number of the slice, and what may stand behind it, as in `rec_0007_crop.tif`."""
PREVIEW = re.compile(r"preview|thumb|projection|mip\b|snapshot|screenshot", re.IGNORECASE)
DEPTH_AXES = "ZIQ"
"""What tifffile calls the axis of planes: z, or planes of which nothing is said."""
MISNAMED = {"C": "channels", "T": "times"}
"""So tifffile calls planes whose axes nobody named, in the layouts of ImageJ and OME."""
MOST_CHANNELS = 4
MAX_NAMED = 4


def open_tiff(path: Path) -> Planes:
    """The volume in a TIFF file with one page a plane, whatever series the pages are in.

    Voxel size from `{name}_infos.txt`, ImageJ, OME or the resolution, in this order. Raises
    SourceError for what is no volume of grey levels in the order (z, y, x), or not whole;
    MissingSoftware for a codec that is not installed.
    """
    with opened(path) as tif:
        planes, kind, previews = grey_pages(tif, path, set())
        encoded = [int(tif.pages[index].compression) != 1 for index in planes]
        voxel, notes = _voxel_size(path, path.stem, tif)
    if previews:
        notes = (*notes, f"{path}: left out as previews: pages {_named(previews)}")
    with opened(path) as tif:
        notes += tuple(filter(None, (_check_axes(s, path) for s in tif.series if s.ndim != 2)))
        planes, shape, offset = _order(tif, path, planes, kind)
    dtype = kind.dtype
    if offset is not None:
        dtype = dtype.newbyteorder(tif.byteorder)
        return Planes(shape, dtype, voxel, lambda: _mapped(path, dtype, offset, shape), notes=notes)
    return Planes(
        shape,
        dtype,
        voxel,
        lambda: _pages(path, planes),
        depth=int(all(encoded)),
        encoded=any(encoded),
        notes=notes,
    )


def open_stack(files: list[Path], what: str) -> Planes:
    """The volume in numbered single-page files, in their natural order.

    Hidden files, previews and files without a number are left out, and told. Voxel size as in
    `open_tiff`. Raises SourceError if the files belong to several stacks, if a number is missing
    between the first and the last, or if a file is not whole.
    """
    files, left_out = _one_stack(files, what)
    kind: PageKind | None = None
    encoded: list[bool] = []
    codecs: set[tuple[int, int]] = set()
    for file in files:
        with opened(file) as tif:
            planes, now, _ = grey_pages(tif, file, codecs)
            if len(planes) != 1:
                raise SourceError(f"{file}: has {len(planes)} pages; a stack has one plane a file")
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
        voxel, notes = _voxel_size(files[0], match[1].rstrip("_") if match else "", tif)
    if left_out:
        named = _named([file.name for file in left_out])
        notes = (*notes, f"{what}: left out, no slices of the stack: {named}")
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


def _named(things: Sequence[object]) -> str:
    more = ", …" if len(things) > MAX_NAMED else ""
    return ", ".join(str(thing) for thing in things[:MAX_NAMED]) + more


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
            raise SourceError(f"{what}: number {after} is there twice ({file.name}); keep one")
        if after != before + 1:
            raise SourceError(
                f"{what}: after number {before} comes {after}; restore the missing files"
            )
    return [file for _, file in numbered], left_out


def _order(
    tif: tifffile.TiffFile, path: Path, planes: list[int], kind: PageKind
) -> tuple[list[int], tuple[int, int, int], int | None]:
    """Pages in the order z and the volume's shape; for one page that stands for many planes, as
    ImageJ writes beyond 4 GB, where they begin in the file."""
    many = [series for series in tif.series if series.ndim != 2]
    if len(planes) > 1:
        if tif.is_ome:
            planes = _ome_order(tif, path, planes)
        return planes, (len(planes), *kind.shape), None
    if not many:
        raise SourceError(
            f"{path}: holds one plane, expected a volume; give the folder of the stack, or a "
            "quoted pattern such as 'name_*.tiff'"
        )
    nz, ny, nx = many[0].shape
    offset = many[0].dataoffset
    size = nz * ny * nx * kind.dtype.itemsize
    if offset is None or offset + size > path.stat().st_size:
        raise SourceError(f"{path}: has 1 page of {nz}; {BAD_COPY}")
    return planes, (nz, ny, nx), offset


def _check_axes(series: Any, path: Path) -> str:
    """A line for the operator if planes are taken for slices though they are called otherwise."""
    axes = series.axes
    if len(axes) == 3 and axes[1:] == "YX" and axes[0] in DEPTH_AXES:
        return ""
    if len(axes) == 3 and axes[1:] == "YX" and axes[0] in MISNAMED:
        count = series.shape[0]
        if count > MOST_CHANNELS:
            return (
                f"{path}: its {count} planes are called {MISNAMED[axes[0]]}: taken as slices in z"
            )
    odd = ", ".join(f"{axis} ({MISNAMED[axis]})" for axis in axes if axis in MISNAMED)
    raise SourceError(
        f"{path}: holds {series.shape} with the axes {axes}{f', {odd}' if odd else ''}; expected "
        "one volume (nz, ny, nx) with the axes ZYX: save it so"
    )


def _ome_order(tif: tifffile.TiffFile, path: Path, planes: list[int]) -> list[int]:
    """OME-XML says which page is which plane, in any order, and in other files too."""
    if len(tif.series) != 1:
        raise SourceError(f"{path}: holds {len(tif.series)} images, expected one volume")
    pages = list(tif.series[0].pages)
    order = [-1 if page is None else int(page.index) for page in pages]
    elsewhere = any(page is not None and page.parent is not tif for page in pages)
    if elsewhere or sorted(order) != sorted(planes):
        raise SourceError(
            f"{path}: OME-XML tells of {len(order)} planes, {len(planes)} are in this file; "
            "restore the others, and save all in one file"
        )
    return order


def _voxel_size(
    path: Path, name: str, tif: tifffile.TiffFile
) -> tuple[Size | None, tuple[str, ...]]:
    """And a line for the operator, if it comes from a tag that is often set by chance."""
    if (size := from_infos(path.with_name(f"{name}_infos.txt"))) is not None:
        return size, ()
    page = tif.pages[0]
    per_pixel = _per_pixel(page)
    if tif.is_imagej:
        return from_imagej(dict(tif.imagej_metadata or {}), per_pixel), ()
    if tif.is_ome:
        return from_ome(tif.ome_metadata or ""), ()
    unit = page.tags.valueof(296, 2)
    size = from_resolution(int(unit), per_pixel)
    if size is None:
        return None, ()
    return size, (
        f"{path}: voxel size {size[0]:.4g} µm from its resolution tags, taken to hold along z "
        "too; give another with --voxel-um",
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


def _pages(path: Path, planes: list[int]) -> Iterator[NDArray[Any]]:
    with opened(path) as tif:
        for index in planes:
            yield decoded(tif.pages[index], index, path)


def _mapped(
    path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, int, int]
) -> Iterator[NDArray[Any]]:
    yield from np.memmap(path, dtype, "r", offset, shape)


def _stack(files: list[Path], codecs: set[tuple[int, int]]) -> Iterator[NDArray[Any]]:
    for file in files:
        with opened(file) as tif:
            planes, _, _ = grey_pages(tif, file, codecs)
            yield decoded(tif.pages[planes[0]], planes[0], file)
