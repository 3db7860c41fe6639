"""Events as sentences: every kind of the contract, with a date; unknown kinds as they stand."""

import re
from pathlib import Path

import pytest

from monitor.gui.wording.events import SENTENCES, event_line, scan_of, sentence
from tests.gui.made import T0

CONTRACT = Path(__file__).parents[3] / "docs" / "reference" / "events.md"

TOLD = {
    "scan_started": (
        {"scan": 7, "reason": "extra", "request": "x", "slices": 250},
        "Scan 7 has started (extra, 250 slices), as requested.",
    ),
    "scan_complete": (
        {"scan": 7, "complete": True, "averaged_um": 4.08, "closure": 1.017, "pit_count": 1},
        "Scan 7 is complete: 1 pit, averaged removal 4.1 µm, closure 1.02.",
    ),
    "scan_verdict": (
        {"scan": 7, "slices_to_come": 1, "decision": "ask"},
        "Scan 7 has been evaluated, 1 slice before its end: an extra scan is requested.",
    ),
    "scan_corrected": (
        {"scan": 7, "changed": ["coulometry_um", "closure"]},
        "The charge-based numbers of scan 7 were corrected, because cycler readings now cover it: "
        "Coulometry, Closure.",
    ),
    "pit_onset": (
        {"scan": 3, "why": "1 significant pit, the first in this cell"},
        "Pitting has begun in scan 3: 1 significant pit, the first in this cell.",
    ),
    "scan_request": (
        {
            "id": "x",
            "reason": "manual",
            "after_scan": 3,
            "evidence": {"asked_by": "operator", "by": "Anna", "why": "edge looks odd"},
        },
        "An extra scan was requested after scan 3 by Anna: “edge looks odd”.",
    ),
    "scan_suggested": (
        {"id": "x", "reason": "pit_onset", "after_scan": 3, "evidence": {}},
        "An extra scan is suggested after scan 3 (pit onset). E accepts it, D declines it.",
    ),
    "scan_reply": (
        {"id": "x", "status": "refused", "why": "the shutter is closed", "scan": None},
        "The acquisition has refused the request for a scan: the shutter is closed.",
    ),
    "decision": (
        {"scan": 7, "verdict": "no", "why": "requests are off", "findings": {}},
        "Decision on scan 7: no extra scan: requests are off.",
    ),
    "suggestion_closed": (
        {"id": "x", "why": "declined by the operator"},
        "The suggestion of an extra scan was closed: declined by the operator.",
    ),
    "request_confirmed": ({"scan": 8, "id": "x"}, "Scan 8 confirms the reason"),
    "request_refuted": ({"scan": 8, "id": "x"}, "Scan 8 refutes the reason"),
    "policy_changed": (
        {"mode": "off", "before": "auto", "max_scans": 1, "by": "Anna"},
        "The policy was changed from auto to off, at most 1 extra scan, by Anna.",
    ),
    "note": (
        {"text": "Sample touched?", "by": "Anna", "scan": 2},
        "Note on scan 2 by Anna: Sample touched?",
    ),
    "alarm_acknowledged": (
        {"alarm": 9, "by": "", "text": "12 slices"},
        "An alarm was acknowledged: 12 slices.",
    ),
    "gap": (
        {"stream": "s", "lost": 1, "total": 3, "before": 40},
        "1 message of the slice stream was lost before message 40, 3 in total.",
    ),
    "alarm": (
        {"scan": 7, "text": "a scan is overdue: is the acquisition running?"},
        "Alarm on scan 7: a scan is overdue: is the acquisition running?",
    ),
    "alarm_ended": (
        {"alarm": 9, "scan": None, "text": "readings are received again"},
        "Alarm ended: readings are received again.",
    ),
    "bad_message": (
        {"feed": "slices", "bad_kind": "not_json", "count": 4, "text": "a message is not JSON."},
        "A message from slices cannot be used (not json, 4 of this kind so far): a message is not "
        "JSON.",
    ),
    "connection": (
        {
            "setting": "feeds.slices",
            "address": "tcp://x:1",
            "state": "lost",
            "reason": "silent",
            "text": "feeds.slices: tcp://x:1 has sent nothing for 12 s",
            "since": T0,
            "times": 1,
        },
        "Connection lost: feeds.slices: tcp://x:1 has sent nothing for 12 s.",
    ),
}


def event(kind, **data):
    return {"type": kind, "version": 3, "number": 2, "time": T0, "cell": "A"} | data


@pytest.mark.parametrize("kind", TOLD)
def test_an_event_is_a_sentence(kind):
    data, text = TOLD[kind]
    said = sentence(event(kind, **data))
    assert said.startswith(text)
    assert "None" not in said and "{" not in said and ".." not in said and "_" not in said
    assert event_line(event(kind, **data)) == f"2025-10-09 08:53:20  A  {said}"


def kinds_of_the_contract():
    text = CONTRACT.read_text("utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)} - {"type"}


@pytest.mark.parametrize("kind", sorted(kinds_of_the_contract() | set(TOLD)))
def test_every_kind_of_the_contract_has_a_sentence_also_with_nothing_in_it(kind):
    assert kind in SENTENCES
    assert sentence({"type": kind})
    assert event_line({"type": kind, "time": 0, "cell": "", "version": 1})


def test_a_kind_that_is_not_known_is_told_with_its_facts():
    said = sentence(event("beam_lost", shift_um=2.5, stream="s", whole=True, more={"a": 1}))
    assert said == "Beam lost: shift 2.5 µm, whole yes."


@pytest.mark.parametrize(
    ("data", "scan"),
    [
        ({"scan": 4}, 4),
        ({"scan": None, "after_scan": 3}, 3),
        ({"after_scan": -1}, None),
        ({}, None),
    ],
)
def test_an_event_leads_to_its_scan(data, scan):
    assert scan_of(event("alarm", **data)) == scan
