import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zmq

from monitor.engine.requests.requester import QUEUE_LIMIT, Requester
from monitor.errors import SettingError
from monitor.processes import is_free
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
    deadline = time.monotonic() + 60.0
    while len(replies) < count and time.monotonic() < deadline:
        replies += requester.poll()
        time.sleep(0.005)
    return replies


def received(socket: zmq.Socket[bytes], requester: Requester) -> list[bytes]:
    """The next request that comes, as [sender, payload]."""
    deadline = time.monotonic() + 60.0
    while not socket.poll(5) and time.monotonic() < deadline:
        requester.poll()
    return socket.recv_multipart(zmq.DONTWAIT)


def test_request_goes_out_and_replies_come_in(router):
    socket, endpoint = router
    requester = Requester(RequestSettings(endpoint=endpoint))
    requester.send(REQUEST)
    sender, payload = received(socket, requester)
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
    for number in range(QUEUE_LIMIT + 5):
        requester.send(ScanRequest(f"id-{number}", "A", "pit_onset", 3, {}))
    requester.send(ScanRequest("id-0", "A", "pit_onset", 3, {}))
    replies = requester.poll()
    assert [r.id for r in replies if isinstance(r, ScanReply)] == [
        f"id-{i}" for i in range(100, 105)
    ]
    assert {r.status for r in replies if isinstance(r, ScanReply)} == {"refused"}
    requester.close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def asking(router) -> Iterator[tuple[zmq.Socket[bytes], Requester, Clock]]:
    """A requester that sends again every 5 s of a clock that stands still, and who it asks."""
    socket, endpoint = router
    clock = Clock()
    requester = Requester(RequestSettings(endpoint=endpoint, resend_s=5.0), clock=clock)
    assert requester._backend._socket.poll(60_000, zmq.POLLOUT)
    yield socket, requester, clock
    requester.close()


def test_what_is_not_answered_is_sent_again_with_the_same_id(asking):
    socket, requester, clock = asking
    requester.send(REQUEST)
    first = received(socket, requester)
    clock.now = 4.9
    requester.poll()
    assert not socket.poll(50)
    for clock.now in (5.0, 10.0):
        assert received(socket, requester) == first
        requester.poll()
        assert not socket.poll(50)


def test_accepted_is_not_the_end(asking):
    socket, requester, clock = asking
    requester.send(REQUEST)
    sender, payload = received(socket, requester)
    socket.send_multipart([sender, wire.encode_reply(ScanReply("id-1", "accepted"))])
    assert polled(requester, 1) == [ScanReply("id-1", "accepted")]
    clock.now = 5.0
    assert received(socket, requester) == [sender, payload]


@pytest.mark.parametrize("status", ["refused", "running", "done", "failed"])
def test_what_is_served_is_not_sent_again(asking, status):
    socket, requester, clock = asking
    requester.send(REQUEST)
    sender, _ = received(socket, requester)
    reply = ScanReply("id-1", status)
    for _ in range(2):  # a second reply does no harm
        socket.send_multipart([sender, wire.encode_reply(reply)])
    clock.now = 50.0  # due already, but the answer is there
    assert polled(requester, 2) == [reply, reply]
    requester.poll()
    while socket.poll(50):  # what was due before the answer had come
        socket.recv_multipart()
    clock.now = 100.0
    requester.poll()
    assert not socket.poll(50)


def test_what_is_settled_is_not_sent_again(asking):
    socket, requester, clock = asking
    requester.send(REQUEST)
    received(socket, requester)
    requester.settle("id-1")
    requester.settle("id-1")
    clock.now = 5.0
    requester.poll()
    assert not socket.poll(50)


@contextmanager
def another_router(endpoint: str) -> Iterator[zmq.Socket[bytes]]:
    """An acquisition at an address that was in use until now; ZeroMQ frees it a little later."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        try:
            socket.bind(endpoint)
            break
        except zmq.ZMQError:
            time.sleep(0.01)
    yield socket
    context.destroy(linger=0)


def test_an_acquisition_that_comes_late_gets_each_request_once(router):
    router[0].close(0)
    while not is_free(router[1]):
        time.sleep(0.01)
    clock = Clock()
    requester = Requester(RequestSettings(endpoint=router[1]), clock=clock)
    requester.send(REQUEST)
    said = []
    for clock.now in range(0, 100, 5):
        said += requester.poll()
    (absence,) = said
    assert absence.kind == "mailbox_absent"
    assert router[1] in absence.text
    with another_router(router[1]) as socket:
        assert wire.decode_request(received(socket, requester)[-1]) == REQUEST
        requester.poll()
        assert not socket.poll(50)
    requester.close()


def test_an_acquisition_that_was_restarted_hears_of_what_it_lost(router):
    requester = Requester(RequestSettings(endpoint=router[1], resend_s=0.05))
    requester.send(REQUEST)
    received(router[0], requester)
    router[0].close(0)
    with another_router(router[1]) as socket:
        assert wire.decode_request(received(socket, requester)[-1]) == REQUEST
    requester.close()


def test_queueserver_is_asked_where_it_is_chosen():
    settings = RequestSettings(backend="queueserver", control="tcp://127.0.0.1:1")
    requester = Requester(settings)
    requester.send(REQUEST)
    assert requester.poll() == []
    requester.settle("id-1")
    requester.close()
    requester.close()
    assert requester.poll() == []


def test_a_wrong_address_stops_the_start():
    with pytest.raises(SettingError, match=r"requests\.endpoint"):
        Requester(RequestSettings(endpoint="nowhere"))
