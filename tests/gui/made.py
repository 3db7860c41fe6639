"""Snapshots made by hand, as an engine would have told them: no engine, no socket."""

import numpy as np

from monitor.engine import health
from monitor.engine.health import CellHealth, Heard, Silence
from monitor.gui.state.snapshot import Answer, Snapshot, colour_levels
from monitor.wire.results.queries import MapRequest

T0 = 1_760_000_000.0
PERIOD_S = 1800.0
MAPS = ("height", "bottom", "height_error", "removal", "removal_error", "cumulative", "interval",
        "running", "pit_labels")  # fmt: skip


def scan(number, *, start=None, reason=None, pits=None, complete=True, provisional=False, **more):
    """Facts of a scan, as the state tells them."""
    begin = T0 + PERIOD_S * number if start is None else start
    whole = {} if provisional else {
        "soc": 1 - 0.05 * number, "step": "discharge", "pit_count": 3 * number,
        "pit_depth_max_um": 2.0 + 1.5 * number if number else None,
        "closure": 1.02 if number else None, "averaged_um": 1.3 * number,
        "mean_current_mA_cm2": 0.55, "slices_missing": 0 if complete else 12,
    }  # fmt: skip
    if pits is not None:
        whole["pit_count"] = pits
    return whole | {
        "scan": number, "run": "r", "reason": reason or ("periodic" if number else "reference"),
        "complete": complete and not provisional, "provisional": provisional,
        "start_time": begin, "stop_time": begin + 240.0, "length_unit": "µm",
        "shape": [120, 160], "volume_shape": [60, 120, 160],
        "voxel_size": [0.717, 0.717, 0.717], "maps": ("height", "bottom") if provisional else MAPS,
        "version": 10 + number,
    } | more  # fmt: skip


def running(number, received=120, slices=250):
    return {"scan": number, "reason": "periodic", "start_time": T0 + PERIOD_S * number,
            "received": received, "slices": slices}  # fmt: skip


def cell(*scans, now=None, **more):
    """State of a cell whose clock stands `now` seconds after its first scan began."""
    last = max((s["start_time"] for s in scans), default=None)
    at = T0 + now if now is not None else (last or T0) + 700.0
    reading = {"time": at, "potential_V": 2.104, "current_mA": -0.108, "charge_mAh": 0.3}
    return {
        "scans": list(scans), "running": None, "cycler": reading, "cycler_points": 99,
        "time": at, "next_scan_time": None if last is None else last + PERIOD_S,
        "requests": [], "table": [], "area_cm2": 0.19635,
    } | more  # fmt: skip


def snapshot(cells, answers=None, *, events=(), ages=None, mode="live", linked=True, ended=False):
    state = {
        "engine": "e", "version": 1, "cells": cells,
        "experiment": {"name": "made", "mode": mode, "record_slices": True, "ended": ended},
        "settings": {"period_s": PERIOD_S, "requests": "mailbox", "onset": "auto",
                     "closure_band": [0.85, 1.15]},
        "feeds": {"slices": {"messages": 9}, "documents": {"messages": 9}},
        "health": health_of(cells, ages or {}, mode, ended=ended),
    }  # fmt: skip
    return Snapshot(number=1, linked=linked, state=state, answers=answers or {},
                    events=tuple(events))  # fmt: skip


def health_of(cells, ages=None, mode="live", *, ended=False):
    """Health as an engine tells it. `ages`: s since slices or readings of a cell were received, by
    "slices A" and "documents A"."""
    parts, overdue = {}, {}
    for name, about in cells.items():
        for feed in ("slices", "documents"):
            age = (ages or {}).get(f"{feed} {name}")
            if age is not None:
                late = 10.0 if feed == "slices" else 60.0
                waited = feed == "documents" or about.get("running")
                state = "DEAD" if age > 60.0 else "LATE" if age > late else "LIVE"
                parts[feed, name] = Heard(-age, state if waited else "LIVE")
        due, now = about.get("next_scan_time"), about.get("time")
        if due is not None and now is not None and about.get("cycler"):
            late = now - due
            overdue[name] = "DEAD" if late > PERIOD_S else "LATE" if late > 180 else "LIVE", late
    told = {}
    for name, about in cells.items():
        known = {"running": about.get("running"), "has_scans": bool(about["scans"]),
                 "has_readings": bool(about.get("cycler"))}  # fmt: skip
        told[name] = health.live(name, Silence(parts, overdue), 0.0, **known)
        if mode != "live":
            told[name] = CellHealth(*2 * (health.recorded(mode, ended=ended),))
    over = ended or mode == "recording"
    return {
        "slices": health.feed((name, one.slices) for name, one in told.items()).data(),
        "documents": health.feed((name, one.cycler) for name, one in told.items()).data(),
        "cells": {name: one.data(ended=over) for name, one in told.items()},
    }


def of_one_cell(scans, **answers):
    """Of cell A with these scans; answers by their names."""
    return snapshot({"A": cell(*scans)}, answers)


def map_answer(cell, number, name="removal", array=None, units="µm", **header):
    """A small map: pits in a plateau, with a hole where nothing is measurable."""
    if array is None:
        y, x = np.mgrid[:72, :96]
        array = 2.0 + sum(
            np.clip(9 - np.hypot(y - a, x - b), 0, None)
            for a, b in ((20, 30), (40, 70), (60, 20), (12, 80), (50, 45))
        )
        array[:8, :8] = np.nan
    told = {"type": "map", "cell": cell, "scan": number, "name": name, "units": units,
            "length_unit": "µm", "step": 1, "voxel_size": [0.717, 0.717, 0.717]}  # fmt: skip
    array = np.asarray(array, np.float32)
    request = MapRequest(cell, number, name, None, (96, 96))
    return Answer(request, told | header, array, colour_levels(array))
