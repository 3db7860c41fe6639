"""Idle clients use up no descriptors that the recorder needs."""

import resource
import subprocess
import sys

import pytest
import zmq

from monitor import settings as settings_file
from monitor.processes import free_addresses
from monitor.sockets.keys import ClientKeys, make_keys, read_pair
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S
from tests.system import running

LIMIT, IDLE = 1024, 1300
BOUND = ("results.pull", "results.status", "feeds.slices_pull")


def port_of(settings, setting):
    section, name = setting.split(".")
    return getattr(getattr(settings, section), name).rpartition(":")[2]


def keyed(folder):
    """Settings with keys, and those of who watches."""
    files = {name: make_keys(folder / "keys", name) for name in ("engine", "viewer", "producer")}
    own = read_pair(str(files["engine"][1]), "engine")
    security = {
        "secret_key": str(files["engine"][1]),
        "viewers": [str(files["viewer"][0])],
        "producers": [str(files["producer"][0])],
    }
    return security, ClientKeys(read_pair(str(files["viewer"][1]), "viewer"), own.public)


@pytest.mark.parametrize(
    ("kind", "with_keys", "attacked"),
    [
        ("raw", False, BOUND),
        ("raw", True, BOUND),
        ("zmq", False, BOUND[:1]),
    ],
)
def test_a_scan_is_recorded_beside_more_idle_connections_than_there_are_descriptors(
    tmp_path, kind, with_keys, attacked, monkeypatch
):
    """At each of these addresses."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < IDLE + 100:
        pytest.skip("this system does not permit so many connections")
    security, keys = keyed(tmp_path) if with_keys else ({}, None)
    config = running.write_config(
        tmp_path,
        requests={"backend": "none"},
        feeds={"slices_pull": free_addresses(1)[0]},
        security=security,
    )
    settings = settings_file.load(config)
    context = zmq.Context()
    producer = context.socket(zmq.XPUB)
    producer.xpub_nodrop = True
    producer.bind(settings.feeds.slices[0])
    start_process = subprocess.Popen

    def limited(arguments, **options):
        return start_process(
            arguments,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)),
            **options,
        )

    try:
        monkeypatch.setattr(running.subprocess, "Popen", limited)
        with running.engine(config, keys=keys) as (process, watcher):
            monkeypatch.setattr(running.subprocess, "Popen", start_process)
            assert producer.poll(PATIENCE_MS)

            def alive():
                return process.poll() is None

            crowds = [
                start_process(
                    [sys.executable, "-m", "tests.system.idle_clients", port, str(IDLE), kind],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=running.ROOT,
                )
                for port in (port_of(settings, setting) for setting in attacked)
            ]
            try:
                for crowd in crowds:
                    assert crowd.stdout.readline().strip() == "there"
                running.send_scan(producer)
                state = watcher.until(lambda s: len(running.scans_done(s)) == 1, PATIENCE_S, alive)
                (scan,) = running.scans_done(state)
                state = watcher.until(lambda s: s["recorder"]["scans"] == 1, PATIENCE_S, alive)
                assert scan["complete"]
                assert not scan.get("slices_not_recorded")
                assert state["recorder"]["failures"] == 0, [a["text"] for a in state["alarms"]]
                for setting in attacked:
                    (alarm,) = [a for a in state["alarms"] if setting in a["text"]]
                    assert "connections at tcp://127.0.0.1" in alarm["text"]
            finally:
                for crowd in crowds:
                    crowd.communicate("")
    finally:
        context.destroy(linger=0)
