"""The slice codec, against MAX IV's model of the stream and bitshuffle's own compressor."""

import contextlib
import json
import struct

import bitshuffle
import numpy as np
import pytest
from dranspose.data.stream1 import Stream1Packet
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import BadMessage
from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.wire.slices import stins

START = ScanStart(
    ScanKey("A", "run-1", 7), "s-1", 0, "extra", "r-1", "z", (30, 20, 10), "uint16",
    (0.717, 0.717, 0.717), 1760000000.0, 1760000240.0, "tcp://127.0.0.1:5602",
)  # fmt: skip
END = ScanEnd("A", 7, "s-1", 31, 30)
IMAGE = {
    "htype": "image",
    "msg_number": 3,
    "stream": "s-1",
    "cell": "A",
    "scan": 7,
    "frame": 2,
    "shape": [4, 5],
    "type": "uint16",
    "compression": "none",
}
HEADER = json.loads(stins.encode_start(START)[0])
PIXELS = np.arange(20, dtype="<u2").reshape(4, 5)


def image(**changes):
    return [json.dumps(IMAGE | changes).encode(), PIXELS.tobytes()]


def header(**changes):
    return [json.dumps(HEADER | changes).encode()]


def refusal(frames):
    with pytest.raises(BadMessage) as caught:
        stins.decode(frames)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    return caught.value.kind


@pytest.mark.parametrize("voxel", [(0.7, 0.8, 0.9), None])
@pytest.mark.parametrize("axis", ["z", "y"])
def test_starts_and_ends_come_back_as_they_went(voxel, axis):
    start = ScanStart(
        START.key, "s", 5, "reference", "", axis, (3, 4, 5), "float32", voxel, 1.0, 2.0
    )
    assert stins.decode(stins.encode_start(start)) == start
    assert stins.decode(stins.encode_end(END)) == END


def test_what_may_be_left_out_may_be_null():
    told = dict.fromkeys(("run", "request", "resend", "reason", "axis", "voxel_size_um"))
    start = stins.decode(header(**told))
    assert (start.key.run, start.request, start.resend) == ("", "", "")
    assert (start.reason, start.axis, start.voxel_size_um) == ("periodic", "z", None)
    assert stins.decode(image(compression=None)).data.shape == stins.decode(image()).data.shape


@pytest.mark.parametrize("compression", ["none", "bslz4"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (130, 257)])
def test_slices_come_back_bit_by_bit(dtype, compression, shape):
    pixels = (np.random.default_rng(1).normal(100, 20, shape)).astype(dtype)
    sent = SliceFrame("A", 7, "s-1", 3, 2, pixels)
    back = stins.decode(stins.encode_slice(sent, compression))
    assert (back.cell, back.scan, back.stream, back.msg_number, back.frame) == ("A", 7, "s-1", 3, 2)
    assert back.data.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back.data, pixels)
    assert not back.data.flags.writeable


def test_a_big_endian_array_is_sent_little_endian():
    back = stins.decode(stins.encode_slice(SliceFrame("A", 7, "s", 3, 2, PIXELS.astype(">u2"))))
    np.testing.assert_array_equal(back.data, PIXELS)


def test_nothing_is_copied_either_way():
    encoded = stins.encode_slice(SliceFrame("A", 7, "s", 3, 2, PIXELS))[1]
    assert np.shares_memory(np.frombuffer(encoded, np.uint8), PIXELS)
    received = bytearray(PIXELS.tobytes())
    back = stins.decode([image()[0], memoryview(received)])
    assert np.shares_memory(back.data, np.frombuffer(received, np.uint8))


def test_a_buffer_at_an_odd_address_is_read_all_the_same():
    received = bytearray(b"x" + PIXELS.tobytes())
    back = stins.decode([image()[0], memoryview(received)[1:]])
    np.testing.assert_array_equal(back.data, PIXELS)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(3, 5), (64, 100), (301, 203)])
def test_bslz4_of_bitshuffle_itself_is_read_with_and_without_its_header(dtype, shape):
    pixels = np.random.default_rng(2).integers(0, 200, shape).astype(dtype)
    bare = bitshuffle.compress_lz4(pixels).tobytes()
    block = bitshuffle.compress_lz4(pixels, 512).tobytes()
    itemsize = pixels.itemsize
    for buffer in (
        bare,
        struct.pack(">QI", pixels.nbytes, 8192) + bare,
        struct.pack(">QI", pixels.nbytes, 512 * itemsize) + block,
    ):
        frames = image(shape=list(shape), type=dtype, compression="bslz4")
        np.testing.assert_array_equal(stins.decode([frames[0], buffer]).data, pixels)


def test_the_peer_validates_all_that_we_send():
    messages = [
        stins.encode_start(START),
        stins.encode_slice(SliceFrame("A", 7, "s", 3, 2, PIXELS)),
        stins.encode_slice(SliceFrame("A", 7, "s", 3, 2, PIXELS), "bslz4"),
        stins.encode_end(END),
    ]
    kinds = [Stream1Packet.validate_json(bytes(frames[0])).htype for frames in messages]
    assert kinds == ["header", "image", "image", "series_end"]


def test_unknown_keys_are_ignored():
    assert stins.decode(header(timestamps=[1, 2])) == START
    np.testing.assert_array_equal(stins.decode(image(extra={"a": 1})).data, PIXELS)


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        ([], "not_json"),
        ([b""], "not_json"),
        ([b"\xff\x00"], "not_json"),
        ([b"[1, 2]"], "not_json"),
        ([b"{" * 100_000], "not_json"),
        ([b'{"a":' * 100_000], "not_json"),
        ([b"{}"], "unknown_htype"),
        ([b'{"htype": "frame"}'], "unknown_htype"),
        ([json.dumps({"htype": "x" * 10**6}).encode()], "unknown_htype"),
        ([b'{"htype": ' + b"[" * 900 + b"]" * 900 + b"}"], "unknown_htype"),
        (image(shape=[4, 5, 1]), "bad_shape"),
        (image(shape=[4, -5]), "bad_shape"),
        (image(shape=[4, 0]), "bad_shape"),
        (image(shape=[4.0, 5]), "bad_shape"),
        (image(shape=[True, 20]), "bad_shape"),
        (image(shape="4x5"), "bad_shape"),
        (image(shape=[10**30, 5]), "bad_shape"),
        (image(type="int16"), "bad_type"),
        (image(type=None), "bad_type"),
        (image(type=["uint16"]), "bad_type"),
        (image(type="uint8"), "bad_length"),
        (image(shape=[5, 5]), "bad_length"),
        (image()[:1], "bad_length"),
        ([*image(), b"more"], "bad_length"),
        (image(compression="zstd"), "bad_compression"),
        (image(compression=["bslz4"]), "bad_compression"),
        (image(compression="bslz4"), "bad_compression"),
        (image(frame=-1), "bad_header"),
        (image(frame="2"), "bad_header"),
        (image(frame=2.0), "bad_header"),
        (image(frame=10**300), "bad_header"),
        (image(scan=None), "bad_header"),
        (image(msg_number=True), "bad_header"),
        (image(cell=5), "bad_header"),
        (image(cell="\ud800"), "bad_header"),
        (image(stream="s" * 10_000), "bad_header"),
        (header(cell=None), "bad_header"),
        (header(run=5), "bad_header"),
        (header(request=7), "bad_header"),
        (header(reason="often"), "bad_header"),
        (header(reason=[]), "bad_header"),
        (header(axis="x"), "bad_header"),
        (header(start_time="now"), "bad_header"),
        (header(start_time=10**400), "bad_header"),
        (header(volume_shape=[30, 20]), "bad_shape"),
        (header(volume_shape=[0, 20, 10]), "bad_shape"),
        (header(volume_shape=[10**9, 20, 10]), "bad_shape"),
        (header(volume_shape=[131072, 131072, 131072]), "bad_shape"),
        (header(type="float64"), "bad_type"),
        ([b'{"htype":"series_end","cell":"A","scan":7,"stream":"s"}'], "bad_header"),
    ],
)
def test_each_wrong_message_is_refused_by_name(frames, kind):
    assert refusal(frames) == kind


def test_a_truncated_or_altered_bslz4_buffer_is_refused_or_still_whole():
    pixels = np.random.default_rng(3).integers(0, 3000, (64, 64)).astype(np.uint16)
    head, buffer = stins.encode_slice(SliceFrame("A", 7, "s", 3, 2, pixels), "bslz4")
    assert refusal([head, buffer[:-7]]) == "bad_compression"
    assert refusal([head, buffer[: len(buffer) // 2]]) == "bad_compression"
    assert refusal([head, buffer[:11]]) == "bad_compression"
    rng = np.random.default_rng(4)
    for _ in range(300):
        spoilt = bytearray(buffer)
        for place in rng.integers(0, len(spoilt), 3):
            spoilt[place] = rng.integers(256)
        with contextlib.suppress(BadMessage):
            assert stins.decode([head, bytes(spoilt)]).data.shape == (64, 64)


def test_a_small_buffer_cannot_claim_a_huge_slice():
    frames = image(shape=[131072, 131072], compression="bslz4")
    assert refusal(frames) == "bad_compression"
    assert refusal(image(shape=[131072, 131072])) == "bad_length"


def test_a_huge_volume_costs_nothing_until_its_slices_come():
    start = stins.decode(header(volume_shape=[131072, 2048, 2048]))
    assert start.slice_count == 131072


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.lists(st.binary(max_size=80), max_size=3))
def test_arbitrary_bytes_raise_nothing_but_bad_message(frames):
    with contextlib.suppress(BadMessage):
        stins.decode(frames)


@settings(max_examples=300)
@given(
    st.sampled_from([HEADER, IMAGE, json.loads(stins.encode_end(END)[0])]),
    st.data(),
    st.binary(max_size=80),
)
def test_arbitrary_values_raise_nothing_but_bad_message(message, data, buffer):
    key = data.draw(st.sampled_from(sorted(message)))
    changed = message | {key: data.draw(ANY_JSON)}
    with contextlib.suppress(BadMessage):
        stins.decode([json.dumps(changed).encode(), buffer])


@pytest.mark.parametrize(
    "voxel",
    [
        0.717,
        [0.7, 0.7],
        [0.7, 0, 0.7],
        [0.7, -1, 0.7],
        [0.7, float("inf"), 0.7],
        [0.7, 10**400, 0.7],
        [0.7, "1", 0.7],
    ],
)
def test_a_wrong_voxel_size_costs_the_unit_and_not_the_scan(voxel):
    start = stins.decode(header(voxel_size_um=voxel))
    assert start.voxel_size_um is None
    assert "voxel_size_um is" in start.remark


@pytest.mark.parametrize("stop", [None, 0.0, float("nan"), "later"])
def test_an_unknown_end_of_the_scan_is_its_start(stop):
    start = stins.decode(header(start_time=5.0, stop_time=stop))
    assert start.stop_time == 5.0


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "milli"), (1e6, "micro"), (1e9, "nano")])
def test_times_in_another_unit_cost_nothing_and_are_told(factor, unit):
    start = stins.decode(header(start_time=1.79e9 * factor, stop_time=(1.79e9 + 60) * factor))
    assert (start.start_time, start.stop_time) == pytest.approx((1.79e9, 1.79e9 + 60))
    assert f"{unit}seconds" in start.time_remark
    assert stins.decode(header()).time_remark == ""


def test_an_end_before_the_start_is_told():
    start = stins.decode(header(start_time=500.0, stop_time=440.0))
    assert start.stop_time == 500.0 and "60 s before start_time" in start.time_remark
    assert stins.decode(header(start_time=500.0, stop_time=None)).time_remark == ""


@pytest.mark.parametrize("value", [True, "1790000000", None, [1.0], 1e300, 10**400, float("nan")])
def test_a_start_that_is_no_time_costs_the_scan(value):
    with pytest.raises(BadMessage) as caught:
        stins.decode(header(start_time=value))
    assert caught.value.kind == "bad_header" and "start_time" in str(caught.value)
