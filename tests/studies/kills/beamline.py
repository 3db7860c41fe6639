"""Two cells whose slices and readings are sent whatever becomes of the engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import zmq

from monitor.faraday import UM_PER_MAH_CM2
from monitor.records import CyclerDocument, ScanStart, SliceFrame, frozen
from monitor.sources.feeds.resend_service import ResendService
from monitor.wire import documents
from tests.core.experiment import run_documents
from tests.core.phantom import columns, noisy, records, start
from tests.recording.synthetic import frames_of
from tests.system.faults import Records

SHAPE = (200, 64, 64)
"""Tall enough that a scan is evaluated before its last slice."""
BOTTOM, TOP = 16.2, 96.0
CELLS = ("A", "B")
AREA_CM2 = 0.2
PERIOD_S = 1800.0


def removed(cell: str, scan: float) -> np.ndarray:
    """Voxels (64, 64) that have gone: a plateau that recedes, and two pits from scan 2 on."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    lost = np.full(SHAPE[1:], (1.0 if cell == "A" else 0.6) * scan)
    for cy, cx in ((18, 17), (44, 46)) if scan >= 2 else ():
        inside = 1 - ((y - cy) ** 2 + (x - cx) ** 2) / 11.0**2
        lost += (2 + 3 * scan) * np.sqrt(np.clip(inside, 0, None))
    return lost


def scan_of(cell: str, scan: int, resend: str, pace: float = 1.0, session: str = "") -> Records:
    """Header, slices and end; each cell has a stream of its own in each session of the producer.
    `pace`: of what is removed."""
    top = TOP - removed(cell, pace * scan)
    clean = columns(np.full(SHAPE[1:], BOTTOM), top, SHAPE[0])
    reason = "periodic" if scan else "reference"
    begin = start(
        SHAPE, scan=scan, name=cell, stream=f"{session}{cell}", reason=reason, resend=resend
    )
    begin = replace(begin, msg_number=scan * (SHAPE[0] + 2))
    return records(begin, frozen(noisy(clean, seed=2 * scan + (cell == "B"))))


def documents_of(cell: str, scans: int, pace: float = 1.0) -> list[CyclerDocument]:
    """A run whose charge is that of what is removed: one reading a minute."""
    means = [removed(cell, pace * scan).mean() for scan in range(scans)]
    charges = np.array(means) / UM_PER_MAH_CM2 * AREA_CM2
    made: list[CyclerDocument] = run_documents(
        cell,
        np.arange(0.0, PERIOD_S * (scans - 1) + 121.0, 60.0),
        lambda time: float(np.interp(time, PERIOD_S * np.arange(scans), charges)),
        lambda time: -0.1,
    )
    return made


class Beamline:
    """Sends all scans at a steady pace; readings up to then, and those again that a new engine has
    not heard, as a cycler's file does that is read from its start."""

    def __init__(
        self,
        slices: str,
        resend: str,
        readings: str,
        scans: int,
        scan_s: float,
        pace: float = 1.0,
        *,
        done_before: int = 0,
        session: str = "s",
        finished: Callable[[int], None] = lambda number: None,
    ) -> None:
        """`done_before`: scans, of all cells, that a session before this one has sent; `finished`
        is told how many there are now."""
        self._done_before, self._session, self._finished = done_before, session, finished
        self._scans, self._pause, self._pace = scans, scan_s / (SHAPE[0] + 2), pace
        self._resend = resend
        self.service = ResendService(resend, kept_scans=6)
        self._context: zmq.Context[Any] = zmq.Context()
        self._slices = self._context.socket(zmq.PUB)
        self._slices.sndhwm = 0
        self._slices.bind(slices)
        self._readings = self._context.socket(zmq.XPUB)
        self._readings.setsockopt(zmq.XPUB_VERBOSER, 1)
        self._readings.sndhwm = 0
        self._readings.bind(readings)
        self._documents = {cell: documents_of(cell, scans, pace) for cell in CELLS}
        self._told: list[CyclerDocument] = []
        self.done = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> None:
        """Starts sending; an engine must have subscribed."""
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.service.close()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        for number in range(self._done_before, self._scans * len(CELLS)):
            scan, cell = number // len(CELLS), CELLS[number % len(CELLS)]
            self._tell(cell, PERIOD_S * scan + 31.0)
            for record in scan_of(cell, scan, self._resend, self._pace, self._session):
                self._send(record)
            self._finished(number + 1)
        for cell in CELLS:
            self._tell(cell, np.inf)
        self.done.set()
        # whoever comes late still hears all readings
        while not self._stop.is_set():
            self._hear()
            time.sleep(0.05)

    def _send(self, record: Any) -> None:
        frames = frames_of(record)
        if isinstance(record, ScanStart | SliceFrame):
            self.service.keep(record, frames)
        self._slices.send_multipart(frames)
        self._hear()
        self._stop.wait(self._pause)

    def _tell(self, cell: str, until: float) -> None:
        """The readings of a cell up to a time."""
        later = []
        for document in self._documents[cell]:
            if document.name == "event" and document.doc["time"] > until:
                later.append(document)
            else:
                self._told.append(document)
                self._readings.send(documents.encode(document, "msgpack"))
        self._documents[cell] = later

    def _hear(self) -> None:
        """To a new engine all readings are told again."""
        if self._readings.poll(0) and self._readings.recv()[:1] == b"\x01":
            for document in self._told:
                self._readings.send(documents.encode(document, "msgpack"))
