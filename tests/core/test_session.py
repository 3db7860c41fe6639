"""The whole way: records in, events and maps out."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.core.interface import window
from monitor.core.policy.decision import request_id
from monitor.core.session import Session
from monitor.records import (
    BadInput,
    CyclerDocument,
    Event,
    FeedQuiet,
    OperatorRequest,
    ScanEnd,
    ScanReply,
    ScanRequest,
    ScanResult,
    SliceFrame,
)
from tests.core.experiment import (
    PITS,
    PLATEAU_UM,
    SHAPE,
    cycler_documents,
    experiment,
    removal,
    scan_records,
    settings,
    volume,
)
from tests.core.phantom import cell, columns, noisy, records, start


def run(feed, session=None):
    session = session or Session(settings())
    return [output for record in feed for output in session.feed(record)]


def finals(outputs):
    return [o for o in outputs if isinstance(o, ScanResult) and not o.provisional]


def events(outputs, kind=None):
    return [o for o in outputs if isinstance(o, Event) and kind in (None, o.kind)]


def plain(output):
    """An output as something that compares bit by bit."""
    if not isinstance(output, ScanResult):
        return asdict(output)
    maps = {name: values.tobytes() for name, values in output.maps.items()}
    labels = None if output.pit_labels is None else output.pit_labels.tobytes()
    return (
        output.start, output.provisional, output.complete, output.ledger.tobytes(), maps, labels,
        output.pits, dict(output.summary),
    )  # fmt: skip


def science(outputs):
    """What is said of finished scans, whatever happened on the way."""
    return [plain(o)[1:] for o in finals(outputs)]


@pytest.fixture(scope="module")
def straight():
    return run(experiment())


# --- results --------------------------------------------------------------------------------------


def test_removal_charge_and_closure_are_those_put_in(straight):
    for scan, result in enumerate(finals(straight)):
        summary = result.summary
        true = removal(scan)
        assert result.complete
        if scan == 0:
            continue
        assert summary["averaged_um"] == pytest.approx(true.mean(), abs=0.05)
        assert summary["coulometry_um"] == pytest.approx(true.mean(), rel=1e-3)
        assert summary["closure"] == pytest.approx(1.0, abs=0.02)
        assert summary["complete_um"] == pytest.approx(PLATEAU_UM * scan, abs=0.25)
        error = result.maps["removal"] - true
        assert np.sqrt(np.nanmean(error**2)) < 0.7
        assert abs(np.nanmean(error)) < 0.05


def test_current_maps_carry_the_charge(straight):
    one, two = finals(straight)[1:]
    applied = one.summary["mean_current_mA_cm2"]
    assert np.nanmean(one.maps["cumulative"]) == pytest.approx(applied, rel=1e-4)
    np.testing.assert_array_equal(one.maps["interval"], one.maps["cumulative"])
    assert np.nanmean(two.maps["absolute"]) == pytest.approx(
        two.summary["closure"] * two.summary["mean_current_mA_cm2"], rel=1e-4
    )
    assert not np.array_equal(two.maps["interval"], two.maps["cumulative"])
    assert np.nanmedian(two.maps["running_error"]) < np.nanmedian(one.maps["running_error"])


def test_pits_are_where_they_were_put_and_keep_their_names(straight):
    none, one, two = (result.pits for result in finals(straight))
    assert none == ()
    for pits in (one, two):
        places = sorted((pit.y, pit.x) for pit in pits)
        np.testing.assert_allclose(places, PITS, atol=1.0)
    assert {pit.id for pit in one} == {pit.id for pit in two}
    assert all(pit.first_scan == 1 for pit in two)
    assert two[0].depth_max > one[0].depth_max


def test_onset_comes_once_with_a_request_that_can_be_named_beforehand(straight):
    (onset,) = events(straight, "pit_onset")
    assert onset.data["scan"] == 1
    (request,) = [o for o in straight if isinstance(o, ScanRequest)]
    assert request.id == request_id("trial", "A", "", 1, "pit_onset")
    assert (request.cell, request.reason, request.after_scan) == ("A", "pit_onset", 1)
    assert events(straight, "scan_request")[0].data["id"] == request.id


def test_events_are_numbered_and_carry_the_time_of_the_data(straight):
    said = events(straight)
    assert [event.number for event in said] == list(range(1, len(said) + 1))
    assert [event.time for event in said] == sorted(event.time for event in said)
    assert {event.kind for event in said} == {
        "scan_started", "scan_progress", "scan_verdict", "scan_complete", "decision", "pit_onset",
        "scan_request",
    }  # fmt: skip


def test_provisional_heights_come_while_the_scan_runs():
    # the foil's surface has passed long before the last slices come
    clean = columns(np.full((48, 48), 20.2), np.full((48, 48), 66.0), 160)
    outputs = run(records(start((160, 48, 48)), noisy(clean)))
    (whole,) = finals(outputs)
    last = [o for o in outputs if isinstance(o, ScanResult) and o.provisional][-1]
    assert last.provisional
    both = np.isfinite(last.maps["height"]) & np.isfinite(whole.maps["height"])
    assert both.mean() > 0.9
    np.testing.assert_allclose(last.maps["height"][both], whole.maps["height"][both], atol=1.5)


def test_nothing_shared_can_be_written_to(straight):
    for result in finals(straight):
        for array in (*result.maps.values(), result.ledger):
            assert not array.flags.writeable


def test_float32_slices_say_the_same(straight):
    feed = scan_records(0, data=volume(0, dtype="float32"), dtype="float32")
    error = finals(run(feed))[0].maps["height"] - finals(straight)[0].maps["height"]
    # rounding to whole numbers moves little, and now and then an edge by a voxel
    assert np.percentile(np.abs(error), 99) < 0.1


def test_without_a_cycler_every_map_that_needs_none_is_made(straight):
    feed = [record for record in experiment() if not isinstance(record, CyclerDocument)]
    for result, other in zip(finals(run(feed)), finals(straight), strict=True):
        np.testing.assert_array_equal(result.maps["removal"], other.maps["removal"])
        assert result.summary["closure"] is None
        assert result.summary["charge_mAh_cm2"] is None
        assert "cumulative" not in result.maps
        assert len(result.pits) == len(other.pits)


def test_without_a_voxel_size_nothing_is_in_micrometres():
    result = finals(run(experiment(voxel_um=None)))[-1]
    assert result.summary["averaged_voxel"] == pytest.approx(removal(2).mean(), abs=0.05)
    lengths = [key for key in result.summary if "_um" in key]
    assert all(result.summary[key] is None for key in lengths)
    assert "absolute" not in result.maps
    assert result.summary["closure"] is None


def test_vertical_slices_give_the_same_maps(straight):
    feed = experiment(axis="y")
    for result, other in zip(finals(run(feed)), finals(straight), strict=True):
        assert result.complete
        # the grey levels come from other samples: all but the same
        error = result.maps["height"] - other.maps["height"]
        assert np.percentile(np.abs(error), 99) < 0.05
        assert len(result.pits) == len(other.pits)


# --- determinism ----------------------------------------------------------------------------------


def test_the_same_records_twice_give_the_same_bits(straight):
    assert [plain(o) for o in run(experiment())] == [plain(o) for o in straight]


@hypothesis_settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_slices_changes_nothing(straight, seed):
    rng = np.random.default_rng(seed)
    feed = cycler_documents(3660.0)
    for scan in range(3):
        feed += scan_records(scan, order=rng.permutation(SHAPE[0]))
    assert science(run(feed)) == science(straight)


def test_repeats_change_nothing_and_are_counted(straight):
    session = Session(settings())
    feed = []
    for record in experiment():
        feed += [record, record] if isinstance(record, SliceFrame) else [record]
    assert science(run(feed, session)) == science(straight)
    counts = session.feeds["slices"]
    # the repeat of each scan's last slice finds the scan finished
    assert (counts["repeats"], counts["late"]) == (3 * SHAPE[0] - 3, 3)
    assert (counts["gaps"], counts["bad"]) == (0, {})
    assert counts["messages"] == 3 * (2 * SHAPE[0] + 2)


def test_interleaved_cells_are_as_if_alone(straight):
    alone = science(straight)
    a = experiment(stream="a")
    b = experiment(name="B", stream="b")
    mixed = [record for pair in zip(a, b, strict=True) for record in pair]
    results = finals(run(mixed, Session(settings("A", "B"))))
    for name in "AB":
        mine = [plain(o)[1:] for o in results if o.key.cell == name]
        assert mine == alone


# --- what goes wrong on the way -------------------------------------------------------------------


def without(feed, *frames):
    return [r for r in feed if not (isinstance(r, SliceFrame) and r.frame in frames)]


def test_missing_slices_leave_an_honest_hole():
    feed = without(scan_records(0), 40, 41, 80)
    session = Session(settings())
    outputs = run(feed, session)
    assert finals(outputs) == []  # numbers are missing: they may still come
    outputs += run([FeedQuiet()], session)
    (result,) = finals(outputs)
    assert not result.complete
    assert list(np.flatnonzero(result.ledger == 0)) == [40, 41, 80]
    assert result.summary["slices_missing"] == 3
    assert [event.data["lost"] for event in events(outputs, "gap")] == [2, 1]
    (alarm,) = events(outputs, "alarm")
    assert alarm.data["missing"] == [40, 41, 80]
    assert session.feeds["slices"]["gaps"] == 3
    assert result.summary["valid_fraction"] == 1.0


def test_slices_after_the_end_still_count_until_it_is_quiet(straight):
    begin, *slices, end = scan_records(0)
    late = slices[50:60]
    feed = [begin, *slices[:50], *slices[60:], end, *late]
    session = Session(settings())
    outputs = run(feed, session)
    assert finals(outputs)[0].complete
    assert session.feeds["slices"]["gaps"] == 0
    np.testing.assert_array_equal(
        finals(outputs)[0].maps["height"], finals(straight)[0].maps["height"]
    )


def test_slices_after_the_scan_is_closed_are_late_and_harm_nothing():
    begin, *slices, end = scan_records(0)
    session = Session(settings())
    outputs = run([begin, *slices[:-3], end, FeedQuiet(), *slices[-3:]], session)
    assert len(finals(outputs)) == 1
    assert session.feeds["slices"]["late"] == 3
    assert session.feeds["slices"]["bad"] == {}


@pytest.mark.parametrize("at", [0, 94], ids=["before all slices", "before the last two"])
def test_slices_that_come_after_the_end_that_tells_of_them_are_waited_for(straight, at):
    begin, *slices, end = scan_records(0)
    sent = [begin, *slices[:at], end, *slices[at:]]
    numbered = [replace(r, msg_number=n) for n, r in enumerate(sent)]
    session = Session(settings())
    outputs = run(numbered[: at + 2], session)
    assert finals(outputs) == []
    assert session.outstanding.waiting == ["A"], "silence ends it all the same"
    outputs += run(numbered[at + 2 :], session)
    (result,) = finals(outputs)
    assert result.complete
    assert session.feeds["slices"]["late"] == 0
    np.testing.assert_array_equal(result.maps["height"], finals(straight)[0].maps["height"])


def test_a_scan_of_which_fewer_slices_were_sent_ends_with_its_end():
    session = Session(settings())
    outputs = run(scan_records(0, order=range(90)), session)
    assert [r.complete for r in finals(outputs)] == [False]


def test_scans_of_one_cell_that_interleave_lose_nothing(straight):
    """The last slice of the second comes before the last of the first."""
    first, second = scan_records(0), scan_records(1)
    mixed = [first[0], second[0], *first[1:60], *second[1:97], *first[60:], second[97]]
    numbered = [replace(r, msg_number=n) for n, r in enumerate(mixed)]
    session = Session(settings())
    results = finals(run(numbered, session))
    assert [(r.start.key.scan, r.complete) for r in results] == [(0, True), (1, True)]
    assert session.feeds["slices"]["late"] == 0
    for result, other in zip(results, finals(straight), strict=False):
        np.testing.assert_array_equal(result.maps["height"], other.maps["height"])


def test_a_scan_that_was_left_off_does_not_hold_up_the_next():
    begin, *slices, _ = scan_records(0)
    session = Session(settings())
    sent = [begin, *slices[:60], *scan_records(1)]
    numbered = [replace(r, msg_number=n) for n, r in enumerate(sent)]
    results = finals(run(numbered, session))
    assert [(r.start.key.scan, r.complete) for r in results] == [(0, False), (1, True)]


def test_a_scan_that_lost_its_first_slices_is_measured():
    session = Session(settings())
    outputs = run([*without(scan_records(0), 0, 1, 2), FeedQuiet()], session)
    assert finals(outputs)[0].summary["valid_fraction"] == 1.0


@pytest.mark.parametrize("kept", [20, 40])
def test_memory_that_is_short_costs_precision_and_says_so(straight, kept, monkeypatch):
    """Slices go by a guess of the grey levels as soon as more than `kept` would wait, and too few
    are kept small: then the interface is that of single columns, with its larger error, and
    nothing else changes."""
    monkeypatch.setattr(window, "KEPT", 16)
    feeds = {"reorder_memory_MB": kept * 48 * 48 * 2 / 1e6}
    outputs = run(experiment(), Session(settings(feeds=feeds)))
    (alarm,) = (a.data for a in events(outputs, "alarm") if a.data["condition"] == "refinement")
    assert "column by column" in alarm["text"] and "feeds.reorder_memory_MB" in alarm["text"]
    for result, other in zip(finals(outputs), finals(straight), strict=True):
        assert result.complete
        assert not result.summary["refined"] and other.summary["refined"]
        error = result.maps["height"] - other.maps["height"]
        stated = np.hypot(result.maps["height_error"], other.maps["height_error"])
        assert np.isfinite(error).all()
        assert abs(error.mean()) < 0.03
        assert 0.5 < np.std(error / stated) < 1.5
        assert len(result.pits) == len(other.pits)


@pytest.mark.parametrize("kept", [16, 20, 40])
def test_slices_that_cannot_wait_are_kept_small_and_the_interface_is_refined(straight, kept):
    feeds = {"reorder_memory_MB": kept * 48 * 48 * 2 / 1e6}
    outputs = run(experiment(), Session(settings(feeds=feeds)))
    for result, other in zip(finals(outputs), finals(straight), strict=True):
        assert result.complete and result.summary["refined"]
        # the bottom is still that of the first levels' guess
        assert np.abs(result.maps["height"] - other.maps["height"]).max() < 0.1
        assert len(result.pits) == len(other.pits)


@pytest.mark.parametrize("reversed_z", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 2, 3, 4, 7, 16, 40])
def test_heights_are_those_of_the_foil_however_few_slices_may_wait(kept, reversed_z):
    """Also in the first scan, whose slices go by a guess before all layers have come up."""
    layers = ("collector", "lithium", "electrolyte")
    chosen = settings(
        feeds={"reorder_memory_MB": (kept + 0.3) * 48 * 48 * 2 / 1e6},
        cells=(cell(layers=layers[::-1] if reversed_z else layers),),
    )
    records = cycler_documents(3660.0)
    for scan in range(3):
        data = volume(scan)
        records += scan_records(scan, data=data[::-1] if reversed_z else data)
    for scan, result in enumerate(finals(run(records, Session(chosen)))):
        off = result.maps["height"] - (66.0 - removal(scan) - 20.2)
        assert result.summary["refined"] and result.summary["valid_fraction"] == 1.0
        assert abs(off.mean()) < 0.03
        assert np.std(off / result.maps["height_error"]) < 1.5


def test_the_memory_that_an_alarm_asks_for_is_enough(straight, monkeypatch):
    monkeypatch.setattr(window, "KEPT", 16)
    short = {"reorder_memory_MB": 20 * 48 * 48 * 2 / 1e6}
    outputs = run(experiment(), Session(settings(feeds=short)))
    wanted = max(result.summary["refine_memory_MB"] for result in finals(outputs))
    outputs = run(experiment(), Session(settings(feeds={"reorder_memory_MB": wanted})))
    for result, other in zip(finals(outputs), finals(straight), strict=True):
        assert result.summary["refined"] and result.summary["refine_memory_MB"] is None
        # the bottom is still that of the first levels' guess
        assert np.abs(result.maps["height"] - other.maps["height"]).max() < 0.1


@pytest.mark.parametrize("kept", [5, 20, 40])
def test_memory_stays_bounded_where_the_first_slice_never_comes(kept):
    feeds = {"reorder_memory_MB": kept * 48 * 48 * 2 / 1e6}
    session = Session(settings(feeds=feeds))
    for record in without(scan_records(0), 0):
        session.feed(record)
        for scan in session._cells["A"].scans.open:
            assert len(scan._assembly._waiting) <= max(kept, 16) + 1
    (result,) = finals(run([FeedQuiet()], session))
    assert result.summary["valid_fraction"] > 0.8


def test_an_aborted_scan_ends_with_what_it_has():
    begin, *slices, _ = scan_records(1)
    end = ScanEnd("A", 1, "s", slices[29].msg_number + 1, 30)
    outputs = run([*scan_records(0), begin, *slices[:30], end])
    first, second = finals(outputs)
    assert first.complete
    assert not second.complete
    assert int(second.ledger.sum()) == 30
    assert np.isnan(second.maps["height"]).all()
    assert second.summary["averaged_um"] is None
    json_ready(second.summary)


def test_a_scan_without_any_slice_says_so():
    begin, *_ = scan_records(0)
    outputs = run([begin, ScanEnd("A", 0, "s", 1, 0)])
    assert finals(outputs) == []
    assert "no slice" in events(outputs, "alarm")[0].data["text"]


def test_the_next_scan_goes_on_after_an_end_that_was_lost(straight):
    feed = [r for r in experiment() if not isinstance(r, ScanEnd)]
    assert science(run(feed)) == science(straight)
    # slices and end lost: the scan stays open until a younger one of the cell is whole
    feed = [r for r in without(scan_records(0), 90) if not isinstance(r, ScanEnd)]
    results = finals(run([*feed, *scan_records(1)]))
    assert [(r.key.scan, r.complete) for r in results] == [(0, False), (1, True)]


def test_a_restarted_producer_completes_its_scan(straight):
    begin, *slices, end = scan_records(0)
    again = [
        replace(r, stream="s2", msg_number=n) for n, r in enumerate([begin, *slices[40:], end])
    ]
    session = Session(settings())
    outputs = run([begin, *slices[:60], *again], session)
    assert len(events(outputs, "scan_started")) == 1
    (result,) = finals(outputs)
    assert result.complete
    np.testing.assert_array_equal(result.maps["height"], finals(straight)[0].maps["height"])
    assert session.feeds["slices"]["repeats"] == 20
    assert session.feeds["slices"]["gaps"] == 0


def test_a_finished_scan_that_comes_again_is_not_taken_twice():
    session = Session(settings())
    outputs = run(scan_records(0), session)
    repeated = [replace(r, stream="s2") for r in scan_records(0)]
    assert finals(run(repeated, session)) == []
    assert len(finals(outputs)) == 1
    assert session.feeds["slices"]["bad"] == {}


def test_a_volume_that_changes_its_shape_in_a_scan_is_refused(straight):
    begin, *slices, end = scan_records(0)
    changed = replace(begin, volume_shape=(96, 40, 48), msg_number=51)
    moved = [replace(r, msg_number=r.msg_number + 1) for r in [*slices[50:], end]]
    session = Session(settings())
    outputs = run([begin, *slices[:50], changed, *moved], session)
    assert session.feeds["slices"]["bad"] == {"shape_changed": 1}
    assert finals(outputs)[0].complete
    np.testing.assert_array_equal(
        finals(outputs)[0].maps["height"], finals(straight)[0].maps["height"]
    )


BAD_SLICES = {
    "bad_index": lambda s: replace(s, frame=96),
    "bad_shape": lambda s: replace(s, data=s.data[:, :-1]),
    "bad_type": lambda s: replace(s, data=s.data.astype(np.uint8)),
    "unknown_scan": lambda s: replace(s, scan=9),
}


@pytest.mark.parametrize("kind", BAD_SLICES)
def test_a_slice_that_cannot_be_used_costs_one_message(straight, kind):
    begin, *slices, end = scan_records(0)
    wrong = BAD_SLICES[kind](slices[30])
    session = Session(settings())
    outputs = run([begin, *slices[:30], wrong, *slices[30:], end], session)
    (event,) = events(outputs, "bad_message")
    assert (event.data["feed"], event.data["bad_kind"], event.data["count"]) == ("slices", kind, 1)
    assert "\n" not in event.data["text"]
    assert session.feeds["slices"]["bad"] == {kind: 1}
    np.testing.assert_array_equal(
        finals(outputs)[0].maps["height"], finals(straight)[0].maps["height"]
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_slice_with_a_value_that_is_no_number_costs_itself(value):
    data = volume(0, dtype="float32").copy()
    data[30, 5, 7] = value
    session = Session(settings())
    outputs = run([*scan_records(0, data=data, dtype="float32"), FeedQuiet()], session)
    assert session.feeds["slices"]["bad"] == {"not_finite": 1}
    assert list(np.flatnonzero(finals(outputs)[0].ledger == 0)) == [30]


def test_scans_and_ends_of_nothing_known_are_refused():
    session = Session(settings())
    feed = [
        start(SHAPE, name="Z"),
        ScanEnd("A", 3, "s", 1, 96),
        ScanEnd("Z", 3, "s", 2, 96),
        SliceFrame("Z", 0, "s", 3, 0, np.zeros((48, 48), np.uint16)),
        OperatorRequest("Z"),
        BadInput("slices", "not_json", "slices: header frame is not JSON; dropped"),
        BadInput("documents", "pickled", "documents: payload is a pickle"),
    ]
    outputs = run(feed, session)
    kinds = [event.data["bad_kind"] for event in events(outputs, "bad_message")]
    assert kinds == [
        "unknown_cell", "end_without_start", "end_without_start", "unknown_scan", "unknown_cell",
        "not_json", "pickled",
    ]  # fmt: skip
    assert session.feeds["slices"]["bad"] == {
        "unknown_cell": 1, "end_without_start": 2, "unknown_scan": 1, "not_json": 1
    }  # fmt: skip
    assert session.feeds["documents"]["bad"] == {"pickled": 1}


def test_many_bad_messages_are_all_counted_and_seldom_told():
    session = Session(settings())
    outputs = run([BadInput("slices", "not_json", "text")] * 100, session)
    told = [event.data["count"] for event in events(outputs, "bad_message")]
    assert told == [1, 2, 4, 8, 16, 32, 64]
    assert session.feeds["slices"]["bad"] == {"not_json": 100}


def test_a_reading_out_of_order_costs_itself_even_in_a_page():
    documents = cycler_documents(600.0)
    times = [60.0, 120.0, 30.0, 180.0]
    page = {
        "descriptor": "d-A",
        "time": times,
        "data": {"vmp_current": [-0.1] * 4},
        "timestamps": {"vmp_current": times},
    }
    session = Session(settings())
    run([*documents[:2], CyclerDocument("event_page", page)], session)
    assert session.feeds["documents"]["bad"] == {"out_of_order": 1}
    assert session.feeds["documents"]["readings"] == 4
    assert session.cycler["A"].time == 180.0


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 7), (60, 2, 3), (40, 5, 1), (60, 9, 9)])
@pytest.mark.parametrize("axis", ["z", "y"])
@pytest.mark.parametrize("voxel", [1.0, None])
def test_a_volume_too_small_for_anything_ends_in_an_alarm_at_worst(shape, axis, voxel):
    rng = np.random.default_rng(0)
    session = Session(settings())
    for scan in range(2):
        data = rng.integers(0, 200, shape).astype(np.uint16)
        outputs = run(records(start(shape, scan=scan, axis=axis, voxel_um=voxel), data), session)
        (result,) = finals(outputs)
        json_ready(result.summary)


def test_an_operator_s_wish_becomes_a_request_that_can_be_told_from_the_next():
    session = Session(settings())
    one, two = (run([OperatorRequest("A")], session) for _ in range(2))
    requests = [o for o in [*one, *two] if isinstance(o, ScanRequest)]
    assert len({request.id for request in requests}) == 2
    assert requests[0].reason == "manual"
    again = run([OperatorRequest("A")], Session(settings()))
    assert again[0] == requests[0]
    reply = run([ScanReply(requests[0].id, "accepted", scan=1)], session)
    assert reply[0].kind == "scan_reply"
    assert reply[0].data["status"] == "accepted"


def test_what_is_under_way_can_be_asked_for():
    session = Session(settings())
    begin, *slices, _ = scan_records(0)
    assert session.running == {"A": None}
    run([begin, *slices[:10]], session)
    assert session.running["A"]["received"] == 10
    assert session.running["A"]["slices"] == SHAPE[0]
    json_ready(session.feeds)
    assert not session.outstanding.waiting


def json_ready(value):
    json.dumps(value, allow_nan=False)


def test_silence_of_one_cell_ends_only_its_own_scans():
    both = settings("A", "B")
    holed = without(scan_records(0), 0, 1, 2)
    session = Session(both)
    run(holed, session)
    assert session.outstanding.waiting == ["A"]
    assert not finals(run([FeedQuiet(cell="B")], session))
    assert len(finals(run([FeedQuiet(cell="A")], session))) == 1
    assert session.outstanding.waiting == []


def test_a_scan_whose_end_was_not_heard_is_finished_when_its_cell_is_given_up():
    *begun, _ = scan_records(0)
    session = Session(settings())
    run(begun[:-5], session)
    assert session.outstanding.unfinished == ["A"] and session.outstanding.waiting == []
    assert not finals(run([FeedQuiet(cell="A")], session))
    (result,) = finals(run([FeedQuiet(cell="A", given_up=True)], session))
    assert not result.complete and session.outstanding.unfinished == []


def test_few_measurable_columns_raise_an_alarm():
    data = np.array(volume(0))
    data[:, :22] = data[-20:, :22].mean()
    outputs = run([*scan_records(0, data=data), FeedQuiet()], Session(settings()))
    texts = [o.data["text"] for o in outputs if isinstance(o, Event) and o.kind == "alarm"]
    assert any("% of the columns" in text for text in texts), texts


def test_a_field_partly_outside_the_electrode_is_measured_inside_and_masked_outside():
    y, x = np.mgrid[:48, :48]
    outside = x + y > 70
    scans = []
    for scan in range(2):
        data = np.array(volume(scan))
        data[:, outside] = np.roll(data[-1], 7)[outside]
        data[:, outside] += (
            np.random.default_rng(scan).integers(-9, 10, data[:, outside].shape).astype(data.dtype)
        )
        scans += list(scan_records(scan, data=data))
    outputs = run([*experiment()[:0], *scans], Session(settings()))
    lost = finals(outputs)[1].maps["removal"]
    assert np.isnan(lost[outside]).all()
    inside = x + y < 54
    assert np.isfinite(lost[inside]).mean() > 0.95
    found = lost[inside & np.isfinite(lost)].mean()
    assert found == pytest.approx(removal(1)[inside & np.isfinite(lost)].mean(), rel=0.02)
