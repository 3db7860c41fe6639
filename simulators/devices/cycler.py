"""The potentiostat: an ophyd device that says what the program makes of the cell at cell time.

Sulfur is the working electrode: the current has the sign of the cell's setting (negative, unless
told otherwise) while lithium is stripped, and the charge is its integral since the program began.
"""

from __future__ import annotations

import math
from typing import Any

from ophyd import Component, Device
from ophyd.status import Status

from simulators.devices.signals import SignalWithUnits
from simulators.truth.protocol import CellTime, Instant, Program, Step

UPPER_PLATEAU_V, LOWER_PLATEAU_V, OPEN_CIRCUIT_V = 2.35, 2.10, 2.42
RESISTANCE_OHM_CM2 = 60.0


class Cycler(Device):
    """Reads `<name>_potential` (V), `_current` (mA), `_charge` (mAh), `_cycle`, `_step`.

    It runs its program by itself and is only looked at: nothing has to be staged, and stop() of
    the RunEngine, which is meant for what moves, leaves the cell alone.
    """

    potential = Component(
        SignalWithUnits, value=OPEN_CIRCUIT_V, units="V", precision=4, kind="hinted"
    )
    current = Component(SignalWithUnits, value=0.0, units="mA", precision=5, kind="hinted")
    charge = Component(SignalWithUnits, value=0.0, units="mAh", precision=5, kind="normal")
    cycle = Component(SignalWithUnits, value=1, kind="normal")
    step = Component(SignalWithUnits, value=0, kind="normal")

    program = Component(SignalWithUnits, value="", kind="config")
    program_start = Component(SignalWithUnits, value=0.0, units="s", precision=0, kind="config")
    electrode_area = Component(SignalWithUnits, value=0.0, units="cm2", precision=5, kind="config")
    stripping_current_sign = Component(SignalWithUnits, value=-1, kind="config")

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
        for signal, value in (
            (self.program, "; ".join(worded(step) for step in program.steps)),
            (self.program_start, program.edges[0]),
            (self.electrode_area, area_cm2),
            (self.stripping_current_sign, stripping_current_sign),
        ):
            signal.put(value, timestamp=time.now)

    def trigger(self) -> Status:
        """Samples the program at the present cell time."""
        time = self._time.now
        here = self._program.at(time)
        signed_area = self._sign * self._area_cm2
        self.potential.put(potential_V(here), timestamp=time)
        self.current.put(signed_area * here.rate_mA_cm2, timestamp=time)
        self.charge.put(signed_area * here.stripped_mAh_cm2, timestamp=time)
        self.cycle.put(here.cycle, timestamp=time)
        self.step.put(here.number, timestamp=time)
        status = Status(self)
        status.set_finished()
        return status


def worded(step: Step) -> str:
    """A step of the program in words: "discharge 0.55 mA/cm2 to 3.06 mAh/cm2", "rest 600 s"."""
    if step.kind == "rest":
        return f"rest {step.rest_s:g} s"
    return f"{step.kind} {step.current_mA_cm2:.4g} mA/cm2 to {step.charge_mAh_cm2:.4g} mAh/cm2"


def potential_V(here: Instant) -> float:
    """Potential of a Li/S cell: an upper plateau, a long lower one, a drop at the end."""
    if here.step.kind == "rest":
        return OPEN_CIRCUIT_V if here.number <= 1 else 2.15
    overpotential = 1e-3 * RESISTANCE_OHM_CM2 * here.rate_mA_cm2
    done = here.progress if here.step.kind == "discharge" else 1.0 - here.progress
    fall = (UPPER_PLATEAU_V - LOWER_PLATEAU_V) / (1.0 + math.exp((0.22 - done) / 0.03))
    return UPPER_PLATEAU_V - fall - 0.3 * math.exp((done - 1.0) / 0.02) - overpotential
