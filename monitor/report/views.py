"""What the figures share: which scans to show, their captions, axes and colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from monitor.number_text import number, percent
from monitor.plain_text import visible
from monitor.recording.read.experiment import Cell, Scan
from monitor.recording.read.stored_scan import start_of
from monitor.records import ScanStart, Summary, number_of
from monitor.report.table import in_time, summaries
from monitor.settings import CellSettings
from monitor.wire.results.replies import ends_of_discharges, thinning

MAX_SIDE_PX = 1500
PURPLE_WHITE = LinearSegmentedColormap.from_list(
    "purple_white", ["#260642", "#5c228a", "#965aba", "#cface0", "#ffffff"]
)
"""White where little was oxidised (high interface), purple where much, as in the paper's Fig. 3."""
NOT_MEASURED = "#9a9a9a"


def figure_text(text: object) -> str:
    """Words of others in a figure, as they are: matplotlib would set what stands between two `$` as
    a formula, and leaves out of a legend what begins with `_`."""
    words = visible(text).replace("$", r"\$")
    return f" {words}" if words.startswith("_") else words


class NoFigure(Exception):
    """The recording has not what a figure shows; the text says what is missing."""


@dataclass(frozen=True)
class Shown:
    """One scan of a cell, with its summary."""

    scan: Scan
    summary: Summary
    cell: CellSettings

    @cached_property
    def start(self) -> ScanStart:
        return start_of(self.scan)

    @property
    def unit(self) -> str:
        return figure_text(self.start.length_unit)

    @property
    def voxel(self) -> tuple[float, float, float]:
        return self.start.voxel_size

    @property
    def caption(self) -> str:
        """State of charge, charge, number of the scan: as much of it as is known."""
        soc, charge = self.summary.get("soc"), self.summary.get("charge_mAh_cm2")
        parts = [f"{percent(soc)} SOC"] if soc is not None else []
        parts += [number(charge, 2, "mAh/cm²")] if charge is not None else []
        if self.summary.get("charge_state") not in (None, "", "final"):
            parts = [f"≈ {part}" for part in parts]
        return " · ".join([*parts, f"scan {self.scan.number}"])

    def map(self, name: str) -> NDArray[np.float32]:
        """(ny, nx) map, all NaN where the scan has none."""
        found = self.scan.map(name)
        _, ny, nx = self.start.volume_shape
        return np.full((ny, nx), np.nan, np.float32) if found is None else found


def all_scans(cell: Cell, settings: CellSettings) -> list[Shown]:
    """The whole scans of a cell."""
    return [
        Shown(scan, summary, settings)
        for scan, summary in zip(in_time(cell), summaries(cell), strict=True)
    ]


def discharge_ends(scans: Sequence[Shown]) -> dict[int, Shown]:
    """The last scan of each discharge."""
    by_number = {scan.summary["scan"]: scan for scan in scans}
    ends = ends_of_discharges(scan.summary for scan in scans)
    return {number: by_number[summary["scan"]] for number, summary in ends.items()}


def first_discharge(scans: Sequence[Shown]) -> list[Shown]:
    """The scans up to the end of the first discharge; all of them if none is known."""
    ends = discharge_ends(scans)
    if not ends:
        return list(scans)
    return list(scans[: scans.index(next(iter(ends.values()))) + 1])


def over_charge(scans: Sequence[Shown], parts: Sequence[float]) -> list[Shown]:
    """The scans nearest to these parts (0 to 1) of the first discharge, each once, in order.

    Raises NoFigure if there are none.
    """
    candidates = first_discharge(scans)
    if not candidates:
        raise NoFigure("no scan is complete")
    done = _progress(candidates)
    chosen = {int(np.argmin(np.abs(done - part))) for part in parts}
    return [candidates[i] for i in sorted(chosen)]


def _progress(scans: Sequence[Shown]) -> NDArray[np.float64]:
    """How far each scan is, 0 to 1: by state of charge, otherwise by charge, otherwise by its
    place."""
    for key, sign in (("soc", -1.0), ("charge_mAh_cm2", 1.0)):
        values = [number_of(scan.summary, key) for scan in scans]
        known = [sign * value for value in values if value is not None]
        if len(known) == len(scans) and known and max(known) > min(known):
            done = np.array(known)
            return 1.0 + done if key == "soc" else done / done.max()
    return np.linspace(0.0, 1.0, len(scans))


def show_map(
    axes: Axes, shown: Shown, values: NDArray[Any], colours: Any, limits: tuple[float, float]
) -> AxesImage:
    """A map with its axes in the scan's unit; grey where nothing was measured."""
    step = thinning((values.shape[0], values.shape[1]), (MAX_SIDE_PX, MAX_SIDE_PX))
    _, dy, dx = shown.voxel
    ny, nx = values.shape
    image = axes.imshow(
        values[::step, ::step],
        origin="lower",
        extent=(-0.5 * dx, (nx - 0.5) * dx, -0.5 * dy, (ny - 0.5) * dy),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
    )
    axes.set_facecolor(NOT_MEASURED)
    axes.set_title(shown.caption, fontsize=9)
    axes.set_xlabel(f"x / {shown.unit}")
    axes.set_ylabel(f"y / {shown.unit}")
    return image


def as_png(figure: Figure) -> bytes:
    """The figure as the content of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def spread(
    arrays: Sequence[NDArray[Any]], low: float = 0.5, high: float = 99.5
) -> tuple[float, float]:
    """Percentiles over all valid pixels, at least a little apart. Raises NoFigure without any."""
    valid = np.concatenate([a[np.isfinite(a)] for a in arrays])
    if valid.size == 0:
        raise NoFigure("no pixel was measured")
    first, last = (float(value) for value in np.percentile(valid, (low, high)))
    return first, max(last, first + 1e-6)
