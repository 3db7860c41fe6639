"""Volumes in NumPy's `.npy`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.formats import Format, one_line
from monitor.sources.volumes.planes import Planes, looks_coloured

SUFFIXES = (".npy",)
FORMAT = Format("NumPy", ", ".join(SUFFIXES))


def recognises(path: Path, head: bytes) -> bool:
    """By its suffix, or its first bytes."""
    return path.suffix.lower() in SUFFIXES or head.startswith(npy_format.MAGIC_PREFIX)


def read(path: Path, dataset: str) -> Planes:
    """The array (nz, ny, nx) in the file. Raises SourceError for anything else, and for a file that
    is cut short."""
    shape, dtype, offset = read_header(path)
    size, there = dtype.itemsize * int(np.prod(shape)), path.stat().st_size - offset
    if there < size:
        raise SourceError(f"{path}: is cut short: {there} of {size} bytes; copy it again")
    return Planes(shape, dtype, None, lambda: _planes(path))


def read_header(path: Path) -> tuple[tuple[int, int, int], np.dtype[Any], int]:
    """Shape (nz, ny, nx), type of the pixels, and where they begin. Raises SourceError."""
    try:
        with path.open("rb") as file:
            version = npy_format.read_magic(file)
            reader = (
                npy_format.read_array_header_1_0
                if version == (1, 0)
                else npy_format.read_array_header_2_0
            )
            shape, fortran, dtype = reader(file)
            offset = file.tell()
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path}: cannot be read as .npy ({one_line(error)}); check the file"
        ) from None
    if len(shape) != 3 or 0 in shape or fortran or dtype.hasobject:
        raise SourceError(
            f"{path}: contains {shape} of {dtype}{' in Fortran order' if fortran else ''}, "
            "expected a volume (nz, ny, nx) of numbers in C order"
        )
    if looks_coloured(shape):
        raise SourceError(
            f"{path}: is {shape}, which looks like a colour image; expected a volume of grey levels"
        )
    nz, ny, nx = shape
    return (nz, ny, nx), dtype, offset


def _planes(path: Path) -> Iterator[NDArray[Any]]:
    yield from np.load(path, mmap_mode="r", allow_pickle=False)
