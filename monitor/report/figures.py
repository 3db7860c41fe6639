"""The paper's figures for a recording. Each function makes one, or raises NoFigure saying why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.number_text import number
from monitor.quantities.table import MAPS
from monitor.report.views import (
    PURPLE_WHITE,
    NoFigure,
    Shown,
    discharge_ends,
    figure_text,
    first_discharge,
    over_charge,
    show_map,
    spread,
)

RELIEF_POINTS = 160
RELIEF_HEIGHT = 0.3
HISTOGRAM_BINS = 120
CURRENT = MAPS["cumulative"]


def cross_sections(scans: Sequence[Shown]) -> Figure:
    """Vertical cuts over the first discharge, lithium below, through the deepest pit (Fig. 2)."""
    chosen = over_charge(scans, (0.0, 0.5, 0.75, 1.0))
    row = _deepest_row(chosen[-1])
    cuts = [_cut(shown, row) for shown in chosen]
    low, high = _greys(chosen[0], row, cuts)
    nz, nx = cuts[0].shape
    dz, dy, dx = chosen[0].voxel
    slender = nz * dz / (nx * dx)
    panel = min(2.6, max(1.1, 7.5 * slender))
    width = min(8.5, max(4.5, panel / slender + 1.0))
    figure = Figure((width, (panel + 0.25) * len(cuts) + 0.8), dpi=150, layout="constrained")
    panels = figure.subplots(len(cuts), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, shown, cut in zip(panels, chosen, cuts, strict=True):
        axes.imshow(
            cut,
            origin="lower",
            cmap="gray",
            vmin=low,
            vmax=high,
            extent=(-0.5 * dx, (nx - 0.5) * dx, -0.5 * dz, (nz - 0.5) * dz),
            aspect="equal" if nx * dx < 8 * nz * dz else "auto",
        )
        interface = shown.map("bottom")[row] + shown.map("height")[row]
        axes.plot(np.arange(nx) * dx, interface, color="#ff9f1c", lw=0.8)
        axes.set_title(shown.caption, fontsize=9, loc="left")
        axes.set_ylabel(f"z / {shown.unit}")
    panels[-1].set_xlabel(f"x / {chosen[0].unit}")
    figure.suptitle(
        f"Vertical cross-section at y = {row * dy:.0f} {chosen[0].unit}\n"
        "orange: lithium/electrolyte interface as measured",
        fontsize=9,
    )
    return figure


def height_maps(scans: Sequence[Shown]) -> Figure:
    """Distance from the bottom of the lithium to its interface, on one scale (Fig. 3)."""
    chosen = over_charge(scans, (0.1, 0.5, 0.75, 1.0))
    return _heights(chosen, "Lithium/electrolyte interface above the bottom of the lithium")


def two_discharges(scans: Sequence[Shown]) -> Figure:
    """The interface at the end of the first and of the second discharge, on one scale (Fig. 7)."""
    ends = discharge_ends(scans)
    if len(ends) < 2:
        raise NoFigure(f"needs two discharges, {len(ends)} recorded")
    chosen = list(ends.values())[:2]
    figure = _heights(chosen, "Interface at the end of the first and of the second discharge")
    for axes, (discharge, shown) in zip(figure.axes, ends.items(), strict=False):
        current = shown.summary.get("discharge_current_mA_cm2")
        speed = f" at {number(current, 2, 'mA/cm²')}" if current is not None else ""
        axes.set_title(f"discharge {discharge}{speed} · scan {shown.scan.number}", fontsize=9)
    return figure


def current_maps(scans: Sequence[Shown]) -> Figure:
    """Local current density with its distribution, each on a scale of its own (Fig. 4)."""
    with_current = [s for s in first_discharge(scans) if np.isfinite(s.map(CURRENT.name)).any()]
    if not with_current:
        raise NoFigure("no current density is known (no charge from a cycler)")
    chosen = over_charge(with_current, (0.1, 0.5, 1.0))
    above_in = 3.0 * _aspect(chosen)
    figure = Figure(figsize=(4.1 * len(chosen), above_in + 2.7), dpi=150, layout="constrained")
    panels = figure.subplots(2, len(chosen), squeeze=False, height_ratios=(above_in, 1.5))
    for (above, below), shown in zip(panels.T, chosen, strict=True):
        values = shown.map(CURRENT.name)
        limits = spread([values], 1.0, 99.0)
        image = show_map(above, shown, values, "viridis", limits)
        bar = figure.colorbar(image, ax=above, shrink=0.9, aspect=25, extend="both")
        bar.set_label(CURRENT.unit_text(""))
        wide = spread([values], 0.1, 99.9)
        below.hist(values[np.isfinite(values)], HISTOGRAM_BINS, range=wide, color="#3b528b")
        mean = shown.summary.get("mean_current_mA_cm2")
        if mean is not None:
            below.axvline(mean, color="#d1495b", lw=1.2, label=f"applied, mean {number(mean, 2)}")
            below.legend(loc="upper right", fontsize=7, frameon=False)
        below.set_xlabel(f"{CURRENT.title} / {CURRENT.unit_text('')}")
        below.set_yticks([])
        below.set_ylabel("pixels")
    figure.suptitle(
        "Local current density since the reference scan; each map has its own scale", fontsize=10
    )
    return figure


def relief(cells: Mapping[str, Sequence[Shown]]) -> Figure:
    """Removal at the end of the first discharge, pits as hills, on one scale (Fig. 6)."""
    ends = {}
    for name, scans in cells.items():
        last = first_discharge(scans)[-1:]
        if last and np.isfinite(last[0].map("removal")).any():
            ends[name] = last[0]
    if not ends:
        raise NoFigure("no removal is known (needs two scans)")
    surfaces = {name: _thinned(shown.map("removal")) for name, shown in ends.items()}
    low, high = spread([values for values, _ in surfaces.values()], 0.5, 99.98)
    low = min(low, 0.0)
    figure = Figure(figsize=(5.4 * len(ends) + 1.0, 4.2), dpi=150, layout="constrained")
    for place, (name, shown) in enumerate(ends.items(), 1):
        axes = figure.add_subplot(1, len(ends), place, projection="3d")
        values, step = surfaces[name]
        _, dy, dx = shown.voxel
        y, x = np.mgrid[: values.shape[0], : values.shape[1]] * 1.0
        surface = axes.plot_surface(
            x * dx * step, y * dy * step, np.clip(values, low, high),
            cmap=PURPLE_WHITE.reversed(), vmin=low, vmax=high,
            rcount=RELIEF_POINTS, ccount=RELIEF_POINTS, linewidth=0, antialiased=False,
        )  # fmt: skip
        side_y, side_x = values.shape[0] * dy * step, values.shape[1] * dx * step
        stretch = RELIEF_HEIGHT * max(side_x, side_y) / (high - low)
        axes.set_box_aspect((side_x, side_y, RELIEF_HEIGHT * max(side_x, side_y)), zoom=1.1)
        axes.set_zlim(low, high)
        axes.view_init(elev=38, azim=-60)
        axes.set_xlabel(f"x / {shown.unit}")
        axes.set_ylabel(f"y / {shown.unit}")
        axes.zaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(labelsize=7)
        axes.set_title(
            f"cell {figure_text(name)} · {shown.caption} · z drawn × {stretch:.1f}",
            fontsize=9,
            y=1.0,
        )
    bar = figure.colorbar(surface, ax=figure.axes, shrink=0.7, pad=0.06)
    bar.set_label(f"{MAPS['removal'].title} / {next(iter(ends.values())).unit}")
    figure.suptitle(
        "Removed lithium, last scan of the first discharge: pits appear as hills", fontsize=10
    )
    return figure


def _heights(chosen: Sequence[Shown], title: str) -> Figure:
    maps = [shown.map("height") for shown in chosen]
    limits = spread(maps)
    figure = Figure(
        figsize=(3.3 * len(chosen) + 1.2, 2.9 * _aspect(chosen) + 1.1),
        dpi=150,
        layout="constrained",
    )
    panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for axes, shown, values in zip(panels, chosen, maps, strict=True):
        image = show_map(axes, shown, values, PURPLE_WHITE, limits)
        axes.label_outer()
    bar = figure.colorbar(image, ax=list(panels), aspect=25, extend="both")
    bar.set_label(f"{MAPS['height'].title} / {chosen[0].unit}")
    figure.suptitle(title, fontsize=10)
    return figure


def _aspect(shown: Sequence[Shown]) -> float:
    """Height of a map over its width, within what a page can hold."""
    _, ny, nx = shown[0].start.volume_shape
    _, dy, dx = shown[0].voxel
    return float(min(2.0, max(0.3, ny * dy / (nx * dx))))


def _deepest_row(shown: Shown) -> int:
    """Row of the map that goes through the deepest removal, or the middle one."""
    removal = shown.map("removal")
    if not np.isfinite(removal).any():
        return len(removal) // 2
    deepest: int = np.unravel_index(int(np.nanargmax(removal)), removal.shape)[0].item()
    return deepest


def _greys(shown: Shown, row: int, cuts: Sequence[NDArray[np.generic]]) -> tuple[float, float]:
    """Grey levels that show lithium against electrolyte: a bright collector may saturate."""
    middle = shown.map("bottom")[row] + 0.5 * shown.map("height")[row]
    known = middle[np.isfinite(middle)]
    first = int(np.median(known) / shown.voxel[0]) if known.size else 0
    return spread([cut[min(first, len(cut) - 1) :] for cut in cuts], 0.5, 99.5)


def _cut(shown: Shown, row: int) -> NDArray[np.generic]:
    try:
        plane = shown.scan.section("y", row)
    except RecordingError as error:
        raise NoFigure(str(error)) from None
    return plane[::-1] if shown.cell.reversed_z else plane


def _thinned(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Every n-th pixel, so that a surface of about 160 × 160 points is drawn, and n."""
    step = max(1, -(-max(values.shape) // RELIEF_POINTS))
    return values[::step, ::step], step
