"""Scan requests as suggestions: the plans of bluesky-adaptive acquire what an engine asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import bluesky.plan_stubs as bps
import pytest
import zmq
from bluesky import RunEngine
from bluesky.preprocessors import run_wrapper, set_run_key_wrapper
from bluesky_adaptive.plans import optimize, optimize_step
from bluesky_adaptive.protocols import OptimizationProblem, Optimizer, TrialFaultAware

from monitor.control.adaptive import RequestedScans
from monitor.engine.requests.requester import Requester
from monitor.errors import SettingError
from monitor.processes import free_addresses
from monitor.records import ScanReply, ScanRequest
from monitor.settings import RequestSettings
from tests.helpers.waiting import eventually

Reply = tuple[str, str, str, int | None]
FIRST = ScanRequest("5a6f9d86-0b5a-4a0e-9d0e-0f6f5d5c1a11", "A", "pit_onset", 7, {"pits": 3})
SECOND = ScanRequest("f4b1a2c0-6a35-4b0b-8d4e-59d6d4a80a22", "B", "manual", 2, {})


class Engine:
    """The asking end of an engine."""

    def __init__(self) -> None:
        (self.endpoint,) = free_addresses(1)
        self.requester = Requester(RequestSettings(endpoint=self.endpoint, resend_s=0.2))
        self._heard: dict[Reply, None] = {}

    def heard(self) -> list[Reply]:
        """All replies that differ, in the order in which they arrived."""
        for reply in self.requester.poll():
            assert isinstance(reply, ScanReply), reply
            self._heard[reply.id, reply.status, reply.why, reply.scan] = None
        return list(self._heard)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.requester.close()


@pytest.fixture
def scans(engine: Engine) -> Iterator[RequestedScans]:
    with RequestedScans(engine.endpoint) as made:
        yield made


@pytest.fixture
def run() -> Callable[..., Any]:
    return RunEngine({}, context_managers=[], call_returns_result=True)


class Acquisition:
    """Makes a scan for each suggestion, or fails."""

    def __init__(self, scans: RequestedScans) -> None:
        self.made: list[Any] = []
        self.fails = False
        self.problem = OptimizationProblem(scans, [], [], self.evaluated, self.acquired)

    def acquired(
        self, suggestions: Sequence[Any], actuators: Any, sensors: Any = None, md: Any = None
    ) -> Iterator[Any]:
        if self.fails:
            raise RuntimeError("shutter closed")
        scan = run_wrapper(bps.null(), md={"request": [one["_id"] for one in suggestions]})
        yield from set_run_key_wrapper(scan, "scan")  # beside the run of the optimization
        self.made += suggestions
        return "uid"

    def evaluated(self, uid: str, suggestions: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"_id": one["_id"], "scan": 8 + index} for index, one in enumerate(suggestions)]


def received(engine: Engine, scans: RequestedScans, *requests: ScanRequest) -> None:
    for request in requests:
        engine.requester.send(request)
        known = (request.id, "accepted", "", None)
        eventually(lambda one=known: scans.waiting() >= 0 and one in engine.heard())


def test_it_is_an_optimizer_of_the_library(scans: RequestedScans) -> None:
    assert isinstance(scans, Optimizer) and isinstance(scans, TrialFaultAware)
    assert scans.suggest() == [] and scans.suggest(3) == [] and scans.get_best_points() == []


def test_a_step_makes_the_oldest_scan_and_the_engine_hears_of_it(
    engine: Engine, scans: RequestedScans, run: Callable[..., Any]
) -> None:
    acquisition = Acquisition(scans)
    received(engine, scans, FIRST, SECOND)
    run(optimize_step(acquisition.problem))
    assert acquisition.made == [
        {"_id": FIRST.id, "cell": "A", "reason": "pit_onset", "after_scan": 7}
    ]
    done = (FIRST.id, "done", "", 8)
    eventually(lambda: done in engine.heard())
    mine = [status for id_, status, _, _ in engine.heard() if id_ == FIRST.id]
    assert mine == ["accepted", "running", "done"]
    assert scans.waiting() == 1
    run(optimize(acquisition.problem, iterations=1))  # a whole run of the library
    eventually(lambda: (SECOND.id, "done", "", 8) in engine.heard())
    assert [one["_id"] for one in acquisition.made] == [FIRST.id, SECOND.id]


def test_several_are_made_in_one_step(
    engine: Engine, scans: RequestedScans, run: Callable[..., Any]
) -> None:
    acquisition = Acquisition(scans)
    received(engine, scans, FIRST, SECOND)
    run(optimize_step(acquisition.problem, 5))
    done = {(FIRST.id, "done", "", 8), (SECOND.id, "done", "", 9)}
    eventually(lambda: done <= set(engine.heard()))


def test_a_request_that_is_sent_again_leads_to_one_scan(
    engine: Engine, scans: RequestedScans, run: Callable[..., Any]
) -> None:
    acquisition = Acquisition(scans)
    received(engine, scans, FIRST)
    run(optimize_step(acquisition.problem))
    eventually(lambda: engine.heard()[-1][1] == "done")
    engine.requester.send(FIRST)
    eventually(lambda: engine.heard() and scans._socket.poll(10))
    assert scans.waiting() == 0 and scans.suggest() == []
    assert len(acquisition.made) == 1


def test_a_plan_that_fails_is_reported_as_a_failed_scan(
    engine: Engine, scans: RequestedScans, run: Callable[..., Any]
) -> None:
    acquisition = Acquisition(scans)
    acquisition.fails = True
    received(engine, scans, FIRST)
    with pytest.raises(RuntimeError, match="shutter closed"):
        run(optimize_step(acquisition.problem))
    eventually(lambda: engine.heard()[-1][1] == "failed")
    assert scans.waiting() == 0


def test_what_is_open_at_the_end_is_refused_and_other_points_and_messages_are_ignored(
    engine: Engine,
) -> None:
    with RequestedScans(engine.endpoint) as scans:
        received(engine, scans, FIRST)
        scans.ingest([{"_id": "another", "scan": 3}, {"height": 1.0}])
        scans.register_failures([{"_id": "another"}])
        with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
            stranger.linger = 0
            stranger.connect(engine.endpoint)
            stranger.send(b"{")
            eventually(lambda: scans._socket.poll(10))
            received(engine, scans, SECOND)
        assert scans.refuse() == 2
        ended = {(one.id, "refused", "the acquisition has ended", None) for one in (FIRST, SECOND)}
        eventually(lambda: ended <= set(engine.heard()))
        assert scans.waiting() == 0


def test_an_address_that_others_can_reach_is_refused() -> None:
    with pytest.raises(SettingError, match=r"requests\.endpoint"):
        RequestedScans("tcp://0.0.0.0:5603")
