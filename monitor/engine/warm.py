"""Compile every kernel before the first real slice needs it."""

from __future__ import annotations

import numpy as np

from monitor.core.session import Session
from monitor.records import ScanKey, ScanStart, SliceFrame
from monitor.settings import CellSettings, Settings

SIDE = 64
SLICES = 53
"""Whole slabs, a group of four and a single slice: each has a kernel of its own."""


def warm_up(dtype: str = "uint16") -> None:
    """Run two tiny scans through a session of its own. Seconds at the first start on a machine,
    then the compiled code is read from numba's cache."""
    session = Session(Settings(cells=(CellSettings(name="A", foil_thickness_um=20.0),)))
    noise = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    pits = np.maximum(0, 6 - 0.1 * ((y % 32 - 15) ** 2 + (x % 32 - 17) ** 2))  # to be registered by
    for scan in range(2):
        start = ScanStart(
            ScanKey("A", "", scan), "warm", 0, "periodic", "", "z", (SLICES, SIDE, SIDE), dtype,
            (1.0, 1.0, 1.0), 1800.0 * scan, 1800.0 * scan + 60.0,
        )  # fmt: skip
        session.feed(start)
        for z in range(SLICES):
            level = np.where(z < 8, 200, np.where(z < 30 - 3 * scan - pits, 60, 120))
            image = noise.normal(level, 10).clip(0, 255).astype(dtype)
            image.setflags(write=False)
            session.feed(SliceFrame("A", scan, "warm", 0, z, image))
