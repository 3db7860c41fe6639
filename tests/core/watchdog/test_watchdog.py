"""Alarms that begin once and end once: tables of histories, silence, schedule, and a session."""

from dataclasses import replace

import pytest

from monitor.core.channels.coincidence import Samples
from monitor.core.session import Session
from monitor.core.watchdog.watchdog import CellWatch
from monitor.records import Acknowledgement, CyclerDocument, Event, FeedSilence, ScanResult
from monitor.settings import WatchSettings
from tests.core.experiment import cycler_documents, experiment, scan_records, settings
from tests.core.phantom import start

GOOD = {
    "closure": 1.0, "coulometry_um": 5.0, "averaged_error_um": 0.0, "noise_um": 0.1, "cnr": 3.0,
    "valid_fraction": 1.0, "registered": True, "shift_error_um": 0.1, "grey_lithium": 100.0,
    "grey_electrolyte": 160.0,
}  # fmt: skip


def result(scan, **summary):
    begin = start((96, 48, 48), scan=scan)
    return ScanResult(begin, False, True, (), {}, None, (), GOOD | summary)


def history(*scans, doubts=(), **limits):
    """The alarms of a history: for each scan its (sign, condition), + where one begins."""
    watch = CellWatch("A", WatchSettings(**limits), 1800.0)
    told = []
    for number, summary in enumerate(scans):
        news = watch.judge(result(number, **summary), dict(doubts).get(number, ""), 1800.0 * number)
        signs = {"alarm": "+", "alarm_ended": "-"}
        told.append(" ".join(signs[n.kind] + n.data["condition"] for n in news))
    return told


def closures(*values, **more):
    return [{"closure": value, **more} for value in values]


HISTORIES = {
    "within": (closures(1.0, 0.86, 1.14, 1.0), ["", "", "", ""]),
    "once outside": (closures(1.0, 0.5, 1.0, 0.5, 1.0), [""] * 5),
    "two in a row": (closures(1.0, 0.8, 0.8, 0.8), ["", "", "+closure", ""]),
    "either side": (closures(0.8, 1.3, 1.0), ["", "+closure", ""]),
    "ends after two inside": (closures(0.8, 0.8, 1.0, 1.0), ["", "+closure", "", "-closure"]),
    "near the edge it does not end": (closures(0.8, 0.8, 0.86, 0.86, 1.0, 0.86, 1.0, 1.0),
                                      ["", "+closure", "", "", "", "", "", "-closure"]),
    "swinging across the edge rings once": (closures(*[0.84, 0.84] + [0.86, 0.84] * 9),
                                            ["", "+closure"] + [""] * 18),
    "begins again after its end": (closures(0.8, 0.8, 1.0, 1.0, 0.8, 0.8),
                                   ["", "+closure", "", "-closure", "", "+closure"]),
    "not before 1 µm": (closures(0.1, 0.1, 0.1, coulometry_um=0.99), ["", "", ""]),
    "from 1 µm on": (closures(0.1, 0.1, coulometry_um=1.0), ["", "+closure"]),
    "plating counts": (closures(0.1, 0.1, coulometry_um=-2.0), ["", "+closure"]),
    "unknown in between": (closures(0.8, None, 0.8), ["", "", "+closure"]),
    "within its error": (closures(0.8, 0.8, averaged_error_um=0.2), ["", ""]),
    "beyond its error": (closures(0.8, 0.8, averaged_error_um=0.1), ["", "+closure"]),
    "noise needs a history": ([{"noise_um": n} for n in (0.1, 0.1, 0.9, 0.1)], [""] * 4),
    "noise up": ([{"noise_um": n} for n in (0.1, 0.1, 0.1, 0.16, 0.16, 0.16, 0.12, 0.12)],
                 ["", "", "", "", "+noise", "", "", "-noise"]),
    "the noisy do not become usual": ([{"noise_um": n} for n in [0.1] * 3 + [0.2] * 30],
                                      [""] * 4 + ["+noise"] + [""] * 28),
    "noise at the limit": ([{"noise_um": n} for n in (0.1, 0.1, 0.1, 0.149, 0.149)], [""] * 5),
    "noise in voxels": ([{"noise_um": None, "noise_voxel": n} for n in (1, 1, 1, 2, 2)],
                        ["", "", "", "", "+noise"]),
    "contrast down": ([{"grey_electrolyte": e} for e in (160.0, 135.0, 135.0, 150.0, 150.0)],
                      ["", "", "+grey_levels", "", "-grey_levels"]),
    "contrast a little down": ([{"grey_electrolyte": e} for e in (160.0, 137.0, 137.0)], [""] * 3),
    "cnr down": ([{"cnr": c} for c in (3.0, 1.7, 1.7, 2.3, 2.3, 2.5, 2.5)],
                 ["", "", "+grey_levels", "", "", "", "-grey_levels"]),
    "levels drift": ([{"grey_lithium": g, "grey_electrolyte": g + 60} for g in (100.0, 135, 135)],
                     ["", "", "+grey_levels"]),
    "darker lithium is electrolyte": ([{"grey_electrolyte": e} for e in (160.0, 40.0, 40.0)],
                                      ["", "", "+grey_levels"]),
    "few columns at once": ([{"valid_fraction": v} for v in (0.59, 0.3, 0.62, 0.62, 0.66, 0.66)],
                            ["+valid", "", "", "", "", "-valid"]),
    "no levels at all": ([{}, {"cnr": None, "valid_fraction": 0.0}, {"cnr": None,
                          "valid_fraction": 0.0}, {}], ["", "+levels_lost", "", "-levels_lost"]),
    "single columns": ([{"refined": r} for r in (True, False, False, True)],
                       ["", "+refinement", "", "-refinement"]),
    "shift is uncertain": ([{"shift_error_um": e} for e in (0.1, 6.0, 6.0, 0.1)],
                           ["", "+registration", "", "-registration"]),
    "featureless is no doubt": ([{"registered": False, "shift_error_um": None}] * 3, [""] * 3),
    "the unknown says nothing": ([dict.fromkeys(GOOD) | {"valid_fraction": 1.0}] * 3, [""] * 3),
    "all at once": ([{}, {}, {}, *[{"closure": 2.0, "noise_um": 1.0, "cnr": 0.5}] * 2],
                    ["", "", "", "", "+closure +noise +grey_levels"]),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_alarms_of_a_history(name):
    scans, expected = HISTORIES[name]
    assert history(*scans) == expected


def test_a_lost_scan_rings_until_one_is_placed_again():
    unplaced = {"registered": False, "shift_error_um": None}
    scans = [{}, unplaced, unplaced, unplaced, {}]
    told = history(*scans, doubts={1: "seems to have moved", 2: "seems to have moved"})
    assert told == ["", "+registration", "", "", "-registration"]


def test_limits_are_settings():
    assert history(*closures(0.8, 0.8), closure_band=(0.7, 1.3)) == ["", ""]
    assert history(*closures(0.8, 1.0), scans=1) == ["+closure", "-closure"]
    assert history(*closures(0.1, 0.1), {"valid_fraction": 0.0}, enabled=False) == ["", "", ""]


def test_an_alarm_has_its_numbers():
    watch = CellWatch("A", WatchSettings(scans=1), 1800.0)
    (alarm,) = watch.judge(result(3, closure=0.5), "", 5420.0)
    assert (alarm.kind, alarm.cell, alarm.at) == ("alarm", "A", 5420.0)
    facts = {"condition": "closure", "scan": 3, "value": 0.5, "limit": 0.85, "error": 0.0}
    assert facts.items() <= alarm.data.items()
    assert "0.50" in alarm.data["text"] and "0.85 to 1.15" in alarm.data["text"]
    (ended,) = watch.judge(result(4), "", 9000.0)
    assert ended.data["value"] == 1.0 and "again" in ended.data["text"]


# --- what channels did meanwhile ------------------------------------------------------------------

FELL = Samples("ring", "ring current", "mA", [60.0 * n for n in range(300)],
               [200.0 if n < 112 else 12.0 for n in range(300)])  # fmt: skip
STEADY = replace(FELL, values=[200.0] * 300)
NOISY = [{"noise_um": n} for n in (0.1, 0.1, 0.1, 0.16, 0.16)]


def scan_at(number, summary):
    made = result(number, **summary)
    begin = replace(made.start, start_time=1800.0 * number, stop_time=1800.0 * number + 240.0)
    return replace(made, start=begin)


def alarms_with(*channels, scans=NOISY):
    """The alarms of scans half an hour apart, with these channels."""
    watch = CellWatch("A", WatchSettings(), 1800.0, channels=lambda: channels)
    told = [watch.judge(scan_at(n, one), "", 1800.0 * n + 240.0) for n, one in enumerate(scans)]
    return [news.data for found in told for news in found if news.kind == "alarm"]


def test_an_alarm_states_what_a_channel_did_since_the_last_good_scan():
    (alarm,) = alarms_with(FELL)
    assert "noise of the heights is 0.16" in alarm["text"]
    assert "Since scan 2, which was not affected: ring current fell at 01:52 UTC" in alarm["text"]
    assert alarm["text"].endswith("This is a coincidence in time, not necessarily the cause")
    assert alarm["coincidences"] == [
        {"channel": "ring", "unit": "mA", "time": 6720.0, "before": 200.0, "after": 12.0}
    ]


def test_a_channel_that_stopped_is_stated_too():
    (alarm,) = alarms_with(replace(STEADY, times=STEADY.times[:100], values=STEADY.values[:100]))
    assert "ring current has had no value since 01:39 UTC" in alarm["text"]
    assert alarm["coincidences"][0]["after"] is None


@pytest.mark.parametrize(
    "channels",
    [(), (STEADY,), (replace(STEADY, times=[], values=[]),),
     (replace(STEADY, values=[200.0 - 0.1 * n for n in range(300)]),)],
    ids=["none declared", "no change", "not measured", "drift"],
)  # fmt: skip
def test_an_alarm_says_nothing_of_channels_that_did_not_change(channels):
    (plain,), (alarm,) = alarms_with(), alarms_with(*channels)
    assert alarm == plain and "coincidences" not in alarm


def test_only_what_the_beam_may_cause_has_a_coincidence():
    scans = [*NOISY[:3], {"refined": False}, {"refined": False}]
    (alarm,) = alarms_with(FELL, scans=scans)
    assert alarm["condition"] == "refinement" and "coincidences" not in alarm
    (alarm,) = alarms_with(FELL, scans=[{"valid_fraction": 0.1}])  # there is no good one before
    assert "coincidences" not in alarm


def test_closure_that_is_judged_later_states_it_too():
    watch = CellWatch("A", WatchSettings(), 1800.0, channels=lambda: [FELL])
    news = [watch.judge_charge(scan_at(n, {"closure": c})) for n, c in enumerate((1, 1, 1, 2, 2))]
    assert [kinds(one) for one in news] == [[]] * 4 + [[("alarm", "closure")]]
    assert news[-1][0].data["coincidences"][0]["channel"] == "ring"


# --- schedule -------------------------------------------------------------------------------------


def scheduled(watch, number, *, at, heard_after=0.0, reason="periodic"):
    """A scan begins at `at`, its header comes when the cycler tells so much later."""
    watch.told(at + heard_after)
    begin = replace(start((96, 48, 48), scan=number), start_time=at, reason=reason)
    return watch.started(begin)


def kinds(news):
    return [(n.kind, n.data["condition"]) for n in news]


def overdue(watch, time, *, scanning=False):
    watch.told(time)
    return watch.overdue(scanning=scanning)


def late(state, seconds=200.0):
    return FeedSilence("schedule", "A", state, seconds, 180.0)


def test_a_scan_that_does_not_come_is_late_and_then_dead():
    watch = CellWatch("A", WatchSettings(), 1800.0)
    assert scheduled(watch, 0, at=0.0, reason="reference") == []
    told = {time: overdue(watch, time)[0] for time in (1980.0, 1981.0, 3600.0, 3601.0)}
    assert told == {1980.0: "LIVE", 1981.0: "LATE", 3600.0: "LATE", 3601.0: "DEAD"}
    assert watch.overdue(scanning=False) == ("DEAD", 1801.0)


def test_an_overdue_scan_is_an_alarm_until_one_on_schedule_begins():
    watch = CellWatch("A", WatchSettings(), 1800.0)
    scheduled(watch, 0, at=0.0, reason="reference")
    (alarm,) = watch.silence(late("LATE"), scanning=False)
    assert (alarm.data["condition"], alarm.data["value"]) == ("scan_late", 200.0)
    assert watch.silence(late("LATE"), scanning=False) == []
    dead = watch.silence(late("DEAD", 1900.0), scanning=False)
    assert kinds(dead) == [("alarm_ended", "scan_late"), ("alarm", "scan_dead")]
    assert scheduled(watch, 1, at=9000.0, reason="extra") == [], "it was not on schedule"
    assert kinds(scheduled(watch, 2, at=9060.0)) == [("alarm_ended", "scan_dead")]


def test_reconstruction_takes_its_time_and_that_is_not_late():
    watch = CellWatch("A", WatchSettings(), 1800.0)
    for number in range(4):
        scheduled(watch, number, at=1800.0 * number, heard_after=1200.0)
        assert watch.state["scan_delay_s"] == 1200.0
    assert overdue(watch, 5400.0 + 1800.0 + 1380.0)[0] == "LIVE"
    assert overdue(watch, 8581.0)[0] == "LATE"


def test_nothing_is_overdue_while_a_scan_runs_or_before_any():
    watch = CellWatch("A", WatchSettings(), 1800.0)
    assert overdue(watch, 1e6)[0] == "LIVE" and watch.state["scan_delay_s"] is None
    scheduled(watch, 0, at=1e6)
    assert overdue(watch, 2e6, scanning=True)[0] == "LIVE"
    assert overdue(watch, 2e6)[0] == "DEAD"


# --- silence --------------------------------------------------------------------------------------


def silence(state, feed="slices", seconds=11.0):
    return FeedSilence(feed, "A", state, seconds, 10.0)


def test_late_turns_into_dead_and_ends_with_the_messages():
    watch = CellWatch("A", WatchSettings(), 1800.0)
    told = [
        kinds(watch.silence(silence(state), scanning=True))
        for state in ("LATE", "LATE", "DEAD", "LATE", "LIVE", "LIVE")
    ]
    assert told == [
        [("alarm", "slices_late")], [], [("alarm_ended", "slices_late"), ("alarm", "slices_dead")],
        [], [("alarm_ended", "slices_dead")], [],
    ]  # fmt: skip
    assert watch.silence(silence("LATE"), scanning=False) == [], "no scan runs"


@pytest.mark.parametrize(
    ("feed", "late", "again"),
    [
        (
            "slices",
            "no slice of the running scan has been received for 11 s",
            "slices are received",
        ),
        (
            "documents",
            "no reading of the cycler has been received for 11 s",
            "readings are received",
        ),
    ],
)
def test_what_is_not_received_is_named_and_its_end_is_not_called_a_silence(feed, late, again):
    watch = CellWatch("A", WatchSettings(), 1800.0)
    (alarm,) = watch.silence(silence("LATE", feed), scanning=True)
    assert alarm.data["text"].startswith(late)
    over, worse = watch.silence(silence("DEAD", feed), scanning=True)
    assert "more serious" in over.data["text"] and worse.data["text"].startswith(late)
    (end,) = watch.silence(silence("LIVE", feed), scanning=True)
    assert end.data["text"].startswith(again)


def test_a_silent_scan_that_is_finished_is_not_silent_any_more():
    watch = CellWatch("A", WatchSettings(), 1800.0)
    watch.silence(silence("LATE"), scanning=True)
    watch.silence(silence("DEAD", "documents"), scanning=False)
    assert watch.silence_of("slices") == "LATE" and watch.silence_of("documents") == "DEAD"
    assert kinds(watch.concluded(4)) == [("alarm_ended", "slices_late")]
    assert watch.state["conditions"] == ["cycler_dead"]


# --- a session ------------------------------------------------------------------------------------


def fed(session, records):
    return [out for record in records for out in session.feed(record)]


def told(outputs):
    return [
        (o.kind, o.data.get("condition"), o.data.get("alarm"))
        for o in outputs
        if isinstance(o, Event) and o.kind in ("alarm", "alarm_ended", "alarm_acknowledged")
    ]


STOP = CyclerDocument("stop", {"uid": "stop-A", "run_start": "run-A", "time": 9e3})


@pytest.mark.parametrize("state", ["LATE", "DEAD"])
def test_no_scan_is_overdue_once_the_cyclers_run_has_ended(state):
    """Bar, card and alarm: nothing more is expected of the cell."""
    session = Session(settings())
    fed(session, [*experiment(scans=2), *cycler_documents(9000.0)[-1:]])
    assert session.overdue["A"][0] == "DEAD"
    began = fed(session, [late(state)])
    condition = f"scan_{state.lower()}"
    assert told(began) == [("alarm", condition, None)]
    ended = fed(session, [STOP])
    assert [one[:2] for one in told(ended)] == [("alarm_ended", condition)]
    assert session.overdue["A"][0] == "LIVE"
    assert told(fed(session, [STOP])) == []


def test_a_good_experiment_has_no_alarm():
    assert told(fed(Session(settings()), experiment())) == []


def test_a_wrong_area_is_an_alarm_of_closure_with_an_end_that_points_to_it():
    """The electrode is said to be twice as large as it is: closure is 2."""
    cells = [{"name": "A", "electrode_area_cm2": 0.4, "capacity_mAh": 2.0, "foil_thickness_um": 46}]
    wrong = Session(
        settings(watch={"scans": 1}).model_copy(
            update={"cells": settings().model_validate({"cells": cells}).cells}
        )
    )
    outputs = fed(wrong, experiment())
    (alarm,) = [o for o in outputs if isinstance(o, Event) and o.kind == "alarm"]
    assert alarm.data["condition"] == "closure"
    assert alarm.data["value"] == pytest.approx(2.0, abs=0.1)
    assert wrong.watches["A"]["conditions"] == ["closure"]


def test_an_ended_alarm_can_still_be_acknowledged():
    session = Session(settings())
    first, *rest = scan_records(0)
    fed(session, [first])
    (alarm,) = session.feed(silence("LATE"))
    (ended,) = session.feed(silence("LIVE"))
    assert ended.data["alarm"] == alarm.number
    (seen,) = session.feed(Acknowledgement("A", alarm.number))
    assert seen.kind == "alarm_acknowledged"
    fed(session, rest)
    assert session.feed(silence("LATE")) == ()
    assert session.feed(FeedSilence("slices", "Z", "LATE", 11.0, 10.0)) == ()
