"""Numbers of scans, pits, and channels, as CSV: a table of each for all cells, with units."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from monitor.csv_text import csv_text, csv_time
from monitor.export.recorded import Output, RecordedCell, RecordedScan
from monitor.plain_text import csv_field
from monitor.quantities.quantity import LENGTH, Quantity
from monitor.quantities.table import PIT_COLUMNS, SCALARS
from monitor.records import Pit

SOFTWARE = None
Row = tuple[str, RecordedScan, Pit | None]
"""The cell's name, the scan, and one of its pits."""


def outputs(cells: Sequence[RecordedCell]) -> list[Output]:
    having = [cell for cell in cells if cell.cell.has_channels]
    table = Output(Path("channels.csv"), partial(_write_channels, cells=having))
    channels = [table] if having else []
    scans: list[Row] = [(cell.name, scan, None) for cell in cells for scan in cell.scans]
    if not scans:
        return channels
    pits: list[Row] = [(name, scan, pit) for name, scan, _ in scans for pit in scan.result.pits]
    return [
        Output(Path("scans.csv"), partial(_write_scans, rows=scans)),
        Output(Path("pits.csv"), partial(_write_pits, rows=pits)),
        *channels,
    ]


def _write_scans(path: Path, *, rows: Sequence[Row]) -> None:
    columns: dict[str, list[object]] = {
        "complete": [scan.result.complete for _, scan, _ in rows],
    }
    for quantity, unit in _columns(list(SCALARS.values()), rows):
        columns[quantity.column(unit)] = [
            _told(quantity, scan.result.summary.get(quantity.key(unit)))
            if unit in ("", scan.length_unit)
            else None
            for _, scan, _ in rows
        ]
    _write(path, rows, columns)


def _write_pits(path: Path, *, rows: Sequence[Row]) -> None:
    columns: dict[str, list[object]] = {}
    for quantity, unit in _columns(list(PIT_COLUMNS.values()), rows):
        columns[quantity.column(unit)] = [
            getattr(pit, quantity.name) if unit in ("", scan.length_unit) else None
            for _, scan, pit in rows
        ]
    _write(path, rows, columns)


def _write_channels(path: Path, *, cells: Sequence[RecordedCell]) -> None:
    """A row for each value, as channels have times of their own."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("cell", "channel", "unit", "time", "time_s", "value"))
        for cell in cells:
            for one in cell.cell.channels():
                facts = [csv_field(text) for text in (cell.name, one.name, one.unit)]
                for time, value in zip(one.times.tolist(), one.values.tolist(), strict=True):
                    writer.writerow((*facts, csv_time(time), f"{time:.6f}", repr(value)))


def _columns(quantities: Sequence[Quantity], rows: Sequence[Row]) -> list[tuple[Quantity, str]]:
    """Each quantity with the length units of the scans, or "" if it is in another unit."""
    units = list(dict.fromkeys(scan.length_unit for _, scan, _ in rows)) or ["µm"]
    return [(one, unit) for one in quantities for unit in (units if LENGTH in one.unit else [""])]


def _told(quantity: Quantity, value: object) -> object:
    """The time with its own digits: it has more than other numbers."""
    if quantity.units("µm") == "s" and isinstance(value, float):
        return f"{value:.{quantity.digits}f}"
    return value


def _write(path: Path, rows: Sequence[Row], columns: dict[str, list[object]]) -> None:
    cells = [name for name, _, _ in rows]
    numbers = [scan.number for _, scan, _ in rows]
    begun = [scan.result.start.start_time for _, scan, _ in rows]
    path.write_text(csv_text(cells, numbers, begun, columns), "utf-8", newline="")
