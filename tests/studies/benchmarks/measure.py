"""What all benchmarks need: the clock, the machine, and the live engine's messages."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

PATIENCE_S = 300.0


def best_seconds(work: Callable[[], Any], repeats: int) -> float:
    """The shortest of `repeats` runs, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def machine() -> str:
    """Processor, cores, memory, versions and the load by others, in one line."""
    import numba
    import numpy

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if "model name" in line), name)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}; Python "
        f"{platform.python_version()}, numpy {numpy.__version__}, numba {numba.__version__}, "
        f"pyzmq {zmq.__version__}; load before the start {load:.2f}"
    )


def peak_memory_MB(pid: int) -> float:
    """Largest resident memory of a process so far. NaN where the system does not tell."""
    path = Path(f"/proc/{pid}/status")
    if not path.exists():
        return float("nan")
    line = next(row for row in path.read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1000.0


def cpu_seconds(pid: int) -> float:
    """Seconds of a core that a process has taken so far. 0 where the system does not tell."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    user, system = path.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Status:
    """The engine's status messages, each with the instant at which it was heard here. `heard`: the
    last one of each kind and scan."""

    def __init__(self, address: str, context: zmq.Context[Any]) -> None:
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.connect(address)
        self.heard: dict[tuple[str, int], dict[str, Any]] = {}

    def wait_for(self, kind: str, scan: int) -> float:
        """When `kind` was heard of this scan, s. Raises TimeoutError."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self._socket.poll(500):
                now = time.perf_counter()
                message = json.loads(self._socket.recv())
                self.heard[message["type"], message.get("scan", -1)] = message
                if message["type"] == kind and message.get("scan") == scan:
                    return now
        raise TimeoutError(f"the engine did not say {kind} of scan {scan}")


@contextmanager
def sockets() -> Iterator[zmq.Context[Any]]:
    """A context whose sockets are all closed in the end."""
    context: zmq.Context[Any] = zmq.Context()
    try:
        yield context
    finally:
        context.destroy(linger=0)
