"""`publish-bliss` as a process: Redis, engine and the process itself end and are started again, and
each reading is with the engine once. Tried with streams of blissdata's producer classes and a
stand-in for Redis with its search module, not with a BLISS session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fakeredis")
pytest.importorskip("blissdata")

from monitor import settings
from monitor.processes import free_addresses
from monitor.watch import Watcher
from monitor.wire.results.queries import CyclerRequest
from tests.helpers.bliss_redis import BlissRedis, bliss_redis
from tests.helpers.bliss_scans import EPOCH, BlissScans, PublishedScan
from tests.helpers.waiting import PATIENCE_S, PatientWatcher, eventually
from tests.system.running import PROGRAM, engine, launch, write_config

pytestmark = pytest.mark.slow

T0 = 1.79e9
UNITS = {EPOCH: "s", "vmp:I": "mA", "vmp:Q": "mA.h"}


def command(config: Path, redis: str, *more: str) -> list[str]:
    at = settings.load(config)
    return [
        "publish-bliss", "--current", "I", "--charge", "Q", "--redis", redis,
        "--engine", at.results.pull, "--documents-in", at.simulator.documents_in,
        "--documents-out", at.simulator.documents_out, *more,
    ]  # fmt: skip


class Publisher:
    """The process, and the lines that it has written to `log`."""

    def __init__(self, config: Path, redis: str, log: Path) -> None:
        self._log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), *command(config, redis)], stderr=file
            )

    def says(self, text: str) -> None:
        eventually(lambda: text in self._log.read_text("utf-8"), step_s=0.05)

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0, self._log.read_text("utf-8")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def publisher(config: Path, redis: BlissRedis, log: Path) -> Iterator[Publisher]:
    made = Publisher(config, redis.url, log)
    try:
        yield made
        if made.process.poll() is None:
            made.end()
    finally:
        made.kill()


def send(scan: PublishedScan, first: int, count: int) -> None:
    number = np.arange(first, first + count, dtype=float)
    scan.send(epoch=T0 + number, I=-0.25 + 0 * number, Q=-0.25 * number / 3600)


def has(watcher: Watcher, count: int) -> list[float]:
    """Waits for that many readings, and returns their times."""

    def times() -> list[float]:
        told: Any = watcher.ask(CyclerRequest("A", max_points=10_000), PATIENCE_S)[0]
        return list(told["columns"]["time"])

    eventually(lambda: len(times()) >= count, step_s=0.1)
    return times()


@contextmanager
def killed_engine(config: Path) -> Iterator[Watcher]:
    """An engine that is killed at the end, with all that it has taken on the disk."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "engine", "--config", str(config)],
        stderr=subprocess.DEVNULL,
    )
    watcher = PatientWatcher(settings.load(config).results.pull)
    try:
        watcher.until(lambda s: bool(s["feeds"]), PATIENCE_S, lambda: process.poll() is None)
        yield watcher
    finally:
        process.kill()
        process.wait()
        watcher.close()


def test_each_reading_once_whoever_is_started_again(tmp_path: Path) -> None:
    config, log = write_config(tmp_path, requests={"backend": "none"}), tmp_path / "said.txt"
    with bliss_redis() as redis:
        scan = BlissScans(redis.for_bliss).scan(UNITS)
        with killed_engine(config) as watcher:
            with publisher(config, redis, log) as first:
                send(scan, 0, 700)
                has(watcher, 700)
                redis.interrupt()
                first.says("no Redis answers at")
                redis.restart()
                send(scan, 700, 50)
                has(watcher, 750)
                first.kill()
            send(scan, 750, 50)
            with publisher(config, redis, log):
                has(watcher, 800)
        with publisher(config, redis, log) as second:
            second.says("no engine answers at")
            send(scan, 800, 50)
            with engine(config) as (_, watcher):
                send(scan, 850, 50)
                has(watcher, 900)
                scan.end()
                second.says("ended (SUCCESS)")
                times = has(watcher, 900)
                state = watcher.state()
    assert times == list(T0 + np.arange(900.0))
    assert state["feeds"]["documents"]["bad"] == {}
    assert state["cells"]["A"]["cycler_points"] == 900
    assert state["cells"]["A"]["alarms"] == []


def test_an_engine_that_is_connected_to_another_proxy_is_said(tmp_path: Path) -> None:
    config, log = write_config(tmp_path, requests={"backend": "none"}), tmp_path / "said.txt"
    other = free_addresses(1)[0]
    with bliss_redis() as redis, engine(config):
        scan = BlissScans(redis.for_bliss).scan(UNITS)
        send(scan, 0, 3)
        command_line = command(config, redis.url, "--documents-out", other)
        with log.open("wb") as file:
            process = subprocess.Popen([sys.executable, str(PROGRAM), *command_line], stderr=file)
        try:
            text = "has received 0 of 2 documents"
            eventually(lambda: text in log.read_text("utf-8"), step_s=0.1)
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
    assert "does its feeds.documents name the address of --documents-out?" in log.read_text("utf-8")


def test_an_address_without_a_redis_is_said_once_and_waited_for(tmp_path: Path) -> None:
    config, log = write_config(tmp_path), tmp_path / "said.txt"
    address = free_addresses(1)[0].replace("tcp", "redis")
    made = Publisher(config, address, log)
    try:
        made.says("no Redis answers at")
    finally:
        made.end()
    (line,) = log.read_text("utf-8").splitlines()
    assert line.endswith("start BLISS's servers, or correct --redis")


def test_what_cannot_be_right_ends_it_in_one_line(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with bliss_redis() as redis:
        redis.relay.modules = ()
        other = launch(*command(config, redis.url))
    nothing = launch("publish-bliss", "--redis", "redis://127.0.0.1:1")
    beacon = launch("publish-bliss", "--current", "I", BEACON_HOST="")
    for done, code, words in (
        (other, 1, "lacks the module ReJSON and search"),
        (nothing, 2, "command line: got 'no counter', expected at least one of --current"),
        (beacon, 2, "--beacon: got '', expected host:port"),
    ):
        (line,) = done.stderr.strip().splitlines()
        assert done.returncode == code and words in line


def test_a_cell_that_the_engine_has_not_is_named(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with bliss_redis() as redis, engine(config):
        BlissScans(redis.for_bliss)
        done = launch(*command(config, redis.url, "--cell", "C"))
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2
    assert "--cell: got 'C', expected a cell of the engine: A" in line
