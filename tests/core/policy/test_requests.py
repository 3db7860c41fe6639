"""The life of a request, whatever is heard in which order, and whoever was restarted in between."""

import itertools

import pytest

from monitor.core.policy.requests import RequestBook
from monitor.records import ScanReply, ScanRequest
from tests.core.phantom import start

ASKED = ScanRequest("r1", "A", "pit_onset", 3)


def answering(scan=4):
    return start((4, 4, 4), scan=scan, request="r1", reason="extra")


def book():
    made = RequestBook()
    made.add(ASKED)
    return made


def test_the_usual_life():
    made = book()
    news = [
        made.heard(ScanReply("r1", "accepted")),
        made.heard(ScanReply("r1", "accepted")),
        made.heard(ScanReply("r1", "running", scan=4)),
        made.started(answering()),
        made.ended(answering(), 4, whole=True),
        made.heard(ScanReply("r1", "done", scan=4)),
    ]
    assert [n and n.status for n in news] == ["accepted", None, "running", None, "done", None]
    assert made.cell_of("r1") == "A"


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_in_any_order_it_only_goes_on_and_ends_done(order):
    made = book()
    steps = [
        lambda: made.heard(ScanReply("r1", "accepted")),
        lambda: made.heard(ScanReply("r1", "running", scan=4)),
        lambda: made.started(answering()),
        lambda: made.heard(ScanReply("r1", "done", scan=4)),
    ]
    rank = {"accepted": 1, "running": 2, "done": 3}
    news = [step() for step in (steps[i] for i in order)]
    ranks = [rank[n.status] for n in news if n is not None]
    assert ranks == sorted(set(ranks)) and ranks[-1] == 3


def test_an_acquisition_that_says_nothing_is_known_by_its_scan():
    made = book()
    assert made.started(answering()).status == "running"
    assert made.started(answering()) is None
    assert made.ended(start((4, 4, 4), scan=9), 4, whole=True) is None
    news = made.ended(answering(), 4, whole=True)
    assert (news.status, news.scan) == ("done", 4)


def test_a_scan_that_broke_off_has_failed_and_a_failed_one_that_comes_is_running():
    made = book()
    made.started(answering())
    assert (
        made.ended(answering(), 2, whole=False).why
        == "it was interrupted: 2 of 4 slices were received"
    )
    other = book()
    other.heard(ScanReply("r1", "failed", "shutter closed"))
    assert other.started(answering()).status == "running"


def test_unknown_requests_are_passed_on_and_old_ones_forgotten():
    made = book()
    assert made.heard(ScanReply("elsewhere", "done")).id == "elsewhere"
    for k in range(1500):
        made.add(ScanRequest(f"n{k}", "A", "manual", 0))
        made.heard(ScanReply(f"n{k}", "refused"))
    assert made.cell_of("n0") == ""
    assert made.cell_of("r1") == "A", "what is not over is kept"


def test_one_suggestion_a_cell():
    made = RequestBook()
    made.suggest(ASKED)
    assert made.suggested("A") is ASKED
    assert made.suggestion("A") is ASKED
    assert made.suggestion("A") is None


@pytest.mark.parametrize("status", ["running", "done"])
def test_a_running_request_whose_scan_never_begins_has_failed(status):
    """An acquisition that was killed after it had said so: nobody else will tell."""
    made = book()
    made.heard(ScanReply("r1", status))
    news = [made.overtaken(start((4, 4, 4), scan=n)) for n in (4, 5, 6)]
    if status == "done":
        assert news == [[], [], []]
        return
    assert [len(one) for one in news] == [0, 1, 0]
    (failed,) = news[1]
    assert (failed.id, failed.status) == ("r1", "failed") and "(4 and 5) followed" in failed.why
    assert made.started(answering(7)).status == "running", "it was only late"


def test_scans_of_other_cells_and_its_own_overtake_nothing():
    made = book()
    made.heard(ScanReply("r1", "running"))
    for n in range(4):
        assert made.overtaken(start((4, 4, 4), name="B", scan=n)) == []
    made.started(answering())
    for n in range(5, 9):
        assert made.overtaken(start((4, 4, 4), scan=n)) == []
    waiting = book()
    for n in range(4):
        assert waiting.overtaken(start((4, 4, 4), scan=n)) == [], "it is asked for again"


def test_the_scan_that_led_to_a_request_overtakes_nothing_where_it_ends_after_the_answer():
    """It was judged while its slices were still arriving."""
    made = book()
    made.heard(ScanReply("r1", "running"))
    assert made.overtaken(start((4, 4, 4), scan=3)) == []
    assert made.overtaken(start((4, 4, 4), scan=4)) == []
    assert len(made.overtaken(start((4, 4, 4), scan=5))) == 1
