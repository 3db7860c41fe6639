"""A small recording whose maps have unmeasured pixels, for the tests of each format."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from monitor.engine.recorder import Recorder
from monitor.export.run import run_export
from monitor.recording.read.experiment import Scan, open_experiment
from monitor.recording.write.cell_logs import append_readings
from monitor.records import CyclerReading, ScanResult, ScanStart
from tests.recording.synthetic import HOUR, NX, NY, Scene, messages, result, settings

BEGUN = 1.7e9
VOXEL_UM = (2.0, 3.0, 4.0)
UNMEASURED = (slice(10, 20), slice(30, 50))
READINGS = tuple(
    CyclerReading("A", BEGUN + 30 * row, 2.0 + 0.001 * row, -0.108, -0.0009 * row, 1.0, 2.0)
    for row in range(5)
)


def start_of(scan: int, cell: str, voxel_um: tuple[float, float, float] | None) -> ScanStart:
    plain = Scene(nz=4).start(scan, BEGUN + scan * HOUR, "periodic", cell, 100 * scan)
    return dataclasses.replace(plain, voxel_size_um=voxel_um)


def result_of(start: ScanStart) -> ScanResult:
    """As `synthetic.result`, with pixels in which nothing is measured."""
    removal = Scene(seed=start.key.scan).removal(5.0 + start.key.scan)
    made = result(start, removal, time=start.start_time + 30.0, j_p99=1.2345678, refined=True)
    maps = {name: values.copy() for name, values in made.maps.items()}
    for values in maps.values():
        values[UNMEASURED] = np.nan
    return dataclasses.replace(made, maps=maps)


def record(
    folder: Path,
    *cells: str,
    scans: int = 3,
    voxel_um: tuple[float, float, float] | None = VOXEL_UM,
) -> Path:
    """The folder of the recording; its first cell has readings."""
    recorder = Recorder(settings(folder, *(cells or ("A",)), record_slices=False))
    for cell in cells or ("A",):
        for scan in range(scans):
            start = start_of(scan, cell, voxel_um)
            volume = np.zeros(start.volume_shape, start.dtype)
            for one in messages(start, volume):
                last = one.__class__.__name__ == "ScanEnd"
                recorder.write("slices", [], one, (result_of(start),) if last else ())
    recorder.close()
    append_readings(recorder.folder / (cells or ("A",))[0] / "cycler.h5", READINGS)
    return recorder.folder


def export(recording: Path, to: str, out: Path, **more: object) -> Path:
    """The folder with what was exported."""
    told: list[str] = []

    def progress(text: str, done: int, total: int) -> None:
        told.append(text)

    folder = run_export(recording, to, out=out, progress=progress, **more)  # type: ignore[arg-type]
    assert folder == out
    return out


def recorded(recording: Path, cell: str = "A") -> list[Scan]:
    return open_experiment(recording).cells[cell].scans


SHAPE = (NY, NX)
