"""Heights of pitted foils against truth: what noise, blur, artefacts and the pits' shape do."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.studies.validation import fields
from tests.studies.validation.drive import Found, Volume, found
from tests.studies.validation.fields import VOXEL_UM, Field
from tests.studies.validation.peers import PEERS
from tests.studies.validation.phantom import Detector, Optics, render
from tests.studies.validation.scores import LARGEST_BIAS, LARGEST_RMS, Z_WITHIN, bound, score

Row = dict[str, Any]
Map = NDArray[np.floating]

REFERENCE_SEED, SCAN_SEED = 11, 12
Z_EDGES = np.linspace(-6, 6, 49)


@dataclass(frozen=True)
class Case:
    """One way to see the foil. `promised`: the targets hold for it."""

    name: str
    optics: Optics = field(default_factory=Optics)
    detector: Detector = field(default_factory=Detector)
    promised: bool = False

    def at(self, cnr: float) -> Case:
        return replace(self, detector=replace(self.detector, cnr=cnr))


CLEAN = Case("clean", promised=True)
WORST = Case(
    "all three",
    Optics(fringe=0.4),
    Detector(ramp=0.5, rings=0.05),
    promised=True,
)
CASES = (
    CLEAN,
    Case("fringe 0.2", Optics(fringe=0.2), promised=True),
    Case("fringe 0.4", Optics(fringe=0.4), promised=True),
    Case("half ramp-filtered noise", detector=Detector(ramp=0.5), promised=True),
    Case("rings 5 %", detector=Detector(rings=0.05), promised=True),
    WORST,
    Case("fringe 0.4, 1 µm wide", Optics(fringe=0.4, fringe_width=0.5 / VOXEL_UM)),
    Case("fringe 0.4, 3 µm wide", Optics(fringe=0.4, fringe_width=1.5 / VOXEL_UM)),
    Case("blurred sideways too", Optics(sideways=0.8)),
)
CNRS = (1, 2, 4, 8)
FIELD_SEEDS = (0, 1, 2)
BLURS = (0.5, 0.8, 1.2, 1.6)


def volumes(case: Case, foil: Field, truth: Field, *, view: int = 0) -> tuple[Volume, Volume]:
    """The reference scan of the foil and the scan of the pitted field; each `view` has noise of
    its own."""
    reference = render(foil, case.optics, case.detector, seed=REFERENCE_SEED + 100 * view)
    return reference, render(truth, case.optics, case.detector, seed=SCAN_SEED + 100 * view)


def row(case: Case, one: Found, method: str = "pitwatch") -> Row:
    """What the tables show of one scan; `missed` names the targets that it misses."""
    cnr = case.detector.cnr
    scored = score(one.off, one.error)
    figures = {"case": case.name, "method": method, "cnr": cnr} | asdict(scored)
    figures["target"] = LARGEST_RMS.get(int(cnr)) if case.promised else None
    missed = []
    if figures["target"] is not None:
        missed += ["rms"] if scored.rms > figures["target"] else []
        missed += ["bias"] if abs(scored.bias) > LARGEST_BIAS else []
        missed += ["z"] if abs(scored.z_std - 1) > Z_WITHIN else []
    return figures | {"missed": missed}


def against_cnr(n: int, *, quick: bool = False) -> list[Row]:
    """Every case at every CNR on crowded fields, and the peers in the clean and the worst."""
    seeds = FIELD_SEEDS[:1] if quick else FIELD_SEEDS
    views = [(fields.flat(n, seed=seed), fields.crowded(n, seed=seed), seed) for seed in seeds]
    rows = []
    for case in (CLEAN, WORST) if quick else CASES:
        for cnr in CNRS:
            here = case.at(cnr)
            with_peers = case in (CLEAN, WORST)
            looks = [looked_at(here, *view, peers=with_peers) for view in views]
            one = joined([found_here for found_here, _ in looks])
            rows.append(row(here, one) | {"z_share": z_shares(one)})
            for name in looks[0][1]:
                off = np.stack([others[name] for _, others in looks])
                rows.append({"case": case.name, "method": name, "cnr": cnr} | asdict(score(off)))
    return rows


def looked_at(
    case: Case, foil: Field, truth: Field, view: int = 0, *, peers: bool
) -> tuple[Found, dict[str, Map]]:
    """What is found of one field, and by name the errors of the other methods, voxels."""
    reference, scan = volumes(case, foil, truth, view=view)
    others = PEERS if peers else {}
    off = {name: f(scan, case.optics.bottom) - truth.height for name, f in others.items()}
    return found([reference, scan], truth), off


def joined(looks: list[Found]) -> Found:
    """Several fields as one: maps (fields, n, n), the result of the last."""
    off, error = (np.stack([getattr(one, name) for one in looks]) for name in ("off", "error"))
    return Found(off, error, looks[-1].result)


def z_shares(one: Found) -> list[float]:
    """Density of error ÷ stated error in bins of `Z_EDGES`."""
    z = (one.off / one.error)[np.isfinite(one.off)]
    counts, _ = np.histogram(z, Z_EDGES)
    return [float(v) for v in counts / (len(z) * np.diff(Z_EDGES))]


def example(n: int, cnr: float = 2) -> dict[str, Map]:
    """True heights, and those of each method on the same clean slices: (n, n) voxels."""
    foil, truth = fields.flat(n), fields.crowded(n)
    one, others = looked_at(CLEAN.at(cnr), foil, truth, peers=True)
    errors = {"truth": np.zeros_like(one.off), "pitwatch": one.off} | others
    return {name: truth.height + off for name, off in errors.items()}


def against_shape(n: int) -> list[Row]:
    """Other pits: rounder and steeper ones, few, none, in clean images."""
    foil = fields.flat(n)
    shapes = {
        "crowded, rounder (2)": fields.crowded(n, steepness=2.0),
        f"crowded ({fields.STEEPNESS:g})": fields.crowded(n),
        "crowded, steeper (4)": fields.crowded(n, steepness=4.0),
        "few": fields.few(n),
        "none": foil,
    }
    rows = []
    for name, truth in shapes.items():
        for cnr in CNRS:
            case = Case(name).at(cnr)
            rows.append(row(case, found(volumes(case, foil, truth), truth)))
    return rows


def against_blur(n: int, *, cnr: float = 2, quick: bool = False) -> list[Row]:
    """Sharper and softer edges than the usual 0.8 voxel, beside the bound of a single column."""
    foil, truth = fields.flat(n), fields.crowded(n)
    rows = []
    for blur in BLURS[1::2] if quick else BLURS:
        case = Case(f"blur {blur:g}", Optics(blur=blur)).at(cnr)
        one = row(case, found(volumes(case, foil, truth), truth))
        rows.append(one | {"blur": blur, "bound": bound(blur, cnr)})
    return rows
