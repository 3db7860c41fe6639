"""A cell that lies elsewhere in a later scan, and scans that lack slices."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tests.studies.validation import fields
from tests.studies.validation.drive import found
from tests.studies.validation.fields import VOXEL_UM
from tests.studies.validation.heights import REFERENCE_SEED, SCAN_SEED, Case, row, volumes
from tests.studies.validation.phantom import Detector, Optics, render
from tests.studies.validation.scores import score

Row = dict[str, Any]

BETWEEN_SEED = 13
LOST_BLOCK = 10
SHIFTS = (-0.3, 0.2, 0.5, 2.8, 10.0)
SIDEWAYS = (4, -7)
"""Thirds of a voxel: 2 µm."""


@dataclass(frozen=True)
class Move:
    """Where the cell lies in a later scan, in voxels (`sideways`: thirds of them)."""

    name: str
    along_z: float = 0.0
    tilt: float = 0.0
    sideways: tuple[int, int] = (0, 0)
    gain: float = 1.0


def against_drift(n: int, *, cnr: float = 2, quick: bool = False) -> list[Row]:
    """The cell lies elsewhere in the last scan, is tilted, and the grey levels drift: heights must
    not change, nor the mean removal (closure: found ÷ true). Before it come the pristine reference
    and a scan in place."""
    foil, truth = fields.flat(n), fields.crowded(n)
    up = 2.0 / VOXEL_UM
    moves = [
        *(Move(f"{shift:+g} voxels along z", along_z=shift) for shift in SHIFTS),
        Move("tilted by 2 µm over the field", tilt=up),
        Move("2 µm sideways", sideways=SIDEWAYS),
        Move("gain +5 %", gain=1.05),
        Move("2 µm sideways and along z, tilted, gain +5 %", up, up, SIDEWAYS, 1.05),
    ]
    detector = Detector(cnr=cnr)
    before = [
        render(field, Optics(), detector, seed=seed)
        for field, seed in ((foil, REFERENCE_SEED), (truth, BETWEEN_SEED))
    ]
    true_removal = foil.height - truth.height
    rows = []
    for move in moves[-1:] if quick else moves:
        optics = replace(Optics(), bottom=Optics().bottom + move.along_z, tilt=move.tilt)
        case = Case(move.name, optics, replace(detector, gain=move.gain))
        moved = fields.moved(truth, move.sideways)
        one = found([*before, render(moved, optics, case.detector, seed=SCAN_SEED)], truth)
        removal = one.result.maps["removal"] / VOXEL_UM
        known = np.isfinite(removal)
        closure = float(removal[known].mean() / true_removal[known].mean())
        rows.append(row(case, one) | {"closure": closure})
    return rows


def against_holes(n: int, *, cnr: float = 2, quick: bool = False) -> list[Row]:
    """Slices that never come; the first of them is one in which much of the interface lies.

    `near_…`: figures of the columns whose interface lies in a lost slice, `near_error`: the error
    stated there; `told`: whether the scan is marked as incomplete.
    """
    foil, truth = fields.flat(n), fields.crowded(n)
    case = Case("lost slices").at(cnr)
    reference, scan = volumes(case, foil, truth)
    place = case.optics.bottom + truth.height
    plain = round(float(np.percentile(place, 90)))
    others = np.random.default_rng(5).permutation(len(scan))
    shuffled = [plain, *others[others != plain]]
    block = plain - LOST_BLOCK // 2
    lost = {
        "none": [],
        "1 %": sorted(shuffled[: round(0.01 * len(scan))]),
        "5 %": sorted(shuffled[: round(0.05 * len(scan))]),
        "10 in a row, at the interface": list(range(block, block + LOST_BLOCK)),
    }
    rows = []
    for name, missing in list(lost.items())[2:] if quick else lost.items():
        one = found([reference, scan], truth, missing)
        near = np.isin(np.rint(place), missing)
        beside = asdict(score(one.off[near], one.error[near])) if near.any() else {}
        stated = float(np.nanmedian(one.error[near])) if near.any() else float("nan")
        figures = row(replace(case, name=name), one) | {"missing": len(missing)}
        figures |= {f"near_{key}": value for key, value in beside.items()}
        rows.append(figures | {"near_error": stated, "told": not one.result.complete})
    return rows
