"""Connections at a bound address are bounded; those who are silent longest give way."""

import socket
import time

import pytest
import zmq

from monitor.sockets import accepted as module
from monitor.sockets.accepted import Accepted, most_clients
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S

MOST = 8


@pytest.fixture
def crowd():
    """(router, accepted, connect): raw clients are closed at the end."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    accepted = Accepted(router, "results.pull", MOST, 2**18)
    links = []

    def connect():
        links.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
        return links[-1]

    yield router, accepted, connect
    for link in links:
        link.close()
    context.destroy(linger=0)


def looked(accepted, holds, told):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, told
        told += accepted.look()
        time.sleep(0.005)


def is_closed(link):
    link.settimeout(0.01)
    try:
        while link.recv(1000):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_too_many_idle_clients_are_hung_up_on_and_told_of_once(crowd, monkeypatch):
    monkeypatch.setattr(module, "CALM_S", 1000.0)
    router, accepted, connect = crowd
    screen = router.context.socket(zmq.DEALER)
    screen.linger = 0
    screen.connect(accepted.address)
    told = []

    def ask():
        screen.send(bytes(2000))
        looked(accepted, lambda: router.poll(0), told)
        client, _ = router.recv_multipart()
        router.send_multipart([client, b"y"])
        assert screen.poll(PATIENCE_MS)
        screen.recv()

    ask()
    links = []
    for _ in range(5 * MOST):
        links.append(connect())
        ask()
    looked(accepted, lambda: sum(map(is_closed, links)) >= 4 * MOST, told)
    assert accepted.count <= MOST
    monkeypatch.setattr(module, "CALM_S", 0.1)
    looked(accepted, lambda: len(told) == 2, told)
    lost, back = told
    assert (lost.setting, lost.state, lost.reason) == ("results.pull", "lost", "crowded")
    assert f"at most {MOST} are kept" in lost.text
    assert (back.state, back.since) == ("back", lost.since)
    screen.close()


def test_those_who_leave_are_not_counted(crowd):
    _, accepted, connect = crowd
    told = []
    for _ in range(4 * MOST):
        link = connect()
        looked(accepted, lambda: accepted.count == 1, told)
        link.close()
        looked(accepted, lambda: accepted.count == 0, told)
    assert told == []


def test_descriptors_are_left_for_files(monkeypatch):
    limits = {"soft": 1024}
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (limits["soft"], 4096))
    assert 3 * most_clients() + module.RESERVED <= 1024
    limits["soft"] = 100_000
    assert most_clients() == module.MOST_CLIENTS
    limits["soft"] = module.resource.RLIM_INFINITY
    assert most_clients() == module.MOST_CLIENTS
