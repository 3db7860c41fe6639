"""Lost slices from real services over real sockets: good ones, bad ones, and none."""

import json
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
import zmq

from monitor.core.session import Session
from monitor.engine.resend import connection
from monitor.engine.resend.connection import BATCHES_IN_FLIGHT, Endpoint
from monitor.engine.resend.requester import MAX_ENDPOINTS, MOST_SKIPPED, ResendRequester
from monitor.errors import SettingError
from monitor.processes import free_addresses
from monitor.records import BadInput, FeedQuiet, ResendEnd, ScanResult, ScanStart, SliceFrame
from monitor.settings import FeedSettings
from monitor.sources.feeds.resend_service import ResendService
from monitor.wire import resend as wire
from monitor.wire.slices import stins
from tests.core.experiment import SHAPE, scan_records, settings
from tests.core.test_session import finals, run
from tests.core.test_session_resend import results
from tests.engine.test_engine import Bench as EngineBench
from tests.helpers.waiting import PATIENCE_S, eventually

FEEDS = FeedSettings(quiet_s=0.3)


class Clock:
    """Runs, and can be set ahead."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.monotonic() + self.ahead


class Bench:
    """A session and what recovers for it, without an engine around."""

    def __init__(self, feeds=FEEDS, cells=("A",)):
        self.clock = Clock()
        self.session = Session(settings(*cells, feeds=feeds.model_dump()))
        self.resender = ResendRequester(feeds, clock=self.clock)
        self.outputs, self.taken = [], []

    def feed(self, records):
        self.outputs += run(records, self.session)

    def turn(self):
        """One turn of the engine's loop."""
        for received in self.resender.take():
            self.taken.append(received)
            self.feed([received.record])
        lack = self.session.outstanding
        asked = lack.lacking, lack.unknown, lack.resend_addresses, lack.open_scans
        self.feed(self.resender.look(*asked))

    def until(self, met):
        end = time.monotonic() + PATIENCE_S
        while not met():
            assert time.monotonic() < end, (self.session.feeds, self.session.outstanding.lacking)
            self.turn()
            time.sleep(0.002)

    def until_connected(self, address):
        """Until the service at this address can be asked."""
        socket = self.resender._endpoint(address)._socket
        eventually(lambda: socket.poll(0, zmq.POLLOUT))

    def hurry(self, seconds, script):
        """One turn, and the clock set ahead once the questions on their way are there."""
        self.turn()
        ends = self.resender._endpoints.values()
        asked = {batch.question.id for end in ends for batch in end.batches}
        self.until(lambda: asked <= {question["id"] for question in script.asked})
        self.clock.ahead += seconds

    def for_a_while(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()
            time.sleep(0.002)

    def until_done(self, count=1):
        self.until(lambda: len(finals(self.outputs)) == count)
        return finals(self.outputs)

    def bad(self):
        return self.session.feeds["slices"]["bad"]


@pytest.fixture
def bench():
    made = []

    def make(**feeds):
        made.append(Bench(FeedSettings(**{"quiet_s": 0.3, **feeds})))
        return made[-1]

    yield make
    for one in made:
        one.resender.close()


@pytest.fixture
def service():
    (address,) = free_addresses(1)
    with closing(ResendService(address)) as made:
        yield made


class Script:
    """A service of a few lines: answers as it is told to, and counts what it is asked."""

    def __init__(self, answer=lambda question: []):
        (self.address,) = free_addresses(1)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.bind(self.address)
        self._answer = answer
        self.asked = []

    def serve(self):
        while self._socket.poll(0):
            sender, question = self._socket.recv_multipart()
            self.asked.append(json.loads(question))
            for frames in self._answer(self.asked[-1]):
                self._socket.send_multipart([sender, *frames])

    def close(self):
        self._context.destroy(linger=0)


@contextmanager
def scripted(bench, answer=lambda question: []):
    """A scripted service that is served in the turns of the bench."""
    script = Script(answer)
    turn = bench.turn
    bench.turn = lambda: (script.serve(), turn())
    try:
        yield script
    finally:
        script.close()


def offered(address, scan=0):
    return scan_records(scan, resend=address)


def kept(service, records):
    for record in records:
        if isinstance(record, ScanStart):
            service.keep(record, stins.encode_start(record))
        elif isinstance(record, SliceFrame):
            service.keep(record, stins.encode_slice(record))


def without(feed, *frames):
    return [r for r in feed if not (isinstance(r, SliceFrame) and r.frame in frames)]


def test_what_was_lost_comes_and_the_maps_are_those_of_a_clean_run(bench, service):
    feed = offered(service.address)
    kept(service, feed)
    one = bench()
    one.feed(without(feed, 0, 13, 40, 41, 95))
    (result,) = one.until_done()
    assert list(np.flatnonzero(result.ledger == 2)) == [0, 13, 40, 41, 95]
    assert results(one.outputs) == results(run(feed))
    assert {received.feed for received in one.taken} == {"resend"}
    assert all(len(received.frames) == 2 for received in one.taken)
    assert not one.resender.is_waiting


def test_it_comes_while_the_scan_runs(bench, service):
    feed = offered(service.address)
    kept(service, feed)
    one = bench(quiet_s=1000.0)
    one.feed(without(feed[:82], 4, 70))
    one.until(lambda: not len(one.session.outstanding.lacking[0].lost))
    assert list(one.session.outstanding.lacking[0].passed) == [70], "it may be merely out of order"
    assert one.session.feeds["slices"]["recovered"] == 1


def test_questions_are_small_and_few_at_a_time(bench, monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_S", 1000.0)
    one = bench()
    with scripted(one) as script:
        feed = offered(script.address)
        one.feed(without(feed, *range(90)))
        one.until(lambda: len(script.asked) == BATCHES_IN_FLIGHT)
        one.for_a_while(0.5)
        assert len(script.asked) == BATCHES_IN_FLIGHT, "the others wait for answers"
        assert [len(question["frames"]) for question in script.asked] == [64, 26]
        assert one.resender.is_waiting and one.resender.busy_cells == {"A"}


def test_a_service_that_says_nothing_is_asked_again_and_given_up(bench):
    one = bench()
    with scripted(one) as script:
        feed = offered(script.address)
        one.until_connected(script.address)
        one.feed(feed[:1])
        one.feed(without(feed[1:], 40))
        while not finals(one.outputs):
            one.hurry(0.05, script)
        assert [q["frames"] for q in script.asked] == [[40]] * 6
        assert one.clock.ahead < 30
        one.turn()
    (result,) = finals(one.outputs)
    assert list(np.flatnonzero(result.ledger == 0)) == [40]
    assert one.resender.busy_cells == set()


def test_nobody_at_the_address_is_given_up_too(bench):
    (nobody,) = free_addresses(1)
    one = bench()
    one.feed(without(offered(nobody), 40))
    while not finals(one.outputs):
        one.turn()
        one.clock.ahead += 0.05
        assert one.clock.ahead < 30
    assert list(np.flatnonzero(finals(one.outputs)[0].ledger == 0)) == [40]


def test_what_the_service_does_not_have_is_believed_at_once_when_the_scan_is_over(
    bench, service, monkeypatch
):
    asked, ask = [], Endpoint.ask
    monkeypatch.setattr(
        Endpoint,
        "ask",
        lambda self, key, q, now: (asked.extend(q.frames), ask(self, key, q, now))[1],
    )
    feed = offered(service.address)
    kept(service, without(feed, 40, 41))
    one = bench()
    one.until_connected(service.address)
    one.feed(without(feed, 39, 40, 41, 42))
    (result,) = one.until_done()
    assert list(np.flatnonzero(result.ledger == 0)) == [40, 41]
    assert list(np.flatnonzero(result.ledger == 2)) == [39, 42]
    assert asked.count(40) <= 2, "while it ran, and at its end"


def test_a_service_that_loses_answers_and_mixes_in_garbage_costs_time_alone(bench, service):
    feed = offered(service.address)
    images = {r.frame: stins.encode_slice(r) for r in feed if isinstance(r, SliceFrame)}
    rng = np.random.default_rng(0)

    def answer(question):
        found = [[b"\xff"], [b'{"htype":"resend_end"}'], [b"[" * 9999], [images[3][0], b"short"]]
        found += [stins.encode_start(feed[0]), stins.encode_end(feed[-1])]
        found += [images[frame] for frame in question["frames"] if rng.random() < 0.8]
        end = {"htype": "resend_end", "cell": "A", "scan": 0, "frames": [], "id": question["id"]}
        return [*found, [json.dumps(end).encode()]]

    one = bench()
    with scripted(one, answer) as script:
        feed[0] = offered(script.address)[0]
        one.feed(without(feed, *range(3, 60, 3)))
        one.until_done()
    assert results(one.outputs) == results(run(feed))
    assert set(one.bad()) == {"not_json", "bad_request", "bad_length", "unasked", "unknown_htype"}


def test_a_header_that_was_missed_is_asked_for_where_the_settings_say(bench, service):
    feed = offered(service.address)
    kept(service, feed)
    one = bench(resend=[service.address])
    one.feed(feed[60:70])
    one.until(lambda: one.session.outstanding.lacking)
    one.feed(feed[70:])
    (result,) = one.until_done()
    assert result.complete and int((result.ledger == 2).sum()) == 69
    assert results(one.outputs) == results(run(feed))


def test_a_header_is_not_asked_for_without_end_nor_of_nobody(bench):
    one, lonely = bench(), bench()
    lonely.feed(offered("")[60:62])
    lonely.for_a_while(0.1)
    assert not lonely.resender.is_waiting
    with scripted(one) as script:
        one.until_connected(script.address)
        one.feed(without(offered(script.address), 7)[:50])  # the address is known by it
        one.feed(scan_records(1)[20:30])
        for _ in range(1000):
            one.hurry(0.1, script)
        headers = [q for q in script.asked if q.get("header")]
        assert 2 <= len(headers) <= 6
        assert all((q["scan"], q["frames"], q["stream"]) == (1, [], "s") for q in headers)


def test_what_builds_on_a_scan_waits_for_its_lost_header(bench, service):
    """The first scan is the reference of the others."""
    one, feeds = bench(), [offered(service.address, scan) for scan in range(2)]
    kept(service, [*feeds[0], *feeds[1]])
    one.feed([*feeds[0][8:], *feeds[1]])
    assert finals(one.outputs) == [] and one.session.outstanding.held == {"A"}
    one.until_done(2)
    assert [r.key.scan for r in finals(one.outputs)] == [0, 1]
    assert results(one.outputs) == results(run([*feeds[0], *feeds[1]]))


@pytest.mark.parametrize("says_so", [True, False])
def test_it_waits_no_longer_where_nobody_has_that_header(bench, says_so):
    def end(question):
        told = ResendEnd(question["cell"], question["scan"], (), question["id"])
        return [wire.encode_end(told)] if says_so else []

    one = bench()
    with scripted(one, end) as script:
        one.until_connected(script.address)
        one.feed([*offered(script.address, 0)[8:], *offered(script.address, 1)])
        assert one.session.outstanding.held == {"A"}
        one.for_a_while(0.1)
        if not says_so:
            one.clock.ahead += 3.0
            one.for_a_while(0.1)
            one.clock.ahead += 3.0
        one.until_done(1)
    (result,) = finals(one.outputs)
    assert result.key.scan == 1 and result.complete and one.session.outstanding.held == set()


def test_a_header_of_another_session_is_not_taken(bench):
    other = stins.encode_start(scan_records(1, stream="other")[0])
    one = bench()
    with scripted(one, lambda question: [other]) as script:
        one.feed([offered(script.address)[0], *scan_records(1)[20:30]])
        one.until(lambda: one.bad().get("unasked"))
    assert {lacking.key.scan for lacking in one.session.outstanding.lacking} == {0}


def test_scans_sent_whole_while_nobody_listened_are_asked_for_one_after_another(bench, service):
    one, feeds = bench(), [offered(service.address, scan) for scan in range(3)]
    kept(service, [record for feed in feeds for record in feed])
    one.feed(feeds[0])
    one.for_a_while(0.2)
    assert len(finals(one.outputs)) == 1  # of itself, no engine asks for what comes next
    one.resender.catch_up(one.session.outstanding.missed)
    one.until_done(3)
    assert results(one.outputs) == results(run([r for feed in feeds for r in feed]))
    one.until(lambda: not one.resender.is_behind)


@pytest.mark.parametrize("gone", [range(1, 2), range(1, 6), range(2, 4)])
def test_scans_that_the_service_keeps_no_longer_do_not_hide_later_ones(bench, service, gone):
    """The engine was off for longer than the service keeps scans."""
    numbers = [n for n in range(gone.stop + 2) if n not in gone]
    one, feeds = bench(), {n: offered(service.address, n) for n in numbers}
    kept(service, [record for feed in feeds.values() for record in feed])
    one.feed(feeds[0])
    one.resender.catch_up(one.session.outstanding.missed)
    one.until(lambda: len(finals(one.outputs)) == len(feeds))
    told = [(result.key.scan, result.complete) for result in finals(one.outputs)]
    assert told == [(number, True) for number in feeds]


def test_no_more_scans_are_opened_than_can_wait_for_what_they_lack(bench):
    """An engine that was killed again and again has holes in all of them; later headers wait."""
    (address,) = free_addresses(1)
    one, feeds = bench(), [offered(address, number) for number in range(9)]
    for number in range(3):
        one.feed(feeds[number][: 40 + number])
    with closing(ResendService(address, kept_scans=9)) as service:
        kept(service, [record for feed in feeds for record in feed])
        one.feed(feeds[7][5:60])  # of the one that is running, its header was not received
        one.resender.catch_up(one.session.outstanding.missed)
        one.until(lambda: len(finals(one.outputs)) == len(feeds))
    told = {result.key.scan: result.complete for result in finals(one.outputs)}
    assert told == dict.fromkeys(range(9), True)


@pytest.mark.parametrize("known", [True, False], ids=["second known", "none known"])
@pytest.mark.parametrize("lacks", [(), (4, 5)], ids=["whole", "with holes"])
def test_the_first_scan_of_a_cell_is_asked_for_once_another_cell_has_one(service, lacks, known):
    one = Bench(FEEDS, cells=("A", "B"))
    with closing(one.resender):
        feeds = [offered(service.address, scan) for scan in range(2)]
        kept(service, [*without(feeds[0], *lacks), *feeds[1]])
        one.feed(scan_records(0, name="B", stream="b", resend=service.address))
        if known:
            one.feed(feeds[1][:50])
        one.resender.catch_up(one.session.outstanding.missed)
        if not known:
            one.feed(feeds[1][:50])
        one.until(lambda: len([r for r in one.taken if isinstance(r.record, ScanStart)]) == 1)
        one.feed(feeds[1][50:])
        one.until_done(3)
        first, second = (r for r in finals(one.outputs) if r.key.cell == "A")
        assert (first.key.scan, second.key.scan) == (0, 1)
        assert first.complete is not bool(lacks) and second.complete


def test_a_scan_of_long_ago_under_the_next_number_is_not_taken(bench, service):
    feeds = [offered(service.address, scan) for scan in range(2)]
    old = replace(feeds[1][0], start_time=-5e5, stop_time=-5e5 + 600)
    kept(service, [old, *feeds[1][1:]])
    one = bench()
    one.feed(feeds[0])
    one.resender.catch_up(one.session.outstanding.missed)
    one.until(lambda: not one.resender.is_behind)
    assert one.bad().get("unasked") and not one.session.outstanding.unfinished


def of_run(records, run):
    """The same scan in a run of that name."""
    first, *others = records
    return [replace(first, key=replace(first.key, run=run)), *others]


@pytest.mark.parametrize("run", ["", "R"])
@pytest.mark.parametrize("first", [1, 2, 4])
def test_all_scans_before_the_first_known_one_are_asked_for(bench, first, run):
    """The engine was killed before its first scan, and was off for several."""
    (address,) = free_addresses(1)
    one, feeds = bench(), [of_run(offered(address, scan), run) for scan in range(first + 1)]
    with closing(ResendService(address, kept_scans=9)) as service:
        kept(service, [record for feed in feeds for record in feed])
        one.feed(feeds[first][:50])
        one.resender.catch_up(one.session.outstanding.missed)
        one.until(lambda: not one.resender.is_looking_back)
        one.feed(feeds[first][50:])
        one.until_done(first + 1)
    assert [result.key.scan for result in finals(one.outputs)] == list(range(first + 1))


@pytest.mark.parametrize(
    ("run", "seconds", "taken"),
    [
        ("R", -5e5, True),
        ("other", -5e5, False),
        ("other", 0.0, True),
        ("", 0.0, True),
        ("", -5e5, False),
    ],
)
def test_an_earlier_scan_is_taken_if_it_is_of_the_run_or_within_the_hour(
    bench, service, run, seconds, taken
):
    """A service that keeps scans of an earlier experiment has them under the same numbers."""
    known = of_run(offered(service.address, 1), "R" if run else "")
    before, *others = of_run(offered(service.address, 0), run)
    before = replace(before, start_time=seconds, stop_time=seconds + 600)
    kept(service, [before, *others])
    one = bench()
    one.feed(known[:50])
    one.resender.catch_up(one.session.outstanding.missed)
    one.until(lambda: not one.resender.is_looking_back)
    assert bool(one.bad().get("unasked")) is not taken
    assert len(one.session.outstanding.lacking) == 1 + taken


@pytest.mark.parametrize("says_so", [True, False])
def test_what_nobody_has_is_asked_for_a_few_times_and_holds_nothing_up(bench, says_so):
    def end(question):
        told = ResendEnd(question["cell"], question["scan"], (), question["id"])
        return [wire.encode_end(told)] if says_so else []

    one = bench()
    with scripted(one, end) as script:
        one.until_connected(script.address)
        one.feed(offered(script.address))
        one.resender.catch_up(one.session.outstanding.missed)
        for _ in range(2000):
            one.hurry(0.05, script)
            if not one.resender.is_behind:
                break
        assert not one.resender.is_behind
        headers = Counter(q["scan"] for q in script.asked if q.get("header"))
        later = range(1, 2 + MOST_SKIPPED) if says_so else [1]
        assert sorted(headers) == [*later], "a silent service is asked for the next one alone"
        assert max(headers.values()) <= 4
        count = len(script.asked)
        one.feed(offered(script.address, 1))
        one.until_done(2)
        assert len(script.asked) == count and not one.bad()


def test_an_address_that_cannot_be_reached_is_told_once_and_costs_no_more(bench):
    away = "tcp://10.9.8.7:5602"  # the host of the slices, but no key of it is known
    one = bench(slices=("tcp://10.9.8.7:5601",))
    one.feed(without(offered(away), 40))
    while not finals(one.outputs):
        one.turn()
        one.clock.ahead += 0.05
        assert one.clock.ahead < 2, "nobody is waited for"
    (told,) = [t.record for t in one.taken if isinstance(t.record, BadInput)]
    assert told.kind == "resend_refused" and "server_keys" in told.text
    assert "\n" not in told.text


@pytest.mark.parametrize("address", ["tcp://10.9.8.7:5602", "nowhere", "tcp://127.0.0.1"])
def test_a_wrong_address_in_the_settings_stops_the_start(address):
    with pytest.raises(SettingError, match=r"feeds\.resend"):
        ResendRequester(FeedSettings(resend=(address,)))


def test_connections_are_few(bench):
    one = bench()
    begin = offered("")[0]
    addresses = free_addresses(MAX_ENDPOINTS + 3)
    for number, address in enumerate(addresses):
        feed = offered(address, scan=number)
        one.feed(feed[:3])
        one.turn()
        one.feed([FeedQuiet(given_up=True)])
    assert len(one.resender._endpoints) == MAX_ENDPOINTS
    assert begin.slice_count == SHAPE[0]
    assert sum(isinstance(o, ScanResult) and not o.provisional for o in one.outputs) == 11


def test_closing_twice_is_closing():
    one = ResendRequester(FeedSettings(resend=("tcp://127.0.0.1:5602",)))
    assert not one.is_waiting
    one.close()
    one.close()


def test_the_question_on_the_wire(bench):
    one = bench()
    with scripted(one) as script:
        one.feed(without(offered(script.address), 40))
        one.until(lambda: script.asked)
    question = wire.decode_question(json.dumps(script.asked[0]).encode())
    assert (question.cell, question.scan, question.frames) == ("A", 0, (40,))
    assert (question.stream, question.header) == ("s", False)


@contextmanager
def engine(folder, kept):
    """An engine whose memory holds so many slices that wait for another."""
    memory = {"reorder_memory_MB": kept * 48 * 48 * 2 / 1e6, "quiet_s": 0.3}
    made = EngineBench(folder, feeds=memory)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("kept_slices", [12, 30])
def test_slices_that_come_in_a_heap_do_not_push_out_what_is_asked_for(
    tmp_path, service, kept_slices, monkeypatch
):
    """The memory holds fewer than come before the answers can: then taking them pauses."""
    monkeypatch.setattr(connection, "SILENT_S", 1000.0)  # as long as the service may need
    feed = offered(service.address)
    kept(service, feed)
    lost = (5, 23, 24, 50, 88, 95)
    with engine(tmp_path, kept_slices) as made:
        made.feed.put(without(feed[:11], *lost))
        made.until(lambda state: state["feeds"] and state["feeds"]["slices"]["recovered"])
        made.feed.put(without(feed[11:], *lost))
        state = made.scans(1)
        (scan,) = state["cells"]["A"]["scans"]
        assert (scan["slices_missing"], scan["slices_recovered"]) == (0, len(lost))


def test_a_service_that_says_nothing_does_not_hold_a_stream_up_for_long(tmp_path):
    script = Script()
    try:
        feed = offered(script.address)
        with engine(tmp_path, 12) as made:
            begin = time.monotonic()
            made.feed.put(without(feed, *range(2, 90, 8)))
            made.until(
                lambda state: (
                    (state["cells"]["A"]["running"] or {}).get("received") == 85
                    or state["cells"]["A"]["scans"]
                )
            )
            assert time.monotonic() - begin < 60  # twelve holes, and half a second for each
    finally:
        script.close()
