"""Where the errors are: on plain pieces, on walls, on sharp ridges; and between which slices."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.ndimage import laplace

from tests.studies.validation import fields
from tests.studies.validation.drive import found
from tests.studies.validation.heights import CLEAN, Case, row, volumes
from tests.studies.validation.phantom import Optics
from tests.studies.validation.scores import score

Row = dict[str, Any]

STEEP = 0.5
SHARP = 1.0
"""Slope, and bend against the mean of the four neighbours (Laplacian), in voxels per voxel."""
PHASES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
WHOLE_SLICES, BOTTOM = 88, 11.0


def by_place(n: int, cnrs: tuple[float, ...] = (2, 8)) -> list[Row]:
    """Scores of each kind of place in clean images of the crowded field."""
    foil, truth = fields.flat(n), fields.crowded(n)
    height = truth.height
    sharp = np.abs(laplace(height)) > SHARP
    steep = np.hypot(*np.gradient(height)) > STEEP
    places = {
        "plain": ~sharp & ~steep,
        "walls and bowls": ~sharp & steep,
        "ridges": sharp & (laplace(height) < 0),
        "clefts": sharp & (laplace(height) > 0),
    }
    rows = []
    for cnr in cnrs:
        case = CLEAN.at(cnr)
        one = found(volumes(case, foil, truth), truth)
        for name, here in places.items():
            share = {"case": name, "cnr": cnr, "share": float(here.mean())}
            rows.append(share | asdict(score(one.off[here], one.error[here])))
    return rows


def by_phase(n: int, cnrs: tuple[float, ...] = (2, 8)) -> list[Row]:
    """Scores of a perfectly flat interface by its place between two slices; at phase 0 it lies in
    the middle of one. All columns of a pristine foil share one phase."""
    rows = []
    for cnr in cnrs:
        for phase in PHASES:
            truth = fields.level(n, WHOLE_SLICES + phase - BOTTOM)
            case = Case(f"{phase:g}", Optics(bottom=BOTTOM)).at(cnr)
            one = found(volumes(case, truth, truth), truth)
            rows.append(row(case, one) | {"phase": phase})
    return rows
