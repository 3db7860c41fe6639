"""Lost slices come again because they were asked for: whenever, in whatever order, the results are
those of a run that lost nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.core.arrival.missing_slices import Unknown
from monitor.core.session import Session
from monitor.records import FeedQuiet, ScanEnd, ScanStart, SliceFrame
from tests.core.experiment import SHAPE, experiment, scan_records, settings
from tests.core.test_session import events, finals, plain, run, without

HERE = "tcp://127.0.0.1:5602"


def offered(scan, **changes):
    """Messages of a scan whose header names a resend service."""
    return scan_records(scan, resend=HERE, **changes)


def again(feed, *frames):
    """The slices as they come when they are asked for."""
    return [
        replace(r, recovered=True) for r in feed if isinstance(r, SliceFrame) and r.frame in frames
    ]


def results(outputs):
    """What was computed, but for how the slices came."""
    told = []
    for result in finals(outputs):
        *_, maps, labels, pits, summary = plain(result)
        summary = {k: v for k, v in summary.items() if k != "slices_recovered"}
        told.append((maps, labels, str(pits), summary))  # NaN is not NaN
    return told


@pytest.fixture(scope="module")
def clean():
    return run([record for scan in range(3) for record in offered(scan)])


def test_what_is_offered_changes_nothing_where_nothing_is_lost(clean):
    feed = [r for r in experiment() if isinstance(r, ScanStart | SliceFrame | ScanEnd)]
    assert results(clean) == results(run(feed))
    assert [r.summary["slices_recovered"] for r in finals(clean)] == [0, 0, 0]


@hypothesis_settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.02, 0.1, 0.5]))
def test_whenever_lost_slices_come_the_results_are_those_of_the_clean_run(clean, seed, share):
    """While their scan runs, after its end, or while the next ones run already."""
    rng = np.random.default_rng(seed)
    timed = []
    for scan in range(3):
        for place, record in enumerate(offered(scan)):
            time = 100.0 * scan + place
            if isinstance(record, SliceFrame) and rng.random() < share:
                delay = rng.choice([5.0, 60.0, 150.0])
                timed.append((time + delay * rng.random(), replace(record, recovered=True)))
            else:
                timed.append((time, record))
    session = Session(settings())
    outputs = run([record for _, record in sorted(timed, key=lambda one: one[0])], session)
    assert results(outputs) == results(clean)
    assert [r.key.scan for r in finals(outputs)] == [0, 1, 2]
    recovered = sum(isinstance(r, SliceFrame) and r.recovered for _, r in timed)
    counts = session.feeds["slices"]
    assert counts["recovered"] == recovered
    assert counts["messages"] == 3 * (SHAPE[0] + 2) - recovered
    assert counts["bad"] == {} and counts["late"] == counts["repeats"] == 0
    assert sum(int((r.ledger == 2).sum()) for r in finals(outputs)) == recovered
    assert sum(r.summary["slices_recovered"] for r in finals(outputs)) == recovered
    assert all(r.complete for r in finals(outputs))


def test_an_ended_scan_waits_for_what_can_be_asked_for_and_no_longer():
    feed = offered(0)
    session = Session(settings())
    outputs = run(without(feed, 40, 41, 80), session)
    assert finals(outputs) == [] and session.outstanding.waiting == ["A"]
    (lacking,) = session.outstanding.lacking
    assert (lacking.address, lacking.stream, lacking.over) == (HERE, "s", True)
    assert lacking.slice_bytes == 48 * 48 * 2 and lacking.heard == SHAPE[0] - 3
    assert list(lacking.all) == [40, 41, 80]
    outputs += run(again(feed, 41), session)
    assert list(session.outstanding.lacking[0].all) == [40, 80]
    outputs += run([FeedQuiet(cell="A", scan=0)], session)
    (result,) = finals(outputs)
    assert list(np.flatnonzero(result.ledger == 0)) == [40, 80]
    assert list(np.flatnonzero(result.ledger == 2)) == [41]
    assert (result.summary["slices_missing"], result.summary["slices_recovered"]) == (2, 1)
    assert events(outputs, "alarm")[0].data["missing"] == [40, 80]
    assert session.feeds["slices"]["gaps"] == 3, "lost on the way, recovered or not"
    assert session.outstanding.lacking == [] and session.outstanding.waiting == []


def test_it_waits_also_where_its_producer_sent_all_but_the_end_says_so():
    """Message numbers have no gap: the engine has joined late, or a slice was never sent."""
    begin, *slices, end = offered(0)
    numbered = [replace(r, msg_number=n) for n, r in enumerate([begin, *slices[3:], end])]
    session = Session(settings())
    assert finals(run(numbered, session)) == []
    outputs = run([FeedQuiet(cell="A", scan=0)], session)
    assert list(np.flatnonzero(finals(outputs)[0].ledger == 0)) == [0, 1, 2]


def test_only_what_was_surely_lost_is_lacking_while_a_scan_runs():
    feed = offered(0)
    session = Session(settings())
    run(without(feed[:80], 10, 70), session)  # slices up to 78
    (lacking,) = session.outstanding.lacking
    assert list(lacking.lost) == [10]
    assert list(lacking.passed) == [10, 70]
    assert list(lacking.all) == [10, 70, *range(79, SHAPE[0])]
    assert not lacking.over
    run(again(feed, 10), session)
    assert list(session.outstanding.lacking[0].lost) == []


def test_a_producer_with_an_order_of_its_own_is_not_bothered_while_nothing_is_lost():
    order = np.random.default_rng(0).permutation(SHAPE[0])
    session = Session(settings())
    run(offered(0, order=order)[:80], session)
    (lacking,) = session.outstanding.lacking
    assert not len(lacking.lost) and not len(lacking.passed)
    assert len(lacking.all) == SHAPE[0] - 79


def test_scans_behind_one_that_waits_are_finished_in_their_order(clean):
    """Their results build on those of the previous one."""
    feeds = [offered(scan) for scan in range(3)]
    session = Session(settings())
    outputs = run([*without(feeds[0], 5), *feeds[1], *without(feeds[2], 90)], session)
    assert finals(outputs) == []
    assert {one.key.scan: list(one.all) for one in session.outstanding.lacking} == {0: [5], 2: [90]}
    outputs += run(again(feeds[0], 5), session)
    assert [r.key.scan for r in finals(outputs)] == [0, 1]
    outputs += run(again(feeds[2], 90), session)
    assert results(outputs) == results(clean)


def test_one_that_is_given_up_lets_those_behind_it_go():
    feeds = [offered(scan) for scan in range(3)]
    session = Session(settings())
    outputs = run([*without(feeds[0], 5), *without(feeds[1], 6), *feeds[2]], session)
    outputs += run([FeedQuiet(cell="A", scan=1)], session)
    assert finals(outputs) == [] and [one.key.scan for one in session.outstanding.lacking] == [0]
    outputs += run([FeedQuiet(cell="A", scan=0)], session)
    assert [(r.key.scan, r.complete) for r in finals(outputs)] == [
        (0, False), (1, False), (2, True)
    ]  # fmt: skip


def test_too_many_that_wait_go_without_what_they_lack():
    session = Session(settings())
    outputs = run([r for scan in range(5) for r in without(offered(scan), 5)], session)
    assert [r.key.scan for r in finals(outputs)] == [0]
    assert [one.key.scan for one in session.outstanding.lacking] == [1, 2, 3, 4]


def test_before_one_scan_too_many_waits_the_engine_is_asked_to_pause():
    """The header of a fifth scan would end the oldest with what it lacks."""
    session = Session(settings())
    for scan in range(4):
        assert not session.outstanding.pressure
        feed = offered(scan)
        run(without(feed, 5), session)
    assert session.outstanding.pressure
    run(again(offered(0), 5), session)
    assert not session.outstanding.pressure


def test_nothing_is_paused_for_scans_that_nobody_can_complete():
    session = Session(settings())
    for scan in range(4):
        begun = [r for r in scan_records(scan) if not isinstance(r, ScanEnd)]
        run(without(begun, 5), session)
    assert not session.outstanding.pressure


def test_a_scan_behind_a_number_that_was_left_out_waits_for_it(clean):
    """Nothing of scan 1 was received, as when no engine ran: its results come before those of 2."""
    session = Session(settings())
    outputs = run([*offered(0), *offered(2)], session)
    assert [r.key.scan for r in finals(outputs)] == [0] and session.outstanding.held == {"A"}
    begin, *slices, _ = offered(1)
    outputs += run([replace(begin, recovered=True)], session)
    assert [r.key.scan for r in finals(outputs)] == [0]
    outputs += run(again(slices, *range(SHAPE[0])), session)
    assert results(outputs) == results(clean) and session.outstanding.held == set()


@pytest.mark.parametrize("offers", [True, False])
def test_a_number_that_nobody_has_holds_no_scan_up(offers):
    """Whether that is said, or nobody could be asked."""
    scans = [offered(scan) if offers else scan_records(scan) for scan in (0, 2, 5)]
    session = Session(settings())
    outputs = run([record for feed in scans for record in feed], session)
    for number in (1, 3, 4) if offers else ():
        assert [r.key.scan for r in finals(outputs)] == ([0] if number == 1 else [0, 2])
        outputs += run([FeedQuiet(cell="A", scan=number, stream="s")], session)
    assert [r.key.scan for r in finals(outputs)] == [0, 2, 5]


def test_a_scan_that_was_cut_is_asked_for_once_the_next_is_whole():
    session = Session(settings())
    outputs = run([*offered(0)[:50], *offered(1)], session)
    assert finals(outputs) == [] and session.outstanding.waiting == ["A"]
    lacking = session.outstanding.lacking[0]
    assert lacking.over and len(lacking.all) == SHAPE[0] - 49
    outputs += run([FeedQuiet(cell="A", scan=0)], session)
    assert [(r.key.scan, r.complete) for r in finals(outputs)] == [(0, False), (1, True)]


def test_a_cut_scan_of_which_slices_came_by_asking_while_the_next_ran_is_asked_for():
    """Its last slices were lost with the connection; those before it came while the next ran."""
    first, second = offered(0), offered(1)
    session = Session(settings())
    run([first[0], *first[20:80], *second[:50], *again(first, *range(19))], session)
    outputs = run(second[50:], session)
    assert finals(outputs) == []
    lacking, *_ = session.outstanding.lacking
    assert lacking.over and list(lacking.all) == list(range(79, SHAPE[0]))
    outputs += run(again(first, *range(79, SHAPE[0])), session)
    assert [(r.key.scan, r.complete) for r in finals(outputs)] == [(0, True), (1, True)]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_cut_scan_whose_slices_came_between_those_of_the_next_is_asked_for_in_silence(is_there):
    first, second = offered(0), offered(1)
    mixed = [*first[:40], *second[:20], *first[40:90], *second[20:]]
    session = Session(settings())
    run([replace(r, msg_number=n) for n, r in enumerate(mixed)], session)
    assert finals(run([FeedQuiet(cell="A")], session)) == []
    lacking, *_ = session.outstanding.lacking
    assert lacking.over and list(lacking.all) == list(range(89, SHAPE[0]))
    came = again(first, *lacking.all) if is_there else [FeedQuiet(cell="A", scan=0)]
    told = [(r.key.scan, r.complete) for r in finals(run(came, session))]
    assert told == [(0, is_there), (1, True)]


def test_a_hole_that_memory_had_no_room_to_wait_for_is_not_asked_for():
    feeds = {"reorder_memory_MB": 40 * 48 * 48 * 2 / 1e6}
    session = Session(settings(feeds=feeds))
    feed = without(offered(0), 20, 94)
    run(feed[:-1], session)
    (lacking,) = session.outstanding.lacking
    assert list(lacking.all) == [94]
    outputs = run([feed[-1], *again(offered(0), 94)], session)
    assert finals(outputs) == []
    outputs += run([FeedQuiet()], session)
    assert list(np.flatnonzero(finals(outputs)[0].ledger == 0)) == [20]
    assert list(np.flatnonzero(finals(outputs)[0].ledger == 2)) == [94]


def test_a_late_joiner_gets_the_scan_from_its_start(clean):
    begin, *slices, end = offered(0)
    session = Session(settings())
    outputs = run(slices[60:70], session)
    assert session.outstanding.unknown == (Unknown("A", "s", 0),)
    assert session.feeds["slices"]["bad"] == {"unknown_scan": 10}
    outputs += run([replace(begin, recovered=True)], session)
    assert session.outstanding.unknown == ()
    outputs += run([*slices[70:], end], session)
    (lacking,) = session.outstanding.lacking
    assert list(lacking.all) == list(range(70)), "also what came before the header"
    assert list(lacking.passed) == list(range(70))
    outputs += run(again(slices, *range(70)), session)
    assert results(outputs) == results(clean)[:1]
    assert session.feeds["slices"]["gaps"] == 0
    assert session.feeds["slices"]["recovered"] == 70


def test_a_header_that_comes_after_the_end_knows_of_it():
    begin, *slices, end = offered(0)
    session = Session(settings())
    run([*slices[:3], end, replace(begin, recovered=True)], session)
    assert session.outstanding.lacking[0].over and session.outstanding.waiting == ["A"]


def test_a_slice_that_came_by_asking_makes_no_scan_known():
    session = Session(settings())
    run(again(offered(0), 3), session)
    assert session.outstanding.unknown == ()
    assert session.feeds["slices"]["bad"] == {"unknown_scan": 1}


def test_a_new_run_that_counts_from_nought_again_is_no_repeat_of_the_old_one():
    """Its header was lost: its slices are of a scan without a header, not late ones of the old."""
    session = Session(settings())
    run(offered(0), session)
    run([replace(offered(0)[5], stream="new")], session)
    assert session.outstanding.unknown == (Unknown("A", "new", 0),)
    assert session.feeds["slices"]["late"] == 0


def test_an_address_that_is_not_allowed_costs_no_more_than_the_asking():
    feed = scan_records(0, resend="tcp://10.9.8.7:5602")
    session = Session(settings())
    outputs = run(without(feed, 40), session)
    (event,) = events(outputs, "bad_message")
    assert event.data["bad_kind"] == "resend_refused"
    assert "10.9.8.7" in event.data["text"] and "feeds.resend" in event.data["text"]
    assert session.outstanding.lacking == [] and session.outstanding.resend_addresses == ()
    assert len(finals(run([FeedQuiet()], session))) == 1


def test_off_is_as_if_nothing_were_offered():
    session = Session(settings(feeds={"resend": "off"}))
    assert len(finals(run(offered(0, order=range(3, 96)), session))) == 1


def test_a_restarted_producer_is_asked_at_its_new_address():
    begin, *slices, _ = offered(0)
    session = Session(settings())
    run([begin, *slices[:40]], session)
    run([replace(begin, stream="s2", resend="tcp://127.0.0.1:7777")], session)
    (lacking,) = session.outstanding.lacking
    assert (lacking.stream, lacking.address) == ("s2", "tcp://127.0.0.1:7777")


def test_vertical_slices_are_recovered_too():
    feed = offered(0, axis="y")
    whole = run(feed)
    session = Session(settings())
    outputs = run(without(feed, 0, 20, 47), session)
    assert list(session.outstanding.lacking[0].all) == [0, 20, 47]
    outputs += run(again(feed, 47, 0, 20), session)
    assert results(outputs) == results(whole)


def test_a_word_of_despair_about_nothing_known_does_nothing():
    session = Session(settings())
    assert run([FeedQuiet(cell="A", scan=3), FeedQuiet(cell="Z", scan=0)], session) == []
