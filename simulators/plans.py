"""Scan when due or asked: one bluesky plan for all cells in the beam.

There is one beam, so there is one RunEngine: the plan keeps one open run a cell (told apart by run
key) and interleaves them in the order of cell time. Scans of different cells therefore never run
at once, and the same seed gives the same order of messages. Cells take turns within the period, so
that the periodic scan of one does not hold up that of another. An extra scan starts only where it
ends before the next periodic one is due; else it waits until after that.
"""

from __future__ import annotations

import threading
import time as wall
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import Msg

from monitor.records import Reason, ScanRequest
from simulators.id15a import ScanOrder, Tomograph
from simulators.mailbox import Mailbox
from simulators.program import CellTime, Program
from simulators.vmp import Cycler

Plan = Generator[Msg, Any, Any]

READING_S = 60.0
POLL_WALL_S = 0.05


@dataclass(slots=True)
class Station:
    """One cell with its two devices, and when each is due next (UTC s of cell time)."""

    name: str
    cycler: Cycler
    tomograph: Tomograph
    program: Program
    metadata: dict[str, Any]
    next_scan: float
    next_reading: float
    periodic_left: float = float("inf")
    run: str = ""
    scans: int = 0
    finished: bool = field(default=False)

    @property
    def due(self) -> float:
        return min(self.next_scan, self.next_reading)


class Pace:
    """Ties cell time to the wall: `speed` s of cell time a second, later where work takes longer.

    Lost time is made up for, but no more than `patience_s` of cell time.
    """

    def __init__(self, time: CellTime, speed: float, patience_s: float) -> None:
        self._speed = speed
        self._patience_s = patience_s
        self._cell_origin = time.now
        self._wall_origin = wall.monotonic()

    def time(self) -> float:
        """Cell time that the wall has reached."""
        return self._cell_origin + (wall.monotonic() - self._wall_origin) * self._speed

    def lag(self, now: float) -> None:
        """Takes note that the beamline stands at `now`; what is too late is forgiven."""
        late_s = self.time() - now - self._patience_s
        if late_s > 0.0:
            self._wall_origin += late_s / self._speed

    def nap_s(self, until: float) -> float:
        """Seconds to sleep now on the way to `until`: short, so that the mailbox is seen."""
        return min(POLL_WALL_S, max(0.0, (until - self.time()) / self._speed))


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What the plan works with."""

    stations: Sequence[Station]
    time: CellTime
    mailbox: Mailbox
    pace: Pace
    period_s: float
    scan_s: float
    stop: threading.Event
    progress: Callable[[str], None]


def acquire(beamline: Acquisition) -> Plan:
    """The whole experiment: open runs, scan when due or asked, close what is still open."""
    devices = [d for s in beamline.stations for d in (s.cycler, s.tomograph)]
    for device in devices:
        yield from bps.stage(device)
    for station in beamline.stations:
        station.run = yield from _in_run(station, bps.open_run(station.metadata))
    while not beamline.stop.is_set():
        active = [s for s in beamline.stations if not s.finished]
        if not active:
            break
        station = min(active, key=lambda s: s.due)
        request = yield from _wait(beamline, station.due, min(s.next_scan for s in active))
        if request is not None:
            yield from _extra(beamline, request)
        elif beamline.time.now >= station.next_scan:
            yield from _periodic(beamline, station)
        elif beamline.time.now >= station.next_reading:
            yield from _reading(station)
    for station in beamline.stations:
        if not station.finished:
            yield from _in_run(station, bps.close_run("abort", "stopped by the operator"))
    for device in reversed(devices):
        yield from bps.unstage(device)


def _wait(beamline: Acquisition, until: float, next_scan: float) -> Plan:
    """Lets cell time run to `until`; ends early with a request whose scan fits before `next_scan`.

    Returns that request or None. Sleeps are short and between checkpoints: a plan that blocks on a
    queue would lose a request when it is paused and resumed.
    """
    time, pace, mailbox = beamline.time, beamline.pace, beamline.mailbox
    while not beamline.stop.is_set():
        mailbox.poll()
        if mailbox.waiting and time.now + beamline.scan_s <= next_scan:
            return mailbox.next()
        time.reach(min(pace.time(), until))
        if time.now >= until:
            break
        yield from bps.checkpoint()
        yield from bps.sleep(pace.nap_s(until))
    pace.lag(time.now)
    return None


def _periodic(beamline: Acquisition, station: Station) -> Plan:
    """The scan that is due. The first is the reference; the first one after the program the last.

    Where scans take longer than their period, those that were missed are left out.
    """
    begin = beamline.time.now
    reason: Reason = "periodic" if station.scans else "reference"
    yield from _scan(beamline, station, reason)
    station.periodic_left -= 1
    if begin >= station.program.end or station.periodic_left <= 0:
        yield from _finish(beamline, station)
    while station.next_scan <= begin:
        station.next_scan += beamline.period_s


def _extra(beamline: Acquisition, request: ScanRequest) -> Plan:
    station = next(s for s in beamline.stations if s.name == request.cell)
    reason: Reason = "manual" if request.reason == "manual" else "extra"
    scan = yield from _scan(beamline, station, reason, request.id)
    if not beamline.stop.is_set():
        beamline.mailbox.done(request, scan)


def _scan(beamline: Acquisition, station: Station, reason: Reason, request: str = "") -> Plan:
    """One scan; cycler readings of all cells go on while it runs. Returns its number."""
    scan, station.scans = station.scans, station.scans + 1
    end = beamline.time.now + beamline.scan_s
    beamline.progress(f"cell {station.name}: scan {scan} ({reason})")
    order = ScanOrder(station.run, scan, reason, request)
    yield from bps.prepare(station.tomograph, order, wait=True)
    status = yield from bps.trigger(station.tomograph, group="scan")
    while not beamline.stop.is_set():
        beamline.mailbox.poll()
        active = [s for s in beamline.stations if not s.finished]
        reader = min(active, key=lambda s: s.next_reading)
        until = min(end, reader.next_reading)
        beamline.time.reach(min(beamline.pace.time(), until))
        if reader.next_reading <= beamline.time.now and reader.next_reading <= end:
            yield from _reading(reader)
        elif beamline.time.now >= end and status.done:
            break
        else:
            yield from bps.checkpoint()
            yield from bps.sleep(beamline.pace.nap_s(until) or 0.01)
    yield from bps.wait(group="scan")
    beamline.pace.lag(beamline.time.now)
    if not beamline.stop.is_set():
        yield from _in_run(station, _event("scans", station.tomograph))
    return scan


def _reading(station: Station) -> Plan:
    yield from bps.trigger(station.cycler, wait=False)
    yield from _in_run(station, _event("cycler", station.cycler))
    station.next_reading += READING_S


def _finish(beamline: Acquisition, station: Station) -> Plan:
    yield from _in_run(station, bps.close_run("success"))
    station.finished = True
    beamline.mailbox.retire(station.name, f"the experiment of cell {station.name} has ended")


def _event(stream: str, device: Any) -> Plan:
    yield from bps.create(name=stream)
    yield from bps.read(device)
    yield from bps.save()


def _in_run(station: Station, plan: Plan) -> Plan:
    return (yield from bpp.set_run_key_wrapper(plan, station.name))
