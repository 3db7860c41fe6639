"""Columns and volumes whose interfaces are known, rendered without any code of the monitor's."""

import numpy as np
from scipy.special import erf

from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame, frozen
from monitor.settings import CellSettings

LEVELS = (200.0, 60.0, 120.0)
NOISE = 10.0


def columns(lower, upper, nz, *, levels=LEVELS, blur=0.7, fringe=0.0):
    """Noise-free (nz, …) float64: three layers with edges at `lower` and `upper` (voxel centres at
    0, 1, …), blurred by a Gaussian of `blur` voxels; `fringe`: height of a bright/dark pair at the
    upper edge."""
    lower, upper = np.asarray(lower, float), np.asarray(upper, float)
    z = np.arange(nz).reshape(-1, *([1] * max(lower.ndim, upper.ndim)))

    def step(edge):
        return 0.5 * (1 + erf((z - edge) / (np.sqrt(2) * blur)))

    first, second, third = levels
    away = (z - upper) / 1.5
    return (
        first
        + (second - first) * step(lower)
        + (third - second) * step(upper)
        + fringe * away * np.exp(0.5 - 0.5 * away**2)
    )


def noisy(clean, *, noise=NOISE, seed=0, dtype="uint16"):
    """The volume as a detector gives it, read-only as it would come off the wire."""
    values = clean + np.random.default_rng(seed).normal(0, noise, clean.shape)
    if dtype != "float32":
        values = np.clip(np.rint(values), 0, np.iinfo(dtype).max)
    return frozen(values.astype(dtype))


def cell(name="A", **changes):
    """Settings of a cell whose foil is 40 voxels thick."""
    return CellSettings(name=name, foil_thickness_um=40.0, electrode_area_cm2=0.2, **changes)


def start(
    shape, *, scan=0, name="A", axis="z", dtype="uint16", voxel_um=1.0, stream="s", **changes
):
    """`header` of a scan that took 60 s, every half an hour."""
    values = {
        "key": ScanKey(name, "", scan),
        "stream": stream,
        "msg_number": 0,
        "reason": "periodic",
        "request": "",
        "axis": axis,
        "volume_shape": shape,
        "dtype": dtype,
        "voxel_size_um": (voxel_um,) * 3 if voxel_um else None,
        "start_time": 1800.0 * scan - 30.0,
        "stop_time": 1800.0 * scan + 30.0,
    }
    return ScanStart(**(values | changes))


def records(begin, volume, *, order=None, first_number=None):
    """Header, slices in `order` and end of one scan. `volume`: (nz, ny, nx)."""
    number = begin.msg_number if first_number is None else first_number
    order = range(begin.slice_count) if order is None else order
    made = [begin]
    for frame in order:
        number += 1
        plane = volume[frame] if begin.axis == "z" else volume[:, frame]
        data = frozen(np.ascontiguousarray(plane))
        key = begin.key
        made.append(SliceFrame(key.cell, key.scan, begin.stream, number, int(frame), data))
    key = begin.key
    sent = len(set(order))
    made.append(ScanEnd(key.cell, key.scan, begin.stream, number + 1, sent))
    return made
