"""The process variables: what they are called, and their values in a state."""

from __future__ import annotations

import math

import pytest

from monitor.control.follow import Follower
from monitor.control.variables import (
    NUMBERS,
    OF_A_CELL,
    OF_THE_ENGINE,
    Reading,
    Severity,
    cell_readings,
    engine_readings,
)
from monitor.processes import free_addresses
from monitor.quantities.table import SCALARS
from tests.control.engines import Engine, engine
from tests.gui.synthetic import Cell

UNITS_BYTES, NAME_BYTES = 8, 60
"""Channel Access keeps no more of a unit (with a zero at its end), and EPICS records of a name."""


def shown(made: Engine, cell: str = "A") -> dict[str, Reading]:
    """What the variables of a cell are, and nothing else."""
    address = made.publisher.pull_address
    follower = Follower(address)
    try:
        state = follower.state()
        assert set(engine_readings(state, 3)) == {variable.name for variable in OF_THE_ENGINE}
        readings = cell_readings(state, cell, follower.findings(state)[cell])
    finally:
        follower.close()
    assert set(readings) == {variable.name for variable in OF_A_CELL}
    for name, reading in readings.items():
        assert len(reading.units.encode("ascii")) < UNITS_BYTES, name
    return readings


def test_names_fit_and_each_says_what_it_is() -> None:
    for variable in (*OF_THE_ENGINE, *OF_A_CELL):
        assert len(f"PITWATCH:long_cell_name:{variable.name}") <= NAME_BYTES
        assert variable.help.endswith(".")


def test_before_any_scan_all_is_unknown() -> None:
    (pull,) = free_addresses(1)
    with engine(pull) as made:
        readings = shown(made, "B-2")
    assert readings["ONSET"] == Reading("no")
    for name in (*NUMBERS, "SCAN", "DEEPEST_ERROR"):
        assert math.isnan(readings[name].value)  # type: ignore[arg-type]
        assert readings[name].severity is Severity.INVALID


@pytest.mark.parametrize(("voxel_um", "unit"), [(0.717, "um"), (None, "voxel")])
def test_numbers_are_those_of_the_scan(voxel_um: float | None, unit: str) -> None:
    cell = Cell(voxel_um=voxel_um)
    result = cell.result(3)
    (pull,) = free_addresses(1)
    with engine(pull) as made:
        made.update(cell.result(2), result, cell.result(4, provisional=True))
        readings = shown(made)
    deepest = max(result.pits, key=lambda pit: pit.depth_max)
    assert readings["SCAN"].value == 3
    assert readings["SCAN_TIME"].value == result.start.start_time
    assert readings["PITS"] == Reading(len(result.pits))
    assert readings["DEEPEST"].value == pytest.approx(deepest.depth_max)
    assert readings["DEEPEST_ERROR"] == Reading(deepest.depth_max_error, units=unit, digits=2)
    averaged = result.summary[f"averaged_{unit}"]
    assert readings["AVERAGED"] == Reading(
        averaged, units=unit, digits=SCALARS["averaged"].digits or 0
    )
    assert readings["VALID"] == Reading(99.0, units="%", digits=1)
    assert readings["CHARGE"].units == "mAh/cm2"


@pytest.mark.parametrize(("closure", "severity"), [(1.0, Severity.NONE), (1.9, Severity.MAJOR)])
def test_closure_has_the_limits_of_the_engine_s_alarm(closure: float, severity: Severity) -> None:
    result = Cell().result(2)
    result.summary["closure"] = closure  # type: ignore[index]
    (pull,) = free_addresses(1)
    with engine(pull, {"watch": {"closure_band": (0.7, 1.3)}}) as made:
        made.update(result)
        reading = shown(made)["CLOSURE"]
    assert reading.severity is severity and list(reading.limits or ()) == [0.7, 1.3]


def test_onset_is_known_however_long_ago_it_was() -> None:
    (pull,) = free_addresses(1)
    with engine(pull) as made:
        made.happened("pit_onset", "A", scan=4, why="two pits")
        for n in range(300):
            made.happened("gap", "A", stream="s", lost=n)
        one, other = shown(made, "A"), shown(made, "B-2")
    assert (one["ONSET"].value, one["ONSET"].severity) == ("yes", Severity.MAJOR)
    assert one["ONSET_SCAN"].value == 4
    assert other["ONSET"] == Reading("no")


def test_alarms_are_counted_until_they_are_acknowledged() -> None:
    (pull,) = free_addresses(1)
    with engine(pull) as made:
        made.happened("alarm", "A", scan=1, text="the first", condition="")
        made.happened("alarm", "A", scan=1, text="the second", condition="")
        readings = shown(made)
    assert readings["ALARMS"] == Reading(2.0, Severity.MAJOR)
    assert readings["ALARM"].value == "the second"
