"""The published cells, by name: what is cycled how, and what becomes of the lithium.

Numbers of the field of view after a discharge (mean removal, plateau, pits) are those published
for the two cells; charges are those of their 5 mm electrodes.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

from monitor import faraday
from monitor.errors import SettingError
from monitor.settings import CellSettings, Settings
from simulators.truth.deposit import Plating
from simulators.truth.protocol import Step
from simulators.truth.stripping import Stripping

DIAMETER_MM = 5.0
AREA_CM2 = math.pi / 4.0 * (DIAMETER_MM / 10.0) ** 2
FIELD_REMOVAL_UM = 16.0
PLATED_UM, DEPOSIT_UM = 13.0, 17.5

PITTING = Stripping(
    removal_um=FIELD_REMOVAL_UM,
    pitted_um=11.0,
    onset=0.05,
    width_um=(30.0, 35.0),
    depth_um=(26.5, 1.2),
)
HOMOGENEOUS = Stripping(
    removal_um=FIELD_REMOVAL_UM,
    pitted_um=0.12,
    onset=0.05,
    width_um=(10.0, 20.0),
    depth_um=(10.0, 1.0),
)
"""Few shallow pits: the plateau ends 0.12 µm above the mean."""


DENSE = Plating()


@dataclass(frozen=True, slots=True)
class CellScenario:
    """One cell: its program, the share of the mean current density that its field carries, and
    what its lithium is like when it is plated."""

    name: str
    capacity_mAh: float
    field_share: float
    steps: tuple[Step, ...]
    plating: Plating = DENSE

    @property
    def first_stripping(self) -> Stripping:
        return next(step.stripping for step in self.steps if step.stripping)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Cells that are in the beam together. `scans` limits the periodic scans; None = to the end."""

    name: str
    cells: tuple[CellScenario, ...]
    scans: int | None = None


def _discharge(current_mA_cm2: float, capacity_mAh: float, stripping: Stripping) -> Step:
    return Step("discharge", current_mA_cm2, capacity_mAh / AREA_CM2, stripping=stripping)


def _field_share(capacity_mAh: float) -> float:
    """Closure of the published cell: what its field lost over what coulometry says."""
    return FIELD_REMOVAL_UM / faraday.thickness_um(capacity_mAh / AREA_CM2)


def _cell_at_0_55(name: str) -> CellScenario:
    return CellScenario(name, 0.60, _field_share(0.60), (_discharge(0.55, 0.60, PITTING),))


def _cell_at_0_23(name: str) -> CellScenario:
    return CellScenario(name, 0.69, _field_share(0.69), (_discharge(0.23, 0.69, HOMOGENEOUS),))


def _second_cycle(name: str) -> CellScenario:
    """0.55, then 13 µm plated back at the same rate, then the same charge out again at 1.1."""
    share = _field_share(0.60)
    returned_mAh = PLATED_UM / faraday.UM_PER_MAH_CM2 * AREA_CM2
    everywhere = Stripping(
        removal_um=13.0 * share,
        pitted_um=10.5,
        onset=0.0,
        width_um=(28.0, 34.0),
        depth_um=(28.0, 1.2),
        boundary_share=0.0,
    )
    steps = (
        _discharge(0.55, 0.60, PITTING),
        Step("rest", rest_s=1800.0),
        Step("charge", 0.55, returned_mAh / AREA_CM2),
        Step("rest", rest_s=1800.0),
        _discharge(1.1, returned_mAh, everywhere),
    )
    return CellScenario(name, 0.60, share, steps)


def _first_charge(name: str) -> CellScenario:
    """0.55, then 13 µm plated back at the same rate as moss: a deposit 17.5 µm thick.

    The field carries the mean current of the electrode, so that the porosity by coulometry is that
    by the grey level.
    """
    steps = (
        _discharge(0.55, 0.60, PITTING),
        Step("rest", rest_s=1800.0),
        Step("charge", 0.55, faraday.charge_mAh_cm2(PLATED_UM)),
        Step("rest", rest_s=1800.0),
    )
    return CellScenario(name, 0.60, 1.0, steps, Plating(porosity=1.0 - PLATED_UM / DEPOSIT_UM))


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("paper-0.55", (_cell_at_0_55("A"),)),
        Scenario("paper-0.23", (_cell_at_0_23("A"),)),
        Scenario("first-charge", (_first_charge("A"),)),
        Scenario("second-cycle", (_second_cycle("A"),)),
        Scenario("two-cells", (_cell_at_0_55("A"), _cell_at_0_23("B"))),
    )
}


def named(name: str) -> Scenario:
    """The scenario of this name. Raises SettingError that names the nearest one."""
    if name in SCENARIOS:
        return SCENARIOS[name]
    near = difflib.get_close_matches(name, SCENARIOS, n=1, cutoff=0.0)[0]
    raise SettingError(
        "simulator.scenario",
        got=name,
        expected=f"one of {', '.join(SCENARIOS)}",
        todo=f"did you mean {near!r}?",
    )


def seed_of(seed: int, index: int) -> int:
    """Of the foil and pits of the cell with this index: no two cells of an experiment are alike."""
    return seed + 1000 * index


def settings_for(scenario_name: str, base: Settings) -> Settings:
    """`base` with the scenario chosen and its cells as the [[cells]]; other settings stay."""
    scenario = named(scenario_name)
    cells = tuple(
        CellSettings(
            name=cell.name, electrode_diameter_mm=DIAMETER_MM, capacity_mAh=cell.capacity_mAh
        )
        for cell in scenario.cells
    )
    simulator = base.simulator.model_copy(update={"scenario": scenario_name})
    return base.model_copy(update={"cells": cells, "simulator": simulator})
