"""A producer's resend service: what it keeps, and what it answers to whom."""

import json
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
import zmq

from monitor.errors import SettingError
from monitor.processes import free_addresses
from monitor.records import ResendEnd, ResendQuestion, ScanStart, SliceFrame
from monitor.sources.feeds.resend_service import ResendService
from monitor.wire import resend as wire
from monitor.wire.slices import stins
from tests.core.phantom import start
from tests.helpers.waiting import PATIENCE_MS

SHAPE = (20, 16, 16)
SIZE = 16 * 16 * 2


class Client:
    def __init__(self, address: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.connect(address)

    def send(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def hear(self) -> ScanStart | SliceFrame | ResendEnd:
        assert self._socket.poll(PATIENCE_MS), "no answer"
        return wire.decode_answer(self._socket.recv_multipart())

    def silent(self) -> bool:
        return not self._socket.poll(200)

    def ask(
        self, scan: int, *frames: int, **more: object
    ) -> tuple[list[ScanStart | SliceFrame], ResendEnd]:
        """What comes, and how the answer ends."""
        question = ResendQuestion("A", scan, frames, **more)  # type: ignore[arg-type]
        self.send(wire.encode_question(question))
        heard: list[ScanStart | SliceFrame] = []
        while not isinstance(record := self.hear(), ResendEnd):
            heard.append(record)
        return heard, record

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def service() -> Iterator[ResendService]:
    with closing(ResendService(free_addresses(1)[0], kept_bytes=30 * SIZE, kept_scans=2)) as made:
        yield made


@pytest.fixture
def client(service: ResendService) -> Iterator[Client]:
    made = Client(service.address)
    yield made
    made.close()


def pixels(scan: int, frame: int) -> np.ndarray:
    return np.full(SHAPE[1:], 100 * scan + frame, np.uint16)


def keep(
    service: ResendService, scan: int, frames: range, stream: str = "s", codec: str = "none"
) -> None:
    begin = start(SHAPE, scan=scan, stream=stream)
    service.keep(begin, stins.encode_start(begin))
    for frame in frames:
        image = SliceFrame("A", scan, stream, frame + 1, frame, pixels(scan, frame))
        service.keep(image, stins.encode_slice(image, codec))


@pytest.mark.parametrize("codec", ["none", "bslz4"])
def test_slices_come_as_they_were_sent(service: ResendService, client: Client, codec: str) -> None:
    keep(service, 3, range(10), codec=codec)
    heard, end = client.ask(3, 4, 7, 4, 15, id=9)
    assert [(r.frame, r.msg_number, r.recovered) for r in heard] == [(4, 5, True), (7, 8, True)]
    for record in heard:
        np.testing.assert_array_equal(record.data, pixels(3, record.frame))
    assert end == ResendEnd("A", 3, (15,), 9)


def test_a_header_comes_where_it_is_asked_for(service: ResendService, client: Client) -> None:
    keep(service, 3, range(2))
    heard, end = client.ask(3, header=True)
    assert heard == [start(SHAPE, scan=3)] and end.frames == ()
    assert client.ask(3, 0)[0][0].frame == 0
    assert client.ask(4, header=True) == ([], ResendEnd("A", 4))


def test_the_session_that_is_meant_is_the_newest_or_the_one_named(
    service: ResendService, client: Client
) -> None:
    keep(service, 0, range(5), "old")
    keep(service, 0, range(3), "new")
    assert [r.stream for r in client.ask(0, 1)[0]] == ["new"]
    assert [r.stream for r in client.ask(0, 1, 4, stream="old")[0]] == ["old", "old"]
    assert client.ask(0, 4)[1].frames == (4,)
    assert client.ask(0, 1, stream="other")[1].frames == (1,)


def test_memory_is_bounded_and_the_oldest_leaves_first(
    service: ResendService, client: Client
) -> None:
    keep(service, 0, range(20))
    keep(service, 1, range(15))
    assert service._bytes == 30 * SIZE
    assert client.ask(0, 4, 5)[1].frames == (4,)
    keep(service, 1, range(15))  # the same slices again take no more
    assert service._bytes == 30 * SIZE
    keep(service, 2, range(20))
    assert client.ask(0, *range(20), header=True)[1].frames == tuple(range(20))
    assert client.ask(1, *range(15))[1].frames == tuple(range(5))
    assert client.ask(2, *range(20))[1].frames == ()
    keep(service, 3, range(20))
    keep(service, 3, range(20, 60))
    assert service._bytes == 30 * SIZE
    assert client.ask(3, 29, 30, 59)[1].frames == (29,)


def test_cells_do_not_push_each_other_out(service: ResendService, client: Client) -> None:
    keep(service, 0, range(5))
    for scan in range(3):
        begin = start(SHAPE, scan=scan, name="B")
        service.keep(begin, stins.encode_start(begin))
    assert len(client.ask(0, header=True)[0]) == 1


def test_what_is_no_question_hears_nothing_and_harms_nobody(
    service: ResendService, client: Client
) -> None:
    keep(service, 0, range(5))
    for frames in (
        [b""],
        [b"\xff"],
        [b"{}"],
        [b'{"htype":"resend","cell":"A","scan":0,"frames":7}'],
    ):
        client.send(*frames)
    assert client.silent()
    client.send(
        b"", json.dumps({"htype": "resend", "cell": "A", "scan": 0, "frames": [1]}).encode()
    )
    assert isinstance(client.hear(), SliceFrame)
    assert client.hear() == ResendEnd("A", 0)


def test_one_client_s_question_is_not_answered_to_another(
    service: ResendService, client: Client
) -> None:
    keep(service, 0, range(5))
    other = Client(service.address)
    try:
        assert client.ask(0, 1)[0][0].frame == 1
        assert other.silent()
    finally:
        other.close()


def test_an_address_that_cannot_be_had_is_one_line(service: ResendService) -> None:
    for address in (service.address, "tcp://0.0.0.0:5602", "nowhere"):
        with pytest.raises(SettingError, match=r"simulator\.resend") as caught:
            ResendService(address, setting="simulator.resend")
        assert "\n" not in str(caught.value)
