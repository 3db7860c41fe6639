"""Clients that send without end, read nothing, or ask for more than there is."""

import json
import threading
import time

import numpy as np
import pytest
import zmq

from monitor.engine.feeds.subscribe import LiveFeeds
from monitor.engine.serving import clients
from monitor.engine.serving import publisher as publish
from monitor.engine.serving.replies import Answers
from monitor.processes import free_addresses
from monitor.settings import FeedSettings
from monitor.sockets import accepted
from monitor.sockets.keys import ClientKeys, make_keys, read_pair
from tests.engine.screens import Screen, update
from tests.gui.synthetic import Cell
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S, eventually
from tests.helpers.zmtp import RawClient

FAR_TOO_MUCH = 64_000_000
MB = 10**6


def port_of(address):
    return int(address.rpartition(":")[2])


def told_of(publisher, reason):
    """The first change of the connections that has this reason."""
    return eventually(lambda: next((c for c in publisher.changes() if c.reason == reason), None))


@pytest.mark.parametrize("part", [b"", b"x" * 200], ids=["empty", "short"])
@pytest.mark.parametrize(
    ("kind", "address"), [("DEALER", "pull_address"), ("SUB", "status_address")]
)
def test_a_message_that_does_not_end_costs_its_client_the_connection(bench, kind, address, part):
    publisher, screen = bench()
    hostile = RawClient(port_of(getattr(publisher, address)), kind)
    try:
        assert hostile.endless(part, FAR_TOO_MUCH) < FAR_TOO_MUCH
        change = told_of(publisher, "oversize")
        assert change.setting == ("results.pull" if kind == "DEALER" else "results.status")
        assert "without a complete message" in change.text
        assert screen.ask(type="state")["type"] == "state"
    finally:
        hostile.close()


def test_parts_of_many_clients_are_bounded_together(bench, monkeypatch):
    """None of them sends too much of its own."""
    monkeypatch.setattr(publish, "UNFINISHED_IN_ALL", 10 * publish.UNFINISHED_BYTES)
    publisher, screen = bench()
    hostile = [RawClient(port_of(publisher.pull_address)) for _ in range(30)]
    try:
        for client in hostile:
            client.endless(b"", publish.UNFINISHED_BYTES // 2)
        assert told_of(publisher, "oversize").setting == "results.pull"
        assert any(client.is_closed(1.0) for client in hostile)
        assert screen.ask(type="state")["type"] == "state"
    finally:
        for client in hostile:
            client.close()


def test_a_message_that_does_not_end_costs_a_producer_the_connection():
    (address,) = free_addresses(1)
    feeds = LiveFeeds(
        FeedSettings(slices=(), slices_pull=address, max_slice_Mpx=0.1, receive_MB=8.0)
    )
    hostile = RawClient(port_of(address), "PUSH")
    try:
        assert hostile.endless(b"x" * 200, FAR_TOO_MUCH) < FAR_TOO_MUCH
        told = eventually(lambda: [received.record for received in feeds.take(50)])
        assert [(c.setting, c.reason) for c in told] == [("feeds.slices_pull", "oversize")]
    finally:
        hostile.close()
        feeds.close()


@pytest.mark.parametrize("listed", [True, False], ids=["viewer", "stranger"])
def test_a_message_of_a_million_parts_with_keys(bench, tmp_path, listed):
    """libzmq sends it once it is whole. A stranger gets nothing in."""
    _, secret = make_keys(tmp_path, "engine")
    theirs, their_secret = make_keys(tmp_path, "viewer")
    _, other_secret = make_keys(tmp_path, "stranger")
    security = {"secret_key": str(secret), "viewers": [str(theirs)]}
    publisher, _ = bench({"security": security})
    pair = read_pair(str(their_secret if listed else other_secret), "x")
    context = zmq.Context()
    hostile = context.socket(zmq.DEALER)
    hostile.linger = 0
    events = hostile.get_monitor_socket()
    try:
        ClientKeys(pair, read_pair(str(secret), "x").public).guard(hostile)
        hostile.connect(publisher.pull_address)
        for _ in range(100_000):
            hostile.send(b"x" * 50, zmq.SNDMORE)
        hostile.send(b"x")
        if listed:
            assert told_of(publisher, "oversize").setting == "results.pull"
        else:
            eventually(lambda: publisher._gate.status["refused_keys"])
            assert not [c for c in publisher.changes() if c.reason == "oversize"]
    finally:
        hostile.disable_monitor()
        events.close(0)
        context.destroy(linger=0)


def test_too_many_parts_are_not_answered(bench):
    publisher, screen = bench()
    hostile = RawClient(port_of(publisher.pull_address))
    try:
        hostile.send(*[b"x"] * 20_000)
        assert told_of(publisher, "oversize").setting == "results.pull"
        assert hostile.is_closed(PATIENCE_S)
        assert screen.ask(type="state")["type"] == "state"
    finally:
        hostile.close()


def test_what_is_too_large_is_refused_before_it_is_read(bench, monkeypatch):
    def read(frames):
        raise AssertionError("it was read")

    monkeypatch.setattr(publish, "decode_request", read)
    monkeypatch.setattr(publish, "_tag", read)
    _, screen = bench()
    screen.dealer.send(b'{"type":"note","tag":"t","text":"' + b"x" * 100_000 + b'"}')
    assert screen.dealer.poll(PATIENCE_MS)
    assert "expected 65536 at most" in json.loads(screen.dealer.recv())["why"]


@pytest.fixture
def cuts(bench):
    """A publisher whose sections have 4 MB, the cells that were asked for one, and its screen."""
    made = []

    def section(cell, scan, axis, index):
        made.append(index)
        return np.zeros((1000, 4000), np.uint8)

    publisher, screen = bench(section=section)
    update(publisher, Cell().result(0))
    return publisher, screen, made


def ask_section(dealer, index):
    dealer.send_json({"type": "section", "cell": "A", "scan": 0, "axis": "y", "index": index})


def frozen(context, publisher, questions):
    """A client that asks and does not read."""
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.rcvhwm = 1
    dealer.rcvbuf = 4096
    dealer.connect(publisher.pull_address)
    for index in range(questions):
        ask_section(dealer, index)
    return dealer


def settled(values):
    """What a list holds once nothing more is added."""
    count = -1
    while count != len(values) or not values:
        count = len(values)
        time.sleep(0.3)
    return count


def test_replies_that_are_not_read_are_bounded_and_none_is_lost(cuts, monkeypatch):
    monkeypatch.setattr(clients, "UNREAD_PER_SCREEN", 10 * MB)
    monkeypatch.setattr(clients, "BUDGET_S", 1000.0)
    publisher, screen, made = cuts
    context = zmq.Context()
    try:
        dealer = frozen(context, publisher, 60)
        # what the system's own buffers hold is not counted
        assert settled(made) * 4 * MB <= 40 * MB
        assert publisher._clients.unread_bytes <= 16 * MB
        assert screen.ask(type="map", cell="A", scan=0, name="height")[0]["type"] == "map"
        for index in range(60):
            assert dealer.poll(PATIENCE_MS), f"the reply to question {index} is lost"
            header, _ = dealer.recv_multipart()
            assert json.loads(header)["index"] == index
    finally:
        context.destroy(linger=0)


def test_many_that_read_nothing_make_room(cuts, monkeypatch):
    monkeypatch.setattr(clients, "UNREAD_PER_SCREEN", 8 * MB)
    monkeypatch.setattr(clients, "UNREAD_IN_ALL", 30 * MB)
    monkeypatch.setattr(clients, "STALLED_S", 0.2)
    publisher, screen, _ = cuts
    context = zmq.Context()
    try:
        dealers = [frozen(context, publisher, 20) for _ in range(12)]
        change = told_of(publisher, "unread")
        assert "did not read its replies" in change.text
        assert publisher._clients.unread_bytes <= 34 * MB
        header, cut = screen.ask(type="section", cell="A", scan=0, axis="y", index=99)
        assert header["index"] == 99 and cut.nbytes == 4 * MB
        assert len(dealers) == 12
    finally:
        context.destroy(linger=0)


def test_a_flood_of_what_takes_long_is_not_waited_for(bench):
    """One is under way when a screen asks; the screen is next."""
    order, begun, go_on = [], threading.Event(), threading.Event()

    def section(cell, scan, axis, index):
        order.append(index)
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return np.ones((3, 4), np.uint8)

    publisher, screen = bench(section=section)
    update(publisher, Cell().result(0))
    other = Screen(publisher)
    try:
        for index in range(50):
            ask_section(other.dealer, index)
        assert begun.wait(PATIENCE_S)
        ask_section(screen.dealer, 99)
        screen.status("heartbeat")
        screen.status("heartbeat")
        go_on.set()
        assert screen.dealer.poll(PATIENCE_MS)
        assert order.index(99) <= 2
    finally:
        other.close()


def test_a_flood_of_small_work_is_not_waited_for(bench, monkeypatch):
    """A thousand polygons wait already: few of them are answered before the screen is."""
    answered, reply = [], Answers.reply

    def counted(self, request, role):
        answered.append(request)
        return reply(self, request, role)

    monkeypatch.setattr(Answers, "reply", counted)
    publisher, screen = bench()
    update(publisher, Cell().result(0))
    screen.ask(type="state")
    corners = [[k * 37 % 120, k * 53 % 160] for k in range(200)]
    flood = {"type": "statistics", "cell": "A", "name": "height", "kind": "polygon"}
    others = [Screen(publisher) for _ in range(5)]
    try:
        for _ in range(200):
            for other in others:
                other.dealer.send_json(flood | {"points": corners, "bins": 512})
        waits = []
        for _ in range(10):
            before = len(answered)
            screen.ask(type="state")
            waits.append(len(answered) - before)
        assert np.median(waits) <= 25, waits
        assert len(answered) < 900
    finally:
        for other in others:
            other.close()


def test_those_who_flood_give_way_before_those_who_look():
    """Of more connections than are kept."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    watched = accepted.Accepted(router, "results.pull", 8, 2**40)
    screen, hostile = RawClient(port), []
    try:
        for _ in range(20):
            screen.send(b"x" * 200)
        for _ in range(20):
            hostile.append(RawClient(port))
            for _ in range(100):
                hostile[-1].send(b"x" * 200)
        for _ in range(20 + 20 * 100):
            assert router.poll(PATIENCE_MS)
            router.recv_multipart()
        watched.look()
        assert watched.count <= 8
        eventually(lambda: sum(client.is_closed(0.05) for client in hostile) >= 12)
        assert not screen.is_closed(0.05)
    finally:
        for client in (screen, *hostile):
            client.close()
        context.destroy(linger=0)
