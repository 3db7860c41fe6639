"""Run inside a network of its own by `test_security`: an engine at an address that is not loopback,
and who tries to reach it. `lo` there has a second address, as a machine on a network has."""

from __future__ import annotations

import contextlib
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
import tomli_w
import zmq

from monitor.gui.state.client import Client
from monitor.processes import free_addresses
from monitor.settings import load
from monitor.sockets.keys import ClientKeys, make_keys, random_pair, read_pair
from monitor.watch import Watcher
from monitor.wire.results.queries import NoteOrder, ScanOrder, StateRequest
from monitor.wire.slices import stins
from tests.core.phantom import start
from tests.helpers.waiting import PATIENCE_MS, PatientWatcher
from tests.studies.fuzz.decoders import resident_MB
from tests.system.running import PATIENCE_S, PROGRAM, write_config

HERE = "10.9.8.7"
NAMES = ("engine", "operator", "viewer", "producer")


@pytest.fixture(scope="module", autouse=True)
def network() -> None:
    for command in ("ip link set lo up", f"ip addr add {HERE}/32 dev lo"):
        subprocess.run(command.split(), check=True)


def elsewhere(count: int) -> list[str]:
    """Free addresses that others could reach, were this network not alone."""
    return [address.replace("127.0.0.1", HERE) for address in free_addresses(count)]


class Beamline:
    """An engine that listens at HERE, its keys, and the other ends of its feeds on loopback."""

    def __init__(self, folder: Path) -> None:
        self.files = {name: make_keys(folder / "keys", name) for name in NAMES}
        status, pull, push = elsewhere(3)
        security = {
            "secret_key": str(self.files["engine"][1]),
            "operators": [str(self.files["operator"][0])],
            "viewers": [str(self.files["viewer"][0])],
            "producers": [str(self.files["producer"][0])],
        }
        self.config = write_config(
            folder,
            results={"status": status, "pull": pull},
            feeds={"slices_pull": push},
            security=security,
        )
        self.settings = load(self.config)
        self.context: zmq.Context[Any] = zmq.Context()
        self.box = self.context.socket(zmq.ROUTER)
        self.box.bind(self.settings.requests.endpoint)
        self.documents = self.context.socket(zmq.XPUB)
        self.documents.bind(self.settings.feeds.documents[0])
        self.slices = self.context.socket(zmq.XPUB)
        self.slices.bind(self.settings.feeds.slices[0])
        self.trap = folder / "the pickle ran"

    def client(self, name: str) -> ClientKeys:
        own = read_pair(str(self.files[name][1]), name)
        return ClientKeys(own, read_pair(str(self.files["engine"][1]), "engine").public)

    @contextmanager
    def asking(self, keys: ClientKeys | None) -> Iterator[Watcher]:
        watcher = PatientWatcher(self.settings.results.pull, keys)
        try:
            yield watcher
        finally:
            watcher.close()


@pytest.fixture(scope="module")
def beamline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Beamline, int]]:
    """The beamline, and the id of the engine's process."""
    made = Beamline(tmp_path_factory.mktemp("beamline"))
    command = [sys.executable, str(PROGRAM), "engine", "--config", str(made.config)]
    process = subprocess.Popen(command)
    try:
        with made.asking(made.client("viewer")) as watcher:
            watcher.until(lambda s: bool(s["feeds"]), PATIENCE_S, lambda: process.poll() is None)
        yield made, process.pid
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        made.context.destroy(linger=0)


def state(beamline: Beamline) -> dict[str, Any]:
    with beamline.asking(beamline.client("viewer")) as watcher:
        return watcher.state()


@pytest.mark.parametrize("kind", ["no keys", "unknown key", "producer's key", "wrong engine"])
def test_a_stranger_gets_and_does_nothing(beamline: tuple[Beamline, int], kind: str) -> None:
    made, _ = beamline
    server = made.client("viewer").server
    keys = {
        "no keys": None,
        "unknown key": ClientKeys(random_pair(), server),
        "producer's key": made.client("producer"),
        "wrong engine": ClientKeys(made.client("operator").own, random_pair().public),
    }[kind]
    before = state(made)
    with zmq.Context() as context, contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(context.socket(kind)) for kind in (zmq.DEALER, zmq.SUB, zmq.PUSH)
        ]
        dealer, sub, push = sockets
        addresses = (
            made.settings.results.pull, made.settings.results.status,
            made.settings.feeds.slices_pull,
        )  # fmt: skip
        for socket, address in zip(sockets, addresses, strict=True):
            socket.linger = 0
            if keys is not None and not (socket is push and kind == "producer's key"):
                keys.guard(socket)
            socket.connect(address)
        sub.subscribe(b"")
        for request in ({"type": "state"}, {"type": "request_scan", "cell": "A"}):
            dealer.send_json(request)
        with contextlib.suppress(zmq.Again):
            push.send_multipart(stins.encode_start(start((3, 128, 128))), zmq.DONTWAIT)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert not dealer.poll(100), "a stranger was answered"
            assert not sub.poll(100), "a stranger was told something"
    after = state(made)
    assert after["feeds"] == before["feeds"]
    assert after["cells"]["A"]["requests"] == []
    assert not made.box.poll(0)
    refused = after["security"]["refused_keys"] - before["security"]["refused_keys"]
    assert (refused > 0) == (kind in ("unknown key", "producer's key"))


def test_a_viewer_looks_and_an_operator_asks_for_a_scan(beamline: tuple[Beamline, int]) -> None:
    made, _ = beamline
    with made.asking(made.client("viewer")) as viewer:
        assert viewer.ask(StateRequest())[0]["role"] == "viewer"
        for order in (ScanOrder("A"), NoteOrder("A", "text")):
            reply = viewer.ask(order)[0]
            assert reply["status"] == "refused"
            assert "listed as a viewer's" in reply["why"]
        assert not made.box.poll(500)
        assert viewer.state()["security"]["refused_orders"] == 2
    with made.asking(made.client("operator")) as operator:
        assert operator.state()["role"] == "operator"
        assert operator.ask(ScanOrder("A"))[0]["status"] == "sent"
    assert made.box.poll(PATIENCE_MS)
    assert json.loads(made.box.recv_multipart()[-1])["cell"] == "A"


def test_the_screen_s_own_client_has_its_keys_and_its_role(beamline: tuple[Beamline, int]) -> None:
    made, _ = beamline
    results = made.settings.results
    for keys, role in ((made.client("viewer"), "viewer"), (made.client("operator"), "operator")):
        client = Client(results.pull, results.status, keys)
        try:
            end = time.monotonic() + 120
            while (found := client.snapshot().state) is None and time.monotonic() < end:
                time.sleep(0.05)
            assert found is not None and found["role"] == role
        finally:
            client.close()


class _Trap:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return (open, (str(self._path), "w"))


def test_pickles_and_huge_announcements_cost_nothing(beamline: tuple[Beamline, int]) -> None:
    """A million million voxels, and lengths of 4 thousand million: some lines of text."""
    made, pid = beamline
    array = {b"nd": True, b"kind": b"O", b"type": "|O", b"shape": [1]}
    trap = pickle.dumps(_Trap(made.trap))
    huge = [
        {"volume_shape": [10_000] * 3, "type": "uint8"},
        {"volume_shape": [58, 131_072, 131_072], "type": "uint8"},
        {"volume_shape": [131_072, 2_762, 2_762], "type": "uint8"},
        {"volume_shape": [131_072] * 3, "type": "float32"},
    ]
    for source in (made.documents, made.slices):
        assert source.poll(PATIENCE_MS)
        source.recv()
    before, counted = resident_MB(pid), state(made)["feeds"]
    for number in range(50):
        made.documents.send(b" event " + trap)
        made.documents.send(b" event " + msgpack.packb({"data": array | {b"data": trap}}))
        made.documents.send(b" event \x81\xa1a\xdd\xff\xff\xff\xff")
        for scan, changes in enumerate(huge):
            header = json.loads(stins.encode_start(start((3, 128, 128), scan=scan))[0])
            message = header | changes | {"msg_number": number, "stream": "huge"}
            made.slices.send(json.dumps(message).encode())
        image = {"htype": "image", "msg_number": 0, "stream": "huge", "cell": "A", "scan": 0,
                 "frame": 0, "shape": [131_072, 131_072], "type": "uint8"}  # fmt: skip
        packed = json.dumps(image | {"compression": "bslz4"}).encode()
        made.slices.send_multipart([packed, b"\0" * 100_000])
    end = time.monotonic() + 120
    while time.monotonic() < end:
        now = state(made)["feeds"]
        pickled = now["documents"]["bad"].get("pickled", 0)
        large = now["slices"]["bad"].get("too_large", 0)
        if pickled == 100 and large >= 150:
            break
        time.sleep(0.2)
    assert pickled == 100
    assert now["documents"]["bad"]["bad_document"] == 50
    assert large + now["slices"]["bad"].get("bad_shape", 0) == 4 * 50
    assert now["slices"]["messages"] - counted["slices"]["messages"] == 50
    assert resident_MB(pid) - before < 20
    assert not made.trap.exists()


# --- starts that are refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "key", "named"),
    [
        ("results", "status", "security.operators or viewers"),
        ("results", "pull", "security.operators or viewers"),
        ("feeds", "slices_pull", "security.producers"),
        ("feeds", "slices", "security.server_keys"),
        ("feeds", "documents", "security.server_keys"),
        ("requests", "endpoint", "security.server_keys"),
    ],
)
def test_without_keys_an_engine_does_not_start(
    tmp_path: Path, section: str, key: str, named: str
) -> None:
    (address,) = elsewhere(1)
    value = [address] if key in ("slices", "documents") else address
    config = write_config(tmp_path, **{section: {key: value}})
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "engine", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"{section}.{key}" in done.stderr
    assert named in done.stderr
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_plain_producer_elsewhere_is_connected_to_where_the_settings_say_so(
    tmp_path: Path,
) -> None:
    (address,) = elsewhere(1)
    context: zmq.Context[Any] = zmq.Context()
    producer = context.socket(zmq.XPUB)
    producer.bind(address)
    config = write_config(tmp_path, feeds={"slices": [address]}, security={"plain": [address]})
    process = subprocess.Popen([sys.executable, str(PROGRAM), "engine", "--config", str(config)])
    try:
        assert producer.poll(PATIENCE_MS)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        context.destroy(linger=0)
    assert process.returncode == 0


def test_simulators_and_publish_listen_on_loopback_alone(tmp_path: Path) -> None:
    (address,) = elsewhere(1)
    config = tmp_path / "config.toml"
    config.write_bytes(tomli_w.dumps({"simulator": {"slices": address}}).encode())
    for command in (["simulate", "--config", str(config)],):
        done = subprocess.run(
            [sys.executable, str(PROGRAM), *command],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 2, done.stderr
        assert "ssh tunnel" in done.stderr
