"""A stock Channel Access client reads what the engine finds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitor.control.variables import OF_A_CELL, OF_THE_ENGINE
from monitor.errors import SettingError
from monitor.processes import free_addresses
from tests.control.engines import engine
from tests.gui.synthetic import Cell
from tests.helpers.waiting import PATIENCE_S, eventually

pytest.importorskip("caproto")
pytestmark = pytest.mark.slow

Client = Callable[..., Any]


@pytest.fixture
def channel_access(monkeypatch: pytest.MonkeyPatch) -> None:
    """EPICS on this machine alone, at ports that nobody else uses."""
    ports = [address.rpartition(":")[2] for address in free_addresses(2)]
    for name, value in {
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": ports[0],
        "EPICS_CA_REPEATER_PORT": ports[1],
        "EPICS_CAS_SERVER_PORT": ports[0],
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("EPICS_CAS_INTF_ADDR_LIST", raising=False)


@pytest.fixture
def served(channel_access: None) -> Iterator[tuple[str, list[str]]]:
    """The address at which an engine is looked for, and what the IOC says."""
    from monitor.control.ioc import serve

    (pull,) = free_addresses(1)
    stop, said = threading.Event(), list[str]()
    how: dict[str, Any] = {"keys": None, "interface": "", "stop": stop, "say": said.append}
    thread = threading.Thread(target=serve, args=(pull, "T:"), kwargs=how)
    thread.start()
    yield pull, said
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture
def context(channel_access: None) -> Iterator[Any]:
    """A client, and its end."""
    from caproto.threading.client import Context, SharedBroadcaster

    broadcaster = SharedBroadcaster()
    made = Context(broadcaster)
    yield made
    made.disconnect()
    broadcaster.disconnect()


def pv(context: Any, name: str) -> Any:
    (found,) = context.get_pvs(name, timeout=PATIENCE_S)
    found.wait_for_connection(timeout=PATIENCE_S)
    return found


def test_a_stock_client_reads_numbers_with_units_and_is_told_of_the_onset(
    served: tuple[str, list[str]], context: Any
) -> None:
    pull, said = served
    cell, heard = Cell(), list[tuple[Any, int]]()
    waiting = pv(context, "T:CONNECTED")
    assert waiting.read(data_type="time").metadata.severity == 3
    with engine(pull) as made:
        made.scan(0, cell)
        onset = pv(context, "T:A:ONSET")

        def hear(subscription: Any, got: Any) -> None:  # kept here: caproto refers to it weakly
            heard.append((int(got.data[0]), got.metadata.severity))

        onset.subscribe(data_type="time").add_callback(hear)
        eventually(lambda: (0, 0) in heard)
        result = cell.result(1)
        made.update(result)
        made.happened("pit_onset", "A", scan=1, why="two pits")
        eventually(lambda: (1, 2) in heard)
        averaged = pv(context, "T:A:AVERAGED")
        eventually(lambda: averaged.read().data[0] == result.summary["averaged_um"])
        control = averaged.read(data_type="control").metadata
        assert (control.units, control.precision) == (b"um", 2)
        pits = pv(context, "T:A:PITS").read(data_type="control")
        assert pits.data[0] == len(result.pits) and pits.metadata.severity == 0
        state = pv(context, "T:A:STATE").read(data_type="control").metadata
        assert b"LIVE" in state.enum_strings
        name = pv(context, "T:EXPERIMENT").read(data_type="native").data
        assert bytes(name).rstrip(b"\0") == b"demo"
    assert any(line.startswith("serves T:A:STATE") for line in said)
    assert any("B-2" in line for line in said)


def test_every_variable_can_be_read_and_none_written(
    served: tuple[str, list[str]], context: Any
) -> None:
    from caproto import AccessRights

    pull, _ = served
    with engine(pull) as made:
        made.scan(2, Cell())
        names = [f"T:{variable.name}" for variable in OF_THE_ENGINE]
        names += [f"T:{cell}:{v.name}" for cell in ("A", "B-2") for v in OF_A_CELL]
        for one in context.get_pvs(*names, timeout=PATIENCE_S):
            one.wait_for_connection(timeout=PATIENCE_S)
            one.read(data_type="control")
            assert one.access_rights == AccessRights.READ


def test_another_engine_is_followed_after_the_first_has_ended(
    served: tuple[str, list[str]], context: Any
) -> None:
    pull, said = served
    cell = Cell()
    with engine(pull) as made:
        made.scan(1, cell)
        scan, connected = pv(context, "T:A:SCAN"), pv(context, "T:CONNECTED")
        eventually(lambda: scan.read().data[0] == 1)
        begun = pv(context, "T:HEARTBEAT").read().data[0]
        eventually(lambda: pv(context, "T:HEARTBEAT").read().data[0] > begun)
    eventually(lambda: connected.read().data[0] == 0)
    eventually(lambda: scan.read(data_type="time").metadata.severity == 3)
    assert scan.read().data[0] == 1, "the last value stays"
    with engine(pull) as made:
        made.scan(2, cell)
        eventually(lambda: scan.read().data[0] == 2)
        assert scan.read(data_type="time").metadata.severity == 0
        assert connected.read().data[0] == 1
    assert sum("no engine answers" in line for line in said) >= 1


def test_an_address_that_this_machine_does_not_have_is_one_line(channel_access: None) -> None:
    from monitor.control.ioc import serve

    with pytest.raises(SettingError, match=r"--interface: got '192\.0\.2\.1'"):
        serve(
            *(free_addresses(1)[0], "T:"),
            keys=None,
            interface="192.0.2.1",
            stop=threading.Event(),
            say=lambda text: None,
        )
