"""Data of the screen and the operator's choice: plain data and pure functions, no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.quantities.table import MAPS
from monitor.records.state import ScanProgress
from monitor.wire.results.cells import Alarm, Cell, Scan, TableRow
from monitor.wire.results.events import StatusEvent
from monitor.wire.results.headers import Columns, ReplyHeader
from monitor.wire.results.queries import Request, Window
from monitor.wire.results.state import State

MAP_NAMES = tuple(name for name in MAPS if name != "bottom")
"""The maps that a view can show."""
COLOUR_SCALES = ("paper", "viridis", "cividis", "inferno", "grey")
"""Colour scales that an operator may choose: that of the paper, and perceptually uniform ones for
any colour vision (viridis and cividis), for print (inferno), and without colour."""

Axis = Literal["y", "x"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A reply to a view's request. `levels`: the values at which its colours begin and end; `rims`:
    rims of the pits in a map of their labels."""

    request: Request
    header: ReplyHeader
    array: NDArray[Any] | None
    levels: tuple[float, float] | None = None
    rims: NDArray[np.int32] | None = None

    @property
    def error(self) -> str:
        """Why there is no answer, or ""."""
        return str(self.header.get("why", "")) if self.header.get("type") == "error" else ""

    @property
    def columns(self) -> Columns:
        """Columns of a table, by name; empty if it has none."""
        return self.header.get("columns", {})


@dataclass(frozen=True, slots=True)
class Order:
    """An order that was given at this screen, and its state."""

    cell: str
    status: str
    why: str
    number: int
    request: Request | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All data of the screen at one instant. `number` grows with every change."""

    number: int = 0
    linked: bool = False
    silent_s: float = 0.0
    address: str = ""
    state: State | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    events: tuple[StatusEvent, ...] = ()
    orders: tuple[Order, ...] = ()
    bad_replies: int = 0
    rate_MB_s: float = 0.0

    @property
    def told(self) -> State:
        """The engine's state; empty before it has answered."""
        return self.state or {}

    @property
    def cells(self) -> Mapping[str, Cell]:
        """The state of each cell by name."""
        return self.told.get("cells", {})

    def cell(self, name: str) -> Cell | None:
        """The state of a cell, or None before the engine has reported it."""
        return self.cells.get(name)

    def running(self, name: str) -> ScanProgress | None:
        """The running scan of a cell."""
        cell = self.cell(name)
        return cell.get("running") if cell else None

    def answer(self, name: str, cell: str) -> Answer | None:
        """The answer of this name, unless it is about another cell."""
        found = self.answers.get(name)
        return found if found and getattr(found.request, "cell", cell) == cell else None

    def answer_on(self, scan: Scan | None, name: str, cell: str) -> Answer | None:
        """The same, unless it is about another scan, or says why there is none."""
        found = self.answer(name, cell)
        return found if scan and found and found.header.get("scan") == scan["scan"] else None


Points = tuple[tuple[float, float], ...]
RegionKind = Literal["whole", "rectangle", "ellipse", "polygon"]
Comparison = Literal["off", "beside", "difference"]
Against = Literal["time", "charge", "soc"]
LEAST_ERRORS = 3.0
"""Values below this many standard errors are hidden if the operator chooses so."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the map: `points` are (row, column) in pixels of the whole map, two opposite
    corners for a rectangle or an ellipse."""

    kind: RegionKind = "whole"
    points: Points = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The operator's choice.

    `scan` None follows the live scan; `cross` is (row, column); `pinned` is the scan that others
    are compared with; `line` are the ends of the profile, (row, column) each; `masked` hides what
    is below the detection limit; `grains` shows the grain boundaries; `common` is one colour scale
    for all scans; `span` is the part of the trend in view, UTC seconds, if that is not all;
    `looked` is when the operator looked last, by cell and in its time.
    """

    cell: str = ""
    scan: int | None = None
    map: str = "height"
    axis: Axis = "y"
    cross: tuple[int, int] | None = None
    window: Window | None = None
    outlines: bool = True
    grains: bool = False
    pit: int | None = None
    pinned: int | None = None
    comparison: Comparison = "off"
    region: Region = Region()
    line: Points = ()
    masked: bool = False
    common: bool = False
    colours: str = "paper"
    against: Against = "time"
    span: tuple[float, float] | None = None
    looked: Mapping[str, float] = field(default_factory=dict)

    @property
    def least_errors(self) -> float:
        """What `MapRequest.least_errors` has to be."""
        return LEAST_ERRORS if self.masked else 0.0


@dataclass(frozen=True, slots=True)
class Query:
    """A request and the version of the data that it requests: sent again only when one of them
    changes."""

    request: Request
    mark: tuple[Any, ...] = ()


def shown_scan(cell: Cell | None, choice: Choice) -> Scan | None:
    """The scan to show: the chosen one, or the newest that has the chosen map, or the newest."""
    scans = cell["scans"] if cell else []
    if choice.scan is not None:
        return next((scan for scan in scans if scan["scan"] == choice.scan), None)
    having = [scan for scan in scans if choice.map in scan["maps"]]
    return having[-1] if having else (scans[-1] if scans else None)


def judged_scans(cell: Cell | None) -> list[Scan]:
    """Scans whose numbers are known: concluded ones, and a running one that no remaining slice can
    change."""
    return [scan for scan in cell["scans"] if is_judged(scan)] if cell else []


def is_judged(scan: Scan) -> bool:
    """Whether the numbers of a scan are known. Of an older engine: once it is concluded."""
    return scan.get("judged", not scan["provisional"])


def reference_scan(cell: Cell | None) -> Scan | None:
    """The first scan whose numbers are known: the one that removal counts from."""
    return next(iter(judged_scans(cell)), None)


def crosshair(scan: Scan, choice: Choice) -> tuple[int, int]:
    """(row, column) of the crosshair inside the scan's map; its middle before one is chosen."""
    ny, nx = scan["shape"]
    row, column = choice.cross or (ny // 2, nx // 2)
    return min(max(row, 0), ny - 1), min(max(column, 0), nx - 1)


def pinned_scan(cell: Cell | None, choice: Choice) -> Scan | None:
    """The scan that others are compared with, if there is one."""
    scans = cell["scans"] if cell and choice.pinned is not None else []
    return next((scan for scan in scans if scan["scan"] == choice.pinned), None)


def relatives(columns: Columns, pit: int | None) -> set[int]:
    """The pits that a pit split from or merged into, and those that split from or merged into it,
    as far as they are in the table."""
    pairs = list(zip(columns.get("id", ()), columns.get("parent", ()), strict=True))
    parents = {parent for number, parent in pairs if number == pit and parent >= 0}
    return parents | {number for number, parent in pairs if parent == pit and pit is not None}


def order_problem(snapshot: Snapshot, *, viewer: bool = False) -> str:
    """Why no order can be given from this screen; "" if it can."""
    if viewer:
        return "View only (--view-only): nothing can be requested from this screen"
    if snapshot.state is None or not snapshot.linked:
        return "The engine does not answer"
    if snapshot.state.get("role", "operator") != "operator":
        return "Your key is listed as a viewer's: you cannot request scans or change anything"
    return str(snapshot.state.get("may_order", ""))


def alarms(snapshot: Snapshot) -> list[Alarm]:
    """Alarms that nobody has acknowledged, newest first; those of all cells."""
    found = list(snapshot.told.get("alarms") or ())
    for cell in snapshot.cells.values():
        found += cell.get("alarms") or ()
    return sorted(found, key=lambda alarm: -alarm["number"])


def measure(scan: Scan | TableRow, name: str) -> float | None:
    """A length of a summary, in µm or in voxels, whichever it was reported in."""
    value = number_of(scan, f"{name}_um")
    return value if value is not None else number_of(scan, f"{name}_voxel")


def number_of(scan: Scan | TableRow, name: str) -> float | None:
    """A number of a summary by its name; None if it is not known."""
    value = scan.get(name)
    return value if isinstance(value, int | float) else None


def rims(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """(ny, nx): the pit's id along the inner rim of every pit, 0 elsewhere."""
    rim = np.zeros(labels.shape, np.bool_)
    for axis in (0, 1):
        ahead = np.diff(labels, axis=axis) != 0
        for shift in (0, 1):
            part = [slice(None), slice(None)]
            part[axis] = slice(shift, labels.shape[axis] - 1 + shift)
            rim[tuple(part)] |= ahead
    return np.where(rim, labels, 0)


def colour_levels(array: NDArray[Any]) -> tuple[float, float] | None:
    """Values at which colours begin and end: 0.5th and 99.5th percentile; None if nothing is
    measured."""
    values = array.ravel()[:: max(1, array.size // 200_000)]
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = (float(v) for v in np.percentile(values, (0.5, 99.5)))
    margin = max(1e-3, 1e-6 * abs(low))
    return (low, high) if high - low > margin else (low - margin, high + margin)
