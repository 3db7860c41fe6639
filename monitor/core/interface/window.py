"""The newest slices of a scan whose grey levels are not known yet, one byte a voxel.

A slice of a large field cannot wait until the last layer is visible. It is kept here on a grey
scale that the levels known so far span; once its own levels are known, what was kept becomes the
beginning of the band around the interface.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.core.interface.levels import Levels
from monitor.core.refinement import kernels
from monitor.core.refinement.band import Band, Range, Spare
from monitor.core.refinement.kernels import FULL
from monitor.records import ScanStart

KEPT = 96
"""Slices: the margin before the interface, its relief, and those that show the layer beyond."""
BEYOND, LEAST_BEYOND = 8.0, 4.0
"""Noises that the grey scale reaches beyond the levels when it is set, and at least."""
CODES = np.arange(-FULL - 1, FULL + 1)
ROWS_AT_ONCE = 64


class Window:
    """Takes slices along z in order; the oldest give way."""

    def __init__(self, start: ScanStart, levels: Levels) -> None:
        _, ny, nx = start.volume_shape
        self._start = start
        self._middle, self._half = _scale(levels)
        self._slices = np.empty(ny * KEPT * nx, np.int8)
        self._planes = self._slices.reshape(ny, KEPT, nx)
        self._held = np.full(KEPT, -1)
        self.end = 0
        """Index of the slice after the last that was added."""

    def span(self, levels: Levels) -> None:
        """Better levels: what is kept goes to a scale that spans them, if this one does not."""
        low, high = _extent(levels)
        if max(self._middle - low, high - self._middle) <= self._half - LEAST_BEYOND * levels.noise:
            return
        greys = self._greys
        self._middle, self._half = _scale(levels)
        table = _codes((greys - self._middle) * (FULL / self._half))
        for rows in _blocks(len(self._planes)):
            kernels.recode(self._planes[rows].copy(), np.arange(KEPT), table, self._planes[rows])

    def add(self, z: int, image: NDArray[np.generic]) -> None:
        """Slice z (ny, nx)."""
        plane, one = z % KEPT, np.float32(1)
        middle, half = np.float32(self._middle), np.float32(self._half)
        kernels.quantise(image, one, -middle, half, self._planes[:, plane])
        self._held[plane] = z
        self.end = z + 1

    def reaches(self, around: Range) -> bool:
        """Whether no slice of a range has given way, and there is room for the whole of it."""
        return self.end - KEPT <= around.first and around.last - around.first <= KEPT

    def band(self, around: Range, ratio: NDArray[np.float32], spare: Spare) -> Band:
        """The band of a range that the window `reaches`, with what of it has arrived. The window's
        own memory becomes the band's: it may not be used any more."""
        _, ny, nx = self._start.volume_shape
        span = np.arange(around.first, around.last)
        came = self._held[span % KEPT] == span
        order = np.where(came, span % KEPT, 0)
        gain, offset, limit = (float(v) for v in ratio)
        table = _codes((gain * self._greys + offset) * (FULL / limit))
        for rows in _blocks(ny):
            out = self._slices[rows.start * span.size * nx : rows.stop * span.size * nx]
            held = self._planes[rows].copy()
            kernels.recode(held, order, table, out.reshape(-1, span.size, nx))
        del self._planes, out
        self._slices.resize(ny * span.size * nx, refcheck=False)
        ratios = self._slices.reshape(ny, span.size, nx)
        return Band(self._start, around, ratio, spare, ratios, came)

    @property
    def _greys(self) -> NDArray[np.float64]:
        """(256,) the grey level of each kept value, from −128 on."""
        return np.asarray(self._middle + CODES * (self._half / FULL), np.float64)


def _scale(levels: Levels) -> tuple[float, float]:
    """Middle and half of the grey scale: as far beyond the levels as they are apart, at least."""
    low, high = _extent(levels)
    margin = max(BEYOND * levels.noise, high - low)
    return 0.5 * (low + high), 0.5 * (high - low) + margin


def _extent(levels: Levels) -> tuple[float, float]:
    known = [v for v in (levels.first, levels.second, levels.third) if v is not None]
    return min(known), max(known)


def _codes(values: NDArray[np.float64]) -> NDArray[np.int8]:
    return np.asarray(np.rint(np.clip(values, -FULL, FULL)), np.int8)


def _blocks(ny: int) -> Iterator[slice]:
    for top in range(0, ny, ROWS_AT_ONCE):
        yield slice(top, min(ny, top + ROWS_AT_ONCE))
