"""The numbers of a recording: the object that `report --json` prints, and the paper's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from monitor.number_text import number, with_error
from monitor.recording.read.experiment import Cell, Experiment, Scan
from monitor.recording.read.stored_scan import start_of
from monitor.wire.fields import plain
from monitor.wire.results.replies import table_rows


def numbers(experiment: Experiment) -> dict[str, Any]:
    """Table rows and summaries of every cell, JSON-ready; what is not known is None."""
    cells = {}
    for name, cell in experiment.cells.items():
        scans = summaries(cell)
        cells[name] = {"table": table_rows(scans), "scans": scans}
    found: dict[str, Any] = plain({"experiment": experiment.name, "cells": cells})
    return found


def summaries(cell: Cell) -> list[dict[str, Any]]:
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


def as_text(name: str, cell: Mapping[str, Any]) -> Table:
    """The paper's Table 1 for one cell, with the closure beside it."""
    rows = cell["table"]
    unit = "voxel" if any("averaged_voxel" in row for row in rows) else "um"
    shown = "voxel" if unit == "voxel" else "µm"
    table = Table(
        title=f"Cell {name}: thickness reduction at the end of each discharge",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for title in (
        "\n#",
        "Current\nmA/cm²",
        "Charge\nmAh",
        "\nmAh/cm²",
        "Coulometry\nµm",
        f"Averaged\n{shown}",
        f"Complete\n{shown}",
        "Closure\n",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            str(row["discharge"]),
            _of_charge(row, "current_density_mA_cm2"),
            _of_charge(row, "charge_mAh"),
            _of_charge(row, "charge_mAh_cm2"),
            _of_charge(row, "coulometry_um", 1),
            _with_error(row, "averaged", unit),
            _with_error(row, "complete", unit),
            _of_charge(row, "closure"),
        )
    if any(row.get("charge_state") for row in rows):
        table.caption = (
            "≈ readings of the cycler do not cover this scan, or lie far apart around it"
        )
    return table


def _with_error(row: Mapping[str, Any], name: str, unit: str) -> str:
    return with_error(row.get(f"{name}_{unit}"), row.get(f"{name}_error_{unit}"))


def _of_charge(row: Mapping[str, Any], name: str, digits: int = 2) -> str:
    """A number that rests on charge, with a mark if it is not final."""
    text = number(row[name], digits)
    return f"≈ {text}" if row.get("charge_state") and row[name] is not None else text
