"""Who can reach the cluster of `reprocess`, and what is sent to one of others."""

from __future__ import annotations

import pickle
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed import Client, Security
from typer.testing import CliRunner

from monitor.cli.command_line import app
from monitor.errors import SettingError
from monitor.playback.replay import replay_settings
from monitor.recording.read.experiment import open_experiment
from monitor.reprocess import measure
from monitor.reprocess.cluster import WORKER_THREADS, RemoteScheduler
from monitor.reprocess.local_cluster import here
from monitor.reprocess.settings import changed
from tests.core.experiment import experiment
from tests.reprocess.test_measure import contents, record, straight

ROLES = {"ca": "tls_ca_file", "cert": "tls_client_cert", "key": "tls_client_key"}

pytestmark = pytest.mark.slow  # a cluster is started


@dataclass
class Running:
    """A cluster in its own processes; `files`: what a client of it needs."""

    made: Any
    address: str
    files: dict[str, Path]


def pem_files(security: Security, folder: Path) -> dict[str, Path]:
    files = {role: folder / f"{role}.pem" for role in ROLES}
    for role, attribute in ROLES.items():
        files[role].write_text(getattr(security, attribute))
    return files


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with here(1, WORKER_THREADS) as made:
        files = pem_files(made.security, tmp_path_factory.mktemp("tls"))
        yield Running(made, made.scheduler_address, files)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("recorded"), experiment(1))


def listening() -> set[tuple[str, int]]:
    """Addresses at which this process and those that it started listen."""
    this = psutil.Process()
    found = [c for p in (this, *this.children(recursive=True)) for c in p.net_connections("tcp")]
    return {(c.laddr.ip, c.laddr.port) for c in found if c.status == psutil.CONN_LISTEN}


def test_it_serves_no_page(running: Running) -> None:
    with Client(running.made) as client:
        (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
    assert worker["services"] == {} and running.made.scheduler.services == {}
    heard = listening()
    assert heard and {host for host, _ in heard} == {"127.0.0.1"}
    for host, port in heard:
        with pytest.raises((urllib.error.URLError, OSError)):
            urllib.request.urlopen(f"http://{host}:{port}/health", timeout=30)


def test_nobody_without_its_keys_gets_in(running: Running, tmp_path: Path) -> None:
    strangers = RemoteScheduler(running.address, **pem_files(Security.temporary(), tmp_path))
    with pytest.raises(OSError, match=r"(?i)timed out|tls|ssl|certificate|closed"):
        Client(running.address, security=strangers.security(), timeout=2)


def test_a_scheduler_with_tls_is_used(running: Running, recording: Path, tmp_path: Path) -> None:
    told: list[str] = []
    where = RemoteScheduler(running.address, **running.files)
    made = measure.run_reprocess(
        recording, changes=[], scheduler=where, out=tmp_path, say=told.append
    )
    truth = contents(straight(recording, tmp_path / "straight"))
    found = contents(made)
    assert [name for name in found if found[name] != truth[name]] == []
    (line,) = [line for line in told if running.address in line]
    assert "path of the recording" in line and "no keys" in line


@pytest.mark.parametrize(
    "address",
    ["tcp://h:8786", "h:8786", "h", "ws://h:1", "ucx://h:1", "inproc://x", "TLS://h:1", ""],
)
def test_one_without_tls_needs_a_word(address: str) -> None:
    with pytest.raises(SettingError) as caught:
        RemoteScheduler(address).security()
    assert "--plain" in str(caught.value) and "--tls-ca" in str(caught.value)
    assert RemoteScheduler(address, plain=True).security() is None


@pytest.mark.parametrize("lacks", ["ca", "cert", "both"])
def test_tls_without_its_files(lacks: str, running: Running) -> None:
    given = {r: f for r, f in running.files.items() if r != lacks and lacks != "both"}
    for plain in (False, True):  # what is said to be without TLS, and is not, has it
        with pytest.raises(SettingError, match="--tls-ca, --tls-cert"):
            RemoteScheduler("tls://h:1", **given, plain=plain).security()


@pytest.mark.parametrize("role", ROLES)
def test_a_file_of_tls_that_is_not_there_is_named(role: str, running: Running) -> None:
    given = {**running.files, role: Path("/nowhere.pem")}
    with pytest.raises(SettingError, match=f"--tls-{role}"):
        RemoteScheduler("tls://h:1", **given).security()


def test_the_files_may_stand_in_dask_s_configuration(running: Running) -> None:
    files = running.files
    names = {"ca-file": "ca", "client.cert": "cert", "client.key": "key"}
    tls = {f"distributed.comm.tls.{name}": str(files[role]) for name, role in names.items()}
    with dask.config.set(tls):
        made = RemoteScheduler("tls://h:1").security()
    assert made.require_encryption and made.tls_ca_file == str(files["ca"])


@pytest.mark.parametrize("more", [[], ["--tls-ca", "/nowhere.pem"]])
def test_on_the_command_line(more: list[str], recording: Path) -> None:
    address = "tls://127.0.0.1:1" if more else "tcp://127.0.0.1:1"
    result = CliRunner().invoke(app, ["reprocess", str(recording), "--scheduler", address, *more])
    assert result.exit_code == 2
    assert ("--tls-ca" if more else "--plain") in result.output
    assert len(result.output.strip().splitlines()) == 1 or "\n\n" not in result.output


def test_what_is_sent_holds_no_key(recording: Path) -> None:
    experiment = open_experiment(recording)
    secret = "engine.key_secret"
    settings = changed(
        replay_settings(experiment.settings), [f'security.secret_key="/etc/{secret}"']
    )
    tasks = measure._tasks(experiment, settings)
    assert tasks and secret in settings.security.secret_key
    for task in tasks.values():
        sent = pickle.dumps(task)
        assert recording.name.encode() in sent
        assert secret.encode() not in sent and b"tcp://" not in sent
