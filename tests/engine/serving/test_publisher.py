"""The publisher over real sockets: what a screen written from the contract alone would see."""

import json
import threading

import numpy as np
import pytest
import zmq

from monitor.engine.serving.paged_history import PER_PAGE
from monitor.engine.serving.publisher import Publisher
from monitor.engine.serving.reading_history import MAX_READINGS, Readings
from monitor.engine.serving.scan_history import Scans, names_of
from monitor.errors import PitwatchError, SettingError
from monitor.records import CyclerPoint, CyclerReading, Event, ScanRequest
from tests.engine.screens import FEEDS, Screen, update
from tests.gui.synthetic import PERIOD_S, T0, Cell
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S


def test_the_state_holds_scans_feeds_and_table(bench):
    publisher, screen = bench()
    cell = Cell()
    for scan in range(3):
        update(publisher, cell.result(scan), cycler={"A": CyclerReading("A", T0 + scan, 2.3)})
    state = screen.ask(type="state", since=-1, tag="x")
    assert state["tag"] == "x"
    assert state["feeds"] == FEEDS
    assert state["experiment"]["name"] == "demo"
    shown = state["cells"]["A"]
    assert [scan["scan"] for scan in shown["scans"]] == [0, 1, 2]
    assert shown["scans"][1]["shape"] == [120, 160]
    assert "cumulative" in shown["scans"][1]["maps"]
    assert shown["scans"][1]["pit_count"] == len(cell.result(1).pits) > 0
    assert shown["table"][0]["charge_mAh_cm2"] == pytest.approx(0.55)
    assert shown["cycler"]["potential_V"] == 2.3
    assert shown["cycler"]["current_mA"] is None
    assert shown["cycler_points"] == 3
    assert shown["next_scan_time"] == T0 + 3 * PERIOD_S
    assert shown["time"] == cell.start(2).stop_time


def test_an_unchanged_state_says_so_and_carries_only_what_moves(bench):
    publisher, screen = bench()
    update(publisher, Cell().result(0))
    first = screen.ask(type="state", since=-1)
    running = {
        "A": {"scan": 1, "received": 5, "slices": 60, "reason": "periodic", "start_time": T0}
    }
    update(publisher, running=running)
    second = screen.ask(type="state", since=first["version"], engine=first["engine"])
    assert second["unchanged"] is True
    assert second["cells"]["A"]["running"]["received"] == 5
    assert "scans" not in second["cells"]["A"]
    other = screen.ask(type="state", since=first["version"], engine="another")
    assert "unchanged" not in other
    update(publisher, Event(1, "gap", "A", T0, {"frames": 3}))
    third = screen.ask(type="state", since=second["version"], engine=first["engine"])
    assert [event["type"] for event in third["events"]] == ["gap"]
    assert third["version"] > second["version"]


def test_changes_bring_only_the_scans_that_are_newer(bench):
    publisher, screen = bench()
    cell = Cell()
    update(publisher, cell.result(0), cell.result(1, provisional=True))
    first = screen.ask(type="state", since=3, engine="another", changes=True)
    assert first["changes"] is False
    assert [scan["scan"] for scan in first["cells"]["A"]["scans"]] == [0, 1]
    since = {"since": first["version"], "engine": first["engine"]}
    update(publisher, cell.result(1), cell.result(2, provisional=True))
    second = screen.ask(type="state", changes=True, **since)
    assert second["changes"] is True
    told = second["cells"]["A"]["scans"]
    assert [(scan["scan"], scan["provisional"]) for scan in told] == [(1, False), (2, True)]
    whole = screen.ask(type="state", **since)
    assert whole["changes"] is False
    assert whole["cells"]["A"]["scans"][1:] == told
    assert whole["cells"]["A"]["table"] == second["cells"]["A"]["table"]


def test_status_versions_grow_by_one_and_the_heart_beats(bench):
    publisher, screen = bench()
    screen.status("heartbeat")
    for n in range(50):
        update(publisher, Event(n, "scan_progress", "A", T0 + n, {"received": n}))
    update(publisher, Cell().result(0), Event(50, "scan_complete", "A", T0, {"scan": 0}))
    seen = screen.status("scan_complete")
    versions = [message["version"] for message in seen]
    assert versions == list(range(versions[0], versions[0] + len(versions)))
    assert [m["received"] for m in seen if m["type"] == "scan_progress"] == list(range(50))
    assert screen.status("heartbeat")[-1]["feeds"] == FEEDS


def test_maps_are_cut_and_thinned(bench):
    publisher, screen = bench()
    result = Cell().result(2)
    update(publisher, result)
    header, whole = screen.ask(type="map", cell="A", scan=2, name="height")
    np.testing.assert_array_equal(whole, result.maps["height"])
    assert (header["units"], header["step"], header["window"]) == ("µm", 1, [0, 120, 0, 160])
    header, part = screen.ask(
        type="map", cell="A", scan=2, name="height", window=[10, 110, 20, 500], shape=[30, 50]
    )
    assert (header["step"], header["window"]) == (4, [10, 110, 20, 160])
    np.testing.assert_array_equal(part, result.maps["height"][10:110:4, 20:160:4])
    header, labels = screen.ask(type="map", cell="A", scan=None, name="pit_labels")
    assert header["dtype"] == "int32"
    np.testing.assert_array_equal(labels, result.pit_labels)
    header, _ = screen.ask(type="map", cell="A", scan=2, name="cumulative")
    assert header["units"] == "mA/cm2"


def test_a_provisional_result_is_replaced(bench):
    publisher, screen = bench()
    cell = Cell()
    update(publisher, cell.result(1, provisional=True))
    assert screen.ask(type="map", cell="A", scan=None, name="height")[0]["provisional"] is True
    assert "no map removal" in screen.ask(type="map", cell="A", scan=1, name="removal")["why"]
    update(publisher, cell.result(1))
    assert screen.ask(type="map", cell="A", scan=1, name="removal")[0]["provisional"] is False
    state = screen.ask(type="state", since=-1)
    assert len(state["cells"]["A"]["scans"]) == 1


def test_old_maps_leave_memory_and_are_read_from_disk(bench):
    cell = Cell()
    results = {scan: cell.result(scan) for scan in range(4)}
    asked = []

    def stored(name, scan, which):
        asked.append((name, scan, which))
        return results[scan].maps[which] if scan else None

    one = sum(array.nbytes for array in results[1].maps.values()) + results[1].pit_labels.nbytes
    table = {"results": {"memory_MB": 2.2 * one / 1e6}}
    publisher, screen = bench(table, stored_map=stored)
    update(publisher, *results.values())
    for scan in (3, 2):
        screen.ask(type="map", cell="A", scan=scan, name="removal")
    assert asked == []
    _, back = screen.ask(type="map", cell="A", scan=1, name="removal")
    assert asked == [("A", 1, "removal")]
    np.testing.assert_array_equal(back, results[1].maps["removal"])
    assert "not on disk" in screen.ask(type="map", cell="A", scan=0, name="removal")["why"]


@pytest.mark.parametrize("on_disk", [True, False])
def test_what_memory_is_short_of_leaves_it_when_the_next_scan_begins(bench, on_disk):
    results = {scan: Cell().result(scan) for scan in range(2)}
    asked = []

    def stored(name, scan, which):
        asked.append(scan)
        return results[scan].maps[which]

    table = {"results": {"memory_MB": 0.001}}
    publisher, screen = bench(table, stored_map=stored if on_disk else None)
    update(publisher, *results.values())
    question = {"type": "map", "cell": "A", "scan": 1, "name": "removal"}
    running = {"scan": 2, "reason": "", "start_time": T0, "received": 0, "slices": 9}
    for now in ({"A": None}, {"A": running}, {"A": {**running, "received": 3}}):
        update(publisher, running=now)
        _, values = screen.ask(**question)
        np.testing.assert_array_equal(values, results[1].maps["removal"])
    assert asked == ([1, 1] if on_disk else [])


def test_a_scan_that_is_not_final_stays_in_memory_when_another_begins(bench):
    result = Cell().result(1, provisional=True)
    publisher, screen = bench({"results": {"memory_MB": 0.001}}, stored_map=lambda *asked: None)
    update(publisher, result)
    running = {"scan": 2, "reason": "", "start_time": T0, "received": 0, "slices": 9}
    update(publisher, running={"A": running})
    assert screen.ask(type="map", cell="A", scan=1, name="height")[0]["type"] == "map"


def test_pits_sections_and_readings_are_served(bench):
    cell = Cell()
    cuts = {5: cell.section(1, "y", 5)}
    publisher, screen = bench(section=lambda name, scan, axis, index: cuts[index])
    readings = [CyclerReading("A", T0 + n, 2.0 + n) for n in range(10)]
    for reading in readings:
        update(publisher, cycler={"A": reading})
        update(publisher, cycler={"A": reading})
    result = cell.result(1)
    update(publisher, result)
    columns = screen.ask(type="pits", cell="A", scan=1)["columns"]
    assert columns["depth_max_um"] == pytest.approx([pit.depth_max for pit in result.pits])
    header, cut = screen.ask(type="section", cell="A", scan=None, axis="y", index=5)
    assert header["dtype"] == "uint16"
    np.testing.assert_array_equal(cut, cuts[5])
    assert screen.ask(type="section", cell="A", scan=None, axis="y", index=6)["type"] == "error"
    columns = screen.ask(type="cycler", cell="A", max_points=100)["columns"]
    assert columns["time"] == [reading.time for reading in readings]
    header, rows = screen.ask(type="cycler", cell="A", max_points=100, rows=True)
    assert header["names"] == list(columns) and rows.dtype == np.float64
    np.testing.assert_array_equal(rows, np.array([*columns.values()], np.float64))
    thinned = screen.ask(type="cycler", cell="A", max_points=4)["columns"]["time"]
    assert len(thinned) == 4
    assert thinned[-1] == readings[-1].time


def test_a_slow_disk_holds_up_neither_maps_nor_heartbeats(bench):
    begun, go_on = threading.Event(), threading.Event()

    def slow_section(cell, scan, axis, index):
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return np.ones((3, 4), np.uint8)

    publisher, screen = bench(section=slow_section)
    update(publisher, Cell().result(0))
    screen.dealer.send_json({"type": "section", "cell": "A", "scan": 0, "axis": "y", "index": 1})
    assert begun.wait(PATIENCE_S)
    header, _ = screen.ask(type="map", cell="A", scan=0, name="height")
    assert header["type"] == "map"
    screen.status("heartbeat")
    screen.status("heartbeat")
    go_on.set()
    assert screen.dealer.poll(PATIENCE_MS)
    assert json.loads(screen.dealer.recv_multipart()[0])["type"] == "section"


def test_what_cannot_be_answered_gets_a_reason(bench):
    _, screen = bench()
    unknown = screen.ask(type="volume", tag="t")
    assert (unknown["type"], unknown["tag"]) == ("error", "t")
    assert "expected A" in screen.ask(type="map", cell="Z", scan=0, name="height", tag="t")["why"]
    assert "any scan" in screen.ask(type="map", cell="A", scan=None, name="height")["why"]
    no_slices = screen.ask(type="section", cell="A", scan=0, axis="y", index=1)
    assert "not recorded" in no_slices["why"]
    screen.dealer.send_multipart([b"\xff", b"x", b"y"])
    assert screen.dealer.poll(PATIENCE_MS)
    assert json.loads(screen.dealer.recv())["type"] == "error"


def test_an_operator_request_reaches_the_engine(bench):
    asked, arrived = [], threading.Event()

    def take(order):
        asked.append(order)
        arrived.set()

    publisher, screen = bench(on_operator=take)
    update(publisher, Cell().result(2))
    reply = screen.ask(type="request_scan", cell="A", reason="manual")
    assert reply["status"] == "sent"
    assert arrived.wait(PATIENCE_S)
    assert (asked[0].cell, asked[0].reason) == ("A", "manual")
    assert asked[0].time == Cell().start(2).stop_time
    refused = screen.ask(type="request_scan", cell="Q")
    assert refused["status"] == "refused"
    assert len(asked) == 1


def test_without_an_acquisition_an_extra_scan_is_refused(bench):
    _, screen = bench({"requests": {"backend": "none"}})
    reply = screen.ask(type="request_scan", cell="A")
    assert reply["status"] == "refused"
    assert "requests.backend" in reply["why"]


def test_the_fate_of_a_request_is_followed_to_its_scan(bench):
    publisher, screen = bench()
    update(publisher, ScanRequest("r1", "A", "pit_onset", 1, {"pits": 2}))
    update(publisher, Event(1, "scan_reply", "A", T0, {"id": "r1", "status": "accepted"}))

    def state_of():
        return screen.ask(type="state", since=-1)["cells"]["A"]["requests"][0]

    assert state_of()["status"] == "accepted"
    update(publisher, Cell().result(2, reason="extra", request="r1"))
    assert state_of() == {
        "id": "r1", "reason": "pit_onset", "status": "done", "why": "", "scan": 2, "after_scan": 1
    }  # fmt: skip


@pytest.mark.parametrize("error", [SystemExit("gone"), ZeroDivisionError("division by zero")])
def test_a_thread_that_serves_goes_on_after_whatever_was_raised(bench, monkeypatch, error):
    told, turn = [], Publisher._turn

    def failing(self, poller):
        if not told:
            raise error
        turn(self, poller)

    monkeypatch.setattr(Publisher, "_turn", failing)
    _, screen = bench(on_failure=told.append)
    assert screen.ask(type="state")["type"] == "state"
    assert told == [error]


def test_an_address_in_use_is_one_clear_line(bench):
    publisher, _ = bench()
    with pytest.raises(PitwatchError, match=r"results\.pull: tcp.* is in use; stop") as caught:
        bench({"results": {"pull": publisher.pull_address}})
    assert "\n" not in str(caught.value)


def test_other_machines_are_not_served_unasked(bench):
    with pytest.raises(SettingError, match="ssh tunnel"):
        bench({"results": {"pull": "tcp://0.0.0.0:5611"}})


def test_readings_stay_bounded_and_keep_their_span():
    readings = Readings()
    for n in range(MAX_READINGS + 10):
        readings.add(CyclerReading("A", float(n)))
    readings.add(CyclerReading("A", 3.0))
    assert readings.count == MAX_READINGS // 2 + 10
    times = readings.columns(1000, area_cm2=1.0)["time"]
    assert len(times) <= 1000
    assert times[-1] == MAX_READINGS + 9
    assert (np.diff(times) > 0).all()


def test_a_part_of_the_readings_comes_with_its_neighbours():
    readings = Readings()
    for time in range(1000):
        readings.add(CyclerReading("A", float(time)))

    def times(most, *span):
        return list(readings.columns(most, area_cm2=1.0, span=span)["time"])

    assert times(100, 499.5, 503.0) == [499.0, 500.0, 501.0, 502.0, 503.0]
    assert times(100, 499.0, 502.5) == [499.0, 500.0, 501.0, 502.0, 503.0]
    assert times(2, 499.5, 503.0) == [500.0, 503.0]
    assert times(100, 997.5, None) == [997.0, 998.0, 999.0]
    assert times(100, None, 1.5) == [0.0, 1.0, 2.0]
    assert times(100, -9.0, -5.0) == [0.0]
    assert times(100, 2000.0, 3000.0) == [999.0]
    assert list(Readings().columns(9, area_cm2=1.0, span=(0.0, 1.0))["time"]) == []


def test_a_point_that_comes_earlier_stands_for_those_after_it():
    readings = Readings()
    for time in (0.0, 60.0, 9e9, 120.0, 180.0):
        readings.add_point(CyclerPoint(CyclerReading("A", time, 2.0), time / 60.0))
    columns = readings.columns(10, area_cm2=0.5, reference_mAh=1.0, capacity_mAh=4.0)
    assert list(columns["time"]) == [0.0, 60.0, 120.0, 180.0]
    assert list(columns["charge_mAh_cm2"]) == [-2.0, 0.0, 2.0, 4.0]
    assert list(columns["soc"]) == [1.0, 0.75, 0.5, 0.25]
    unknown = readings.columns(10, area_cm2=0.5)
    assert np.isnan([unknown["charge_mAh_cm2"], unknown["soc"]]).all()


def test_a_question_that_is_too_large_costs_its_screen_the_connection_only(bench):
    publisher, screen = bench()
    update(publisher, Cell().result(0))
    screen.dealer.send(b"x" * 2**21)
    other = Screen(publisher)
    try:
        assert other.ask(type="state")["type"] == "state"
        large = b'{"type":"note","cell":"A","tag":"t","text":"' + b"x" * 70_000 + b'"}'
        other.dealer.send(large)
        assert other.dealer.poll(PATIENCE_MS)
        refused = json.loads(other.dealer.recv())
        assert "bytes, expected 65536 at most" in refused["why"]
    finally:
        other.close()


def test_a_scan_that_is_kept_is_told_as_it_came():
    kept, cell = Scans("A", 1e9, None), Cell()
    results = [cell.result(number) for number in range(3 * PER_PAGE)]
    for number, result in enumerate(results):
        kept.keep(result, number)
    for result, scan in zip(results, kept.of("A").finals(), strict=True):
        assert scan.start == result.start and scan.start.recovered == result.start.recovered
        assert tuple(scan.pits) == result.pits and scan.provisional is False
        assert scan.names == names_of(result)
    found = kept.find("A", 2)
    assert found.start == results[2].start
    assert kept.map(found, "height") is results[2].maps["height"]


@pytest.mark.parametrize(
    ("request_", "kind"),
    [(b'{"type":"state","tag":"t"}', "state"), (b'{"type":"x"}', "error"), (b"{", "error")],
)
def test_a_req_client_gets_an_answer_or_an_error(bench, request_, kind):
    publisher, screen = bench()
    asking = screen.context.socket(zmq.REQ)
    asking.connect(publisher.pull_address)
    for _ in range(2):
        asking.send(request_)
        assert asking.poll(PATIENCE_MS)
        header = json.loads(asking.recv())
        assert header["type"] == kind
    if kind == "state":
        assert header["tag"] == "t"
    asking.close()


def test_a_req_client_gets_arrays_and_what_comes_from_the_disk_too(bench):
    publisher, screen = bench(stored_map=lambda *_: None)
    update(publisher, Cell().result(0))
    asking = screen.context.socket(zmq.REQ)
    asking.connect(publisher.pull_address)
    asking.send_json({"type": "map", "cell": "A", "scan": None, "name": "height"})
    assert asking.poll(PATIENCE_MS)
    header, array = asking.recv_multipart()
    assert json.loads(header)["type"] == "map"
    assert len(array) > 0
    asking.close()
