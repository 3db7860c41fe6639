"""Results of a running experiment in Tiled: numbers and maps, by a stock client."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.control.publish_results import Runs, Tiled
from monitor.processes import free_addresses, is_free
from monitor.recording.read.experiment import open_experiment
from monitor.settings import load
from tests.helpers.waiting import PATIENCE_S, eventually
from tests.system.running import PROGRAM, ROOT, engine, scans_done, write_config

pytest.importorskip("tiled.server", reason="Tiled is not installed (pip install '.[test]')")
pytestmark = [  # of Tiled's client and of bluesky's writer, which lag behind what they stand on
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`"),
    pytest.mark.filterwarnings("ignore:The order of arguments has changed.*append_partition"),
]
SCANS = 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """A client of a Tiled server in this process."""
    from tiled.catalog import in_memory
    from tiled.client import Context, from_context
    from tiled.server.app import build_app

    catalogue = in_memory(
        writable_storage=[str(tmp_path / "written"), f"sqlite:///{tmp_path}/tables.db"],
        readable_storage=[str(tmp_path)],
    )
    with Context.from_app(build_app(catalogue)) as context:
        yield from_context(context)


def test_a_stock_client_reads_the_running_experiment(server: Any, tmp_path: Path) -> None:
    config = write_config(tmp_path, simulator={"scans": SCANS, "speed": 20000.0, "size": 96})
    said: list[str] = []
    runs = Runs(Tiled(lambda: server, "Tiled"), "", said.append)
    with engine(config) as (process, watcher):
        simulator = subprocess.Popen(
            [sys.executable, str(PROGRAM), "simulate", "--config", str(config)],
            stderr=subprocess.DEVNULL,
        )
        try:

            def published(count: int) -> Callable[[], bool]:
                def met() -> bool:
                    runs.update(watcher.state())
                    return sum("is published" in line for line in said) >= count

                return met

            eventually(published(2), step_s=0.1)
            run = server.values().last()
            removal = run["scans"]["removal"]
            ny, nx = run["scans"].metadata["data_keys"]["removal"]["shape"]
            first = open_experiment(tmp_path / "runs" / "demo").cells["A"].scans[:2]
            for number, scan in enumerate(first):
                rows = slice(number * ny, (number + 1) * ny)
                np.testing.assert_array_equal(removal[rows], scan.map("removal"))
            eventually(published(SCANS), step_s=0.1)
            assert simulator.wait(PATIENCE_S) == 0
            eventually(lambda: runs.update(watcher.state()) or watcher.state()["recorder"]["scans"])
            state = watcher.state()
        finally:
            simulator.kill()
            simulator.wait(PATIENCE_S)
        runs.close()
    done = scans_done(state)
    run = server.values().last()
    scans = run["scans"]
    count = len(scans["scan"][:])
    assert count >= SCANS and process.returncode == 0
    assert scans["scan"][:].tolist() == [scan["scan"] for scan in done[:count]]
    assert scans["reason"][:].tolist() == [scan["reason"] for scan in done[:count]]
    np.testing.assert_allclose(
        scans["averaged_um"][:], [np.nan if s["averaged_um"] is None else s["averaged_um"]
                                  for s in done[:count]]
    )  # fmt: skip
    assert scans.metadata["data_keys"]["averaged_um"]["units"] == "µm"
    recorded = open_experiment(tmp_path / "runs" / "demo").cells["A"].scans
    for name in ("height", "cumulative", "pit_labels"):
        whole = scans[name][:].reshape(count, ny, nx)
        for values, scan in zip(whole, recorded, strict=False):
            written = scan.map(name)
            np.testing.assert_array_equal(values, np.nan if written is None else written)
    assert run.metadata["start"]["cell"] == "A"
    assert run.metadata["stop"]["num_events"]["scans"] == count
    assert not [line for line in said if "left out" in line or "does not take" in line]


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    """A server and a publisher of their own, as docs/how-to/bluesky.md starts them."""
    from tiled.client import from_uri

    page = (ROOT / "docs" / "how-to" / "bluesky.md").read_text("utf-8")
    told = re.search(
        r"^(tiled serve .*)\n.*(TILED_API_KEY=\S+) (pitwatch publish-results .*)$", page, re.M
    )
    assert told is not None
    served, key, published = told.groups()
    config = write_config(tmp_path, simulator={"scans": 2, "speed": 20000.0, "size": 96})
    port = free_addresses(1)[0].rpartition(":")[2]
    uri = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "TILED_API_KEY": key.partition("=")[2]}
    serve = shlex.split(served.replace("8000", port).replace("/data/runs", str(tmp_path)))
    program = "import sys; from tiled.commandline.main import main; sys.exit(main())"
    publish = shlex.split(published.replace("8000", port))[1:]
    commands = [
        [sys.executable, "-c", program, *serve[1:]],
        [sys.executable, str(PROGRAM), *publish, "--connect", load(config).results.pull],
        [sys.executable, str(PROGRAM), "simulate", "--config", str(config)],
    ]
    started: list[subprocess.Popen[bytes]] = []
    try:
        with engine(config):
            started += [subprocess.Popen(one, env=environment) for one in commands]

            def events() -> int:
                if is_free(f"tcp://127.0.0.1:{port}"):
                    return 0
                client = from_uri(uri, api_key=environment["TILED_API_KEY"])
                try:
                    # its shape alone: what is read while the table grows may be refused
                    return int(client.values().last()["scans"]["scan"].shape[0])
                except LookupError:  # nothing is published yet
                    return 0
                finally:
                    client.context.http_client.close()

            eventually(lambda: events() >= 2, step_s=0.5)
            started[1].terminate()
            assert started[1].wait(PATIENCE_S) == 0
    finally:
        for process in started:
            process.terminate()
            process.wait(PATIENCE_S)
