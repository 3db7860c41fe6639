"""The cycler's readings as Battery Data Format (BDF), a table for each cell.

Names, units and signs are those of the Battery Data Alliance's ontology, version 1.3: a positive
current charges. https://github.com/battery-data-alliance/battery-data-format
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from monitor.errors import RecordingError
from monitor.export.recorded import Output, RecordedCell

SOFTWARE = None
REQUIRED = ("Test Time / s", "Voltage / V", "Current / A")
DIGITS = {"Test Time / s": ".3f", "Unix Time / s": ".3f"}
OTHER_DIGITS = ".9g"


def outputs(cells: Sequence[RecordedCell]) -> list[Output]:
    """None for a cell without readings."""
    return [
        Output(Path(f"{cell.name}.bdf.csv"), partial(_write, cell=cell))
        for cell in cells
        if _has_readings(cell)
    ]


def _has_readings(cell: RecordedCell) -> bool:
    """True also for a damaged file: it is reported once it is to be written."""
    try:
        return cell.cell.cycler()["time"].size > 0
    except RecordingError:
        return True


def _write(path: Path, *, cell: RecordedCell) -> None:
    """The optional columns, as far as there are values; what is not known is empty."""
    readings = cell.cell.cycler()
    charging = -cell.stripping_current_sign
    columns = {
        "Test Time / s": readings["time"] - readings["time"][0],
        "Voltage / V": readings["potential_V"],
        "Current / A": readings["current_mA"] * charging / 1000,
        "Unix Time / s": readings["time"],
        "Cycle Count / 1": readings["cycle"],
        "Step ID": readings["step"],
        "Net Capacity / Ah": readings["charge_mAh"] * charging / 1000,
    }
    told = {n: c for n, c in columns.items() if n in REQUIRED or np.isfinite(c).any()}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(told)
        for row in zip(*(column.tolist() for column in told.values()), strict=True):
            fields = zip(told, row, strict=True)
            writer.writerow(
                f"{value + 0.0:{DIGITS.get(name, OTHER_DIGITS)}}" if value == value else ""
                for name, value in fields
            )
