"""Engine or acquisition is killed with a request in every state of its life, and started again: the
request is neither lost nor made twice, and the scans measured before are there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import zmq

from monitor.records import ScanEnd, ScanStart, SliceFrame
from monitor.settings import as_table, load
from monitor.watch import Watcher
from monitor.wire.results.queries import EventsRequest, ScanOrder
from tests.core.experiment import scan_records
from tests.helpers.waiting import (
    PATIENCE_MS,
    PATIENCE_S,
    PatientWatcher,
    eventually,
    has_reached,
    on_disk,
    status_of,
)
from tests.recording.synthetic import frames_of
from tests.system.running import PROGRAM, scans_done, write_config


@contextmanager
def engine(config: Path) -> Iterator[tuple[subprocess.Popen[str], Watcher]]:
    """An engine that may be killed inside."""
    command = [sys.executable, str(PROGRAM), "engine", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    watcher = PatientWatcher(load(config).results.pull)
    try:
        watcher.until(lambda s: bool(s["feeds"]), PATIENCE_S, lambda: process.poll() is None)
        yield process, watcher
    finally:
        watcher.close()
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE_S)


class Beamline:
    """A producer of slices and a mailbox, driven by hand."""

    def __init__(self, config: Path) -> None:
        settings = load(config)
        self._context: zmq.Context[Any] = zmq.Context()
        self.slices = self._context.socket(zmq.XPUB)
        self.slices.setsockopt(zmq.XPUB_NODROP, 1)
        self.slices.setsockopt(zmq.XPUB_VERBOSER, 1)
        self.slices.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        self.slices.bind(settings.feeds.slices[0])
        self.box = self._context.socket(zmq.ROUTER)
        self.box.bind(settings.requests.endpoint)
        self.asked: list[str] = []
        self.sender = b""

    def connected(self) -> None:
        """Wait for the engine's subscription."""
        while self.slices.recv()[:1] != b"\x01":
            pass

    def send(self, records: list[ScanStart | SliceFrame | ScanEnd]) -> None:
        for record in records:
            self.slices.send_multipart(frames_of(record))

    def hear(self, seconds: float) -> int:
        """How many requests come within some time; they are noted."""
        before, end = len(self.asked), time.monotonic() + seconds
        while time.monotonic() < end:
            if self.box.poll(50):
                self.sender, payload = self.box.recv_multipart()
                self.asked.append(json.loads(payload)["id"])
        return len(self.asked) - before

    def answer(self, status: str) -> None:
        reply = {"type": "scan_reply", "id": self.asked[-1], "status": status, "scan": 2}
        self.box.send_multipart([self.sender, json.dumps(reply).encode()])

    def close(self) -> None:
        self._context.destroy(linger=0)


def until(watcher: Watcher, what: Callable[[dict[str, Any]], bool]) -> None:
    watcher.until(what, PATIENCE_S, lambda: True)


@pytest.mark.parametrize("state", ["asked", "accepted", "running", "done"])
def test_a_killed_engine_goes_on_and_no_request_is_lost_or_doubled(
    tmp_path: Path, state: str
) -> None:
    config = write_config(
        tmp_path,
        requests={"resend_s": 0.5},
        cells=[{"name": "A", "foil_thickness_um": 40.0}],
    )
    beamline = Beamline(config)
    answering = scan_records(2, reason="extra")
    try:
        with engine(config) as (process, watcher):
            beamline.connected()
            beamline.send(scan_records(0) + scan_records(1))
            until(watcher, lambda s: len(scans_done(s)) == 2)
            eventually(lambda: beamline.hear(0.1))
            answering = scan_records(2, reason="extra", request=beamline.asked[0])
            if state != "asked":
                beamline.answer("accepted")
                until(watcher, lambda s: status_of(s) == "accepted")
            if state in ("running", "done"):
                beamline.send(answering[:40])
                until(watcher, lambda s: status_of(s) in ("running", "scanning"))
            if state == "done":
                beamline.send(answering[40:])
                until(watcher, lambda s: status_of(s) == "done")
            on_disk(watcher, tmp_path / "runs" / "demo")
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_S)
        before = set(beamline.asked)
        beamline.hear(0.2)
        with engine(config) as (_, watcher):
            beamline.connected()
            until(watcher, lambda s: len(scans_done(s)) >= 2)
            if state in ("asked", "accepted"):
                eventually(lambda: beamline.hear(0.1))
            else:
                assert not beamline.hear(2.0)
            assert set(beamline.asked) == before and len(before) == 1, "one id, whatever happens"
            beamline.send({"running": answering[40:], "done": []}.get(state, answering))
            until(watcher, lambda s: len(scans_done(s)) == 3 and status_of(s) == "done")
            beamline.hear(1.0)
            assert set(beamline.asked) == before
    finally:
        beamline.close()
    (folder,) = (tmp_path / "runs").iterdir()
    assert sorted(p.name for p in (folder / "A").glob("scan_*")) == [
        "scan_0000.h5", "scan_0001.h5", "scan_0002.h5"
    ]  # fmt: skip
    lines = (folder / "A" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    numbers = [event["number"] for event in events]
    assert numbers == sorted(set(numbers))
    assert [e["kind"] for e in events].count("pit_onset") == 1
    assert [e["kind"] for e in events].count("scan_request") == 1


@contextmanager
def acquisition(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The simulated beamline as a process that may be killed inside."""
    command = [sys.executable, str(PROGRAM), "simulate", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)


@pytest.mark.parametrize("state", ["sent", "accepted", "running", "done"])
def test_a_killed_acquisition_neither_loses_nor_doubles_a_request(
    tmp_path: Path, state: str
) -> None:
    """What has begun when it is killed has failed, and is said so; all else is made, once."""
    # a scan takes a second; where it is to be killed in one, a quarter of a minute
    speed = 16.0 if state in ("accepted", "running") else 240.0
    config = write_config(
        tmp_path,
        requests={"resend_s": 0.5},
        onset={"mode": "off"},
        simulator={"size": 64, "speed": speed},
    )

    def asked(watcher: Watcher) -> None:
        assert watcher.ask(ScanOrder("A"))[0]["status"] == "sent"

    with engine(config) as (_, watcher):
        with acquisition(config) as process:
            until(watcher, lambda s: s["cells"]["A"]["running"] or scans_done(s))
            if state != "sent":
                asked(watcher)
                until(watcher, lambda s: has_reached(s, state))
            if state == "running":  # and the engine has heard of the scan
                until(watcher, lambda s: reason_of(s) == "manual")
            process.kill()
            process.wait(PATIENCE_S)
        if state == "sent":
            asked(watcher)
            until(watcher, lambda s: status_of(s) == "sent")
        before = statuses(watcher)
        assert before[-1:] == ([] if state == "sent" else [state]), "killed in this state"
        faster = load(config).model_copy(
            update={"simulator": load(config).simulator.model_copy(update={"speed": 240.0})}
        )
        config.write_bytes(tomli_w.dumps(as_table(faster)).encode())
        with acquisition(config):
            end = "failed" if state == "running" else "done"
            until(watcher, lambda s: status_of(s) == end and len(scans_done(s)) >= 2)
            asked(watcher)  # a second scan for the first request would be made before this one
            until(watcher, lambda s: len(asked_for(s)) == 2 and asked_for(s)[-1] in made_for(s))
            last = watcher.state()
    assert sorted(made_for(last)) == sorted(asked_for(last))


def reason_of(state: dict[str, Any]) -> str:
    """Why the scan is made that runs; "" without one."""
    return str((state["cells"]["A"]["running"] or {}).get("reason", ""))


def asked_for(state: dict[str, Any]) -> list[str]:
    """Ids of the requests, in their order."""
    return [request["id"] for request in state["cells"]["A"]["requests"]]


def made_for(state: dict[str, Any]) -> list[str]:
    """Of each scan that answers a request, the id of that."""
    return [scan["request"] for scan in state["cells"]["A"]["scans"] if scan["request"]]


def statuses(watcher: Watcher) -> list[str]:
    """What the acquisition has said of requests so far, as it stands in the events."""
    events = watcher.ask(EventsRequest(cell="A", kinds=("scan_reply",)))[0]["events"]
    return [event["status"] for event in events]
