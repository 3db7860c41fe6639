"""Planes into an HDF5 dataset, without holding the GIL while they are compressed and written.

h5py keeps the GIL for the whole of a write, which stops the thread that receives slices. So a chunk
is compressed by the filter's own library, and handed to HDF5 as it is, both called through ctypes,
which lets the GIL go.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from monitor.recording.read.compressed_chunks import NOT_COMPRESSED

_BLOCK_BYTES = 8192
_HEADER = struct.Struct(">QI")


def write_plane(
    dataset: h5py.Dataset,
    plane: NDArray[Any],
    offset: tuple[int, ...],
    axis: int,
    *,
    compress: bool = True,
) -> int:
    """Writes `plane` (rows, columns) at `offset`; its rows run along `axis` of the dataset. Returns
    the bytes that its chunks take. `compress`: if the dataset has its filter at all.

    The dataset's chunks are (rows of a chunk, columns) in that plane, 1 in other directions.
    """
    rows = dataset.chunks[axis]
    filtered = bool(dataset.id.get_create_plist().get_nfilters())
    compress = compress and filtered
    mask = NOT_COMPRESSED if filtered and not compress else 0
    stored = 0
    for first in range(0, plane.shape[0], rows):
        at = list(offset)
        at[axis] = first
        block = plane[first : first + rows]
        if compress and _compressor() is None:
            stored += _write_slowly(dataset, block, at, axis)
            continue
        if len(block) < rows:
            block = np.concatenate(
                [block, np.zeros((rows - len(block), block.shape[1]), block.dtype)]
            )
        # straight to the file: what HDF5 keeps back it may fail to write at the end, and crash
        chunk = compressed(block) if compress else np.ascontiguousarray(block)
        _write_chunk(dataset, tuple(at), chunk, mask)
        stored += chunk.nbytes
    return stored


def _write_chunk(
    dataset: h5py.Dataset, at: tuple[int, ...], chunk: NDArray[Any], mask: int
) -> None:
    write = _chunk_writer()
    if write is not None:
        offset = (ctypes.c_uint64 * len(at))(*at)
        with h5py._objects.phil:  # h5py's own lock around the library
            if write(dataset.id.id, 0, mask, offset, chunk.nbytes, chunk.ctypes.data) >= 0:
                return
    dataset.id.write_direct_chunk(at, chunk, mask)  # or it says what is wrong


def compressed(block: NDArray[Any]) -> NDArray[np.uint8]:
    """The block as HDF5's bitshuffle filter stores it: 12-byte header + bitshuffle + LZ4."""
    compress = _compressor()
    if compress is None:
        raise RuntimeError("hdf5plugin contains no bitshuffle library here")
    data = np.ascontiguousarray(block)
    elements = _BLOCK_BYTES // data.itemsize
    bound = _library().bshuf_compress_lz4_bound(data.size, data.itemsize, elements)
    out = np.empty(_HEADER.size + bound, np.uint8)
    out[: _HEADER.size] = list(_HEADER.pack(data.nbytes, _BLOCK_BYTES))
    into = out.ctypes.data + _HEADER.size
    size = compress(data.ctypes.data, into, data.size, data.itemsize, elements)
    if size < 0:
        raise OSError(f"bitshuffle refused a block of {data.shape} {data.dtype} (code {size})")
    return out[: _HEADER.size + size]


def _write_slowly(dataset: h5py.Dataset, block: NDArray[Any], at: list[int], axis: int) -> int:
    where: list[Any] = list(at)
    where[axis] = slice(at[axis], at[axis] + len(block))
    where[-1] = slice(None)
    dataset[tuple(where)] = block
    dataset.flush()  # else the size of the chunk is not known yet
    return int(dataset.id.get_chunk_info_by_coord(tuple(at)).size)


@cache
def _chunk_writer() -> Any:
    """H5Dwrite_chunk of the library that h5py uses; None if its symbols are not found."""
    try:
        write = ctypes.CDLL(h5py.h5d.__file__).H5Dwrite_chunk
    except (OSError, AttributeError):
        return None
    offsets = ctypes.POINTER(ctypes.c_uint64)
    number, size = ctypes.c_int64, ctypes.c_size_t
    write.restype = ctypes.c_int
    write.argtypes = [number, number, ctypes.c_uint32, offsets, size, ctypes.c_void_p]
    return write


@cache
def _library() -> Any:
    return ctypes.CDLL(str(next(Path(hdf5plugin.PLUGIN_PATH).glob("*h5bshuf*"))))


@cache
def _compressor() -> Any:
    """bshuf_compress_lz4 of the plugin that hdf5plugin brings; None if it exports none."""
    try:
        library = _library()
        compress, bound = library.bshuf_compress_lz4, library.bshuf_compress_lz4_bound
    except (OSError, AttributeError, StopIteration):
        return None
    sizes = [ctypes.c_size_t] * 3
    compress.restype, compress.argtypes = ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, *sizes]
    bound.restype, bound.argtypes = ctypes.c_size_t, sizes
    return compress
