"""Whose turn it is, and what waits; by a clock of the test's own."""

import pytest

from monitor.engine.serving import clients as module
from monitor.engine.serving.clients import BUDGET_S, REMEMBERED_S, Asked, Clients


class OnItsWay:
    done = False


class Bench:
    def __init__(self):
        self.now = 0.0
        self.clients = Clients(lambda: self.now)

    def client(self, name, owner=None):
        return self.clients.of(name, owner or name, -1)

    def ask(self, name, text=b"{}", owner=None):
        return self.client(name, owner).ask(Asked([name], "operator", [text]))

    def next(self):
        found = self.clients.next_quick()
        return None if found is None else found[0].name


@pytest.fixture
def bench():
    return Bench()


def test_the_client_that_used_least_is_next(bench):
    for _ in range(3):
        bench.ask(b"busy")
    bench.clients.charge(bench.client(b"busy"), 1.0)
    bench.ask(b"screen")
    assert [bench.next() for _ in range(5)] == [b"screen", b"busy", b"busy", b"busy", None]


def test_a_budget_that_is_used_up_is_waited_for_and_comes_back(bench):
    bench.ask(b"busy")
    bench.clients.charge(bench.client(b"busy"), 2 * BUDGET_S)
    assert bench.next() is None
    assert bench.clients.is_waiting
    bench.now += REMEMBERED_S
    assert bench.next() == b"busy"


def test_connections_with_one_key_have_one_budget(bench):
    bench.clients.charge(bench.client(b"one", b"key"), 2 * BUDGET_S)
    bench.ask(b"two", owner=b"key")
    assert bench.next() is None


def test_who_connects_again_for_each_request_does_not_come_before_one_that_stays(bench):
    bench.client(b"screen")
    bench.clients.charge(bench.client(b"screen"), 0.2)
    bench.now += 5.0
    for number in range(100):
        bench.ask(b"newcomer %d" % number)
    bench.ask(b"screen")
    assert bench.next() == b"screen"


def test_the_first_request_of_a_screen_is_not_overtaken_by_later_connections(bench):
    bench.ask(b"first")
    for number in range(100):
        bench.now += 0.01
        bench.ask(b"newcomer %d" % number)
    assert bench.next() == b"first"


def test_what_a_closed_connection_asked_is_left_out_once_its_descriptor_is_given_anew(bench):
    for number in range(1000):
        client = bench.clients.of(b"newcomer %d" % number, b"newcomer %d" % number, 7)
        for _ in range(50):
            client.ask(Asked([client.name], "operator", [bytes(4000)]))
    assert bench.next() == b"newcomer 999"
    waiting = sum(client.waiting_bytes for client in bench.clients._clients.values())
    assert waiting == 49 * 4000
    bench.clients.forget()
    assert len(bench.clients) == 1


def test_what_waits_of_one_client_is_bounded_in_number_and_bytes(bench):
    asked = [bench.ask(b"many") for _ in range(200)]
    assert sum(asked) == module.QUESTIONS_WAITING_PER_SCREEN
    asked = [bench.ask(b"long", bytes(60_000)) for _ in range(200)]
    assert 1 < sum(asked) <= module.WAITING_BYTES_PER_SCREEN / 60_000
    while bench.next() is not None:
        pass
    assert bench.ask(b"long", bytes(60_000))


@pytest.mark.parametrize("size", [module.UNREAD_PER_SCREEN, module.UNREAD_IN_ALL])
def test_a_client_that_does_not_read_is_not_answered_until_it_does(bench, size):
    reply = OnItsWay()
    bench.clients.sent(bench.client(b"frozen"), size, reply)
    bench.ask(b"frozen")
    bench.ask(b"screen")
    assert (bench.next(), bench.next()) == (b"screen", None)
    assert bench.clients.has_room(1) == (size < module.UNREAD_IN_ALL)
    assert bench.clients.stalled() is None
    bench.now += module.STALLED_S + 1.0
    assert bench.clients.stalled().name == b"frozen"
    bench.clients.forget()
    reply.done = True
    bench.clients.look()
    assert bench.next() == b"frozen"
    assert bench.clients.unread_bytes == 0
    assert bench.clients.stalled() is None


def test_a_reply_for_a_client_that_was_forgotten_is_counted_until_it_has_left(bench):
    client, reply = bench.client(b"slow"), OnItsWay()
    bench.clients.forget()
    bench.clients.sent(client, 10**6, reply)
    bench.clients.forget()
    assert bench.clients.unread_bytes == 10**6
    reply.done = True
    bench.clients.look()
    assert bench.clients.unread_bytes == 0


def test_clients_that_left_are_forgotten(bench):
    for number in range(1000):
        name = str(number).encode()
        bench.ask(name)
        bench.clients.charge(bench.client(name), 1e-4)
        bench.next()
    bench.clients.forget()
    assert len(bench.clients) == 0


def test_who_floods_uses_up_its_budget_by_what_is_refused(bench):
    for _ in range(200):
        if not bench.ask(b"flood"):
            bench.clients.charge(bench.client(b"flood"), module.REFUSED_S)
    for _ in range(1000):  # no more is held against it than it can make up for
        bench.clients.charge(bench.client(b"flood"), module.REFUSED_S)
    bench.ask(b"screen")
    assert [bench.next(), bench.next()] == [b"screen", None]
    bench.now += REMEMBERED_S
    assert bench.next() == b"flood"
