"""Compile every kernel before the first real slice needs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.analysis import CellAnalysis
from monitor.core.current import kalman_kernels, removal_kernels
from monitor.core.cycler.history import CyclerHistory
from monitor.core.interface import height_kernels
from monitor.core.interface import kernels as interface
from monitor.core.interface.heights import Heights
from monitor.core.pits import kernels as pits
from monitor.core.pits import label_kernels, peak_kernels
from monitor.core.plating import Measured
from monitor.core.refinement import kernels as refinement
from monitor.core.registration import shift_kernels
from monitor.core.session import Session
from monitor.core.surface_statistics import areal, plateau, tiles
from monitor.processes import own_environment
from monitor.records import ScanKey, ScanStart, SliceFrame, frozen
from monitor.settings import CellSettings, PitSettings, Settings
from monitor.wire.results.state import Kernels

SIDE = 64
SLICES = 53
"""A complete slab, a group of four and a single slice: each has its own kernel."""
PATIENCE_S = 120.0
KERNELS: tuple[tuple[ModuleType, str], ...] = (
    (interface, "three_segments advance advance_one"),
    (refinement, "quantise recode pilot blur follow best_shift"),
    (height_kernels, "measure put strays off_electrode into_lengths"),
    (shift_kernels, "binned smoothed slopes directions"),
    (areal, "plane_sums texture_sums height_counts"),
    (tiles, "column_sums"),
    (plateau, "extent tile_histograms lowest_peak"),
    (removal_kernels, "difference scaled"),
    (pits, "smooth catchments saddles deepest_first merged"),
    (label_kernels, "renumber trim"),
    (peak_kernels, "peak_depths peak_errors"),
    (label_kernels, "sums_per_label overlaps mean_per_label"),
    (kalman_kernels, "predict correct"),
    (shift_kernels, "normal_equations"),
    (kalman_kernels, "weigh"),
)
"""Kernels that the warm-up runs, in the order in which the first and the second scan need them."""


def compiled() -> Kernels:
    """How many of the kernels are compiled, by this process or any before it."""
    kernels = [getattr(module, name) for module, names in KERNELS for name in names.split()]
    return {"compiled": sum(map(_is_compiled, kernels)), "of": len(kernels)}


def _is_compiled(kernel: Any) -> bool:
    """True too for what numba does not compile, on request (NUMBA_DISABLE_JIT)."""
    if getattr(kernel, "overloads", True):
        return True
    index = getattr(kernel._cache, "_cache_file", None)  # none if no cache can be written
    return index is not None and bool(index._load_index())  # empty if the source has changed


def warm_up(dtype: str = "uint16") -> None:
    """Run two tiny scans through a session of its own. The first start on a machine takes most of a
    minute, with two processes at it; then the compiled code is read from numba's cache."""
    session = Session(Settings(cells=(CellSettings(name="A", foil_thickness_um=20.0),)))
    with _second_process() as beside:
        _scan(session, 0, dtype)
        if beside is not None:
            beside.wait(PATIENCE_S)
    _scan(session, 1, dtype)
    with_currents = frozen(np.ones((1, 1), np.int32)), frozen(np.ones((1, 1), np.float32))
    label_kernels.mean_per_label(*with_currents, 1)  # only where a cycler reports
    plane, table = np.zeros((1, 1, 1), np.int8), np.zeros(256, np.int8)
    refinement.recode(plane, np.arange(1), table, plane.copy())  # only if memory is short


def _scan(session: Session, scan: int, dtype: str) -> None:
    """One tiny scan of a foil with pits, which the second one is registered by."""
    noise = np.random.default_rng(scan)
    start = _start(scan, dtype)
    session.feed(start)
    for z in range(SLICES):
        level = np.where(z < 8, 200, np.where(z < 30 - 3 * scan - _pits(), 60, 120))
        image = noise.normal(level, 10).clip(0, 255).astype(dtype)
        image.setflags(write=False)
        session.feed(SliceFrame("A", scan, "warm", 0, z, image))


def _start(scan: int, dtype: str) -> ScanStart:
    return ScanStart(
        ScanKey("A", "", scan), "warm", 0, "periodic", "", "z", (SLICES, SIDE, SIDE), dtype,
        (1.0, 1.0, 1.0), 1800.0 * scan, 1800.0 * scan + 60.0,
    )  # fmt: skip


def _pits() -> NDArray[np.float64]:
    y, x = np.mgrid[:SIDE, :SIDE]
    pits: NDArray[np.float64] = np.maximum(0, 6 - 0.1 * ((y % 32 - 15) ** 2 + (x % 32 - 17) ** 2))
    return pits


@contextmanager
def _second_process() -> Iterator[subprocess.Popen[bytes] | None]:
    """Another process that compiles what follows the heights; None if all is in the cache."""
    ready = compiled()
    if ready["compiled"] == ready["of"]:
        yield None
        return
    beside = subprocess.Popen(
        [sys.executable, "-m", "monitor.engine.warm_up"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=own_environment(),
    )
    try:
        yield beside
    finally:
        beside.kill()
        beside.wait()


def analyse_alone() -> None:
    """Computes maps, pits and numbers of two scans whose heights are given: the work of the second
    process."""
    cell = CellSettings(name="A")
    analysis = CellAnalysis(cell, PitSettings(), CyclerHistory(cell))
    noise = np.random.default_rng(0)
    for scan in range(2):
        height = noise.normal(22.0 - 3 * scan - _pits(), 0.2).astype(np.float32)
        error = np.full((SIDE, SIDE), 0.2, np.float32)
        bottom = np.full((SIDE, SIDE), 7.5, np.float32)
        heights = Heights(frozen(height), frozen(error), frozen(bottom), 0.2)
        ledger = frozen(np.ones(SLICES, np.uint8))
        analysis.finish(Measured(_start(scan, "uint16"), ledger, None, heights))


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(5)  # a window that opens meanwhile comes first
    analyse_alone()
