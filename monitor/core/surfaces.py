"""Slabs of slices → heights of the lithium, with errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core import kernels
from monitor.core.calibrate import Levels
from monitor.records import LEDGER_MISSING, ScanStart, frozen
from monitor.settings import CellSettings

MIN_EVIDENCE = 5.0
MIN_SHARE = 0.25
MIN_VOXELS = 2.0
NEAR_HOLE = 3
SCATTER_SAMPLES = 50_000

Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Heights:
    """Maps (ny, nx) float32 in the scan's length unit; NaN = no interface was found there.

    `height` is the distance from the bottom of the lithium to its interface with the electrolyte;
    `error` its standard deviation; `bottom` the position of the lithium's bottom along z.
    """

    height: Map
    error: Map
    bottom: Map
    noise: float


class Surfaces:
    """The two edges of the lithium in one scan, column by column, while its slices come."""

    def __init__(self, start: ScanStart, cell: CellSettings) -> None:
        _, ny, nx = start.volume_shape
        self._start = start
        self._cell = cell
        self._state = np.zeros((ny, kernels.PLANES, nx), np.float32)
        self._settled = np.zeros(ny, np.bool_)
        if cell.layers == ("lithium", "electrolyte"):
            self._state[:, kernels.EVIDENCE_1] = 2 * kernels.SETTLED
            self._settled[:] = True
        self._model = np.zeros(6, np.float32)
        self._levels: Levels | None = None

    def set_levels(self, levels: Levels) -> None:
        """The grey levels that the slices to come are judged by."""
        self._levels = levels
        self._model = levels.model()

    def add(self, first: int, slices: tuple[NDArray[np.generic], ...]) -> None:
        """Slices `first`, `first` + 1, … along z, each (ny, nx); read in place."""
        done = 0
        for size in (kernels.SLAB, kernels.GROUP):
            while len(slices) - done >= size:
                slab = slices[done : done + size]
                kernels.advance(slab, first + done, self._model, self._state, self._settled)
                done += size
        for image in slices[done:]:
            kernels.advance_one(image, first + done, self._model, self._state, self._settled)
            done += 1

    def add_vertical(self, row: int, image: NDArray[np.generic]) -> None:
        """The vertical slice (nz, nx) at index `row` along y."""
        kernels.advance_column_slice(image, self._model, self._state[row])

    def heights(self, ledger: NDArray[np.uint8]) -> Heights:
        """Heights by the slices so far. `ledger`: (n,) as in ScanResult, for the holes."""
        lower, upper = self._edges()
        valid = self._valid(lower, upper)
        variance = np.zeros(lower.shape, np.float32)
        if self._start.axis == "z" and not ledger.all():
            missing = ledger == LEDGER_MISSING
            lower = _at_holes(lower, missing, variance)
            upper = _at_holes(upper, missing, variance)
        voxel = np.float32(self._start.voxel_size[0])
        height = np.where(valid, (upper - lower) * voxel, np.float32(np.nan))
        noise = scatter(height)
        error = np.sqrt(np.float32(noise) ** 2 + variance * voxel**2)
        error = np.where(valid, error, np.float32(np.nan))
        bottom = np.where(valid, self._bottom(lower, upper) * voxel, np.float32(np.nan))
        return Heights(frozen(height), frozen(error), frozen(bottom), noise)

    def _edges(self) -> tuple[Map, Map]:
        """Positions of the lithium's two edges along the slice index, voxel centres at 0, 1, …"""
        nz = self._start.volume_shape[0]
        first, second = self._state[:, kernels.EDGE_1_OF_2] - 1, self._state[:, kernels.EDGE_2] - 1
        if self._cell.layers == ("lithium", "electrolyte"):
            first = np.full_like(second, -0.5)
        elif self._cell.layers == ("electrolyte", "lithium"):
            first = self._state[:, kernels.EDGE_1] - 1
            second = np.full_like(first, nz - 0.5)
        return first, second

    def _bottom(self, lower: Map, upper: Map) -> Map:
        if self._cell.reversed_z:
            return np.float32(self._start.volume_shape[0] - 1) - upper
        return lower

    def _valid(self, lower: Map, upper: Map) -> NDArray[np.bool_]:
        """Columns in which every layer is there, with the grey level that it should have."""
        evidence1 = self._state[:, kernels.EVIDENCE_1]
        evidence2 = self._state[:, kernels.EVIDENCE_2]
        valid: NDArray[np.bool_] = (upper - lower > MIN_VOXELS) & (evidence1 >= MIN_EVIDENCE)
        if self._cell.layers == ("electrolyte", "lithium"):
            return valid
        levels = self._levels
        if levels is None or levels.third is None:
            return np.zeros(lower.shape, np.bool_)
        expected = 0.5 * ((levels.third - levels.second) / levels.noise) ** 2
        depth = np.maximum(self._start.volume_shape[0] - 0.5 - upper, 1)
        valid &= evidence2 >= np.maximum(MIN_EVIDENCE, MIN_SHARE * expected * depth)
        return valid


def scatter(height: Map) -> float:
    """Standard deviation of the heights' noise, from how columns differ from their neighbours.

    Robust (1.4826 × median of the second difference at two voxels' distance, over √6), so that
    a slope adds nothing and pit walls little; correlation of neighbours within two voxels is not
    mistaken for quietness. Of a large map, some rows and columns are enough.
    """
    if min(height.shape) < 5:
        return float("nan")
    every = max(1, height.size // SCATTER_SAMPLES)
    rows, columns = height[every // 2 :: every], height[:, every // 2 :: every]
    along_x = rows[:, :-4] - 2 * rows[:, 2:-2] + rows[:, 4:]
    along_y = columns[:-4] - 2 * columns[2:-2] + columns[4:]
    values = np.abs(np.concatenate([along_x.ravel(), along_y.ravel()]))
    values = values[np.isfinite(values)]
    return 1.4826 * float(np.median(values)) / float(np.sqrt(6)) if values.size else float("nan")


def _at_holes(edge: Map, missing: NDArray[np.bool_], variance: Map) -> Map:
    """Edges that fall into a hole are put into its middle, with the variance of a uniform
    distribution over it; holes nearby add in proportion. Changes `variance` (voxel²) in place."""
    n = len(missing)
    before = np.zeros(n + 1, np.float32)
    run = 0
    for z in range(n):
        before[z] = 0 if missing[z] else run
        run = run + 1 if missing[z] else 0
    before[n] = run
    near = np.convolve(missing, np.ones(2 * NEAR_HOLE + 1), mode="same").astype(np.float32)
    entry = np.clip(np.ceil(np.nan_to_num(edge)), 0, n - 1).astype(np.int64)
    hole = before[entry]
    variance += np.where(hole > 0, (hole + 1) ** 2 / 12, near[entry] / (2 * NEAR_HOLE + 1))
    return np.where(hole > 0, entry - np.float32(0.5) * (hole + 1), edge).astype(np.float32)
