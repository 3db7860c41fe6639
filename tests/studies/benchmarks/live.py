"""Programs of the benchmarks, started and stopped."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def live(foil: Foil, *, record: bool = False, hwm: int = 4000) -> Iterator[dict[str, Any]]:
    """A warm engine for this foil: its process, watcher, status and the addresses it listens to."""
    with tempfile.TemporaryDirectory(prefix="pitwatch-benchmark-") as folder:
        config = write_config(
            Path(folder),
            experiment={"record_slices": record},
            feeds={"receive_hwm": hwm, "ready_memory_MB": Settings().feeds.ready_memory_MB},
            requests={"backend": "none"},
            cells=[{"name": "A", "foil_thickness_um": foil.thickness * VOXEL_UM}],
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
