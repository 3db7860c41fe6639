"""What operators order: policy, notes, alarms seen; and what becomes of it in a session."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.policy.onset import OnsetWatch
from monitor.core.session import Session
from monitor.core.watchdog.acknowledgements import REMEMBERED, Alarms
from monitor.errors import BadMessage
from monitor.records import (
    Acknowledgement,
    Event,
    OperatorNote,
    OperatorRequest,
    PolicyChange,
    ScanReply,
    ScanRequest,
    ScanResult,
)
from monitor.settings import OnsetSettings
from tests.core.experiment import cycler_documents, experiment, scan_records, settings
from tests.core.situations import situation


def events(outputs, kind=None):
    return [o for o in outputs if isinstance(o, Event) and kind in (None, o.kind)]


def fed(session, records):
    return [output for record in records for output in session.feed(record)]


def decisions(outputs):
    return [event.data["verdict"] for event in events(outputs, "decision")]


# --- policy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "verdicts"),
    [
        ("off", ["no", "no", "no"]),
        ("suggest", ["no", "suggest", "no"]),
        ("auto", ["no", "ask", "no"]),
    ],
)
def test_a_policy_holds_from_the_next_decision_on(mode, verdicts):
    other = "off" if mode == "auto" else "auto"
    session = Session(settings(onset={"mode": other, "cooldown_s": 0.0}))
    made = experiment()
    outputs = fed(session, [*made[:60], PolicyChange("A", mode, None, "J. D.", 40.0), *made[60:]])
    assert decisions(outputs) == verdicts
    told = [(e.data["mode"], e.data["max_scans"]) for e in events(outputs, "decision")]
    assert told == [(mode, 20)] * 3
    (changed,) = events(outputs, "policy_changed")
    assert changed.time == 40.0
    assert changed.data == {"mode": mode, "before": other, "max_scans": 20, "by": "J. D."}


def test_a_budget_of_no_scans_holds_all_back_until_it_is_raised():
    watch = OnsetWatch(OnsetSettings(cooldown_s=0.0), "trial")
    watch.change("auto", 0)
    held = watch.judge(situation(0, [1]))
    assert (held.verdict, held.max_scans) == ("no", 0)
    assert "no more allowed" in held.why and "no more allowed" in watch.state(0.0)["refusal"]
    watch.change("auto", 1)
    assert watch.state(1800.0)["refusal"] == ""
    assert watch.judge(situation(1, [1])).verdict == "ask", "what was held back is still due"
    state = watch.state(1800.0)
    assert (state["extra_scans"], state["max_scans"], state["max_scans_per_hour"]) == (1, 1, 2)
    assert "not finished" in state["refusal"]


def test_what_was_met_while_it_was_off_may_ask_once_it_is_on():
    watch = OnsetWatch(OnsetSettings(mode="off", cooldown_s=0.0), "trial")
    assert [watch.judge(situation(k, [1])).verdict for k in (0, 1)] == ["no", "no"]
    watch.change("off", 5)
    assert watch.judge(situation(2, [1])).verdict == "no"
    watch.change("auto", None)
    assert watch.judge(situation(3, [1])).verdict == "ask"


def test_what_was_asked_about_is_not_asked_again_by_switching_off_and_on():
    watch = OnsetWatch(OnsetSettings(when=("closure",), cooldown_s=0.0), "trial")
    far = {"closure": 0.5, "coulometry_um": 5.0}
    asked = watch.judge(situation(0, **far))
    assert asked.verdict == "ask"
    watch.reply(ScanReply(asked.request.id, "refused"))
    for mode in ("off", "auto"):
        watch.change(mode, None)
        assert watch.judge(situation(1, **far)).verdict == "no"


def suggested(**changes):
    session = Session(settings(onset={"mode": "suggest"}, **changes))
    outputs = fed(session, experiment(2))
    (event,) = events(outputs, "scan_suggested")
    return session, event.data["id"]


def test_off_closes_what_waits_and_auto_leaves_it():
    session, identity = suggested()
    outputs = session.feed(PolicyChange("A", "off"))
    assert [event.kind for event in outputs] == ["policy_changed", "suggestion_closed"]
    assert outputs[1].data == {"id": identity, "why": "the policy was switched off"}
    session, identity = suggested()
    assert [event.kind for event in session.feed(PolicyChange("A", "auto"))] == ["policy_changed"]
    (request, _) = session.feed(OperatorRequest("A", suggestion=identity))
    assert request.id == identity


def test_a_policy_is_that_of_its_own_cell():
    session = Session(settings("A", "B"))
    session.feed(PolicyChange("B", "off", 3))
    assert session.policies["A"]["mode"] == "auto" and session.policies["A"]["max_scans"] == 20
    assert session.policies["B"]["mode"] == "off" and session.policies["B"]["max_scans"] == 3


# --- words ----------------------------------------------------------------------------------------


def test_the_operators_reason_goes_with_the_request():
    session = Session(settings())
    request, event = session.feed(OperatorRequest("A", why="a step in the current", by="J. D."))
    assert isinstance(request, ScanRequest)
    words = {"asked_by": "operator", "why": "a step in the current", "by": "J. D."}
    assert request.evidence == event.data["evidence"] == words
    plain, _ = session.feed(OperatorRequest("A"))
    assert plain.evidence == {"asked_by": "operator"}


def test_the_answer_to_a_suggestion_may_have_a_reason():
    session, identity = suggested()
    request, _ = session.feed(OperatorRequest("A", suggestion=identity, why="go on", by="J. D."))
    assert request.evidence["rule"] == "new_pits"
    assert (request.evidence["why"], request.evidence["by"]) == ("go on", "J. D.")
    session, identity = suggested()
    no = OperatorRequest("A", suggestion=identity, accepted=False, why="no beam")
    (closed,) = session.feed(no)
    assert closed.data["why"] == "declined by the operator: no beam"


def test_notes_are_events_of_their_cell_or_of_none():
    session = Session(settings())
    (note,) = session.feed(OperatorNote("A", "electrolyte refilled", "J. D.", 1, 3600.0))
    assert (note.kind, note.cell, note.time) == ("note", "A", 3600.0)
    assert note.data == {"text": "electrolyte refilled", "by": "J. D.", "scan": 1}
    (general,) = session.feed(OperatorNote("", "shutter open"))
    assert (general.cell, general.number) == ("", note.number + 1)


def test_what_there_is_nothing_to_do_about_is_said_and_counted():
    session = Session(settings())
    wrong = [
        OperatorNote("Z", "x"), PolicyChange("Z", "off"), PolicyChange("", "off"),
        OperatorRequest("", "manual"), Acknowledgement("A", 7), Acknowledgement("Z", 7),
    ]  # fmt: skip
    told = [event.data["bad_kind"] for event in fed(session, wrong)]
    assert told == ["unknown_cell", "unknown_cell", "unknown_cell", "no_alarm"]
    assert session._out.bad["operator"] == {"unknown_cell": 5, "no_alarm": 1}


# --- alarms ---------------------------------------------------------------------------------------


def test_an_alarm_is_acknowledged_once_and_by_its_own_cell():
    session = Session(settings("A", "B"))
    first, *rest = scan_records(0, order=range(20, 90))
    (alarm,) = events(fed(session, [first, *rest]), "alarm")
    wrong_cell = session.feed(Acknowledgement("B", alarm.number))
    assert events(wrong_cell, "bad_message")
    (seen,) = session.feed(Acknowledgement("A", alarm.number, "J. D.", 90.0))
    assert (seen.kind, seen.cell, seen.time) == ("alarm_acknowledged", "A", 90.0)
    assert seen.data == {"alarm": alarm.number, "by": "J. D.", "text": alarm.data["text"]}
    (again,) = session.feed(Acknowledgement("A", alarm.number))
    assert again.data["bad_kind"] == "no_alarm"


def test_alarms_that_nobody_looks_at_stay_bounded():
    alarms = Alarms()
    for number in range(1, REMEMBERED + 11):
        alarms.raised(Event(number, "alarm", "A", 0.0, {"text": "x"}))
    with pytest.raises(BadMessage):
        alarms.acknowledge("A", 10)
    assert alarms.acknowledge("A", 11).number == 11


# --- cycler ---------------------------------------------------------------------------------------


def test_points_carry_the_charge_and_the_reference_its_own():
    """The current of the experiment is known, so is the charge at any time."""
    session = Session(settings())
    points, finals = [], []
    for record in experiment():
        outputs = session.feed(record)
        points += session.points
        finals += [o for o in outputs if isinstance(o, ScanResult) and not o.provisional]
    documents = cycler_documents(3600.0)[2:]
    assert [p.reading.time for p in points] == [d.doc["time"] for d in documents]
    charges = [-d.doc["data"]["vmp_charge"] for d in documents]
    assert [p.stripped_mAh for p in points] == pytest.approx(charges)
    reference = session.reference_charges_mAh["A"]
    times = [d.doc["time"] for d in documents]
    assert reference == pytest.approx(np.interp(finals[0].start.time, times, charges))
    at_middle = np.interp(finals[1].start.time, times, charges)
    assert finals[1].summary["charge_mAh"] == pytest.approx(at_middle - reference, rel=1e-6)


def test_a_reading_that_was_taken_back_is_told_again_by_those_that_follow():
    session = Session(settings())
    documents = cycler_documents(600.0)
    ahead = replace(documents[5], doc={**documents[5].doc})
    stamps = dict.fromkeys(ahead.doc["timestamps"], 9e9)
    ahead = replace(ahead, doc={**ahead.doc, "time": 9e9, "timestamps": stamps})
    told = []
    for document in [*documents[:5], ahead, *documents[5:9]]:
        session.feed(document)
        told.append([point.reading.time for point in session.points])
    assert told == [
        [], [], [0.0], [60.0], [120.0], [9e9], [], [], [180.0, 240.0, 300.0], [360.0]
    ]  # fmt: skip


def test_points_are_those_of_the_last_record_only():
    session = Session(settings())
    for document in cycler_documents(120.0):
        session.feed(document)
    assert len(session.points) == 1
    session.feed(OperatorNote("A", "x"))
    assert session.points == ()


def test_before_a_reference_no_charge_is_counted_from_it():
    session = Session(settings())
    for document in cycler_documents(120.0):
        session.feed(document)
    assert session.reference_charges_mAh == {"A": None}
