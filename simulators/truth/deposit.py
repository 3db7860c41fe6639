"""The porous deposit that charge lays on the lithium, and that a discharge takes first.

It is the fresh lithium, with the larger surface, nearest to the counter electrode: it goes before
any dense lithium does, everywhere in proportion to its thickness. Lithium that loses contact
("dead") is not modelled: all of the moss is stripped again, and no charge is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Plating:
    """How charge refills the field: `plain_share` of it lands evenly, the rest fills the pits.

    `porosity`: share of electrolyte in what is laid down; 0 is dense lithium, which raises the
    lithium itself.
    """

    plain_share: float = 0.5
    porosity: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.porosity < 1.0:
            raise ValueError(f"porosity: got {self.porosity}, expected 0 to less than 1")


@dataclass(frozen=True, slots=True, eq=False)
class Moss:
    """What lies on the dense lithium: (size, size) float64 µm thickness; its porosity."""

    thickness_um: NDArray[np.float64]
    porosity: float


class MossLayer:
    """The moss of one cell as it grows and goes; its lithium is counted as dense, in µm."""

    def __init__(self, shape: tuple[int, ...], plating: Plating) -> None:
        self._plating = plating
        self._thickness = np.zeros(shape)
        self._on_plain = 0.0

    @property
    def thickness_um(self) -> NDArray[np.float64]:
        """(size, size) float64 µm; not a copy."""
        return self._thickness

    @property
    def lithium_um(self) -> float:
        """Lithium in the moss as a mean thickness of dense lithium."""
        return (1.0 - self._plating.porosity) * float(self._thickness.mean())

    def seen(self) -> Moss | None:
        """The moss as it is, a copy; None if there is none."""
        if not self._thickness.any():
            return None
        return Moss(self._thickness.copy(), self._plating.porosity)

    def strip(self, removal_um: float) -> float:
        """Takes as much of `removal_um` as there is; returns the rest."""
        there = self.lithium_um
        taken = min(removal_um, there)
        if taken > 0.0:
            left = 1.0 - taken / there
            self._thickness *= left
            self._on_plain *= left
        return removal_um - taken

    def grow(self, gain_um: float, excess_um: NDArray[np.float64]) -> None:
        """Lays down `gain_um` of lithium: into what room the pits have, and evenly.

        `excess_um`: (size, size) µm, depth of the dense lithium below its plateau.
        """
        solid = 1.0 - self._plating.porosity
        room = np.maximum(excess_um + self._on_plain - self._thickness, 0.0)
        mean_room = float(room.mean())
        into_pits = min((1.0 - self._plating.plain_share) * gain_um, solid * mean_room)
        if into_pits > 0.0:
            self._thickness += room * (into_pits / (solid * mean_room))
        even = (gain_um - into_pits) / solid
        self._thickness += even
        self._on_plain += even
