"""Readings that arrive after their scans: the numbers are those of readings that came first."""

from itertools import chain

import pytest

from monitor.core.session import Session
from monitor.records import CyclerDocument, Event, ScanResult
from tests.core.experiment import (
    cycler_documents,
    experiment,
    removal,
    scan_records,
    settings,
    volume,
)


def is_event(record):
    return isinstance(record, CyclerDocument) and record.name == "event"


def scan_of(record):
    """Number of the scan that a record of the slice stream belongs to; -1 of any other."""
    return record.key.scan if hasattr(record, "key") else getattr(record, "scan", -1)


def fed(records, made=None, **changes):
    """(session, outputs) of the records."""
    session = made or Session(settings(**changes))
    return session, [output for record in records for output in session.feed(record)]


def results(outputs):
    """The last final result of each scan, and how many there were."""
    last, counts = {}, {}
    for output in outputs:
        if isinstance(output, ScanResult) and not output.provisional:
            last[output.key] = output
            counts[output.key] = counts.get(output.key, 0) + 1
    return last, counts


def events(outputs, *kinds):
    return [o for o in outputs if isinstance(o, Event) and o.kind in kinds]


def readings_last(records):
    return [r for r in records if not is_event(r)] + [r for r in records if is_event(r)]


def readings_of_a_scan_later(records):
    """Each scan before the readings up to it."""
    ends = [k for k, r in enumerate(records) if type(r).__name__ == "ScanEnd"]
    moved, begin = [], 0
    for end in ends:
        part = records[begin : end + 1]
        moved += readings_last(part)
        begin = end + 1
    return moved + records[begin:]


def readings_in_two_parts(records):
    """The middle of the run arrives at the end; nothing is known of it in between."""
    late = [r for r in records if is_event(r)]
    first = late[: len(late) // 3]
    return [r for r in records if not is_event(r) or r in first] + late[len(late) // 3 :]


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key, result in one.items():
        assert result.summary == other[key].summary
        assert result.pits == other[key].pits or repr(result.pits) == repr(other[key].pits)
        assert result.maps.keys() == other[key].maps.keys()
        for name, values in result.maps.items():
            assert values.tobytes() == other[key].maps[name].tobytes(), name


@pytest.mark.parametrize("order", [readings_last, readings_of_a_scan_later, readings_in_two_parts])
def test_whatever_comes_first_the_numbers_are_those_of_all_readings(order):
    records = experiment()
    _, outputs = fed(records)
    expected, once = results(outputs)
    assert set(once.values()) == {1}, "readings in their place need no correction"
    assert not events(outputs, "scan_corrected")
    _, outputs = fed(order(records))
    found, counts = results(outputs)
    assert_same(found, expected)
    assert max(counts.values()) == 2
    corrected = events(outputs, "scan_corrected")
    assert len(corrected) == sum(counts.values()) - len(counts)


def test_a_scan_is_told_at_once_as_preliminary_and_then_corrected():
    records = experiment()
    scans = [r for r in records if not is_event(r)]
    readings = [r for r in records if is_event(r)]
    session, outputs = fed(scans)
    told, _ = results(outputs)
    last = told[max(told)]
    assert last.preliminary
    assert last.summary["charge_state"] == "none"
    assert last.summary["coulometry_um"] is None
    assert last.summary["averaged_um"] == pytest.approx(removal(2).mean(), rel=0.05)
    assert len(last.pits) == 2
    (complete,) = [e for e in events(outputs, "scan_complete") if e.data["scan"] == 2]
    assert complete.data["charge_state"] == "none"

    _, outputs = fed(readings, session)
    told, _ = results(outputs)
    last = told[max(told)]
    assert not last.preliminary
    assert last.summary["charge_state"] == "final"
    assert last.summary["coulometry_um"] == pytest.approx(removal(2).mean(), rel=1e-6)
    corrected = events(outputs, "scan_corrected")
    assert [e.data["scan"] for e in corrected] == [0, 1, 2]
    assert {"coulometry_um", "closure", "charge_mAh", "cumulative"} <= set(
        corrected[-1].data["changed"]
    )
    assert "averaged_um" not in corrected[-1].data["changed"]
    assert corrected[-1].data["coulometry_um"] == last.summary["coulometry_um"]


def test_a_number_that_rests_on_a_held_current_says_so_and_is_corrected():
    records = experiment()
    late = [r for r in records if is_event(r) and r.doc["time"] > 1750]
    early = [r for r in records if not (is_event(r) and r.doc["time"] > 1750)]
    first = [r for r in early if scan_of(r) < 2]
    session, outputs = fed(first)
    told, _ = results(outputs)
    scan = told[max(told)]
    assert scan.summary["charge_state"] == "extrapolated"
    assert scan.summary["coulometry_um"] == pytest.approx(removal(1).mean(), rel=0.01)
    _, outputs = fed(late, session)
    told, _ = results(outputs)
    assert told[max(told)].summary["charge_state"] == "final"


def test_beyond_the_time_that_a_current_is_held_no_charge_is_told():
    records = experiment()
    first = [r for r in records if not is_event(r) or r.doc["time"] < 1200]
    _, outputs = fed(first)
    told, _ = results(outputs)
    assert [r.summary["charge_state"] for r in told.values()] == [
        "final", "preliminary", "preliminary",
    ]  # fmt: skip
    for result in list(told.values())[1:]:
        for name in ("charge_mAh", "coulometry_um", "closure", "current_mA_cm2", "soc", "step"):
            assert result.summary[name] is None, name
        assert "cumulative" not in result.maps


def test_a_scan_before_all_readings_has_no_charge_instead_of_none_flowed():
    """A cycler's clock hours ahead: its readings begin after the scans."""
    records = experiment()
    moved = [
        CyclerDocument("event", {**r.doc, "time": r.doc["time"] + 7200.0, "timestamps": {}})
        if is_event(r)
        else r
        for r in records
    ]
    _, outputs = fed(moved)
    told, _ = results(outputs)
    for result in list(told.values())[1:]:
        assert result.summary["charge_state"] == "unknown"
        assert result.summary["coulometry_um"] is None


def test_closure_is_watched_once_readings_cover_the_scan():
    """Charge of twice the removal: the alarm must neither be lost nor come on no charge."""
    records = experiment(scans=4)
    doubled = [
        CyclerDocument(
            "event",
            {**r.doc, "data": {k: 2 * v for k, v in r.doc["data"].items()}},
        )
        if is_event(r)
        else r
        for r in records
    ]
    session, outputs = fed([r for r in doubled if not is_event(r)])
    assert not [e for e in events(outputs, "alarm") if e.data.get("condition") == "closure"]
    _, outputs = fed([r for r in doubled if is_event(r)], session)
    (alarm,) = [e for e in events(outputs, "alarm") if e.data.get("condition") == "closure"]
    assert alarm.data["value"] == pytest.approx(0.5, abs=0.1)


ONSET = {"when": ["new_pits", "closure"], "closure_band": (0.8, 1.2), "cooldown_s": 0.0}


def test_rules_by_heights_decide_at_once_and_those_by_charge_when_it_is_known():
    records = experiment()
    session, outputs = fed([r for r in records if not is_event(r)], onset=ONSET)
    told = events(outputs, "decision")
    assert [e.data["waiting"] for e in told] == [["closure"]] * 3
    assert [e.data["verdict"] for e in told] == ["no", "ask", "no"]
    assert "closure: waiting for cycler readings" in told[0].data["why"]
    assert told[1].data["findings"]["closure"]["value"] is None
    _, outputs = fed([r for r in records if is_event(r)], session)
    told = events(outputs, "decision")
    assert [(e.data["scan"], e.data["corrected"], e.data["waiting"]) for e in told] == [
        (scan, True, []) for scan in range(3)
    ]
    assert told[2].data["findings"]["closure"]["value"] == pytest.approx(1.0, abs=0.1)


def test_a_request_that_needs_the_charge_leaves_once_it_is_known():
    records = experiment()
    policy = {**ONSET, "when": ["current_step"], "current_step_mA_cm2": 0.05}
    _, expected = fed(records, onset=policy)
    session, outputs = fed([r for r in records if not is_event(r)], onset=policy)
    assert not events(outputs, "scan_request")
    _, outputs = fed([r for r in records if is_event(r)], session)
    asked = [e.data["id"] for e in events(outputs, "scan_request")]
    assert asked == [e.data["id"] for e in events(expected, "scan_request")] != []


def test_waiting_scans_are_bounded_and_one_that_was_given_up_is_told(monkeypatch):
    monkeypatch.setattr("monitor.core.analysis.MAX_WAITING", 2)
    records = experiment(scans=4)
    session, outputs = fed([r for r in records if not is_event(r)])
    _, outputs = fed([r for r in records if is_event(r)], session)
    assert [e.data["scan"] for e in events(outputs, "scan_corrected")] == [2, 3]
    alarms = [e for e in events(outputs, "alarm") if "stay preliminary" in e.data["text"]]
    assert [e.data["scan"] for e in alarms] == [0, 1]


def test_a_deposit_that_was_not_looked_for_is_told():
    """Lithium was plated before the scan began, but the readings come after its slices."""
    records = experiment()
    first = [r for r in records if not is_event(r)]
    plating = [
        CyclerDocument(
            "event",
            {**r.doc, "data": {**r.doc["data"], "vmp_current": 1.0, "vmp_charge": 1e-4 * k}},
        )
        for k, r in enumerate(r for r in records if is_event(r))
    ]
    session, _ = fed(first)
    _, outputs = fed(plating, session)
    alarms = [e for e in events(outputs, "alarm") if "porous deposit" in e.data["text"]]
    assert [e.data["scan"] for e in alarms] == [0, 1, 2]


def test_a_charge_that_no_scan_waits_for_corrects_nothing():
    records = experiment()
    session, _ = fed(records)
    more = [
        CyclerDocument("event", {**r.doc, "time": r.doc["time"] + 3600.0, "timestamps": {}})
        for r in records
        if is_event(r)
    ]
    _, outputs = fed(more, session)
    assert not events(outputs, "scan_corrected")


def test_scans_of_a_cell_without_any_cycler_are_told_once():
    scans = [r for scan in range(3) for r in scan_records(scan)]
    _, outputs = fed(scans)
    told, counts = results(outputs)
    assert set(counts.values()) == {1}
    assert {r.summary["charge_state"] for r in told.values()} == {"none"}


def without_current(records, since=-1.0, value=None):
    """The readings from a time on have a potential alone; or `value` in place of the others."""
    keys = ("vmp_current", "vmp_charge")

    def data(found):
        kept = {k: v for k, v in found.items() if k not in keys}
        return kept if value is None else {**kept, **dict.fromkeys(keys, value)}

    return [
        CyclerDocument("event", {**r.doc, "data": data(r.doc["data"])})
        if is_event(r) and r.doc["time"] >= since
        else r
        for r in records
    ]


@pytest.mark.parametrize("value", [None, float("nan"), "-1.384", True])
def test_a_current_that_was_never_measured_is_not_zero(value):
    _, outputs = fed(without_current(experiment(), value=value))
    told, _ = results(outputs)
    for result in told.values():
        assert result.summary["charge_state"] == "preliminary"
        for name in ("charge_mAh", "coulometry_um", "closure", "current_mA_cm2", "soc", "step"):
            assert result.summary[name] is None, name
    (alarm,) = [e for e in events(outputs, "alarm") if e.data.get("condition") == "no_current"]
    assert "none contained a current or charge" in alarm.data["text"]
    assert "'vmp_current' or 'vmp_charge'" in alarm.data["text"]


def test_the_same_if_such_readings_come_after_the_scans():
    _, outputs = fed(readings_last(without_current(experiment())))
    assert [e.data["condition"] for e in events(outputs, "alarm")] == ["no_current"]


def test_a_current_that_is_not_measured_any_more_is_held_only_so_long():
    """Potentials go on; then the current is there again, and the scans are corrected."""
    records = experiment(scans=4)
    gone = without_current(records, since=1000.0)
    again = [r for r in records if is_event(r) and r.doc["time"] > 5000]
    session, outputs = fed([r for r in gone if not (is_event(r) and r.doc["time"] > 5000)])
    told, _ = results(outputs)
    states = [r.summary["charge_state"] for r in told.values()]
    assert states == ["final", "preliminary", "preliminary", "preliminary"]
    assert all(r.summary["charge_mAh"] is None for r in list(told.values())[1:])
    assert [e.data["condition"] for e in events(outputs, "alarm")] == ["no_current"]
    _, outputs = fed(again, session)
    told, _ = results(outputs)
    states = [r.summary["charge_state"] for r in told.values()]
    assert states[:2] == ["interpolated", "interpolated"]
    ended = [e for e in events(outputs, "alarm_ended") if e.data["condition"] == "no_current"]
    assert len(ended) == 1


def test_potential_and_current_in_events_of_their_own_raise_nothing():
    records = []
    for r in experiment():
        if not is_event(r):
            records.append(r)
            continue
        for key, value in r.doc["data"].items():
            records.append(CyclerDocument("event", {**r.doc, "data": {key: value}}))
    _, outputs = fed(records, cells=[{"name": "A", "electrode_area_cm2": 0.2, "hold_current_s": 0}])
    assert [e.data.get("condition") for e in events(outputs, "alarm")] == []
    told, _ = results(outputs)
    assert {r.summary["charge_state"] for r in told.values()} <= {"final", "interpolated"}


def test_currents_that_are_refused_behind_potentials_are_named_as_such():
    """Two signals, each with its own time: the current's is always the earlier one, and comes
    after."""
    records = []
    for r in experiment():
        if not is_event(r):
            records.append(r)
            continue
        for key, late_s in (("vmp_potential", 1.0), ("vmp_current", 0.0)):
            doc = {**r.doc, "data": {key: r.doc["data"][key]}, "timestamps": {}}
            records.append(CyclerDocument("event", {**doc, "time": r.doc["time"] + late_s}))
    _, outputs = fed(records[:-2])
    found = [e for e in events(outputs, "alarm") if e.data.get("condition") == "no_current"]
    text = found[-1].data["text"]
    assert "that contained one were not used, because their times are not later" in text


def scans_out_of_order(positions):
    """All readings, and scans of which number k was made at the k-th position in half hours."""
    readings = cycler_documents(1800.0 * max(positions) + 60)
    scans = [
        scan_records(
            number,
            data=volume(position),
            start_time=1800.0 * position - 30.0,
            stop_time=1800.0 * position + 30.0,
        )
        for number, position in enumerate(positions)
    ]
    return readings, scans


@pytest.mark.parametrize(
    ("positions", "until_position"),
    [
        ((0, 2, 1, 3), 1),
        ((0, 3, 1, 2, 4), 2),
        ((0, 3, 2, 1, 4), 1),
        ((0, 1, 3, 2, 4), 2),
        ((1, 0, 2), 0),
    ],
)
def test_a_scan_with_an_earlier_time_waits_behind_one_that_waits(positions, until_position):
    """Readings up to its own time are there, those of the scan that was concluded before are
    not: all of them are corrected, and the estimates hold every scan."""
    readings, scans = scans_out_of_order(positions)
    _, outputs = fed(readings + list(chain(*scans)))
    expected, once = results(outputs)
    assert set(once.values()) == {1}
    first = [r for r in readings if not is_event(r) or r.doc["time"] <= 1800.0 * until_position]
    session, outputs = fed(first + list(chain(*scans[:-1])))
    told, _ = results(outputs)
    waits = [result.preliminary for result in told.values()]
    assert waits == [any(p > until_position for p in positions[: k + 1]) for k in range(len(waits))]
    _, more = fed([r for r in readings if r not in first] + scans[-1], session)
    found, counts = results(outputs + more)
    assert_same(found, expected)
    assert list(counts.values()) == [1 + late for late in waits] + [1]
