"""A pool for `monitor.reprocess.measure` without a cluster: each task is done when it is asked
for."""

from __future__ import annotations

from typing import Any

from monitor.reprocess.measure import Task


class Here:
    """`done`: the scans that were measured, in order."""

    workers = 2

    def __init__(self) -> None:
        self.done: list[int] = []

    def submit(self, work: Any, task: Task) -> Promise:
        return Promise(self, work, task)


class Promise:
    def __init__(self, pool: Here, work: Any, task: Task) -> None:
        self._pool, self._work, self._task = pool, work, task

    def result(self) -> Any:
        self._pool.done.append(self._task.setup.start.key.scan)
        return self._work(self._task)
