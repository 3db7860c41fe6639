"""Slices and documents through real sockets on this machine."""

import itertools
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import zmq

from monitor.engine.feeds.subscribe import LiveFeeds
from monitor.errors import SettingError
from monitor.processes import free_addresses
from monitor.records import BadInput, CyclerDocument, ScanEnd, ScanStart, SliceFrame
from monitor.settings import FeedSettings
from monitor.sources.feeds.documents_proxy import DocumentsProxy
from monitor.wire import documents
from monitor.wire.slices import stins
from tests.core.phantom import start
from tests.helpers.waiting import eventually

PIXELS = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128)
BEGIN = start((3, 128, 128))


def image(frame, stream="s"):
    return stins.encode_slice(SliceFrame("A", 0, stream, frame + 1, frame, PIXELS + frame))


class Peers:
    """Producers on the other side of the feeds."""

    def __init__(self, slices=2, pull=False):
        self.context = zmq.Context()
        *self.addresses, documents_at, pull_at = free_addresses(slices + 2)
        self.slices = [self.bound(address) for address in self.addresses]
        self.documents = self.bound(documents_at)
        self.settings = FeedSettings(
            slices=tuple(self.addresses),
            documents=(documents_at,),
            slices_pull=pull_at if pull else "",
        )

    def bound(self, address):
        made = self.context.socket(zmq.XPUB)
        made.bind(address)
        return made

    def wait(self):
        """Until every feed has subscribed."""
        for one in (*self.slices, self.documents):
            assert one.poll(60_000)
            one.recv()


@contextmanager
def joined(**options):
    peers = Peers(**options)
    feeds = LiveFeeds(peers.settings)
    try:
        peers.wait()
        yield peers, feeds
    finally:
        feeds.close()
        peers.context.destroy(linger=0)


def taken(feeds, count):
    """The next `count` messages."""
    got = []
    eventually(lambda: got.extend(feeds.take(50)) or len(got) >= count)
    assert len(got) == count
    return got


def test_messages_of_several_producers_arrive_as_records():
    with joined() as (peers, feeds):
        one, two = peers.slices
        one.send_multipart(stins.encode_start(BEGIN))
        one.send_multipart(image(0))
        records = [received.record for received in taken(feeds, 2)]
        two.send_multipart(image(1, "other"))
        two.send_multipart(stins.encode_end(ScanEnd("A", 0, "s", 4, 3)))
        records += [received.record for received in taken(feeds, 2)]
    assert [type(record) for record in records] == [ScanStart, SliceFrame, SliceFrame, ScanEnd]
    assert records[0] == BEGIN
    np.testing.assert_array_equal(records[2].data, PIXELS + 1)


def test_pixels_look_into_the_received_message_and_outlive_it():
    with joined(slices=1) as (peers, feeds):
        for frame in range(3):
            peers.slices[0].send_multipart(image(frame))
        received = taken(feeds, 3)
        for one in received:
            whole = np.frombuffer(one.frames[1], np.uint8)
            assert np.shares_memory(one.record.data, whole)
        arrays = [one.record.data for one in received]
        del received, one, whole
    for frame, array in enumerate(arrays):
        np.testing.assert_array_equal(array, PIXELS + frame)


def test_a_producer_may_push():
    with joined(slices=0, pull=True) as (peers, feeds):
        push = peers.context.socket(zmq.PUSH)
        push.connect(peers.settings.slices_pull)
        push.send_multipart(image(2))
        (received,) = taken(feeds, 1)
    assert received.feed == "slices"
    assert received.record.frame == 2


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_documents_arrive_before_slices_that_wait(codec):
    document = CyclerDocument("event", {"uid": "e"})
    with joined(slices=1) as (peers, feeds):
        peers.slices[0].send_multipart(image(0))
        peers.documents.send(documents.encode(document, codec))
        until_waiting(feeds, {"documents": 1, "slices": 1})
        first, second = taken(feeds, 2)
    assert (first.feed, first.record) == ("documents", document)
    assert second.feed == "slices"


def test_what_cannot_be_read_is_a_record_too_and_the_next_message_comes():
    with joined(slices=1) as (peers, feeds):
        for frames in ([b"nonsense"], [b"{}", b"", b""], [image(0)[0]], [b""]):
            peers.slices[0].send_multipart(frames)
        peers.slices[0].send_multipart(image(1))
        slices = taken(feeds, 5)
        peers.documents.send(b" event \x80\x04.")
        peers.documents.send(b"x")
        refused = taken(feeds, 2)
    kinds = [one.record.kind for one in slices[:4]]
    assert kinds == ["not_json", "unknown_htype", "bad_length", "not_json"]
    assert slices[4].record.frame == 1
    assert [one.record for one in refused] == [
        replace(one.record, feed="documents") for one in refused
    ]
    assert [one.record.kind for one in refused] == ["pickled", "bad_document"]
    assert all(isinstance(one.record, BadInput) for one in refused)


def test_a_documents_proxy_that_is_started_again_is_found_again():
    into, out = free_addresses(2)
    context = zmq.Context()
    sender = context.socket(zmq.PUB)
    sender.setsockopt(zmq.RECONNECT_IVL, 50)
    sender.connect(into)
    feeds = LiveFeeds(FeedSettings(slices=(), documents=(out,)))
    told = itertools.count()

    def passed():
        """Sends readings until one comes out that was sent from now on."""
        first = next(told)

        def comes_through():
            reading = CyclerDocument("event", {"seq_num": next(told)})
            sender.send(documents.encode(reading, "msgpack"))
            return any(one.record.doc["seq_num"] > first for one in feeds.take(50))

        eventually(comes_through)

    proxy = DocumentsProxy(into, out)
    try:
        passed()
        proxy.close()
        list(feeds.take(50))  # what was under way
        proxy = DocumentsProxy(into, out)
        passed()
    finally:
        proxy.close()
        feeds.close()
        context.destroy(linger=0)


def test_silence_is_no_message_and_takes_no_longer_than_asked():
    with joined(slices=1) as (_, feeds):
        begin = time.monotonic()
        assert list(feeds.take(30)) == []
        assert time.monotonic() - begin < 60


def test_a_producer_that_starts_later_or_again_is_found():
    (address, documents_at) = free_addresses(2)
    feeds = LiveFeeds(FeedSettings(slices=(address,), documents=(documents_at,)))
    try:
        for turn in range(2):
            context = zmq.Context()
            try:
                producer = context.socket(zmq.XPUB)
                producer.bind(address)
                # a lost producer is looked for while messages are taken
                eventually(lambda at=producer: list(feeds.take(10)) or at.poll(100))
                producer.recv()
                producer.send_multipart(image(turn))
                assert taken(feeds, 1)[0].record.frame == turn
            finally:
                context.destroy(linger=0)
    finally:
        feeds.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"slices": ("127.0.0.1:5601",)},
        {"slices": ("udp://there",)},
        {"documents": ("tcp://127.0.0.1",)},
        {"slices_pull": "tcp://999.0.0.1:70000"},
    ],
)
def test_an_address_that_is_none_stops_the_start(changes):
    with pytest.raises(SettingError) as caught:
        LiveFeeds(FeedSettings(**changes))
    assert f"feeds.{next(iter(changes))}" in str(caught.value)


def test_an_address_in_use_stops_the_start():
    context = zmq.Context()
    taken_by = context.socket(zmq.PULL)
    port = taken_by.bind_to_random_port("tcp://127.0.0.1")
    try:
        with pytest.raises(SettingError, match="set another port"):
            LiveFeeds(FeedSettings(slices_pull=f"tcp://127.0.0.1:{port}"))
    finally:
        context.destroy(linger=0)


PAGE_ROWS = 3500


def page(rows=PAGE_ROWS, **columns):
    data = {"current": [0.1 * n for n in range(rows)], "potential": np.arange(float(rows))}
    doc = {
        "descriptor": "d", "time": [float(n) for n in range(rows)],
        "seq_num": list(range(rows)), "uid": [f"u{n}" for n in range(rows)],
        "data": data, "timestamps": {name: list(range(rows)) for name in data}, "filled": {},
    }  # fmt: skip
    return CyclerDocument("event_page", {**doc, **columns})


def until_waiting(feeds, least):
    """Until so many bytes of each feed wait."""
    eventually(lambda: all(feeds.waiting_bytes[feed] >= size for feed, size in least.items()))


def test_slices_are_taken_between_the_portions_of_a_page():
    with joined() as (peers, feeds):
        peers.documents.send(documents.encode(page(), "msgpack"))
        peers.slices[0].send_multipart(stins.encode_start(BEGIN))
        until_waiting(feeds, {"documents": 50_000, "slices": 1})
        first = [received.record for received in feeds.take(1000)]
        assert [type(record) for record in first] == [CyclerDocument, ScanStart]
        assert len(first[0].doc["time"]) == 1000
        peers.slices[0].send_multipart(image(0))
        until_waiting(feeds, {"slices": 1})
        second = [received.record for received in feeds.take(1000)]
        assert [type(record) for record in second] == [CyclerDocument, SliceFrame]
        rest = [received.record for _ in range(3) for received in feeds.take(10)]
        assert [len(record.doc["time"]) for record in rest] == [1000, 500]
        rows = [row for one in (first[0], second[0], *rest) for row in one.doc["seq_num"]]
        assert rows == list(range(PAGE_ROWS))


def test_many_pages_are_as_one_long():
    with joined() as (peers, feeds):
        for _ in range(30):
            peers.documents.send(documents.encode(page(rows=400), "msgpack"))
        peers.slices[0].send_multipart(stins.encode_start(BEGIN))
        until_waiting(feeds, {"documents": 30 * 400 * 8, "slices": 1})
        first = [received.record for received in feeds.take(1000)]
        assert [type(record) for record in first] == [CyclerDocument] * 3 + [ScanStart]
