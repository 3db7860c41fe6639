"""The commands of docs/how-to/epics.md: results of a real engine, by a stock client."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.control.variables import OF_A_CELL, OF_THE_ENGINE
from monitor.processes import free_addresses
from monitor.settings import load
from tests.helpers.waiting import PATIENCE_S, eventually
from tests.system.running import PROGRAM, ROOT, engine, launch, scans_done, write_config

PAGE = (ROOT / "docs" / "how-to" / "epics.md").read_text("utf-8")


def on_this_machine() -> dict[str, str]:
    """EPICS at ports that nobody else uses."""
    ports = [address.rpartition(":")[2] for address in free_addresses(2)]
    return {
        **os.environ,
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": ports[0],
        "EPICS_CA_REPEATER_PORT": ports[1],
        "EPICS_CAS_SERVER_PORT": ports[0],
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
    }


def test_the_page_names_every_variable() -> None:
    whole = [f"PITWATCH:{variable.name}" for variable in OF_THE_ENGINE]
    whole += [f"PITWATCH:A:{variable.name}" for variable in OF_A_CELL]
    assert set(re.findall(r"`(PITWATCH:[A-Z:_]+)`", PAGE)) == set(whole)


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    pytest.importorskip("caproto")
    served, asked = re.findall(r"^(pitwatch ioc .*|caproto-get .*)$", PAGE, re.M)
    config = write_config(tmp_path, simulator={"scans": 6, "speed": 20000.0, "size": 96})
    pull, environment = load(config).results.pull, on_this_machine()
    command = [sys.executable, str(PROGRAM), *shlex.split(served)[1:], "--connect", pull]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as ioc:
        try:
            with engine(config) as (_, watcher):
                done = launch("simulate", "--config", str(config))
                assert done.returncode == 0, done.stderr
                program = "import sys; from caproto.commandline.get import main; sys.exit(main())"
                names = shlex.split(asked)[1:]
                get = [sys.executable, "-c", program, "--no-repeater", "--terse", "-n", *names]

                def values() -> list[str]:
                    told = subprocess.run(get, capture_output=True, text=True, env=environment)
                    return told.stdout.split()

                def agrees() -> bool:
                    scans = scans_done(watcher.state())
                    last = scans[-1] if scans else {}
                    return bool(last.get("pit_count")) and values() == ["1", str(last["pit_count"])]

                eventually(agrees, step_s=0.2)
        finally:
            ioc.send_signal(signal.SIGTERM)
            _, said = ioc.communicate(timeout=PATIENCE_S)
    assert ioc.returncode == 0, said
    assert "serves PITWATCH:A:STATE, SCAN" in said


def test_it_is_not_started_with_a_name_that_epics_refuses() -> None:
    done = launch("ioc", "--prefix", "pit watch")
    assert done.returncode == 2 and "--prefix: got 'pit watch'" in done.stderr
