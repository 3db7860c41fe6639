"""The potentiostat: an ophyd device that says what the program makes of the cell at cell time.

Sulfur is the working electrode: the current has the sign of the cell's setting (negative, unless
told otherwise) while lithium is stripped, and the charge is its integral since the program began.
"""

from __future__ import annotations

import math
from typing import Any

from ophyd import Component, Device, Signal
from ophyd.status import DeviceStatus

from simulators.program import CellTime, Instant, Program

UPPER_PLATEAU_V, LOWER_PLATEAU_V, OPEN_CIRCUIT_V = 2.35, 2.10, 2.42
RESISTANCE_OHM_CM2 = 60.0


class Cycler(Device):
    """Reads `<name>_potential` (V), `_current` (mA), `_charge` (mAh), `_cycle`, `_step`."""

    potential = Component(Signal, value=OPEN_CIRCUIT_V)
    current = Component(Signal, value=0.0)
    charge = Component(Signal, value=0.0)
    cycle = Component(Signal, value=1)
    step = Component(Signal, value=0)

    def __init__(
        self,
        *,
        name: str,
        program: Program,
        time: CellTime,
        area_cm2: float,
        stripping_current_sign: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self._program = program
        self._time = time
        self._area_cm2 = area_cm2
        self._sign = stripping_current_sign

    def trigger(self) -> DeviceStatus:
        """Samples the program at the present cell time."""
        time = self._time.now
        here = self._program.at(time)
        signed_area = self._sign * self._area_cm2
        self.potential.put(potential_V(here), timestamp=time)
        self.current.put(signed_area * here.rate_mA_cm2, timestamp=time)
        self.charge.put(signed_area * here.stripped_mAh_cm2, timestamp=time)
        self.cycle.put(here.cycle, timestamp=time)
        self.step.put(here.number, timestamp=time)
        status = DeviceStatus(self)
        status.set_finished()
        return status


def potential_V(here: Instant) -> float:
    """Potential of a Li/S cell: an upper plateau, a long lower one, a drop at the end."""
    if here.step.kind == "rest":
        return OPEN_CIRCUIT_V if here.number <= 1 else 2.15
    overpotential = 1e-3 * RESISTANCE_OHM_CM2 * here.rate_mA_cm2
    done = here.progress if here.step.kind == "discharge" else 1.0 - here.progress
    fall = (UPPER_PLATEAU_V - LOWER_PLATEAU_V) / (1.0 + math.exp((0.22 - done) / 0.03))
    return UPPER_PLATEAU_V - fall - 0.3 * math.exp((done - 1.0) / 0.02) - overpotential
