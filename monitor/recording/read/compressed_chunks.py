"""Numbers out of chunks that were compressed by bitshuffle and LZ4, or left as they are.

HDF5's own bitshuffle filter believes the lengths that a chunk states. Where they are wrong it reads
beyond the chunk, which ends the process. So chunks are decompressed here, by a decoder that checks
every length.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import h5py
import numpy as np
from dectris.compression import decompress
from numpy.typing import NDArray

NOT_COMPRESSED = 1
"""Filter mask of a chunk to which the only filter of its dataset was not applied; HDF5 itself reads
such a chunk."""
MOST_STORED = 1.1, 2**16
"""A chunk takes at most so many times its bytes in the file, and so many more: what cannot be
compressed grows a little."""


def chunk_at(volume: h5py.Dataset, offset: tuple[int, ...]) -> NDArray[Any] | None:
    """The chunk that begins at `offset`, in the shape of a chunk; None if it was never written.
    Raises ValueError for one that is not what `write_plane` writes."""
    info = volume.id.get_chunk_info_by_coord(offset)
    if info.byte_offset is None:
        return None
    expected = math.prod(volume.chunks) * volume.dtype.itemsize
    if info.size > MOST_STORED[0] * expected + MOST_STORED[1]:
        raise ValueError(f"the chunk at {offset} takes {info.size} bytes, expected {expected}")
    mask, stored = volume.id.read_direct_chunk(offset)
    if mask == NOT_COMPRESSED:
        pixels = bytes(stored)
    elif mask or int.from_bytes(stored[:8], "big") != expected:
        raise ValueError(f"the chunk at {offset} does not hold {expected} bytes")
    else:
        try:
            pixels = decompress(bytes(stored), "bslz4", elem_size=volume.dtype.itemsize)
        except Exception as error:
            raise ValueError(f"the chunk at {offset} cannot be decompressed ({error})") from None
    if len(pixels) != expected:
        raise ValueError(f"the chunk at {offset} holds {len(pixels)} bytes, expected {expected}")
    return np.frombuffer(pixels, volume.dtype).reshape(volume.chunks)


def window(volume: h5py.Dataset, *ranges: range) -> NDArray[Any]:
    """The numbers in these ranges, one for each direction, each of step 1 and within the dataset;
    its fill value where none were written. Chunk by chunk: h5py holds the GIL during each read.
    Raises as `chunk_at`."""
    kind, sides = volume.dtype.newbyteorder("="), volume.chunks
    out = np.full([len(one) for one in ranges], volume.fillvalue, kind)
    pairs = zip(ranges, sides, strict=True)
    for offset in itertools.product(*(range(r.start - r.start % s, r.stop, s) for r, s in pairs)):
        chunk = chunk_at(volume, offset)
        if chunk is None:
            continue
        inside, outside = [], []
        for first, side, wanted in zip(offset, sides, ranges, strict=True):
            low, high = max(first, wanted.start), min(first + side, wanted.stop)
            inside.append(slice(low - first, high - first))
            outside.append(slice(low - wanted.start, high - wanted.start))
        out[tuple(outside)] = chunk[tuple(inside)]
    return out


def section(volume: h5py.Dataset, axis: str, index: int) -> NDArray[Any]:
    """Vertical section (nz, nx) at y = index, or (nz, ny) at x = index. Raises IndexError, and as
    `chunk_at`."""
    nz, ny, nx = volume.shape
    size = ny if axis == "y" else nx
    if not 0 <= index < size:
        raise IndexError(f"section {axis} = {index} of a volume with {size}")
    one = range(index, index + 1)
    if axis == "y":
        return window(volume, range(nz), one, range(nx))[:, 0, :]
    return window(volume, range(nz), range(ny), one)[:, :, 0]
