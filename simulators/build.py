"""The parts of the simulated beamline, built from the settings in one place for all users."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bluesky import RunEngine
from bluesky.utils import DuringTask

from monitor.errors import SettingError
from monitor.settings import CellSettings, Settings
from monitor.sources.feeds.resend_service import ResendService
from monitor.sources.feeds.slices import Halt, SliceSocket
from simulators import scenarios
from simulators.beamline import READING_S, Acquisition, Pace, Station
from simulators.devices.beam import Beam, Ring
from simulators.devices.cycler import Cycler
from simulators.devices.detector import SEND_PATIENCE_S, Tomograph
from simulators.imaging.tomogram import Imaging
from simulators.mailbox import Mailbox
from simulators.scenarios import CellScenario
from simulators.truth.cell import Cell
from simulators.truth.foil import FieldOfView
from simulators.truth.protocol import CellTime, Program
from simulators.truth.sample import Sample

FIRST_MOMENT = 1709280000.0  # 2024-03-01 08:00 UTC: every simulated experiment begins here
LONGEST_SCAN_S = 240.0
LARGEST_PIXEL_BYTES = 4


def acquisition(
    settings: Settings,
    *,
    slices: SliceSocket,
    mailbox: Mailbox,
    resend: ResendService | None,
    engine: RunEngine,
    beam: Beam,
    stop: threading.Event,
    progress: Callable[[str], None],
) -> Acquisition:
    """All that the plan works with. Raises SettingError if the scenario does not fit the cells."""
    time = CellTime(FIRST_MOMENT)
    cells = paired(settings)
    period_s = settings.schedule.period_s
    scan_s = scan_length_s(settings, len(cells))
    return Acquisition(
        stations=_stations(settings, cells, time, scan_s, slices, resend, stop),
        time=time,
        mailbox=mailbox,
        pace=Pace(time, settings.simulator.speed, period_s),
        period_s=period_s,
        scan_s=scan_s,
        stop=stop,
        progress=progress,
        state=lambda: str(engine.state),
        suspended=lambda: any(s.tripped for s in engine.suspenders),
        ring=Ring(name="ring", beam=beam, time=time),
    )


def slice_socket(settings: Settings, stop: Halt) -> SliceSocket:
    """Where the detectors send. Raises SettingError if the address cannot be had."""
    simulator = settings.simulator
    message_bytes = LARGEST_PIXEL_BYTES * simulator.size**2
    return SliceSocket(
        simulator.slices,
        message_bytes,
        stop,
        setting="simulator.slices",
        patience_s=SEND_PATIENCE_S,
    )


def run_engine() -> RunEngine:
    """For any thread, without signal handlers and Qt; `close` ends it."""
    return RunEngine({}, context_managers=[], during_task=DuringTask())


def close(engine: RunEngine) -> None:
    """Ends the engine's loop and its thread."""
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join(5.0)
    if not engine._th.is_alive():
        engine.loop.close()


def paired(settings: Settings) -> list[tuple[CellSettings, CellScenario]]:
    """The configured cell for each simulated one, in order. Raises SettingError."""
    simulated = scenarios.named(settings.simulator.scenario).cells
    if len(settings.cells) < len(simulated):
        raise SettingError(
            "cells",
            got=", ".join(cell.name for cell in settings.cells),
            expected=f"{len(simulated)} cells for scenario {settings.simulator.scenario!r}",
            todo="add [[cells]] or choose another scenario",
        )
    return list(zip(settings.cells, simulated, strict=False))


def scan_length_s(settings: Settings, cells: int) -> float:
    """Length of a scan: cells take turns, so it is short against each one's part of the period."""
    return min(LONGEST_SCAN_S, 0.4 * settings.schedule.period_s / cells)


def tomograph(
    settings: Settings,
    index: int,
    program: Program,
    *,
    scan_s: float,
    slices: SliceSocket,
    time: CellTime,
    stop: threading.Event,
    resend: ResendService | None = None,
) -> Tomograph:
    """The detector before the cell with this index."""
    simulator, cell = settings.simulator, settings.cells[index]
    return Tomograph(
        name="id15a",
        cell_name=cell.name,
        sample=Sample(truth(settings, index), program),
        imaging=imaging_of(settings, cell),
        publisher=slices,
        resend=resend,
        time=time,
        speed=simulator.speed,
        scan_s=scan_s,
        seed=(simulator.seed, index),
        stop=stop,
        volumes=Path(simulator.volumes) if simulator.volumes else None,
    )


def truth(settings: Settings, index: int) -> Cell:
    """The foil, and what becomes of it, of the cell with this index."""
    simulator = settings.simulator
    simulated = scenarios.named(simulator.scenario).cells[index]
    field = FieldOfView(size=simulator.size, field_share=simulated.field_share)
    seed = scenarios.seed_of(simulator.seed, index)
    return Cell(field, simulated.first_stripping, seed, simulated.plating)


def imaging_of(settings: Settings, cell: CellSettings) -> Imaging:
    """How the simulated beamline sees this cell: its layers, and the noise that was asked for."""
    imaging = Imaging(cnr=settings.simulator.cnr, reversed_z=cell.reversed_z)
    if cell.has_collector:
        return imaging
    hidden = 40.0  # the field of view begins inside the lithium
    return replace(imaging, collector_slices=-hidden, slices=imaging.slices - round(hidden))


def _stations(
    settings: Settings,
    cells: list[tuple[CellSettings, CellScenario]],
    time: CellTime,
    scan_s: float,
    slices: SliceSocket,
    resend: ResendService | None,
    stop: threading.Event,
) -> list[Station]:
    """One station a cell, each beginning a part of the period after the one before."""
    simulator = settings.simulator
    limit = simulator.scans or scenarios.named(simulator.scenario).scans or float("inf")
    stations = []
    for index, (cell, simulated) in enumerate(cells):
        begin = time.now + index * settings.schedule.period_s / len(cells)
        program = Program(simulated.steps, begin + scan_s + READING_S)
        stations.append(
            Station(
                name=cell.name,
                cycler=Cycler(
                    name="vmp",
                    program=program,
                    time=time,
                    area_cm2=cell.area_cm2,
                    stripping_current_sign=cell.stripping_current_sign,
                ),
                tomograph=tomograph(
                    settings,
                    index,
                    program,
                    scan_s=scan_s,
                    slices=slices,
                    time=time,
                    stop=stop,
                    resend=resend,
                ),
                program=program,
                metadata={
                    "cell": cell.name,
                    "area_cm2": cell.area_cm2,
                    "scenario": simulator.scenario,
                    "plan_name": "acquire",
                },
                next_scan=begin,
                next_reading=begin,
                periodic_left=limit,
            )
        )
    return stations
