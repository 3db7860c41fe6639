"""Pits of one scan."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pit:
    """One pit in one scan. Lengths in the scan's `length_unit`, after ASTM G46 / ISO 11463.

    `id` stays the same from scan to scan; `parent` is the id of the pit that it split from or that
    swallowed it (-1: none); `x`, `y` are the centroid of the opening; depths are below the plateau.
    `depth_max_error`: standard error, NaN in recordings that are older than it.
    """

    id: int
    parent: int
    first_scan: int
    x: float
    y: float
    area: float
    diameter: float
    depth_max: float
    depth_mean: float
    volume: float
    current_density_mA_cm2: float
    p_value: float
    depth_max_error: float = math.nan
