"""Idle clients use up no descriptors that the recorder needs."""

import resource
import subprocess
import sys

import pytest
import zmq

from monitor import settings as settings_file
from tests.system import running

LIMIT, IDLE = 1024, 1300


@pytest.mark.parametrize("kind", ["raw", "zmq"])
def test_a_scan_is_recorded_beside_more_idle_connections_than_there_are_descriptors(
    tmp_path, kind, monkeypatch
):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < IDLE + 100:
        pytest.skip("this system does not permit so many connections")
    config = running.write_config(tmp_path, requests={"backend": "none"})
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
        with running.engine(config) as (process, watcher):
            monkeypatch.setattr(running.subprocess, "Popen", start_process)
            assert producer.poll(30_000)

            def alive():
                return process.poll() is None

            port = settings.results.pull.rpartition(":")[2]
            crowd = start_process(
                [sys.executable, "-m", "tests.system.idle_clients", port, str(IDLE), kind],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=running.ROOT,
            )
            try:
                assert crowd.stdout.readline().strip() == "there"
                running.send_scan(producer)
                state = watcher.until(lambda s: len(running.scans_done(s)) == 1, 120, alive)
                (scan,) = running.scans_done(state)
                state = watcher.until(lambda s: s["recorder"]["scans"] == 1, 60, alive)
                assert scan["complete"]
                assert not scan.get("slices_not_recorded")
                assert state["recorder"]["failures"] == 0
                (alarm,) = [a for a in state["alarms"] if "results.pull" in a["text"]]
                assert "connections at tcp://127.0.0.1" in alarm["text"]
            finally:
                crowd.communicate("")
    finally:
        context.destroy(linger=0)
