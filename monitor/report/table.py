"""The numbers of a recording: the object that `report --json` prints, and the paper's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from rich.box import SIMPLE_HEAD
from rich.table import Table

from monitor.number_text import UNKNOWN, column_head, value_text, with_error
from monitor.quantities.quantity import Quantity
from monitor.quantities.table import DISCHARGE_ROW, SCALARS
from monitor.recording.read.experiment import Cell, Experiment, Scan
from monitor.recording.read.stored_scan import start_of
from monitor.records import Summary
from monitor.wire.fields import plain
from monitor.wire.results.replies import table_rows


class CellNumbers(TypedDict):
    """Rows of the paper's table, numbers of each scan, and what a picture of grain boundaries
    shows."""

    table: Sequence[Summary]
    scans: Sequence[Summary]
    boundaries: NotRequired[Mapping[str, float]]


class Numbers(TypedDict):
    """What `report --json` prints."""

    experiment: str
    cells: dict[str, CellNumbers]


def numbers(experiment: Experiment) -> Numbers:
    """Table rows and summaries of every cell, JSON-ready; what is not known is None."""
    cells = {}
    for name, cell in experiment.cells.items():
        scans = summaries(cell)
        cells[name] = {"table": table_rows(scans), "scans": scans}
    found: Numbers = plain({"experiment": experiment.name, "cells": cells})
    return found


def summaries(cell: Cell) -> list[Summary]:
    """One dictionary a scan, in the order of time: number, reason, whether complete, summary."""
    return [
        {
            **scan.summary(),
            "scan": scan.number,
            "reason": scan.header["reason"],
            "complete": scan.complete,
        }
        for scan in in_time(cell)
    ]


def in_time(cell: Cell) -> list[Scan]:
    """Whole scans in the order in which they began; numbers may have been used again."""
    return sorted(cell.scans, key=lambda scan: start_of(scan).start_time)


def as_text(name: str, cell: CellNumbers) -> Table:
    """The paper's Table 1 for one cell, with the closure beside it."""
    rows = cell["table"]
    unit = "voxel" if any("averaged_voxel" in row for row in rows) else "µm"
    table = Table(
        title=f"Cell {name}: thickness reduction at the end of each discharge",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for column in DISCHARGE_ROW.values():
        table.add_column(column_head(column, unit), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(_text(row, name, column, unit) for name, column in DISCHARGE_ROW.items()))
    if any(row.get("charge_state") for row in rows):
        table.caption = "≈ cycler readings do not cover this scan, or are far apart around it"
    return table


def _text(row: Summary, name: str, column: Quantity, length_unit: str) -> str:
    """A number of a row with its error; with a mark if it depends on charge and is not final."""
    value = row.get(column.key(length_unit) if column.is_length else name)
    if column.is_length and column.error:
        return with_error(value, row.get(SCALARS[column.error].key(length_unit)))
    text = value_text(column, value)
    preliminary = column.rests_on_charge and row.get("charge_state") and text != UNKNOWN
    return f"≈ {text}" if preliminary else text
