"""docs/how-to/at-a-bluesky-beamline.md: its commands and programs, as they stand there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import settings
from monitor.wire.results import queries
from tests.helpers.pages import Page, Terminals
from tests.helpers.waiting import PATIENCE_S, PatientWatcher, eventually
from tests.system.remanager import Redis
from tests.system.running import ROOT, scans_done
from tests.system.test_ioc import on_this_machine

for needed in ("tiled.server", "bluesky_queueserver", "caproto", "msgpack_numpy"):
    pytest.importorskip(needed, reason=f"{needed} is not installed (pip install '.[test]')")
pytestmark = pytest.mark.slow

PAGE = Page("at-a-bluesky-beamline.md")
PROXY, ENGINE, TILED, PUBLISH, IOC, MANAGER, OPEN, ADD, START, GET = PAGE.commands()
READINGS, IN_TILED = PAGE.blocks("python")
SHOWN = "'worker_environment_state': 'idle'"


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    made = Terminals(tmp_path, **on_this_machine(), MPLBACKEND="agg")
    made.environment["QSERVER_ZMQ_CONTROL_ADDRESS"] = made.placed("tcp://127.0.0.1:60615")
    (tmp_path / "simulators").symlink_to(ROOT / "simulators")
    (tmp_path / "runs").mkdir()
    yield made
    made.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    made = Redis(tmp_path)
    yield made
    made.close()


def python(terminals: Terminals, program: str) -> list[str]:
    """A program of the page; the first command and its arguments."""
    path = terminals.folder / f"program_{len(program)}.py"
    path.write_text(terminals.placed(program))
    return [sys.executable, str(path)]


def test_scans_readings_and_results_pass_through(terminals: Terminals, redis: Redis) -> None:
    config = terminals.write_settings(
        *PAGE.blocks("toml"), simulator={"size": 128, "speed": 200.0}, onset={"mode": "off"}
    )
    pull = settings.load(config).results.pull
    terminals.start(PROXY)
    running = terminals.start(ENGINE)
    watcher = PatientWatcher(pull)

    def until(met: object) -> object:
        return watcher.until(met, PATIENCE_S, lambda: running.poll() is None)  # type: ignore[arg-type]

    try:
        until(lambda s: bool(s["feeds"]))
        terminals.start(TILED)
        publisher = terminals.start(PUBLISH, "--connect", pull)
        ioc = terminals.start(IOC, "--connect", pull)

        readings = subprocess.Popen(python(terminals, READINGS), env=terminals.environment)
        try:
            until(lambda s: s["cells"]["A"]["cycler_points"] >= 2)
        finally:
            readings.terminate()
            readings.wait(PATIENCE_S)

        manager = MANAGER.replace("/tmp", str(terminals.folder))
        terminals.start(manager, "--redis-addr", redis.address, "--redis-name-prefix", "page")

        def status() -> str:
            told = subprocess.run(
                ["qserver", "status"], env=terminals.environment, capture_output=True, text=True
            )
            return told.stdout

        eventually(lambda: "manager_state" in status(), step_s=0.2)
        terminals.run(OPEN)
        eventually(lambda: SHOWN in status(), step_s=0.2)
        terminals.run(ADD)
        terminals.run(START)
        until(lambda s: len(scans_done(s)) == 1)
        header, _ = watcher.ask(queries.ScanOrder(cell="A"))
        assert header["status"] == "sent"
        until(lambda s: len(scans_done(s)) == 2 and s["cells"]["A"]["requests"][-1]["scan"] == 1)

        def read_in_tiled() -> str:
            told = subprocess.run(
                python(terminals, IN_TILED), env=terminals.environment,
                capture_output=True, text=True,
            )  # fmt: skip
            return told.stdout

        eventually(lambda: read_in_tiled() == "[0 1] ['reference' 'manual']\n", step_s=0.5)

        def variables() -> list[str]:
            told = terminals.run(GET, "--no-repeater", "--terse", "-n").stdout
            return told.split()

        eventually(lambda: variables()[:1] == ["1"], step_s=0.5)
        for process in (publisher, ioc, running):
            terminals.end(process)
    finally:
        watcher.close()
