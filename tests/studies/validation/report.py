"""What the page says: sections, in order, each with its tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.studies.validation.page import Page, judged, number, percent, word
from tests.studies.validation.targets import Check

Results = dict[str, Any]

SCORES = (
    ("CNR", number("cnr", 0)),
    ("rms (voxels)", judged("rms", "rms", 3)),
    ("bias (voxels)", judged("bias", "bias", 3, sign=True)),
    ("columns with a height", percent("valid", 2)),
    ("z: mean", number("z_mean", sign=True)),
    ("z: deviation", judged("z_std", "z", 2)),
    ("|z| > 5", percent("beyond_5", 2)),
)


def write(path: Path, results: Results, checks: list[Check], *, quick: bool) -> None:
    """Writes the page; its figures lie beside it already."""
    page = Page("Validation of heights, pits and thickness")
    if quick:
        page.text("Quick run: small fields and few cases; the figures scatter more.")
    else:
        page.text(
            "Heights against noise are over three fields of 256 × 256 pixels, all else over one "
            "unless said otherwise."
        )
    page.text(
        "All by synthetic slices whose truth is known. Voxels of 0.717 µm, edge blurred by 0.8 "
        "voxel along z unless said otherwise; a foil of 60 µm over a brighter collector, 5 µm "
        "stripped evenly, and pits 26–34 µm wide and 15–30 µm deep, 1,300 a mm², most of them "
        "merged. Slices go through a session as at the beamline: a pristine reference scan, then "
        "the pitted one. Heights and pits use a phantom of their own; only Table 1 uses the "
        "simulators."
    )
    _targets(page, checks)
    _heights(page, results)
    _artefacts(page, results)
    _pits(page, results)
    _paper(page, results)
    page.write(path)


def _targets(page: Page, checks: list[Check]) -> None:
    page.heading("Targets")
    missed = [check for check in checks if not check.met]
    if not missed:
        page.text(f"All {len(checks)} are met.")
        return
    page.text(f"{len(checks) - len(missed)} of {len(checks)} are met. Those that are not:")
    rows = [vars(check) | {"asked": f"{check.sign} {check.limit:g}"} for check in missed]
    page.table(
        rows, (("", word("name")), ("measured", number("value", 3)), ("target", word("asked")))
    )


def _heights(page: Page, results: Results) -> None:
    page.heading("Heights against noise")
    page.text(
        "rms and bias (mean of found less true) are over all columns that have a height, pit walls "
        "included; z is the error divided by the error that is stated with the pixel. “All three” "
        "is fringe 0.4, half of the noise's variance ramp-filtered (power as |k| in the plane) "
        "and rings of 5 % of the contrast. ✗ marks a missed target."
    )
    page.figure("rms.png", "rms against CNR, by method")
    page.figure("z.png", "distribution of z")
    ours = [row for row in results["cnr"] if row["method"] == "pitwatch"]
    page.table(ours, (("case", word("case")), *SCORES))
    page.text(
        "Where the errors are, clean. Walls and bowls slope by more than half a voxel per voxel; "
        "on ridges (between two pits, rims of steep ones) and in clefts the surface bends by more "
        "than a voxel (Laplacian)."
    )
    share = ("share of columns", percent("share"))
    page.table(results["places"], (("place", word("case")), share, *SCORES))
    page.heading("Beside other methods, on the same slices")
    page.text(
        "All are told where the bottom of the lithium is. Change point: each column alone is cut "
        "into the two true grey levels where that fits best. Half-way threshold: in each column, "
        "upwards, the first crossing of the grey level half-way between the true ones, without a "
        "filter. Otsu: scikit-image, Gaussian filter of one voxel in three dimensions, Otsu's "
        "threshold, largest connected body, its highest voxel in each column."
    )
    page.figure("maps.png", "heights and errors at CNR 2")
    both = [row for row in results["cnr"] if row["case"] in ("clean", "all three")]
    page.table(
        both,
        (
            ("method", word("method")),
            ("case", word("case")),
            ("CNR", number("cnr", 0)),
            ("rms (voxels)", number("rms")),
            ("bias (voxels)", number("bias", sign=True)),
            ("columns with a height", percent("valid", 2)),
        ),
    )


def _artefacts(page: Page, results: Results) -> None:
    page.heading("Edges, artefacts, other pits")
    page.figure("artefacts.png", "rms by artefact, and against blur")
    if results["shape"]:
        page.text("Depth · (1 − (r/R)^p): the number in brackets is p; 2 is a paraboloid.")
        page.table(results["shape"], (("pits", word("case")), *SCORES))
    if results["phase"]:
        page.text(
            "A perfectly flat interface, by where it lies between two slices: at 0 in the middle "
            "of one, at 0.5 half-way to the next."
        )
        page.table(results["phase"], (("phase", word("case")), *SCORES))
    page.table(results["blur"], (("edge", word("case")), *SCORES))
    page.heading("Drift, tilt, gain")
    page.text(
        "Three scans: the pristine reference, one with the pits in place, and one that differs "
        "from it as said, whose heights are shown. Closure: mean removal found ÷ true."
    )
    closure = ("closure", number("closure", 4))
    page.table(results["drift"], (("last scan", word("case")), *SCORES, closure))
    page.heading("Missing slices")
    page.text(
        "The right part is about the columns whose interface lies in a lost slice: error made, and "
        "median error stated, in voxels."
    )
    page.table(
        results["holes"],
        (
            ("missing", word("case")),
            ("slices", number("missing", 0)),
            ("marked incomplete", lambda row: "yes" if row["told"] else "no"),
            *SCORES[1:],
            ("there: rms", number("near_rms")),
            ("there: stated", number("near_error")),
            ("there: |z| > 5", percent("near_beyond_5", 2)),
        ),
    )


def _pits(page: Page, results: Results) -> None:
    page.heading("Pits at CNR 2")
    page.figure("pits.png", "profile of a small pit, and reported depths")
    size = (("width (µm)", number("width_um", 0)), ("depth (µm)", number("depth_um", 0)))
    page.text("What is left of small pits, found ÷ true, from the map and from the list of pits.")
    page.table(
        results["kept"],
        (
            *size,
            ("pits", number("pits", 0)),
            ("depth, map", percent("depth_kept")),
            ("volume, map", percent("volume_kept")),
            ("depth, list", percent("reported_depth")),
            ("volume, list", percent("reported_volume")),
        ),
    )
    page.text("Pits that do not touch, found and sized.")
    page.table(
        results["by_size"],
        (
            *size,
            ("pits", number("pits", 0)),
            ("recall", percent("recall")),
            ("precision", percent("precision")),
            ("reported width (µm)", number("found_width_um", 1)),
            ("reported depth (µm)", number("found_depth_um")),
        ),
    )
    for row in results["merged"]:
        page.text(
            f"Where they merge, {row['dug']} pits leave {row['pits']} peaks that stand at least "
            "3 µm above the saddle to a deeper one: "
            f"{100 * row['recall']:.1f} % have an outline of their own. "
            f"Of {row['reported']} pits reported, {100 * row['precision']:.1f} % hold a peak of at "
            "least 0.5 µm."
        )
    for row in results["nothing"]:
        page.text(
            f"In {row['scans']} scans without a pit ({row['area_mm2']:.2f} mm² in all): "
            f"{row['pits']} pits reported, {row['onsets']} onsets."
        )


def _paper(page: Page, results: Results) -> None:
    page.heading("Table 1 of Tonin et al., from the simulated cells")
    page.text(
        "Thickness reduction after the first discharge, µm. The simulated cells are made so that "
        "their truth is that of the published ones; CNR 3."
    )
    page.figure("paper.png", "removal maps and their growth with the charge")
    triples = (
        ("coulometry", "coulometry_um"),
        ("Averaged", "averaged_um"),
        ("Complete", "complete_um"),
    )
    columns = [("mA/cm²", number("current"))]
    for title, key in triples:
        columns.append((f"{title}: monitor", number(key)))
        if key != "coulometry_um":
            columns.append(("true", number(f"true_{key}")))
        columns.append(("published", number(f"published_{key}", 0)))
    page.table(results["table"], (*columns, ("closure", number("closure"))))
    page.table(
        results["table"],
        (
            ("mA/cm²", number("current")),
            ("pits per mm²", number("pit_density_mm2", 0)),
            ("median width (µm)", number("pit_width_um", 1)),
            ("ten deepest, mean (µm)", number("pit_depth_ten_um", 1)),
            ("published", word("published_pits")),
        ),
    )
    page.figure("currents.png", "cumulative current density")
    if results["currents"]:
        page.text(
            "Local current density since the beginning (cumulative map) of the cell at 0.55 "
            "mA/cm²: percentiles 1, 50 and 99, mA/cm². The published values are read off maps."
        )
        page.table(
            results["currents"],
            (
                ("state of charge", percent("soc", 0)),
                ("monitor", lambda row: " / ".join(f"{v:.2f}" for v in row["found"])),
                ("true", lambda row: " / ".join(f"{v:.2f}" for v in row["true"])),
                ("published", word("published")),
            ),
        )
