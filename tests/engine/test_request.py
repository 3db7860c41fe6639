import time
from collections.abc import Iterator

import pytest
import zmq

from monitor.engine.request import QUEUE_LIMIT, Requester
from monitor.errors import SettingError
from monitor.records import BadInput, ScanReply, ScanRequest
from monitor.settings import RequestSettings
from monitor.wire import requests as wire

REQUEST = ScanRequest("id-1", "A", "pit_onset", 3, {})


@pytest.fixture
def router() -> Iterator[tuple[zmq.Socket[bytes], str]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    yield socket, f"tcp://127.0.0.1:{port}"
    socket.close(0)
    context.term()


def polled(requester: Requester, count: int) -> list[ScanReply | BadInput]:
    replies: list[ScanReply | BadInput] = []
    deadline = time.monotonic() + 5.0
    while len(replies) < count and time.monotonic() < deadline:
        replies += requester.poll()
        time.sleep(0.005)
    return replies


def test_request_goes_out_and_replies_come_in(router):
    socket, endpoint = router
    requester = Requester(RequestSettings(endpoint=endpoint))
    requester.send(REQUEST)
    assert socket.poll(5000)
    sender, payload = socket.recv_multipart()
    assert wire.decode_request(payload) == REQUEST
    accepted, done = ScanReply("id-1", "accepted"), ScanReply("id-1", "done", scan=4)
    for frame in (wire.encode_reply(accepted), b"garbage", wire.encode_reply(done)):
        socket.send_multipart([sender, frame])
    first, bad, last = polled(requester, 3)
    assert (first, last) == (accepted, done)
    assert isinstance(bad, BadInput)
    assert (bad.feed, bad.kind) == ("requests", "not_json")
    assert requester.poll() == []
    requester.close()
    requester.close()


def test_dry_run_refuses_by_itself():
    requester = Requester(RequestSettings(backend="none"))
    requester.send(REQUEST)
    (reply,) = requester.poll()
    assert isinstance(reply, ScanReply)
    assert (reply.id, reply.status) == ("id-1", "refused")
    assert "dry run" in reply.why
    assert requester.poll() == []
    requester.close()


def test_requests_to_nobody_never_block_and_are_refused_past_the_limit():
    requester = Requester(RequestSettings(endpoint="tcp://127.0.0.1:1"))
    for _ in range(QUEUE_LIMIT + 5):
        requester.send(REQUEST)
    replies = requester.poll()
    assert [r.status for r in replies if isinstance(r, ScanReply)] == ["refused"] * 5
    requester.close()


def test_a_wrong_address_stops_the_start():
    with pytest.raises(SettingError, match=r"requests\.endpoint"):
        Requester(RequestSettings(endpoint="nowhere"))
