"""What the screen knows and what its operator has chosen: plain data and pure functions, no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.wire.questions import (
    CyclerRequest,
    MapRequest,
    PitsRequest,
    Request,
    SectionRequest,
    Window,
)

MAP_TITLES = {
    "height": "height of the interface",
    "removal": "since the reference",
    "cumulative": "mean since the reference",
    "interval": "since the scan before",
    "absolute": "by Faraday's law alone",
    "running": "running estimate",
    "height_error": "standard error",
    "deposit_front": "front of the deposit, after charge",
}
MAP_HELP = {
    "height": "h(x, y): from the bottom of the lithium to the lithium/electrolyte interface",
    "removal": "d = h₀ − h: lithium removed since the reference (first, pristine) scan",
    "cumulative": "j = j̄ · d/⟨d⟩: mean over the charge since the reference scan, scaled to the "
    "cycler's current",
    "interval": "the same between this scan and the one before; there is none at rest",
    "absolute": "d / (4.8491 µm per mAh/cm² · t): by Faraday's law alone, so that a failing "
    "segmentation shows",
    "running": "recursive estimate of each pixel's rate; blank where below its own uncertainty",
    "deposit_front": "height of the front of the porous deposit (moss); there is none before "
    "lithium has been plated",
    "height_error": "how well each height is known: noise, holes in the slices",
}
MAP_NAMES = tuple(MAP_TITLES)
CURRENT_MAPS = ("cumulative", "interval", "absolute", "running")

LATE_SCANS = 3

Axis = Literal["y", "x"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A reply to what a view asked for. `levels`: where its colours begin and end."""

    request: Request
    header: Mapping[str, Any]
    array: NDArray[Any] | None
    levels: tuple[float, float] | None = None

    @property
    def error(self) -> str:
        """Why there is no answer, or nothing."""
        return str(self.header.get("why", "")) if self.header.get("type") == "error" else ""


@dataclass(frozen=True, slots=True)
class Order:
    """An extra scan that was asked for at this screen, until the engine's list takes it over."""

    cell: str
    status: str
    why: str
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All that the screen knows at one instant. `number` grows with every change."""

    number: int = 0
    linked: bool = False
    silent_s: float = 0.0
    address: str = ""
    state: Mapping[str, Any] | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    orders: tuple[Order, ...] = ()
    feed_ages_s: Mapping[str, float] = field(default_factory=dict)
    bad_replies: int = 0

    def cell(self, name: str) -> Mapping[str, Any] | None:
        """The state of a cell, or None before the engine has told it."""
        return self.state["cells"].get(name) if self.state else None

    def answer(self, name: str, cell: str) -> Answer | None:
        """The answer of this name, unless it is about another cell."""
        found = self.answers.get(name)
        return found if found and getattr(found.request, "cell", cell) == cell else None


@dataclass(frozen=True, slots=True)
class Choice:
    """What the operator looks at. `scan` None follows the live scan; `cross` is (row, column)."""

    cell: str = ""
    scan: int | None = None
    map: str = "height"
    axis: Axis = "y"
    cross: tuple[int, int] | None = None
    window: Window | None = None
    outlines: bool = True


@dataclass(frozen=True, slots=True)
class Want:
    """A request and the version of what it asks for: asked again only when one of them changes."""

    request: Request
    mark: tuple[Any, ...] = ()


def shown_scan(cell: Mapping[str, Any] | None, choice: Choice) -> Mapping[str, Any] | None:
    """The scan to show: the chosen one, or the newest that has the chosen map, or the newest."""
    scans = cell["scans"] if cell else []
    if choice.scan is not None:
        return next((scan for scan in scans if scan["scan"] == choice.scan), None)
    having = [scan for scan in scans if choice.map in scan["maps"]]
    return having[-1] if having else (scans[-1] if scans else None)


def reference_scan(cell: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The first final scan: the one that removal counts from."""
    return next((scan for scan in cell["scans"] if not scan["provisional"]), None) if cell else None


def crosshair(scan: Mapping[str, Any], choice: Choice) -> tuple[int, int]:
    """(row, column) of the crosshair inside the scan's map; its middle before one is chosen."""
    ny, nx = scan["shape"]
    row, column = choice.cross or (ny // 2, nx // 2)
    return min(max(row, 0), ny - 1), min(max(column, 0), nx - 1)


def wants(
    snapshot: Snapshot, choice: Choice, map_shape: tuple[int, int], cut_shape: tuple[int, int]
) -> dict[str, Want]:
    """What the views need for this choice; the shapes are the pixels (rows, columns) they have."""
    cell = snapshot.cell(choice.cell)
    if cell is None:
        return {}
    asked: dict[str, Want] = {}
    if cell["cycler_points"]:
        asked["cycler"] = Want(CyclerRequest(choice.cell, 3000), (cell["cycler_points"],))
    scan = shown_scan(cell, choice)
    if scan is None:
        return asked
    number, mark = scan["scan"], (scan["version"],)
    for name, wanted in (("map", choice.map), ("labels", "pit_labels")):
        if wanted in scan["maps"]:
            request = MapRequest(choice.cell, number, wanted, choice.window, map_shape)
            asked[name] = Want(request, mark)
    if "pit_labels" in scan["maps"]:
        asked["pits"] = Want(PitsRequest(choice.cell, number), mark)
    recorder = (snapshot.state or {}).get("recorder") or {}
    written = recorder.get("slices", 0) // 100 if recorder.get("queued_bytes") else None
    return asked | _cut(cell, scan, choice, cut_shape, written)


def _cut(
    cell: Mapping[str, Any],
    scan: Mapping[str, Any],
    choice: Choice,
    shape: tuple[int, int],
    written: int | None,
) -> dict[str, Want]:
    """The cross-section through the crosshair, and the heights along it."""
    row, column = crosshair(scan, choice)
    ny, nx = scan["shape"]
    along_x = choice.axis == "y"
    window: Window = (row, row + 1, 0, nx) if along_x else (0, ny, column, column + 1)
    mark: tuple[Any, ...] = (scan["version"],)
    running = cell["running"]
    if scan["provisional"] and running:
        mark = (*mark, 20 * running["received"] // max(1, running["slices"]))
    elif scan["scan"] in [late["scan"] for late in cell["scans"][-LATE_SCANS:]]:
        # its last slices may not be written yet: asked again as they are
        mark = (*mark, written)
    index = row if along_x else column
    cut = SectionRequest(choice.cell, scan["scan"], choice.axis, index, shape)
    asked = {"section": Want(cut, mark)}
    # one row or column of a map is thinned along its length only
    limit = (1, shape[1]) if along_x else (shape[1], 1)
    for name in ("height", "bottom"):
        if name in scan["maps"]:
            line = MapRequest(choice.cell, scan["scan"], name, window, limit)
            asked[f"cut_{name}"] = Want(line, (scan["version"],))
    reference = reference_scan(cell)
    if reference and reference["shape"] == scan["shape"] and reference["scan"] != scan["scan"]:
        line = MapRequest(choice.cell, reference["scan"], "height", window, limit)
        asked["cut_reference"] = Want(line, (reference["version"],))
    return asked


def measure(summary: Mapping[str, Any], name: str) -> float | None:
    """A length of a summary, in µm or in voxels, whichever it was told in."""
    value = summary.get(f"{name}_um")
    return value if value is not None else summary.get(f"{name}_voxel")


def outline(labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    """RGBA (ny, nx, 4): the inner rim of every pit, transparent elsewhere."""
    rim = np.zeros(labels.shape, np.bool_)
    for axis in (0, 1):
        ahead = np.diff(labels, axis=axis) != 0
        for shift in (0, 1):
            part = [slice(None), slice(None)]
            part[axis] = slice(shift, labels.shape[axis] - 1 + shift)
            rim[tuple(part)] |= ahead
    rim &= labels > 0
    image = np.zeros((*labels.shape, 4), np.uint8)
    image[rim] = (255, 106, 61, 230)
    return image


def colour_levels(array: NDArray[Any]) -> tuple[float, float] | None:
    """Where colours begin and end: 0.5th and 99.5th percentile; None where nothing is measured."""
    values = array.ravel()[:: max(1, array.size // 200_000)]
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = (float(v) for v in np.percentile(values, (0.5, 99.5)))
    margin = max(1e-3, 1e-6 * abs(low))
    return (low, high) if high - low > margin else (low - margin, high + margin)
