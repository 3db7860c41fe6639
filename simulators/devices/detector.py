"""The tomography station: an ophyd detector that, when triggered, streams one scan of its cell.

It stands for camera and reconstruction together: slices leave over ZeroMQ while the cell turns.
The bluesky documents carry which scan it was and, where volumes are kept, the file it is in.
"""

from __future__ import annotations

import itertools
import threading
import time as wall
import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from event_model import DataKey
from ophyd import Component, Device
from ophyd.device import Staged
from ophyd.status import Status

from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.sources.feeds.resend_service import ResendService
from monitor.sources.feeds.slices import SliceSocket
from monitor.wire.slices import stins
from simulators.devices.scan import Scan, ScanOrder
from simulators.devices.signals import SignalWithUnits
from simulators.imaging.tomogram import Imaging, Tomogram
from simulators.imaging.volume_files import Documents, VolumeDocuments, VolumeFile
from simulators.truth.protocol import CellTime
from simulators.truth.sample import Sample

SEND_PATIENCE_S = 60.0
SLICE_PATIENCE_S = 1.0
UNSTAGE_PATIENCE_S = 5.0


class Tomograph(Device):
    """stage(), prepare(ScanOrder), trigger(): one scan goes out; read(): which one it was."""

    scan = Component(SignalWithUnits, value=-1, kind="hinted")
    reason = Component(SignalWithUnits, value="")
    request = Component(SignalWithUnits, value="")
    start_time = Component(SignalWithUnits, value=0.0, units="s", precision=3)
    stop_time = Component(SignalWithUnits, value=0.0, units="s", precision=3)

    cell = Component(SignalWithUnits, value="", kind="config")
    voxel_size = Component(SignalWithUnits, value=[0.0] * 3, units="um", precision=3, kind="config")
    volume_shape = Component(SignalWithUnits, value=[0] * 3, units="voxels", kind="config")
    pixel_type = Component(SignalWithUnits, value="", kind="config")
    slice_axis = Component(SignalWithUnits, value="", kind="config")
    scan_length = Component(SignalWithUnits, value=0.0, units="s", precision=1, kind="config")

    def __init__(
        self,
        *,
        name: str,
        cell_name: str,
        sample: Sample,
        imaging: Imaging,
        publisher: SliceSocket,
        time: CellTime,
        speed: float,
        scan_s: float,
        seed: tuple[int, ...] = (0,),
        stop: threading.Event | None = None,
        volumes: Path | None = None,
        resend: ResendService | None = None,
        timeout_s: float | None = None,
        **kwargs: Any,
    ) -> None:
        """`volumes`: folder for a file of each scan, None for none. `resend`: where what was sent
        can be asked for again. `timeout_s`: wall time after which a scan has failed; by default its
        own length and ample time to get the slices away."""
        super().__init__(name=name, **kwargs)
        self._cell_name = cell_name
        self._sample = sample
        self._imaging = imaging
        self._publisher = publisher
        self._resend = resend
        self._time = time
        self._speed = speed
        self._scan_s = scan_s
        self._seed = seed
        self._beamline_stop = stop or threading.Event()
        self._volumes = volumes
        self._documents = VolumeDocuments(f"{name}_volume")
        self._stream = str(uuid.uuid4())
        self._numbers = itertools.count()
        self._order: ScanOrder | None = None
        self._running: Scan | None = None
        self._shape = (imaging.slices, *sample.cell.heights_um.shape)
        slices = self._shape[0] if imaging.axis == "z" else self._shape[1]
        self._timeout_s = timeout_s or (
            scan_s / speed + SEND_PATIENCE_S + SLICE_PATIENCE_S * slices
        )
        self._put_configuration()

    def _put_configuration(self) -> None:
        for signal, value in (
            (self.cell, self._cell_name),
            (self.voxel_size, [self._imaging.voxel_um] * 3),
            (self.volume_shape, list(self._shape)),
            (self.pixel_type, self._imaging.dtype),
            (self.slice_axis, self._imaging.axis),
            (self.scan_length, self._scan_s),
        ):
            signal.put(value, timestamp=self._time.now)

    def describe(self) -> dict[str, DataKey]:
        """Of what read() says and, where volumes are kept, of the volumes in their files."""
        described: dict[str, DataKey] = super().describe()
        if self._volumes is not None:
            described[f"{self.name}_volume"] = {
                "source": f"SIM:{self.name}_volume",
                "dtype": "array",
                "dtype_numpy": stins.DTYPES[self._imaging.dtype].str,
                "shape": list(self._shape),
                "dims": ["z", "y", "x"],
                "units": "grey levels",
                "external": "STREAM:",
            }
        return described

    def collect_asset_docs(self) -> Documents:
        """Documents of the volumes that have become whole since the last call."""
        yield from self._documents.collect()

    def stage(self) -> Any:
        """Makes ready for any number of scans. Raises OSError if volumes have no place."""
        if self._volumes is not None:
            self._volumes.mkdir(parents=True, exist_ok=True)
        self._order = None
        return super().stage()

    def unstage(self) -> Any:
        """Ends a scan that runs, and waits for its end (not forever)."""
        self.stop(success=True)
        if self._running is not None and self._running.thread is not None:
            self._running.thread.join(UNSTAGE_PATIENCE_S)
        self._order = None
        return super().unstage()

    def prepare(self, order: ScanOrder) -> Status:
        """Sets which scan the next trigger makes."""
        self._order = order
        status = Status(self)
        status.set_finished()
        return status

    def trigger(self) -> Status:
        """Starts the prepared scan at the present cell time; done when its end has been sent.

        The status fails where the scan is cut (ScanCut), lasts too long (StatusTimeoutError), or
        cannot be made (whatever the reason raised). Raises RuntimeError if nothing can begin.
        """
        order, self._order = self._ready_order(), None
        status = Status(self, timeout=self._timeout_s)
        scan = Scan(order, self._time.now, status, self._beamline_stop)
        status.add_callback(lambda ended: scan.halt.set())
        scan.thread = threading.Thread(target=self._run, args=(scan,), name="id15a", daemon=True)
        self._running = scan
        scan.thread.start()
        return status

    def _ready_order(self) -> ScanOrder:
        """The prepared scan. Raises RuntimeError if it cannot begin."""
        running = self._running
        if self._staged != Staged.yes:
            got, expected, todo = "an unstaged device", "a staged one", "stage it first (bps.stage)"
        elif self._order is None:
            got, expected, todo = "no order", "a prepared scan", "call prepare(ScanOrder) first"
        elif running is not None and self.busy:
            got, expected = f"an order while scan {running.order.scan} runs", "one scan at a time"
            todo = "wait for its status"
        else:
            return self._order
        raise RuntimeError(f"{self.name}.trigger: got {got}, expected {expected}; {todo}")

    @property
    def busy(self) -> bool:
        """Whether a scan is under way."""
        return self._running is not None and not self._running.status.done

    def stop(self, *, success: bool = False, why: str = "") -> None:
        """Ends the scan that runs within one slice: its status fails with ScanCut, also where the
        stop was meant (`success`), because the volume is not complete. Without a scan: nothing."""
        scan = self._running
        if scan is not None and self.busy:
            scan.why = why or ("stopped" if success else "aborted")
            scan.halt.set()
        super().stop(success=success)

    def _run(self, scan: Scan) -> None:
        """The thread of one scan. A status that has timed out takes its end without complaint."""
        try:
            self._stream_scan(scan)
        except Exception as error:
            scan.status.set_exception(error)
        else:
            scan.status.set_finished()

    def _stream_scan(self, scan: Scan) -> None:
        order, end = scan.order, scan.begin + self._scan_s
        heights_um = self._sample.heights_at(0.5 * (scan.begin + end))
        seed = (*self._seed, order.scan)
        tomogram = Tomogram(heights_um, self._imaging, seed, self._sample.cell.moss)
        start = self._start(order, tomogram, scan.begin, end)
        kept = VolumeFile(self._volumes, start) if self._volumes is not None else None
        with kept or nullcontext():
            self._send(start, stins.encode_start(start), scan)
            self._send_slices(scan, tomogram, kept)
            count, number = tomogram.slice_count, next(self._numbers)
            last = ScanEnd(self._cell_name, order.scan, self._stream, number, count)
            if not self._publisher.send(stins.encode_end(last), scan):
                raise scan.cut(count)
            if kept is not None:
                kept.whole()
                self._documents.add(order.run, kept)
        self._put_reading(order, scan.begin, end)

    def _put_reading(self, order: ScanOrder, begin: float, end: float) -> None:
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
            resend=self._resend.address if self._resend is not None else "",
        )

    def _send(self, message: ScanStart | SliceFrame, frames: list[stins.Frame], scan: Scan) -> bool:
        if self._resend is not None:
            self._resend.keep(message, frames)
        return self._publisher.send(frames, scan)

    def _send_slices(self, scan: Scan, tomogram: Tomogram, kept: VolumeFile | None) -> None:
        """Spreads the slices evenly over the scan's wall time, or hurries where that has passed.

        Raises ScanCut if the scan is halted.
        """
        begin, count = wall.monotonic(), tomogram.slice_count
        for index in range(count):
            if scan.wait(begin + index / count * self._scan_s / self._speed - wall.monotonic()):
                raise scan.cut(count)
            frame = SliceFrame(
                cell=self._cell_name,
                scan=scan.order.scan,
                stream=self._stream,
                msg_number=next(self._numbers),
                frame=index,
                data=tomogram.slice(index),
            )
            if not self._send(frame, stins.encode_slice(frame), scan):
                raise scan.cut(count)
            scan.sent = index + 1
            if kept is not None:
                kept.write(index, frame.data)
