"""A number that is sent again for another scan: both are kept, measured and told apart."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.arrival.cell_scans import NUMBER_STEP
from monitor.core.session import Session
from monitor.records import FeedQuiet, ScanEnd, ScanReply, ScanStart
from tests.core.experiment import SHAPE, experiment, scan_records, settings
from tests.core.test_session import events, finals, plain, run

AGAIN = NUMBER_STEP
LATER_S = 1200.0


def sent(records, first=0, *, stream="s", later=0.0, **changes):
    """The messages of a scan as a producer's session sends them from message number `first` on."""
    made = []
    for number, record in enumerate(records, first):
        record = replace(record, stream=stream, msg_number=number)
        if isinstance(record, ScanStart):
            times = {"start_time": record.start_time + later, "stop_time": record.stop_time + later}
            record = replace(record, **times | changes)
        made.append(record)
    return made


def broken_off(scan=1, first=98, count=48, **changes):
    return sent(scan_records(scan)[: count + 1], first, **changes)


def alarms(outputs):
    return [event for event in events(outputs, "alarm") if "earlier_scan" in event.data]


def numbers(outputs):
    return [result.key.scan for result in finals(outputs)]


@pytest.fixture(scope="module")
def alone():
    """What the second scan 1 gives if nothing was sent under its number before."""
    records = [*sent(scan_records(0)), *sent(scan_records(1), 98, later=LATER_S)]
    return finals(run(records))[-1]


@pytest.mark.parametrize("stream", ["s", "restarted"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_scan_that_was_stopped_half_way_and_made_again_is_two_scans(alone, stream, ended):
    half = broken_off()
    end = [ScanEnd("A", 1, "s", 147, 48)] if ended else []
    whole = sent(scan_records(1), 148 if stream == "s" else 0, stream=stream, later=LATER_S)
    session = Session(settings())
    outputs = run([*sent(scan_records(0)), *half, *end, *whole], session)
    assert numbers(outputs) == [0, 1, 1 + AGAIN]
    _, first, second = finals(outputs)
    assert (first.complete, int(np.count_nonzero(first.ledger))) == (False, 48)
    assert second.complete and second.start.start_time == alone.start.start_time
    np.testing.assert_array_equal(second.maps["height"], alone.maps["height"])
    np.testing.assert_array_equal(second.maps["removal"], alone.maps["removal"])
    assert second.summary["averaged_um"] == alone.summary["averaged_um"]
    (alarm,) = alarms(outputs)
    assert alarm.data["scan"] == 1 + AGAIN
    assert {"sent": 1, "earlier_scan": 1}.items() <= alarm.data.items()
    assert "1970-01-01 00:49:30 UTC" in alarm.data["text"]
    assert "1970-01-01 00:29:30 UTC" in alarm.data["text"]
    assert "48 of its 96 slices" in alarm.data["text"]
    assert session.feeds["slices"]["bad"] == {}
    assert session.feeds["slices"]["repeats"] == session.feeds["slices"]["late"] == 0


CHANGES = {
    "start": {"later": 2.0},
    "reason": {"reason": "manual"},
    "voxel": {"voxel_size_um": (1.1, 1.1, 1.1)},
    "no voxel": {"voxel_size_um": None},
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_of_a_header_is_other_makes_another_scan(name):
    whole = sent(scan_records(0), 98, **CHANGES[name])
    outputs = run([*sent(scan_records(0)), *whole])
    assert numbers(outputs) == [0, AGAIN]
    assert all(result.complete for result in finals(outputs))
    (alarm,) = alarms(outputs)
    assert "sent as scan 0" in alarm.data["text"]


@pytest.mark.parametrize("shape, dtype", [((80, 48, 48), "uint16"), (SHAPE, "uint8")])
def test_another_volume_under_a_known_number_is_another_scan(shape, dtype):
    data = np.stack([r.data for r in scan_records(0)[1:-1]])[: shape[0]].astype(dtype)
    begin = replace(scan_records(0)[0], volume_shape=shape, dtype=dtype)
    again = [begin, *scan_records(0)[1 : shape[0] + 1], ScanEnd("A", 0, "s", 0, shape[0])]
    again = [replace(r, data=data[i - 1]) if hasattr(r, "data") else r for i, r in enumerate(again)]
    outputs = run([*sent(scan_records(0)), *sent(again, 98)])
    assert numbers(outputs) == [0, AGAIN]
    assert finals(outputs)[1].complete


def test_a_header_that_is_rounded_to_seconds_is_of_the_same_scan():
    begin, *slices, _ = sent(scan_records(0), later=0.4)
    other = sent(scan_records(0), stream="t", stop_time=999.0)
    outputs = run([begin, other[0], *slices[:40], *other[41:]])
    assert len(events(outputs, "scan_started")) == 1
    assert finals(outputs)[0].complete
    assert alarms(outputs) == []


def test_a_producer_that_counts_from_0_again_keeps_all_its_scans():
    session = Session(settings())
    first = [record for scan in (0, 1) for record in sent(scan_records(scan), 98 * scan)]
    again = [
        record
        for scan in (0, 1, 2)
        for record in sent(scan_records(scan), 98 * scan, stream="new", later=7200.0)
    ]
    outputs = run([*first, *again], session)
    assert numbers(outputs) == [0, 1, AGAIN, 1 + AGAIN, 2]
    assert all(result.complete for result in finals(outputs))
    assert [e.data.get("sent") for e in events(outputs, "scan_started")] == [None, None, 0, 1, None]
    counts = session.feeds["slices"]
    assert (counts["repeats"], counts["late"], counts["bad"]) == (0, 0, {})
    assert len(alarms(outputs)) == 2
    # the third time it is told of again only at the 4th, 8th … in the cell
    third = [
        record
        for scan in (0, 1)
        for record in sent(scan_records(scan), 98 * scan, stream="third", later=14400.0)
    ]
    more = run(third, session)
    assert numbers(more) == [2 * AGAIN, 1 + 2 * AGAIN]
    assert [alarm.data["count"] for alarm in alarms(more)] == [4]


def test_a_number_that_is_taken_by_one_that_was_moved_is_told_too():
    moved = sent(scan_records(0), stream="t", later=100.0)
    own = sent(
        [
            replace(r, key=replace(r.key, scan=AGAIN))
            if isinstance(r, ScanStart)
            else replace(r, scan=AGAIN)
            for r in scan_records(0)
        ],
        stream="u",
        later=200.0,
    )
    outputs = run([*sent(scan_records(0)), *moved, *own])
    assert numbers(outputs) == [0, AGAIN, 2 * AGAIN]
    assert [e.data.get("sent") for e in events(outputs, "scan_started")] == [None, 0, AGAIN]


def test_headers_that_are_repeated_belong_to_the_scan_that_they_name():
    session = Session(settings())
    first, second = sent(scan_records(0)), sent(scan_records(0), 98, later=LATER_S)
    outputs = run([*first, *second, replace(first[0], stream="x"), replace(second[0], stream="y")],
                  session)  # fmt: skip
    assert numbers(outputs) == [0, AGAIN]
    assert len(alarms(outputs)) == 1
    assert session.feeds["slices"]["repeats"] == 2


def test_slices_of_the_first_that_come_after_the_second_header_are_not_the_second_s():
    half = broken_off(count=60)
    late, half = half[31:36], half[:31] + half[36:]
    begin, *rest = sent(scan_records(1), 160, later=LATER_S)
    wrong = [replace(r, data=np.zeros_like(r.data)) for r in late]
    session = Session(settings())
    outputs = run([*sent(scan_records(0)), *half, begin, *wrong, *rest], session)
    assert session.feeds["slices"]["late"] == 5
    second = finals(outputs)[-1]
    assert second.complete and second.key.scan == 1 + AGAIN
    whole = run([*sent(scan_records(0)), *broken_off(count=60), begin, *rest])
    np.testing.assert_array_equal(second.maps["height"], finals(whole)[-1].maps["height"])


def test_a_reference_that_was_stopped_is_not_what_removal_counts_from():
    reference = {"reason": "reference"}
    half = broken_off(0, 0, 90, **reference)
    whole = sent(scan_records(0), 91, later=LATER_S, **reference)
    more = sent(scan_records(1), 189)
    outputs = run([*half, *whole, *more])
    assert numbers(outputs) == [0, AGAIN, 1]
    first, second, third = finals(outputs)
    assert np.isfinite(first.maps["height"]).any() and "removal" not in first.maps
    assert np.nanmax(np.abs(second.maps["removal"])) == 0
    clean = finals(run([*sent(scan_records(0), later=LATER_S, **reference), *more]))[-1]
    np.testing.assert_array_equal(third.maps["removal"], clean.maps["removal"])


def test_a_second_reference_leaves_the_first_and_says_so():
    reference = {"reason": "reference"}
    outputs = run(
        [
            *sent(scan_records(0), **reference),
            *sent(scan_records(0), stream="new", later=7200.0, **reference),
            *sent(scan_records(1), 98, stream="new", later=7200.0),
        ]
    )
    (alarm,) = alarms(outputs)
    assert "Scan 0 remains the reference" in alarm.data["text"]
    assert finals(outputs)[-1].summary["averaged_um"] == pytest.approx(4.0, abs=1.5)


def test_a_requested_scan_that_is_made_again_answers_its_request():
    session = Session(settings())
    outputs = run(experiment(2), session)
    (request,) = events(outputs, "scan_request")
    wish = {"request": request.data["id"], "reason": "extra"}
    half = broken_off(2, 196, **wish)
    whole = sent(scan_records(2), 245, later=LATER_S, **wish)
    outputs = run([ScanReply(request.data["id"], "accepted"), *half, *whole], session)
    replies = [(e.data["status"], e.data["scan"]) for e in events(outputs, "scan_reply")]
    assert replies == [("accepted", None), ("running", 2), ("done", 2 + AGAIN)]


def test_the_resend_service_is_not_asked_for_what_it_would_answer_with_another_scan_s():
    where = {"resend": "tcp://127.0.0.1:5602"}
    session = Session(settings(feeds={"resend": "auto"}))
    half = sent(scan_records(1)[:49], 98, **where)
    del half[20:30]
    begin, *rest = sent(scan_records(1), 200, later=LATER_S, **where)
    del rest[10]
    outputs = run([*sent(scan_records(0), **where), *half, begin, *rest], session)
    assert numbers(outputs)[:2] == [0, 1]
    (lacking,) = session.outstanding.lacking
    assert (lacking.key.scan, lacking.number, list(lacking.all)) == (1 + AGAIN, 1, [10])
    lost = sent(scan_records(1), 200, later=LATER_S)[11]
    outputs = run([replace(lost, recovered=True)], session)
    assert numbers(outputs) == [1 + AGAIN] and finals(outputs)[0].complete


def test_two_producers_that_send_one_number_at_once_are_kept_apart():
    one, two = sent(scan_records(0)), sent(scan_records(0), stream="t", later=60.0)
    mixed = [record for pair in zip(one, two, strict=True) for record in pair]
    outputs = run(mixed)
    assert sorted(numbers(outputs)) == [0, AGAIN]
    assert all(result.complete for result in finals(outputs))


def test_the_same_messages_give_the_same_events():
    feed = [*sent(scan_records(0)), *broken_off(), *sent(scan_records(1), 148, later=LATER_S)]
    one, two = ([str(plain(output)) for output in run(feed)] for _ in range(2))
    assert one == two


# --- streams ------------------------------------------------------------------------------------


def in_streams(*spans, ends=True, headers_first=True):
    """Scan 0, each span of its slices in a stream of its own."""
    begin, *slices, end = scan_records(0)
    made, headers = [], []
    for number, (first, last) in enumerate(spans):
        name = f"s{number}"
        parts = [begin, *slices[first:last]]
        if ends:
            parts.append(replace(end, slices=last - first))
        parts = [replace(p, stream=name, msg_number=n) for n, p in enumerate(parts)]
        headers.append(parts[0])
        made.append(parts[1:] if headers_first else parts)
    return (headers if headers_first else []), made


@pytest.mark.parametrize("spans", [((0, 48), (48, 96)), ((0, 30), (30, 60), (60, 96))])
def test_the_end_of_one_stream_is_not_that_of_the_scan(spans):
    headers, parts = in_streams(*spans)
    session = Session(settings())
    outputs = run([*headers, *parts[0], FeedQuiet(cell="A")], session)
    assert finals(outputs) == []
    assert session.outstanding.waiting == []
    for part in parts[1:]:
        outputs += run(part, session)
    (result,) = finals(outputs)
    assert result.complete


def test_a_stream_that_never_ends_is_given_up():
    headers, parts = in_streams((0, 48), (48, 96))
    session = Session(settings())
    outputs = run([*headers, *parts[0], FeedQuiet(cell="A", given_up=True)], session)
    (result,) = finals(outputs)
    assert int(np.count_nonzero(result.ledger)) == 48


def test_holes_are_told_once_all_streams_have_ended():
    headers, (one, two) = in_streams((0, 48), (48, 96))
    del two[5]
    session = Session(settings())
    outputs = run([*headers, *one, *two, FeedQuiet(cell="A")], session)
    (result,) = finals(outputs)
    assert np.flatnonzero(result.ledger == 0).tolist() == [53]


# --- gaps ---------------------------------------------------------------------------------------

SHUFFLED = (3, 1, 0, 2, 7, 5, 4, 6)


def shuffled(scan, order):
    begin, *slices, end = sent(scan_records(scan), 98 * scan)
    return [begin, *(slices[index] for index in order), end]


ORDERS = {
    "in blocks": [8 * block + index for block in range(12) for index in SHUFFLED],
    "at random": np.random.default_rng(7).permutation(96).tolist(),
    "backwards": list(range(96))[::-1],
}


@pytest.mark.parametrize("name", ORDERS)
def test_messages_out_of_order_are_not_lost(name):
    session = Session(settings())
    outputs = run([r for scan in range(3) for r in shuffled(scan, ORDERS[name])], session)
    assert [result.complete for result in finals(outputs)] == [True] * 3
    assert events(outputs, "gap") == []
    assert session.feeds["slices"]["gaps"] == 0


def test_what_is_missing_is_told_at_the_end_of_the_scan_at_the_latest():
    begin, *slices, end = sent(scan_records(0))
    session = Session(settings())
    outputs = run([begin, *slices[:30], *slices[33:60], *slices[61:], end], session)
    assert events(outputs, "gap") == [] and session.feeds["slices"]["gaps"] == 0
    outputs = run([FeedQuiet(cell="A")], session)
    gaps = [(e.data["lost"], e.data["total"], e.data["before"]) for e in events(outputs, "gap")]
    assert gaps == [(3, 3, 34), (1, 4, 62)]
    assert session.feeds["slices"]["gaps"] == 4


def test_a_feed_that_loses_much_is_not_told_of_each_time():
    begin, *slices, end = sent(scan_records(0))
    session = Session(settings())
    outputs = run([begin, *slices[::2], end, FeedQuiet(cell="A")], session)
    assert [e.data["count"] for e in events(outputs, "gap")] == [1, 2, 4, 8, 16, 32, 48]
    assert sum(e.data["lost"] for e in events(outputs, "gap")) == 48
    assert session.feeds["slices"]["gaps"] == 48


def test_a_stream_that_goes_on_with_another_scan_is_told_of_later():
    begin, *slices, end = sent(scan_records(0))
    session = Session(settings())
    feed = [begin, *slices[:30], *slices[31:], end]
    more = [r for scan in range(1, 7) for r in sent(scan_records(scan % 3), 98 * scan)]
    more = [
        replace(r, key=replace(r.key, scan=3 + n // 98), start_time=1800.0 * (3 + n // 98))
        if isinstance(r, ScanStart)
        else replace(r, scan=3 + n // 98)
        for n, r in enumerate(more)
    ]
    outputs = run([*feed, *more], session)
    (gap,) = events(outputs, "gap")
    assert (gap.data["lost"], gap.data["before"]) == (1, 32)


def test_a_producer_that_sends_every_scan_as_0_is_kept_and_bounded():
    session, outputs = Session(settings()), []
    for number in range(12):
        outputs += run(sent(scan_records(0)[:9], 9 * number, later=1800.0 * number), session)
    outputs += run([FeedQuiet(given_up=True)], session)
    begun = [e.data["scan"] for e in events(outputs, "scan_started")]
    assert begun == [AGAIN * number for number in range(12)]
    assert [alarm.data["count"] for alarm in alarms(outputs)] == [1, 2, 4, 8]
    assert alarms(outputs)[-1].data["earlier_scan"] == 7 * AGAIN
    (uses,) = session._cells["A"].scans._names._uses.values()
    assert len(uses) == 8
