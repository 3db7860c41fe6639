"""A beamline without sockets for slices, and a RunEngine whose console the test is."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import zmq
from bluesky.utils import RunEngineInterrupted
from event_model import DocumentNames, schema_validators

from monitor.records import FINAL_REPLIES, ScanEnd, ScanReply, ScanRequest, ScanStart, SliceFrame
from monitor.wire import requests
from monitor.wire.slices import stins
from simulators import build
from simulators.beamline import Acquisition, Pace, Station
from simulators.devices.cycler import Cycler
from simulators.devices.detector import Tomograph
from simulators.imaging.tomogram import Imaging
from simulators.mailbox import Mailbox
from simulators.plans import acquire
from simulators.scenarios import PITTING
from simulators.truth.cell import Cell
from simulators.truth.foil import FieldOfView
from simulators.truth.protocol import CellTime, Program, Step
from simulators.truth.sample import Sample
from tests.helpers.waiting import PATIENCE_S, eventually

BEGIN = 1000.0
PERIOD_S, SCAN_S = 1800.0, 240.0
SMALL = Imaging(slices=40, collector_slices=8.0)


class Slices:
    """Stands for the slice stream: what it was given, decoded. `broken` makes it fail, and the
    scan `held` gets no further than its third slice; `ended` is told of each scan that ends."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.broken = False
        self.held = -1
        self.ended: Callable[[int], None] = lambda scan: None

    def send(self, frames: Any, stop: Any) -> bool:
        if self.broken:
            raise OSError("no light")
        record = stins.decode([bytes(frame) for frame in frames])
        while isinstance(record, SliceFrame) and (record.scan, record.frame) == (self.held, 3):
            if stop.is_set():
                break
            time.sleep(0.001)
        if stop.is_set():
            return False
        if isinstance(record, ScanEnd):
            self.ended(record.scan)
        self.records.append(record)
        return True

    def of(self, kind: type) -> list[Any]:
        return [record for record in self.records if isinstance(record, kind)]


class Monitor:
    """One session of a monitor: sends requests, keeps the replies."""

    def __init__(self, endpoint: str) -> None:
        self._socket = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(endpoint)
        self.replies: list[ScanReply] = []

    def ask(self, id_: str, cell: str = "A", reason: str = "pit_onset") -> None:
        self._socket.send(requests.encode_request(ScanRequest(id_, cell, reason, 0, {})))

    def heard(self, id_: str) -> list[tuple[str, int | None]]:
        """(status, scan) of each reply to this id so far."""
        while self._socket.poll(0):
            self.replies.append(requests.decode_reply(self._socket.recv()))
        return [(reply.status, reply.scan) for reply in self.replies if reply.id == id_]

    def statuses(self, id_: str) -> list[str]:
        return [status for status, _ in self.heard(id_)]

    def up_to_the_end(self, id_: str) -> list[tuple[str, int | None]]:
        """(status, scan) of each reply to this id, once it is told how it ended."""
        eventually(lambda: not {*FINAL_REPLIES}.isdisjoint(self.statuses(id_)))
        return self.heard(id_)

    def why(self, id_: str) -> str:
        self.heard(id_)
        return next(reply.why for reply in reversed(self.replies) if reply.id == id_)

    def close(self) -> None:
        self._socket.close(0)


def device(time_: CellTime, slices: Any, index: int = 0, **kwargs: Any) -> Tomograph:
    """A small detector before a cell that a long discharge takes away."""
    cell = Cell(FieldOfView(size=64), PITTING, 1)
    defaults: dict[str, Any] = {"imaging": SMALL, "speed": 1200.0, "scan_s": SCAN_S}
    return Tomograph(
        name="id15a",
        cell_name="AB"[index],
        sample=Sample(cell, program()),
        publisher=slices,
        time=time_,
        **{**defaults, **kwargs},
    )


def program() -> Program:
    return Program((Step("discharge", 0.2, 10.0),), BEGIN + SCAN_S)


class HeldPace(Pace):
    """A pace that stands still between two scans for as long as a test needs."""

    rests_after = -1
    """Number of the scan after which cell time stands, until `go_on`."""
    _rest: float | None = None

    def time(self) -> float:
        return super().time() if self._rest is None else self._rest

    def over(self, scan: int) -> None:
        """A scan has been sent to its end."""
        if scan == self.rests_after:
            self.rests_after, self._rest = -1, super().time()

    def go_on(self) -> None:
        if self._rest is not None:
            self._wall_origin += (super().time() - self._rest) / self._speed
            self._rest = None


class Rig:
    """Cells A (and B), their plan and their RunEngine, which runs in a thread."""

    def __init__(
        self, endpoint: str, cells: int = 1, scans: float = 3, speed: float = 1200.0, **device_: Any
    ) -> None:
        self.endpoint = endpoint
        self.slices, self.lines = Slices(), []
        self.documents: list[tuple[str, dict[str, Any]]] = []
        self.time = CellTime(BEGIN)
        self.pace = HeldPace(self.time, speed, PERIOD_S)
        self.slices.ended = self.pace.over
        self.stop = threading.Event()
        self.engine = build.run_engine()
        self.engine.subscribe(lambda name, doc: self.documents.append((name, doc)))
        self.mailbox = Mailbox(endpoint, "AB"[:cells])
        self.monitor = Monitor(endpoint)
        self.error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.beamline = Acquisition(
            stations=[self._station(i, cells, scans, speed, device_) for i in range(cells)],
            time=self.time,
            mailbox=self.mailbox,
            pace=self.pace,
            period_s=PERIOD_S,
            scan_s=SCAN_S,
            stop=self.stop,
            progress=self.lines.append,
            state=lambda: str(self.engine.state),
            suspended=lambda: any(s.tripped for s in self.engine.suspenders),
        )

    def _station(self, index: int, cells: int, scans: float, speed: float, kw: Any) -> Station:
        begin = BEGIN + index * PERIOD_S / cells
        return Station(
            name="AB"[index],
            cycler=Cycler(name="vmp", program=program(), time=self.time, area_cm2=0.2),
            tomograph=device(self.time, self.slices, index, speed=speed, stop=self.stop, **kw),
            program=program(),
            metadata={"cell": "AB"[index]},
            next_scan=begin,
            next_reading=begin,
            periodic_left=scans,
        )

    def start(self) -> None:
        self._go(lambda: self.engine(acquire(self.beamline)))

    def start_and_rest(self) -> None:
        """Returns after the first scan, while cell time stands still."""
        self.pace.rests_after = 0
        self.start()
        self.until(lambda: self.recorded[:1] == [0])

    def resume(self) -> None:
        self.joined()
        self._go(self.engine.resume)

    def pause(self, defer: bool = False) -> None:
        self.engine.request_pause(defer)

    def joined(self) -> None:
        """The console has come back: the plan has ended, or is paused."""
        assert self._thread is not None
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), (self.engine.state, self.lines)
        if self.error is not None:
            raise self.error

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.engine.state, self.lines)
            time.sleep(0.002)

    def sends(self, scan: int, slices: int = 3) -> None:
        """Waits until so many slices of this scan have gone out."""
        self.until(
            lambda: sum(frame.scan == scan for frame in self.slices.of(SliceFrame)) >= slices
        )

    def close(self) -> None:
        self.beamline.stop.set()
        if self.engine.state != "idle":
            self.engine.abort()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
        self.monitor.close()
        self.mailbox.close()
        build.close(self.engine)

    def _go(self, call: Callable[[], Any]) -> None:
        def run() -> None:
            try:
                call()
            except RunEngineInterrupted:
                pass
            except BaseException as error:
                self.error = error

        self._thread = threading.Thread(target=run)
        self._thread.start()

    @property
    def scans(self) -> list[tuple[str, int, str, float]]:
        """(cell, number, reason, begin after the first) of each scan that began."""
        return [
            (s.key.cell, s.key.scan, s.reason, s.start_time - BEGIN)
            for s in self.slices.of(ScanStart)
        ]

    @property
    def ended(self) -> list[int]:
        """Numbers of the scans that were sent to their end."""
        return [end.scan for end in self.slices.of(ScanEnd)]

    @property
    def recorded(self) -> list[int]:
        """Numbers of the scans that the documents tell of."""
        return [
            doc["data"]["id15a_scan"]
            for name, doc in self.documents
            if name == "event" and "id15a_scan" in doc["data"]
        ]

    @property
    def reading_times(self) -> list[float]:
        return [
            doc["timestamps"]["vmp_current"]
            for name, doc in self.documents
            if name == "event" and "vmp_current" in doc["data"]
        ]

    def check(self) -> None:
        """What holds of every run: documents fit their schemas, and there is one beam."""
        for name, doc in self.documents:
            schema_validators[DocumentNames[name]].validate(doc)
        begins = [begin for *_, begin in self.scans]
        assert all(b - a >= SCAN_S or not self.whole(a) for a, b in itertools.pairwise(begins))
        on_grid = [(c, b) for c, _, reason, b in self.scans if reason in ("periodic", "reference")]
        assert len(set(on_grid)) == len(on_grid)
        offset = PERIOD_S / len(self.beamline.stations)
        assert all((b - "AB".index(c) * offset) % PERIOD_S == 0.0 for c, b in on_grid)

    def whole(self, begin: float) -> bool:
        return any(b == begin and number in self.ended for _, number, _, b in self.scans)
