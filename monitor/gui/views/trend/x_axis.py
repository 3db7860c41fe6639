"""Where scans and readings lie on the x axis of a trend. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.gui.state.snapshot import Answer, number_of
from monitor.wire.results.cells import Scan
from monitor.wire.results.headers import Columns

Array = NDArray[np.float64]


def nearest(places: Array, at: float) -> int | None:
    """Which of the places is nearest; None if none is known."""
    away = np.abs(places - at)
    return int(np.nanargmin(away)) if np.isfinite(away).any() else None


def columns(whole: Answer | None, part: Answer | None) -> Mapping[str, Array]:
    """The readings, those of the part in view instead of the few that the whole has there."""
    told, full = (answer.columns if answer else {} for answer in (whole, part))
    if not told or not full or not len(full["time"]):
        return told
    before, after = told["time"] < full["time"][0], told["time"] > full["time"][-1]
    return {
        name: np.concatenate((values[before], full[name], values[after]))
        for name, values in told.items()
    }


def origin(scans: Sequence[Scan], readings: Answer | None) -> float:
    """Hour 0: the first scan, or the first reading before there is one."""
    if scans:
        return float(scans[0]["start_time"])
    times = readings.columns.get("time") if readings else None
    return float(times[0]) if times is not None and times.size else 0.0


def places(scans: Sequence[Scan | None], against: str, origin: float) -> Array:
    """Where each scan lies on the axis; NaN where that is not known."""
    told: list[Scan] = [scan or {} for scan in scans]
    if against == "time":
        times = np.array([scan.get("start_time") for scan in told], np.float64)
        return (times - origin) / 3600.0
    if against == "charge":
        return column(told, "charge_mAh_cm2")
    return 100.0 * column(told, "soc")


def along(columns: Columns, against: str, origin: float) -> Array:
    """Where each reading lies on the axis; NaN where that is not known."""
    if against == "time":
        return np.asarray((columns["time"] - origin) / 3600.0)
    name, factor = {"charge": ("charge_mAh_cm2", 1.0), "soc": ("soc", 100.0)}[against]
    unknown = np.full(len(columns["time"]), np.nan)
    return np.asarray(factor * columns.get(name, unknown))


def column(scans: Sequence[Scan], name: str) -> Array:
    return np.array([number_of(scan, name) for scan in scans], np.float64)
