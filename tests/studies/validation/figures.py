"""The figures of the page, as PNG files. They draw what they are given and compute nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.studies.validation.fields import VOXEL_UM
from tests.studies.validation.heights import Z_EDGES
from tests.studies.validation.paper import Moment, at_published_charge
from tests.studies.validation.scores import LARGEST_RMS, bound

Row = dict[str, Any]

COLOURS = {
    "pitwatch": "#0b5394",
    "change point, single columns": "#7f7f7f",
    "Gaussian filter and Otsu": "#38761d",
    "half-way threshold": "#b45f06",
}
Z_COLOURS = ("#440154", "#31688e", "#35b779", "#e69f00")
SHOWN_ERROR = 3.0


def _figure(columns: int, rows: int = 1, *, wide: float = 4.2, high: float = 3.4) -> Figure:
    return Figure(figsize=(wide * columns, high * rows), layout="constrained", dpi=110)


def rms_against_cnr(path: Path, rows: list[Row]) -> None:
    """Every method in clean images, and in those with fringe, ramp-filtered noise and rings."""
    figure = _figure(2)
    for axes, case in zip(figure.subplots(1, 2, sharey=True), ("clean", "all three"), strict=True):
        for method, colour in COLOURS.items():
            mine = [r for r in rows if r["case"] == case and r["method"] == method]
            cnr, rms = [r["cnr"] for r in mine], [r["rms"] for r in mine]
            axes.loglog(cnr, rms, "o-", color=colour, label=method)
        cnr = np.array(list(LARGEST_RMS))
        axes.loglog(cnr, [bound(0.8, c) for c in cnr], "k:", label="bound of a single column")
        axes.loglog(cnr, list(LARGEST_RMS.values()), "k_", ms=16, label="target")
        _plain_ticks(axes, cnr)
        titles = {"clean": "blur 0.8 voxel, white noise", "all three": "fringe, ramp noise, rings"}
        axes.set(title=titles[case], xlabel="contrast-to-noise ratio")
    first = figure.axes[0]
    first.set_ylabel("rms of height (voxels)")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(path)


def _plain_ticks(axes: Axes, cnr: np.ndarray) -> None:
    axes.set_xticks(cnr, [f"{c:g}" for c in cnr])
    axes.set_xticks([], minor=True)
    axes.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.grid(alpha=0.3)


def z_scores(path: Path, rows: list[Row]) -> None:
    """Distribution of error ÷ stated error, beside the normal one."""
    figure = _figure(2)
    middle = 0.5 * (Z_EDGES[1:] + Z_EDGES[:-1])
    for axes, case in zip(figure.subplots(1, 2, sharey=True), ("clean", "all three"), strict=True):
        mine = [r for r in rows if r["case"] == case and "z_share" in r]
        for row, colour in zip(mine, Z_COLOURS, strict=True):
            label = f"CNR {row['cnr']:g}: deviation {row['z_std']:.2f}"
            share = [value or np.nan for value in row["z_share"]]
            axes.semilogy(middle, share, ".-", color=colour, lw=1, label=label)
        axes.semilogy(middle, np.exp(-0.5 * middle**2) / np.sqrt(2 * np.pi), "k:", label="normal")
        axes.set(title=case, xlabel="error ÷ stated error", ylim=(5e-5, 1))
        axes.legend(loc="upper right", fontsize=7)
    figure.axes[0].set_ylabel("density")
    figure.savefig(path)


def maps(path: Path, example: dict[str, np.ndarray]) -> None:
    """Heights of one piece of the field by each method, and below them what is wrong."""
    truth = example["truth"]
    names = ["truth", *(name for name in COLOURS if name in example)]
    figure = _figure(len(names), 2, wide=2.3, high=2.3)
    axes = figure.subplots(2, len(names))
    low, high = np.min(truth) * VOXEL_UM, np.max(truth) * VOXEL_UM
    for column, name in enumerate(names):
        height = axes[0, column].imshow(example[name] * VOXEL_UM, vmin=low, vmax=high)
        axes[0, column].set_title(name, fontsize=8)
        off = axes[1, column].imshow(
            example[name] - truth, cmap="RdBu", vmin=-SHOWN_ERROR, vmax=SHOWN_ERROR
        )
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
    axes[1, 0].set_axis_off()
    axes[1, 0].images[0].remove()
    figure.colorbar(height, ax=axes[0], label="height (µm)")
    figure.colorbar(off, ax=axes[1], label="error (voxels)")
    figure.savefig(path)


def artefacts(path: Path, results: dict[str, list[Row]]) -> None:
    """rms by artefact, against blur, and of a flat interface against its place between slices."""
    figure = _figure(3)
    left, middle, right = figure.subplots(1, 3, width_ratios=(3, 2, 2))
    blue = COLOURS["pitwatch"]
    mine = [r for r in results["cnr"] if r["method"] == "pitwatch" and r["cnr"] == 2][::-1]
    left.barh([r["case"] for r in mine], [r["rms"] for r in mine], color=blue)
    left.axvline(LARGEST_RMS[2], color="k", ls="--", lw=1)
    left.set(xlabel="rms of height (voxels), CNR 2; dashed: target")
    blur = results["blur"]
    middle.plot([r["blur"] for r in blur], [r["rms"] for r in blur], "o-", color=blue)
    middle.plot([r["blur"] for r in blur], [r["bound"] for r in blur], "k:")
    middle.set(xlabel="blur of the edge (voxels)", ylabel="rms (voxels), CNR 2", ylim=(0, None))
    middle.set_title("dotted: bound of a single column", fontsize=8)
    for cnr, marker in ((2, "o-"), (8, "s--")):
        here = [r for r in results["phase"] if r["cnr"] == cnr]
        phases, z = [r["phase"] for r in here], [r["z_std"] for r in here]
        right.plot(phases, z, marker, ms=4, color=blue, label=f"CNR {cnr}")
    right.axhspan(0.9, 1.1, color="k", alpha=0.08)
    right.set(xlabel="place of a flat interface between slices", ylabel="deviation of z")
    right.set_title("grey: target", fontsize=8)
    right.legend(loc="upper right", fontsize=8)
    figure.savefig(path)


def pits(path: Path, kept: Row, by_size: list[Row]) -> None:
    """The mean profile of a small pit, and the depths that are reported of pits of each size."""
    figure = _figure(2)
    left, right = figure.subplots(1, 2)
    distance, found, true = zip(*kept["profile"], strict=True)
    left.plot(distance, true, "k:", label="truth")
    left.plot(distance, found, "o-", color=COLOURS["pitwatch"], ms=4, label="found, mean")
    left.invert_yaxis()
    left.set(xlabel="distance from the pit's centre (µm)", ylabel="depth below the plain (µm)")
    left.set_title(f"{kept['width_um']:g} µm wide, {kept['depth_um']:g} µm deep, CNR 2", fontsize=9)
    left.legend(loc="upper left")
    for number, width in enumerate(sorted({row["width_um"] for row in by_size})):
        mine = [row for row in by_size if row["width_um"] == width]
        true = [row["depth_um"] for row in mine]
        for what, line in (("width", "o-"), ("depth", "s--")):
            share = [row[f"found_{what}_um"] / row[f"{what}_um"] for row in mine]
            right.plot(true, share, line, ms=4, color=f"C{number}", label=f"{width:g} µm: {what}")
    right.axhline(1, color="k", ls=":")
    right.set(xlabel="true depth (µm)", ylabel="reported ÷ true, mean", ylim=(0.5, 1.3))
    right.legend(title="width of the pits", fontsize=7, ncols=2, loc="lower right")
    figure.savefig(path)


def currents(path: Path, moments: dict[str, list[Moment]]) -> None:
    """Cumulative current-density maps of both cells at the published states of charge."""
    figure = _figure(3, 2, wide=3.2, high=2.8)
    for line, (name, scans) in zip(figure.subplots(2, 3), moments.items(), strict=True):
        for axes, moment in zip(line, at_published_charge(scans).values(), strict=True):
            density = moment.result.maps["cumulative"]
            low, high = np.nanpercentile(density, (1, 99))
            image = axes.imshow(density, cmap="inferno", vmin=min(0, low), vmax=high)
            axes.set(xticks=[], yticks=[])
            soc = 100 * moment.result.summary["soc"]
            axes.set_title(f"{name}, {abs(soc):.0f} % charged", fontsize=9)
            figure.colorbar(image, ax=axes, label="mA/cm²")
    figure.savefig(path)


def paper(path: Path, moments: dict[str, list[Moment]], curves: dict[str, list[Row]]) -> None:
    """Removal at the end of the first discharge, and its growth with the charge."""
    figure = _figure(2, 2)
    axes = figure.subplots(2, 2)
    for column, (name, scans) in enumerate(moments.items()):
        removal = scans[-1].result.maps["removal"]
        side = removal.shape[0] * VOXEL_UM
        image = axes[0, column].imshow(removal, vmin=0, vmax=32, extent=(0, side, side, 0))
        axes[0, column].set(title=f"{name}: removal", xlabel="µm", ylabel="µm")
        rows, one = curves[name], axes[1, column]
        charge = [r["charge_mAh_cm2"] for r in rows]
        one.plot(charge, [r["coulometry_um"] for r in rows], "k:", label="coulometry")
        for what, colour in (("averaged", "#0b5394"), ("complete", "#b45f06")):
            one.plot(charge, [r[f"true_{what}_um"] for r in rows], "-", color=colour, lw=1)
            found = [r[f"{what}_um"] for r in rows]
            one.plot(charge, found, "o", color=colour, ms=4, label=what.capitalize())
        one.set(xlabel="charge (mAh/cm²)", ylabel="thickness reduction (µm)")
        one.legend(loc="upper right", fontsize=8)
    figure.colorbar(image, ax=axes[0], label="removal (µm)")
    figure.savefig(path)
