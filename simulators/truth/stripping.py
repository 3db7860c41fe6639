"""What a discharge is to do to the field of view, in numbers: needs neither numba nor SciPy."""

from __future__ import annotations

from dataclasses import dataclass

PITTING_ORDER = 1.3  # pitted volume grows as (progress since onset)^PITTING_ORDER
PITTED_SHARE_LIMIT = 0.98


@dataclass(frozen=True, slots=True)
class Stripping:
    """How one discharge eats the field.

    `removal_um`: mean removal of the field at its end; `pitted_um`: the part of it inside pits
    (below the plateau). No pit opens before the fraction `onset` of the removal. Final pits have
    widths drawn from `width_um` (low, high) and depths from `depth_um` (mean, standard deviation).
    `boundary_share` of the early pits start on grain boundaries, half as many of the late ones.
    """

    removal_um: float
    pitted_um: float
    onset: float
    width_um: tuple[float, float]
    depth_um: tuple[float, float]
    boundary_share: float = 0.9
    late_birth: float = 0.7

    def pitted_at(self, removal_um: float) -> float:
        """Part of `removal_um`, µm, that comes out of pits when so much has been removed."""
        progress = removal_um / self.removal_um
        since_onset = max(0.0, (progress - self.onset) / (1.0 - self.onset))
        pitted = self.pitted_um * since_onset**PITTING_ORDER
        return float(min(pitted, PITTED_SHARE_LIMIT * removal_um))
