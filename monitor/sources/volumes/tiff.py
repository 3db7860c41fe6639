"""Volumes in TIFF: one file with many pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.formats import Format, Software
from monitor.sources.volumes.planes import PlaneKind, Planes
from monitor.sources.volumes.tiff_pages import (
    BAD_COPY,
    decoded,
    grey_pages,
    named,
    opened,
    tagged_voxel_size,
)

SUFFIXES = (".tif", ".tiff")
HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
FORMAT = Format(
    "TIFF",
    ", ".join(SUFFIXES),
    software=Software("imagecodecs", "TIFF with LZW, JPEG and the like", "tiff"),
)
DEPTH_AXES = "ZIQ"
"""What tifffile calls the axis of planes: z, or planes without a name."""
MISNAMED = {"C": "channels", "T": "times"}
"""So tifffile calls planes whose axes nobody named, in the layouts of ImageJ and OME."""
MOST_CHANNELS = 4


def recognises(path: Path, head: bytes) -> bool:
    """By its suffix, or its first bytes."""
    return path.suffix.lower() in SUFFIXES or head[:4] in HEADS


def read(path: Path, dataset: str) -> Planes:
    """The volume in a TIFF file with one page a plane, whatever series the pages are in.

    Voxel size from `{name}_infos.txt`, ImageJ, OME or the resolution, in this order. Raises
    SourceError for what is not a volume of grey levels in the order (z, y, x), or not complete;
    MissingSoftware for a codec that is not installed.
    """
    with opened(path) as tif:
        planes, kind, previews = grey_pages(tif, path, set())
        encoded = [int(tif.pages[index].compression) != 1 for index in planes]
        voxel, notes = tagged_voxel_size(path, path.stem, tif)
    if previews:
        notes = (*notes, f"{path}: left out as previews: pages {named(previews)}")
    planes, axes_notes = in_order(path, planes)
    notes += axes_notes
    with opened(path) as tif:
        shape, offset = _shape(tif, path, planes, kind)
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


def in_order(path: Path, planes: list[int]) -> tuple[list[int], tuple[str, ...]]:
    """These pages in the order z, and lines for the operator. Raises SourceError for axes that are
    not those of one volume."""
    with opened(path) as tif:
        notes = tuple(filter(None, (_check_axes(s, path) for s in tif.series if s.ndim != 2)))
        if len(planes) > 1 and tif.is_ome:
            planes = _ome_order(tif, path, planes)
    return planes, notes


def _shape(
    tif: tifffile.TiffFile, path: Path, planes: list[int], kind: PlaneKind
) -> tuple[tuple[int, int, int], int | None]:
    """The volume's shape; for one page that stands for many planes, as ImageJ writes beyond 4 GB,
    where they begin in the file."""
    many = [series for series in tif.series if series.ndim != 2]
    if len(planes) > 1:
        return (len(planes), *kind.shape), None
    if not many:
        raise SourceError(
            f"{path}: contains one plane, expected a volume; give the folder of the stack, or a "
            "quoted pattern such as 'name_*.tiff'"
        )
    nz, ny, nx = many[0].shape
    offset = many[0].dataoffset
    size = nz * ny * nx * kind.dtype.itemsize
    if offset is None or offset + size > path.stat().st_size:
        raise SourceError(f"{path}: has 1 page of {nz}; {BAD_COPY}")
    return (nz, ny, nx), offset


def _check_axes(series: Any, path: Path) -> str:
    """A line for the operator if planes are taken for slices though they are called otherwise."""
    axes = series.axes
    if len(axes) == 3 and axes[1:] == "YX" and axes[0] in DEPTH_AXES:
        return ""
    if len(axes) == 3 and axes[1:] == "YX" and axes[0] in MISNAMED:
        count = series.shape[0]
        if count > MOST_CHANNELS:
            return (
                f"{path}: its {count} planes are called {MISNAMED[axes[0]]}: treated as slices in z"
            )
    odd = ", ".join(f"{axis} ({MISNAMED[axis]})" for axis in axes if axis in MISNAMED)
    raise SourceError(
        f"{path}: contains {series.shape} with the axes {axes}{f', {odd}' if odd else ''}; "
        "expected "
        "one volume (nz, ny, nx) with the axes ZYX: save it that way"
    )


def _ome_order(tif: tifffile.TiffFile, path: Path, planes: list[int]) -> list[int]:
    """OME-XML says which page is which plane, in any order, and in other files too."""
    if len(tif.series) != 1:
        raise SourceError(f"{path}: contains {len(tif.series)} images, expected one volume")
    pages = list(tif.series[0].pages)
    order = [-1 if page is None else int(page.index) for page in pages]
    elsewhere = any(page is not None and page.parent is not tif for page in pages)
    if elsewhere or sorted(order) != sorted(planes):
        raise SourceError(
            f"{path}: OME-XML lists {len(order)} planes, {len(planes)} are in this file; "
            "restore the others, and save all in one file"
        )
    return order


def _pages(path: Path, planes: list[int]) -> Iterator[NDArray[Any]]:
    with opened(path) as tif:
        for index in planes:
            yield decoded(tif.pages[index], index, path)


def _mapped(
    path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, int, int]
) -> Iterator[NDArray[Any]]:
    yield from np.memmap(path, dtype, "r", offset, shape)
