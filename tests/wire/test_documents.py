"""Cycler documents on the wire, against bluesky's own publisher and msgpack itself."""

import contextlib
import json
import pickle
import tracemalloc
from pathlib import Path

import msgpack
import msgpack_numpy
import numpy as np
import pytest
import zmq
from bluesky.callbacks.zmq import Publisher
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import BadMessage
from monitor.records import CyclerDocument
from monitor.wire import documents

EVENT = {
    "uid": "e1",
    "descriptor": "d1",
    "time": 1760000000.25,
    "seq_num": 1,
    "data": {"vmp_potential": 2.1, "vmp_current": -0.108},
    "timestamps": {"vmp_potential": 1760000000.0, "vmp_current": 1760000000.0},
    "filled": {},
}


def refusal(frame):
    with pytest.raises(BadMessage) as caught:
        documents.decode(frame)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    return caught.value.kind


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_a_stock_publisher_is_understood(codec):
    context = zmq.Context()
    pull = context.socket(zmq.SUB)
    pull.setsockopt(zmq.SUBSCRIBE, b"")
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    publisher = Publisher(f"127.0.0.1:{port}", serializer=documents.serializer(codec))
    try:
        for _ in range(100):  # a new subscription takes a moment to reach the publisher
            publisher("event", EVENT)
            if pull.poll(50):
                break
        assert documents.decode(pull.recv()) == CyclerDocument("event", EVENT)
    finally:
        publisher.close()
        context.destroy(linger=0)


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_our_frames_have_bluesky_s_three_parts(codec):
    frame = documents.encode(CyclerDocument("start", {"uid": "a"}), codec, prefix=b"p")
    prefix, name, payload = frame.split(b" ", 2)
    assert (prefix, name) == (b"p", b"start")
    load = msgpack.unpackb if codec == "msgpack" else json.loads
    assert load(payload) == {"uid": "a"}


def test_numpy_values_come_back_equal():
    doc = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "b": np.float32(1.5), "c": 1 + 2j}
    back = documents.decode(documents.encode(CyclerDocument("event", doc), "msgpack")).doc
    np.testing.assert_array_equal(back["a"], doc["a"])
    assert back["a"].dtype == np.int16
    assert back["b"] == 1.5
    assert back["c"] == 1 + 2j
    flat = documents.decode(documents.encode(CyclerDocument("event", {"a": doc["a"]}), "json")).doc
    assert flat["a"] == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_refused_unread(protocol, tmp_path):
    trap = tmp_path / "ran"
    payload = pickle.dumps(_Trap(str(trap)), protocol)
    assert refusal(b" event " + payload) == "pickled"
    assert not trap.exists()


def test_a_pickle_of_the_oldest_protocols_is_refused_too():
    assert refusal(b" event " + pickle.dumps(EVENT, 0)) == "bad_document"
    assert refusal(b" event " + pickle.dumps(EVENT, 1)) == "bad_document"


def test_a_pickled_array_inside_msgpack_is_refused_unread(tmp_path):
    trap = tmp_path / "ran"
    array = np.array([_Trap(str(trap))], object)
    payload = msgpack.packb({"data": array}, default=msgpack_numpy.encode)
    assert refusal(b" event " + payload) == "pickled"
    assert not trap.exists()


@pytest.mark.parametrize("kind", ["|O", "O", "i4,O", [["a", "|O"]], None, 7])
def test_bytes_are_never_taken_for_pointers(kind):
    array = {b"nd": True, b"type": kind, b"kind": b"", b"shape": [1], b"data": b"\1" * 16}
    assert refusal(b" event " + msgpack.packb({"data": array})) == "bad_document"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"event",
        b" event",
        b" event ",
        b" event \xc1",
        b" event [1,2]",
        b' event {"a":',
        b" event " + msgpack.packb([1, 2]),
        b" event " + msgpack.packb(EVENT)[:-3],
        b" event " + b"[" * 100_000,
        b" event " + b'{"a":' * 100_000,
        b" \xff\xfe \x80",
        b" event " + msgpack.packb({b"nd": True, b"type": "f8", b"shape": [9], b"data": b""}),
    ],
)
def test_what_is_no_document_costs_one_message(frame):
    assert refusal(frame) == "bad_document"


NESTED = 40


@pytest.mark.parametrize(
    "doc",
    [
        {1: 2},
        {b"a": 1},
        {"a": {b"x": 1}},
        {"a": [{"b": {3: 4}}]},
        {"a": msgpack.ExtType(5, b"x")},
        {"a": {(): 1}},
    ],
)
def test_only_what_the_journal_can_hold_is_a_document(doc):
    assert refusal(b" event " + msgpack.packb(doc)) == "bad_document"


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_what_is_nested_deeply_is_refused_before_it_can_hurt(codec):
    for depth, kind in ((NESTED, "bad_document"), (5, None)):
        value = 1.0
        for _ in range(depth):
            value = [value]
        frame = documents.encode(CyclerDocument("event", {"a": value}), codec)
        if kind is None:
            assert documents.decode(frame).doc == {"a": value}
        else:
            assert refusal(frame) == kind


def test_times_of_msgpack_are_seconds():
    payload = msgpack.packb({"time": msgpack.Timestamp(1760000000, 250_000_000)})
    assert documents.decode(b" event " + payload).doc == {"time": 1760000000.25}


def test_lengths_that_are_only_announced_cost_nothing():
    """Arrays, maps and texts of 4 thousand million elements, and an empty array of 10^18 rows."""
    array = {b"nd": True, b"type": "<f8", b"kind": b"", b"shape": [10**9, 0, 10**9], b"data": b""}
    empty = documents.decode(b" event " + msgpack.packb({"a": array})).doc["a"]
    assert empty.shape == (0,)
    kinds = (b"\x81\xa1a\xdd", b"\x81\xa1a\xdf", b"\x81\xa1a\xdb", b"\x81\xa1a\xc6", b"\xdf")
    tracemalloc.start()
    try:
        for kind in kinds:
            assert refusal(b" event " + kind + b"\xff\xff\xff\xff") == "bad_document"
            assert refusal(b" event " + (kind + b"\x00\x3f\xff\xff") * 500) == "bad_document"
        for name in ("V9", "f8,f8", "<U" + "1" * 50):
            wide = array | {b"type": name, b"shape": [1]}
            assert refusal(b" event " + msgpack.packb({"a": wide})) == "bad_document"
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def test_a_document_has_a_largest_size():
    assert refusal(b" event " + b"\x90" * documents.MAX_BYTES) == "too_long"


@given(st.binary(max_size=200))
def test_arbitrary_payloads_raise_nothing_else(payload):
    for frame in (payload, b" event " + payload):
        with contextlib.suppress(BadMessage):
            documents.decode(frame)


class _Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize(
    "payload",
    [b"\x91" * 2000, b"\x93\x93\x93\x93\xa3ab", b"\x92\xa5hello\x92\xa5hello\xa1\xff"],
)
def test_what_breaks_off_leaves_nothing_in_memory(payload):
    """msgpack kept what it had read of such messages until 1.2.4."""

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    frame = b" event " + payload
    for _ in range(1000):
        refusal_kind(frame)
    before = resident()
    for _ in range(20_000):
        refusal_kind(frame)
    assert resident() - before < 3e6


def refusal_kind(frame):
    try:
        documents.decode(frame)
    except BadMessage as error:
        return error.kind
    raise AssertionError("it was read")
