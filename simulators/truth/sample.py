"""The cell in the beam: what is to be visible of it at a given time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.truth.cell import Cell
from simulators.truth.protocol import Program


class Sample:
    """A cell in the beam: the truth, moved along by the cycler's program."""

    def __init__(self, cell: Cell, program: Program) -> None:
        self.cell = cell
        self._program = program
        self._time = program.edges[0]
        self._begun = 0

    def heights_at(self, time: float) -> NDArray[np.float64]:
        """Heights, µm, at a cell time that is not before the last one asked for."""
        if time > self._time:
            for step, number, charge_mAh_cm2 in self._program.between(self._time, time):
                if step.stripping is not None and number != self._begun:
                    self.cell.begin(step.stripping)
                    self._begun = number
                self.cell.update(charge_mAh_cm2)
            self._time = time
        return self.cell.heights_um
