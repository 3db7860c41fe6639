"""The tomography station: an ophyd detector that, when triggered, streams one scan of its cell.

It stands for camera and reconstruction together: slices leave over ZeroMQ while the cell turns,
and only the name of the scan goes into the bluesky documents.
"""

from __future__ import annotations

import itertools
import threading
import time as wall
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray
from ophyd import Component, Device, Signal
from ophyd.status import DeviceStatus

from monitor.errors import SettingError
from monitor.records import Reason, ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.wire import stins
from simulators.cell import Cell
from simulators.program import CellTime, Program
from simulators.tomogram import Imaging, Tomogram

QUEUED_MESSAGES = 4000
SEND_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class ScanOrder:
    """Which scan comes next, and why. `request`: id of the request that it answers, or ""."""

    run: str
    scan: int
    reason: Reason
    request: str = ""


class Sample:
    """A cell in the beam: the truth, moved along by the cycler's program."""

    def __init__(self, cell: Cell, program: Program) -> None:
        self.cell = cell
        self._program = program
        self._time = program.edges[0]
        self._begun = 0

    def heights_at(self, time: float) -> NDArray[np.float64]:
        """Heights, µm, at a cell time that is not before the last one asked for."""
        if time > self._time:
            for step, number, charge_mAh_cm2 in self._program.between(self._time, time):
                if step.stripping is not None and number != self._begun:
                    self.cell.begin(step.stripping)
                    self._begun = number
                self.cell.update(charge_mAh_cm2)
            self._time = time
        return self.cell.heights_um


class SlicePublisher:
    """XPUB socket of the slice stream. A slow subscriber slows the beamline; nothing is dropped."""

    def __init__(self, endpoint: str) -> None:
        """Binds. Raises SettingError where the address cannot be had."""
        self._lock = threading.Lock()
        self._socket = zmq.Context.instance().socket(zmq.XPUB)
        self._socket.sndhwm = QUEUED_MESSAGES
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._socket.close(0)
            raise SettingError(
                "simulator.slices",
                got=endpoint,
                expected="a free address such as tcp://127.0.0.1:5601",
                todo=f"free it or choose another port ({error.strerror})",
            ) from None

    def wait_for_subscriber(self, timeout_s: float, stop: threading.Event) -> bool:
        """Waits until somebody subscribes; False where nobody did in time."""
        deadline = wall.monotonic() + timeout_s
        while wall.monotonic() < deadline and not stop.is_set():
            with self._lock:
                if self._socket.poll(50) and self._socket.recv()[:1] == b"\x01":
                    return True
        return False

    def send(self, frames: Sequence[bytes | memoryview], stop: threading.Event) -> None:
        """Sends one message; waits for room, and gives the message up after SEND_PATIENCE_S."""
        deadline = wall.monotonic() + SEND_PATIENCE_S
        while wall.monotonic() < deadline and not stop.is_set():
            try:
                with self._lock:
                    self._socket.send_multipart(frames, zmq.DONTWAIT)
                return
            except zmq.Again:
                wall.sleep(0.01)

    def close(self, linger_s: float = 0.0) -> None:
        """Closes, leaving queued messages `linger_s` to get away."""
        with self._lock:
            self._socket.close(int(1000 * linger_s))


class Tomograph(Device):
    """prepare(ScanOrder), trigger(): one scan goes out; read(): which one it was."""

    scan = Component(Signal, value=-1)
    reason = Component(Signal, value="")
    request = Component(Signal, value="")
    start_time = Component(Signal, value=0.0)
    stop_time = Component(Signal, value=0.0)

    def __init__(
        self,
        *,
        name: str,
        cell_name: str,
        sample: Sample,
        imaging: Imaging,
        publisher: SlicePublisher,
        time: CellTime,
        speed: float,
        scan_s: float,
        seed: tuple[int, ...] = (0,),
        stop: threading.Event | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self._cell_name = cell_name
        self._sample = sample
        self._imaging = imaging
        self._publisher = publisher
        self._time = time
        self._speed = speed
        self._scan_s = scan_s
        self._seed = seed
        self._stop_asked = stop or threading.Event()
        self._stream = str(uuid.uuid4())
        self._numbers = itertools.count()
        self._order: ScanOrder | None = None

    def prepare(self, order: ScanOrder) -> DeviceStatus:
        """Tells which scan the next trigger makes."""
        self._order = order
        status = DeviceStatus(self)
        status.set_finished()
        return status

    def trigger(self) -> DeviceStatus:
        """Starts the prepared scan at the present cell time; done when its end has been sent."""
        if self._order is None:
            raise RuntimeError(f"{self.name}.trigger: no scan is prepared; call prepare first")
        order, self._order = self._order, None
        status = DeviceStatus(self)
        threading.Thread(
            target=self._run, args=(order, self._time.now, status), name="id15a", daemon=True
        ).start()
        return status

    def _run(self, order: ScanOrder, begin: float, status: DeviceStatus) -> None:
        try:
            self._stream_scan(order, begin)
        except Exception as error:
            status.set_exception(error)
        else:
            status.set_finished()

    def _stream_scan(self, order: ScanOrder, begin: float) -> None:
        end = begin + self._scan_s
        heights_um = self._sample.heights_at(0.5 * (begin + end))
        seed = (*self._seed, order.scan)
        tomogram = Tomogram(heights_um, self._imaging, seed, self._sample.cell.moss)
        self._send(stins.encode_start(self._start(order, tomogram, begin, end)))
        self._send_slices(order.scan, tomogram)
        last = ScanEnd(
            self._cell_name, order.scan, self._stream, next(self._numbers), tomogram.slice_count
        )
        self._send(stins.encode_end(last))
        for signal, value in (
            (self.scan, order.scan),
            (self.reason, order.reason),
            (self.request, order.request),
            (self.start_time, begin),
            (self.stop_time, end),
        ):
            signal.put(value, timestamp=end)

    def _start(self, order: ScanOrder, tomogram: Tomogram, begin: float, end: float) -> ScanStart:
        return ScanStart(
            key=ScanKey(self._cell_name, order.run, order.scan),
            stream=self._stream,
            msg_number=next(self._numbers),
            reason=order.reason,
            request=order.request,
            axis=self._imaging.axis,
            volume_shape=tomogram.volume_shape,
            dtype=self._imaging.dtype,
            voxel_size_um=(self._imaging.voxel_um,) * 3,
            start_time=begin,
            stop_time=end,
        )

    def _send_slices(self, scan: int, tomogram: Tomogram) -> None:
        """Spreads the slices evenly over the scan's wall time, or hurries where that has passed."""
        begin, count = wall.monotonic(), tomogram.slice_count
        for index in range(count):
            ahead_s = begin + index / count * self._scan_s / self._speed - wall.monotonic()
            if self._stop_asked.wait(ahead_s) if ahead_s > 0.0 else self._stop_asked.is_set():
                return
            frame = SliceFrame(
                cell=self._cell_name,
                scan=scan,
                stream=self._stream,
                msg_number=next(self._numbers),
                frame=index,
                data=tomogram.slice(index),
            )
            self._send(stins.encode_slice(frame))

    def _send(self, frames: Sequence[bytes | memoryview]) -> None:
        self._publisher.send(frames, self._stop_asked)
