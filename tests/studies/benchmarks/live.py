"""Programs of the benchmarks, started and stopped."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from monitor.settings import Settings
from tests.studies.benchmarks.measure import Status, sockets
from tests.studies.benchmarks.phantom import VOXEL_UM, Foil
from tests.system.running import engine, write_config


@contextmanager
def program(module: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A module of the benchmarks as a process of its own."""
    command = [sys.executable, "-m", f"tests.studies.benchmarks.{module}", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate()


def sender(address: str, foil: Foil, scans: int) -> AbstractContextManager[subprocess.Popen[str]]:
    """A producer of so many scans of a foil."""
    sizes = foil.side, foil.slices, foil.thickness, scans, foil.grey
    return program("producer", address, *sizes)


@contextmanager
def live(
    foil: Foil, *, record: bool = False, hwm: int = 4000, ready_MB: float | None = None
) -> Iterator[dict[str, Any]]:
    """A warm engine for this foil: its process, watcher, status and the addresses it listens to.
    `ready_MB`: memory that it reserves at the start, by default as the settings say."""
    feeds = Settings().feeds
    if ready_MB is None:
        ready_MB = feeds.ready_memory_MB
    largest = max(feeds.max_slice_Mpx, 1.01e-6 * foil.side**2)
    cell = {
        "name": "A",
        "foil_thickness_um": foil.thickness * VOXEL_UM,
        "layers": foil.layers,
    }
    with tempfile.TemporaryDirectory(prefix="pitwatch-benchmark-") as folder:
        config = write_config(
            Path(folder),
            experiment={"record_slices": record},
            feeds={
                "receive_hwm": hwm,
                "ready_memory_MB": ready_MB,
                "max_slice_Mpx": largest,
            },
            requests={"backend": "none"},
            cells=[cell],
        )
        table = tomllib.loads(config.read_text())
        with sockets() as context, engine(config) as (process, watcher):
            yield {
                "pid": process.pid,
                "watcher": watcher,
                "status": Status(table["results"]["status"], context),
                "status_address": table["results"]["status"],
                "pull": table["results"]["pull"],
                "context": context,
                "slices": table["feeds"]["slices"][0],
                "documents": table["feeds"]["documents"][0],
            }
