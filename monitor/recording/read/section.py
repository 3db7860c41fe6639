"""Vertical sections of a volume in HDF5."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


def cut(volume: h5py.Dataset, axis: str, index: int) -> NDArray[Any]:
    """Section (nz, nx) at y = index, or (nz, ny) at x = index, read slice by slice: h5py holds the
    GIL during each read."""
    nz, ny, nx = volume.shape
    size, other = (ny, nx) if axis == "y" else (nx, ny)
    if not 0 <= index < size:
        raise IndexError(f"section {axis} = {index} of a volume with {size}")
    if volume.chunks[1] == 1:
        whole = volume[:, index, :] if axis == "y" else volume[:, :, index]
        return np.asarray(whole)
    out = np.empty((nz, other), volume.dtype)
    for z in range(nz):
        out[z] = volume[z, index, :] if axis == "y" else volume[z, :, index]
    return out
