"""When an extra scan is asked for: for a reason, within the budget, by a name that a replay gives
again; and what the scan that answers says of it."""

import math
from itertools import pairwise

import pytest

from monitor.core.policy.decision import request_id
from monitor.core.policy.onset import OnsetWatch
from monitor.records import ScanReply
from monitor.settings import OnsetSettings
from tests.core.situations import pit, situation


def policy(**settings):
    return OnsetWatch(OnsetSettings(**settings), "trial")


def verdicts(scans, **settings):
    watch = policy(**({"cooldown_s": 0.0} | settings))
    decisions = []
    for scan in scans:
        decisions.append(watch.judge(scan))
        if decisions[-1].request is not None:
            watch.reply(ScanReply(decisions[-1].request.id, "refused"))
    return [decision.verdict for decision in decisions]


def test_pitting_begins_once_and_is_asked_about_once():
    watch = policy()
    counts = [0, 0, 3, 5, 5, 5]
    decisions = [watch.judge(situation(k, range(1, n + 1))) for k, n in enumerate(counts)]
    assert [d.onset for d in decisions] == [False, False, True, False, False, False]
    assert [d.verdict for d in decisions] == ["no", "no", "ask", "no", "no", "no"]
    assert all(d.why for d in decisions)


def test_the_request_names_its_reason_and_the_deepest_pit():
    request = policy().judge(situation(1, [1, 2, 3], forecast_depth_um=20.0)).request
    assert (request.cell, request.reason, request.after_scan) == ("A", "pit_onset", 1)
    assert request.evidence == {
        "rule": "new_pits", "new_pits": 3.0, "pit_count": 3, "depth_max_um": 7.0, "x_um": 30.0,
        "y_um": 5.0, "p_value": 1e-9, "forecast_depth_um": 20.0,
    }  # fmt: skip


def test_lengths_are_in_voxels_where_no_voxel_size_is_known():
    evidence = policy().judge(situation(0, [1], unit="voxel")).request.evidence
    assert {"depth_max_voxel", "x_voxel", "y_voxel"} < set(evidence)
    assert not any(key.endswith("_um") for key in evidence)


def test_few_or_small_pits_are_not_yet_enough():
    assert verdicts([situation(k, range(1, n)) for k, n in enumerate((3, 5, 6))], min_pits=5) == [
        "no", "no", "ask"
    ]  # fmt: skip
    small = [situation(0, [1, 2]), situation(1, [1, 2, 3])]
    assert verdicts(small, min_pit_area_um2=200.0) == ["no", "ask"]


def test_switched_off_it_tells_but_does_not_ask():
    decision = policy(mode="off").judge(situation(0, [1]))
    assert decision.onset and decision.request is None
    assert "off" in decision.why


def test_what_is_suggested_is_not_yet_asked_and_costs_nothing():
    watch = policy(mode="suggest")
    decision = watch.judge(situation(0, [1]))
    assert decision.verdict == "suggest"
    assert watch.budget.extra_scans == 0
    watch.accept(decision.request, 60.0)
    assert watch.budget.extra_scans == 1


def test_an_entry_asks_again_only_after_it_was_clear_for_some_scans():
    closures = [0.5, 0.5, 1.0, 0.5, 1.0, 1.0, 0.5]
    scans = [situation(k, closure=c, coulometry_um=5.0) for k, c in enumerate(closures)]
    assert verdicts(scans, when=["closure"], clear_scans=2) == [
        "ask", "no", "no", "no", "no", "no", "ask"
    ]  # fmt: skip
    assert verdicts(scans, when=["closure"], clear_scans=1)[3] == "ask"


def test_rules_joined_by_and_must_all_be_met():
    both = {"when": ["new_pits and closure"]}
    assert verdicts([situation(0, [1], closure=1.0, coulometry_um=5.0)], **both) == ["no"]
    assert verdicts([situation(0, [1], closure=2.0, coulometry_um=5.0)], **both) == ["ask"]


def test_what_is_not_known_meets_no_rule():
    names = ["growth", "current", "depth", "closure", "current_step", "moss_front", "breakthrough"]
    assert verdicts([situation(0), situation(1)], when=names) == ["no", "no"]


@pytest.mark.parametrize(
    ("rule", "before", "now"),
    [
        ("growth", {"pits": [pit(1, 4.0)]}, {"pits": [pit(1, 10.0)]}),
        ("current", {}, {"j_running_p99": 6.0}),
        ("depth", {}, {"forecast_depth_um": 63.0}),
        ("closure", {}, {"closure": 0.7, "coulometry_um": 3.0}),
        ("current_step", {"current_mA_cm2": 0.5}, {"current_mA_cm2": 0.2}),
        ("moss_front", {}, {"front_p99_um": 60.0}),
        ("breakthrough", {}, {"collector_low_h": 3.0}),
    ],
)
def test_each_rule_is_met_by_its_number(rule, before, now):
    scans = [situation(0, before.pop("pits", ()), **before)]
    scans.append(situation(1, now.pop("pits", ()), **now))
    assert verdicts(scans, when=[rule])[-1] == "ask"
    watch = policy(when=[rule])
    found = [watch.judge(scan) for scan in scans][-1].findings[rule]
    assert found.met and found.value > 0 and found.limit > 0
    assert f"limit {found.limit:.3g}" in found.text


def test_a_breakthrough_that_is_far_off_asks_for_nothing():
    far = {"collector_low_h": 4.1, "collector_h": 9.0}
    assert verdicts([situation(0, [1], **far)], when=["breakthrough"]) == ["no"]
    assert verdicts(
        [situation(0, [1], **far)], when=["breakthrough"], least_breakthrough_h=4.1
    ) == ["ask"]


def test_cooldown_quiet_hours_and_a_scan_on_its_way_hold_a_request_back_but_do_not_lose_it():
    pits = [situation(0, [1]), situation(1, []), situation(2, []), situation(3, [9])]
    watch = policy(cooldown_s=3 * 3600.0)
    first = watch.judge(pits[0])
    assert "not finished" not in first.why
    watch.reply(ScanReply(first.request.id, "refused"))
    held = [watch.judge(scan) for scan in pits[1:]][-1]
    assert held.verdict == "no" and "cooldown" in held.why
    assert watch.judge(situation(6, [9])).verdict == "ask"

    night = policy(quiet_hours=["22:00-06:00"])
    assert "quiet" in night.judge(situation(0, [1], time=23 * 3600.0)).why
    assert "quiet" in night.judge(situation(1, [1], time=29 * 3600.0)).why
    assert night.judge(situation(2, [1], time=30 * 3600.0)).verdict == "ask"

    busy = policy(cooldown_s=0.0, clear_scans=1)
    busy.judge(situation(0, [1]))
    busy.judge(situation(1, []))
    assert "not finished" in busy.judge(situation(2, [9])).why


def test_the_budget_is_never_exceeded():
    watch = policy(when=["current"], clear_scans=1, cooldown_s=0.0, max_scans_per_hour=1,
                   max_scans_per_cell=3)  # fmt: skip
    asked = []
    for k in range(60):
        now = situation(k, time=600.0 * k, j_running_p99=9.0 if k % 2 else 0.0)
        decision = watch.judge(now)
        if decision.request is not None:
            asked.append(600.0 * k)
            answer = situation(
                100 + k, time=600.0 * k + 60, reason="extra", request=decision.request.id
            )
            watch.judge(answer)
    assert len(asked) == 3 == watch.budget.extra_scans
    assert min(b - a for a, b in pairwise(asked)) >= 3600.0


def test_dose_counts_every_scan_and_refused_requests_cost_nothing():
    dose = {"dose_per_scan_kGy": 1.0, "max_dose_kGy": 4.0, "cooldown_s": 0.0}
    watch = policy(**dose)
    watch.judge(situation(0, []))
    watch.judge(situation(1, []))
    first = watch.judge(situation(2, [1]))
    assert first.verdict == "ask"
    watch.reply(ScanReply(first.request.id, "failed", "shutter"))
    assert watch.budget.extra_scans == 0
    assert watch.budget.dose_kGy == 3.0
    for scan in (3, 4):
        watch.judge(situation(scan, []))
    assert "kGy" in watch.judge(situation(5, [9])).why


def test_the_extra_scan_confirms_or_refutes_what_led_to_it():
    for pits, confirmed in (([1, 2], True), ([], False)):
        watch = policy()
        asked = watch.judge(situation(0, [1, 2])).request
        answer = watch.judge(situation(1, pits, reason="extra", request=asked.id))
        assert answer.confirmed is confirmed
        again = watch.judge(situation(2, [5, 6]))
        assert again.onset is not confirmed, "a refuted onset has not begun"
    plain = policy(confirm=False)
    asked = plain.judge(situation(0, [1])).request
    assert plain.judge(situation(1, [], reason="extra", request=asked.id)).confirmed is None


def test_decisions_are_json_ready_and_say_every_number():
    data = policy().judge(situation(0, [1], closure=math.nan)).data()
    assert data["verdict"] == "ask" and data["request"]
    assert set(data["findings"]) == {
        "new_pits", "growth", "current", "depth", "closure", "current_step", "moss_front",
        "breakthrough",
    }  # fmt: skip
    assert data["findings"]["closure"]["value"] is None
    assert data["findings"]["new_pits"] == {"met": True, "value": 1.0, "limit": 1.0, "unit": ""}


def test_the_id_of_a_request_follows_from_what_it_asks():
    first, again = (policy().judge(situation(0, [1])).request.id for _ in range(2))
    assert first == again == request_id("trial", "A", "", 0, "pit_onset")
