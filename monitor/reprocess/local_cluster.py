"""A Dask cluster of this machine's own that nobody else can reach, and that serves no page.

`LocalCluster` without a dashboard still listens for HTTP, once for the scheduler and once for each
worker: what they answer there is not for others on the machine.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from distributed import Nanny, Scheduler, Security, SpecCluster, Worker

ADDRESS = {"host": "127.0.0.1", "protocol": "tls://"}


class QuietScheduler(Scheduler):  # type: ignore[misc]
    """Listens for Dask alone."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """There is none."""


class QuietWorker(Worker):  # type: ignore[misc]
    """Listens for Dask alone."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """There is none."""


def here(workers: int, env: Mapping[str, str]) -> Any:
    """So many workers, each a process of one thread; `env`: theirs. To be used by `with`."""
    security = Security.temporary()
    common = {**ADDRESS, "security": security, "dashboard": False}
    worker = {
        **common,
        "worker_class": QuietWorker,
        "nthreads": 1,
        "memory_limit": None,
        "env": dict(env),
        "silence_logs": logging.WARNING,
    }
    return SpecCluster(
        scheduler={"cls": QuietScheduler, "options": common},
        workers={number: {"cls": Nanny, "options": worker} for number in range(workers)},
        security=security,
        silence_logs=logging.WARNING,
    )
