"""What each process variable is, and its value in a state of the engine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, get_args

from monitor.control.follow import CellFindings
from monitor.quantities.quantity import word
from monitor.quantities.table import PIT_COLUMNS, SCALARS
from monitor.wire.results.state import HealthState, State

Value = float | str
Kind = Literal["number", "choice", "text"]


class Severity(IntEnum):
    """EPICS alarm severities."""

    NONE = 0
    MINOR = 1
    MAJOR = 2
    INVALID = 3


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: its name behind the prefix and the cell's name, and what it is.

    `quantity`: the scalar of a scan that it shows; `choices`: of an enumeration.
    """

    name: str
    help: str
    kind: Kind = "number"
    quantity: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a variable now; NaN is unknown. `digits`: decimals; `limits`: outside of them
    the severity is MAJOR."""

    value: Value
    severity: Severity = Severity.NONE
    units: str = ""
    digits: int = 0
    limits: tuple[float, float] | None = None


NO_YES = ("no", "yes")
STATES: tuple[str, ...] = ("UNKNOWN", *get_args(HealthState))
STATE_SEVERITY = {
    "UNKNOWN": Severity.INVALID,
    "LATE": Severity.MINOR,
    "DEAD": Severity.MAJOR,
}
NUMBERS = {
    "PITS": "pit_count",
    "DEEPEST": "pit_depth_max",
    "FORECAST": "forecast_depth",
    "BREAKTHROUGH": "collector_low_h",
    "AVERAGED": "averaged",
    "AVERAGED_ERROR": "averaged_error",
    "COMPLETE": "complete",
    "COMPLETE_ERROR": "complete_error",
    "COULOMETRY": "coulometry",
    "CLOSURE": "closure",
    "CHARGE": "charge_mAh_cm2",
    "CURRENT": "current_mA_cm2",
    "VALID": "valid_fraction",
}
"""Variables that are scalars of the last evaluated scan."""

OF_THE_ENGINE = (
    Variable("CONNECTED", "Whether the engine answers.", "choice", choices=NO_YES),
    Variable("HEARTBEAT", "Grows by one each second while the engine answers."),
    Variable("EXPERIMENT", "Name of the experiment.", "text"),
)
OF_A_CELL = (
    Variable("STATE", "State of the cell's feeds.", "choice", choices=STATES),
    Variable("SCAN", "Number of the last scan that is evaluated: the one all numbers are of."),
    Variable("SCAN_TIME", "When that scan began, seconds since 1970 (UTC)."),
    Variable("RECEIVED", "Slices of the running scan that are received, in percent."),
    Variable("ONSET", "Whether a significant pit was found in any scan.", "choice", choices=NO_YES),
    Variable("ONSET_SCAN", "The scan with the first significant pit."),
    *(Variable(name, SCALARS[key].help, quantity=key) for name, key in NUMBERS.items()),
    Variable("DEEPEST_ERROR", PIT_COLUMNS["depth_max_error"].help),
    Variable("ALARMS", "Alarms of the cell that are not acknowledged."),
    Variable("ALARM", "Text of the newest of them.", "text"),
)


def engine_readings(state: State, heartbeat: int) -> dict[str, Reading]:
    """Values of `OF_THE_ENGINE`, by name; `heartbeat`: seconds in which it answered."""
    experiment = state.get("experiment")
    return {
        "CONNECTED": Reading("yes"),
        "HEARTBEAT": Reading(float(heartbeat)),
        "EXPERIMENT": Reading(experiment["name"] if experiment else ""),
    }


def cell_readings(state: State, cell: str, found: CellFindings) -> dict[str, Reading]:
    """Values of `OF_A_CELL`, by name."""
    return dict(_of_cell(state, cell)) | dict(_of_scan(state, found))


def _of_cell(state: State, cell: str) -> Iterator[tuple[str, Reading]]:
    health = state.get("health", {}).get("cells", {}).get(cell)
    told = health["state"] if health else "UNKNOWN"
    yield "STATE", Reading(told, STATE_SEVERITY.get(told, Severity.NONE))
    facts = state["cells"][cell]
    running = facts.get("running")
    share = 100.0 * running["received"] / running["slices"] if running else 0.0
    yield "RECEIVED", Reading(share, units="%", digits=1)
    alarms = facts.get("alarms", ())
    lasting = Severity.MAJOR if alarms else Severity.NONE
    yield "ALARMS", Reading(float(len(alarms)), lasting)
    yield "ALARM", Reading(alarms[-1]["text"] if alarms else "", lasting)


def _of_scan(state: State, found: CellFindings) -> Iterator[tuple[str, Reading]]:
    scan: Mapping[str, object] = found.scan or {}
    yield "SCAN", _number(scan.get("scan"))
    yield "SCAN_TIME", _number(scan.get("start_time"), units="s", digits=3)
    onset = found.onset_scan is not None
    yield "ONSET", Reading(NO_YES[onset], Severity.MAJOR if onset else Severity.NONE)
    yield "ONSET_SCAN", Reading(math.nan if found.onset_scan is None else float(found.onset_scan))
    unit = str(scan.get("length_unit", "µm"))
    length = word(unit)
    for name, key in NUMBERS.items():
        quantity = SCALARS[key]
        value, digits = scan.get(quantity.key(unit)), quantity.digits or 0
        if quantity.form == "share" and isinstance(value, float):
            value *= 100.0
        units = "%" if quantity.form == "share" else quantity.units(length)
        limits = state.get("settings", {}).get("closure_band") if key == "closure" else None
        yield name, _number(value, units=units, digits=digits, limits=limits)
    digits = PIT_COLUMNS["depth_max_error"].digits or 0
    yield "DEEPEST_ERROR", _number(found.deepest_error, units=length, digits=digits)


def _number(
    value: object,
    *,
    units: str = "",
    digits: int = 0,
    limits: tuple[float, float] | None = None,
) -> Reading:
    known = isinstance(value, int | float) and not math.isnan(value)
    number = float(value) if known else math.nan  # type: ignore[arg-type]
    severity = Severity.NONE if known else Severity.INVALID
    if limits is not None:
        low, high = limits
        if known and not low <= number <= high:
            severity = Severity.MAJOR
    return Reading(number, severity, "" if units == "1" else units, digits, limits)
