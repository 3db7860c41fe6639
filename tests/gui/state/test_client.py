"""The screen's client in front of an engine that is scripted here."""

import json
import threading

import pytest
import zmq

from monitor.gui.state import client as module
from monitor.gui.state.client import MAX_ORDERS, Client
from monitor.processes import free_addresses
from monitor.wire.results.queries import NoteOrder
from tests.engine.peers import BOUND, bound
from tests.helpers.waiting import PATIENCE_MS
from tests.helpers.waiting import eventually as until

STATE = {
    "type": "state", "version": 1, "engine": "e", "time": 1.0, "cells": {}, "events": [],
    "feeds": {"slices": {"messages": 0, "bytes": 0}},
}  # fmt: skip


class FakeEngine:
    """A ROUTER that answers states as it is told, and orders only if `takes_orders`."""

    def __init__(self, address):
        self.context = zmq.Context()
        self.state, self.takes_orders, self.orders = dict(STATE), True, []
        self.answers_states = True
        self._stop = threading.Event()
        self._router = bound(self.context, zmq.ROUTER, address)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while not self._stop.is_set():
            if not self._router.poll(20):
                continue
            client, frame = self._router.recv_multipart()
            request = json.loads(frame)
            if request["type"] == "state":
                answer = {**self.state, "tag": request["tag"]} if self.answers_states else None
            else:
                self.orders.append(request)
                sent = {"type": request["type"], "status": "sent", "why": ""}
                answer = {**sent, "tag": request["tag"]} if self.takes_orders else None
            if answer is not None:
                self._router.send_multipart([client, json.dumps(answer).encode()])

    def close(self):
        self._stop.set()
        self._thread.join()
        self.context.destroy(linger=0)
        BOUND.clear()


@pytest.fixture
def pair():
    (address,) = free_addresses(1)
    engine, client = FakeEngine(address), Client(address, None)
    until(lambda: client.snapshot().linked)
    yield engine, client
    client.close()
    engine.close()


def note(text="x"):
    return NoteOrder("A", text, by="me")


def statuses(client):
    return [order.status for order in client.snapshot().orders]


@pytest.mark.parametrize(
    "malformed",
    [
        {"cells": None},
        {"cells": {"A": 3}},
        {"cells": {"A": {"running": {"scan": 1}}}},
        {"cells": {"A": {"scans": [{"scan": 1}]}}},
        {"feeds": {"slices": []}},
        {"engine": None},
        {"version": "one"},
        {"time": "now"},
        {"events": [1]},
        {"events": 5},
        {"unchanged": True, "cells": {"other": {}}},
    ],
)
def test_a_malformed_state_costs_itself(pair, malformed):
    engine, client = pair
    engine.state = STATE | malformed
    until(lambda: client.snapshot().bad_replies >= 2)
    assert client.snapshot().state["version"] == 1
    engine.state = STATE | {"version": 7}
    until(lambda: client.snapshot().state["version"] == 7)


def test_a_state_that_lacks_all_of_it_too(pair):
    engine, client = pair
    engine.state = {"type": "state"}
    until(lambda: client.snapshot().bad_replies >= 2)
    engine.state = STATE | {"version": 2}
    until(lambda: client.snapshot().state["version"] == 2)


def test_an_order_that_is_not_answered_is_lost_in_words(pair, monkeypatch):
    monkeypatch.setattr(module, "ORDER_PATIENCE_S", 0.3)
    engine, client = pair
    engine.takes_orders = False
    client.order(note())
    until(lambda: statuses(client) == ["lost"])
    assert "the engine did not answer" in client.snapshot().orders[0].why
    assert len(engine.orders) == 1


def test_orders_to_an_engine_that_falls_silent_are_lost_and_not_sent_again(pair, monkeypatch):
    monkeypatch.setattr(module, "STATE_PATIENCE_S", 0.5)
    engine, client = pair
    engine.takes_orders = engine.answers_states = False
    client.order(note("one"))
    client.order(note("two"))
    until(lambda: statuses(client) == ["lost", "lost"])
    engine.takes_orders = engine.answers_states = True
    client.order(note("three"))
    until(lambda: statuses(client) == ["lost", "lost", "sent"])
    assert [order["text"] for order in engine.orders].count("three") == 1


def test_orders_that_are_too_many_are_refused_here(pair, monkeypatch):
    _, client = pair
    monkeypatch.setattr(client, "_send_due", lambda dealer: None)
    for number in range(MAX_ORDERS + 3):
        client.order(note(str(number)))
    until(lambda: len(statuses(client)) == 3)
    assert set(statuses(client)) == {"lost"}
    assert "too many orders are waiting" in client.snapshot().orders[0].why


def test_an_order_that_there_is_no_room_for_is_lost_in_words(pair, monkeypatch):
    _, client = pair
    send = client._send
    monkeypatch.setattr(
        client, "_send", lambda d, name, w: not name.startswith("order") and send(d, name, w)
    )
    client.order(note())
    until(lambda: statuses(client) == ["lost"])
    assert "could not be sent" in client.snapshot().orders[0].why


@pytest.mark.parametrize("kind", [zmq.PUB, zmq.PULL])
def test_a_stranger_at_the_engine_s_addresses_does_not_stay_between(kind):
    pull, status = free_addresses(2)
    context = zmq.Context()
    strangers = [bound(context, kind, pull), bound(context, zmq.REP, status)]
    met = [stranger.get_monitor_socket(zmq.EVENT_ACCEPTED) for stranger in strangers]
    client = Client(pull, status)
    try:
        assert all(events.poll(PATIENCE_MS) for events in met)
        for stranger in strangers:
            stranger.close()
        publisher = bound(context, zmq.XPUB, status)
        engine = FakeEngine(pull)
        try:
            until(lambda: client.snapshot().linked)
            until(lambda: publisher.poll(0))
        finally:
            engine.close()
    finally:
        client.close()
        context.destroy(linger=0)


def test_a_connection_that_was_given_up_before_a_question_is_opened_again(monkeypatch):
    """As libzmq does with that to a stranger, who may be met before the first question is sent."""
    monkeypatch.setattr(module, "STATE_PATIENCE_S", 0.3)
    (address,) = free_addresses(1)
    opened = []

    def given_up_at_first(client):
        dealer = open_socket(client)
        if len(opened) < 2:
            dealer.disconnect(address)
        opened.append(dealer)
        return dealer

    open_socket = Client._open
    monkeypatch.setattr(Client, "_open", given_up_at_first)
    engine, client = FakeEngine(address), Client(address, None)
    try:
        until(lambda: client.snapshot().linked)
        assert len(opened) >= 3
    finally:
        client.close()
        engine.close()
