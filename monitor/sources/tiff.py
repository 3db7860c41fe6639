"""Volumes in TIFF: one file with many pages, or one file a plane."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.hdf5 import voxel_size_from_cm
from monitor.sources.planes import Planes

SUFFIXES = (".tif", ".tiff")
NUMBERED = re.compile(r"(.*?)(\d+)\.tiff?", re.IGNORECASE)
VOXEL_SIZE_LINE = re.compile(r"^\s*voxel_size_cm\s*=\s*(.+)$", re.MULTILINE)


def open_tiff(path: Path) -> Planes:
    """The volume in a TIFF file with one page a plane. Its voxel size is taken as unknown."""
    with _opened(path) as tif:
        series = _volume_series(tif, path)
        nz, ny, nx = series.shape
        dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        offset = series.dataoffset
        size = nz * ny * nx * dtype.itemsize
        if offset is not None and offset + size > path.stat().st_size:
            raise SourceError(f"{path}: is cut short; expected {offset + size} bytes")
        if offset is None and len(series.pages) != nz:
            raise SourceError(f"{path}: has an unusual page layout; save it with one page a plane")
    if offset is None:
        return Planes((nz, ny, nx), dtype, None, lambda: _pages(path))
    return Planes((nz, ny, nx), dtype, None, lambda: _mapped(path, dtype, offset, (nz, ny, nx)))


def open_stack(files: list[Path], what: str) -> Planes:
    """The volume in numbered single-page files, in their natural order.

    Voxel size from a `{name}_infos.txt` beside them, as nabu writes it. Raises SourceError where
    the files belong to several stacks, or where a number is missing between the first and the last.
    """
    files = _one_stack(files, what)
    first = _plane(files[0])
    ny, nx = first.shape
    return Planes(
        (len(files), ny, nx), first.dtype, _stack_voxel_size(files[0]), lambda: _stack(files)
    )


def _one_stack(files: list[Path], what: str) -> list[Path]:
    numbered: list[tuple[str, int, Path]] = []
    for file in files:
        match = NUMBERED.fullmatch(file.name)
        if match is None:
            raise SourceError(f"{what}: {file.name} has no number; expected name_000000.tiff, …")
        numbered.append((match[1], int(match[2]), file))
    prefixes = sorted({prefix for prefix, _, _ in numbered})
    if len(prefixes) > 1:
        patterns = ", ".join(f"'{prefix}*{files[0].suffix}'" for prefix in prefixes[:4])
        raise SourceError(f"{what}: holds {len(prefixes)} stacks; name one by pattern: {patterns}")
    numbered.sort(key=lambda entry: entry[1])
    numbers = [number for _, number, _ in numbered]
    for before, after in pairwise(numbers):
        if after != before + 1:
            raise SourceError(
                f"{what}: after number {before} comes {after}; restore the missing files"
            )
    return [file for _, _, file in numbered]


def _opened(path: Path) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path)
    except (OSError, tifffile.TiffFileError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read as TIFF ({error}); check the file") from None


def _volume_series(tif: tifffile.TiffFile, path: Path) -> Any:
    if any("S" in series.axes for series in tif.series):
        raise SourceError(f"{path}: is a colour image, expected grey levels")
    volumes = [series for series in tif.series if len(series.shape) == 3]
    if len(volumes) == 1:
        return volumes[0]
    if len(tif.series) == 1 and len(tif.series[0].shape) == 2:
        raise SourceError(
            f"{path}: holds one plane, expected a volume; give the folder of the stack, or a "
            "quoted pattern such as 'name_*.tiff'"
        )
    shapes = ", ".join(str(series.shape) for series in tif.series[:4])
    raise SourceError(f"{path}: holds {shapes}, expected one volume (nz, ny, nx)")


def _pages(path: Path) -> Iterator[NDArray[Any]]:
    with _opened(path) as tif:
        for index, page in enumerate(_volume_series(tif, path).pages):
            if page is None:
                raise SourceError(f"{path}: page {index} is missing; check the file")
            try:
                yield page.asarray()
            except (OSError, ValueError, RuntimeError) as error:
                raise SourceError(f"{path}: page {index} cannot be read ({error})") from None


def _mapped(
    path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, int, int]
) -> Iterator[NDArray[Any]]:
    yield from np.memmap(path, dtype, "r", offset, shape)


def _stack(files: list[Path]) -> Iterator[NDArray[Any]]:
    expected = _plane(files[0])
    for file in files:
        plane = _plane(file)
        if plane.shape != expected.shape or plane.dtype != expected.dtype:
            raise SourceError(
                f"{file}: is {plane.shape} {plane.dtype}, the stack began with {expected.shape} "
                f"{expected.dtype}; planes of one volume must be alike"
            )
        yield plane


def _plane(file: Path) -> NDArray[Any]:
    with _opened(file) as tif:
        if len(tif.pages) != 1 or len(tif.pages[0].shape) != 2:
            raise SourceError(f"{file}: is not a single grey plane; a stack holds one a file")
        try:
            plane: NDArray[Any] = tif.pages[0].asarray()
        except (OSError, ValueError, RuntimeError) as error:
            raise SourceError(f"{file}: cannot be read ({error}); check the file") from None
        return plane


def _stack_voxel_size(first: Path) -> tuple[float, float, float] | None:
    match = NUMBERED.fullmatch(first.name)
    prefix = match[1].rstrip("_") if match else first.stem
    infos = first.with_name(f"{prefix}_infos.txt")
    if not infos.is_file():
        return None
    line = VOXEL_SIZE_LINE.search(infos.read_text("utf-8", "replace"))
    return voxel_size_from_cm(line[1]) if line else None
