"""The simulated beamline as a whole: devices, plan, RunEngine, and their sockets."""

from __future__ import annotations

import threading
import time as wall
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import zmq
from bluesky import RunEngine
from bluesky.callbacks.zmq import Proxy, Publisher
from bluesky.utils import DuringTask

from monitor.errors import SettingError
from monitor.settings import CellSettings, Settings
from monitor.sockets.keys import check_local
from monitor.sources.feeds.resend_service import ResendService
from monitor.wire import documents
from simulators import scenarios
from simulators.beamline import READING_S, Acquisition, Pace, Station
from simulators.devices.beam import Beam
from simulators.devices.cycler import Cycler
from simulators.devices.detector import Sample, SlicePublisher, Tomograph
from simulators.imaging.tomogram import Imaging
from simulators.mailbox import Mailbox
from simulators.plans import acquire
from simulators.scenarios import CellScenario
from simulators.truth.cell import Cell
from simulators.truth.foil import FieldOfView
from simulators.truth.protocol import CellTime, Program

FIRST_MOMENT = 1709280000.0  # 2024-03-01 08:00 UTC: every simulated experiment begins here
SCAN_S = 240.0
SUBSCRIBER_PATIENCE_S = 30.0
SETTLING_S = 0.5
LINGER_S = 1.0

DocumentCallback = Callable[[str, dict[str, Any]], Any]


def simulate(
    settings: Settings,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[str], None] = print,
    beam: Beam | None = None,
    callbacks: Sequence[DocumentCallback] = (),
) -> None:
    """Runs the scenario of `settings.simulator` to its end, or until `stop` is set.

    While `beam` is lost, no scan is made. `callbacks` get the documents, in cell time, as whoever
    subscribes does (a TiledWriter, say). Waits (not for ever) for somebody to subscribe to the
    slices before it begins. Raises SettingError where the scenario or an address is wrong.
    """
    stop = stop or threading.Event()
    simulator = settings.simulator
    scenario = scenarios.named(simulator.scenario)
    cells = _paired(settings, scenario.cells)
    codec = settings.feeds.document_codec
    with ExitStack() as stack:
        stack.enter_context(_proxy(simulator.documents_in, simulator.documents_out))
        mailbox = Mailbox(simulator.requests, [cell.name for cell, _ in cells])
        stack.callback(mailbox.close, LINGER_S)
        slices = SlicePublisher(simulator.slices)
        stack.callback(slices.close, LINGER_S)
        resend = None
        if simulator.resend:
            resend = ResendService(simulator.resend, setting="simulator.resend")
            stack.callback(resend.close)
        publisher = Publisher(simulator.documents_in, serializer=documents.serializer(codec))
        stack.callback(publisher.close)
        if not slices.wait_for_subscriber(SUBSCRIBER_PATIENCE_S, stop):
            progress("nobody has subscribed to the slices; beginning all the same")
        stop.wait(SETTLING_S)
        time = CellTime(FIRST_MOMENT)
        run_engine = stack.enter_context(_run_engine())
        stations = _stations(settings, cells, time, slices, resend, stop)
        beamline = Acquisition(
            stations=stations,
            time=time,
            mailbox=mailbox,
            pace=Pace(time, simulator.speed, settings.schedule.period_s),
            period_s=settings.schedule.period_s,
            scan_s=_scan_s(settings, len(cells)),
            stop=stop,
            progress=progress,
            state=lambda: str(run_engine.state),
            suspended=lambda: any(s.tripped for s in run_engine.suspenders),
        )
        for callback in (publisher, *callbacks):
            run_engine.subscribe(in_cell_time(callback, time))
        for suspender in (beam or Beam(name="beam")).suspenders():
            run_engine.install_suspender(suspender)
        with _suspended_no_longer_than(stop, run_engine):
            run_engine(acquire(beamline))
        wall.sleep(0.0 if stop.is_set() else LINGER_S)


def in_cell_time(publish: DocumentCallback, time: CellTime) -> DocumentCallback:
    """A document callback that puts cell time in place of the RunEngine's own clock."""

    def stamped(name: str, doc: dict[str, Any]) -> None:
        publish(name, {**doc, "time": time.now} if "time" in doc else doc)

    return stamped


def _paired(
    settings: Settings, simulated: tuple[CellScenario, ...]
) -> list[tuple[CellSettings, CellScenario]]:
    """The configured cell for each simulated one, in order."""
    if len(settings.cells) < len(simulated):
        raise SettingError(
            "cells",
            got=", ".join(cell.name for cell in settings.cells),
            expected=f"{len(simulated)} cells for scenario {settings.simulator.scenario!r}",
            todo="add [[cells]] or choose another scenario",
        )
    return list(zip(settings.cells, simulated, strict=False))


def _scan_s(settings: Settings, cells: int) -> float:
    """Length of a scan: cells take turns, so it is short against each one's part of the period."""
    return min(SCAN_S, 0.4 * settings.schedule.period_s / cells)


def _stations(
    settings: Settings,
    cells: list[tuple[CellSettings, CellScenario]],
    time: CellTime,
    slices: SlicePublisher,
    resend: ResendService | None,
    stop: threading.Event,
) -> list[Station]:
    """One station a cell, each beginning a part of the period after the one before."""
    scan_s = _scan_s(settings, len(cells))
    stations = []
    for index, (cell, simulated) in enumerate(cells):
        begin = time.now + index * settings.schedule.period_s / len(cells)
        program = Program(simulated.steps, begin + scan_s + READING_S)
        tomograph = Tomograph(
            name="id15a",
            cell_name=cell.name,
            sample=Sample(_truth(settings, simulated, index), program),
            imaging=imaging_of(settings, cell),
            publisher=slices,
            resend=resend,
            time=time,
            speed=settings.simulator.speed,
            scan_s=scan_s,
            seed=(settings.simulator.seed, index),
            stop=stop,
            volumes=Path(settings.simulator.volumes) if settings.simulator.volumes else None,
        )
        cycler = Cycler(
            name="vmp",
            program=program,
            time=time,
            area_cm2=cell.area_cm2,
            stripping_current_sign=cell.stripping_current_sign,
        )
        stations.append(
            Station(
                name=cell.name,
                cycler=cycler,
                tomograph=tomograph,
                program=program,
                metadata={
                    "cell": cell.name,
                    "area_cm2": cell.area_cm2,
                    "scenario": settings.simulator.scenario,
                    "plan_name": "acquire",
                },
                next_scan=begin,
                next_reading=begin,
                periodic_left=_scan_limit(settings),
            )
        )
    return stations


def _scan_limit(settings: Settings) -> float:
    scenario = scenarios.named(settings.simulator.scenario)
    return settings.simulator.scans or scenario.scans or float("inf")


def _truth(settings: Settings, simulated: CellScenario, index: int) -> Cell:
    field = FieldOfView(size=settings.simulator.size, field_share=simulated.field_share)
    seed = scenarios.seed_of(settings.simulator.seed, index)
    return Cell(field, simulated.first_stripping, seed, simulated.plating)


def imaging_of(settings: Settings, cell: CellSettings) -> Imaging:
    """How the simulated beamline sees this cell: its layers, and the noise that was asked for."""
    imaging = Imaging(cnr=settings.simulator.cnr, reversed_z=cell.reversed_z)
    if cell.has_collector:
        return imaging
    hidden = 40.0  # the field of view begins inside the lithium
    return replace(imaging, collector_slices=-hidden, slices=imaging.slices - round(hidden))


@contextmanager
def _run_engine() -> Iterator[RunEngine]:
    """A RunEngine for any thread, without signal handlers and Qt; its loop is closed at the end."""
    engine = RunEngine({}, context_managers=[], during_task=DuringTask())
    try:
        yield engine
    finally:
        engine.loop.call_soon_threadsafe(engine.loop.stop)
        engine._th.join(5.0)
        if not engine._th.is_alive():
            engine.loop.close()


@contextmanager
def _suspended_no_longer_than(stop: threading.Event, engine: RunEngine) -> Iterator[None]:
    """A plan that is suspended cannot see `stop`: without suspenders it goes on, and sees it."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            if stop.is_set():
                engine.clear_suspenders()
                return

    thread = threading.Thread(target=watch, name="suspenders", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5.0)


@contextmanager
def _proxy(documents_in: str, documents_out: str) -> Iterator[None]:
    """The stock document proxy in a thread. Ending its context is what ends its forwarding."""
    for address in (documents_in, documents_out):
        check_local(address, "simulator.documents_in, documents_out")
    try:
        proxy = Proxy(documents_in, documents_out)
    except zmq.ZMQError as error:
        raise SettingError(
            "simulator.documents_in, documents_out",
            got=f"{documents_in}, {documents_out}",
            expected="two free addresses",
            todo=f"free them or choose other ports ({error.strerror})",
        ) from None
    thread = threading.Thread(target=_forward, args=(proxy,), name="proxy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        proxy._context.term()
        thread.join(5.0)


def _forward(proxy: Proxy) -> None:
    """What `Proxy.start` does, but for its end: there two threads would end one context at once."""
    with suppress(zmq.ContextTerminated):
        zmq.device(zmq.FORWARDER, proxy._frontend, proxy._backend)
    proxy._frontend.close(0)
    proxy._backend.close(0)
