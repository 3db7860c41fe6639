"""Pits whose size is known: what is left of a small one, which are found, and what is found where
none is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from skimage.measure import label
from skimage.morphology import h_maxima

from monitor.records import Event, Pit, ScanResult
from tests.studies.validation import fields
from tests.studies.validation.drive import outputs, results
from tests.studies.validation.fields import VOXEL_UM, Field
from tests.studies.validation.phantom import Detector, Optics, render

Row = dict[str, Any]

WIDTHS_UM = (10.0, 15.0, 20.0, 30.0)
DEPTHS_UM = (3.0, 5.0, 10.0)
LEAST_FOUND = 0.98
LEAST_KEPT = 0.9
LEAST_PITS = 100
PROFILE_STEP_UM = 0.5
CLEAR_PEAK_UM, LEAST_PEAK_UM = 3.0, 0.5


def scanned(foil: Field, truth: Field, cnr: float, seed: int) -> ScanResult:
    """The second of two scans: pristine, then with the pits."""
    detector = Detector(cnr=cnr)
    reference = render(foil, Optics(), detector, seed=seed)
    return results(outputs([reference, render(truth, Optics(), detector, seed=seed + 1)]))[-1]


def kept(n: int, *, width_um: float = 10.0, depth_um: float = 5.0, cnr: float = 2.0) -> Row:
    """What is left of the depth and volume of equal pits, found ÷ true; `profile`: mean removal
    against distance from the centre (both µm), found and true, below the even layer."""
    foil, truth = fields.flat(n), fields.apart(n, width_um, depth_um)
    result = scanned(foil, truth, cnr, seed=20)
    found = result.maps["removal"] - fields.PLATEAU_UM
    true = (foil.height - truth.height) * VOXEL_UM - fields.PLATEAU_UM
    distance, number = _around(truth, n)
    inside = distance < 0.5 * width_um
    middle = distance < 0.75 * VOXEL_UM
    matched = _matched(truth.pits, result.pits)
    depths = [pit.depth_max for _, pit in matched]
    bins = (distance / PROFILE_STEP_UM).astype(int)
    profile = [
        (float(distance[at].mean()), float(np.nanmean(found[at])), float(true[at].mean()))
        for at in (bins == k for k in range(int(width_um / PROFILE_STEP_UM)))
        if at.any()
    ]
    return {
        "width_um": width_um,
        "depth_um": depth_um,
        "pits": len(truth.pits),
        "found": len(matched),
        "depth_kept": float(np.nanmean(found[middle]) / true[middle].mean()),
        "volume_kept": float(np.nansum(found[inside]) / true[inside].sum()),
        "reported_depth": float(np.mean(depths) / depth_um) if depths else float("nan"),
        "reported_volume": _reported_volume(matched, true, number, inside),
        "profile": profile,
    }


def _reported_volume(
    matched: list[tuple[int, Pit]], true: np.ndarray, number: np.ndarray, inside: np.ndarray
) -> float:
    """Volume of the pits in the monitor's list ÷ true volume of the same pits."""
    dug = [true[inside & (number == k)].sum() * VOXEL_UM**2 for k, _ in matched]
    return float(sum(pit.volume for _, pit in matched) / sum(dug)) if dug else float("nan")


def _around(truth: Field, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) distance to the nearest pit's centre, µm, and that pit's number."""
    y, x = np.mgrid[:n, :n] * VOXEL_UM
    apart = np.stack([np.hypot(y - pit.y, x - pit.x) for pit in truth.pits])
    return apart.min(axis=0), apart.argmin(axis=0)


def _matched(true: tuple[fields.Pit, ...], found: tuple[Pit, ...]) -> list[tuple[int, Pit]]:
    """(number of the true pit, pit found) where a centroid lies inside a true opening; the nearest
    counts, once."""
    pairs = sorted(
        (float(np.hypot(t.y - f.y, t.x - f.x)), i, j)
        for i, t in enumerate(true)
        for j, f in enumerate(found)
        if np.hypot(t.y - f.y, t.x - f.x) < 0.5 * t.width
    )
    taken: dict[int, int] = {}
    for _, i, j in pairs:
        if i not in taken and j not in taken.values():
            taken[i] = j
    return [(i, found[j]) for i, j in taken.items()]


def by_size(n: int, *, cnr: float = 2.0, quick: bool = False) -> list[Row]:
    """Recall and precision of pits of each width and depth, and the sizes that are reported."""
    sizes = [(width, depth) for width in WIDTHS_UM for depth in DEPTHS_UM]
    rows = []
    for width, depth in sizes[:1] if quick else sizes:
        true, found, matched, seed = 0, 0, [], 0
        while true < (1 if quick else LEAST_PITS):
            truth = fields.apart(n, width, depth, seed=seed)
            noise_seed = int(1000 * width + 10 * depth) + 2 * seed
            pits = scanned(fields.flat(n, seed=seed), truth, cnr, seed=noise_seed).pits
            matched += [pit for _, pit in _matched(truth.pits, pits)]
            true, found, seed = true + len(truth.pits), found + len(pits), seed + 1
        one = {
            "width_um": width,
            "depth_um": depth,
            "pits": true,
            "recall": len(matched) / true,
            "precision": len(matched) / found if found else float("nan"),
            "found_width_um": float(np.mean([pit.diameter for pit in matched] or [np.nan])),
            "found_depth_um": float(np.mean([pit.depth_max for pit in matched] or [np.nan])),
        }
        rows.append(one)
    return rows


def merged(n: int, cnr: float = 2.0) -> Row:
    """Pits that touch, in the crowded field.

    A pit of the truth is a peak of the depth that stands `CLEAR_PEAK_UM` or more above the saddle
    to a deeper one; it is found where the outline that its peak lies in holds no other. A reported
    pit is right where a peak of `LEAST_PEAK_UM` lies in it.
    """
    foil, truth = fields.flat(n), fields.crowded(n)
    result = scanned(foil, truth, cnr, seed=30)
    depth = (foil.height - truth.height) * VOXEL_UM
    clear, any_peak = (
        Counter(int(result.pit_labels[place]) for place in _peaks(depth, least))
        for least in (CLEAR_PEAK_UM, LEAST_PEAK_UM)
    )
    reported = {pit.id for pit in result.pits}
    return {
        "dug": len(truth.pits),
        "pits": clear.total(),
        "reported": len(reported),
        "recall": len(clear.keys() & reported) / clear.total(),
        "precision": len(any_peak.keys() & reported) / max(1, len(reported)),
    }


def _peaks(depth: np.ndarray, least_um: float) -> list[tuple[int, int]]:
    """One pixel of each peak that stands `least_um` above its saddle."""
    numbered = label(h_maxima(depth.astype(np.float64), least_um))
    _, first = np.unique(numbered, return_index=True)
    return [divmod(int(at), depth.shape[1]) for at in first[1:]]


def nothing_there(n: int, scans: int, cnr: float = 2.0) -> Row:
    """Scans of a foil without a pit: pits reported, and onsets, which ask for an extra scan."""
    foil = fields.flat(n)
    bare = fields.dug(foil, [])
    volumes = (
        render(foil if scan == 0 else bare, Optics(), Detector(cnr=cnr), seed=5000 + scan)
        for scan in range(scans + 1)
    )
    said = outputs(volumes)
    onsets = sum(isinstance(o, Event) and o.kind == "pit_onset" for o in said)
    wrong = [len(result.pits) for result in results(said)[1:]]
    return {
        "scans": len(wrong),
        "area_mm2": len(wrong) * (n * VOXEL_UM / 1000) ** 2,
        "pits": sum(wrong),
        "onsets": onsets,
    }
