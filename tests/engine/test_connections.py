"""Connections that libzmq gives up, or never misses, are opened again; what happened is told."""

import subprocess
import sys
import time

import numpy as np
import pytest
import zmq

from monitor.core.session import Session
from monitor.engine.access import Gate
from monitor.engine.feeds.subscribe import LARGEST_DOCUMENT, LiveFeeds, largest_message
from monitor.engine.requests.requester import Requester
from monitor.engine.resend.connection import Endpoint
from monitor.processes import free_addresses, own_environment
from monitor.recording.journal import entry_of, record_of
from monitor.records import (
    BadInput,
    ConnectionChange,
    CyclerDocument,
    ScanReply,
    ScanRequest,
    SliceFrame,
)
from monitor.settings import FeedSettings, RequestSettings, SecuritySettings, Settings
from monitor.sockets import connection as module
from monitor.sockets.connection import Connection
from monitor.sockets.transport import greeting_of
from monitor.wire import documents
from monitor.wire.slices import stins
from monitor.wire.slices.limits import limits_of
from tests.engine.peers import BOUND, RawServer, Relay, bound, greeting
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
pytestmark = pytest.mark.slow  # heartbeats and silences are waited for
OVERSIZE = {"max_slice_Mpx": 0.01, "receive_MB": 100.0}


def image(frame, side=64):
    pixels = PIXELS if side == 64 else np.zeros((side, side), np.uint16)
    return stins.encode_slice(SliceFrame("A", 0, "s", frame + 1, frame, pixels))


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """An address is tried again sooner, and is back sooner."""
    monkeypatch.setattr(module, "SLOWEST_REOPEN_S", 0.3)
    monkeypatch.setattr(module, "CALM_S", 0.2)


@pytest.fixture
def context():
    made = zmq.Context()
    yield made
    made.destroy(linger=0)
    BOUND.clear()


@pytest.fixture
def opened():
    """opened(thing) → thing, closed at the end."""
    things = []

    def keep(thing):
        things.append(thing)
        return thing

    yield keep
    for thing in reversed(things):
        thing.close()


class Heard:
    """What feeds have brought so far."""

    def __init__(self, feeds):
        self.feeds, self.records = feeds, []

    def take(self):
        self.records += [received.record for received in self.feeds.take(20)]

    @property
    def changes(self):
        return [one for one in self.records if isinstance(one, ConnectionChange)]

    @property
    def frames(self):
        return [one.frame for one in self.records if isinstance(one, SliceFrame)]

    def until(self, holds, send=None):
        """Takes messages until `holds()`; `send()` is called each time before."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, self.records[-5:]
            if send is not None:
                send()
            self.take()

    def until_fed(self, producer):
        """Sends until a slice that is sent from now on comes through."""
        number = max([0, *self.frames]) + 1000
        self.until(
            lambda: number in self.frames,
            lambda: producer.send_multipart(image(number)),
        )

    def lost_and_back(self):
        self.until(lambda: [one.state for one in self.changes] == ["lost", "back"])
        return self.changes[0]


def feeds_at(address, opened, **settings):
    gate = settings.pop("gate", None)
    return Heard(opened(LiveFeeds(FeedSettings(slices=(address,), documents=(), **settings), gate)))


# --- messages that are too long ------------------------------------------------------------------


def test_a_slice_over_the_limit_ends_the_connection_for_a_moment_only(context, opened):
    (address,) = free_addresses(1)
    producer = bound(context, zmq.XPUB, address)
    heard = feeds_at(address, opened, **OVERSIZE)
    heard.until_fed(producer)
    producer.send_multipart(image(1))
    producer.send_multipart([image(2)[0], bytes(largest_message(limits_of(heard_settings())) + 1)])
    change = heard.lost_and_back()
    heard.until_fed(producer)
    assert 1 in heard.frames
    assert (change.setting, change.address, change.reason) == ("feeds.slices", address, "oversize")
    assert "feeds.max_slice_Mpx is 0.01" in change.text
    assert abs(change.since - time.time()) < 60


def heard_settings():
    return FeedSettings(**OVERSIZE)


def test_a_document_over_the_limit_does_too_and_the_limit_is_named(context, opened):
    (address,) = free_addresses(1)
    proxy = bound(context, zmq.XPUB, address)
    heard = Heard(opened(LiveFeeds(FeedSettings(slices=(), documents=(address,)))))
    event = documents.encode(CyclerDocument("event", {"uid": "e"}), "json")

    def came():
        return any(isinstance(one, CyclerDocument) for one in heard.records)

    heard.until(came, lambda: proxy.send(event))
    proxy.send(b" event " + bytes(LARGEST_DOCUMENT))
    change = heard.lost_and_back()
    heard.records.clear()
    heard.until(came, lambda: proxy.send(event))
    assert (change.setting, change.reason) == ("feeds.documents", "oversize")
    assert "8 MiB (a document has at most 4 MiB)" in change.text


def test_a_document_that_is_only_too_long_costs_itself(context, opened):
    (address,) = free_addresses(1)
    proxy = bound(context, zmq.XPUB, address)
    heard = Heard(opened(LiveFeeds(FeedSettings(slices=(), documents=(address,)))))
    long = b" event " + bytes(documents.MAX_BYTES)
    heard.until(lambda: any(isinstance(one, BadInput) for one in heard.records),
                lambda: proxy.send(long))  # fmt: skip
    assert heard.changes == []


def test_the_other_addresses_lose_nothing_meanwhile(context, opened):
    one, other = free_addresses(2)
    bad, good = (bound(context, zmq.XPUB, address) for address in (one, other))
    settings = FeedSettings(slices=(one, other), documents=(), **OVERSIZE)
    heard = Heard(opened(LiveFeeds(settings)))
    heard.until_fed(bad)
    heard.until_fed(good)
    heard.records.clear()
    bad.send_multipart([b"{}", bytes(10**7)])
    for frame in range(300):
        good.send_multipart(image(frame))
    heard.lost_and_back()
    assert heard.frames == list(range(300))


def test_one_that_sends_them_all_the_time_is_told_of_once(context, opened, monkeypatch):
    monkeypatch.setattr(module, "CALM_S", 1.0)
    monkeypatch.setattr(module, "LONGEST_CALM_S", 2.0)
    (address,) = free_addresses(1)
    producer = bound(context, zmq.XPUB, address)
    heard = feeds_at(address, opened, **OVERSIZE)
    end = time.monotonic() + 5
    heard.until(
        lambda: time.monotonic() > end,
        lambda: producer.send_multipart([b"{}", bytes(2 * 10**6)]),
    )
    assert [one.state for one in heard.changes] == ["lost"]
    heard.until(lambda: len(heard.changes) > 1)
    assert heard.changes[1].state == "back"
    assert heard.changes[1].times >= 3


# --- strangers -----------------------------------------------------------------------------------


def stranger_then_producer(context, opened, make, **settings):
    """A stranger at the address, then the producer; returns what was told of the stranger."""
    (address,) = free_addresses(1)
    heard = feeds_at(address, opened, **settings)
    stranger = make(address)
    heard.until(lambda: heard.changes)
    stranger.close()
    heard.until_fed(bound(context, zmq.XPUB, address))
    change = heard.lost_and_back()
    assert (change.setting, change.address) == ("feeds.slices", address)
    return change


@pytest.mark.parametrize("kind", [zmq.PULL, zmq.REP, zmq.SUB, zmq.ROUTER])
def test_a_socket_of_another_kind_is_named_and_the_producer_found(context, opened, kind):
    change = stranger_then_producer(context, opened, lambda address: bound(context, kind, address))
    assert change.reason == "stranger"
    assert f"is a {zmq.SocketType(kind).name} socket, expected PUB or XPUB" in change.text


def test_one_that_demands_keys_is_named(context, opened):
    _, secret = zmq.curve_keypair()
    change = stranger_then_producer(
        context,
        opened,
        lambda at: bound(context, zmq.XPUB, at, curve_server=1, curve_secretkey=secret),
    )
    assert change.reason == "stranger"
    assert "uses the security mechanism CURVE" in change.text
    assert "security.server_keys" in change.text


@pytest.mark.parametrize(
    ("says", "hang_up", "text"),
    [
        (b"\xff" * 200, False, "is not a ZeroMQ socket"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", True, "is not a ZeroMQ socket (it sends b'SSH-2.0-OpenSSH_"),
        (b"", True, "accepts connections and closes them"),
        (greeting(1, b"PLAIN"), False, "uses the security mechanism PLAIN"),
        (greeting(1, socket_type=b"PUSH"), False, "is a PUSH socket"),
    ],
)
def test_what_speaks_another_protocol_is_named(context, opened, says, hang_up, text):
    change = stranger_then_producer(
        context,
        opened,
        lambda at: RawServer(int(at.rpartition(":")[2]), says, hang_up=hang_up),
    )
    assert change.reason == "stranger"
    assert text in change.text


@pytest.mark.parametrize(
    "says",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.beamline ESMTP ready\r\n",
        b"* OK IMAP4rev1\r\n",
        b"\xff\xfd\x18\xff\xfd\x20",
    ],
    ids=["ssh", "smtp", "imap", "telnet"],
)
def test_a_server_that_speaks_first_and_waits_is_named(context, opened, monkeypatch, says):
    """libzmq takes most of them for peers before ZMTP 2, and is content."""
    monkeypatch.setattr(module, "SLOW_S", 0.3)
    monkeypatch.setattr(module, "HANDSHAKE_MS", 3000)
    change = stranger_then_producer(
        context, opened, lambda at: RawServer(int(at.rpartition(":")[2]), says)
    )
    assert change.reason == "stranger"
    assert f"is not a ZeroMQ socket (it sends {says[:16]!r})" in change.text


def test_a_peer_before_zmtp_2_is_none_of_them(opened, monkeypatch):
    monkeypatch.setattr(module, "SLOW_S", 0.2)
    (address,) = free_addresses(1)
    server = opened(RawServer(int(address.rpartition(":")[2]), b"\x01\x00"))
    heard = feeds_at(address, opened)
    heard.until(lambda: server.count == 2)  # the second asks who is there
    end = time.monotonic() + 1.0
    heard.until(lambda: time.monotonic() > end)
    assert heard.changes == []
    assert server.count == 2


def test_the_right_socket_is_not_told_to_be_a_wrong_one(context):
    made = context.socket(zmq.DEALER)
    connection = Connection(made, "requests.endpoint", "tcp://127.0.0.1:1")
    for said, text in (
        (greeting(1, socket_type=b"ROUTER"), "kind (ROUTER) answers there now"),
        (greeting(1, socket_type=b"ROUTE"), "is a ROUTE socket, expected ROUTER"),
    ):
        assert text in connection._stranger(greeting_of(said))
    connection.close()


def test_garbage_costs_bad_messages_at_most_and_the_producer_is_found(context, opened):
    (address,) = free_addresses(1)
    heard = feeds_at(address, opened)
    server = RawServer(int(address.rpartition(":")[2]), b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
    heard.until(lambda: any(isinstance(one, BadInput) for one in heard.records))
    server.close()
    heard.until_fed(bound(context, zmq.XPUB, address))


def test_a_wrong_key_is_named_and_the_right_one_taken(context, opened, tmp_path):
    (address,) = free_addresses(1)
    public, secret = zmq.curve_keypair()
    _, other = zmq.curve_keypair()
    gate = Gate(SecuritySettings(server_keys={address: public.decode()}))
    heard = feeds_at(address, opened, gate=gate)
    stranger = bound(context, zmq.XPUB, address, curve_server=1, curve_secretkey=other)
    heard.until(lambda: heard.changes)
    stranger.close()
    producer = bound(context, zmq.XPUB, address, curve_server=1, curve_secretkey=secret)
    heard.until_fed(producer)
    change = heard.lost_and_back()
    assert change.reason == "key"
    assert "its key is not the one set for it here" in change.text


def test_a_producer_that_is_stopped_and_started_is_no_news(context, opened):
    (address,) = free_addresses(1)
    heard = feeds_at(address, opened)
    for _ in range(3):
        producer = bound(context, zmq.XPUB, address)
        heard.until_fed(producer)
        producer.close()
    end = time.monotonic() + 3 * module.GIVEN_UP_S
    heard.until(lambda: time.monotonic() > end)
    assert heard.changes == []


# --- silence -------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_MS", 200)
    monkeypatch.setattr(module, "SILENT_S", 1.5)
    monkeypatch.setattr(module, "SILENCE_LOOK_S", 0.2)
    monkeypatch.setattr(module, "RENEW_S", 1.0)
    monkeypatch.setattr(module, "NOT_RENEWED_S", 2.0)


@pytest.mark.usefixtures("impatient")
def test_connections_that_a_relay_does_not_forward_any_more_are_replaced(context, opened):
    (address,) = free_addresses(1)
    producer = bound(context, zmq.XPUB, address)
    relay = opened(Relay(address))
    heard = feeds_at(relay.address, opened)
    for _ in range(2):
        heard.until_fed(producer)
        relay.stop_forwarding()
        heard.until_fed(producer)
    assert heard.changes == []


@pytest.mark.usefixtures("impatient")
def test_a_relay_that_stops_forwarding_is_told_until_it_forwards_again(context, opened):
    (address,) = free_addresses(1)
    producer = bound(context, zmq.XPUB, address)
    relay = opened(Relay(address))
    heard = feeds_at(relay.address, opened)
    heard.until_fed(producer)
    relay.stop_forwarding(later=False)
    heard.until(lambda: heard.changes)
    relay.forward_again()
    change = heard.lost_and_back()
    heard.until_fed(producer)
    assert change.reason == "silent"
    assert "does not answer" in change.text


@pytest.mark.usefixtures("impatient")
def test_a_quiet_producer_is_not_silent_and_its_messages_arrive_while_connections_are_replaced(
    context, opened, monkeypatch
):
    monkeypatch.setattr(module, "SILENT_S", 0.05)
    monkeypatch.setattr(module, "SILENCE_LOOK_S", 0.05)
    monkeypatch.setattr(module, "RENEW_S", 0.0)
    (address,) = free_addresses(1)
    producer = bound(context, zmq.XPUB, address)
    relay = opened(Relay(address))
    heard = feeds_at(relay.address, opened)
    heard.until_fed(producer)
    del heard.records[:]
    before = relay.connections
    for number in range(120):
        producer.send_multipart(image(number))
        end = time.monotonic() + 0.013 * (number % 20)
        heard.until(lambda end=end: time.monotonic() > end)
    heard.until(lambda: 119 in heard.frames)
    assert relay.connections >= before + 4
    new = {frame for frame in heard.frames if frame < 1000}  # both connections may bring one
    assert sorted(new) == list(range(120))
    assert heard.changes == []
    assert producer.recv()[:1] == b"\1"
    assert not producer.poll(0, zmq.POLLIN), "it is subscribed to all the time"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_producer_that_starts_again_is_no_loss_however_often_its_connection_was_replaced(
    context, opened, name
):
    (address,) = free_addresses(1)
    heard = feeds_at(address.replace("127.0.0.1", name), opened)
    (connection,) = heard.feeds._receiver._connections
    for _ in range(4):
        producer = bound(context, zmq.XPUB, address)
        heard.until_fed(producer)
        endpoint = connection._endpoint
        heard.until(lambda endpoint=endpoint: connection._endpoint != endpoint)
        heard.until_fed(producer)
        producer.close()
        end = time.monotonic() + 2 * module.GIVEN_UP_S
        heard.until(lambda end=end: time.monotonic() > end)
    assert heard.changes == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("minor", [0, 1])
def test_a_peer_without_heartbeats_is_not_lost(opened, minor):
    (address,) = free_addresses(1)
    server = opened(RawServer(int(address.rpartition(":")[2]), greeting(minor)))
    heard = feeds_at(address, opened)
    heard.until(lambda: server.count)
    end = time.monotonic() + 4 * module.SILENT_S
    heard.until(lambda: time.monotonic() > end)
    assert heard.changes == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("minor", "answers"), [(0, False), (1, True)])
def test_the_mailbox_is_lost_if_it_should_answer_heartbeats_and_does_not(opened, minor, answers):
    (address,) = free_addresses(1)
    says = greeting(minor, socket_type=b"ROUTER")
    server = opened(RawServer(int(address.rpartition(":")[2]), says))
    requester = opened(Requester(RequestSettings(endpoint=address)))
    told, end = [], time.monotonic() + 4 * module.SILENT_S
    while time.monotonic() < end and not told:
        told += requester.poll()
        time.sleep(0.02)
    assert server.count
    assert [one.reason for one in told] == ["silent"] * answers


PRODUCER_ENDS = """
import sys, threading, time
import zmq
from monitor.processes import free_addresses
from monitor.sockets import connection
from tests.engine.peers import bound
from tests.engine.test_connections import feeds_at, image

connection.HEARTBEAT_MS = 300
many = int(sys.argv[1])
context = zmq.Context()
(address,) = free_addresses(1)
producer = bound(context, zmq.XPUB, address, xpub_nodrop=True)
heard = feeds_at(address, lambda made: made, receive_MB=1.0, max_slice_Mpx=1.0)
assert producer.poll(60_000)
for number in range(many):
    producer.send_multipart(image(number, 160))
ends = threading.Thread(target=context.destroy, args=(60_000,))
ends.start()
time.sleep(2)
heard.until(lambda: len(heard.frames) == many)
assert heard.frames == list(range(many))
ends.join()
time.sleep(1)
heard.take()
heard.feeds.close()
print("all there")
"""


@pytest.mark.parametrize("many", [25, 40, 70, 130])
def test_what_a_producer_sent_before_it_ended_arrives_at_an_engine_that_is_behind(many):
    """In a process of its own: on a connection that has ended, whose messages wait unread, libzmq
    ends the process as soon as a heartbeat is due."""
    found = subprocess.run(
        [sys.executable, "-c", PRODUCER_ENDS, str(many)],
        env=own_environment(), capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (found.returncode, found.stdout) == (0, "all there\n"), found.stderr


@pytest.mark.usefixtures("impatient")
def test_while_messages_wait_unread_nothing_is_cut_or_lost(context, opened):
    (address,) = free_addresses(1)
    producer = bound(context, zmq.XPUB, address, xpub_nodrop=True, sndhwm=2, sndtimeo=0)
    heard = feeds_at(address, opened, receive_MB=1.0, max_slice_Mpx=1.0)
    assert producer.poll(PATIENCE_MS)
    sent, end = 0, time.monotonic() + 3 * module.SILENT_S
    while time.monotonic() < end:  # the engine is busy
        try:
            producer.send_multipart(image(sent, 512))
            sent += 1
        except zmq.Again:
            time.sleep(0.01)
    heard.until(lambda: len(heard.frames) == sent)
    assert heard.frames == list(range(sent))
    assert heard.changes == []


def test_the_queue_is_bounded_in_bytes_whatever_the_slices_are(context, opened):
    (address,) = free_addresses(1)
    producer = bound(context, zmq.XPUB, address, xpub_nodrop=True, sndhwm=1, sndtimeo=300)
    feeds = opened(
        LiveFeeds(FeedSettings(slices=(address,), documents=(), receive_MB=40.0, max_slice_Mpx=5.0))
    )
    assert producer.poll(PATIENCE_MS)
    sent = 0
    for side in (128, 2048):
        is_full = False
        while not is_full:
            try:
                producer.send_multipart(image(sent, side))
                sent += 1
                assert sent < 10_000
            except zmq.Again:
                is_full = feeds.waiting_bytes["slices"] > 20e6
    assert 20e6 < feeds.waiting_bytes["slices"] < 40e6
    heard = Heard(feeds)
    heard.until(lambda: len(heard.frames) == sent)


# --- other sockets -------------------------------------------------------------------------------


def test_an_acquisition_whose_place_another_took_is_asked_when_it_is_back(context, opened):
    (address,) = free_addresses(1)
    requester = opened(Requester(RequestSettings(endpoint=address, resend_s=0.2)))
    stranger = bound(context, zmq.PUB, address)
    told = []

    def poll(holds):
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, told
            told.extend(requester.poll())
            time.sleep(0.01)

    poll(lambda: told)
    assert "is a PUB socket, expected ROUTER" in told[0].text
    stranger.close()
    router = bound(context, zmq.ROUTER, address)
    requester.send(ScanRequest("id-1", "A", "pit_onset", 3, {}))
    poll(lambda: router.poll(0))
    client, _ = router.recv_multipart()
    reply = b'{"type":"scan_reply","id":"id-1","status":"done","why":"","scan":4}'
    router.send_multipart([client, reply])
    poll(lambda: any(isinstance(one, ScanReply) for one in told))
    poll(lambda: any(isinstance(one, ConnectionChange) and one.state == "back" for one in told))


def test_a_resend_service_that_answers_too_long_is_asked_again(context, opened):
    (address,) = free_addresses(1)
    service = bound(context, zmq.ROUTER, address)
    endpoint = opened(Endpoint(context, Gate(SecuritySettings()), address, 10_000, "10 kB (set)"))
    told = []

    def until(holds):
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, told
            told.extend(endpoint.changes())
            list(endpoint.answers(time.monotonic))
            time.sleep(0.01)

    def ask():
        from monitor.records import ResendQuestion, ScanKey

        until(lambda: endpoint.ask(ScanKey("A", "", 0), ResendQuestion("A", 0, (1,)), 0.0))
        until(lambda: service.poll(0))
        return service.recv_multipart()[0]

    service.send_multipart([ask(), bytes(20_000)])
    until(lambda: told)
    assert (told[0].setting, told[0].reason) == ("feeds.resend", "oversize")
    assert "10 kB (set)" in told[0].text
    (over,) = endpoint.dismissed()
    assert (over.state, over.address) == ("back", address)
    assert endpoint.dismissed() == []
    ask()


def test_a_connection_says_what_is_wrong_with_its_address(context):
    made = context.socket(zmq.SUB)
    with pytest.raises(zmq.ZMQError):
        Connection(made, "feeds.slices", "udp://there")
    made.close()


# --- what is told --------------------------------------------------------------------------------

LOST = ConnectionChange(
    "feeds.slices", "tcp://recon:5601", "lost", "stranger", "is a PULL socket", 1_700_000_000.5
)
BACK = ConnectionChange(
    "feeds.slices", "tcp://recon:5601", "back", "stranger", "again", 1_700_000_000.5, 3
)


def test_the_session_tells_of_a_loss_and_its_end_with_an_alarm_that_ends():
    session = Session(Settings())
    lost, alarm = session.feed(LOST)
    assert (lost.kind, lost.cell, lost.data["state"]) == ("connection", "", "lost")
    assert lost.data == {
        "setting": "feeds.slices", "address": "tcp://recon:5601", "state": "lost",
        "reason": "stranger", "since": 1_700_000_000.5, "times": 1, "text": "is a PULL socket",
    }  # fmt: skip
    assert alarm.kind == "alarm"
    assert alarm.data["condition"] == "connection feeds.slices tcp://recon:5601"
    assert session.lost_connections == (LOST,)
    assert session.feed(LOST) == ()
    back, over = session.feed(BACK)
    assert (back.data["state"], back.data["times"]) == ("back", 3)
    assert (over.kind, over.data["alarm"]) == ("alarm_ended", alarm.number)
    assert session.lost_connections == ()
    assert session.feed(BACK) == ()


def test_one_address_of_two_settings_is_two_connections():
    session = Session(Settings())
    other = ConnectionChange("feeds.resend", LOST.address, "lost", "silent", "x", 1.0)
    assert len(session.feed(LOST)) == len(session.feed(other)) == 2
    assert len(session.lost_connections) == 2


@pytest.mark.parametrize("change", [LOST, BACK])
def test_the_journal_gives_it_back_as_it_was(change):
    assert record_of(entry_of(change, None, {})) == change


@pytest.mark.parametrize(
    ("said", "version", "kind"),
    [
        (greeting(1), (3, 1), "PUB"),
        (greeting(0, socket_type=b"XPUB"), (3, 0), "XPUB"),
        (b"\xff" + 8 * b"\0" + b"\x7f\x01\x01", (2, 0), "PUB"),
        (b"GET / HTTP/1.1", (0, 0), ""),
        (b"\x01", (0, 0), ""),
        (b"\x01\x00", (1, 0), ""),
        (b"\x06\x00alice", (1, 0), ""),
        (b"SSH-2.0", (0, 0), ""),
        (greeting(1, b"\xc3\xa4"), (0, 0), ""),
    ],
)
def test_a_greeting_says_who_is_there(said, version, kind):
    found = greeting_of(said)
    assert (found.version, found.socket_type) == (version, kind)
    assert found.answers_heartbeats == (version >= (3, 1))
    assert greeting_of(b"") is None
