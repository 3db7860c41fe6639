"""Tasks side by side: on a Dask cluster of others, or on one of this machine's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.errors import RecordingError, SettingError

WORKER_THREADS = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Cluster:
    """Tasks on Dask. What goes wrong there is reported in one line, with the task's name
    (`str`)."""

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


@dataclass(frozen=True, slots=True)
class RemoteScheduler:
    """A Dask scheduler of others. The files are those of TLS; what is not given is in Dask's own
    configuration. `plain`: it has none, and this was said in so many words."""

    address: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    plain: bool = False

    def security(self) -> Any:
        """For `Client`; None without TLS. Raises SettingError if neither is given."""
        from distributed.security import Security

        if not self.address.startswith("tls://"):
            if self.plain:
                return None
            raise SettingError(
                "--scheduler",
                got=self.address,
                expected="a tls:// address, with --tls-ca, --tls-cert and --tls-key",
                todo="or use --plain: then everybody on that network can run code on the workers, "
                "and here",
            )
        given = {"tls_ca_file": self.ca, "tls_client_cert": self.cert, "tls_client_key": self.key}
        for option, file in zip(
            ("--tls-ca", "--tls-cert", "--tls-key"), given.values(), strict=True
        ):
            if file is not None and not file.is_file():
                raise SettingError(option, got=str(file), expected="a file", todo="check the path")
        files = {name: str(file) for name, file in given.items() if file is not None}
        made = Security(require_encryption=True, **files)
        if not (made.tls_ca_file and made.tls_client_cert):
            raise SettingError(
                "--scheduler",
                got=self.address,
                expected="--tls-ca, --tls-cert and --tls-key (PEM files)",
                todo="give them, or set distributed.comm.tls in Dask's configuration",
            )
        return made


@contextmanager
def cluster(scheduler: RemoteScheduler | None, workers: int) -> Iterator[Cluster]:
    """A cluster of others, or one of its own while it is needed. Workers do whatever they are sent:
    its own takes nothing from others on this machine (TLS, with keys of this run alone), and serves
    no page."""
    from distributed import Client

    if scheduler is None:
        from monitor.reprocess.local_cluster import here

        with here(workers, WORKER_THREADS) as made, Client(made) as client:
            yield Cluster(client)
        return
    security = scheduler.security()
    try:
        client = Client(scheduler.address, timeout=10, security=security)
    except (OSError, ValueError, TypeError, TimeoutError, RuntimeError) as error:
        raise SettingError(
            "--scheduler",
            got=scheduler.address,
            expected="the address of a Dask scheduler that answers",
            todo=f"check it, and the files of TLS ({type(error).__name__})",
        ) from None
    with client:
        yield Cluster(client)
