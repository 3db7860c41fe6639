"""Codec `dectris2`, against DECTRIS's own description of Stream V2 as the `cbor2` library writes
it, and against the first codec."""

import contextlib
import json
import tracemalloc
from dataclasses import replace

import bitshuffle
import cbor2
import numpy as np
import pytest
from cbor2 import CBORTag
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import BadMessage
from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.wire import resend
from monitor.wire.slices import cbor_decoder, codec, dectris, stins
from monitor.wire.slices.limits import Limits
from tests.helpers import dectris_stream

START = ScanStart(
    ScanKey("A", "run-1", 7), "s-1", 0, "extra", "r-1", "z", (30, 20, 10), "uint16",
    (0.717, 0.717, 0.717), 1760000000.0, 1760000240.0, "tcp://127.0.0.1:5602",
)  # fmt: skip
END = ScanEnd("A", 7, "s-1", 31, 30)
PIXELS = np.arange(20, dtype="<u2").reshape(4, 5)
NAME = {"msg_number": 3, "stream": "s-1", "cell": "A", "scan": 7}
SERIES = {"series_id": 12, "series_unique_id": "01FE-7"}
TAGS = {"uint8": 64, "uint16": 69, "float32": 85}


def array(pixels=PIXELS, tag=None, shape=None, buffer=None):
    tag = TAGS[pixels.dtype.name] if tag is None else tag
    buffer = pixels.tobytes() if buffer is None else buffer
    return CBORTag(40, [list(pixels.shape) if shape is None else shape, CBORTag(tag, buffer)])


def image(channels=None, user=NAME, **changes):
    """An image as a detector sends it: index, shape and type are DECTRIS's own."""
    ratio = [1, 10**8]
    message = {
        "type": "image", **SERIES, "image_id": 2, "real_time": ratio, "start_time": ratio,
        "stop_time": ratio, "series_date": CBORTag(0, "2025-10-09T08:53:20Z"),
        "data": {"threshold_1": array()} if channels is None else channels, "user_data": user,
    }  # fmt: skip
    return [cbor2.dumps(message | changes)]


def start(user=(), **changes):
    """A start whose size, type and time only DECTRIS's own fields say."""
    message = {
        "type": "start", **SERIES, "arm_date": CBORTag(0, "2025-10-09T10:53:20.5+02:00"),
        "channels": ["threshold_1"], "image_dtype": "uint16", "image_size_x": 10,
        "image_size_y": 20, "number_of_images": 30, "count_time": 0.1, "sensor_material": "Si",
        "goniometer": {"omega": {"start": 0.0, "increment": 0.5}},
        "flatfield": {"threshold_1": array(np.ones((20, 10), np.float32))},
        "user_data": NAME | {"msg_number": 0} | dict(user),
    }  # fmt: skip
    return [cbor2.dumps(message | changes)]


def refusal(frames):
    with pytest.raises(BadMessage) as caught:
        codec.decode(frames)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    return caught.value.kind


@pytest.mark.parametrize("voxel", [(0.7, 0.8, 0.9), None])
@pytest.mark.parametrize("axis", ["z", "y"])
def test_starts_and_ends_come_back_as_they_went(voxel, axis):
    sent = replace(START, axis=axis, volume_shape=(3, 4, 5), voxel_size_um=voxel)
    assert codec.decode(dectris_stream.encode_start(sent)) == sent
    assert codec.decode(dectris_stream.encode_end(END)) == END


@pytest.mark.parametrize("compression", ["none", "bslz4"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (130, 257)])
def test_slices_come_back_bit_by_bit(dtype, compression, shape):
    pixels = (np.random.default_rng(1).normal(100, 20, shape)).astype(dtype)
    sent = SliceFrame("A", 7, "s-1", 3, 2, pixels)
    frames = dectris_stream.encode_slice(sent, compression)
    back, other = codec.decode(frames), codec.decode(stins.encode_slice(sent, compression))
    assert len(frames) == 1
    for name in ("cell", "scan", "stream", "msg_number", "frame", "recovered"):
        assert getattr(back, name) == getattr(other, name)
    assert back.data.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back.data, pixels)
    assert not back.data.flags.writeable


def test_pixels_are_looked_at_in_the_message_and_not_copied():
    pixels = np.arange(64 * 65, dtype="<f4").reshape(64, 65)
    (frame,) = dectris_stream.encode_slice(SliceFrame("A", 7, "s", 3, 2, pixels))
    received = np.frombuffer(frame, np.uint8).copy()
    back = codec.decode([memoryview(received)])
    assert np.shares_memory(back.data, received)
    np.testing.assert_array_equal(back.data, pixels)


def test_pixels_at_an_odd_address_are_read_all_the_same():
    for pad in range(8):
        frames = image(user=NAME | {"note": "x" * pad})
        np.testing.assert_array_equal(codec.decode(frames).data, PIXELS)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_image_by_the_description_of_dectris_is_read(dtype, packed):
    pixels = np.random.default_rng(2).integers(0, 200, (64, 100)).astype(dtype)
    buffer = pixels.tobytes()
    if packed:
        head = pixels.nbytes.to_bytes(8, "big") + (8192).to_bytes(4, "big")
        chunk = head + bitshuffle.compress_lz4(pixels).tobytes()
        buffer = CBORTag(56500, ["bslz4", pixels.itemsize, chunk])
    back = codec.decode(image({"threshold_1": array(pixels, buffer=buffer)}))
    assert (back.cell, back.scan, back.stream, back.msg_number, back.frame) == ("A", 7, "s-1", 3, 2)
    np.testing.assert_array_equal(back.data, pixels)


def test_a_start_by_the_description_of_dectris_is_read():
    back = codec.decode(start())
    assert (back.key, back.stream, back.msg_number) == (ScanKey("A", "", 7), "s-1", 0)
    assert (back.volume_shape, back.dtype, back.axis) == ((30, 20, 10), "uint16", "z")
    assert back.start_time == back.stop_time == 1760000000.5
    assert (back.voxel_size_um, back.remark) == (None, "")
    assert codec.decode(start({"axis": "y"})).volume_shape == (20, 30, 10)


def test_what_user_data_says_of_the_size_fills_in_what_is_not_said_beside_it():
    lacking = {"number_of_images": None, "image_dtype": None}
    back = codec.decode(start({"volume_shape": [9, 20, 10], "type": "uint8"}, **lacking))
    assert (back.volume_shape, back.dtype) == ((9, 20, 10), "uint8")
    assert codec.decode(start({"start_time": 5})).start_time == 5.0


def test_a_message_that_says_that_it_is_cbor_or_has_no_lengths_is_read():
    user = b"\xbf" + b"".join(cbor2.dumps(k) + cbor2.dumps(v) for k, v in NAME.items()) + b"\xff"
    end = b"\xbf" + cbor2.dumps("type") + cbor2.dumps("end") + cbor2.dumps("user_data") + user[:-1]
    frame = (
        cbor_decoder.SELF_DESCRIBED + end + cbor2.dumps("slices") + cbor2.dumps(30) + b"\xff\xff"
    )
    assert codec.decode([frame]) == replace(END, msg_number=3)


def test_the_library_reads_what_we_write():
    (frame,) = dectris_stream.encode_slice(SliceFrame("A", 7, "s", 3, 2, PIXELS), "bslz4")
    message = cbor2.loads(frame)
    assert next(iter(message)) == "type"
    assert (message["type"], message["image_id"], message["series_id"]) == ("image", 2, 7)
    (channel,) = message["data"].values()
    assert (channel.tag, *channel.value[0], channel.value[1].tag) == (40, 4, 5, 69)
    assert channel.value[1].value.tag == 56500
    assert list(channel.value[1].value.value[:2]) == ["bslz4", 2]
    assert message["user_data"].items() >= {"cell": "A", "scan": 7, "htype": "image"}.items()
    begin = cbor2.loads(dectris_stream.encode_start(START)[0])
    assert (begin["number_of_images"], begin["image_size_y"]) == (30, 20)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats(allow_nan=False)
    | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)  # fmt: skip


@given(VALUE)
def test_values_are_those_of_the_library(value):
    def plain(found):
        if isinstance(found, list):
            return [plain(item) for item in found]
        if isinstance(found, dict):
            return {key: plain(item) for key, item in found.items()}
        return bytes(found) if isinstance(found, memoryview) else found

    assert plain(cbor_decoder.read(cbor2.dumps(value))) == value
    assert plain(cbor_decoder.read(cbor2.dumps(value, canonical=True))) == value


def test_either_codec_is_told_by_its_first_byte():
    sent = SliceFrame("A", 7, "s", 3, 2, PIXELS)
    assert dectris.is_dectris(dectris_stream.encode_slice(sent))
    assert not any(map(dectris.is_dectris, ([], [b""], [b"\xd9\xd9\xf7"], stins.encode_end(END))))
    again = resend.decode_answer(dectris_stream.encode_slice(sent))
    assert again.recovered and again.frame == 2
    again = resend.decode_answer(dectris_stream.encode_start(START))
    assert again == START and again.recovered
    with pytest.raises(BadMessage, match="not requested"):
        resend.decode_answer(dectris_stream.encode_end(END))


def test_the_journal_can_hold_what_a_message_says():
    user = NAME | {"software": {"version": [1, 2]}, "raw": b"\0", "t": CBORTag(0, "x")}
    header = json.loads(json.dumps(codec.header_of(image(user=user)[0])))
    assert header.items() >= (NAME | {"frame": 2, "shape": [4, 5], "type": "uint16"}).items()
    assert header["software"] == {"version": [1, 2]} and header["codec"] == "dectris2"
    assert not {"raw", "t"} & set(header)
    back = codec.decode([json.dumps(codec.header_of(start()[0])).encode()])
    assert back == codec.decode(start())


def channel(**changes):
    return image({"a": array(**changes)})


def packed(*content):
    return channel(buffer=CBORTag(56500, list(content)))


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        ([b"\xa0"], "unknown_htype"),
        ([cbor2.dumps({"type": "frame"})], "unknown_htype"),
        ([cbor2.dumps({"type": ["image"]})], "unknown_htype"),
        ([cbor2.dumps({"type": "x" * 10**5})], "unknown_htype"),
        ([cbor2.dumps({1: 2})], "bad_header"),
        ([b"\xa2\x61a\x01\x61a\x02"], "bad_header"),
        ([b"\xa1"], "not_json"),
        ([b"\xbb" + b"\xff" * 8], "not_json"),
        ([b"\xa1\x61a\x5b" + b"\xff" * 8], "not_json"),
        ([b"\xa1\x61a\x9b" + b"\xff" * 8], "not_json"),
        ([b"\xa1\x7b" + b"\xff" * 8], "bad_header"),
        ([b"\xa1\x61\xff\x01"], "not_json"),
        ([b"\xa1\x61a\x5f\x41a\xff"], "not_json"),
        ([b"\xa1\x61a\xff"], "not_json"),
        ([b"\xa1\x61a\x1c"], "not_json"),
        ([b"\xa1\x61a\xf8\x20"], "not_json"),
        ([b"\xbf" * 10**5], "bad_header"),
        ([b"\xa1\x61a" + b"\x9f" * 10**5], "bad_header"),
        ([b"\xa1\x61a" + b"\xc6" * 10**5], "bad_header"),
        ([image()[0] + b"\x00"], "not_json"),
        ([*image(), b"more"], "bad_length"),
        ([image()[0][:-1]], "not_json"),
        (image(user=NAME | {"deep": nested(40)}), "bad_header"),
        (image(user=NAME | {"many": [0] * cbor_decoder.MAX_ITEMS}), "bad_header"),
        (image(user=NAME | {"long": "x" * cbor_decoder.MAX_PLAIN_BYTES}), "bad_header"),
        (image(user=NAME | {"much": ["x" * 10**5] * 12}), "bad_header"),
        (image(user=NAME | {"scan": 2**70}), "bad_header"),
        (image(user=NAME | {"scan": CBORTag(29, 0)}), "bad_header"),
        (image(user=[NAME]), "bad_header"),
        (image(user=None), "bad_header"),
        (image(user={k: v for k, v in NAME.items() if k != "cell"}), "bad_header"),
        (image(user=NAME | {"cell": b"A"}), "bad_header"),
        (image(user=NAME | {"cell": CBORTag(0, "A")}), "bad_header"),
        (image(user=NAME | {"frame": 3}), "bad_header"),
        (image(user=NAME | {"htype": "header"}), "bad_header"),
        (image(user=NAME | {"shape": [5, 4]}), "bad_shape"),
        (image(user=NAME | {"type": "uint8"}), "bad_type"),
        (image(user=NAME | {"compression": "bslz4"}), "bad_compression"),
        (image(image_id=None), "bad_header"),
        (image(image_id=-1), "bad_header"),
        (image(image_id="2"), "bad_header"),
        (image(data=None), "bad_header"),
        (image({}), "bad_header"),
        (image({"a": array(), "b": array()}), "bad_header"),
        (image({"a": PIXELS.tobytes()}), "bad_shape"),
        (image({"a": CBORTag(1040, array().value)}), "bad_shape"),
        (image({"a": CBORTag(40, [[4, 5]])}), "bad_shape"),
        (image({"a": CBORTag(40, [[4, 5], [1] * 20])}), "bad_shape"),
        (channel(shape=[4, 5, 1]), "bad_shape"),
        (channel(shape=[-4, -5]), "bad_shape"),
        (channel(shape=[4, 2**63]), "bad_shape"),
        (channel(shape=[4, CBORTag(0, "5")]), "bad_shape"),
        (channel(shape=[5, 5]), "bad_length"),
        (channel(tag=64), "bad_length"),
        (channel(tag=65), "bad_type"),
        (channel(tag=70), "bad_type"),
        (channel(tag=99), "bad_type"),
        (channel(buffer="pixels"), "bad_compression"),
        (channel(buffer=CBORTag(24, b"pixels")), "bad_compression"),
        (packed("bslz4", 2), "bad_compression"),
        (packed("bslz4", 4, PIXELS.tobytes()), "bad_compression"),
        (packed("bslz4", 2, PIXELS.tobytes()), "bad_compression"),
        (packed("bslz4", 2, b""), "bad_compression"),
        (packed("lz4", 0, PIXELS.tobytes()), "bad_compression"),
        (packed("none", 2, PIXELS.tobytes()), "bad_compression"),
        (packed(["bslz4"], 2, PIXELS.tobytes()), "bad_compression"),
        (start({"volume_shape": [30, 20, 11]}), "bad_shape"),
        (start({"type": "float32"}), "bad_type"),
        (start(image_dtype="uint32"), "bad_type"),
        (start(image_dtype=["uint16"]), "bad_type"),
        (start(number_of_images=None), "bad_shape"),
        (start(number_of_images=0), "bad_shape"),
        (start(number_of_images=2**40), "bad_shape"),
        (start(arm_date="2025-10-09T10:53:20Z"), "bad_header"),
        (start(arm_date=CBORTag(0, "2025-10-09T10:53:20")), "bad_header"),
        (start(arm_date=CBORTag(0, "yesterday")), "bad_header"),
        (start(arm_date=CBORTag(0, 5)), "bad_header"),
        (start({"reason": "often"}), "bad_header"),
        ([cbor2.dumps({"type": "end", **SERIES})], "bad_header"),
        ([cbor2.dumps({"type": "end", **SERIES, "user_data": NAME})], "bad_header"),
    ],
)  # fmt: skip
def test_each_wrong_message_is_refused_by_name(frames, kind):
    assert refusal(frames) == kind


def test_what_is_too_large_is_refused_before_memory_is_taken():
    huge = channel(shape=[30000, 30000], buffer=CBORTag(56500, ["bslz4", 2, b"\0" * 10**4]))
    limits = Limits(slice_pixels=10**6)
    tracemalloc.start()
    try:
        for frames in (huge, [b"\xa1\x61a\x9b\0\0\0\1\0\0\0\0" + b"\0" * 100]):
            with pytest.raises(BadMessage):
                codec.decode(frames, limits)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()
    assert refusal(huge) == "bad_compression"
    with pytest.raises(BadMessage, match="raise the setting"):
        codec.decode(start(number_of_images=10**5), Limits(volume_bytes=10**6))


WHOLE = [*image(), *start(), dectris_stream.encode_end(END)[0], *packed("bslz4", 2, b"\0" * 40)]


@given(st.sampled_from(WHOLE), st.data())
@settings(max_examples=400)
def test_altered_bytes_raise_nothing_but_bad_message(frame, data):
    place = data.draw(st.integers(0, len(frame) - 1))
    middle = data.draw(st.binary(max_size=12))
    changed = frame[:place] + middle + frame[place + data.draw(st.integers(0, 12)) :]
    with contextlib.suppress(BadMessage):
        codec.decode([changed])


@given(st.sampled_from([0xA1, 0xA3, 0xBF, 0xB8]), st.binary(max_size=80))
def test_arbitrary_bytes_raise_nothing_but_bad_message(first, rest):
    with contextlib.suppress(BadMessage):
        codec.decode([bytes([first]) + rest])


@settings(max_examples=300)
@given(st.sampled_from(WHOLE), st.data(), st.booleans())
def test_arbitrary_values_raise_nothing_but_bad_message(frame, data, within):
    message = cbor2.loads(frame)
    place = message["user_data"] if within else message
    place = dict(place)
    key = data.draw(st.sampled_from([*sorted(place), "frame", "shape", "axis", "volume_shape"]))
    place[key] = data.draw(VALUE | VALUE.map(lambda value: CBORTag(40, [[1, 1], value])))
    changed = message | {"user_data": place} if within else place
    with contextlib.suppress(BadMessage):
        codec.decode([cbor2.dumps(changed)])
