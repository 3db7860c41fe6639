"""Tasks side by side: on a Dask cluster of others, or on one of this machine's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from monitor.errors import RecordingError, SettingError

WORKER_THREADS = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Cluster:
    """Tasks on Dask. What goes wrong there is told in one line, with the task's name (`str`)."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

    def submit(self, work: Callable[..., Any], task: Any) -> _Promise:
        return _Promise(self._client.submit(work, task, pure=False), task)


class _Promise:
    def __init__(self, future: Any, task: Any) -> None:
        self._future = future
        self._task = task

    def result(self) -> Any:
        try:
            return self._future.result()
        except RecordingError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            todo = "do the workers have pitwatch, the recording's folder, and enough memory?"
            raise RecordingError(f"{self._task}: not measured ({why}); {todo}") from None


@contextmanager
def cluster(scheduler: str | None, workers: int) -> Iterator[Cluster]:
    """A cluster of others, or one of its own while it is needed. Workers do whatever they are sent:
    its own takes nothing from others on this machine (TLS, with keys of this run alone)."""
    from distributed import Client, LocalCluster

    if scheduler is None:
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=None,
                security=True,
                env=WORKER_THREADS,
            ) as made,
            Client(made) as client,
        ):
            yield Cluster(client)
        return
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise SettingError(
            "--scheduler",
            got=scheduler,
            expected="the address of a Dask scheduler that answers",
            todo=f"check it ({type(error).__name__})",
        ) from None
    with client:
        yield Cluster(client)
