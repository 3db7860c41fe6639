import time
from collections.abc import Iterator

import pytest
import zmq

from monitor.engine.requests.requester import Requester
from monitor.errors import SettingError
from monitor.records import ScanReply, ScanRequest
from monitor.settings import RequestSettings
from simulators.mailbox import ROOM, Mailbox


@pytest.fixture
def ends(endpoint) -> Iterator[tuple[Mailbox, Requester]]:
    mailbox = Mailbox(endpoint, ["A", "B"])
    requester = Requester(RequestSettings(endpoint=endpoint))
    assert requester._backend._socket.poll(60_000, zmq.POLLOUT)  # until then repeats are one
    yield mailbox, requester
    requester.close()
    mailbox.close()


def replies(mailbox: Mailbox, requester: Requester, count: int) -> list[ScanReply]:
    got: list[ScanReply] = []
    deadline = time.monotonic() + 60.0
    while len(got) < count and time.monotonic() < deadline:
        mailbox.poll()
        got += [reply for reply in requester.poll() if isinstance(reply, ScanReply)]
        time.sleep(0.002)
    return got


def test_accepted_at_once_and_done_when_done(ends):
    mailbox, requester = ends
    request = ScanRequest("1", "B", "pit_onset", 4, {"pits": 2})
    requester.send(request)
    assert replies(mailbox, requester, 1) == [ScanReply("1", "accepted")]
    assert mailbox.waiting
    assert mailbox.next() == request
    assert mailbox.next() is None
    mailbox.done(request, 5)
    assert replies(mailbox, requester, 1) == [ScanReply("1", "done", scan=5)]


def test_a_request_sent_twice_is_one_request(ends):
    mailbox, requester = ends
    for id_ in ("1", "1", "2"):
        requester.send(ScanRequest(id_, "A", "manual", 0, {}))
    assert [r.id for r in replies(mailbox, requester, 3)] == ["1", "1", "2"]
    assert [mailbox.next().id, mailbox.next().id, mailbox.next()] == ["1", "2", None]


def test_a_full_box_refuses(ends):
    mailbox, requester = ends
    for number in range(ROOM + 1):
        requester.send(ScanRequest(str(number), "A", "manual", 0, {}))
    got = replies(mailbox, requester, ROOM + 1)
    assert [r.status for r in got] == ["accepted"] * ROOM + ["refused"]
    assert "waiting already" in got[-1].why


def test_garbage_is_counted_and_costs_nothing_else(ends):
    mailbox, requester = ends
    requester._backend._socket.send(b"\x80garbage")
    requester.send(ScanRequest("1", "A", "manual", 0, {}))
    assert replies(mailbox, requester, 1) == [ScanReply("1", "accepted")]
    assert mailbox.bad == 1


def test_a_cell_that_has_ended_refuses_what_waits_and_what_comes(ends):
    mailbox, requester = ends
    requester.send(ScanRequest("1", "A", "manual", 0, {}))
    requester.send(ScanRequest("2", "B", "manual", 0, {}))
    replies(mailbox, requester, 2)
    mailbox.retire("A", "it is over")
    requester.send(ScanRequest("3", "A", "manual", 0, {}))
    got = replies(mailbox, requester, 2)
    assert [(r.id, r.status) for r in got] == [("1", "refused"), ("3", "refused")]
    assert got[0].why == "it is over"
    assert mailbox.next().cell == "B"


def test_an_address_in_use_is_named(ends, endpoint):
    with pytest.raises(SettingError, match=r"simulator\.requests"):
        Mailbox(endpoint, ["A"])


def test_a_repeat_hears_the_present_status_whatever_it_is(ends):
    mailbox, requester = ends
    request = ScanRequest("1", "A", "manual", 0, {})
    told: list[tuple[str, str, int | None]] = []
    for step in (
        lambda: None,
        lambda: mailbox.running(request, 4),
        lambda: mailbox.failed(request, "the beam was lost", 4),
    ):
        step()
        for _ in range(2):
            requester._backend.send(request)
        told += [(r.status, r.why, r.scan) for r in replies(mailbox, requester, 2 + bool(told))]
    assert told == [
        *[("accepted", "", None)] * 2,
        *[("running", "", 4)] * 3,
        *[("failed", "the beam was lost", 4)] * 3,
    ]
    assert mailbox.next() is None


def test_replies_go_to_who_asked_last(ends, endpoint):
    mailbox, requester = ends
    request = ScanRequest("1", "A", "manual", 0, {})
    requester.send(request)
    assert replies(mailbox, requester, 1) == [ScanReply("1", "accepted")]
    restarted = Requester(RequestSettings(endpoint=endpoint))
    restarted.send(request)
    assert replies(mailbox, restarted, 1) == [ScanReply("1", "accepted")]
    mailbox.running(request, 0)
    mailbox.done(request, 0)
    assert [r.status for r in replies(mailbox, restarted, 2)] == ["running", "done"]
    assert requester.poll() == []
    restarted.close()


def test_it_remembers_so_many_ended_requests_and_no_more(ends, monkeypatch):
    mailbox, requester = ends
    monkeypatch.setattr("simulators.mailbox.ENDED_REMEMBERED", 2)
    for id_ in "1234":
        requester.send(ScanRequest(id_, "Z", "manual", 0, {}))
    assert len(replies(mailbox, requester, 4)) == 4
    assert list(mailbox._ended) == ["3", "4"] and not mailbox._open


def test_what_is_abandoned_fails_where_it_runs_and_is_refused_where_it_waits(ends):
    mailbox, requester = ends
    asked = [ScanRequest(id_, "A", "manual", 0, {}) for id_ in "12"]
    for request in asked:
        requester.send(request)
    replies(mailbox, requester, 2)
    mailbox.running(asked[0], 3)
    mailbox.abandon("the acquisition was aborted")
    requester.send(ScanRequest("3", "A", "manual", 0, {}))
    got = [(r.id, r.status, r.scan) for r in replies(mailbox, requester, 4)]
    assert sorted(got, key=str) == sorted(
        [("1", "running", 3), ("1", "failed", 3), ("2", "refused", None), ("3", "refused", None)],
        key=str,
    )
