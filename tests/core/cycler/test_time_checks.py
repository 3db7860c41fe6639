"""Times of readings against scans and the clock: what is told, and what is left alone."""

from dataclasses import replace

import pytest

from monitor.core.cycler.history import CyclerHistory
from monitor.core.cycler.time_checks import JUDGED, REFUSED_IN_ROW, TimeChecks
from monitor.core.session import Session
from monitor.records import CyclerClock, CyclerReading, Event, FeedSilence
from monitor.settings import CellSettings
from tests.core.experiment import cycler_documents, experiment, scan_records, settings
from tests.core.phantom import start

DAY = 86_400.0
NOW = 1.79e9


def scan(number, at, *, lasts=60.0):
    return replace(start((96, 48, 48), scan=number), start_time=at, stop_time=at + lasts)


def told(scans, times, *, clock=None, concluded=None, offset=0.0):
    """Condition → text of what is bad at the end."""
    checks = TimeChecks(CellSettings(name="A", clock_offset_s=offset))
    lasting = {}
    steps = [lambda s=s: checks.started(s, times) for s in scans]
    if clock is not None:
        steps.append(lambda: checks.clock(clock, times))
    if concluded is not None:
        steps.append(lambda: checks.concluded(concluded, times))
    for step in steps:
        for sign in step():
            assert not (sign.bad and sign.good)
            if sign.bad:
                lasting[sign.condition] = sign.text
            elif sign.good:
                lasting.pop(sign.condition, None)
    return lasting


def every(step, begin, end):
    return [begin + step * n for n in range(int((end - begin) / step) + 1)]


def clock(newest, *, at=NOW, steady=True):
    return CyclerClock("A", at, newest, steady)


@pytest.mark.parametrize(
    ("hours", "condition", "value"),
    [
        (2.0, "clock_ahead", -7200), (1.0, "clock_ahead", -3600), (-2.0, "clock_behind", 7200),
        (5.5, "clock_ahead", -19800), (5.75, "clock_ahead", -20700), (-9.5, "clock_behind", 34200),
        (0.4, "clock_ahead", -1440), (-0.25, "clock_behind", 900),
    ],
)  # fmt: skip
def test_a_live_cycler_is_held_against_the_clock(hours, condition, value):
    """Readings come as they are taken, since the night before; the scans agree with the clock."""
    ahead = 3600 * hours
    times = every(60, NOW - DAY + ahead, NOW + ahead)
    found = told([scan(0, NOW - 300)], times, clock=clock(NOW + ahead))
    assert list(found) == [condition]
    assert f"`clock_offset_s` = {value} " in found[condition]
    again = told([scan(0, NOW - 300)], times, clock=clock(NOW + ahead), offset=100.0)
    assert f"`clock_offset_s` = {value + 100} " in again[condition]


@pytest.mark.parametrize("steady", [True, False])
def test_a_live_cycler_with_the_right_clock_raises_nothing(steady):
    """Also if it began long after the first scans, of which one has come an hour late."""
    scans = [scan(0, NOW - 9000), scan(1, NOW - 7200)]
    for begin in (NOW - DAY, NOW - 3600, NOW - 60):
        times = every(10, begin, NOW)
        assert told(scans, times, clock=clock(NOW - 2.0, steady=steady), concluded=NOW - 7170) == {}


@pytest.mark.parametrize("epoch", [0.0, 1e6, 1.4e9, NOW - 3600])
def test_a_simulation_or_an_old_file_raises_nothing(epoch):
    """Cell time lies elsewhere or runs faster than the clock."""
    for lead in (0.0, 1800.0, 40_000.0):
        times = every(60, epoch, epoch + 3600 + lead)
        scans = [scan(0, epoch + 60), scan(1, epoch + 1860), scan(2, epoch + 3600)]
        for steady in (False, True):
            if steady and epoch == NOW - 3600:
                continue  # that would be a live cycler whose clock is ahead
            told_by = clock(times[-1], steady=steady)
            assert told(scans, times, clock=told_by, concluded=epoch + 3630) == {}


def test_a_scan_before_any_reading_and_readings_without_a_scan_say_nothing():
    assert told([scan(0, NOW), scan(1, NOW + 900)], [], concluded=NOW + 930) == {}
    assert told([], every(10, 5.0, 900.0), clock=clock(900.0)) == {}


@pytest.mark.parametrize(
    ("of_readings", "of_scans", "condition", "word"),
    [
        (4711.0, NOW, "time_counter", "time.monotonic"),
        (0.0, NOW, "time_counter", "elapsed"),
        (3e7, NOW, "time_counter", "boot"),
        (NOW - 631_152_000, NOW, "time_epoch", "1990"),
        (NOW + 2_082_844_800, NOW, "time_epoch", "1904"),
        (NOW - 946_684_800 - 3600, NOW, "time_epoch", "2000"),
        (NOW - 315_964_800, NOW, "time_epoch", "1980"),
        (NOW, 4711.0, "scan_clock", "scan 1"),
        (NOW, NOW - 631_152_000, "scan_clock", "1990"),
        (NOW, NOW + 2_082_844_800, "scan_clock", "1904"),
    ],
)
def test_times_that_are_not_counted_from_1970(of_readings, of_scans, condition, word):
    scans = [scan(0, of_scans), scan(1, of_scans + 840)]
    found = told(scans, every(10, of_readings, of_readings + 900), concluded=of_scans + 870)
    assert list(found) == [condition] and word in found[condition]


def test_scans_far_ahead_of_a_clock_that_the_readings_have():
    found = told([scan(0, NOW + 7200)], every(10, NOW - 900, NOW), clock=clock(NOW))
    assert list(found) == ["scan_clock"] and "2 h" in found["scan_clock"]
    found = told([scan(0, NOW - 5 * DAY)], every(10, NOW - 900, NOW), clock=clock(NOW))
    assert list(found) == ["scan_clock"] and "days" in found["scan_clock"]


def test_an_alarm_ends_when_the_clock_was_put_right():
    checks, cell = TimeChecks(CellSettings(name="A")), []
    times = every(60, NOW - DAY + 7200, NOW + 7200)
    checks.started(scan(0, NOW - 60), times)
    cell += [s for s in checks.clock(clock(NOW + 7200), times) if s.bad]
    ended = [s.condition for s in checks.clock(clock(NOW), times) if s.good]
    assert [s.condition for s in cell] == ["clock_ahead"] and set(ended) == set(JUDGED)


@pytest.mark.parametrize("hours", [1.0, 0.5, 2.0])
def test_a_clock_that_was_set_ahead_around_a_scan(hours):
    times = [*every(10, 0, 200), *every(10, 210 + 3600 * hours, 5000 + 3600 * hours)]
    found = told([scan(0, 0.0), scan(1, 900.0)], times, concluded=930.0)
    assert f"`clock_offset_s` = {-3600 * hours:g} " in found["clock_set_ahead"]


@pytest.mark.parametrize("gap", [600.0, 3000.0, 5000.0])
def test_a_pause_is_no_clock_that_was_set(gap):
    times = [*every(10, 0, 200), *every(10, 210 + gap, 5000 + gap)]
    assert "clock_set_ahead" not in told([scan(0, 0.0), scan(1, 400.0)], times, concluded=430.0)


def test_readings_that_are_all_refused_are_told_until_one_is_used():
    checks = TimeChecks(CellSettings(name="A"))
    times = every(10, 0, 200)
    late = [CyclerReading("A", 210 + 10 * n - 3600.0) for n in range(20)]
    signs = [checks.refused(reading, times) for reading in late]
    assert [len(s) for s in signs] == [0] * (REFUSED_IN_ROW - 1) + [1] * (21 - REFUSED_IN_ROW)
    assert "`clock_offset_s` = 3600" in signs[-1][0].text
    (over,) = checks.accepted()
    assert over.good and checks.accepted() == []


# --- a session ------------------------------------------------------------------------------------


def alarms(outputs):
    return [
        (o.kind, o.data["condition"])
        for o in outputs
        if isinstance(o, Event) and o.kind.startswith("alarm")
    ]


def test_what_was_put_right_in_the_times_of_a_header_is_told_and_ends_with_a_good_one():
    session, out = Session(settings()), []
    first, *rest = scan_records(0)
    for record in [replace(first, time_remark="start_time is in milliseconds"), *rest]:
        out += session.feed(record)
    assert alarms(out) == [("alarm", "scan_time")]
    assert ("alarm_ended", "scan_time") in alarms(session.feed(scan_records(1)[0]))


def test_a_clock_is_a_record_like_others():
    session = Session(settings())
    out = [o for record in experiment() for o in session.feed(record)]
    assert session.feed(CyclerClock("A", NOW, 3660.0, False)) == ()
    assert session.feed(CyclerClock("Z", NOW, 3660.0, False)) == ()
    assert alarms(out) == []


def test_no_scan_is_overdue_by_a_reading_that_was_taken_back():
    session = Session(settings())
    documents = cycler_documents(600.0)
    for record in [*documents[:2], *scan_records(0)]:
        session.feed(record)
    for n, time in enumerate([0.0, 60.0, 1e9, 120.0, 180.0, 240.0]):
        doc = dict(documents[2].doc)
        doc |= {"time": time, "seq_num": n, "timestamps": dict.fromkeys(doc["timestamps"], time)}
        session.feed(replace(documents[2], doc=doc))
    assert session.cycler["A"].time == 240.0
    assert session.overdue["A"][0] == "LIVE"
    assert session.feed(FeedSilence("documents", "A", "LIVE", 1.0, 60.0)) == ()


def test_what_was_refused_was_heard():
    session = Session(settings())
    for record in cycler_documents(600.0):
        session.feed(record)
    assert session.heard == {"A"} and len(session.points) == 1
    late = cycler_documents(60.0)[-1]
    session.feed(late)
    assert session.heard == {"A"} and session.points == ()


def test_readings_far_from_the_clock_only_begin_and_end_one_alarm():
    history = CyclerHistory(CellSettings(name="A"))
    for time in every(60, NOW, NOW + 600):
        history.add(CyclerReading("A", time, current_mA=-1.0))
    checks = TimeChecks(CellSettings(name="A"))
    checks.started(scan(0, NOW - 7000), history.times)
    first = checks.clock(clock(NOW + 600, at=NOW - 6600), history.times)
    assert [s.condition for s in first if s.bad] == ["clock_ahead"]


@pytest.mark.parametrize(("earlier_s", "still"), [(0.0, True), (0.2, True), (3600.0, False)])
def test_readings_that_all_have_one_time_are_not_said_to_be_of_a_clock_set_back(earlier_s, still):
    checks, times = TimeChecks(CellSettings(name="A")), [990.0, 1000.0]
    reading = CyclerReading("A", 1000.0 - earlier_s)
    (sign,) = [s for _ in range(5) for s in checks.refused(reading, times)]
    assert ("all have its time" in sign.text) == still
    assert ("clock was set back" in sign.text) != still


@pytest.mark.parametrize(
    ("refused", "place"),
    [
        (range(0, 440, 10), "before its first reading"),
        (range(610, 1700, 10), "in a gap of its readings"),
        (range(450, 600, 10), ""),
        (range(445, 600, 10), ""),
    ],
)
def test_readings_that_came_after_newer_ones_are_told_apart_from_those_sent_again(refused, place):
    checks = TimeChecks(CellSettings(name="A"))
    times = [*every(10, 450, 600), *every(10, 1700, 2000)]
    signs = [s for t in refused for s in checks.refused(CyclerReading("A", float(t)), times)]
    assert {s.condition for s in signs} == {"readings_refused"}
    assert (f"Some lie {place}: if they arrived late" in signs[0].text) == bool(place)
    assert "charge and current of the scans are wrong" in signs[0].text or not place
