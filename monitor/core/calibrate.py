"""Grey level and noise of each layer, found from the data of the scan itself.

A grid of columns is sampled as slices come. Blocks of neighbouring columns are averaged, each
block's profile along z is cut into three flat segments by least squares, and the levels are the
medians over the blocks of the segments' means, the voxels near the cuts (blur, fringe) left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core import kernels
from monitor.core.refine import MAX_SLICES, Range
from monitor.records import ScanStart
from monitor.settings import CellSettings, GreyLevels

GRID = 64
BLOCK = 4
PITCH = 2
MARGIN = 4
BAND_MARGIN, MOSS_MARGIN = (20, 20), (60, 25)
"""Slices kept before and beyond the interface, seen from the lithium. The dense lithium below moss
lies deep: filled pits are part of it."""
LEAST_SEGMENT = 4
LEAST_SEEN = 12
LEAST_LITHIUM = 8
FOIL_SHARE = 0.3
MAX_BINS = 160
MIN_CNR = 0.3
NEAR, FAR = 3.0, 6.0
MOST, HALF = 0.8, 0.5
"""Share of the blocks that must show all layers: while slices come, and in the end. The field may
lie partly outside the electrode."""


@dataclass(frozen=True)
class Levels:
    """Grey levels in the order of growing slice index, and the noise of one voxel (standard
    deviation). A level is None where the cell has no such layer."""

    first: float | None
    second: float
    third: float | None
    noise: float

    @property
    def lithium(self) -> float:
        return self.second

    def electrolyte(self, reversed_z: bool) -> float | None:
        return self.first if reversed_z else self.third

    def cnr(self, reversed_z: bool) -> float:
        """Contrast of electrolyte to lithium over the noise of one voxel."""
        electrolyte = self.electrolyte(reversed_z)
        if electrolyte is None:
            return float("nan")
        return abs(electrolyte - self.second) / self.noise

    def model(self) -> NDArray[np.float32]:
        """The kernels' `model`: equal-variance Gaussian log-likelihood ratios of two layers."""
        return np.array(
            [
                *_ratio(self.first, self.second, self.noise),
                *_ratio(self.second, self.third, self.noise),
            ],
            np.float32,
        )


def _ratio(below: float | None, above: float | None, noise: float) -> tuple[float, float, float]:
    """Gain, offset and limit of log p(grey | above) − log p(grey | below)."""
    if below is None or above is None:
        return (0.0, 0.0, 0.0)
    contrast = (above - below) / noise
    gain = contrast / noise
    return (gain, -gain * 0.5 * (below + above), 0.5 * contrast**2 + 4.0 * abs(contrast))


class Calibration:
    """Samples one scan's columns and says its grey levels as soon as all layers have been seen."""

    def __init__(self, start: ScanStart, cell: CellSettings, *, plated: bool = False) -> None:
        """`plated`: lithium was plated before this scan, so that there may be moss."""
        nz, ny, nx = start.volume_shape
        self._start = start
        self._cell = cell
        self._axis = start.axis
        self._margin = MOSS_MARGIN if plated else BAND_MARGIN
        self._voxel_um = start.voxel_size_um[0] if start.voxel_size_um else None
        self._rows = _grid(ny)
        self._columns = _grid(nx)
        self._places = self._rows[:, None] * nx + self._columns
        self._means = np.zeros(nz)
        self.around: Range | None = None
        # zeros: pages of memory are taken as slices come, not because a header names them
        self._profiles = np.zeros((nz, len(self._rows), len(self._columns)), np.float32)
        self._came = np.zeros(nz if start.axis == "z" else len(self._rows), np.bool_)

    def sample(self, frame: int, data: NDArray[np.generic]) -> None:
        """Take the sampled columns of one slice. `data`: (ny, nx), or (nz, nx) for axis y."""
        if self._axis == "z":
            self._profiles[frame] = data.reshape(-1)[self._places]
            self._means[frame] = self._profiles[frame].mean()
            self._came[frame] = True
        else:
            row = np.searchsorted(self._rows, frame)
            if row < len(self._rows) and self._rows[row] == frame:
                self._profiles[:, row] = data[:, self._columns]
                self._came[row] = True

    def levels(self, count: int) -> Levels | None:
        """The levels by the first `count` slices, or None while a layer is not seen well enough.

        Only slices up to `count` matter, whenever the others came: the order of arrival changes
        nothing.
        """
        fixed = _fixed(self._cell)
        found = self._found(count)
        if fixed is not None and (found is not None or not self._early(count)):
            return fixed
        return found

    def _found(self, count: int) -> Levels | None:
        if not self._worth_looking(count):
            return None
        blocks = self._blocks(count)
        if blocks is None:
            return None
        profiles, columns = blocks
        cuts = _cuts(profiles, segments=len(self._cell.layers))
        levels = self._judge(profiles, columns, cuts, early=self._early(count))
        if levels is not None:
            self.around = self._around(cuts[_typical(profiles, cuts, levels)], count)
        return levels

    def _around(self, cuts: NDArray[np.int64], count: int) -> Range | None:
        """The slices in which the interface lies, by the blocks that were looked at and a margin;
        None where that is more than is kept. The other edge of the lithium is left out."""
        nz = self._start.volume_shape[0]
        seen = np.arange(nz) if self._axis == "y" else np.flatnonzero(self._came[:count])
        if not len(cuts):
            return None
        edges = seen[np.minimum(cuts, len(seen) - 1)]
        interface = edges[:, 0] if self._cell.reversed_z else edges[:, -1]
        low, high = (int(v) for v in np.percentile(interface, (1, 99)))
        below, above = self._margin[::-1] if self._cell.reversed_z else self._margin
        first, last = max(0, low - below), min(nz, high + above)
        if self._cell.has_collector and self._cell.reversed_z:
            last = min(last, int(np.percentile(edges[:, 1], 1)) - MARGIN)
        elif self._cell.has_collector:
            first = max(first, int(np.percentile(edges[:, 0], 99)) + MARGIN)
        return Range(first, last) if LEAST_SEEN <= last - first <= MAX_SLICES else None

    def _early(self, count: int) -> bool:
        return self._axis == "z" and count < self._start.slice_count

    def _worth_looking(self, count: int) -> bool:
        """False where the mean of the whole field already says that the last layer has not come up,
        which spares the blocks while a scan runs."""
        if not self._early(count):
            return True
        profile = self._means[:count][self._came[:count]][None]
        segments = len(self._cell.layers)
        if profile.shape[1] < segments * LEAST_SEGMENT:
            return False
        cuts = _cuts(profile, segments=segments)
        lengths = np.diff(_bounds(cuts, profile.shape[1]), axis=1)
        whole = self._whole(lengths, early=True)
        return bool(whole.all()) and bool((lengths[:, -1] >= 2 * LEAST_SEEN).all())

    def guess(self) -> Levels | None:
        """Levels by all that came, for slices that cannot wait until the last layer is seen.

        None while fewer than 12 slices have come. A layer that has not come up is put where it does
        least harm: the next one soon to be met is assumed near, the one after it far away.
        """
        blocks = self._blocks(self._start.slice_count)
        if blocks is None:
            return None
        profiles, columns = blocks
        bounds = _bounds(_cuts(profiles, segments=2), profiles.shape[1])
        inside, means = _segment_means(profiles, bounds)
        noise = max(_noise(columns, inside, means), 1e-6)
        first, second = (float(v) for v in np.nanmedian(means, axis=0))
        if self._cell.layers[0] == "lithium":
            return Levels(None, first, first + FAR * noise, noise)
        if first - second <= MIN_CNR * noise:
            second = first - NEAR * noise
        third = second + FAR * noise if self._cell.has_collector else None
        return Levels(first, second, third, noise)

    def _blocks(self, count: int) -> tuple[NDArray[np.float64], NDArray[np.float32]] | None:
        """Mean profile of each block over the slices seen (n, nz); its columns (n, BLOCK², nz)."""
        if self._axis == "y":
            seen = self._profiles[:, self._came & (self._rows < count)]
        else:
            seen = self._profiles[:count][self._came[:count]]
        nz, ny, nx = len(seen), seen.shape[1] // BLOCK, seen.shape[2] // BLOCK
        if nz < 3 * LEAST_SEGMENT or ny == 0 or nx == 0:
            return None
        seen = seen[:, : ny * BLOCK, : nx * BLOCK]
        split = seen.reshape(nz, ny, BLOCK, nx, BLOCK).transpose(1, 3, 2, 4, 0)
        columns = split.reshape(ny * nx, BLOCK * BLOCK, nz)
        return columns.mean(axis=1, dtype=np.float64), columns

    def _judge(
        self,
        profiles: NDArray[np.float64],
        columns: NDArray[np.float32],
        cuts: NDArray[np.int64],
        *,
        early: bool,
    ) -> Levels | None:
        """Levels from the segments, or None where they are not the layers that the cell has."""
        bounds = _bounds(cuts, profiles.shape[1])
        whole = self._whole(np.diff(bounds, axis=1), early=early)
        if whole.mean() < (MOST if early else HALF):
            return None
        profiles, columns, bounds = profiles[whole], columns[whole], bounds[whole]
        inside, means = _segment_means(profiles, bounds)
        level = [float(np.nanmedian(means[:, s])) for s in range(means.shape[1])]
        noise = _noise(columns, inside, means)
        if not np.isfinite([*level, noise]).all() or noise <= 0:
            return None
        first, second, third = level if len(level) == 3 else self._padded(level)
        if not self._plausible(first, second, third, noise):
            return None
        return Levels(first, second, third, noise)

    def _whole(self, lengths: NDArray[np.int64], *, early: bool) -> NDArray[np.bool_]:
        """(n,) whether the last layer has come up in each block. While slices are still to come,
        lithium must also be as thick as a foil: a dark fringe beside the collector is not taken
        for it."""
        enough = lengths[:, -1] >= LEAST_SEEN
        if self._cell.has_collector:
            foil = self._cell.foil_thickness_um / self._voxel_um if self._voxel_um else 0.0
            thickness = max(LEAST_LITHIUM, FOIL_SHARE * foil) if early else LEAST_LITHIUM
            enough &= lengths[:, 1] >= thickness
        return enough

    def _padded(self, level: list[float]) -> tuple[float | None, float, float | None]:
        if self._cell.reversed_z:
            return level[0], level[1], None
        return None, level[0], level[1]

    @staticmethod
    def _plausible(first: float | None, second: float, third: float | None, noise: float) -> bool:
        """Lithium is darker than both its neighbours, by more than the levels' own uncertainty."""
        least = MIN_CNR * noise
        return all(other is None or other - second > least for other in (first, third))


def _typical(
    profiles: NDArray[np.float64], cuts: NDArray[np.int64], levels: Levels
) -> NDArray[np.bool_]:
    """(n,) the blocks whose segments have the layers' grey levels: they see the electrode."""
    _, means = _segment_means(profiles, _bounds(cuts, profiles.shape[1]))
    grey = np.array([g for g in (levels.first, levels.second, levels.third) if g is not None])
    least = np.abs(np.diff(grey)).min()
    near: NDArray[np.bool_] = (np.abs(means - grey) < 0.5 * least).all(axis=1)
    return near


def _grid(length: int) -> NDArray[np.int64]:
    """Places sampled along a side: groups of BLOCK, two pixels apart, spread evenly.

    A block is so narrow that a pit's wall crosses it within a few voxels.
    """
    if length < GRID * PITCH:
        return np.arange(min(GRID, length))
    groups = ((np.arange(GRID // BLOCK) + 0.5) * (length * BLOCK / GRID)).astype(np.int64)
    offsets = PITCH * (np.arange(BLOCK) - BLOCK // 2)
    return (groups[:, None] + offsets).ravel()


def _fixed(cell: CellSettings) -> Levels | None:
    grey: GreyLevels = cell.grey_levels
    if grey.lithium is None or grey.electrolyte is None or grey.noise is None:
        return None
    if cell.has_collector and grey.collector is None:
        return None
    below, above = grey.collector, grey.electrolyte
    if cell.reversed_z:
        return Levels(above, grey.lithium, below, grey.noise)
    return Levels(below, grey.lithium, above, grey.noise)


def _cuts(profiles: NDArray[np.float64], *, segments: int) -> NDArray[np.int64]:
    """(n, segments − 1) first indices of the later segments, found on profiles binned along z."""
    n, nz = profiles.shape
    step = max(1, -(-nz // MAX_BINS))
    whole = nz // step
    binned = profiles[:, : whole * step].reshape(n, whole, step).mean(axis=2)
    least = max(1, LEAST_SEGMENT // step)
    if segments == 2:
        cuts = _one_cut(binned, least)
    else:
        cuts = np.zeros((n, 2), np.int64)
        kernels.three_segments(np.ascontiguousarray(binned), least, cuts)
    cuts *= step
    return cuts


def _one_cut(profiles: NDArray[np.float64], least: int) -> NDArray[np.int64]:
    nz = profiles.shape[1]
    sums = np.cumsum(profiles, axis=1)
    length = np.arange(1, nz)
    rest = sums[:, -1:] - sums[:, :-1]
    gain = sums[:, :-1] ** 2 / length + rest**2 / (nz - length)
    gain[:, : least - 1] = -np.inf
    gain[:, nz - least :] = -np.inf
    cut: NDArray[np.int64] = (np.argmax(gain, axis=1) + 1)[:, None]
    return cut


def _bounds(cuts: NDArray[np.int64], nz: int) -> NDArray[np.int64]:
    """(n, segments + 1): where each segment begins, and where the last one ends."""
    return np.column_stack([np.zeros(len(cuts), np.int64), cuts, np.full(len(cuts), nz)])


def _segment_means(
    profiles: NDArray[np.float64], bounds: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Masks (n, segments, nz) of the segments' inner voxels, and their means (n, segments).

    The margin is halved where a segment is too short for it; the scan's own ends need none.
    """
    nz = profiles.shape[1]
    z = np.arange(nz)
    low, high = bounds[:, :-1], bounds[:, 1:]
    margin = np.minimum(MARGIN, (high - low) // 4)
    low = low + np.where(low > 0, margin, 0)
    high = high - np.where(high < nz, margin, 0)
    inside = (z >= low[:, :, None]) & (z < high[:, :, None])
    count = inside.sum(axis=2)
    with np.errstate(invalid="ignore"):
        means = (profiles[:, None, :] * inside).sum(axis=2) / np.where(count, count, np.nan)
    return inside, means


def _noise(
    columns: NDArray[np.float32], inside: NDArray[np.bool_], means: NDArray[np.float64]
) -> float:
    """Robust standard deviation of single voxels about their segment's mean, in the darkest segment
    and the one that follows or precedes it with the weaker contrast: lithium and electrolyte."""
    few = max(1, len(columns) // 64)
    columns, inside, means = columns[::few], inside[::few], means[::few]
    order = np.argsort(np.nanmedian(means, axis=0))
    deviations = []
    for segment in order[:2]:
        kept = columns - means[:, None, None, segment].astype(np.float32)
        mask = np.broadcast_to(inside[:, None, segment, :], kept.shape)
        deviations.append(kept[mask])
    values = np.concatenate(deviations)
    return 1.4826 * float(np.median(np.abs(values))) if values.size else float("nan")
