"""The examples of docs/reference/requests.md, run as they stand, asked by a requester of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from monitor.engine.requests.requester import Requester
from monitor.processes import free_addresses
from monitor.records import ScanReply, ScanRequest
from monitor.settings import RequestSettings
from tests.helpers.waiting import PATIENCE_S, eventually
from tests.system.running import ROOT

EXAMPLES = ROOT / "docs" / "examples"
Reply = tuple[str, str, int | None]
"""Status, why, scan."""
REQUEST = ScanRequest("5a6f9d86-0b5a-4a0e-9d0e-0f6f5d5c1a11", "A", "pit_onset", 7, {"pits": 3})


@contextmanager
def example(name: str, **environment: str) -> Iterator[tuple[Requester, Any]]:
    """An example that runs, and a requester that asks it."""
    (endpoint,) = free_addresses(1)
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / name), endpoint],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    requester = Requester(RequestSettings(endpoint=endpoint, resend_s=0.2))
    try:
        yield requester, process
    finally:
        requester.close()
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def heard_up_to(requester: Requester, last: Reply) -> set[Reply]:
    """All replies that come until `last` does."""
    heard: set[Reply] = set()
    eventually(lambda: heard.update(map(_told, requester.poll())) or last in heard)
    return heard


def _told(reply: object) -> Reply:
    assert isinstance(reply, ScanReply), reply
    return reply.status, reply.why, reply.scan


def replies(requester: Requester, count: int) -> list[Reply]:
    """The replies that differ, once they are `count`."""
    heard: dict[Reply, None] = {}
    eventually(
        lambda: heard.update(dict.fromkeys(map(_told, requester.poll()))) or len(heard) >= count
    )
    return list(heard)


def test_mailbox() -> None:
    with example("mailbox.py") as (requester, process):
        requester.send(REQUEST)
        assert replies(requester, 2) == [("running", "", None), ("done", "", 1)]
        requester.send(REQUEST)
        assert replies(requester, 1) == [("done", "", 1)]
        process.terminate()
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert said == f"scan of cell A for request {REQUEST.id}\n", "one scan, not two"


@pytest.fixture
def channel_access() -> dict[str, str]:
    """EPICS on this machine alone, on ports that nobody else uses."""
    pytest.importorskip("caproto")
    ports = [address.rpartition(":")[2] for address in free_addresses(2)]
    return {
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": ports[0],
        "EPICS_CA_REPEATER_PORT": ports[1],
        "EPICS_CAS_SERVER_PORT": ports[0],
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_BEACON_PORT": ports[1],
    }


def client(channel_access: dict[str, str], tool: str, *arguments: str) -> str:
    """What caproto's command-line client prints: the values, one a line."""
    program = f"import sys; from caproto.commandline.{tool} import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-repeater", "--terse", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, **channel_access},
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip()


def values(channel_access: dict[str, str], *names: str) -> list[str]:
    """Values of the PVs, without quotes."""
    return client(channel_access, "get", *(f"PIT:{name}" for name in names)).splitlines()


def test_epics_ioc(channel_access: dict[str, str]) -> None:
    other = ScanRequest("f4b1a2c0-6a35-4b0b-8d4e-59d6d4a80a22", "B", "manual", 2, {})
    with example("epics_ioc.py", **channel_access) as (requester, _):
        requester.send(REQUEST)
        accepted, running = ("accepted", "", None), ("running", "", None)
        assert replies(requester, 1) == [accepted]
        names = ("REQUEST", "CELL", "REASON", "STATUS")
        shown = [REQUEST.id, "A", "pit_onset", "waiting"]
        eventually(lambda: values(channel_access, *names) == shown)
        client(channel_access, "put", "PIT:STATUS", "running")
        assert heard_up_to(requester, running) <= {accepted, running}
        client(channel_access, "put", "PIT:STATUS", "over")  # no such status: no reply
        client(channel_access, "put", "PIT:SCAN", "8")
        client(channel_access, "put", "PIT:STATUS", "done")
        done = ("done", "", 8)
        assert heard_up_to(requester, done) <= {accepted, running, done}
        requester.send(other)
        heard_up_to(requester, accepted)
        eventually(lambda: values(channel_access, *names)[-1:] == ["waiting"])
        client(channel_access, "put", "PIT:WHY", "'shutter closed'")
        client(channel_access, "put", "PIT:STATUS", "refused")
        heard_up_to(requester, ("refused", "shutter closed", None))
        eventually(lambda: values(channel_access, *names) == [])
