"""EC-Lab's columns → the readings that the monitor knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.sources.cyclers.eclab.columns import by_role
from monitor.sources.cyclers.table import Column

SECONDS_PER_HOUR = 3600.0
LARGEST_JITTER_S = 1.0
JITTER_PART = 0.1


@dataclass(slots=True)
class Carry:
    """What the next piece of a growing file needs of the ones before.

    `restarts`: the times (s) at which `time/s` began again and was continued; `dropped` readings
    lay before others and were left out. `can_restart` is False if the file holds absolute times.
    """

    time_s: float = float("nan")
    charge_mAh: float = 0.0
    rate_mAh_s: float = float("nan")
    ewe_seen: bool = False
    raw_s: float = float("nan")
    first_raw_s: float = float("nan")
    offset_s: float = 0.0
    step_s: float = 1.0
    can_restart: bool = True
    restarts: list[float] = field(default_factory=list)
    dropped: int = 0
    notes: dict[str, str] = field(default_factory=dict)

    def told(self) -> tuple[str, ...]:
        """All that the operator should know so far."""
        lines = list(self.notes.values())
        if self.restarts:
            at = ", ".join(f"{time:.6g}" for time in self.restarts[:4])
            lines.append(
                f"time/s starts again: continued at {at} s; the length of the pauses is not in "
                "the file"
            )
        if self.dropped:
            lines.append(
                f"{self.dropped} readings dropped: their times are earlier than those of lines "
                "before"
            )
        return tuple(lines)


def derive(columns: Mapping[str, Column], count: int, carry: Carry) -> dict[str, Column]:
    """Our columns from EC-Lab's.

    Without a current column, `current_mA = Δq·3600/Δt`: Δq is the charge since the reading before,
    as counted by EC-Lab or as the difference of two counts; without either, the set current.
    Without a cycle number, it is half of the half cycles, as EC-Lab counts them itself.
    """
    missing = np.full(count, np.nan)
    found = by_role(columns)
    time_s, keep, again = _continued(found.get("time", missing), carry)
    found = {name: values[keep] for name, values in found.items()}
    time_s, missing = time_s[keep], missing[keep]
    charge, step_mAh = found.get("charge"), found.get("charge_step")
    if charge is None and step_mAh is not None:
        charge = carry.charge_mAh + np.cumsum(np.nan_to_num(step_mAh))
    current = found.get("current")
    if current is None and charge is not None:
        if step_mAh is None:
            step_mAh = np.diff(charge, prepend=carry.charge_mAh)
            step_mAh[again[keep]] = np.nan
            step_mAh[_count_anew(charge, step_mAh, time_s, carry)] = np.nan
        elapsed_s = np.diff(time_s, prepend=carry.time_s)
        elapsed_s[~(elapsed_s > 0)] = np.nan
        current = step_mAh * SECONDS_PER_HOUR / elapsed_s
    if "time" in found:
        _tell_missing(found, carry)
    if current is None:
        current = found.get("control", missing)
    half = found.get("half_cycle")
    potential = _potential(found, carry)
    if time_s.size:
        carry.time_s = float(time_s[-1])
        carry.charge_mAh = 0.0 if charge is None else float(charge[-1])
    return {
        "time_s": time_s,
        "potential_V": missing if potential is None else potential,
        "current_mA": current,
        "charge_mAh": missing if charge is None else charge,
        "cycle": found.get("cycle", missing if half is None else half // 2),
        "step": found.get("step", missing),
    }


def _potential(found: Mapping[str, Column], carry: Carry) -> Column | None:
    """Ewe, or Ewe-Ece as long as Ewe is 0 in every reading: it was not recorded then."""
    ewe, difference = found.get("potential"), found.get("difference")
    if ewe is None or difference is None:
        return difference if ewe is None else ewe
    seen = np.logical_or.accumulate(np.append(carry.ewe_seen, ewe != 0.0))[1:]
    carry.ewe_seen = bool(seen[-1]) if seen.size else carry.ewe_seen
    if carry.ewe_seen:
        carry.notes.pop("ewe", None)
    elif (difference != 0.0).any():
        carry.notes["ewe"] = "Ewe is 0 in every line: the potential is Ewe-Ece"
    return np.where(seen, ewe, difference)


def _tell_missing(found: Mapping[str, Column], carry: Carry) -> None:
    def tell(name: str, text: str) -> None:
        carry.notes.setdefault(name, text)

    if "potential" not in found and "difference" not in found:
        tell("potential", "no column for the potential (Ewe/V, Ecell/V): it is not known")
    elif "potential" not in found:
        tell("potential", "no column Ewe/V or Ecell/V: the potential is Ewe-Ece")
    if "current" in found:
        return
    if "charge" in found or "charge_step" in found:
        tell("current", "no column for the current (I/mA, <I>/mA): it is computed from the charge")
    elif "control" in found:
        tell(
            "current",
            "no column for current or charge (<I>/mA, (Q-Qo)/mA.h): the set current (control/mA) "
            "is used; export the file again with them",
        )
    else:
        tell(
            "current",
            "no column for current or charge (<I>/mA, (Q-Qo)/mA.h): both are not known; export the "
            "file again with them if current flowed",
        )


def _count_anew(
    charge: Column, step_mAh: Column, time_s: Column, carry: Carry
) -> NDArray[np.bool_]:
    """Where a technique begins to count from 0: the step back to it is not a charge that flowed. It
    is told from a current that passes 0 by its rate, beyond that of the steps beside it."""
    rate = np.abs(step_mAh / np.diff(time_s, prepend=carry.time_s))
    before = np.append(carry.rate_mAh_s, rate)[:-1]
    anew: NDArray[np.bool_] = (charge == 0.0) & (step_mAh != 0.0) & (rate > 2.0 * before)
    if anew.any():
        carry.notes["anew"] = (
            "the charge restarts from 0 within the file: the current there is not known"
        )
    if rate.size:
        carry.rate_mAh_s = float(rate[-1])
    return anew


def _continued(raw: Column, carry: Carry) -> tuple[Column, NDArray[np.bool_], NDArray[np.bool_]]:
    """Times that continue where `time/s` starts again; which readings are kept, and which are the
    first ones of a restart.

    A step back to the first half of what arrived so far is a second technique, which continues one
    step after the last reading; a larger value that lies before others is dropped.
    """
    keep, again = np.ones(raw.size, bool), np.zeros(raw.size, bool)
    if not raw.size:
        return raw, keep, again
    steps = np.diff(raw, prepend=carry.raw_s)
    if not (steps < 0).any():
        times = raw + carry.offset_s
        if steps[-1] > 0:
            carry.step_s = float(steps[-1])
        carry.first_raw_s = float(raw[0]) if np.isnan(carry.raw_s) else carry.first_raw_s
        carry.raw_s = float(raw[-1])
        return times, keep, again
    times = np.empty(raw.size)
    for index, value in enumerate(raw.tolist()):
        if np.isnan(carry.raw_s):
            carry.first_raw_s = carry.raw_s = value
        span, back = carry.raw_s - carry.first_raw_s, carry.raw_s - value
        if back > min(LARGEST_JITTER_S, JITTER_PART * span):
            if carry.can_restart and back >= 0.5 * span:
                carry.offset_s += carry.raw_s + carry.step_s - value
                carry.first_raw_s = carry.raw_s = value
                carry.restarts.append(value + carry.offset_s)
                again[index] = True
            else:
                carry.dropped += 1
                keep[index] = False
        elif back < 0:
            carry.step_s, carry.raw_s = -back, value
        times[index] = value + carry.offset_s
    return times, keep, again
