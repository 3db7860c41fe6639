"""Who gets in: real sockets with CURVE on this machine, and what the engine connects to."""

import contextlib
import time

import pytest
import zmq
import zmq.auth

from monitor.engine.access import REFUSED_REMEMBERED, Gate
from monitor.engine.feeds.subscribe import LiveFeeds
from monitor.engine.requests.requester import Requester
from monitor.engine.serving.publisher import Publisher
from monitor.errors import SettingError
from monitor.processes import free_addresses
from monitor.records import ScanReply, ScanRequest
from monitor.settings import FeedSettings, RequestSettings, SecuritySettings, parse
from monitor.sockets.keys import ClientKeys, make_keys, random_pair, read_pair
from monitor.watch import Watcher
from monitor.wire import requests
from monitor.wire.results.queries import (
    AcknowledgeOrder,
    NoteOrder,
    PolicyOrder,
    ScanOrder,
    StateRequest,
)
from monitor.wire.slices import stins
from tests.core.phantom import start
from tests.engine.screens import ANY_PORT, update
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S, eventually

AWAY = "tcp://10.9.8.7:5601"
ORDERS = [
    ScanOrder("A"),
    PolicyOrder("A", "off"),
    NoteOrder("A", "text"),
    AcknowledgeOrder("A", 1),
]


class Keys:
    """Key files of an engine, an operator, a viewer and a producer."""

    def __init__(self, folder):
        self.files = {n: make_keys(folder, n) for n in ("engine", "operator", "viewer", "producer")}

    def table(self, **more):
        return {"secret_key": str(self.files["engine"][1]), **more}

    def pair(self, name):
        return read_pair(str(self.files[name][1]), name)

    def client(self, name):
        return ClientKeys(self.pair(name), self.pair("engine").public)


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


def public(keys, *names):
    return [str(keys.files[name][0]) for name in names]


@pytest.fixture
def served(keys):
    """A publisher that demands keys; `orders` are those that got through."""
    table = keys.table(operators=public(keys, "operator"), viewers=public(keys, "viewer"))
    orders = []
    publisher = Publisher(
        parse({"results": ANY_PORT, "security": table}),
        section=None,
        on_operator=orders.append,
        stored_map=None,
    )
    update(publisher)
    yield publisher, orders
    publisher.close()


def asked(publisher, keys, request, timeout_s=PATIENCE_S):
    watcher = Watcher(publisher.pull_address, keys)
    try:
        return watcher.ask(request, timeout_s)[0]
    finally:
        watcher.close()


def knock(publisher, keys, *, refused=False, answered=False):
    """Whether anything at all comes to a client: an answer, or a status message. `refused`: its key
    is turned down, which is waited for; `answered`: something is to come."""
    before, wait_ms = publisher._gate.status["refused_keys"], PATIENCE_MS if answered else 1000
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as dealer,
        context.socket(zmq.SUB) as sub,
    ):
        for made, address in ((dealer, publisher.pull_address), (sub, publisher.status_address)):
            made.linger = 0
            if keys is not None:
                keys.guard(made)
            made.connect(address)
        sub.subscribe(b"")
        dealer.send(b'{"type":"state"}')
        dealer.send(b'{"type":"request_scan","cell":"A"}')
        if refused:  # at both sockets
            eventually(lambda: publisher._gate.status["refused_keys"] >= before + 2)
        return bool(dealer.poll(wait_ms)) or bool(sub.poll(wait_ms))


def test_each_client_is_told_its_role(served, keys):
    publisher, _ = served
    assert asked(publisher, keys.client("operator"), StateRequest())["role"] == "operator"
    assert asked(publisher, keys.client("viewer"), StateRequest())["role"] == "viewer"
    assert asked(publisher, keys.client("engine"), StateRequest())["role"] == "operator"


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_a_viewer_orders_nothing_and_is_told_why(served, keys, order):
    publisher, orders = served
    reply = asked(publisher, keys.client("viewer"), order)
    assert reply["status"] == "refused"
    assert reply["why"].startswith("your key is listed as a viewer's and does not permit changes")
    assert orders == []
    state = asked(publisher, keys.client("viewer"), StateRequest())
    assert state["security"] == {"refused_keys": 0, "refused_orders": 1, "last_refused": []}


def test_an_operator_orders(served, keys):
    publisher, orders = served
    for order in ORDERS[:3]:
        assert asked(publisher, keys.client("operator"), order)["status"] == "sent"
    assert [order.cell for order in orders] == ["A", "A", "A"]


def test_strangers_get_nothing_and_are_counted(served, keys):
    publisher, orders = served
    engine = keys.pair("engine").public
    stranger = ClientKeys(random_pair(), engine)
    assert not knock(publisher, None)
    assert not knock(publisher, stranger, refused=True)
    assert not knock(publisher, ClientKeys(keys.pair("operator"), random_pair().public))
    assert not knock(publisher, ClientKeys(keys.pair("producer"), engine), refused=True)
    assert knock(publisher, keys.client("viewer"), answered=True)
    assert orders == []
    told = asked(publisher, keys.client("viewer"), StateRequest())["security"]
    refused = {entry["key"] for entry in told["last_refused"]}
    assert refused == {stranger.own.public.decode(), keys.pair("producer").public.decode()}
    assert told["refused_keys"] == sum(entry["count"] for entry in told["last_refused"]) >= 4
    assert {entry["address"] for entry in told["last_refused"]} == {"127.0.0.1"}


def test_the_list_of_who_was_refused_is_bounded():
    gate = Gate(SecuritySettings())
    for number in range(1000):
        gate.refused_key("10.9.8.7", str(number), "screens")
    gate.refused_key("10.9.8.7", "995", "screens")
    assert gate.status["refused_keys"] == 1001
    last = gate.status["last_refused"]
    assert len(last) == REFUSED_REMEMBERED
    assert (last[-1]["key"], last[-1]["count"]) == ("995", 2)


def test_without_its_porter_nobody_gets_in(served, keys):
    """If the thread that decides has ended, the answer is no."""
    publisher, _ = served
    (porter,) = publisher._gate._porters.values()
    porter.close()
    assert not knock(publisher, keys.client("operator"))


# --- addresses -----------------------------------------------------------------------------------


def refusal(call):
    with pytest.raises(SettingError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def publisher_at(**table):
    made = Publisher(parse(table), section=None, on_operator=print, stored_map=None)
    made.close()


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:*", "tcp://*:*", "tcp://[::]:*"])
@pytest.mark.parametrize("key", ["status", "pull"])
def test_an_address_that_others_can_reach_needs_keys(keys, address, key):
    results = ANY_PORT | {key: address}
    expected = f"results.{key}: got '{address}'"
    assert refusal(lambda: publisher_at(results=results)).startswith(expected)
    # keys alone are not enough: somebody must be listed who may come in
    text = refusal(lambda: publisher_at(results=results, security=keys.table()))
    assert "security.operators or viewers" in text
    producers = keys.table(producers=public(keys, "producer"))
    refusal(lambda: publisher_at(results=results, security=producers))


def test_a_bound_feed_that_others_can_reach_needs_keys(keys):
    feeds = FeedSettings(slices=(), documents=(), slices_pull="tcp://0.0.0.0:*")
    assert "security.producers" in refusal(lambda: LiveFeeds(feeds))
    operators = SecuritySettings(**keys.table(operators=public(keys, "operator")))
    refusal(lambda: LiveFeeds(feeds, Gate(operators)))


@pytest.mark.parametrize(
    ("setting", "call"),
    [
        ("feeds.slices", lambda gate: LiveFeeds(FeedSettings(slices=(AWAY,)), gate).close()),
        ("feeds.documents", lambda gate: LiveFeeds(FeedSettings(documents=(AWAY,)), gate).close()),
        ("requests.endpoint", lambda gate: Requester(RequestSettings(endpoint=AWAY), gate).close()),
    ],
)
def test_what_is_connected_to_elsewhere_must_be_known(keys, setting, call):
    text = refusal(lambda: call(Gate(SecuritySettings())))
    assert text.startswith(f"{setting}: got '{AWAY}'")
    assert "security.plain" in text
    call(Gate(SecuritySettings(plain=(AWAY,))))
    call(Gate(SecuritySettings(server_keys={AWAY: public(keys, "producer")[0]})))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"operators": ["engine", "engine"]}, "security.operators"),
        ({"operators": ["operator"], "viewers": ["operator"]}, "security.viewers"),
        ({"producers": ["nowhere"]}, "security.producers"),
        ({"server_keys": {AWAY: "nowhere"}}, "security.server_keys"),
        ({"secret_key": "nowhere"}, "security.secret_key"),
    ],
)
def test_a_key_that_cannot_be_used_stops_the_start(keys, changes, named):
    files = {name: str(made[0]) for name, made in keys.files.items()}
    given = {
        name: [files.get(one, one) for one in value] if isinstance(value, list) else value
        for name, value in changes.items()
    }
    assert refusal(lambda: Gate(SecuritySettings(**keys.table(**given) | given))).startswith(named)


def test_lists_without_a_key_of_the_engine_s_own_stop_the_start():
    with pytest.raises(SettingError, match="secret_key"):
        parse({"security": {"viewers": ["x"]}})


# --- the engine as client, producers as clients ---------------------------------------------------


def test_only_listed_producers_may_push(keys):
    address = free_addresses(1)[0]
    gate = Gate(SecuritySettings(**keys.table(producers=public(keys, "producer"))))
    feeds = LiveFeeds(FeedSettings(slices=(), documents=(), slices_pull=address), gate)
    message = stins.encode_start(start((3, 128, 128)))
    engine, refused = keys.pair("engine").public, set()
    try:
        with zmq.Context() as context:
            for pair in (None, random_pair(), keys.pair("operator"), keys.pair("producer")):
                push = context.socket(zmq.PUSH)
                push.linger = 0
                if pair is not None:
                    ClientKeys(pair, engine).guard(push)
                push.connect(address)
                with contextlib.suppress(zmq.Again):
                    push.send_multipart(message, zmq.DONTWAIT)
                end = time.monotonic() + (PATIENCE_S if pair == keys.pair("producer") else 1)
                got = []
                while not got and time.monotonic() < end:
                    with contextlib.suppress(zmq.Again):
                        push.send_multipart(message, zmq.DONTWAIT)
                    got = list(feeds.take(50))
                assert bool(got) == (pair == keys.pair("producer"))
                if pair not in (None, keys.pair("producer")):
                    refused.add(pair.public.decode())
                    eventually(lambda: {e["key"] for e in gate.status["last_refused"]} == refused)
                push.close()
    finally:
        feeds.close()


def test_slices_come_from_producers_with_and_without_keys_at_once(keys):
    """The engine, as client, takes only who has the key that the settings name."""
    honest, plain, false = free_addresses(3)
    producer = keys.pair("producer")
    named = dict.fromkeys((honest, false), public(keys, "producer")[0])
    gate = Gate(SecuritySettings(server_keys=named))
    context = zmq.Context()
    sockets = {}
    for address, pair in ((honest, producer), (plain, None), (false, random_pair())):
        sockets[address] = context.socket(zmq.XPUB)
        if pair is not None:
            sockets[address].curve_server = True
            sockets[address].curve_secretkey = pair.secret
        sockets[address].bind(address)
    feeds = LiveFeeds(FeedSettings(slices=(honest, plain, false), documents=()), gate)
    try:
        for address in (honest, plain):
            assert sockets[address].poll(60_000)
            sockets[address].recv()
            sockets[address].send_multipart(stins.encode_start(start((3, 128, 128))))
            assert len(eventually(lambda: list(feeds.take(50)))) == 1
        assert not sockets[false].poll(500)
    finally:
        feeds.close()
        context.destroy(linger=0)


def test_scan_requests_go_to_the_acquisition_that_has_the_key(keys):
    address = free_addresses(1)[0]
    request = ScanRequest("1", "A", "manual", 0, {})
    gate = Gate(SecuritySettings(server_keys={address: public(keys, "producer")[0]}))
    for pair, expected in ((random_pair(), False), (keys.pair("producer"), True)):
        context = zmq.Context()
        router = context.socket(zmq.ROUTER)
        router.curve_server = True
        router.curve_secretkey = pair.secret
        router.bind(address)
        requester = Requester(RequestSettings(endpoint=address), gate)
        try:
            requester.send(request)
            end = time.monotonic() + (PATIENCE_S if expected else 1)
            while not router.poll(20) and time.monotonic() < end:
                requester.poll()
            assert bool(router.poll(0)) is expected
            if expected:
                peer, frame = router.recv_multipart()
                assert requests.decode_request(frame) == request
                router.send_multipart([peer, requests.encode_reply(ScanReply("1", "accepted"))])
                assert eventually(requester.poll) == [ScanReply("1", "accepted")]
        finally:
            requester.close()
            context.destroy(linger=0)
