"""Files as live feeds: volumes as scans over the slice stream, a cycler file as documents.

What is appended to the cycler file meanwhile is published as well.
All times are those of the data. With a cycler file they lie on its own axis; without one the first
scan begins at the moment of publishing and the next follow at `scan_interval_s`.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from monitor.errors import EngineUnreachable, SettingError, SourceError
from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.settings import ResultSettings, SimulatorSettings
from monitor.sources.cyclers.files import CyclerFiles, cycler_paths
from monitor.sources.cyclers.timeline import (
    DEFAULT_INTERVAL_S,
    CyclerTime,
    ScanWindow,
    scan_windows,
)
from monitor.sources.feeds.delivery import Taken, find_engine
from monitor.sources.feeds.documents import ReadingFeed
from monitor.sources.feeds.resend_service import ResendService
from monitor.sources.feeds.slices import SliceSocket
from monitor.sources.publish_readings import SETTLE_S, TICK_S, Readings, check_cell
from monitor.sources.volumes.volume import Volume
from monitor.sources.volumes.voxel_size import Size, alike, as_text, doubt
from monitor.wire.documents import Codec
from monitor.wire.slices import stins

ALONE = (
    "one volume: it is scan 0, the reference of a new run, and is compared with nothing; to "
    "compare volumes, publish them together, in the order of time"
)
MAX_NAMED = 8

Progress = Callable[[str, int, int], None]
"""Called with what is done, the slices sent so far, and the slices in all."""

_DEFAULTS = SimulatorSettings()
_RESULTS = ResultSettings()


def publish(
    volumes: Sequence[Volume],
    *,
    cell: str = "A",
    voxel_um: float | None = None,
    endpoint: str = _DEFAULTS.slices,
    cycler: Path | Sequence[Path] | None = None,
    cycler_time: CyclerTime = "own",
    follow: bool = False,
    period_s: float = 0.0,
    scan_interval_s: float | None = None,
    documents_in: str = _DEFAULTS.documents_in,
    documents_out: str = _DEFAULTS.documents_out,
    document_codec: Codec = "msgpack",
    compression: str = "none",
    resend: str = "",
    engine: str = "",
    subscriber_wait_s: float = 30.0,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> None:
    """Streams each volume as one scan of `cell` (scan 0 is the reference), and readings between.

    Scans begin `period_s` of wall time apart (0: as fast as they are taken). `scan_interval_s` is
    the time of the data between two scans: by default the period, or 1800 s where the period is 0;
    `cycler_time="scaled"` spreads the scans over the whole cycler file instead. Readings keep the
    times of their file; all of them are sent, in time order with the slices, those too that are
    appended while volumes are sent; with `follow`, until `stop` is set. `voxel_um` overrides the
    files; where neither says a voxel size, it is sent as unknown.

    Readings up to the end of a scan are sent before its slices, which wait until the readings are
    taken: by the engine at `engine` (its results.pull), by default that at the default address if
    it takes these slices; without one, until the proxy has passed them on. Several cycler files
    are joined by their times. Slices that were never written are left out, as holes of their scan.

    Nothing is dropped: a slow subscriber is waited for, until `stop` is set. At the address
    `resend`, slices can be asked for again ("": nowhere). Raises SettingError,
    SourceError, MissingSoftware, or EngineUnreachable where nobody subscribes in time; all but
    the last, and what is wrong with a file later, before `progress` is first called.
    """
    _check(volumes, cell, voxel_um, period_s, scan_interval_s)
    given = [cycler] if isinstance(cycler, str | Path) else list(cycler or ())
    if follow and not given:
        raise SettingError(
            "--follow", got=None, expected="a file to follow", todo="give it with --cycler"
        )
    stop = stop or threading.Event()
    say = progress or (lambda _text, _sent, _total: None)
    now = time.time()
    files = CyclerFiles(cycler_paths(given), now) if given else None
    times = files.first[1] if files else np.empty(0)
    interval_s = scan_interval_s or period_s or DEFAULT_INTERVAL_S
    windows = scan_windows(len(volumes), times, cycler_time, interval_s, now)
    total = sum(volume.shape[0] for volume in volumes)
    with ExitStack() as stack:
        readings = None
        if files is not None:
            counter = find_engine(engine, _RESULTS.pull, endpoint)
            taken = Taken(documents_out, counter, lambda text: say(text, 0, 0))
            stack.callback(taken.close)
            feed = stack.enter_context(
                ReadingFeed(
                    *files.first,
                    cell=cell,
                    source=files.name,
                    documents_in=documents_in,
                    documents_out=documents_out,
                    codec=document_codec,
                    taken=taken,
                )
            )
            readings = Readings(files, feed, stop, lambda text: say(text, 0, 0))
        service = stack.enter_context(closing(ResendService(resend))) if resend else None
        slices = stack.enter_context(
            SliceSocket(endpoint, max(_slice_bytes(volume) for volume in volumes), stop)
        )
        if files is not None:
            stack.enter_context(files)
        for line in _volume_notes(volumes, voxel_um):
            say(line, 0, 0)
        if len(volumes) == 1:
            say(ALONE, 0, 0)
        say("waiting for an engine", 0, total)
        _wait_for_engine(slices, subscriber_wait_s, stop)
        stop.wait(SETTLE_S)
        job = _Publication(
            slices=slices,
            readings=readings,
            resend=service,
            cell=cell,
            run=readings.run if readings else str(uuid.uuid4()),
            voxel_um=voxel_um,
            compression=compression,
            stop=stop,
            say=say,
            total=total,
        )
        job.all_scans(volumes, windows, period_s, subscriber_wait_s, follow)


@dataclass(slots=True)
class _Publication:
    """One call of `publish`, with its sockets open."""

    slices: SliceSocket
    readings: Readings | None
    resend: ResendService | None
    cell: str
    run: str
    voxel_um: float | None
    compression: str
    stop: threading.Event
    say: Progress
    total: int
    stream: str = ""
    first_voxel: Size | None = None
    messages: int = 0
    sent: int = 0

    def all_scans(
        self,
        volumes: Sequence[Volume],
        windows: Sequence[ScanWindow],
        period_s: float,
        subscriber_wait_s: float,
        follow: bool,
    ) -> None:
        """Every volume in its window, then the readings that are left, or as they arrive."""
        self.stream = str(uuid.uuid4())
        exit_status: Literal["success", "abort", "fail"] = "fail"
        if self.readings:
            self.readings.open()
        began = time.monotonic()
        try:
            for index, (volume, window) in enumerate(zip(volumes, windows, strict=True)):
                if index:
                    self._pause(began + index * period_s, windows[index - 1], window, period_s)
                    _wait_for_engine(self.slices, subscriber_wait_s, self.stop)
                self._scan(index, volume, window)
            broken_off = self.stop.is_set()
            if self.readings and not broken_off:
                self.readings.rest(follow)
                broken_off = self.stop.is_set() and not follow
            exit_status = "abort" if broken_off else "success"
        finally:
            if self.readings:
                self.readings.finish(exit_status)

    def _pause(self, until: float, before: ScanWindow, after: ScanWindow, period_s: float) -> None:
        """Waits for the next scan; the readings meanwhile come in step with the wall clock."""
        while (left_s := until - time.monotonic()) > 0 and not self.stop.is_set():
            part = 1.0 - left_s / period_s
            self._read_until(before.start + part * (after.start - before.start))
            self.stop.wait(min(TICK_S, left_s))

    def _scan(self, index: int, volume: Volume, window: ScanWindow) -> None:
        if self.stop.is_set():
            return
        self._read_until(window.stop)
        start = self._start(index, volume, window)
        self._send(stins.encode_start(start), start)
        never: list[int] = []
        before = self.sent
        try:
            for frame, plane in enumerate(volume.slices()):
                if plane is None:
                    never.append(frame)
                    continue
                record = SliceFrame(self.cell, index, self.stream, self.messages, frame, plane)
                if not self._send(stins.encode_slice(record, self.compression), record):
                    return
                self.sent += 1
                self.say(f"scan {index}: {volume.name}", self.sent, self.total)
        finally:
            # Also after an unreadable slice: the scan is then closed with its hole on record.
            sent = self.sent - before
            end = ScanEnd(self.cell, index, self.stream, self.messages, sent)
            self._send(stins.encode_end(end))
            if never:
                self.say(_left_out(volume, never), 0, 0)

    def _start(self, index: int, volume: Volume, window: ScanWindow) -> ScanStart:
        voxel = (self.voxel_um,) * 3 if self.voxel_um else volume.voxel_size_um
        if voxel and self.first_voxel and alike(voxel, self.first_voxel):
            voxel = self.first_voxel  # maps of one voxel size are compared
        self.first_voxel = self.first_voxel or voxel
        return ScanStart(
            key=ScanKey(self.cell, self.run, index),
            stream=self.stream,
            msg_number=self.messages,
            reason="periodic" if index else "reference",
            request="",
            axis="z",
            volume_shape=volume.shape,
            dtype=volume.dtype,
            voxel_size_um=voxel,
            start_time=window.start,
            stop_time=window.stop,
            resend=self.resend.address if self.resend else "",
        )

    def _send(self, frames: list[stins.Frame], kept: ScanStart | SliceFrame | None = None) -> bool:
        """`kept`: the message can be asked for again."""
        if self.resend is not None and kept is not None:
            self.resend.keep(kept, frames)
        done = self.slices.send(frames)
        self.messages += done
        return done

    def _read_until(self, instant: float) -> None:
        if self.readings:
            self.readings.until(instant)


def _wait_for_engine(slices: SliceSocket, seconds: float, stop: threading.Event) -> None:
    if not slices.wait_for_subscriber(seconds) and not stop.is_set():
        raise EngineUnreachable(
            f"{slices.endpoint}: no engine subscribed within {seconds:g} s; start the engine with "
            "this address in feeds.slices"
        )


def _volume_notes(volumes: Sequence[Volume], voxel_um: float | None) -> list[str]:
    """What the files' readers tell, and volumes that are not like the first."""
    lines = [line for volume in volumes for line in volume.notes]
    first = volumes[0]
    lines += [
        f"{volume.name}: has {volume.shape[0]} slices, {first.name} has {first.shape[0]}; is it "
        "complete?"
        for volume in volumes
        if volume.shape[0] != first.shape[0]
    ]
    if voxel_um:
        return lines + ([line] if (line := doubt((voxel_um,) * 3)) else [])
    return lines + [
        f"{volume.name}: {line}" for volume in volumes if (line := _voxel_note(volume, first))
    ]


def _voxel_note(volume: Volume, first: Volume) -> str:
    """What is doubtful of a volume's voxel size, "" if nothing is."""
    size, other = volume.voxel_size_um, first.voxel_size_um
    if size is None:
        return "its voxel size is not known: lengths will be in voxels; give it with --voxel-um"
    if volume is not first and not (other and alike(size, other)):
        told = as_text(other) if other else "not known"
        return (
            f"voxel size is {as_text(size)}, that of {first.name} is {told}: its maps are not "
            "compared with those of the first; if it is wrong, give the right one with --voxel-um"
        )
    return doubt(size)


def _left_out(volume: Volume, never: list[int]) -> str:
    named = ", ".join(str(frame) for frame in never[:MAX_NAMED])
    return (
        f"{volume.name}: slices {named}{', …' if len(never) > MAX_NAMED else ''} "
        f"({len(never)} in total) contain a single value: never written, or padding; they are left "
        "out and count as missing; if they are padding, publish with --keep-blank"
    )


def _check(
    volumes: Sequence[Volume],
    cell: str,
    voxel_um: float | None,
    period_s: float,
    scan_interval_s: float | None,
) -> None:
    check_cell(cell)
    for name, value, least in (
        ("voxel size", voxel_um, "above 0 µm"),
        ("scan interval", scan_interval_s, "above 0 s"),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise SettingError(name, got=value, expected=f"a number {least}", todo="correct it")
    if not (math.isfinite(period_s) and period_s >= 0):
        raise SettingError("period", got=period_s, expected="0 s or more", todo="correct it")
    if not volumes:
        raise SourceError("volumes: got none, expected at least one; name a file")
    first = volumes[0]
    for volume in volumes[1:]:
        if volume.shape[1:] != first.shape[1:]:
            raise SourceError(
                f"{volume.name}: slices are {volume.shape[1:]}, those of {first.name} are "
                f"{first.shape[1:]}; scans of one cell must have slices of one shape"
            )


def _slice_bytes(volume: Volume) -> int:
    return int(np.dtype(volume.dtype).itemsize * volume.shape[1] * volume.shape[2])
