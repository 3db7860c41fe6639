"""What a message announces is looked at before memory is taken for it."""

import json
import struct
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

from monitor.errors import BadMessage
from monitor.wire.results import replies
from monitor.wire.slices import stins
from monitor.wire.slices.limits import MAX_DEPTH, Limits, depth

SMALL = Limits(slice_pixels=10_000, volume_bytes=10**7)
HEADER = {
    "htype": "header", "msg_number": 0, "stream": "s", "cell": "A", "scan": 0,
    "volume_shape": [100, 100, 100], "type": "uint16", "voxel_size_um": None, "start_time": 0.0,
}  # fmt: skip
IMAGE = {
    "htype": "image", "msg_number": 1, "stream": "s", "cell": "A", "scan": 0, "frame": 0,
    "shape": [100, 100], "type": "uint16", "compression": "none",
}  # fmt: skip


@contextmanager
def costs_less_than(most_bytes):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()


def refusal(frames, limits=SMALL):
    with pytest.raises(BadMessage) as caught:
        stins.decode(frames, limits)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    return caught.value.kind


def frames(message, *buffers, **changes):
    return [json.dumps(message | changes).encode(), *buffers]


def test_what_fits_is_let_through():
    assert stins.decode(frames(HEADER), SMALL).volume_shape == (100, 100, 100)
    assert stins.decode(frames(IMAGE, bytes(20_000)), SMALL).data.shape == (100, 100)


@pytest.mark.parametrize(
    "changes",
    [
        {"volume_shape": [1, 100, 101]},
        {"volume_shape": [10_000, 10_000, 10_000], "type": "uint8"},
        {"volume_shape": [58, 131_072, 131_072], "type": "uint8"},
        {"volume_shape": [501, 100, 100]},
        {"volume_shape": [251, 100, 100], "type": "float32"},
        {"volume_shape": [101, 10, 100], "axis": "y"},
    ],
)
def test_a_scan_that_is_too_large_is_refused_by_its_header(changes):
    with costs_less_than(100_000):
        assert refusal(frames(HEADER, **changes)) == "too_large"


def test_a_million_million_voxels_are_refused_by_the_limits_that_are_set():
    from monitor.settings import FeedSettings

    feeds = FeedSettings()
    usual = Limits(int(feeds.max_slice_Mpx * 1e6), int(feeds.max_volume_GB * 1e9))
    assert refusal(frames(HEADER, volume_shape=[10_000] * 3), usual) == "too_large"
    assert stins.decode(frames(HEADER, volume_shape=[2160, 5120, 5120]), usual)


def test_a_short_slice_that_unpacks_to_a_large_one_is_not_unpacked():
    """300 kB of bslz4 that say they are 77 MB."""
    side = 8775
    packed = struct.pack(">QI", side * side, 8192) + bytes(side * side // 256)
    changes = {"shape": [side, side], "type": "uint8", "compression": "bslz4"}
    with costs_less_than(1e6):
        assert refusal(frames(IMAGE, packed, **changes)) == "too_large"
        # and what could never be as much is not either, whatever the limits
        lie = frames(IMAGE, packed[:1000], **changes)
        assert refusal(lie, Limits()) == "bad_compression"


def test_what_is_unpacked_is_never_more_than_the_shape_says():
    packed = stins.encode_slice(
        stins.decode(frames(IMAGE, np.arange(10_000, dtype="<u2").tobytes()), SMALL), "bslz4"
    )[1]
    fits = frames(IMAGE, packed, compression="bslz4")
    assert stins.decode(fits, SMALL).data[99, 99] == 9999
    claims = struct.pack(">Q", 2**62) + packed[8:]
    with costs_less_than(1e6):
        assert refusal(frames(IMAGE, claims, compression="bslz4")) == "bad_compression"
        smaller = frames(IMAGE, packed, compression="bslz4", shape=[10, 10])
        assert refusal(smaller) == "bad_compression"


def test_a_header_frame_has_a_largest_size():
    long = frames(HEADER, filename="x" * stins.MAX_HEADER_BYTES)
    assert refusal(long) == "bad_header"


def nested(levels, value=0):
    for _ in range(levels):
        value = [value]
    return value


def test_headers_are_not_nested_deeply():
    """What one thread can read, another might not be able to write into the journal."""
    assert depth(nested(5)) == 5
    assert depth({"a": {"b": [1, (2,)]}}) == 4
    assert depth(nested(10_000)) == MAX_DEPTH + 1
    assert stins.decode(frames(HEADER, filename=nested(20)), SMALL)
    assert stins.decode(frames(HEADER, filename=[[1, 2]] * 5000), SMALL)
    assert refusal(frames(HEADER, filename=nested(400))) == "bad_header"


def test_a_reply_says_no_more_dimensions_than_there_are():
    head = json.dumps({"type": "map", "shape": [1] * 1000, "dtype": "uint8"}).encode()
    with pytest.raises(BadMessage):
        replies.decode_reply([head, b"\0"])
