"""What holds for all tests, before the first of them imports anything of the program's."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Several processes run tests side by side: each computes in one thread. On the small images of
# tests, waiting for a second thread on a busy core takes ten times as long as the work itself.
# tests/core/test_threads.py shows that the number of threads changes no result.
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# How long an example takes says something about the machine, not about the program.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

ROOT = Path(__file__).parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Each worker draws its addresses from ports of its own, and programs that it starts from
    others: between the draw and the use of an address, nobody else takes it. Nor are the addresses
    that demos and replays take while they are free: these are in use all the time."""
    if worker := getattr(config, "workerinput", None):
        from monitor import processes

        number = int(worker["workerid"].removeprefix("gw"))
        processes.FREE_PORTS = range(10000, 20000)[number :: worker["workercount"]]
        return
    from monitor.settings import Settings

    for address in (Settings().results.status, Settings().results.pull):
        host, port = address.removeprefix("tcp://").split(":")
        held = socket.socket()
        config.add_cleanup(held.close)
        with contextlib.suppress(OSError):  # in use already
            held.bind((host, int(port)))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compiles the kernels once, before several processes would each compile all of them."""
    several = getattr(session.config.option, "numprocesses", None)
    compiled = ROOT.glob("monitor/core/interface/__pycache__/kernels.advance-*.nbi")
    if several and not hasattr(session.config, "workerinput") and not any(compiled):
        warm_up = "from monitor.engine.warm_up import warm_up; warm_up()"
        subprocess.run([sys.executable, "-c", warm_up], cwd=ROOT, check=True, timeout=600)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: many short ones are left to share when these are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
