"""What was plated, from the two surfaces of the deposit: how much, where, and how porous."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor import faraday

Map = NDArray[np.float32]


@dataclass(frozen=True)
class PlatingShares:
    """Plated lithium of the measured field: thickness of dense lithium, µm, averaged over the whole
    of it, and the parts of it that lie in pits and on the plain. `measured`: share of the field
    that has a number. NaN where nothing was measured."""

    plated_um: float
    in_pits_um: float
    on_plain_um: float
    measured: float

    @property
    def pit_share(self) -> float:
        """Part of the plated charge that went into pits; NaN where nothing was plated."""
        return self.in_pits_um / self.plated_um if self.plated_um > 0 else math.nan


def plated_um(before_um: Map, dense_um: Map, front_um: Map, porosity: Map | float) -> Map:
    """Local plated charge as a thickness of dense lithium, (ny, nx) float32 µm.

    Rise of the dense top plus the solid part of the moss. `before_um`: height of the lithium when
    the charge began; `dense_um` and `front_um`: heights now, from the same bottom. If there is
    no moss `porosity` may be NaN. NaN where a height is.
    """
    moss = front_um - dense_um
    # a layer that does not exist has no porosity to be known
    solid = np.where(moss == 0, np.float32(0), (1 - np.asarray(porosity, np.float32)) * moss)
    plated: Map = np.asarray(dense_um - before_um + solid, np.float32)
    return plated


def porosity_by_charge(deposit_um: float, charge_mAh_cm2: float) -> float:
    """Porosity by Faraday's law of a deposit of so much volume per area, grown by so much charge.

    17.5 µm for 13 µm of dense lithium: 0.257. Negative where the deposit is thinner than dense
    lithium would be: charge was lost to side reactions, or the field takes less than its share.
    """
    if not deposit_um > 0:
        return math.nan
    return 1.0 - faraday.thickness_um(charge_mAh_cm2) / deposit_um


def plating_shares(plated: Map, labels: NDArray[np.integer]) -> PlatingShares:
    """Splits a map of `plated_um` by the pits there were when the charge began.

    `labels`: (ny, nx) integers, 0 = plain, others = pits.
    """
    known = np.isfinite(plated)
    if not known.any():
        return PlatingShares(math.nan, math.nan, math.nan, 0.0)
    count = float(known.sum())
    pits = float(plated[known & (labels != 0)].sum(dtype=np.float64)) / count
    plain = float(plated[known & (labels == 0)].sum(dtype=np.float64)) / count
    return PlatingShares(pits + plain, pits, plain, count / plated.size)
