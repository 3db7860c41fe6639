"""Error against truth, and against the error that was stated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_RMS = {1: 1.1, 2: 0.6, 4: 0.35, 8: 0.18}
"""Voxels, by CNR, over all valid columns."""
LARGEST_BIAS = 0.03
Z_WITHIN = 0.1

Map = NDArray[np.floating]


@dataclass(frozen=True)
class Score:
    """`rms` and `bias` in voxels over the columns that have a value, `valid` their share; `z_mean`,
    `z_std` of error ÷ stated error, `beyond_5` the share of columns where that is more than 5."""

    rms: float
    bias: float
    valid: float
    z_mean: float = float("nan")
    z_std: float = float("nan")
    beyond_5: float = float("nan")


def score(off: Map, error: Map | None = None) -> Score:
    """`off`: found less true, `error`: stated standard deviation, both (n, n) voxels, NaN = no
    value."""
    known = np.isfinite(off)
    values = off[known].astype(np.float64)
    if not values.size:
        return Score(float("nan"), float("nan"), 0.0)
    rms, bias = float(np.sqrt(np.mean(values**2))), float(values.mean())
    if error is None:
        return Score(rms, bias, float(known.mean()))
    z = values / error[known]
    beyond = float(np.mean(np.abs(z) > 5))
    return Score(rms, bias, float(known.mean()), float(z.mean()), float(z.std()), beyond)


def bound(blur: float, cnr: float) -> float:
    """Cramér–Rao: the least rms, voxels, of an estimator that sees one column only."""
    return float(np.sqrt(2 * np.sqrt(np.pi) * blur) / cnr)
