"""Maps as float32 TIFF that ImageJ and Fiji open with voxel size and unit: a folder for each map,
so that it opens as an image sequence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

from monitor.export.recorded import Output, RecordedCell, RecordedScan
from monitor.quantities.quantity import Quantity, word
from monitor.recording.format import iso_time

SOFTWARE = None


def outputs(cells: Sequence[RecordedCell]) -> list[Output]:
    return [
        Output(
            Path(cell.name, name, f"{scan.name}.tif"),
            partial(_write, scan=scan, name=name, quantity=quantity),
        )
        for cell in cells
        for scan in cell.scans
        for name, quantity in scan.maps().items()
    ]


def _write(path: Path, *, scan: RecordedScan, name: str, quantity: Quantity) -> None:
    _, y, x = scan.voxel_size
    values = np.asarray(scan.map(quantity), np.float32)
    measured = values[np.isfinite(values)]
    shown = {"min": float(measured.min()), "max": float(measured.max())} if measured.size else {}
    unit = word(scan.length_unit)
    about = {
        "cell": scan.result.key.cell,
        "scan": scan.number,
        "time": iso_time(scan.result.start.start_time),
        "map": name,
        "voxel_size": f"{y:g} {unit} (y), {x:g} {unit} (x)",
        "meaning": quantity.help,
    }
    tifffile.imwrite(
        path,
        values,
        imagej=True,
        resolution=(1 / x, 1 / y),
        metadata={
            "axes": "YX",
            "unit": unit,
            "Labels": [name],
            "Info": "\n".join(f"{key} = {value}" for key, value in about.items()),
            **shown,
        },
    )
