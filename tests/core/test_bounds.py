"""What senders make the session remember is bounded, however many messages they send."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.arrival import cell_scans as module
from monitor.core.arrival.cell_scans import MAX_DONE, MAX_OPEN_SCANS
from monitor.core.arrival.message_numbers import (
    MAX_REMEMBERED,
    MAX_STREAMS,
    MAX_STREAMS_OF_SCAN,
    Streams,
)
from monitor.core.session import Session
from monitor.records import FeedQuiet, ScanEnd, ScanKey
from tests.core.experiment import scan_records, settings
from tests.core.phantom import start

BEGIN = start((3, 64, 64))


def test_streams_that_nobody_hears_of_any_more_keep_their_count_only():
    streams = Streams()
    for number in range(10 * MAX_STREAMS):
        streams.of(f"s{number}").take(0)
        streams.of(f"s{number}").take(3)
    assert len(streams._counters) == MAX_STREAMS
    assert streams.lost == 20 * MAX_STREAMS
    assert streams.is_lossy(f"s{10 * MAX_STREAMS - 1}")
    assert not streams.is_lossy("s0")


def test_a_stream_that_is_heard_of_all_the_time_is_never_forgotten():
    streams = Streams()
    streams.of("honest").take(0)
    for number in range(1, 1000):
        streams.of(f"stranger {number}").take(number)
        assert streams.of("honest").take(number) == 0
    assert streams.of("honest").take(1001) == 1


def test_numbers_of_all_streams_together_are_bounded():
    streams = Streams()
    for number in range(50):
        counter = streams.of(f"s{number}")
        counter.take(0)
        counter.take(2 * MAX_REMEMBERED)
        streams.make_room()
    remembered = sum(counter.remembered for counter in streams._counters.values())
    assert remembered <= 2 * MAX_REMEMBERED
    assert streams.lost == 50 * (2 * MAX_REMEMBERED - 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=60))
def test_few_streams_count_as_each_alone_would(messages):
    streams, alone = Streams(), {name: Streams() for name in "abc"}
    for name, number in messages:
        assert streams.of(name).take(number) == alone[name].of(name).take(number)
        streams.make_room()
    assert streams.lost == sum(one.lost for one in alone.values())


def test_a_scan_comes_in_so_many_streams():
    session = Session(settings())
    for number in range(MAX_STREAMS_OF_SCAN + 5):
        session.feed(replace(BEGIN, stream=f"s{number}"))
    assert session.feeds["slices"]["bad"] == {"too_many_streams": 5}
    session.feed(replace(BEGIN, stream="s0"))
    assert session.feeds["slices"]["bad"] == {"too_many_streams": 5}


def test_headers_that_nothing_follows_leave_little_behind(monkeypatch):
    monkeypatch.setattr(module, "MAX_DONE", 20)
    session = Session(settings())
    for number in range(100):
        key = ScanKey("A", "", number)
        session.feed(replace(BEGIN, key=key, msg_number=2 * number))
        session.feed(ScanEnd("A", number, BEGIN.stream, 2 * number + 1, 3))
    (cell,) = session._cells.values()
    assert len(cell.scans.done) <= 20 < MAX_DONE
    assert len(cell.scans.open) <= MAX_OPEN_SCANS
    # the newest are known: what comes of them again is a repeat
    session.feed(FeedQuiet())
    before = session.feeds["slices"]["repeats"]
    session.feed(replace(BEGIN, key=ScanKey("A", "", 99), msg_number=200))
    assert session.feeds["slices"]["repeats"] == before + 1


def test_a_flood_of_streams_does_not_disturb_a_scan():
    """The same maps, bit for bit, and no gap in the honest stream."""

    def removal(*flood):
        session = Session(settings())
        results = []
        for record in (r for scan in (0, 1) for r in scan_records(scan)):
            for number in flood:
                session.feed(replace(BEGIN, stream=f"x{number}", key=ScanKey("B", "", number)))
            results += [o for o in session.feed(record) if hasattr(o, "maps")]
        final = [result for result in results if not result.provisional]
        return [result.maps["height"].tobytes() for result in final], session.feeds["slices"]

    quiet, _ = removal()
    flooded, counted = removal(*range(2 * MAX_STREAMS))
    assert flooded == quiet
    assert len(quiet) == 2
    assert counted["gaps"] == 0
