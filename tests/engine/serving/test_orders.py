"""What operators order and what screens are told of it: policy, notes, alarms, events."""

import threading

import pytest

from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.event_history import MAX_ALARMS, MAX_KEPT, EventHistory, KeptEvent
from monitor.engine.serving.paged_history import PER_PAGE
from monitor.errors import PitwatchError
from monitor.records import Acknowledgement, Event, OperatorNote, OperatorRequest, PolicyChange
from monitor.wire.results.queries import EventsRequest
from tests.engine.screens import FEEDS, update
from tests.gui.synthetic import T0, Cell


@pytest.fixture
def orders_bench(bench):
    """(publisher, screen, what has been ordered), after one scan and an alarm."""
    ordered = []
    publisher, screen = bench({"cells": [{"name": "A"}, {"name": "B"}]}, on_operator=ordered.append)
    alarm = Event(7, "alarm", "A", T0 + 5, {"scan": 2, "text": "3 slices are missing"})
    update(publisher, Cell().result(2), alarm)
    return publisher, screen, ordered


NOW = Cell().start(2).stop_time
ORDERS = [
    ({"type": "request_scan", "cell": "A", "why": "a step", "by": "J. D."},
     OperatorRequest("A", "manual", NOW, "", True, "a step", "J. D.")),
    ({"type": "request_scan", "cell": "A", "suggestion": "s", "accepted": False},
     OperatorRequest("A", "manual", NOW, "s", False)),
    ({"type": "policy", "cell": "A", "mode": "off"}, PolicyChange("A", "off", None, "", NOW)),
    ({"type": "policy", "cell": "B", "mode": "suggest", "max_scans": 3, "by": "J. D."},
     PolicyChange("B", "suggest", 3, "J. D.", 0.0)),
    ({"type": "note", "cell": "A", "text": "Küvette", "by": "J. D.", "scan": 2},
     OperatorNote("A", "Küvette", "J. D.", 2, NOW)),
    ({"type": "note", "cell": "", "text": "shutter"}, OperatorNote("", "shutter", "", None, NOW)),
    ({"type": "acknowledge", "cell": "A", "number": 7}, Acknowledgement("A", 7, "", NOW)),
]  # fmt: skip


@pytest.mark.parametrize(("order", "record"), ORDERS, ids=[o["type"] for o, _ in ORDERS])
def test_an_order_reaches_the_engine_with_the_time_of_the_data(orders_bench, order, record):
    _, screen, ordered = orders_bench
    reply = screen.ask(**order, tag="o")
    assert reply == {
        "type": order["type"], "cell": order["cell"], "tag": "o", "status": "sent", "why": ""
    }  # fmt: skip
    assert ordered == [record]


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ({"type": "request_scan", "cell": "Z"}, "expected A, B"),
        ({"type": "policy", "cell": "", "mode": "off"}, "expected A, B"),
        ({"type": "note", "cell": "Z", "text": "x"}, "expected A, B"),
        ({"type": "acknowledge", "cell": "A", "number": 8}, "alarm 8 is not waiting"),
        ({"type": "acknowledge", "cell": "B", "number": 7}, "alarm 7 is not waiting"),
        ({"type": "acknowledge", "cell": "", "number": 7}, "alarm 7 is not waiting"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(orders_bench, order, why):
    _, screen, ordered = orders_bench
    reply = screen.ask(**order)
    assert (reply["type"], reply["status"]) == (order["type"], "refused")
    assert why in reply["why"] and ordered == []


@pytest.mark.parametrize("mode", ["replay", "recording"])
def test_what_is_over_takes_no_orders(bench, mode):
    ordered = []
    publisher, screen = bench(on_operator=ordered.append, mode=mode)
    update(publisher, Event(7, "alarm", "A", T0, {"text": "x"}))
    why = f"This is a {mode}: nothing can be requested"
    for order, _ in ORDERS:
        reply = screen.ask(**{**order, "cell": "A"})
        assert (reply["status"], reply["why"]) == ("refused", why)
    assert screen.ask(type="state")["may_order"] == why
    assert ordered == []


def test_without_an_acquisition_only_scans_are_refused(bench):
    ordered = []
    publisher, screen = bench({"requests": {"backend": "none"}}, on_operator=ordered.append)
    update(publisher)
    refused = screen.ask(type="request_scan", cell="A")
    assert "requests.backend" in refused["why"]
    assert screen.ask(type="policy", cell="A", mode="off")["status"] == "sent"
    assert screen.ask(type="state")["may_order"] == ""
    assert len(ordered) == 1


def test_what_the_engine_does_not_take_is_refused(bench):
    def full(order):
        raise PitwatchError("100 orders are already waiting")

    publisher, screen = bench(on_operator=full)
    update(publisher)
    reply = screen.ask(type="note", cell="A", text="x")
    assert (reply["status"], reply["why"]) == ("refused", "100 orders are already waiting")


# --- state ----------------------------------------------------------------------------------------


def test_the_state_says_who_may_order_and_what_the_policy_is(orders_bench):
    publisher, screen, _ = orders_bench
    state = screen.ask(type="state")
    assert (state["may_order"], state["role"]) == ("", "operator")
    policy = {"mode": "auto", "max_scans": 20, "extra_scans": 3, "max_scans_per_hour": 2,
              "refusal": "an extra scan has been requested and is not finished"}  # fmt: skip
    publisher.update((), EngineState(feeds=FEEDS, policies={"A": policy}))
    again = screen.ask(type="state", since=state["version"], engine=state["engine"])
    assert again["unchanged"] is True, "a policy moves with time, without any event"
    assert again["cells"]["A"]["policy"] == policy


def test_of_a_recording_the_policy_is_that_of_its_events(bench):
    publisher, screen = bench({"onset": {"mode": "suggest"}}, mode="recording")
    update(publisher)
    before = screen.ask(type="state")["cells"]["A"]["policy"]
    assert (before["mode"], before["max_scans"], before["extra_scans"]) == ("suggest", 20, None)
    changed = {"mode": "off", "before": "suggest", "max_scans": 4, "by": ""}
    update(publisher, Event(1, "policy_changed", "A", T0, changed))
    after = screen.ask(type="state")["cells"]["A"]["policy"]
    assert (after["mode"], after["max_scans"]) == ("off", 4)


def test_alarms_wait_until_they_are_acknowledged(orders_bench):
    publisher, screen, _ = orders_bench
    update(publisher, Event(8, "alarm", "", T0 + 6, {"text": "of no cell"}))
    state = screen.ask(type="state")
    facts = {"number": 7, "time": T0 + 5, "cell": "A", "text": "3 slices are missing", "scan": 2,
             "condition": "", "ended": None}  # fmt: skip
    assert state["cells"]["A"]["alarms"] == [facts]
    assert state["cells"]["B"]["alarms"] == []
    assert [alarm["number"] for alarm in state["alarms"]] == [8]
    seen = {"alarm": 7, "by": "J. D.", "text": "3 slices are missing"}
    update(publisher, Event(9, "alarm_acknowledged", "A", T0 + 7, seen))
    state = screen.ask(type="state", since=state["version"], engine=state["engine"])
    assert state["cells"]["A"]["alarms"] == [] and len(state["alarms"]) == 1
    assert state["events"][-1]["alarm"] == 7
    again = screen.ask(type="acknowledge", cell="A", number=7)
    assert again["status"] == "refused"


def test_only_the_newest_alarms_are_shown(orders_bench):
    publisher, screen, _ = orders_bench
    update(publisher, *(Event(n, "alarm", "A", T0, {"text": str(n)}) for n in range(10, 40)))
    alarms = screen.ask(type="state")["cells"]["A"]["alarms"]
    assert [alarm["number"] for alarm in alarms] == list(range(20, 40))


# --- events ---------------------------------------------------------------------------------------


def test_events_of_hour_thirty_can_all_be_asked_for(orders_bench):
    publisher, screen, _ = orders_bench
    made = [
        Event(10 + n, ("note", "gap", "scan_progress")[n % 3], "AB"[n % 2], T0 + n, {"n": n})
        for n in range(900)
    ]
    update(publisher, *made)
    assert len(screen.ask(type="state")["events"]) == 200
    reply = screen.ask(type="events", limit=1000, tag="e")
    assert (reply["type"], reply["tag"], reply["more"]) == ("events", "e", False)
    numbers = [event["number"] for event in reply["events"]]
    assert numbers == [7, *(e.number for e in made if e.kind != "scan_progress")]
    assert reply["events"][1]["type"] == "note" and reply["events"][1]["time"] == T0


def test_events_are_chosen_by_cell_kind_and_number(orders_bench):
    publisher, screen, _ = orders_bench
    update(
        publisher,
        *(Event(10 + n, "note" if n % 3 else "gap", "AB"[n % 2], T0, {}) for n in range(300)),
    )
    reply = screen.ask(type="events", cell="A", kinds=["gap", "alarm"], limit=10)
    numbers = [event["number"] for event in reply["events"]]
    assert numbers == [10 + n for n in range(0, 300, 6)][-10:] and reply["more"] is True
    older = screen.ask(type="events", cell="A", kinds=["gap", "alarm"], before=numbers[0])
    found = [event["number"] for event in older["events"]]
    assert found == [7, *(10 + n for n in range(0, 300, 6) if 10 + n < numbers[0])]
    assert older["more"] is False
    assert screen.ask(type="events", cell="B", before=10)["events"] == []
    assert "expected A, B" in screen.ask(type="events", cell="Z")["why"]


def test_what_is_kept_is_bounded():
    kept = EventHistory()
    for n in range(1, MAX_KEPT + 101):
        kept.add(KeptEvent(n, n, "alarm", "A", b"{}"), 0.0, {"text": "x"})
    assert MAX_KEPT <= len(kept) < MAX_KEPT + PER_PAGE
    assert len(kept.select(EventsRequest(limit=1000))) == 1001, "one more: there are more"
    assert len(kept.select(EventsRequest(limit=2 * MAX_KEPT))) == len(kept)
    oldest = kept.select(EventsRequest(limit=1000, before=MAX_KEPT + 101 - len(kept)))
    assert oldest == []
    assert len(kept.since(MAX_KEPT + 90)) == 10
    assert not kept.waits("A", MAX_KEPT + 100 - MAX_ALARMS)
    assert kept.waits("A", MAX_KEPT + 101 - MAX_ALARMS)


def test_events_of_damaged_recordings_cost_nothing():
    kept = EventHistory()
    kept.add(KeptEvent(1, 1, "alarm_acknowledged", "A", b"{}"), 0.0, {"alarm": [1]})
    kept.add(KeptEvent(2, None, "scan_request", "A", b"{}"), 0.0, {})
    assert len(kept.select(EventsRequest(before=5))) == 2


def test_events_can_be_asked_for_while_they_come(orders_bench):
    publisher, screen, _ = orders_bench
    stop = threading.Event()

    def write():
        number = 10
        while not stop.is_set():
            update(publisher, Event(number, "gap", "A", T0, {}))
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        replies = [screen.ask(type="events", limit=1000) for _ in range(100)]
    finally:
        stop.set()
        thread.join()
    for reply in replies:
        numbers = [event["number"] for event in reply["events"]]
        assert numbers == sorted(set(numbers))
