"""Real processes of the program, on free loopback addresses, for the system tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from monitor.processes import free_addresses
from monitor.settings import as_table, parse
from monitor.sockets.keys import ClientKeys
from monitor.watch import Watcher
from tests.core.phantom import columns, noisy, records, start
from tests.helpers.waiting import PATIENCE_S, PatientWatcher
from tests.recording.synthetic import frames_of

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "launch.py"


def launch(*arguments: str, timeout: float = PATIENCE_S, **environment: str) -> Any:
    """Run `launch.py` to its end; returns the CompletedProcess with its output as text."""
    import os

    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "QT_QPA_PLATFORM": "", "DISPLAY": "", **environment},
        check=False,
    )


def write_config(folder: Path, **sections: Any) -> Path:
    """A settings file with every address free, `sections` on top; returns its path."""
    slices, resend, documents_in, documents_out, requests, status, pull = free_addresses(7)
    table = as_table(
        parse(
            {
                "experiment": {"data_dir": str(folder / "runs")},
                "feeds": {
                    "slices": [slices],
                    "documents": [documents_out],
                    "ready_memory_MB": 0.0,
                },
                "requests": {"endpoint": requests},
                "results": {"status": status, "pull": pull},
                "simulator": {
                    "slices": slices,
                    "resend": resend,
                    "documents_in": documents_in,
                    "documents_out": documents_out,
                    "requests": requests,
                    "size": 128,
                    "speed": 6000.0,
                },
            }
        )
    )
    for name, section in sections.items():
        table[name] = section if isinstance(section, list) else table[name] | section
    path = folder / "config.toml"
    path.write_bytes(tomli_w.dumps(table).encode())
    return path


@contextmanager
def engine(
    config: Path, keys: ClientKeys | None = None
) -> Iterator[tuple[subprocess.Popen[str], Watcher]]:
    """A running engine that has compiled its kernels; ended by SIGTERM, its exit code checked.
    `keys`: of who watches."""
    from monitor import settings

    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "engine", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
    )
    watcher = PatientWatcher(settings.load(config).results.pull, keys)
    try:
        watcher.until(lambda s: bool(s["feeds"]), PATIENCE_S, lambda: process.poll() is None)
        yield process, watcher
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, f"{process.returncode}: {said}"
    finally:
        watcher.close()
        if process.poll() is None:
            process.kill()
            process.communicate()


def scans_done(state: dict[str, Any], cell: str = "A") -> list[dict[str, Any]]:
    """The finished scans of a cell in an engine's state."""
    return [scan for scan in state["cells"][cell]["scans"] if not scan["provisional"]]


def send_scan(producer: Any, number: int = 0, stream: str = "s") -> None:
    """A small scan, by a socket of the test."""
    sides = np.full((64, 64), 10.0), np.full((64, 64), 40.0)
    volume = noisy(columns(*sides, 60))
    for record in records(start(volume.shape, scan=number, stream=stream), volume):
        producer.send_multipart(frames_of(record))
