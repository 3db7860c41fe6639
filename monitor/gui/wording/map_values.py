"""Texts and numbers from replies about a map. Pure functions, no Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.gui.formatting import counted, number
from monitor.gui.state.health import fetching
from monitor.gui.state.snapshot import Answer, Choice, Snapshot, number_of, shown_scan
from monitor.gui.wording.map_captions import absent, map_title
from monitor.quantities.quantity import shown_unit
from monitor.wire.results.cells import Cell
from monitor.wire.results.headers import ReplyHeader

APPLIED = {
    "cumulative": "mean_current_mA_cm2",
    "absolute": "mean_current_mA_cm2",
    "interval": "interval_current_mA_cm2",
    "running": "current_mA_cm2",
}
"""Which number of the cycler a map of local currents is to be compared with."""
MM2_UM2 = 1e6
FROM_MM2 = 1e4
"""Areas of at least this many µm² are shown in mm²."""
MANY_POWERS = 3.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the table: `tip` is its definition."""

    title: str
    value: str
    tip: str


def unit_of(header: ReplyHeader) -> str:
    """Unit of a map's values as it is shown."""
    return shown_unit(str(header.get("units", "")))


def quantity_of(header: ReplyHeader) -> str:
    """Name of the values; with Δ for a difference."""
    title = map_title(header["name"])
    return f"Δ {title}" if header.get("minus") is not None else title


def title_of(header: ReplyHeader) -> str:
    """Map and scan of a reply, and whether values are left out or provisional."""
    parts = [f"{map_title(header['name'])} of scan {header['scan']}"]
    if header.get("minus") is not None:
        parts[0] += f" minus scan {header['minus']}"
    if header.get("least_errors"):
        parts.append(f"without values below {header['least_errors']:g} standard errors")
    if header.get("provisional"):
        parts.append("provisional")
    return " · ".join(parts)


def missing(snapshot: Snapshot, choice: Choice, answer: Answer | None, what: str) -> str:
    """Why `what` cannot be shown; "" if it can."""
    scan = shown_scan(snapshot.cell(choice.cell), choice)
    if scan is None:
        return f"No {what} before the first map"
    if choice.map not in scan["maps"]:
        return f"Scan {scan['scan']}: {absent(choice.map, scan)}"
    if answer is None:
        return fetching(snapshot, f"the {what} of scan {scan['scan']}")
    return answer.error


def measures(header: ReplyHeader) -> tuple[Measure, ...]:
    """The rows of the table for one region; what is not known is a dash."""
    unit = unit_of(header)
    share, pits = header.get("share"), header.get("pits")
    return (
        _mean(header),
        Measure("sd", number(header.get("sd"), 2), f"Standard deviation between pixels, {unit}"),
        Measure("median", number(header.get("median"), 2), f"Median, {unit}"),
        Measure(
            "P5–P95",
            _span(header.get("p5"), header.get("p95")),
            f"5th and 95th percentile, {unit}: nine in ten pixels lie between them",
        ),
        Measure(
            "min–max",
            _span(header.get("minimum"), header.get("maximum")),
            f"Smallest and largest value, {unit}; single pixels of noise are among them",
        ),
        Measure(
            "measurable",
            "–" if share is None else number(100.0 * share, 1, "%"),
            "Share of the area in which the value is known",
        ),
        Measure("area", _area(header), "Area of the region, including what is not measurable"),
        Measure("pits", "–" if pits is None else f"{pits}", "Pits whose centre lies in the region"),
    )


def in_short(header: ReplyHeader) -> str:
    """The most important of the measures in one line."""
    told = {row.title: row.value for row in measures(header)}
    words = ", ".join(f"{name} {told[name]}" for name in ("mean", "sd", "median", "P5–P95"))
    pits = header.get("pits")
    many = "– pits" if pits is None else counted(pits, "pit")
    return f"{words} {unit_of(header)}; {told['area']}, {many}"


def applied_current(header: ReplyHeader, cell: Cell | None) -> float | None:
    """The cycler's current density (mA/cm²) that a map's mean is to be compared with; None if
    there is none: no map of currents, a difference, or no cycler."""
    key = APPLIED.get(str(header["name"]))
    if key is None or header.get("minus") is not None or cell is None:
        return None
    scan = next((scan for scan in cell["scans"] if scan["scan"] == header["scan"]), None)
    return number_of(scan, key) if scan else None


def bin_width(header: ReplyHeader) -> float | None:
    """Width of a histogram's bins, in the map's unit; None if it has none."""
    edges = header.get("edges") or []
    return float(edges[1] - edges[0]) if len(edges) > 1 else None


def shares(header: ReplyHeader, width: float) -> tuple[NDArray[np.float64], ...]:
    """Edges (n + 1) and, between them, % of the measured area in each `width` of the value (n);
    both empty if nothing is measured. Bins of another width are thereby comparable."""
    own, count = bin_width(header), header.get("count")
    if own is None or not count:
        return np.empty(0), np.empty(0)
    counts = np.array(header["counts"], np.float64)
    return np.array(header["edges"], np.float64), 100.0 * counts / count * (width / own)


def _mean(header: ReplyHeader) -> Measure:
    unit, error = unit_of(header), header.get("mean_error")
    text = number(header.get("mean"), 2)
    if error is not None:
        text += f" ± {number(error, 2)}"
    why = header.get("mean_error_why")
    source = f"not known: {why}" if why else "from the scatter between tiles of the map"
    return Measure("mean", text, f"Mean and its standard error, {unit}; the error is {source}")


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Places, in powers of ten, and texts of 1, 2 and 5 × 10ⁿ between two powers of ten; of powers
    of ten only, if there would be too many."""
    steps = (1, 2, 5) if high - low < MANY_POWERS else (1,)
    values = [
        step * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for step in steps
    ]
    places = [(math.log10(value), f"{value:g}") for value in values]
    return [(place, text) for place, text in places if low <= place <= high]


def _span(low: float | None, high: float | None) -> str:
    ends = [number(end, 2) for end in (low, high)]
    return "–" if "–" in ends else f"{ends[0]} – {ends[1]}"


def _area(header: ReplyHeader) -> str:
    area, unit = header.get("area"), header.get("length_unit", "")
    if area is None:
        return "–"
    if unit == "µm" and area >= FROM_MM2:
        return f"{area / MM2_UM2:.3g} mm²"
    return f"{area:.0f} {unit}²"
