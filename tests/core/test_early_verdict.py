"""A scan is judged as soon as no slice to come can change its heights; what it says then, it says
when all its slices have arrived."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.session import Session
from monitor.records import CyclerDocument, FeedQuiet, ScanEnd, ScanRequest, ScanResult, SliceFrame
from tests.core.experiment import cycler_documents, removal, settings
from tests.core.phantom import columns, noisy, records, start
from tests.core.test_session import events, finals, plain, run, without

TALL = (208, 48, 48)
LATE = {"onset": {"early_verdict": False}}
HERE = "tcp://127.0.0.1:5602"


def tall(scan, *, slices=TALL[0], order=None, lost=None, **changes):
    """A scan whose foil ends in its lowest third."""
    begin = start((slices, *TALL[1:]), scan=scan, **changes)
    begin = replace(begin, msg_number=scan * (slices + 2))
    lost = removal(scan) if lost is None else lost
    clean = columns(np.full(TALL[1:], 20.2), 66.0 - lost, slices)
    return records(begin, noisy(clean, noise=10.0, seed=scan), order=order)


def experiment(scans=3, **changes):
    """Three scans, and before each the readings up to its end."""
    documents = cycler_documents(1800.0 * scans + 60)
    made = documents[:2]
    for scan in range(scans):
        until = 1800.0 * (scan + 1)
        made += [d for d in documents[2:] if until - 1800 < d.doc["time"] <= until]
        made += tall(scan, **changes)
    return made


def numbers(result):
    """What was computed of a scan, bit by bit, but for which slices arrived."""
    *_, maps, labels, pits, summary = plain(result)
    left_out = ("slices_missing", "slices_recovered")
    return maps, labels, str(pits), {k: v for k, v in summary.items() if k not in left_out}


def verdicts(outputs):
    """The results by which scans were judged while they ran."""
    return [o for o in outputs if isinstance(o, ScanResult) and o.provisional and o.summary]


@pytest.fixture(scope="module")
def early():
    return run(experiment())


@pytest.fixture(scope="module")
def late():
    return run(experiment(), Session(settings(**LATE)))


def test_verdicts_come_long_before_the_last_slice(early):
    told = events(early, "scan_verdict")
    assert [event.data["scan"] for event in told] == [0, 1, 2]
    for event in told:
        assert event.data["slices_to_come"] > TALL[0] // 4
        complete = next(
            e for e in events(early, "scan_complete") if e.data["scan"] == event.data["scan"]
        )
        assert event.number < complete.number and event.time < complete.time
        assert event.data["pit_count"] == complete.data["pit_count"]


def test_a_verdict_has_the_decision_and_every_number(early):
    verdict = events(early, "scan_verdict")[1]
    (result,) = [r for r in finals(early) if r.key.scan == 1]
    assert verdict.data["decision"] == "ask" and not verdict.data["preliminary"]
    known = {name: value for name, value in result.summary.items() if value is not None}
    assert verdict.data["summary"] == known
    assert verdict.data["averaged_um"] == pytest.approx(removal(1).mean(), abs=0.05)


def test_the_request_leaves_before_the_last_slice(early):
    (request,) = [place for place, o in enumerate(early) if isinstance(o, ScanRequest)]
    complete = early.index(events(early, "scan_complete")[1])
    assert request < complete and early[request].after_scan == 1


def test_what_is_told_early_is_what_is_told_at_the_end(early, late):
    ends = finals(early)
    assert [numbers(one) for one in verdicts(early)] == [numbers(one) for one in ends]
    assert [plain(one) for one in ends] == [plain(one) for one in finals(late)]
    assert events(late, "scan_verdict") == []
    for kind in ("decision", "pit_onset", "scan_request", "scan_complete"):
        both = [[event.data for event in events(told, kind)] for told in (early, late)]
        assert both[0] == both[1]


def test_slices_in_falling_order_are_judged_at_the_end(late):
    outputs = run(experiment(order=range(TALL[0] - 1, -1, -1)))
    assert [plain(one) for one in finals(outputs)] == [plain(one) for one in finals(late)]
    told = events(outputs, "scan_verdict")
    assert [event.data["scan"] for event in told] == [0, 1, 2]
    assert verdicts(outputs) == [] and told[0].data["slices_to_come"] == 0


def disturbed(feed, rng):
    """The records out of order and repeated; some slices come late, because they were asked for."""
    timed = []
    for place, record in enumerate(feed):
        if not isinstance(record, SliceFrame):
            timed.append((float(place), record))
            continue
        chance = rng.random()
        delay = rng.normal(0, 3) if chance < 0.5 else 0.0
        timed.append((place + delay, record))
        if chance > 0.97:
            timed[-1] = (place + rng.exponential(60), replace(record, recovered=True))
        elif chance > 0.9:
            timed.append((place + rng.exponential(40), record))
    begin, end = feed[0], feed[-1]
    middle = [r for _, r in sorted(timed, key=lambda one: one[0]) if r not in (begin, end)]
    return [begin, *middle, end]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_to_slices_the_verdict_stands(seed, late):
    rng = np.random.default_rng(seed)
    documents = [r for r in experiment() if isinstance(r, CyclerDocument)]
    feed = [r for scan in range(3) for r in disturbed(tall(scan, resend=HERE), rng)]
    outputs = run([*documents, *feed])
    ends = {one.key: numbers(one) for one in finals(outputs)}
    assert ends == {one.key: numbers(one) for one in finals(late)}
    assert verdicts(outputs)
    for one in verdicts(outputs):
        assert numbers(one) == ends[one.key]
    assert len(events(outputs, "scan_verdict")) == 3


@pytest.mark.parametrize(("readings_at", "verdict_at"), [(150, 150), (None, 176)])
def test_a_verdict_waits_for_readings_until_half_of_the_slices(readings_at, verdict_at):
    """The scan has settled by slice 144; `readings_at`: how many slices the readings follow."""
    documents = cycler_documents(1860.0)
    first = [d for d in documents if d.name != "event" or d.doc["time"] <= 60.0]
    rest = [d for d in documents if d not in first]
    begin, *slices, end = tall(1, slices=352)
    session = Session(settings())
    run([*first, *tall(0, slices=352), begin], session)
    told = []
    for count, record in enumerate(slices, 1):
        outputs = run([record, *(rest if count == readings_at else ())], session)
        told += [(count, e.data) for e in events(outputs, "scan_verdict")]
    ((count, verdict),) = told
    assert (count, verdict["slices_to_come"]) == (verdict_at, 352 - verdict_at)
    assert verdict["preliminary"] == (readings_at is None)
    outputs = run([end, *(rest if readings_at is None else ())], session)
    corrected = [e.data["scan"] for e in events(outputs, "scan_corrected")]
    assert corrected == ([1] if readings_at is None else [])


def test_without_a_cycler_it_does_not_wait_and_is_corrected_by_readings_that_come():
    session = Session(settings())
    begin, *slices, end = tall(1)
    outputs = run([*tall(0), begin, *slices[:160]], session)
    verdict = events(outputs, "scan_verdict")[-1]
    assert verdict.data["scan"] == 1 and verdict.data["preliminary"]
    outputs = run(cycler_documents(3600.0), session)
    assert [e.data["scan"] for e in events(outputs, "scan_corrected")] == [0, 1]
    assert [one.key.scan for one in finals(outputs)] == [0], "slices of the other are to come"
    (result,) = finals(run([*slices[160:], end], session))
    assert result.summary["charge_state"] == "final" and result.complete
    assert result.summary["coulometry_um"] == pytest.approx(removal(1).mean(), rel=1e-3)


def test_a_scan_behind_one_that_is_not_finished_is_judged_after_it():
    first, second = tall(0, resend=HERE), tall(1, resend=HERE)
    hole = [r for r in first if getattr(r, "frame", None) == 30]
    session = Session(settings())
    outputs = run([*without(first, 30), *second], session)
    assert events(outputs, "scan_verdict") == []
    outputs = run([replace(r, recovered=True) for r in hole], session)
    kinds = [(e.kind, e.data.get("scan")) for e in events(outputs)]
    assert [one for one in kinds if one[0] in ("scan_verdict", "scan_complete")] == [
        ("scan_verdict", 0), ("scan_complete", 0), ("scan_verdict", 1), ("scan_complete", 1),
    ]  # fmt: skip


def test_a_hole_above_the_interface_changes_no_verdict_and_is_told_at_the_end(late):
    session, outputs = Session(settings()), []
    for record in experiment():
        if getattr(record, "frame", None) != 200:
            outputs += run([record, *[FeedQuiet()] * isinstance(record, ScanEnd)], session)
    assert [numbers(one) for one in verdicts(outputs)] == [numbers(one) for one in finals(late)]
    assert [one.summary["slices_missing"] for one in finals(outputs)] == [1, 1, 1]
    assert [e.data["missing"] for e in events(outputs, "alarm")] == [[200]] * 3


def test_a_reference_that_was_cut_after_its_verdict_and_is_made_again_is_none():
    cut = [r for r in tall(0) if not isinstance(r, ScanEnd)][:170]
    again = [replace(r, msg_number=r.msg_number + 500) for r in tall(0, lost=0.5)]
    again[0] = replace(again[0], start_time=900.0, stop_time=1000.0)
    outputs = {}
    for name, changes in (("early", {}), ("late", LATE)):
        session = Session(settings(**changes))
        outputs[name] = run([*cut, *again, FeedQuiet(given_up=True), *tall(2)], session)
    assert len(finals(outputs["early"])) == 3
    assert events(outputs["early"], "scan_verdict")[0].data["slices_to_come"] > 0
    assert [numbers(o) for o in finals(outputs["early"])] == [
        numbers(o) for o in finals(outputs["late"])
    ]


@pytest.mark.parametrize("beyond", ["air", "lithium-like", "collector"])
def test_a_field_that_leaves_the_electrode_is_judged_early_too(beyond):
    """A round cell in a square field: corners in which a layer never comes up."""
    y, x = np.mgrid[: TALL[1], : TALL[2]]
    outside = np.hypot(y - 23.5, x - 23.5) > 21
    outputs = {}
    for name, changes in (("early", {}), ("late", LATE)):
        session, told = Session(settings(**changes)), []
        for scan in range(2):
            clean = columns(np.full(TALL[1:], 20.2), 66.0 - removal(scan), TALL[0])
            grey = {"air": 20.0, "lithium-like": clean[40, 0, 0], "collector": clean[0, 0, 0]}
            clean[:, outside] = grey[beyond]
            begin = replace(start(TALL, scan=scan), msg_number=scan * (TALL[0] + 2))
            told += run(records(begin, noisy(clean, noise=10.0, seed=scan)), session)
        outputs[name] = told
    told = events(outputs["early"], "scan_verdict")
    assert [event.data["slices_to_come"] > 20 for event in told] == [True, True]
    for one, other in zip(finals(outputs["early"]), finals(outputs["late"]), strict=True):
        assert numbers(one) == numbers(other)
        assert np.isnan(one.maps["height"][outside]).all()
        assert np.isfinite(one.maps["height"][np.hypot(y - 23.5, x - 23.5) < 12]).all()
