"""The readings of a cycler file as the monitor knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

COLUMNS = ("time_s", "potential_V", "current_mA", "charge_mAh", "cycle", "step")


@dataclass(frozen=True, slots=True, eq=False)
class CyclerTable:
    """Readings of a cycler: equal-length float64 columns (n,), read-only, NaN = not in the file.

    `time_s` counts from the start of the acquisition as the file has it; `start_time` is that start
    in UTC s, None if the file does not say it. `start_time_assumed_utc`: the file gives no zone
    and none was named. `skipped_lines` could not be read as readings. `notes` tell the operator, a
    line each, what the file lacks and how what is doubtful was read.
    """

    time_s: Column
    potential_V: Column
    current_mA: Column
    charge_mAh: Column
    cycle: Column
    step: Column
    start_time: float | None = None
    start_time_assumed_utc: bool = False
    skipped_lines: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.time_s.size)


def make_table(
    columns: Mapping[str, Column],
    start_time: float | None,
    no_zone: bool,
    skipped: int,
    notes: tuple[str, ...] = (),
) -> CyclerTable:
    copies = {name: np.array(columns[name], float) for name in COLUMNS}
    for copy in copies.values():
        copy.setflags(write=False)
    assumed = no_zone and start_time is not None
    return CyclerTable(
        **copies,
        start_time=start_time,
        start_time_assumed_utc=assumed,
        skipped_lines=skipped,
        notes=notes,
    )


def after(table: CyclerTable, count: int) -> CyclerTable:
    """The table without its first `count` readings."""
    return replace(table, **{name: getattr(table, name)[count:] for name in COLUMNS})
