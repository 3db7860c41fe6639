"""EC-Lab's columns → the readings that the monitor knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POTENTIAL = ("Ewe/V", "<Ewe>/V", "Ecell/V", "<Ecell>/V")
CURRENT = ("<I>/mA", "I/mA")
CHARGE = ("(Q-Qo)/mA.h",)
USED = (*POTENTIAL, *CURRENT, *CHARGE, "time/s", "dq/mA.h", "half cycle", "cycle number", "Ns")
COLUMNS = ("time_s", "potential_V", "current_mA", "charge_mAh", "cycle", "step")
SECONDS_PER_HOUR = 3600.0

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CyclerTable:
    """Readings of a cycler: equal-length float64 columns (n,), read-only, NaN = not in the file.

    `time_s` counts from the start of the acquisition as the file has it; `start_time` is that start
    in UTC s, None where the file does not say it. `start_time_assumed_utc`: the file gives no zone
    and none was named. `skipped_lines` could not be read as readings.
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

    def __len__(self) -> int:
        return int(self.time_s.size)


@dataclass(slots=True)
class Carry:
    """What the next piece of a growing file needs of the last: its time (s) and charge (mAh)."""

    time_s: float = float("nan")
    charge_mAh: float = 0.0


def derive(columns: Mapping[str, Column], count: int, carry: Carry) -> dict[str, Column]:
    """Our columns from EC-Lab's.

    Without a current column, `current_mA = dq·3600/Δt`: dq is the charge since the reading before.
    Without a cycle number, it is half of the half cycles, as EC-Lab counts them itself.
    """
    missing = np.full(count, np.nan)

    def first(names: tuple[str, ...]) -> Column | None:
        return next((columns[name] for name in names if name in columns), None)

    time_s = columns.get("time/s", missing)
    dq = columns.get("dq/mA.h")
    current, charge = first(CURRENT), first(CHARGE)
    if current is None and dq is not None:
        elapsed_s = np.diff(time_s, prepend=carry.time_s)
        elapsed_s[~(elapsed_s > 0)] = np.nan
        current = dq * SECONDS_PER_HOUR / elapsed_s
    if charge is None and dq is not None:
        charge = carry.charge_mAh + np.cumsum(dq)
    half = columns.get("half cycle")
    cycle = columns.get("cycle number", missing if half is None else half // 2)
    if count:
        carry.time_s = float(time_s[-1])
        carry.charge_mAh = 0.0 if charge is None else float(charge[-1])
    potential = first(POTENTIAL)
    return {
        "time_s": time_s,
        "potential_V": missing if potential is None else potential,
        "current_mA": missing if current is None else current,
        "charge_mAh": missing if charge is None else charge,
        "cycle": cycle,
        "step": columns.get("Ns", missing),
    }


def make_table(
    columns: Mapping[str, Column], start_time: float | None, no_zone: bool, skipped: int
) -> CyclerTable:
    copies = {name: np.array(columns[name], float) for name in COLUMNS}
    for copy in copies.values():
        copy.setflags(write=False)
    assumed = no_zone and start_time is not None
    return CyclerTable(
        **copies, start_time=start_time, start_time_assumed_utc=assumed, skipped_lines=skipped
    )
