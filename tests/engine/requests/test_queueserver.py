"""The back end against a manager played here, over a real REP socket and a made-up clock."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from monitor.engine.requests import queueserver, queueserver_socket
from monitor.engine.requests.queueserver import QueueServer
from monitor.errors import SettingError
from monitor.records import BadInput, ScanReply, ScanRequest
from monitor.settings import RequestSettings
from tests.engine.peers import BOUND, bound
from tests.helpers.waiting import PATIENCE_S, eventually

REQUEST = ScanRequest("id-1", "A", "pit_onset", 3, {})
TICK_S = 0.2


class Manager:
    """What a RE manager answers, as far as it matters here. Its queue survives a restart."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self.address = "tcp://127.0.0.1:*"
        self.start()
        self.queue: list[dict[str, Any]] = []
        self.running: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.environment, self.locked, self.autostart, self.mute = True, False, False, False
        self.refuses = ""
        self.lost_answers: set[str] = set()
        self.asked: list[str] = []
        self.added: list[dict[str, Any]] = []
        self._uids = itertools.count()

    @property
    def is_up(self) -> bool:
        return self._socket is not None

    def start(self) -> None:
        self._socket = bound(self._context, zmq.REP, self.address)
        self.address = self._socket.last_endpoint.decode()

    def stop(self) -> None:
        """As a kill does it: what ran is in the history with an unknown end, autostart is off."""
        assert self._socket is not None
        self._socket.close(0)
        self._socket = None
        if self.running:
            self.end(
                "unknown", "Plan exit status was lost due to restart of the RE Manager process"
            )
        self.autostart = False

    def close(self) -> None:
        self._context.destroy(linger=0)
        BOUND.clear()

    def run(self) -> None:
        self.running = self.queue.pop(0)

    def end(self, exit_status: str, msg: str = "") -> None:
        item, self.running = self.running, {}
        self.history.append({**item, "result": {"exit_status": exit_status, "msg": msg}})
        if exit_status in ("failed", "aborted", "halted"):
            self.queue.insert(0, {**item, "item_uid": f"uid-{next(self._uids)}"})

    def serve(self) -> None:
        while self._socket is not None and self._socket.poll(0):
            message = json.loads(self._socket.recv())
            self.asked.append(message["method"])
            answer = getattr(self, f"_{message['method']}")(**message["params"])
            if self.mute:
                answer = 5
            if message["method"] in self.lost_answers:  # the manager dies before it can say so
                self.lost_answers.discard(message["method"])
                self.stop()
                return
            self._socket.send_json(answer)

    def _status(self) -> dict[str, Any]:
        content = json.dumps([self.queue, self.running])
        return {
            "manager_state": "idle",
            "worker_environment_exists": self.environment,
            "queue_autostart_enabled": self.autostart,
            "lock": {"queue": self.locked, "environment": False},
            "plan_queue_uid": content,
            "plan_history_uid": len(self.history),
            "running_item_uid": self.running.get("item_uid"),
        }

    def _queue_get(self) -> dict[str, Any]:
        return {"success": True, "msg": "", "items": self.queue, "running_item": self.running}

    def _history_get(self) -> dict[str, Any]:
        return {"success": True, "msg": "", "items": self.history}

    def _queue_item_add(self, item: dict[str, Any], **params: Any) -> dict[str, Any]:
        if self.refuses:
            return {"success": False, "msg": self.refuses}
        self.added.append({"item": item, **params})
        self.queue.insert(0, {**item, "item_uid": f"uid-{next(self._uids)}"})
        return {"success": True, "msg": ""}

    def _queue_item_remove(self, uid: str) -> dict[str, Any]:
        self.queue = [item for item in self.queue if item["item_uid"] != uid]
        return {"success": True, "msg": ""}

    def _queue_autostart(self, enable: bool) -> dict[str, Any]:
        self.autostart = enable
        return {"success": True, "msg": ""}


class Bench:
    """Back end and manager in turns, on a clock of their own."""

    def __init__(self, **settings: Any) -> None:
        self.manager = Manager()
        self.now = 100.0
        self._settings = RequestSettings(
            backend="queueserver", control=self.manager.address, **settings
        )
        self.restart()

    def restart(self) -> None:
        """A back end that knows nothing of the previous one."""
        self.backend = QueueServer(self._settings, clock=lambda: self.now)
        self._wait_until(connected=True)

    def manager_comes_back(self) -> None:
        """The made-up clock stands still while ZeroMQ connects again."""
        self.manager.start()
        self._wait_until(connected=True)

    def _wait_until(self, *, connected: bool) -> None:
        socket = self.backend._socket._socket
        eventually(lambda: bool(socket.poll(0, zmq.POLLOUT)) == connected, step_s=0.001)

    def until(self, met: Callable[[list[Any]], bool]) -> list[Any]:
        """What was said until `met` holds of it."""
        said: list[Any] = []
        deadline = time.monotonic() + PATIENCE_S
        while True:
            said += self.backend.poll()
            if met(said):
                return said
            assert time.monotonic() < deadline, said
            self.turn()

    def turn(self) -> None:
        """Time stands still while a question or its answer is on its way."""
        self.manager.serve()
        self._wait_until(connected=self.manager.is_up)
        if self.backend._round is None or not self.manager.is_up:
            self.now += TICK_S
        else:
            time.sleep(0.0005)

    def said(self, count: int = 1) -> list[tuple[Any, ...]]:
        """(status, why) of so many replies; (kind, text) of bad input."""
        return [
            (r.status, r.why) if isinstance(r, ScanReply) else (r.kind, r.text)
            for r in self.until(lambda said: len(said) >= count)
        ]

    def silent_for(self, seconds: float) -> None:
        """Passes once nothing has been said for so long."""
        end = self.now + seconds
        assert self.until(lambda said: bool(said) or self.now >= end) == []

    def close(self) -> None:
        self.backend.close()
        self.manager.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def test_a_request_becomes_an_item_at_the_front_and_is_followed_to_its_end(bench):
    bench.manager.queue = [{"name": "periodic_scan", "kwargs": {"cell": "A"}, "item_uid": "p"}]
    bench.backend.send(REQUEST)
    assert bench.said() == [("accepted", "")]
    (added,) = bench.manager.added
    assert added["item"]["name"] == "extra_scan"
    assert added["item"]["kwargs"] == {
        "cell": "A",
        "reason": "pit_onset",
        "request": "id-1",
        "after_scan": 3,
    }
    assert (added["pos"], added["user"], added["user_group"]) == ("front", "pitwatch", "primary")
    assert bench.manager.autostart
    assert bench.manager.queue[0]["name"] == "extra_scan"
    bench.manager.run()
    assert bench.said() == [("running", "")]
    bench.manager.end("completed")
    assert bench.said() == [("done", "")]
    bench.silent_for(20.0)


def test_queue_and_history_are_fetched_only_where_they_have_changed(bench):
    bench.backend.send(REQUEST)
    bench.said()
    bench.silent_for(5.0)
    bench.manager.asked.clear()
    bench.silent_for(20.0)
    assert set(bench.manager.asked) == {"status"}


@pytest.mark.parametrize(
    "words",
    [
        "Failed to add an item: Unknown user group: 'guests'",
        "Failed to add an item: Plan 'extra_scan' is not in the list of allowed plans",
    ],
)
def test_what_the_manager_refuses_is_refused_in_its_words(bench, words):
    bench.manager.refuses = words
    bench.backend.send(REQUEST)
    assert bench.said() == [("refused", f"RE manager: {words}")]
    bench.silent_for(10.0)


@pytest.mark.parametrize("hindrance", ["environment", "locked"])
def test_a_manager_that_is_not_ready_is_given_time_and_then_refuses(bench, hindrance):
    bench.manager.environment = hindrance != "environment"
    bench.manager.locked = hindrance == "locked"
    bench.backend.send(REQUEST)
    bench.silent_for(queueserver.PATIENCE_S - 2.0)
    ((status, why),) = bench.said()
    assert status == "refused"
    assert "qserver" in why
    assert bench.manager.added == []


def test_a_manager_that_gets_ready_in_time_takes_the_request(bench):
    bench.manager.environment = False
    bench.backend.send(REQUEST)
    bench.silent_for(queueserver.PATIENCE_S - 5.0)
    bench.manager.environment = True
    assert bench.said() == [("accepted", "")]


def test_absence_is_said_once_and_the_request_is_kept(bench):
    bench.manager.stop()
    bench.backend.send(REQUEST)
    ((kind, text),) = bench.said()
    assert kind == "queueserver_absent"
    assert bench.manager.address in text
    assert "start-re-manager" in text
    bench.silent_for(60.0)
    bench.manager_comes_back()
    assert bench.said() == [("accepted", "")]
    bench.manager.stop()
    assert bench.said()[0][0] == "queueserver_absent"


def test_absence_is_said_before_anything_is_asked(bench):
    bench.manager.stop()
    assert bench.said()[0][0] == "queueserver_absent"


@pytest.mark.parametrize("lost", ["queue_item_add", "queue_autostart"])
def test_a_manager_that_dies_over_a_question_does_not_double_the_request(bench, lost):
    bench.manager.lost_answers.add(lost)
    bench.backend.send(REQUEST)
    bench.until(lambda said: not bench.manager.is_up)
    bench.silent_for(5.0)
    bench.manager_comes_back()
    assert bench.said() == [("accepted", "")]
    assert len(bench.manager.added) == 1
    assert bench.manager.autostart, "a manager that was restarted has forgotten it"


def test_a_manager_restarted_while_a_request_waits_goes_on_with_it(bench):
    bench.backend.send(REQUEST)
    bench.said()
    bench.manager.stop()
    bench.silent_for(5.0)
    bench.manager_comes_back()
    bench.until(lambda said: bench.manager.autostart)
    bench.manager.run()
    assert bench.said() == [("running", "")]
    assert len(bench.manager.added) == 1


def test_a_restart_too_quick_to_be_missed_is_noticed(bench):
    bench.backend.send(REQUEST)
    bench.said()
    bench.silent_for(5.0)
    bench.manager.stop()
    bench.manager_comes_back()
    bench.until(lambda said: bench.manager.autostart)
    assert len(bench.manager.added) == 1


def test_a_manager_that_has_lost_its_queue_is_asked_again(bench):
    bench.backend.send(REQUEST)
    bench.said()
    bench.manager.stop()
    bench.silent_for(5.0)
    bench.manager.queue.clear()
    bench.manager_comes_back()
    bench.until(lambda said: len(bench.manager.queue) == 1)
    assert len(bench.manager.added) == 2


def test_a_manager_restarted_while_the_scan_runs_has_failed_it(bench):
    bench.backend.send(REQUEST)
    bench.said()
    bench.manager.run()
    bench.said()
    bench.manager.stop()
    bench.silent_for(5.0)
    bench.manager_comes_back()
    ((status, why),) = bench.said()
    assert status == "failed"
    assert "unknown" in why
    bench.silent_for(10.0)
    assert len(bench.manager.added) == 1


@pytest.mark.parametrize(
    ("where", "expected"), [("queue", "accepted"), ("running", "running"), ("history", "done")]
)
def test_a_back_end_that_was_restarted_finds_its_request_again(bench, where, expected):
    bench.backend.send(REQUEST)
    bench.said()
    if where != "queue":
        bench.manager.run()
    if where == "history":
        bench.manager.end("completed")
    bench.backend.close()
    bench.restart()
    bench.backend.send(REQUEST)
    assert bench.said() == [(expected, "")]
    assert len(bench.manager.added) == 1


def test_a_request_sent_again_is_added_once(bench):
    for _ in range(3):
        bench.backend.send(REQUEST)
    bench.said()
    bench.backend.send(REQUEST)
    bench.silent_for(5.0)
    assert len(bench.manager.added) == 1


@pytest.mark.parametrize("exit_status", ["failed", "aborted", "halted", "stopped"])
def test_a_scan_that_did_not_end_well_has_failed_and_is_not_run_twice(bench, exit_status):
    bench.backend.send(REQUEST)
    bench.said()
    bench.manager.run()
    bench.said()
    bench.manager.autostart = False
    bench.manager.end(exit_status, "Plan failed:\n shutter closed")
    ((status, why),) = bench.said()
    assert (status, why) == ("failed", f"RE manager: {exit_status}, Plan failed: shutter closed")
    assert bench.manager.queue == []
    assert not bench.manager.autostart, "somebody must see to it first"


def test_an_item_taken_out_of_the_queue_is_refused(bench):
    bench.backend.send(REQUEST)
    bench.said()
    bench.manager.queue.clear()
    ((status, why),) = bench.said()
    assert status == "refused"
    assert "removed from" in why


def test_a_history_that_was_cleared_leaves_the_end_unknown(bench):
    bench.backend.send(REQUEST)
    bench.said()
    bench.manager.run()
    bench.said()
    bench.manager.running = {}
    assert bench.said()[0][0] == "failed"


def test_two_requests_do_not_disturb_each_other(bench):
    other = ScanRequest("id-2", "B", "manual", 0, {})
    bench.backend.send(REQUEST)
    bench.said()
    bench.manager.run()
    bench.said()
    bench.backend.send(other)
    assert bench.said() == [("accepted", "")]
    bench.manager.end("completed")
    (reply,) = bench.until(lambda said: len(said) >= 1)
    assert (reply.id, reply.status) == ("id-1", "done")


def test_what_is_forgotten_is_not_added(bench):
    bench.manager.environment = False
    bench.backend.send(REQUEST)
    bench.silent_for(5.0)
    bench.backend.forget("id-1")
    bench.backend.forget("never heard of")
    bench.manager.environment = True
    bench.silent_for(60.0)
    assert bench.manager.added == []


def test_autostart_can_be_left_to_the_operator():
    bench = Bench(autostart=False)
    bench.backend.send(REQUEST)
    bench.said()
    bench.silent_for(5.0)
    assert not bench.manager.autostart
    bench.close()


def test_an_answer_that_is_none_costs_a_line_and_nothing_else(bench):
    bench.manager.mute = True
    bench.backend.send(REQUEST)
    (bad,) = bench.until(lambda said: bool(said))
    assert isinstance(bad, BadInput)
    assert bad.kind == "queueserver_answer"
    bench.manager.mute = False
    assert bench.said() == [("accepted", "")]


def test_items_of_other_plans_are_no_concern(bench):
    strange = [{}, {"kwargs": None}, {"kwargs": {"request": 5}}, {"name": "count", "args": [["d"]]}]
    bench.manager.queue = [{**item, "item_uid": str(i)} for i, item in enumerate(strange)]
    bench.manager.history = [dict(item) for item in strange]
    bench.backend.send(REQUEST)
    assert bench.said() == [("accepted", "")]


def test_a_late_answer_is_not_taken_for_the_next_one(bench):
    bench.backend.poll()
    bench.until(lambda said: bool(bench.manager._socket.poll(0)))
    bench.now += queueserver_socket.ANSWER_S + 1.0
    bench.backend.poll()
    bench.backend.send(REQUEST)
    assert bench.said() == [("accepted", "")]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"control": "nowhere"}, "requests.control"),
        ({"control": "tcp://10.0.0.1:60615"}, "requests.control"),
        ({"control": "tcp://127.0.0.1"}, "requests.control"),
        ({"public_key": "short"}, "requests.public_key"),
    ],
)
def test_a_wrong_setting_stops_the_start(wrong, named):
    with pytest.raises(SettingError, match=named):
        QueueServer(RequestSettings(backend="queueserver", **wrong))


def test_questions_are_encrypted_where_the_manager_has_a_key():
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    manager = context.socket(zmq.REP)
    manager.linger, manager.curve_server = 0, True
    public, manager.curve_secretkey = zmq.curve_keypair()
    port = manager.bind_to_random_port("tcp://127.0.0.1")
    settings = RequestSettings(
        backend="queueserver", control=f"tcp://127.0.0.1:{port}", public_key=public.decode()
    )
    backend = QueueServer(settings)
    eventually(lambda: (backend.poll(), manager.poll(20))[1])
    assert json.loads(manager.recv(zmq.DONTWAIT))["method"] == "status"
    backend.close()
    context.destroy(linger=0)
