"""What other people's documents look like: values, times, runs; each fault costs itself alone."""

import json
import math
from contextlib import suppress

import numpy as np
import pytest

from monitor.core.cycler.history import CyclerHistory, Documents, MeasuredReadings
from monitor.core.cycler.measured_values import number
from monitor.core.cycler.two_cyclers import ALONE, InterleavedRuns
from monitor.errors import BadMessage
from monitor.recording.journal import _tagged, parse_line
from monitor.records import CyclerDocument, CyclerReading
from monitor.settings import CellSettings, Settings
from monitor.units import seconds
from monitor.wire import documents as wire

NAN = math.nan
T0 = 1.79e9


class Feed:
    """Documents of cell A as they are written by hand; keeps what is taken of them."""

    def __init__(self, **cell):
        table = Settings(cells=(CellSettings(name="A", **cell), CellSettings(name="B")))
        self.documents, self.table = Documents(table), table
        self.readings, self.problems, self.notices, self.withdrawn = [], [], [], []
        self.seq = {}

    def take(self, name, **doc):
        taken = self.documents.take(CyclerDocument(name, doc))
        for mine, new in (
            (self.readings, taken.readings), (self.problems, taken.problems),
            (self.notices, taken.notices), (self.withdrawn, taken.withdrawn),
        ):  # fmt: skip
            mine += new
        return taken

    def begin(self, run="r", cell="A", descriptor="d", keys=None, **more):
        self.take("start", uid=run, time=0.0, **({} if cell is None else {"cell": cell}), **more)
        self.take("descriptor", uid=descriptor, run_start=run, data_keys=keys or {}, time=0.0)
        self.notices.clear()
        return self

    def event(self, time, data=None, *, stamp=None, when=None, descriptor="d", seq=True):
        data = {"vmp_current": -1.0} if data is None else data
        self.seq[descriptor] = self.seq.get(descriptor, 0) + 1
        doc = {"descriptor": descriptor, "data": data, "time": time if when is None else when,
               "timestamps": dict.fromkeys(data, time if stamp is None else stamp)}  # fmt: skip
        return self.take("event", **doc, **({"seq_num": self.seq[descriptor]} if seq else {}))

    @property
    def times(self):
        return [reading.time for reading in self.readings]

    @property
    def kinds(self):
        return [problem.kind for problem in self.problems]

    @property
    def conditions(self):
        return [(notice.condition, notice.over) for notice in self.notices]


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5), (-2, -2.0), (None, NAN), (NAN, NAN), ([1.5], 1.5), ([[1.5]], 1.5), ((2,), 2.0),
        ([None], NAN), (np.array(1.5), 1.5), (np.array([1.5]), 1.5), (np.array([[3]]), 3.0),
        (np.float32(0.5), 0.5), (np.int16(7), 7.0), (np.float64(NAN), NAN),
    ],
)  # fmt: skip
def test_a_number_or_nothing_measured(value, expected):
    assert number(value) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "value",
    ["-1.384", "", "NaN", True, np.True_, math.inf, -math.inf, [], [1, 2], [[1], [2]], {}, b"1",
     1j, 10**400, np.array([1.0, 2.0]), np.array([]), np.array(["a"]), [["1"]], np.float32(np.inf)],
)  # fmt: skip
def test_what_is_neither(value):
    with pytest.raises(ValueError):
        number(value)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize(
    ("current", "potential"),
    [([-1.384], None), (-1.384, "2.1"), (-1.384, True), (-1.384, [2.1, 2.2]), (-1.384, {"v": 2.1}),
     (np.array([-1.384]), NAN), (np.float64(-1.384), [None]), (-1.384, [])],
)  # fmt: skip
def test_a_bad_value_costs_itself(codec, current, potential):
    feed = Feed().begin()
    data = {"vmp_current": current, "vmp_potential": potential}
    doc = {"descriptor": "d", "data": data, "time": 5.0, "timestamps": dict.fromkeys(data, 5.0)}
    frame = wire.encode(CyclerDocument("event", doc), codec)
    taken = feed.documents.take(wire.decode(frame))
    (reading,) = taken.readings
    assert reading.current_mA == -1.384 and math.isnan(reading.potential_V)
    is_bad = isinstance(potential, str | bool | dict) or (
        isinstance(potential, list) and potential != [None]
    )
    assert [p.kind for p in taken.problems] == ["bad_value"] * is_bad
    assert all("'vmp_potential'" in str(p) and "A" in str(p) for p in taken.problems)


def test_an_event_in_which_nothing_was_measured_is_no_reading_and_no_fault():
    feed = Feed().begin()
    feed.event(1.0, {"vmp_current": None, "vmp_potential": NAN})
    assert (feed.readings, feed.problems) == ([], [])


@pytest.mark.parametrize("stamps", [{}, None])
def test_without_timestamps_the_time_of_the_event_counts(stamps):
    feed = Feed().begin()
    feed.take("event", descriptor="d", data={"vmp_current": 1.0}, timestamps=stamps, time=7.0)
    feed.take("event", descriptor="d", data={"vmp_current": 1.0}, time=8.0)
    assert feed.times == [7.0, 8.0]


def test_of_a_page_only_the_bad_rows_suffer():
    feed = Feed().begin()
    times = [1.0, 2.0, None, 4.0, 5.0, "6", 7.0]
    currents = [-1.0, "x", -1.0, [-1.0], None, -1.0, np.float32(-1.0)]
    taken = feed.take(
        "event_page", descriptor="d", time=times, data={"vmp_current": currents, "other": [1]},
        timestamps={"vmp_current": times},
    )  # fmt: skip
    assert feed.times == [1.0, 4.0, 7.0]
    assert sorted(p.kind for p in taken.problems) == ["bad_document", "bad_document", "bad_value"]


@pytest.mark.parametrize("short", ["data", "timestamps", "time"])
def test_columns_of_different_length_are_told_and_what_all_have_is_used(short):
    feed = Feed().begin()
    page = {"time": [1.0, 2.0, 3.0], "data": {"vmp_current": [-1.0, -1.0, -1.0]},
            "timestamps": {"vmp_current": [1.0, 2.0, 3.0]}}  # fmt: skip
    column = page["time"] if short == "time" else page[short]["vmp_current"]
    del column[2:]
    feed.take("event_page", descriptor="d", **page)
    assert feed.times == [1.0, 2.0] and feed.kinds == ["bad_document"]
    assert "2 rows" in str(feed.problems[0]) and "3" in str(feed.problems[0])


# --- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "milli"), (1e6, "micro"), (1e9, "nano")])
def test_times_in_other_units_are_told_once_and_used(factor, unit):
    feed = Feed(clock_offset_s=10.0).begin()
    for n in range(3):
        feed.event((T0 + n) * factor)
    assert feed.times == pytest.approx([T0 + 10, T0 + 11, T0 + 12], abs=1e-3)
    assert {n.condition for n in feed.notices} == {"time_unit"}
    assert all(f"{unit}seconds" in n.text for n in feed.notices)


@pytest.mark.parametrize("value", [1e300, 5e13, -1e12, 1e20])
def test_what_is_no_time_in_any_unit(value):
    with pytest.raises(ValueError):
        seconds(value)
    feed = Feed().begin()
    feed.event(value)
    assert feed.readings == [] and feed.kinds == ["bad_document"]


# --- timestamps that do not advance ----------------------------------------------------------


@pytest.mark.parametrize("stamp", [0.0, T0, T0 - 5000, T0 + 1e6])
@pytest.mark.parametrize("step", [1.0, 10.0, 60.0])
def test_timestamps_that_stand_still_give_way_to_the_time_of_the_event(stamp, step):
    feed, documents = Feed().begin(), MeasuredReadings(Feed().table)
    points = []
    for name, doc in (("start", {"uid": "r", "cell": "A"}),
                      ("descriptor", {"uid": "d", "run_start": "r"})):  # fmt: skip
        documents.points(CyclerDocument(name, doc))
    for n in range(100):
        feed.event(T0 + step * n, stamp=stamp)
        doc = {"descriptor": "d", "data": {"vmp_current": -1.0}, "time": T0 + step * n,
               "timestamps": {"vmp_current": stamp}}  # fmt: skip
        for point in documents.points(CyclerDocument("event", doc)):
            while points and points[-1].time >= point.replaces_from:
                points.pop()
            points.append(point.measured)
    assert feed.conditions == [("time_still", False)] and feed.withdrawn == [("A", stamp)]
    assert [p.time for p in points] == [T0 + step * n for n in range(100)], "none is lost"
    assert feed.problems == []


def test_a_device_that_is_asked_more_often_than_it_measures_keeps_its_timestamps():
    feed = Feed().begin()
    for n in range(60):
        feed.event(float(n), stamp=10.0 * (n // 10))
    assert feed.notices == [] and set(feed.times) == {10.0 * n for n in range(6)}


@pytest.mark.parametrize("events", [1, 3])
def test_values_that_are_read_again_in_short_runs_have_the_times_of_their_events(events):
    """Control systems keep the time of the last change; at rest, nothing changes for hours."""
    feed, expected = Feed(), []
    for run in range(4):
        feed.begin(f"r{run}", descriptor=f"d{run}")
        for n in range(events):
            expected.append(T0 + 60.0 * run + 2.0 * n)
            stamp = T0 if run < 3 else expected[-1]
            feed.event(expected[-1], stamp=stamp, descriptor=f"d{run}")
        feed.take("stop", run_start=f"r{run}", exit_status="success", time=0.0)
    assert feed.times == expected and feed.problems == feed.withdrawn == []


def test_a_run_that_is_sent_again_has_the_times_that_it_had():
    feed = Feed()
    for _ in range(2):
        feed.begin().event(T0 + 1.0, stamp=T0)
        feed.take("stop", run_start="r", time=0.0)
    feed.begin("s", descriptor="e").event(T0 + 1.0, stamp=T0, descriptor="e")
    assert feed.times == [T0] * 3


def test_what_was_held_when_the_run_ends_is_counted():
    feed = Feed().begin()
    for n in range(3):
        feed.event(float(n), stamp=0.0)
    assert feed.times == [0.0]
    feed.take("stop", run_start="r", uid="s", time=9.0)
    assert feed.times == [0.0, 1.0, 2.0], "the values had not changed until then"


# --- clocks that are set --------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [0.5, 1.0, 9.5])
@pytest.mark.parametrize("numbered", [True, False])
def test_a_clock_that_is_set_back_costs_no_reading(hours, numbered):
    """Without numbers it is known by the event's own time, if that goes on."""
    feed = Feed(clock_offset_s=5.0).begin()
    for n in range(40):
        time = T0 + 10 * n
        back = 3600 * hours if n >= 20 else 0.0
        feed.event(time - back, when=time - back if numbered else time, seq=numbered)
    assert feed.times == [T0 + 10 * n + 5 for n in range(40)]
    (notice,) = feed.notices
    assert notice.condition == "clock_set"
    assert f"`clock_offset_s` = {3600 * hours + 5:g} " in notice.text


def test_a_clock_that_is_set_back_and_ahead_again():
    feed = Feed().begin()
    for n in range(60):
        feed.event(T0 + 10 * n - (3600.0 if 20 <= n < 40 else 0.0))
    assert feed.times == [T0 + 10 * n for n in range(60)]
    assert feed.conditions == [("clock_set", False), ("clock_set", True)]


def test_a_clock_that_is_set_ahead_is_known_by_the_time_of_the_event():
    feed = Feed().begin()
    for n in range(40):
        feed.event(T0 + 10 * n + (3600.0 if n >= 20 else 0.0), when=T0 + 10 * n)
    assert feed.times == [T0 + 10 * n for n in range(40)]
    assert feed.conditions == [("clock_set", False)]


@pytest.mark.parametrize("hours", [1.0, 0.7])
def test_what_is_sent_again_is_not_taken_for_a_clock(hours):
    """The same events, with the numbers of then; or without any."""
    for numbered in (True, False):
        feed = Feed().begin()
        sent = [T0 + 10 * n for n in range(800)]
        for time in sent:
            feed.event(time, seq=numbered)
        back = int(360 * hours)
        feed.seq["d"] -= back
        for time in sent[-back:]:
            feed.event(time, seq=numbered)
        assert feed.notices == [] and feed.times == sent + sent[-back:]


def test_one_reading_an_hour_ahead_shifts_nothing():
    feed = Feed().begin()
    for n in range(30):
        feed.event(T0 + 10 * n + (3600.0 if n == 20 else 0.0))
    assert feed.times[21:] == [T0 + 10 * n for n in range(21, 30)] and feed.notices == []


@pytest.mark.parametrize("pause", [1800.0, 3500.0, 3610.0, 3700.0, 7000.0, 36_250.0])
@pytest.mark.parametrize("numbered", [True, False])
def test_a_feed_that_was_gone_and_is_back_is_no_clock_that_was_set(pause, numbered):
    feed = Feed().begin()
    sent = [T0 + 10 * n + (pause if n >= 20 else 0.0) for n in range(60)]
    for time in sent:
        feed.event(time, seq=numbered)
    assert feed.times == sent and feed.notices == []


@pytest.mark.parametrize("slow", [1800.0, 3600.0, 7200.0])
def test_a_cycler_that_is_read_seldom_at_rest_and_often_under_current(slow):
    feed = Feed().begin()
    sent = [T0 + slow * n for n in range(8)]
    sent += [sent[-1] + 10 * n for n in range(1, 30)]
    sent += [sent[-1] + slow * n for n in range(1, 5)]
    sent += [sent[-1] + 10 * n for n in range(1, 30)]
    for time in sent:
        feed.event(time)
    assert feed.times == sent and feed.notices == []


def test_a_reading_just_out_of_order_after_a_pause_is_no_clock_that_was_set():
    feed = Feed().begin()
    sent = [T0, T0 + 10, T0 + 20, T0 + 3720, T0 + 3719.9, T0 + 3730]
    for time in sent:
        feed.event(time)
    assert feed.times == sent and feed.notices == []


def test_another_run_begins_anew():
    feed = Feed().begin()
    for n in range(40):
        feed.event(T0 + 10 * n - (3600.0 if n >= 20 else 0.0))
    taken = feed.take("start", uid="r2", cell="A", time=0.0)
    assert ("clock_set", True) in [(n.condition, n.over) for n in taken.notices]
    feed.take("descriptor", uid="d2", run_start="r2")
    feed.event(T0 + 500.0, descriptor="d2")
    assert feed.times[-1] == T0 + 500.0


# --- runs -----------------------------------------------------------------------------------------


def test_an_event_of_a_run_that_was_not_heard_to_begin_is_told_with_its_descriptor_known():
    feed = Feed()
    feed.take("descriptor", uid="d", run_start="lost", data_keys={})
    for n in range(10):
        feed.event(float(n))
    feed.take("event_page", descriptor="d", time=[1.0], data={}, timestamps={})
    assert feed.kinds == ["unknown_run"] * 11
    assert "start document was not received" in str(feed.problems[0])


@pytest.mark.parametrize("cell", [None, "Z"])
def test_events_of_other_runs_are_ignored(cell):
    feed = Feed()
    feed.take("start", uid="r", time=0.0, **({} if cell is None else {"cell": cell}))
    feed.take("descriptor", uid="d", run_start="r")
    feed.problems.clear()
    assert feed.event(1.0).heard == set()
    assert (feed.readings, feed.problems) == ([], [])


def test_runs_of_others_do_not_push_out_the_one_that_goes_on():
    feed = Feed().begin()
    for n in range(25_000):
        feed.take("start", uid=f"alignment {n}", time=0.0)
    feed.event(1.0)
    assert feed.times == [1.0]


def test_a_run_with_none_of_the_data_keys_is_told_once():
    feed = Feed().begin()
    for n in range(50):
        feed.event(float(n), {"ocp": 2.1, "I": -1.0})
    assert feed.kinds == ["no_known_keys"] and "vmp_current" in str(feed.problems[0])


def test_a_stream_beside_the_readings_is_no_run_without_keys():
    feed = Feed().begin()
    feed.take("descriptor", uid="base", run_start="r", data_keys={})
    feed.event(0.0, {"temperature": 25.0}, descriptor="base")
    feed.event(1.0)
    for n in range(50):
        feed.event(float(n), {"temperature": 25.0}, descriptor="base")
    assert feed.problems == []


def test_two_runs_that_take_turns_are_told_and_then_that_it_is_over():
    feed = Feed().begin("r1", descriptor="d1").begin("r2", descriptor="d2")
    for n in range(6):
        feed.event(2.0 * n, descriptor="d1")
        feed.event(2.0 * n + 1, descriptor="d2")
    assert feed.conditions == [("two_cyclers", False)] and "two runs" in feed.notices[0].text
    for n in range(ALONE + 2):
        feed.event(100.0 + n, descriptor="d1")
    assert feed.conditions == [("two_cyclers", False), ("two_cyclers", True)]


def test_runs_that_follow_each_other_or_have_several_streams_are_one_cycler():
    feed = Feed()
    for run in range(5):
        feed.begin(f"r{run}", descriptor=f"d{run}")
        feed.take("descriptor", uid=f"e{run}", run_start=f"r{run}", data_keys={})
        for n in range(20):
            feed.event(100.0 * run + n, descriptor=f"d{run}")
            feed.event(100.0 * run + n + 0.5, {"vmp_potential": 2.0}, descriptor=f"e{run}")
    assert feed.notices == []
    turns = InterleavedRuns()
    assert [turns.heard(run) for run in "aaabababbb"].count(True) == 1
    assert [turns.heard(run) for run in "xxxyxyyy"] == [None] * 8, "one reading came late"


def test_a_run_without_a_cell_that_has_its_data_keys_is_reported_until_a_run_has_the_cell():
    keys = {"vmp_current": {"units": "mA"}, "other": {}}
    feed = Feed().begin(cell=None, keys=keys)
    assert feed.event(T0).readings == [] and feed.kinds == ["no_cell"]
    assert "cell='A'" in str(feed.problems[0])
    feed.begin("mine", descriptor="m", keys=keys).event(T0, descriptor="m")
    feed.begin("beside", cell=None, descriptor="b", keys=keys)
    feed.begin("others", cell=None, descriptor="o", keys={"det": {}})
    assert feed.kinds == ["no_cell"] and len(feed.readings) == 1


def test_a_run_of_one_cell_that_has_the_data_keys_of_another_is_reported():
    table = Settings(
        cells=[CellSettings(name=n, keys={"current_mA": f"vmp_{n}"}) for n in ("A", "B", "C")]
    )
    documents, kinds = Documents(table), []
    for n in ("A", "B"):
        documents.take(CyclerDocument("start", {"uid": n, "cell": n}))
        for stream in ("first", "second"):
            keys = {"vmp_A": {}, "vmp_B": {}} if n == "A" else {"vmp_B": {}, "det": {}}
            descriptor = {"uid": n + stream, "run_start": n, "data_keys": keys}
            kinds.append([
                (one.kind, "'vmp_B' of cell B" in str(one))
                for one in documents.take(CyclerDocument("descriptor", descriptor)).problems
            ])  # fmt: skip
            data = {"vmp_A": -1.0, "vmp_B": -2.0}
            event = {"descriptor": n + stream, "data": data, "time": T0 + len(kinds)}
            readings = documents.take(CyclerDocument("event", event)).readings
            assert [(one.cell, one.current_mA) for one in readings] == [
                (n, data[f"vmp_{n}"])
            ]  # fmt: skip
    assert kinds == [[("no_cell", True)], [("no_cell", True)], [], []]


@pytest.mark.parametrize("cell", [1, 1.5, ["A"], {"name": "A"}, "a", "A "])
def test_what_is_not_the_name_of_a_cell_is_named(cell):
    feed = Feed().begin(cell=cell)
    assert feed.event(T0).problems == [] and feed.kinds == ["unknown_cell"]
    assert repr(str(cell)) in str(feed.problems[0])


@pytest.mark.parametrize("external", ["STREAM:", "FILESTORE:", "OLD:x"])
def test_values_that_are_in_files_are_named(external):
    keys = {"vmp_current": {"external": external}, "vmp_potential": {}, "image": {"external": "x"}}
    feed = Feed().begin(keys=keys)
    assert feed.kinds == ["external_data"] and "'vmp_current'" in str(feed.problems[0])
    assert feed.event(T0, {"vmp_potential": 3.7}).readings[0].potential_V == 3.7


@pytest.mark.parametrize(
    ("status", "expected"), [("fail", [("run_failed", False)]), ("success", []), ("abort", [])]
)
@pytest.mark.parametrize("again", ["readings of another run", "a start"])
def test_a_run_that_fails_is_told_until_there_is_another(status, expected, again):
    feed = Feed().begin()
    feed.event(T0)
    feed.take("stop", run_start="r", exit_status=status, reason="FailedStatus(\n)", time=T0)
    assert feed.conditions == expected
    assert all("FailedStatus( )" in notice.text for notice in feed.notices)
    feed.take("start", uid="s", cell="A", time=T0)
    if again == "readings of another run":
        feed.notices.clear()
        feed.take("descriptor", uid="e", run_start="s", data_keys={}, time=0.0)
        feed.event(T0 + 10, descriptor="e")
    assert ("run_failed", True) in feed.conditions


def test_a_run_that_fails_before_its_first_reading_ends_no_readings():
    feed = Feed().begin()
    feed.take("stop", run_start="r", exit_status="fail", reason="", time=T0)
    assert feed.conditions == []


# --- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "unit", "expected"),
    [
        ("current_mA", "A", 1000.0), ("current_mA", "mA", 1.0), ("current_mA", "uA", 1e-3),
        ("current_mA", "µA", 1e-3), ("current_mA", "μA", 1e-3), ("current_mA", " mA ", 1.0),
        ("current_mA", "Amps", 1000.0), ("current_mA", "milliampere", 1.0), ("current_mA", "", 1.0),
        ("current_mA", None, 1.0), ("potential_V", "mV", 1e-3), ("potential_V", "Volts", 1.0),
        ("potential_V", "V vs. Li/Li+", 1.0), ("charge_mAh", "Ah", 1000.0),
        ("charge_mAh", "mA.h", 1.0), ("charge_mAh", "mA·h", 1.0), ("charge_mAh", "C", 1 / 3.6),
        ("cycle", "none", 1.0), ("step", "1", 1.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("page", [False, True])
def test_values_are_converted_from_the_unit_of_their_data_key(quantity, unit, expected, page):
    feed = Feed(keys={quantity: "k"}).begin(keys={"k": {} if unit is None else {"units": unit}})
    if page:
        feed.take("event_page", descriptor="d", data={"k": [2.0]}, time=[T0])
    else:
        feed.event(T0, {"k": 2.0})
    assert getattr(feed.readings[0], quantity) == 2.0 * expected and feed.problems == []


@pytest.mark.parametrize("unit", ["W", "mA/cm2", "V", "A/h", "counts", "%", "mAh"])
def test_values_in_a_unit_that_is_none_of_theirs_are_not_used_and_named(unit):
    feed = Feed().begin(keys={"vmp_current": {"units": unit}, "vmp_potential": {"units": "V"}})
    feed.event(T0, {"vmp_current": -1.0, "vmp_potential": 3.7})
    assert math.isnan(feed.readings[0].current_mA) and feed.readings[0].potential_V == 3.7
    assert feed.kinds == ["reading_unit"]
    assert f"'vmp_current' is in {unit}, expected A, mA" in str(feed.problems[0])


def test_each_stream_has_its_own_units():
    feed = Feed().begin(keys={"vmp_current": {"units": "A"}})
    feed.begin("r", descriptor="e", keys={"vmp_current": {"units": "mA"}})
    feed.event(T0, {"vmp_current": -1.0})
    feed.event(T0 + 10, {"vmp_current": -1000.0}, descriptor="e")
    assert [reading.current_mA for reading in feed.readings] == [-1000.0, -1000.0]


# --- one instant ----------------------------------------------------------------------------------


def values(history):
    return list(zip(history.times, history.currents_mA, strict=True))


@pytest.mark.parametrize("order", ["pcq", "cpq", "qpc"])
def test_readings_of_one_instant_are_one(order):
    made = CyclerHistory(CellSettings(name="A"))
    whole = CyclerHistory(CellSettings(name="A"))
    points = []
    for n in range(100):
        time = 10.0 * n
        current, charge = (-1.384 if 30 <= n < 60 else 0.0), -1e-3 * max(0, min(n, 60) - 30)
        parts = {
            "p": {"potential_V": 2.1},
            "c": {"current_mA": current},
            "q": {"charge_mAh": charge},
        }
        for part in order:
            made.add(CyclerReading("A", time, **parts[part]))
            points += made.take_new()
        whole.add(CyclerReading("A", time, potential_V=2.1, current_mA=current, charge_mAh=charge))
    assert values(made) == values(whole)
    assert list(made.stripped_mAh) == list(whole.stripped_mAh)
    assert list(made.active_s) == list(whole.active_s)
    assert points[-1].measured == CyclerReading("A", 990.0, 2.1, 0.0, -1e-3 * 30)


def test_a_page_for_each_signal_is_the_same():
    made = CyclerHistory(CellSettings(name="A"))
    times = [10.0 * n for n in range(50)]
    for time in times:
        made.add(CyclerReading("A", time, potential_V=2.1))
    for time in times:
        made.add(CyclerReading("A", time, current_mA=-1.0))
    assert list(made.times) == times and set(made.currents_mA) == {1.0}
    assert made.charge_at(490.0) == pytest.approx(490 / 3600)


def test_a_reading_that_may_still_be_completed_covers_no_scan():
    """A scan is judged with the current of its own instant, whichever event comes first."""
    made = CyclerHistory(CellSettings(name="A"))
    for time in (0.0, 10.0, 20.0):
        made.add(CyclerReading("A", time, potential_V=2.1))
        assert not made.covers(time)
        made.add(CyclerReading("A", time, current_mA=-1.0))
        assert made.covers(time)
    for n in range(3, 1000):
        made.add(CyclerReading("A", 10.0 * n, potential_V=2.1))
    assert made.covers(20.0) and not made.covers(9990.0)


def test_another_value_of_the_same_instant_is_counted_and_the_rest_is_used():
    made = CyclerHistory(CellSettings(name="A"))
    made.add(CyclerReading("A", 0.0, current_mA=-1.0))
    with pytest.raises(BadMessage) as caught:
        made.add(CyclerReading("A", 0.0, current_mA=-2.0, potential_V=2.1))
    assert caught.value.kind == "out_of_order" and "current_mA" in str(caught.value)
    assert made.last == CyclerReading("A", 0.0, 2.1, -1.0)


def test_a_stray_reading_takes_back_the_plating_that_it_began():
    made = CyclerHistory(CellSettings(name="A"))
    for time, current in ((0.0, -1.0), (60.0, -1.0), (1e9, 2.0)):
        made.add(CyclerReading("A", time, current_mA=current))
    assert made.plated_by(2e9)
    for time in (120.0, 180.0, 240.0):
        with suppress(BadMessage):
            made.add(CyclerReading("A", time, current_mA=-1.0))
    assert not made.plated_by(2e9) and made.step_at(240.0) == "discharge"
    assert made.discharge_at(240.0) == 1 and made.charge_at(240.0) == pytest.approx(240 / 3600)


def test_a_line_of_the_journal_gives_the_same_values():
    """A document is judged alike when it comes and in a replay."""
    data = {"vmp_current": np.array([-1.384]), "vmp_potential": np.float32(2.5), "vmp_step": NAN}
    line = json.dumps({"doc": data}, default=_tagged).encode()
    again = parse_line(line)["doc"]
    assert {k: number(v) for k, v in again.items()} == pytest.approx(
        {k: number(v) for k, v in data.items()}, nan_ok=True
    )
