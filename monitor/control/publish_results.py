"""Publishes what an engine finds as bluesky runs: to a Proxy of bluesky, or into Tiled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import h5py
import zmq
from bluesky.callbacks.zmq import Publisher
from zmq.utils.monitor import parse_monitor_message

from monitor.control.documents import CellRun, Document, numbers_of
from monitor.control.follow import Follower
from monitor.errors import EngineUnreachable, PitwatchError
from monitor.recording import format
from monitor.sockets.keys import ClientKeys
from monitor.wire.documents import serializer
from monitor.wire.results.cells import Scan
from monitor.wire.results.state import State

POLL_S = 0.5
RETRY_S = 10.0
SETTLE_S = 0.3
"""A socket that has connected learns in this time what the other side subscribes to."""
FILE_S = 30.0
"""A concluded scan is written within this time; after it, its maps are left out."""


class SinkLost(PitwatchError):
    """Documents cannot be given away now."""


class Proxy:
    """Documents for a bluesky Proxy, by bluesky's own Publisher, as msgpack."""

    def __init__(self, address: str) -> None:
        """`address`: the Proxy's input, host:port with or without tcp://."""
        self.name = f"the proxy at {address}"
        self._publisher = Publisher(
            address.removeprefix("tcp://"), serializer=serializer("msgpack")
        )
        self._news = self._publisher._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self._connected = False

    def check(self) -> None:
        """Raises SinkLost while there is no connection, and once after it was interrupted."""
        was = self._connected
        while self._news.poll(0):
            told = parse_monitor_message(self._news.recv_multipart())
            self._connected = told["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
            was = was and self._connected
            if self._connected:
                time.sleep(SETTLE_S)
        if not self._connected or not was:
            raise SinkLost(f"{self.name} does not answer; start it, or correct --documents")

    def take(self, name: str, document: Any) -> None:
        self._publisher(name, document)

    def close(self) -> None:
        self._publisher._socket.disable_monitor()
        self._publisher.close()


class Tiled:
    """Documents for a Tiled server, by bluesky's own TiledWriter."""

    def __init__(self, connect: Callable[[], Any], name: str) -> None:
        """`connect`: makes a client of the server; what it raises is a server that is lost."""
        self.name, self._connect = name, connect
        self._writer: Any = None
        self._lost: SinkLost | None = None
        self._again = 0.0

    def check(self) -> None:
        """Raises SinkLost if no connection can be made; tried again every 10 s."""
        from bluesky.callbacks.tiled_writer import TiledWriter

        if self._lost is not None and time.monotonic() < self._again:
            raise self._lost
        if self._writer is None:
            try:
                self._writer = TiledWriter(self._connect(), batch_size=1)
            except Exception as error:  # of HTTP, of Tiled, of its database: anything
                raise self._refused(error) from None

    def take(self, name: str, document: Any) -> None:
        """Raises SinkLost."""
        if self._writer is None:
            raise SinkLost(f"{self.name} is not connected")
        try:
            self._writer(name, document)
        except Exception as error:
            self._writer = None
            raise self._refused(error) from None

    def _refused(self, error: Exception) -> SinkLost:
        why = " ".join(str(error).split()) or type(error).__name__
        self._lost = SinkLost(f"{self.name} does not take documents ({why})")
        self._again = time.monotonic() + RETRY_S
        return self._lost

    def close(self) -> None:
        self._writer = None


Sink = Proxy | Tiled


@dataclass(slots=True)
class _Cell:
    """A cell's run in one sink. By scan, `known`: the numbers that were given; `waiting_since`:
    when its file was looked for first, by the monotonic clock."""

    run: CellRun
    known: dict[tuple[str, int], str] = field(default_factory=dict)
    waiting_since: dict[tuple[str, int], float] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether the file of a scan is still looked for."""
        return bool(self.waiting_since.keys() - self.known.keys())


class Runs:
    """The runs of an experiment in one sink: one for each cell, all scans in the order of time."""

    def __init__(self, sink: Sink, recording: str, say: Callable[[str], None]) -> None:
        """`recording`: folder of the recording; "": the one that the engine names."""
        self.sink, self._recording, self._say = sink, recording, say
        self._cells: dict[str, _Cell] = {}
        self._experiment: tuple[str, str] | None = None
        self._finished: str | None = None
        self._lost = ""

    def update(self, state: State) -> None:
        """Gives the sink what is new. If it cannot, all begins again with the next state for which
        it can: a run without its beginning is of no use."""
        try:
            self.sink.check()
            self._follow(state)
        except SinkLost as error:
            self._cells.clear()
            if str(error) != self._lost:
                self._say(str(error))
            self._lost = str(error)
            return
        self._lost = ""

    def _follow(self, state: State) -> None:
        folder = self._recording or state.get("recorder", {}).get("folder", "")
        experiment = state.get("experiment")
        if experiment is None or self._finished == state["engine"]:
            return
        identity = (experiment["name"], folder)
        if identity != self._experiment:
            self._end("another experiment has begun")
            self._experiment = identity
        for name, cell in state["cells"].items():
            scans = [scan for scan in cell.get("scans", ()) if not scan["provisional"]]
            if scans:
                self._cell(name, scans, Path(folder) if folder else None)
        if experiment["ended"] and not any(cell.waits for cell in self._cells.values()):
            self._end("the recording has ended")
            self._finished = state["engine"]

    def _cell(self, name: str, scans: list[Scan], folder: Path | None) -> None:
        if name not in self._cells:
            metadata = {"experiment": self._experiment[0] if self._experiment else ""}
            self._cells[name] = _Cell(CellRun(name, metadata, scans[0]["start_time"]))
            self._give(self._cells[name].run.start())
            self._say(f"cell {name}: a run has begun in {self.sink.name}")
        cell = self._cells[name]
        for scan in scans:
            key, numbers = (scan["run"], scan["scan"]), repr(numbers_of(scan))
            if key not in cell.known:
                file = None
                if folder is not None:
                    file = recorded_file(folder / name, scan)
                    since = cell.waiting_since.setdefault(key, time.monotonic())
                    if file is None and time.monotonic() - since < FILE_S:
                        return  # the next ones wait too: events are in the order of time
                    if file is None:
                        self._say(
                            f"cell {name} scan {scan['scan']}: its file is not in "
                            f"{folder / name}; its maps are left out. Name the folder of the "
                            "recording with --recording"
                        )
                self._give(cell.run.scan(scan, file))
                self._say(f"cell {name}: scan {scan['scan']} is published")
            elif cell.known[key] != numbers:
                self._give(cell.run.correction(scan))
            cell.known[key] = numbers

    def _give(self, documents: Iterable[Document]) -> None:
        for name, document in documents:
            self.sink.take(name, document)

    def _end(self, reason: str) -> None:
        for cell in self._cells.values():
            self._give(cell.run.stop(reason))
        self._cells.clear()

    def close(self) -> None:
        """Ends the runs as far as the sink takes it."""
        try:
            self._end("publishing was ended")
        except SinkLost as error:
            self._say(str(error))
        self.sink.close()


def recorded_file(folder: Path, scan: Scan) -> Path | None:
    """The file of a concluded scan in the folder of its cell; None if it is not complete yet.

    Another run may count its scans from 0 again: its files then have the next free numbers.
    """
    for path in _files_from(folder, scan["scan"]):
        try:
            with h5py.File(path, "r") as file:
                entry = file["entry"].attrs
                if str(entry["run"]) == scan["run"] and int(entry["scan"]) == scan["scan"]:
                    return path
        except (OSError, KeyError, ValueError):  # it is being corrected, or damaged
            return None
    return None


def _files_from(folder: Path, number: int) -> Iterator[Path]:
    while (path := folder / format.scan_name(number)).exists():
        yield path
        number += 1


def publish_results(
    pull: str,
    sinks: list[Sink],
    *,
    keys: ClientKeys | None,
    recording: str,
    stop: Event,
    say: Callable[[str], None],
) -> None:
    """Publishes what the engine at `pull` finds until `stop` is set, through restarts of engine and
    sinks."""
    runs = [Runs(sink, recording, say) for sink in sinks]
    follower, lost = Follower(pull, keys), ""
    say(f"waits for the engine at {pull}")
    try:
        while not stop.is_set():
            try:
                state = follower.state()
            except EngineUnreachable as error:
                if str(error) != lost:
                    say(str(error))
                lost = str(error)
            else:
                lost = ""
                for one in runs:
                    one.update(state)
            stop.wait(POLL_S)
    finally:
        follower.close()
        for one in runs:
            one.close()
