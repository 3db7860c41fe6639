"""Pixels of a slice ↔ the buffer that they are sent in.

`compression` is "none" or "bslz4": bitshuffle + LZ4 behind the 12-byte header of the HDF5 filter
(big-endian u64 bytes, u32 block size); a buffer without that header is taken to have the filter's
default blocks of 8 KiB.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from dectris.compression import decompress
from numpy.typing import NDArray

from monitor.errors import BadMessage
from monitor.wire.fields import Frame
from monitor.wire.slices.limits import shown

DTYPES: dict[str, np.dtype[Any]] = {
    "uint8": np.dtype("u1"),
    "uint16": np.dtype("<u2"),
    "float32": np.dtype("<f4"),
}
LZ4_MAX_RATIO = 256


def compressed(data: NDArray[Any], compression: str) -> Frame:
    """The buffer of a contiguous array: its own memory, or for "bslz4" what the HDF5 filter makes
    of it."""
    if compression == "none":
        return data.data.cast("B")
    with h5py.File.in_memory() as file:
        filters = hdf5plugin.Bitshuffle(cname="lz4")
        dataset = file.create_dataset("slice", data=data, chunks=data.shape, **filters)
        chunk: bytes = dataset.id.read_direct_chunk((0,) * data.ndim)[1]
        return chunk


def pixels_of(
    buffer: Frame, shape: tuple[int, ...], dtype: np.dtype[Any], compression: Any
) -> NDArray[Any]:
    """The read-only array of a shape in a buffer, which it looks into if it is not compressed.
    Raises BadMessage if the buffer cannot be that."""
    expected = math.prod(shape) * dtype.itemsize
    if compression == "bslz4":
        buffer = _decompress(bytes(buffer), expected, dtype.itemsize)
    elif compression != "none":
        raise BadMessage(
            "bad_compression",
            f"slices: compression {shown(compression)} is unknown, not none or bslz4; dropped",
        )
    if len(buffer) != expected:
        raise BadMessage(
            "bad_length",
            f"slices: buffer of {len(buffer)} bytes, expected {expected} for {shape} {dtype.name}; "
            "dropped",
        )
    pixels = np.frombuffer(buffer, dtype).reshape(shape)
    if not pixels.flags.aligned:  # small messages, and those of producers that do not see to it
        pixels = pixels.copy()
    pixels.setflags(write=False)
    return pixels


def _decompress(buffer: bytes, expected: int, itemsize: int) -> bytes:
    if expected > LZ4_MAX_RATIO * len(buffer):
        raise BadMessage(
            "bad_compression",
            f"slices: bslz4 buffer of {len(buffer)} bytes cannot hold {expected}; dropped",
        )
    if len(buffer) < 12 or struct.unpack(">Q", buffer[:8])[0] != expected:
        buffer = struct.pack(">QI", expected, 8192) + buffer
    try:
        pixels: bytes = decompress(buffer, "bslz4", elem_size=itemsize)
        return pixels
    except Exception as error:
        raise BadMessage(
            "bad_compression", f"slices: bslz4 buffer cannot be decompressed ({error}); dropped"
        ) from None
