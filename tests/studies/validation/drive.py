"""Scans go through the monitor as at the beamline: records into a session, results out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.session import Session
from monitor.records import Output, ScanResult
from monitor.settings import CellSettings, Settings
from tests.core.phantom import records, start
from tests.studies.validation.fields import FOIL_UM, VOXEL_UM, Field

Volume = NDArray[np.uint16]
Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Found:
    """Maps (n, n) in voxels: height found less the true one, and the error that was stated."""

    off: Map
    error: Map
    result: ScanResult


def outputs(volumes: Iterable[Volume], missing: Iterable[int] = ()) -> list[Output]:
    """What the monitor says of scans of one cell, the reference first. Slices `missing` of all but
    the reference never come."""
    cell = CellSettings(name="A", foil_thickness_um=FOIL_UM)
    session, said = Session(Settings(cells=(cell,))), []
    number, gone = 0, frozenset(missing)
    for scan, volume in enumerate(volumes):
        begin = replace(start(volume.shape, scan=scan, voxel_um=VOXEL_UM), msg_number=number)
        order = [z for z in range(len(volume)) if scan == 0 or z not in gone]
        number += len(order) + 2
        for record in records(begin, volume, order=order):
            said += session.feed(record)
    return said


def results(said: Iterable[Output]) -> list[ScanResult]:
    """The finished scans among the outputs."""
    return [output for output in said if isinstance(output, ScanResult) and not output.provisional]


def found(volumes: Iterable[Volume], truth: Field, missing: Iterable[int] = ()) -> Found:
    """The last of some scans of a cell against its true heights."""
    result = results(outputs(volumes, missing))[-1]
    height, error = (result.maps[name] / VOXEL_UM for name in ("height", "height_error"))
    return Found(height - truth.height, error, result)
