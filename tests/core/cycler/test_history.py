"""Charge, current and steps against what was put in, and bluesky's own documents."""

import math

import event_model
import numpy as np
import pytest

from monitor.core.cycler.history import MAX_RUNS, STRAY_AFTER, CyclerHistory, Documents
from monitor.errors import BadMessage
from monitor.records import CyclerDocument, CyclerReading
from monitor.settings import CellSettings, Settings

NAN = float("nan")


def history(*rows, sign=-1, **settings):
    """`rows`: (time s, current mA, counter mAh)."""
    made = CyclerHistory(CellSettings(name="A", stripping_current_sign=sign, **settings))
    for time, current, charge in rows:
        made.add(CyclerReading("A", time, current_mA=current, charge_mAh=charge))
    return made


def test_charge_of_a_constant_current():
    made = history(*((60.0 * k, -0.12, NAN) for k in range(61)))
    assert made.charge_at(3600.0) == pytest.approx(0.12, rel=1e-12)
    assert made.charge_at(1234.5) == pytest.approx(0.12 * 1234.5 / 3600, rel=1e-12)
    assert made.active_hours_at(3600.0) == pytest.approx(1.0, rel=1e-12)
    assert (made.current_at(1800.0), made.step_at(1800.0)) == (0.12, "discharge")


def test_charge_of_a_current_that_changes_all_the_time():
    """The trapezium rule on readings 10 s apart against the integral of a sine."""
    times = np.arange(0, 3601, 10.0)
    made = history(*((t, -0.5 * math.sin(t / 900), NAN) for t in times))
    expected = 0.5 * 900 * (1 - math.cos(4.0)) / 3600
    assert made.charge_at(3600.0) == pytest.approx(expected, rel=1e-4)


def test_the_cycler_s_counter_is_preferred_to_the_integral():
    made = history((0, -0.1, 5.0), (1800, -0.1, 4.948), (3600, -0.1, 4.897))
    assert made.charge_at(3600) == pytest.approx(0.103, rel=1e-9)


def test_a_counter_that_starts_again_loses_no_charge():
    rows, counter = [], 0.0
    for k in range(61):
        counter = 0.0 if k == 30 else counter - 0.12 / 60
        rows.append((60.0 * k, -0.12, counter))
    assert history(*rows).charge_at(3600.0) == pytest.approx(0.12, rel=1e-9)


def counted(*steps, step_s=10.0):
    """Rows of a counter alone; `steps`: (current mA, s), each counted from 0, or on (None)."""
    rows, counter, time = [], 0.0, 0.0
    for current, seconds, anew in steps:
        counter = 0.0 if anew else counter
        for _ in range(int(seconds / step_s)):
            rows.append((time, NAN, counter))
            time += step_s
            counter += current * step_s / 3600
    return rows


@pytest.mark.parametrize(
    "steps",
    [
        [(0, 300, True), (-1.384, 300, False), (0, 300, True)],
        [(0, 300, True), (-1.384, 150, False), (-1.384, 150, True), (0, 300, False)],
        [(-1.384, 100, True), (-1.384, 100, True), (-1.384, 100, True), (0, 100, True)],
    ],
)
def test_a_counter_alone_that_starts_again_gives_no_charge_back(steps):
    made = history(*counted(*steps))
    expected = 1.384 * 300 / 3600
    assert made.charge_at(made.times[-1]) == pytest.approx(expected, rel=0.05)
    assert not made.plated_by(made.times[-1] + 1), "no current has flowed the other way"


def test_a_counter_alone_that_counts_back_is_no_counter_that_starts_again():
    made = history(*counted((-0.5, 600, True), (0.5, 600, False), (0.5, 300, False)))
    assert made.charge_at(1200.0) == pytest.approx(0.0, abs=1e-9)
    assert made.charge_at(1490.0) == pytest.approx(-0.5 * 290 / 3600, rel=1e-6)
    assert made.plated_by(1490.0)


def test_a_counter_alone_that_is_read_once_an_hour():
    made = history((0, NAN, 0.0), (3600, NAN, -0.5), (7200, NAN, 0.0))
    assert made.charge_at(7200.0) == pytest.approx(0.0, abs=1e-9)


def test_a_counter_without_a_current_gives_both():
    made = history(*((60.0 * k, NAN, -0.002 * k) for k in range(31)))
    assert made.charge_at(1800.0) == pytest.approx(0.06, rel=1e-9)
    assert made.current_at(1700.0) == pytest.approx(0.12, rel=1e-9)


def test_the_sign_of_stripping_is_a_setting():
    made = history((0, 0.1, NAN), (3600, 0.1, NAN), sign=1)
    assert made.charge_at(3600) == pytest.approx(0.1)
    assert made.step_at(3600) == "discharge"
    assert history((0, 0.1, NAN), (3600, 0.1, NAN)).step_at(3600) == "charge"


def test_rest_counts_no_hours_and_no_discharge():
    made = history(
        (0, 0.0, 0.0), (600, 0.0, 0.0), (601, -0.1, 0.0), (4201, -0.1, -0.1), (4202, 0.0, -0.1),
        (7800, 0.0, -0.1), (7801, 0.1, -0.1), (11401, 0.1, 0.0), (11402, -0.1, 0.0),
        (12000, -0.1, -0.01661),
    )  # fmt: skip
    assert made.discharge_at(300) is None
    assert made.discharge_at(3000) == 1
    assert made.discharge_at(9000) == 1
    assert made.discharge_at(11500) == 2
    assert made.discharge_start(2) == 11402
    assert [made.step_at(t) for t in (300, 3000, 6000, 9000)] == [
        "rest", "discharge", "rest", "charge"
    ]  # fmt: skip
    assert made.active_hours_at(7000) == pytest.approx(1.0, abs=2 / 3600)
    assert made.charge_at(4202) == pytest.approx(0.1)
    assert made.charge_at(11402) == pytest.approx(0.0, abs=1e-4)


def test_a_rest_within_a_discharge_does_not_begin_another():
    made = history((0, -0.1, NAN), (60, 0.0, NAN), (120, -0.1, NAN))
    assert made.discharge_at(130) == 1


def test_before_the_first_and_after_the_last_reading():
    made = history((1000, -0.36, NAN), (2000, -0.36, NAN))
    assert made.charge_at(0) == 0.0
    assert made.charge_at(2250) == pytest.approx(0.36 * 1250 / 3600)
    assert made.active_hours_at(2250) == pytest.approx(1250 / 3600)
    rested = history((1000, -0.36, NAN), (2000, 0.0, NAN))
    assert rested.charge_at(2250) == rested.charge_at(2000)
    assert rested.active_hours_at(2250) == rested.active_hours_at(2000)


@pytest.mark.parametrize("hold_s", [0.0, 60.0, 300.0])
def test_a_current_is_held_after_its_last_reading_only_for_the_stated_time(hold_s):
    made = history((0, -0.36, NAN), (1000, -0.36, NAN), hold_current_s=hold_s)
    assert made.charge_state(1000) == "final"
    assert made.charge_at(1000) == pytest.approx(0.1)
    within, beyond = 1000 + hold_s, 1000 + hold_s + 0.1
    assert made.charge_at(within) == pytest.approx(0.1 + 0.36 * hold_s / 3600)
    assert made.charge_state(within) == ("extrapolated" if hold_s else "final")
    for value in (made.charge_at, made.current_at, made.active_hours_at, made.step_at):
        assert value(beyond) is None
    assert made.charge_state(beyond) == "preliminary"
    assert not made.covers(beyond)


def test_a_scan_before_all_readings_has_no_current():
    made = history((1000, -0.36, NAN), (2000, -0.36, NAN))
    assert made.current_at(701) == pytest.approx(0.36)
    assert made.current_at(699) is None
    assert made.charge_state(699) == "unknown"
    assert history().charge_state(0) == "none"


def test_a_scan_in_a_gap_between_readings_says_that_its_charge_is_interpolated():
    made = history(*((10.0 * k, -0.36, NAN) for k in range(11)))
    for time in (4000.0, 4010.0, 4020.0):
        made.add(CyclerReading("A", time, current_mA=-0.36))
    assert made.charge_state(2000.0) == "interpolated"
    assert made.charge_at(2000.0) == pytest.approx(0.36 * 2000 / 3600)
    assert [made.charge_state(t) for t in (100.0, 95.0, 4000.0, 4015.0)] == ["final"] * 4


def test_one_reading_far_ahead_covers_nothing_until_another_confirms_it():
    made = history(*((10.0 * k, -0.36, NAN) for k in range(11)))
    made.add(CyclerReading("A", 90_000.0, current_mA=-0.36))
    assert not made.covers(2000.0)
    assert made.charge_state(2000.0) == "preliminary"
    assert made.charge_at(50_000.0) is None
    made.add(CyclerReading("A", 90_010.0, current_mA=-0.36))
    assert made.covers(2000.0)
    assert made.charge_state(90_000.0) == "final"


def test_without_readings_nothing_is_known():
    made = history()
    assert made.charge_at(5) is None
    assert made.current_at(5) is None
    assert made.step_at(5) is None
    assert made.active_hours_at(5) is None
    assert made.discharge_at(5) is None


@pytest.mark.parametrize("time", [100.0, 99.0])
def test_a_reading_out_of_order_is_refused_and_changes_nothing(time):
    made = history((0, -0.1, NAN), (100, -0.1, NAN))
    with pytest.raises(BadMessage) as caught:
        made.add(CyclerReading("A", time, current_mA=-5.0))
    assert caught.value.kind == "out_of_order"
    made.add(CyclerReading("A", 200.0, current_mA=-0.1))
    assert made.charge_at(200) == pytest.approx(0.1 * 200 / 3600)


# --- documents ------------------------------------------------------------------------------------

KEYS = ("vmp_potential", "vmp_current", "vmp_charge")


def run_of(cell="A", **metadata):
    """A run and its one stream, composed by event-model."""
    run = event_model.compose_run(metadata={"cell": cell, **metadata} if cell else metadata)
    keys = {k: {"dtype": "number", "shape": [], "source": "vmp"} for k in KEYS}
    stream = run.compose_descriptor(name="primary", data_keys=keys)
    return run, stream


def event(stream, time, values=(2.1, -0.1, -0.5)):
    data = dict(zip(KEYS, values, strict=True))
    return stream.compose_event(data=data, timestamps=dict.fromkeys(KEYS, time), time=time + 1)


def reader(*cells):
    return Documents(Settings(cells=cells or (CellSettings(name="A"),)))


def feed(documents, name, doc):
    """The readings in one document. Raises the first problem if it has none."""
    taken = documents.take(CyclerDocument(name, dict(doc)))
    if taken.problems and not taken.readings:
        raise taken.problems[0]
    return taken.readings


def begun(documents, run, stream):
    assert feed(documents, "start", run.start_doc) == []
    assert feed(documents, "descriptor", stream.descriptor_doc) == []


def test_an_event_becomes_a_reading_stamped_with_its_own_time():
    documents, (run, stream) = reader(), run_of()
    begun(documents, run, stream)
    (reading,) = feed(documents, "event", event(stream, 1000.0))
    assert (reading.cell, reading.time) == ("A", 1000.0)
    assert (reading.potential_V, reading.current_mA, reading.charge_mAh) == (2.1, -0.1, -0.5)
    assert math.isnan(reading.cycle)
    assert feed(documents, "stop", run.compose_stop()) == []


def test_a_page_becomes_its_readings():
    documents, (run, stream) = reader(), run_of()
    begun(documents, run, stream)
    page = event_model.pack_event_page(*(event(stream, t) for t in (10.0, 20.0, 30.0)))
    assert [r.time for r in feed(documents, "event_page", page)] == [10.0, 20.0, 30.0]


def test_the_clock_offset_is_applied():
    documents, (run, stream) = reader(CellSettings(name="A", clock_offset_s=-3600.0)), run_of()
    begun(documents, run, stream)
    assert feed(documents, "event", event(stream, 5000.0))[0].time == 1400.0


def test_two_cells_runs_are_told_apart():
    documents = reader(CellSettings(name="A"), CellSettings(name="B"))
    runs = {name: run_of(name) for name in "AB"}
    for run, stream in runs.values():
        begun(documents, run, stream)
    for name in "BAB":
        assert feed(documents, "event", event(runs[name][1], 1.0))[0].cell == name


def test_runs_without_a_cell_and_other_keys_are_none_of_ours():
    documents, (run, stream) = reader(), run_of(None, purpose="alignment")
    with pytest.raises(BadMessage, match="cell='A'"):  # it may be that of the cycler
        begun(documents, run, stream)
    assert feed(documents, "event", event(stream, 1.0)) == []
    other = reader(CellSettings(name="A", keys={"potential_V": "something_else"}))
    run, stream = run_of()
    begun(other, run, stream)
    assert feed(other, "event", event(stream, 1.0)) == []


@pytest.mark.parametrize(
    ("name", "doc", "kind"),
    [
        ("begin", {}, "unknown_document"),
        ("x" * 10_000, {}, "unknown_document"),
        ("start", {"cell": "Z", "uid": "u"}, "unknown_cell"),
        ("start", {"cell": "A"}, "bad_document"),
        ("descriptor", {"uid": "d"}, "bad_document"),
        ("event", {}, "bad_document"),
        ("event", {"descriptor": "d", "data": {}, "timestamps": {}, "time": 1.0}, "unknown_run"),
        ("event_page", {"time": 5, "data": {}, "timestamps": {}}, "bad_document"),
        ("event_page", {"time": [1, 2], "data": {"a": [1]}, "timestamps": {}}, "bad_document"),
    ],
)
def test_documents_that_cannot_be_used_are_refused_by_name(name, doc, kind):
    with pytest.raises(BadMessage) as caught:
        feed(reader(), name, doc)
    assert caught.value.kind == kind
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "change",
    [
        {"data": None},
        {"data": {"vmp_current": "low"}},
        {"data": {"vmp_current": [1, 2]}},
        {"data": {"vmp_current": 10**400}},
        {"timestamps": {"other": 1.0}},
        {"timestamps": {k: float("nan") for k in KEYS}},
        {"timestamps": {k: float("inf") for k in KEYS}},
        {"timestamps": dict.fromkeys(KEYS, 1e300)},
        {"descriptor": 5},
        {"timestamps": None, "time": None},
        {"descriptor": None},
    ],
)
def test_a_mangled_event_is_refused(change):
    documents, (run, stream) = reader(), run_of()
    begun(documents, run, stream)
    with pytest.raises(BadMessage):
        feed(documents, "event", dict(event(stream, 1.0)) | change)
    assert len(feed(documents, "event", event(stream, 2.0))) == 1


def test_a_feed_of_one_quantity_an_event_is_held_together():
    history = CyclerHistory(CellSettings(name="A", stripping_current_sign=-1))
    for k in range(0, 3600, 60):
        history.add(CyclerReading("A", float(k), current_mA=-0.5))
        history.add(CyclerReading("A", k + 0.5, potential_V=2.1))
    assert history.charge_at(3540.0) == pytest.approx(0.5 * 3540 / 3600, rel=1e-6)
    assert history.last is not None and history.last.potential_V == 2.1
    assert history.step_at(3540.6) == "discharge"


def test_counter_and_current_in_separate_events_give_the_counters_charge():
    history = CyclerHistory(CellSettings(name="A", stripping_current_sign=-1))
    for k in range(0, 3600, 60):
        history.add(CyclerReading("A", float(k), charge_mAh=-0.5 * k / 3600))
        history.add(CyclerReading("A", k + 0.5, current_mA=-0.5))
    assert history.charge_at(3540.0) == pytest.approx(0.5 * 3540 / 3600, rel=1e-3)


def test_one_reading_far_ahead_does_not_shut_out_those_that_follow():
    history = CyclerHistory(CellSettings(name="A", stripping_current_sign=-1))
    refused = []
    for time in (0.0, 60.0, 1e9, 120.0, 180.0, 240.0, 300.0):
        try:
            history.add(CyclerReading("A", time, current_mA=-0.5, charge_mAh=-0.5 * time / 3600))
        except BadMessage as error:
            refused.append(error.kind)
    assert refused == ["out_of_order", "out_of_order", "stray_reading"]
    assert list(history.times) == [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
    assert history.charge_at(300.0) == pytest.approx(0.5 * 300 / 3600, rel=1e-6)


def test_what_is_known_of_runs_and_refused_readings_is_bounded():
    documents = reader()
    for number in range(MAX_RUNS + 10):
        feed(documents, "start", {"cell": "A", "uid": f"run {number}"})
        feed(documents, "descriptor", {"uid": f"d{number}", "run_start": f"run {number}"})
    assert len(documents._run_cell) == len(documents._descriptors) == MAX_RUNS
    with pytest.raises(BadMessage):
        feed(documents, "start", {"cell": "A", "uid": "u" * 1000})
    made = history((0, -0.1, NAN), (5000, -0.1, NAN), (6000, -0.1, NAN))
    for time in range(1, 1000):
        with pytest.raises(BadMessage):
            made.add(CyclerReading("A", float(time)))
    assert len(made._refused) <= STRAY_AFTER
