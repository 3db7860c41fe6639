"""The real engine and a real RE manager: extra scans through the queue, whoever is restarted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from monitor.engine.requests.requester import Requester
from monitor.processes import free_addresses
from monitor.records import FINAL_REPLIES, ScanReply, ScanRequest
from monitor.settings import RequestSettings
from monitor.watch import Watcher
from monitor.wire.results import queries
from tests.helpers.waiting import eventually
from tests.system.remanager import Redis, ReManager
from tests.system.running import PATIENCE_S, engine, scans_done, write_config


@dataclass
class Beamline:
    manager: ReManager
    watcher: Watcher

    def until(self, met: Any) -> dict[str, Any]:
        return self.watcher.until(met, PATIENCE_S, lambda: True)

    def request(self, reason: str, *statuses: str) -> dict[str, Any]:
        """The newest request of this reason, once it has one of these statuses."""

        def found(state: dict[str, Any]) -> bool:
            asked = [r for r in state["cells"]["A"]["requests"] if r["reason"] == reason]
            return bool(asked) and asked[-1]["status"] in statuses

        requests = self.until(found)["cells"]["A"]["requests"]
        return next(r for r in reversed(requests) if r["reason"] == reason)

    def ask_for_scan(self) -> None:
        header, _ = self.watcher.ask(queries.ScanOrder(cell="A"))
        assert header["status"] == "sent", header

    def restart_manager(self) -> None:
        self.manager.kill()
        self.manager.start()


@pytest.fixture(scope="module")
def beamline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beamline]:
    pytest.importorskip("bluesky_queueserver")
    folder = tmp_path_factory.mktemp("queueserver")
    control = free_addresses(1)[0]
    config = write_config(
        folder,
        requests={"backend": "queueserver", "control": control},
        feeds={"give_up_s": 20.0},  # a busy machine computes the first volume for long
        schedule={"period_s": 7200.0},
        onset={"max_scans_per_cell": 1},
        simulator={"speed": 40.0},  # a scan takes six seconds: others are killed within it
    )
    redis = Redis(folder)
    manager = ReManager(control, redis.address, folder, config)
    try:
        manager.start()
        with engine(config) as (_, watcher):
            yield Beamline(manager, watcher)
    finally:
        manager.close()
        redis.close()


def test_an_onset_brings_an_extra_scan_to_the_front_of_the_queue(beamline: Beamline) -> None:
    manager = beamline.manager
    manager.add("periodic_scan", "periodic_scan", "queue_stop", "periodic_scan", cell="A")
    assert manager.ask("queue_start")["success"]
    asked = beamline.request("pit_onset", "done")
    eventually(manager.has_stopped, step_s=0.1)  # before or after the extra scan
    manager.ask("queue_autostart", enable=True)
    state = beamline.until(lambda s: len(scans_done(s)) >= 4)
    scans = scans_done(state)
    assert [s["reason"] for s in scans] == ["reference", "periodic", "extra", "periodic"]
    assert asked["after_scan"] == 1
    assert manager.plans_run(0, 4) == [
        ("periodic_scan", "", "completed"),
        ("periodic_scan", "", "completed"),
        ("extra_scan", asked["id"], "completed"),
        ("periodic_scan", "", "completed"),
    ]
    started = [e for e in state["events"] if e["type"] == "scan_started"]
    assert [e["request"] for e in started] == ["", "", asked["id"], ""]
    header, removal = beamline.watcher.ask(queries.MapRequest("A", scans[2]["scan"], "removal"))
    assert header["type"] != "error"
    assert np.nanmean(removal) > 1.0


def test_a_manager_killed_while_a_request_waits_runs_it_once(beamline: Beamline) -> None:
    manager = beamline.manager
    before = manager.count_run
    manager.add("periodic_scan", cell="A")
    beamline.until(lambda s: s["cells"]["A"]["running"] is not None)
    beamline.ask_for_scan()
    waiting = beamline.request("manual", "accepted", "running", "scanning", "done")
    assert waiting["status"] == "accepted", "it waits for the scan that runs"
    beamline.restart_manager()
    asked = beamline.request("manual", "done")
    assert asked["id"] == waiting["id"]
    complete = beamline.until(lambda s: scans_done(s)[-1]["reason"] == "manual")
    assert scans_done(complete)[-1]["complete"]
    answering = [e for e in complete["events"] if e.get("request") == asked["id"]]
    assert [e["type"] for e in answering] == ["scan_started"]
    assert manager.plans_run(before, 2) == [
        ("periodic_scan", "", "unknown"),
        ("extra_scan", asked["id"], "completed"),
    ]


def test_a_manager_killed_while_the_scan_runs_has_failed_it(beamline: Beamline) -> None:
    manager = beamline.manager
    before = manager.count_run
    beamline.ask_for_scan()
    beamline.until(lambda s: s["cells"]["A"]["running"] is not None)
    asked = beamline.request("manual", "running", "scanning", "done")
    assert asked["status"] != "done", "a scan takes seconds"
    beamline.restart_manager()
    failed = beamline.request("manual", "failed")
    assert failed["id"] == asked["id"]
    assert "unknown" in failed["why"]
    time.sleep(2.0)
    assert manager.plans_run(before, 1) == [("extra_scan", asked["id"], "unknown")]
    assert manager.ask("queue_get")["items"] == []


def test_a_plan_that_fails_is_not_run_again(beamline: Beamline) -> None:
    """The manager puts what failed back to the front of its queue, for whoever starts it next."""
    manager = beamline.manager
    before = manager.count_run
    request = ScanRequest("asked-for-a-cell-that-is-not-there", "Z", "manual", 0)
    for expected in ({"accepted", "running", "failed"}, {"failed"}):  # before and after a restart
        heard = _replies(manager, request)
        assert {reply.status for reply in heard} <= expected
        assert "cell: got 'Z', expected one of A" in heard[-1].why
        assert manager.plans_run(before, 1) == [("extra_scan", request.id, "failed")]
        assert manager.ask("queue_get")["items"] == []
    assert not manager.ask("status")["queue_autostart_enabled"], "somebody must see to it first"


def _replies(manager: ReManager, request: ScanRequest) -> list[ScanReply]:
    """What a requester that knows nothing yet hears until the request has come to its end."""
    requester = Requester(RequestSettings(backend="queueserver", control=manager.control))
    requester.send(request)
    heard: list[ScanReply] = []

    def is_over() -> bool:
        heard.extend(reply for reply in requester.poll() if isinstance(reply, ScanReply))
        return bool(heard) and heard[-1].status in FINAL_REPLIES

    eventually(is_over)
    requester.close()
    return heard


def test_what_the_manager_does_not_allow_is_refused(beamline: Beamline) -> None:
    manager = beamline.manager
    permissions = manager.ask("permissions_get")["user_group_permissions"]
    forbidden = {**permissions, "user_groups": {**permissions["user_groups"]}}
    forbidden["user_groups"]["primary"] = {
        **permissions["user_groups"]["primary"],
        "allowed_plans": ["periodic_scan"],
    }
    assert manager.ask("permissions_set", user_group_permissions=forbidden)["success"]
    beamline.ask_for_scan()
    refused = beamline.request("manual", "refused")
    assert "extra_scan" in refused["why"]
    manager.ask("permissions_set", user_group_permissions=permissions)
