"""An EPICS IOC that serves what an engine finds, by Channel Access. Clients can only read."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import caproto
from caproto import AccessRights, AlarmSeverity, AlarmStatus
from caproto.asyncio.server import Context

from monitor.control.follow import CellFindings, Follower
from monitor.control.variables import (
    OF_A_CELL,
    OF_THE_ENGINE,
    Reading,
    Severity,
    Variable,
    cell_readings,
    engine_readings,
)
from monitor.errors import EngineUnreachable, SettingError
from monitor.sockets.keys import ClientKeys
from monitor.wire.results.state import State

POLL_S = 0.25
RETRY_S = 0.5
MAX_TEXT = 500
ENCODING = "utf-8"


class _Number(caproto.ChannelDouble):
    def check_access(self, hostname: object, username: object) -> AccessRights:
        return AccessRights.READ


class _Choice(caproto.ChannelEnum):
    check_access = _Number.check_access


class _Text(caproto.ChannelChar):
    check_access = _Number.check_access


@dataclass(slots=True)
class _Served:
    """A variable as clients see it: its channel, and what was written into it last."""

    channel: Any
    last: Reading | None = None

    async def write(self, reading: Reading, *, lost: bool = False) -> None:
        """Writes what has changed. `lost`: the engine does not answer."""
        if lost:
            reading = replace(reading, severity=Severity.INVALID)
        if self._is_shown(reading):
            return
        self.last = reading
        metadata: dict[str, object] = {"severity": AlarmSeverity(int(reading.severity))}
        metadata["status"] = _status(reading, lost=lost)
        if isinstance(self.channel, _Number):
            metadata |= {"units": reading.units, "precision": reading.digits}
            if reading.limits:
                low, high = reading.limits
                metadata |= {"lower_alarm_limit": low, "upper_alarm_limit": high}
        value = reading.value
        if isinstance(value, str):
            value = value.encode()[:MAX_TEXT].decode(errors="ignore")
        await self.channel.write(value, verify_value=False, **metadata)

    def _is_shown(self, reading: Reading) -> bool:
        """Also if both are NaN, which is not equal to itself."""
        return self.last is not None and repr(self.last) == repr(reading)


def _status(reading: Reading, *, lost: bool) -> AlarmStatus:
    if reading.severity is Severity.NONE:
        return AlarmStatus.NO_ALARM
    if lost:
        return AlarmStatus.COMM
    if reading.severity is Severity.INVALID:
        return AlarmStatus.UDF
    if reading.limits is not None and isinstance(reading.value, float):
        return AlarmStatus.LOLO if reading.value < reading.limits[0] else AlarmStatus.HIHI
    return AlarmStatus.STATE


class Ioc:
    """The variables of one engine. A cell's are there once the engine has named it, and stay."""

    def __init__(self, prefix: str) -> None:
        self.channels: dict[str, Any] = {}
        """By the whole name."""
        self._prefix = prefix
        self._served: dict[str, _Served] = {}
        self._add("", OF_THE_ENGINE)

    def _add(self, group: str, variables: Iterable[Variable]) -> None:
        for variable in variables:
            channel = _channel(variable)
            name = f"{group}{variable.name}"
            self._served[name] = _Served(channel)
            self.channels[f"{self._prefix}{name}"] = channel

    async def show(
        self, state: State, found: Mapping[str, CellFindings], heartbeat: int
    ) -> list[str]:
        """Writes what has changed. Returns the names of cells that are new."""
        await self._write("", engine_readings(state, heartbeat))
        new = [cell for cell in found if f"{cell}:{OF_A_CELL[0].name}" not in self._served]
        for cell in new:
            self._add(f"{cell}:", OF_A_CELL)
        for cell, findings in found.items():
            await self._write(f"{cell}:", cell_readings(state, cell, findings))
        return new

    async def lost(self) -> None:
        """The engine does not answer: every value stays, and is invalid."""
        for name, served in self._served.items():
            reading = served.last or Reading(served.channel.value)
            if name == "CONNECTED":
                reading = Reading("no")
            await served.write(reading, lost=True)

    def names(self, cell: str) -> str:
        """What is served of a cell, or of the engine ("")."""
        variables = OF_A_CELL if cell else OF_THE_ENGINE
        group = f"{cell}:" if cell else ""
        return f"{self._prefix}{group}" + ", ".join(variable.name for variable in variables)

    async def _write(self, group: str, readings: Mapping[str, Reading]) -> None:
        for name, reading in readings.items():
            await self._served[f"{group}{name}"].write(reading)


def _channel(variable: Variable) -> Any:
    alarm = {"status": AlarmStatus.UDF, "severity": AlarmSeverity.INVALID_ALARM}
    made = {"alarm": caproto.ChannelAlarm(**alarm)}
    match variable.kind:
        case "choice":
            return _Choice(value=variable.choices[0], enum_strings=variable.choices, **made)
        case "text":
            return _Text(value="", max_length=MAX_TEXT, string_encoding=ENCODING, **made)
        case "number":
            return _Number(value=float("nan"), **made)


def serve(
    pull: str,
    prefix: str,
    *,
    keys: ClientKeys | None,
    interface: str,
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Serves the results of the engine at `pull` until `stop` is set, also before there is an
    engine and after it has ended. `interface`: the address of this machine at which clients are
    answered; by default EPICS_CAS_INTF_ADDR_LIST, or this machine alone. Raises SettingError if it
    cannot be used."""
    given = os.environ.get("EPICS_CAS_INTF_ADDR_LIST", "").split()
    interfaces = [interface] if interface else given or ["127.0.0.1"]
    for one in interfaces:
        _check_interface(one)
    asyncio.run(_serve(pull, prefix, keys, interfaces, stop, say))


async def _serve(
    pull: str,
    prefix: str,
    keys: ClientKeys | None,
    interfaces: list[str],
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    ioc = Ioc(prefix)
    server = asyncio.ensure_future(Context(ioc.channels, interfaces).run())
    follower = Follower(pull, keys)
    try:
        await _follow(follower, ioc, lambda: stop.is_set() or server.done(), say)
        if server.done():
            _explain(server, interfaces)
    finally:
        follower.close()
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)


def _explain(server: asyncio.Future[None], interfaces: list[str]) -> None:
    """Why the server has ended by itself. Raises SettingError."""
    try:
        server.result()
    except (OSError, caproto.CaprotoError) as error:
        raise _unusable(" ".join(interfaces), error) from None


def _check_interface(interface: str) -> None:
    """Raises SettingError for anything but an IPv4 address of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((interface, 0))
        except OSError as error:
            raise _unusable(interface, error) from None


def _unusable(interface: str, error: Exception) -> SettingError:
    return SettingError(
        "--interface",
        got=interface,
        expected="an address of this machine",
        todo=f"correct it, or leave it out for this machine alone ({error})",
    )


async def _follow(
    follower: Follower, ioc: Ioc, ended: Callable[[], bool], say: Callable[[str], None]
) -> None:
    """Shows what the engine finds until `ended`."""
    loop = asyncio.get_running_loop()
    say(f"waits for the engine at {follower.address}")
    connected, answered_s, heard = False, 0.0, 0.0
    while not ended():
        try:
            state, found = await loop.run_in_executor(None, _asked, follower)
        except EngineUnreachable as error:
            if connected:
                say(f"{error}; all values stay, with severity INVALID")
            connected = False
            await ioc.lost()
            await asyncio.sleep(RETRY_S)
            continue
        now = time.monotonic()
        answered_s += now - heard if connected else 0.0
        heard = now
        new = await ioc.show(state, found, int(answered_s))
        if not connected:
            say(f"serves {ioc.names('')}")
        for cell in new:
            say(f"serves {ioc.names(cell)}")
        connected = True
        await asyncio.sleep(POLL_S)


def _asked(follower: Follower) -> tuple[State, Mapping[str, CellFindings]]:
    state = follower.state()
    return state, follower.findings(state)
