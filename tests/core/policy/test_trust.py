"""An automatic request needs a scan that can be trusted: from others the operator chooses."""

import json
from dataclasses import replace

import pytest

from monitor.core.policy.onset import OnsetWatch
from monitor.core.policy.orders import ScanRequests
from monitor.core.policy.trust import untrusted
from monitor.core.watchdog.checks import Usual
from monitor.records import OperatorRequest, ScanReply
from monitor.settings import OnsetSettings, WatchSettings, parse
from tests.core.situations import situation

GOOD = {
    "valid_fraction": 0.98, "registered": True, "shift_doubtful": False, "shift_error_um": 0.2,
    "closure": 1.02, "coulometry_um": 5.0, "averaged_error_um": 0.1, "noise_um": 0.3,
    "cnr": 3.0, "grey_lithium": 100.0, "grey_electrolyte": 200.0,
}  # fmt: skip
WRONG = {
    "valid": {"valid_fraction": 0.2},
    "registration": {"registered": False, "shift_doubtful": True},
    "closure": {"closure": -0.26},
    "noise": {"noise_um": 0.9},
    "grey_levels": {"grey_electrolyte": 130.0},
    "levels_lost": {"valid_fraction": 0.0, "cnr": None},
}


def watch(**settings):
    return OnsetWatch(OnsetSettings(**{"cooldown_s": 0.0} | settings), "trial")


def good(scan, pits=(), **changes):
    return situation(scan, pits, **GOOD | changes)


def past(made):
    """Some scans without pits, so that noise and grey levels are known."""
    for scan in range(4):
        assert made.judge(good(scan)).verdict == "no"
    return made


@pytest.mark.parametrize("condition", WRONG)
def test_a_scan_that_cannot_be_trusted_is_only_suggested(condition):
    made = past(watch())
    decision = made.judge(good(4, [1], **WRONG[condition]))
    assert decision.verdict == "suggest"
    assert set(decision.untrusted) == {condition}
    assert condition in decision.why and "cannot be trusted" in decision.why
    assert decision.request.evidence["untrusted"] == condition
    assert made.budget.extra_scans == 0
    assert json.loads(json.dumps(decision.data()))["untrusted"] == dict(decision.untrusted)


def test_another_limit_for_the_error_of_the_shift_is_that_of_the_watch():
    far = {"shift_error_um": 7.0}
    assert past(watch()).judge(good(4, [1], **far)).verdict == "suggest"
    limits = WatchSettings(max_shift_error_um=9.0)
    made = past(OnsetWatch(OnsetSettings(cooldown_s=0.0), "trial", limits))
    assert made.judge(good(4, [1], **far)).verdict == "ask"


def test_all_that_is_wrong_is_named():
    """20 % valid, unknown shift, closure -0.26."""
    bad = WRONG["valid"] | WRONG["registration"] | WRONG["closure"]
    decision = past(watch()).judge(good(4, [1, 2], **bad))
    assert decision.verdict == "suggest"
    assert set(decision.untrusted) == {"valid", "registration", "closure"}
    assert "20 %" in decision.why and "-0.26" in decision.why


def test_the_next_scan_that_can_be_trusted_asks_by_itself():
    made = past(watch())
    assert made.judge(good(4, [1], **WRONG["valid"])).verdict == "suggest"
    assert made.judge(good(5, [1], **WRONG["valid"])).verdict == "suggest", "still due"
    decision = made.judge(good(6, [1]))
    assert (decision.verdict, decision.untrusted) == ("ask", {})


def test_a_suggestion_that_was_taken_is_not_asked_about_again():
    made = past(watch())
    decision = made.judge(good(4, [1], **WRONG["closure"]))
    made.accept(decision.request, 5.0 * 1800)
    made.reply(ScanReply(decision.request.id, "accepted"))
    answer = replace(good(5, [1]), reason="extra", request=decision.request.id)
    assert made.judge(answer).verdict == "no"
    assert made.judge(good(6, [1])).verdict == "no", "these pits have been asked about"
    assert made.judge(good(7, [])).verdict == made.judge(good(8, [])).verdict == "no"
    assert made.judge(good(9, [1, 2])).verdict == "ask", "a new one has not"


@pytest.mark.parametrize("mode", ["suggest", "off"])
def test_other_modes_do_as_before_and_name_what_is_wrong(mode):
    decision = past(watch(mode=mode)).judge(good(4, [1], **WRONG["valid"]))
    assert decision.verdict == ("suggest" if mode == "suggest" else "no")
    assert set(decision.untrusted) == {"valid"}


def test_what_a_rule_asks_about_does_not_speak_against_it():
    made = past(watch(when=["closure"]))
    assert made.judge(good(4, closure=0.5)).verdict == "ask"
    made = past(watch(when=["closure"]))
    assert made.judge(good(4, closure=0.5, **WRONG["valid"])).verdict == "suggest"


def test_closure_of_a_charge_that_is_not_final_does_not_count():
    for state in ("preliminary", "extrapolated", "none"):
        assert past(watch()).judge(good(4, [1], closure=0.3, charge_state=state)).verdict == "ask"
    assert past(watch()).judge(good(4, [1], closure=0.3, charge_state="final")).untrusted


def test_nothing_is_judged_without_alarms_or_without_numbers():
    off = WatchSettings(enabled=False)
    assert untrusted(GOOD | WRONG["valid"], off, Usual()) == {}
    assert untrusted({}, WatchSettings(), Usual()) == {}
    assert untrusted(GOOD, WatchSettings(), Usual()) == {}


def test_the_same_scans_give_the_same_decisions():
    scans = [good(k, range(1, k), **(WRONG["valid"] if k == 4 else {})) for k in range(7)]
    twice = [[made.judge(scan).data() for scan in scans] for made in (watch(), watch())]
    assert twice[0] == twice[1]
    assert [told["verdict"] for told in twice[0]].count("ask") == 1


# --- what is spent ---


def test_a_request_that_nobody_received_is_not_spent_but_room_is_kept_for_it():
    made = watch(max_scans_per_cell=1)
    asked = made.judge(situation(0, [1]))
    assert asked.verdict == "ask"
    assert (made.budget.spent, made.budget.extra_scans) == (0, 1)
    assert made.state(0.0)["unanswered"] == 1
    made.reply(ScanReply(asked.request.id, "accepted"))
    assert (made.budget.spent, made.state(0.0)["unanswered"]) == (1, 0)


@pytest.mark.parametrize("status", ["running", "done"])
def test_any_answer_that_is_no_refusal_spends_it(status):
    made = watch()
    asked = made.judge(situation(0, [1]))
    made.reply(ScanReply(asked.request.id, status))
    assert made.budget.spent == 1


def test_the_scan_itself_spends_it_and_a_refusal_gives_it_back():
    made = watch()
    asked = made.judge(situation(0, [1]))
    made.judge(situation(1, [1], reason="extra", request=asked.request.id))
    assert made.budget.spent == made.budget.extra_scans == 1
    made = watch()
    asked = made.judge(situation(0, [1]))
    made.reply(ScanReply(asked.request.id, "refused"))
    assert made.budget.spent == made.budget.extra_scans == 0


def test_one_pit_is_one_pit():
    requests = ScanRequests(parse({"cells": [{"name": "A"}]}))
    told = []
    for pits in ([1], [1, 2]):
        requests = ScanRequests(parse({"cells": [{"name": "A"}]}))
        now = situation(0, pits)
        decision = requests.judge(now)
        result = _Result(now)
        told += [
            n.data["why"]
            for n in requests.decided(result, decision, now.time)
            if _kind(n) == "pit_onset"
        ]
    assert told == [
        "1 significant pit, the first in this cell", "2 significant pits, the first in this cell"
    ]  # fmt: skip
    assert requests.order(OperatorRequest("A"), 0, 0.0)


def _kind(news):
    return getattr(news, "kind", "")


class _Result:
    """As much of a result as the requests looks at."""

    def __init__(self, now):
        self.pits = now.pits
        self.key = type("Key", (), {"cell": now.cell, "scan": now.scan})
        self.start = type("Start", (), {"stop_time": now.time, "request": now.request})
