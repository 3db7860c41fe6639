"""A bluesky-queueserver RE manager with its Redis, as real processes on free loopback ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zmq

from monitor.processes import free_addresses
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S, eventually
from tests.system.running import ROOT

SIMULATED = ROOT / "simulators" / "queueserver"


class Redis:
    """A Redis that keeps everything in memory; it outlives the managers that use it."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed (Debian: redis-server)")
        self.address = free_addresses(1)[0].removeprefix("tcp://")
        port = self.address.rpartition(":")[2]
        options = ["--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [program, *options, "--dir", str(folder)], stdout=subprocess.DEVNULL
        )
        eventually(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.address.rpartition(":")[2]))) == 0

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)


class ReManager:
    """`start-re-manager` with the simulated station; may be killed and started again."""

    def __init__(self, control: str, redis: str, folder: Path, config: Path) -> None:
        self.control = control
        self._redis, self._folder, self._config = redis, folder, config
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once the environment is open: queue and history are those of before."""
        program = Path(sys.executable).parent / "start-re-manager"
        options = {
            "--zmq-control-addr": self.control,
            "--redis-addr": self._redis,
            "--redis-name-prefix": "pitwatch_test",
            "--startup-script": str(SIMULATED / "startup.py"),
            "--existing-plans-devices": str(self._folder / "existing_plans_and_devices.yaml"),
            "--user-group-permissions": str(SIMULATED / "user_group_permissions.yaml"),
        }
        with (self._folder / "manager.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    str(program),
                    *(part for item in options.items() for part in item),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its worker must go with it
                env={
                    **os.environ,
                    "PITWATCH_CONFIG": str(self._config),
                    "PITWATCH_MEMORY": str(self._folder),
                    "MPLBACKEND": "agg",
                },
            )
        self.ask("environment_open")
        eventually(lambda: self.ask("status")["worker_environment_state"] == "idle", step_s=0.1)

    def kill(self) -> None:
        """No chance to tidy up: manager and worker end at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE_S)
            self._process = None

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The manager's answer. One that is just starting answers once it is there."""
        with self._context.socket(zmq.REQ) as asking:
            asking.linger = 0
            asking.connect(self.control)
            asking.send_json({"method": method, "params": params})
            assert asking.poll(PATIENCE_MS), f"no answer to {method}"
            return dict(asking.recv_json())

    def add(self, *names: str, **kwargs: Any) -> None:
        """Plans, or `queue_stop`, at the back of the queue."""
        for name in names:
            kind = "instruction" if name == "queue_stop" else "plan"
            item = {"item_type": kind, "name": name, "kwargs": kwargs if kind == "plan" else {}}
            answer = self.ask("queue_item_add", item=item, user="test", user_group="primary")
            assert answer["success"], answer

    def has_stopped(self) -> bool:
        """Whether nothing runs and no `queue_stop` is ahead."""
        ahead = [item["name"] for item in self.ask("queue_get")["items"]]
        return self.ask("status")["manager_state"] == "idle" and "queue_stop" not in ahead

    def plans_run(self, after: int, count: int) -> list[tuple[str, str, str]]:
        """(plan, id of the request, how it ended) of all that was run after the first `after`,
        in order, once they are `count`: the manager hears of an end later than the engine does."""
        eventually(lambda: len(self._history()) >= after + count, step_s=0.1)
        return self._history()[after:]

    def _history(self) -> list[tuple[str, str, str]]:
        return [
            (item["name"], item.get("kwargs", {}).get("request", ""), item["result"]["exit_status"])
            for item in self.ask("history_get")["items"]
            if item["item_type"] == "plan"
        ]

    @property
    def count_run(self) -> int:
        return len(self._history())

    def close(self) -> None:
        self.kill()
        self._context.destroy(linger=0)
