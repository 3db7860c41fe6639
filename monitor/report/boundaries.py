"""Do pits sit on grain boundaries? A picture of them is placed on the map of a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from monitor.core.pits import grain_boundaries as core
from monitor.errors import SettingError
from monitor.number_text import counted
from monitor.quantities.table import MAPS
from monitor.report.views import PURPLE_WHITE, NoFigure, Shown, first_discharge, show_map, spread
from monitor.settings import BoundarySettings
from monitor.sources.pictures import read_picture

LINE, PIT, CHANCE = "#111111", "#e07a1f", "#5b2a86"


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A picture on the map of a scan, and what it says of that scan's pits.

    `drawn`, `seen`: (ny, nx), boundaries and where a pit could have been counted; `places`: (n, 2)
    of the pits that count, (y, x) in µm.
    """

    shown: Shown
    drawn: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    places: NDArray[np.float64]
    residual_um: float
    found: core.Attraction

    @property
    def numbers(self) -> Mapping[str, float]:
        """JSON-ready; NaN where the landmarks leave nothing to judge them by."""
        scan = {"scan": self.shown.scan.number, "landmark_residual_um": self.residual_um}
        return {**scan, **asdict(self.found)}

    @property
    def words(self) -> str:
        """One line."""
        found = self.found
        pits = f"{counted(found.pits, 'pit')} of scan {self.shown.scan.number}"
        return (
            f"{pits} {'is' if found.pits == 1 else 'are'} {found.mean_um:.1f} µm from the nearest "
            f"grain boundary on average, random places {found.random_mean_um:.1f} µm: "
            f"ratio {found.ratio:.2f}, p = {found.p_value:.3g} ({found.draws} draws)"
        )


def lay(scans: Sequence[Shown], asked: BoundarySettings) -> Laid:
    """The picture on the last scan of the first discharge. Raises NoFigure if there are no pits
    to judge, SettingError for a picture or landmarks that are of no use."""
    if not (candidates := first_discharge(scans)):
        raise NoFigure("no scan is complete")
    shown = candidates[-1]
    if shown.unit != "µm":
        raise NoFigure("the voxel size is unknown, so landmarks in µm cannot be placed on the map")
    if shown.voxel[1] != shown.voxel[2]:
        raise NoFigure("pixels of the map are not square")
    picture = read_picture(Path(asked.image), asked.lines)
    removal, pixel_um = shown.map("removal"), shown.voxel[1]
    pits, born, labels = shown.scan.pits(), -1, None
    if asked.shift_by_scan is not None:
        born = asked.shift_by_scan
        first = next((scan for scan in scans if scan.scan.number == born), None)
        labels = None if first is None else first.scan.map("pit_labels")
        if labels is None or not labels.any():
            raise NoFigure(f"shift_by_scan: scan {born} has no pits to align the picture with")
    fitted_to = None if labels is None else labels > 0
    shape = removal.shape[0], removal.shape[1]
    try:
        drawn, seen, residual_um = core.lay(
            picture, asked.landmarks, shape, pixel_um, fitted_to=fitted_to
        )
    except ValueError as error:
        raise SettingError(
            "boundaries.landmarks",
            got=f"{len(asked.landmarks)} landmarks",
            expected="three or more points, not on one line",
            todo=str(error),
        ) from None
    seen &= np.isfinite(removal)
    counted = pits["first_scan"] > born if born >= 0 else np.ones(len(pits["id"]), np.bool_)
    places = np.column_stack((pits["y_um"], pits["x_um"]))[counted]
    found = core.attraction(places, drawn, pixel_um, seen=seen, near_um=asked.near_um)
    if found is None:
        raise NoFigure(f"scan {shown.scan.number} has no pit where the picture lies")
    return Laid(shown, drawn, seen, places, residual_um, found)


def grain_boundaries(laid: Laid | str) -> Figure:
    """The map with boundaries and pits, and how far pits and places at random are from them; a
    text is why there is none."""
    if isinstance(laid, str):
        raise NoFigure(laid)
    made = Figure(figsize=(9.0, 4.2), dpi=150, layout="constrained")
    left, right = made.subplots(1, 2, width_ratios=(1.2, 1.0))
    removal, (_, dy, dx) = laid.shown.map("removal"), laid.shown.voxel
    image = show_map(left, laid.shown, removal, PURPLE_WHITE.reversed(), spread([removal]))
    made.colorbar(image, ax=left, shrink=0.85, aspect=25).set_label(f"{MAPS['removal'].title} / µm")
    rows, columns = np.nonzero(laid.drawn)
    size = max(0.05, 30.0 / max(laid.drawn.shape))
    left.scatter(columns * dx, rows * dy, s=size, c=LINE, marker="s", linewidths=0)
    left.scatter(laid.places[:, 1], laid.places[:, 0], s=26, edgecolors=PIT, facecolors="none")
    left.set_xlim(-0.5 * dx, (removal.shape[1] - 0.5) * dx)
    left.set_ylim(-0.5 * dy, (removal.shape[0] - 0.5) * dy)
    own, anywhere = core.distances(laid.places, laid.drawn, dy, laid.seen)
    widest = max(float(own.max()), float(np.percentile(anywhere, 99.5)), dy)
    for values, colour, name in ((anywhere, CHANCE, "anywhere"), (own, PIT, "pits")):
        right.ecdf(values, color=colour, label=f"{name}, mean {values.mean():.1f} µm")
    right.set_xlim(0.0, widest)
    right.set_xlabel("distance to the nearest grain boundary / µm")
    right.set_ylabel("share that is closer")
    right.legend(loc="lower right", fontsize=8, frameon=False)
    right.set_title(
        f"{counted(laid.found.pits, 'pit')} · ratio {laid.found.ratio:.2f} · "
        f"p = {laid.found.p_value:.3g}",
        fontsize=9,
    )
    made.suptitle("Black: grain boundaries as placed; orange: pits that are counted", fontsize=10)
    return made
