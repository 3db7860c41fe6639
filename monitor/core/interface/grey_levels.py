"""Grey level and noise of each layer, found from the data of the scan itself.

A grid of columns is sampled as slices arrive. Blocks of neighbouring columns are averaged, each
block's profile along z is cut into three flat segments by least squares, and the levels are the
medians over the blocks of the segments' means, the voxels near the cuts (blur, fringe) left out.
Profiles are cut from the collector upwards whichever way the slice index runs: a volume sent
reversed is reported the same levels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.interface.layer_segmentation import (
    LEAST_SEGMENT,
    MARGIN,
    bounds_of,
    cuts_of,
    lengths_of,
    segment_means,
)
from monitor.core.interface.levels import Levels, fixed_levels, levels_of
from monitor.core.refinement.band import MAX_SLICES, Range
from monitor.core.robust import sigma_of
from monitor.records import ScanStart
from monitor.settings import CellSettings

GRID = 64
BLOCK = 4
PITCH = 2
BAND_MARGIN, MOSS_MARGIN = (20, 20), (60, 25)
"""Slices kept before and beyond the interface, seen from the lithium. The dense lithium below moss
lies deep: filled pits are part of it."""
LEAST_SEEN = 12
"""Slices of electrolyte that must be there, and, while slices are still to come, of the last layer:
a fringe beside lithium is not taken for it."""
LAST_SEEN = 2 * LEAST_SEEN
"""Slices of the last layer, on average over the field, from which it is looked for."""
THIN_SEEN = 8
"""Slices of it that are enough where all layers look as in the scan before: the two next to the
lithium are left out, as they are partly lithium."""
ALIKE = 0.1
"""How far grey levels may be from those of the scan before, of the contrast of lithium to its
neighbours, to be taken for the same layers; and the noise, of itself: three times as far."""
LEAST_LITHIUM = 8
FOIL_SHARE = 0.3
MIN_CNR = 0.3
NEAR, FAR = 3.0, 6.0
NEWEST = 2
"""Slices that show how bright the last layer is, where it only begins to show."""
MOST, HALF = 0.8, 0.5
"""Share of the blocks that must show all layers: while slices arrive, and in the end. The field may
lie partly outside the electrode."""


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
        self._two_layers: Levels | None = None
        # zeros: pages of memory are taken as slices arrive, not because a header names them
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

    def levels(
        self, count: int, *, coming: bool = False, expected: Levels | None = None
    ) -> Levels | None:
        """The levels by the first `count` slices, or None while a layer is not seen well enough.

        Only slices up to `count` matter, whenever the others arrived: the order of arrival changes
        nothing. `coming`: of these too some are still to come, or have gone by other levels.
        `expected`: those of the scan before; a last layer that is only beginning to come up is
        taken for what it is if all layers look as they did then.
        """
        fixed = fixed_levels(self._cell)
        found = self._found(count, coming, expected)
        if fixed is not None and (found is not None or not self._early(count)):
            return fixed
        return found

    def _found(self, count: int, coming: bool, expected: Levels | None) -> Levels | None:
        thin = expected is not None
        if not self._worth_looking(count, thin):
            return None
        blocks = self._blocks(count, upwards=True)
        if blocks is None:
            return None
        profiles, columns = blocks
        cuts = cuts_of(profiles, segments=len(self._cell.layers))
        least = self._least(count, coming, thin)
        grey = self._judge(profiles, columns, cuts, least, MOST if self._early(count) else HALF)
        if grey is None:
            return None
        *levels, noise = grey
        if expected is not None and not _alike(levels, noise, expected, self._cell):
            return None
        self.around = self._around(cuts[_typical(profiles, cuts, levels)], count)
        collector = levels[0] if self._cell.has_collector else None
        return levels_of(self._cell, collector, levels[-2], levels[-1], noise)

    def _around(self, cuts: NDArray[np.int64], count: int) -> Range | None:
        """The slices in which the interface lies, by the blocks that were looked at and a margin;
        None if that is more than is kept. The other edge of the lithium is left out."""
        nz = self._start.volume_shape[0]
        seen = np.arange(nz) if self._axis == "y" else np.flatnonzero(self._came[:count])
        if not len(cuts):
            return None
        if self._cell.reversed_z:
            seen = nz - 1 - seen[::-1]
        edges = seen[np.minimum(cuts, len(seen) - 1)]
        low, high = (int(v) for v in np.percentile(edges[:, -1], (1, 99)))
        below, above = self._margin
        first, last = max(0, low - below), min(nz, high + above)
        if self._cell.has_collector:
            first = max(first, int(np.percentile(edges[:, 0], 99)) + MARGIN)
        if not LEAST_SEEN <= last - first <= MAX_SLICES:
            return None
        return Range(nz - last, nz - first) if self._cell.reversed_z else Range(first, last)

    def _early(self, count: int) -> bool:
        return self._axis == "z" and count < self._start.slice_count

    def _worth_looking(self, count: int, thin: bool) -> bool:
        """False if the mean of the whole field already says that the last layer has not come up,
        which spares the blocks while a scan runs. `thin`: it may be only beginning to."""
        if not self._early(count):
            return True
        profile = self._means[:count][self._came[:count]][None]
        segments = len(self._cell.layers)
        if profile.shape[1] < segments * LEAST_SEGMENT:
            return False
        if self._cell.reversed_z:
            profile = np.ascontiguousarray(profile[:, ::-1])
        lengths = lengths_of(cuts_of(profile, segments=segments), profile.shape[1])[0]
        last = lengths[0] if self._cell.reversed_z else lengths[-1]
        enough = (lengths >= self._least(count, True, thin)).all()
        return bool(enough and (thin or last >= LAST_SEEN))

    def guess(self) -> Levels | None:
        """Levels by all that arrived, for slices that cannot wait until the last layer is visible.

        None while fewer than 12 slices have arrived. A layer that has not come up is put where it
        does least harm: the next one soon to be met is assumed near, the one after it far away.
        Where the last one begins to show, the others are what they were before.
        """
        blocks = self._blocks(self._start.slice_count, upwards=False)
        if blocks is None:
            return None
        profiles, columns = blocks
        newest = float(np.median(profiles[:, -NEWEST:].mean(axis=1)))
        seen = self._two_layers
        if seen is not None and newest - seen.second > seen.noise:
            return replace(seen, third=newest)
        bounds = bounds_of(cuts_of(profiles, segments=2), profiles.shape[1])
        inside, means = segment_means(profiles, bounds)
        noise = max(_noise(columns, inside, means), 1e-6)
        first, second = (float(v) for v in np.nanmedian(means, axis=0))
        if self._cell.layers[0] == "lithium":
            return Levels(None, first, first + FAR * noise, noise)
        is_seen = first - second > MIN_CNR * noise
        if not is_seen:
            second = first - NEAR * noise
        third = second + FAR * noise if self._cell.has_collector else None
        levels = Levels(first, second, third, noise)
        if is_seen and self._cell.has_collector:
            self._two_layers = levels
        return levels

    def _blocks(
        self, count: int, *, upwards: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]] | None:
        """Mean profile of each block over the slices seen (n, nz); its columns (n, BLOCK², nz).
        `upwards`: from the collector on, otherwise as the slice index runs."""
        if self._axis == "y":
            seen = self._profiles[:, self._came & (self._rows < count)]
        else:
            seen = self._profiles[:count][self._came[:count]]
        nz, ny, nx = len(seen), seen.shape[1] // BLOCK, seen.shape[2] // BLOCK
        if nz < 3 * LEAST_SEGMENT or ny == 0 or nx == 0:
            return None
        seen = seen[:, : ny * BLOCK, : nx * BLOCK]
        if upwards and self._cell.reversed_z:
            seen = seen[::-1]
        split = seen.reshape(nz, ny, BLOCK, nx, BLOCK).transpose(1, 3, 2, 4, 0)
        columns = split.reshape(ny * nx, BLOCK * BLOCK, nz)
        return columns.mean(axis=1, dtype=np.float64), columns

    def _judge(
        self,
        profiles: NDArray[np.float64],
        columns: NDArray[np.float32],
        cuts: NDArray[np.int64],
        least: NDArray[np.float64],
        share: float,
    ) -> list[float] | None:
        """The segments' grey levels, upwards, and the noise; None if they are not the layers
        that the cell has, or fewer than `share` of the blocks show them all."""
        whole = (lengths_of(cuts, profiles.shape[1]) >= least).all(axis=1)
        if whole.mean() < share:
            return None
        profiles, columns = profiles[whole], columns[whole]
        inside, means = segment_means(profiles, bounds_of(cuts[whole], profiles.shape[1]))
        level = [float(np.nanmedian(means[:, s])) for s in range(means.shape[1])]
        noise = _noise(columns, inside, means)
        if not np.isfinite([*level, noise]).all() or noise <= 0:
            return None
        return [*level, noise] if self._plausible(level, noise) else None

    def _least(self, count: int, coming: bool, thin: bool) -> NDArray[np.float64]:
        """(segments,) slices that each layer must have, upwards, to count as come up; `thin`: of
        the last one, few are enough.

        While slices are still to come, lithium must also be as thick as a foil: a dark fringe
        beside the collector is not taken for it. Reversed, the collector comes last; it may be thin
        only where the volume's end was seen.
        """
        least: dict[str, float] = {"collector": LEAST_SEGMENT, "electrolyte": LEAST_SEEN}
        least["lithium"] = LEAST_SEGMENT
        early = self._early(count)
        if self._cell.has_collector:
            foil = self._cell.foil_thickness_um / self._voxel_um if self._voxel_um else 0.0
            least["lithium"] = max(LEAST_LITHIUM, FOIL_SHARE * foil) if early else LEAST_LITHIUM
        layers = self._cell.layers
        if early or (coming and self._axis == "z") or not self._end_came():
            least[layers[-1]] = max(THIN_SEEN if thin else LEAST_SEEN, least[layers[-1]])
        upwards = layers[::-1] if self._cell.reversed_z else layers
        return np.array([least[layer] for layer in upwards], np.float64)

    def _end_came(self) -> bool:
        """Whether fewer slices than a layer must have are missing at the volume's last end."""
        return self._axis == "y" or bool(self._came[-LEAST_SEGMENT:].any())

    @staticmethod
    def _plausible(level: list[float], noise: float) -> bool:
        """Lithium is darker than both its neighbours, by more than the levels' own uncertainty."""
        *below, lithium, above = level
        return all(other - lithium > MIN_CNR * noise for other in (*below, above))


def _typical(
    profiles: NDArray[np.float64], cuts: NDArray[np.int64], levels: list[float]
) -> NDArray[np.bool_]:
    """(n,) the blocks whose segments have the layers' grey levels: they see the electrode."""
    _, means = segment_means(profiles, bounds_of(cuts, profiles.shape[1]))
    grey = np.array(levels)
    least = np.abs(np.diff(grey)).min()
    near: NDArray[np.bool_] = (np.abs(means - grey) < 0.5 * least).all(axis=1)
    return near


def _alike(upwards: list[float], noise: float, other: Levels, cell: CellSettings) -> bool:
    """Whether levels, from the collector upwards, and noise are those of another scan."""
    same = levels_of(cell, upwards[0], upwards[-2], upwards[-1], noise)
    pairs = (same.first, other.first), (same.second, other.second), (same.third, other.third)
    known = [(one, two) for one, two in pairs if one is not None and two is not None]
    if len(known) < len(pairs):
        return False
    contrast = min(abs(two - other.second) for _, two in (known[0], known[2]))
    near = all(abs(one - two) <= ALIKE * contrast for one, two in known)
    return near and abs(noise - other.noise) <= 3 * ALIKE * other.noise


def _grid(length: int) -> NDArray[np.int64]:
    """Places sampled along a side: groups of BLOCK, two pixels apart, spread evenly.

    A block is so narrow that a pit's wall crosses it within a few voxels.
    """
    if length < GRID * PITCH:
        return np.arange(min(GRID, length))
    groups = ((np.arange(GRID // BLOCK) + 0.5) * (length * BLOCK / GRID)).astype(np.int64)
    offsets = PITCH * (np.arange(BLOCK) - BLOCK // 2)
    return (groups[:, None] + offsets).ravel()


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
    return sigma_of(np.concatenate(deviations))
