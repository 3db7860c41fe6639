"""Messages of codec `dectris2`, as a producer of our own would send them."""

from __future__ import annotations

import cbor2
import numpy as np
from cbor2 import CBORTag

from monitor.records import ScanEnd, ScanStart, SliceFrame
from monitor.wire.slices import stins
from monitor.wire.slices.dectris import COMPRESSED, ROWS_FIRST
from monitor.wire.slices.pixels import DTYPES, compressed

WRITTEN = {"uint8": 64, "uint16": 69, "float32": 85}
CHANNEL = "slice"
ALIGNED = 8


def encode_start(start: ScanStart) -> list[bytes]:
    """Frame of a `start` message."""
    along_z = start.axis == "z"
    nz, ny, nx = start.volume_shape
    message = {
        "type": "start",
        "series_id": start.key.scan,
        "series_unique_id": _series(start.stream, start.key.cell, start.key.scan),
        "channels": [CHANNEL],
        "image_dtype": start.dtype,
        "image_size_x": nx,
        "image_size_y": ny if along_z else nz,
        "number_of_images": nz if along_z else ny,
        "user_data": stins.start_header(start),
    }
    return [cbor2.dumps(message)]


def encode_slice(frame: SliceFrame, compression: str = "none") -> list[bytes]:
    """Frame of an `image` message, whose pixels begin at a multiple of 8 bytes: who receives it
    need not copy them. `compression`: "none" or "bslz4"."""
    data = np.ascontiguousarray(frame.data, DTYPES[frame.data.dtype.name])
    buffer = bytes(compressed(data, compression))
    pixels = buffer
    if compression != "none":
        pixels = CBORTag(COMPRESSED, [compression, data.itemsize, buffer])
    array = CBORTag(ROWS_FIRST, [list(data.shape), CBORTag(WRITTEN[data.dtype.name], pixels)])
    user = {**stins.slice_header(frame, compression), "pad": ""}
    message = {
        "type": "image",
        "series_id": frame.scan,
        "series_unique_id": _series(frame.stream, frame.cell, frame.scan),
        "image_id": frame.frame,
        "user_data": user,
        "data": {CHANNEL: array},
    }
    user["pad"] = " " * (-(len(cbor2.dumps(message)) - len(buffer)) % ALIGNED)
    return [cbor2.dumps(message)]


def encode_end(end: ScanEnd) -> list[bytes]:
    """Frame of an `end` message."""
    message = {
        "type": "end",
        "series_id": end.scan,
        "series_unique_id": _series(end.stream, end.cell, end.scan),
        "user_data": stins.end_header(end),
    }
    return [cbor2.dumps(message)]


def _series(stream: str, cell: str, scan: int) -> str:
    return f"{stream}/{cell}/{scan}"
