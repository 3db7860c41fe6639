"""Scan when due or asked: one bluesky plan for all cells in the beam.

There is one beam, so there is one RunEngine: the plan keeps one open run a cell (told apart by run
key) and interleaves them in the order of cell time. Scans of different cells therefore never run
at once, and the same seed gives the same order of messages. Cells take turns within the period, so
that the periodic scan of one does not hold up that of another. An extra scan starts only where it
ends before the next periodic one is due; otherwise it waits until after that.

Nothing is ever rewound: the cell does not go back with the plan. An interruption may therefore come
at any message, and what was decided before it is decided again after it. A pause that is deferred
(Ctrl+C once) waits until no scan runs; any other pause lets the running scan go to its end in the
detector; a suspender cuts it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import Msg, PlanHalt, RequestAbort, RequestStop

from monitor.records import Reason, ScanRequest
from simulators.beamline import (
    POLL_WALL_S,
    READING_S,
    Acquisition,
    Attempt,
    Interruptions,
    Station,
)
from simulators.devices.scan import ScanOrder

Plan = Generator[Msg, Any, Any]

LAST_SCAN_TRIES = 3
ENDS: tuple[tuple[type[BaseException], str], ...] = (
    (RequestAbort, "the acquisition was aborted"),
    (RequestStop, "the acquisition was stopped"),
    (PlanHalt, "the acquisition was halted"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt to scan went. `scan` is None if it has not begun; `why` says that it
    failed, and of what."""

    scan: int | None
    why: str = ""


def acquire(beamline: Acquisition) -> Plan:
    """The whole experiment: open runs, scan when due or asked, close what is still open.

    However it ends, each request is answered.
    """
    devices = [d for s in beamline.stations for d in (s.cycler, s.tomograph)]
    plan = bpp.stage_wrapper(_experiment(beamline), devices)
    why = "the acquisition has failed"
    try:
        yield from bpp.rewindable_wrapper(plan, False)
        why = "the acquisition has ended"
    except BaseException as error:
        why = next((text for kind, text in ENDS if isinstance(error, kind)), f"{why}: {error}")
        raise
    finally:
        beamline.mailbox.abandon(why)


def _experiment(beamline: Acquisition) -> Plan:
    interruptions = Interruptions(beamline)
    yield Msg("null", interruptions)  # a device that the RunEngine has seen is told of pauses
    for station in beamline.stations:
        station.run = yield from _in_run(station, bps.open_run(station.metadata))
    while beamline.active and not beamline.stop.is_set():
        yield from bps.checkpoint()  # here a deferred pause comes in, before anything else begins
        yield from _out_of_beam(beamline, interruptions)
        station = min(beamline.active, key=lambda s: s.due)
        request = yield from _wait(beamline, interruptions)
        if request is not None:
            yield from _extra(beamline, interruptions, request)
        elif beamline.suspended():
            continue
        elif beamline.time.now >= station.next_scan:
            yield from _periodic(beamline, interruptions, station)
        elif beamline.time.now >= station.next_reading:
            yield from _reading(beamline, station)
    for station in beamline.active:
        yield from _in_run(station, bps.close_run("abort", "stopped by the operator"))


def _out_of_beam(beamline: Acquisition, interruptions: Interruptions) -> Plan:
    """Waits while a suspender is tripped: one that was paused and resumed meanwhile does not hold
    the RunEngine any more."""
    if not beamline.suspended():
        return
    interruptions.pause()
    while beamline.suspended() and not beamline.stop.is_set():
        beamline.mailbox.poll()
        yield from bps.checkpoint()
        yield from bps.sleep(POLL_WALL_S)
    interruptions.resume()
    interruptions.over()


def _wait(beamline: Acquisition, interruptions: Interruptions) -> Plan:
    """Lets cell time run until something is due; ends early for a request whose scan fits before
    the next periodic one.

    Returns that request, which still waits in the mailbox, or None. Sleeps are short: a plan that
    blocks on a queue would lose a request when it is paused and resumed.
    """
    time, pace, mailbox = beamline.time, beamline.pace, beamline.mailbox
    while not beamline.stop.is_set():
        mailbox.poll()
        until = min(station.due for station in beamline.active)
        next_scan = min(station.next_scan for station in beamline.active)
        beam = not beamline.suspended()
        if beam and mailbox.waiting and time.now + beamline.scan_s <= next_scan:
            return mailbox.first
        time.reach(min(pace.time(), until))
        if time.now >= until or not beam:
            break
        yield from bps.checkpoint()
        yield from bps.sleep(pace.nap_s(until))
        interruptions.over()
    pace.lag(time.now)
    return None


def _periodic(beamline: Acquisition, interruptions: Interruptions, station: Station) -> Plan:
    """The scan that is due. The first whole one is the reference; the first one after the program
    the last, which is tried again where it fails.

    Where scans take longer than their period, those that were missed are left out.
    """
    begin = beamline.time.now
    reason: Reason = "periodic" if station.has_reference else "reference"

    def begun(scan: int) -> None:
        while station.next_scan <= begin:
            station.next_scan += beamline.period_s
        station.periodic_left -= 1

    outcome = yield from _scan(beamline, interruptions, ScanOrder("", 0, reason), station, begun)
    if outcome.scan is None:
        return
    station.has_reference |= not outcome.why
    given_up = begin >= station.program.end + (LAST_SCAN_TRIES - 1) * beamline.period_s
    over = begin >= station.program.end and (given_up or not outcome.why)
    if over or station.periodic_left <= 0:
        yield from _finish(beamline, station)
    while station.next_scan < beamline.time.now:
        station.next_scan += beamline.period_s


def _extra(beamline: Acquisition, interruptions: Interruptions, request: ScanRequest) -> Plan:
    """A scan that answers a request, which waits on where an interruption comes first."""
    mailbox = beamline.mailbox
    station = next(s for s in beamline.stations if s.name == request.cell)
    reason: Reason = "manual" if request.reason == "manual" else "extra"
    order = ScanOrder("", 0, reason, request.id)

    def begun(scan: int) -> None:
        mailbox.running(request, scan)

    outcome = yield from _scan(beamline, interruptions, order, station, begun)
    if outcome.scan is None or beamline.stop.is_set():
        return
    if outcome.why:
        mailbox.failed(request, outcome.why, outcome.scan)
    else:
        mailbox.done(request, outcome.scan)


def _scan(
    beamline: Acquisition,
    interruptions: Interruptions,
    order: ScanOrder,
    station: Station,
    begun: Callable[[int], None],
) -> Plan:
    """One scan, `begun(its number)` as soon as it runs. Returns its Outcome.

    The RunEngine takes interruptions only between messages, so that between the last look at
    their count and the trigger none can arrive.
    """
    decided = interruptions.count
    scan = station.scans
    order = ScanOrder(station.run, scan, order.reason, order.request)
    yield from bps.prepare(station.tomograph, order, wait=True)
    if interruptions.count != decided:
        return Outcome(None)
    attempt = Attempt(station.tomograph)
    end = beamline.time.now + beamline.scan_s
    interruptions.scanning = station.tomograph
    yield Msg("trigger", attempt, group="scan")
    station.scans += 1
    begun(scan)
    beamline.progress(f"cell {station.name}: scan {scan} ({order.reason})")
    yield from _while_it_runs(beamline, interruptions, attempt, end)
    interruptions.scanning = None
    yield from bps.wait(group="scan")
    beamline.pace.lag(beamline.time.now)
    if beamline.stop.is_set():
        return Outcome(scan, attempt.why)
    if attempt.why:
        beamline.progress(f"cell {station.name}: scan {scan} failed: {attempt.why}")
    else:
        yield from _in_run(station, _event("scans", station.tomograph))
    return Outcome(scan, attempt.why)


def _while_it_runs(
    beamline: Acquisition, interruptions: Interruptions, attempt: Attempt, end: float
) -> Plan:
    """Until the scan has ended and its time is over, or it has failed: cycler readings continue,
    and requests are taken in. There is no checkpoint, so that a deferred pause waits for the
    end."""
    time, pace = beamline.time, beamline.pace
    while not beamline.stop.is_set():
        beamline.mailbox.poll()
        reader = min(beamline.active, key=lambda s: s.next_reading)
        until = min(end, reader.next_reading)
        time.reach(min(pace.time(), until))
        if attempt.why:
            return
        if reader.next_reading <= time.now and reader.next_reading <= end:
            yield from _reading(beamline, reader)
        elif time.now >= end and attempt.done:
            return
        else:
            yield from bps.sleep(pace.nap_s(until) or 0.01)
        interruptions.over()


def _reading(beamline: Acquisition, station: Station) -> Plan:
    """A reading of a cell's cycler, and of the ring current, in a stream of its own."""
    due = station.next_reading
    yield from bps.trigger(station.cycler, wait=False)
    yield from _in_run(station, _event("cycler", station.cycler))
    if beamline.ring is not None:
        yield from bps.trigger(beamline.ring, wait=False)
        yield from _in_run(station, _event("ring", beamline.ring))
    station.next_reading = max(station.next_reading, due + READING_S)


def _finish(beamline: Acquisition, station: Station) -> Plan:
    yield from _in_run(station, bps.close_run("success"))
    station.finished = True
    beamline.mailbox.retire(station.name, f"the experiment of cell {station.name} has ended")


def _event(stream: str, device: Any) -> Plan:
    """One event of one device; an error on the way leaves no event half made."""
    yield from bps.create(name=stream)

    def drop(error: Exception) -> Plan:
        yield from bps.drop()
        raise error

    yield from bpp.contingency_wrapper(bps.read(device), except_plan=drop, else_plan=bps.save)


def _in_run(station: Station, plan: Plan) -> Plan:
    return (yield from bpp.set_run_key_wrapper(plan, station.name))
