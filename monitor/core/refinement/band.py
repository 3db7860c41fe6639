"""The slices around the interface, kept as log-likelihood ratios until it can be refined."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.refinement import kernels
from monitor.core.refinement.edge_response import Profile, rows_to_learn_from
from monitor.core.refinement.refine import (
    EDGE_BLUR,
    REACH,
    SIGMA_PX,
    along_first_look,
    averaged,
    gaussian,
    interface,
    row_blocks,
)
from monitor.records import ScanStart

MAX_SLICES = 256
NEAR_GAP = 3
LARGEST_SPARE = 2**28
EDGE_COLUMNS, EDGE_BLOCKS = 65536, 4
"""Columns that the edge's shape is learned from, and in how many places."""
EDGE_CNR = (1.5, 3.0)
"""Below, what columns are aligned by is noise, and so would be the edge; above, it is as it is."""

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Range:
    """Slices `first` to `last` (not included) between which the interface lies in all columns."""

    first: int
    last: int


class Spare:
    """The memory of one band, handed on to the next: to fetch fresh pages from the system takes
    longer than to fill them. A large one is given back: maps need its place."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.int8)

    def take(self, shape: tuple[int, int, int]) -> NDArray[np.int8]:
        """An array of this shape; what it holds is arbitrary."""
        size = math.prod(shape)
        taken = self._bytes if self._bytes.size >= size else np.empty(size, np.int8)
        self._bytes = np.empty(0, np.int8)
        return taken[:size].reshape(shape)

    def give(self, array: NDArray[np.int8]) -> None:
        """Take back what `take` gave; nobody may use it any more."""
        flat = array.base if array.base is not None else array
        if self._bytes.size < flat.size <= LARGEST_SPARE:
            self._bytes = flat.reshape(-1)


class Band:
    """The slices around the interface, as ratios of "beyond the interface" to "before it".

    `ratios`: (ny, n, nx) int8, the slices `around`; `came`: (n,), or (ny,) where slices are
    `vertical`, those of them that are there.
    """

    def __init__(
        self,
        start: ScanStart,
        around: Range,
        ratio: NDArray[np.float32],
        spare: Spare,
        ratios: NDArray[np.int8] | None = None,
        came: NDArray[np.bool_] | None = None,
    ) -> None:
        """`ratio`: gain, offset and limit of the log-likelihood ratio of a grey value; `ratios`
        and `came`: what there is already."""
        _, ny, nx = start.volume_shape
        planes = around.last - around.first
        self.around = around
        self.vertical = start.axis == "y"
        self._ratio = ratio
        self._spare = spare
        self.came = np.zeros(ny if self.vertical else planes, np.bool_) if came is None else came
        # a row's slices lie together: each row is worked through from the cache
        self.ratios = spare.take((ny, planes, nx)) if ratios is None else ratios

    def add(self, z: int, image: NDArray[np.generic]) -> None:
        """Slice z (ny, nx), if it is one of those kept."""
        if self.around.first <= z < self.around.last:
            plane = z - self.around.first
            kernels.quantise(image, *self._ratio, self.ratios[:, plane])
            self.came[plane] = True

    def add_vertical(self, row: int, image: NDArray[np.generic]) -> None:
        """Vertical slice (nz, nx) at index `row` along y."""
        cut = image[self.around.first : self.around.last]
        kernels.quantise(cut, *self._ratio, self.ratios[row])
        self.came[row] = True

    def _bridge(self) -> None:
        """What did not arrive lies linearly between its neighbours, so that a gap pulls no edge."""
        there = np.flatnonzero(self.came)
        along = self.ratios if self.vertical else self.ratios.transpose(1, 0, 2)
        for gap in np.flatnonzero(~self.came):
            before, after = there[there < gap], there[there > gap]
            if not there.size:
                along[gap] = 0
            elif not before.size or not after.size:
                along[gap] = along[after[0] if after.size else before[-1]]
            else:
                low, high = before[-1], after[0]
                part = np.float32((gap - low) / (high - low))
                along[gap] = np.rint(
                    along[low] + part * (along[high] - along[low].astype(np.int16))
                )

    def _share_bridged(self, place: Map, reach: int = NEAR_GAP) -> Map:
        """Share of the planes around each place that did not arrive: there the edge is guessed."""
        width = 2 * reach + 1
        near = np.convolve(~self.came, np.ones(width) / width, "same").astype(np.float32)
        at = np.nan_to_num(place).astype(np.int64).clip(0, len(near) - 1)
        share: Map = near[at]
        return share

    @property
    def limit(self) -> float:
        """The log-likelihood ratio that 127 units stand for, nats."""
        return float(self._ratio[2])

    def close(self) -> None:
        """Give the memory back."""
        self._spare.give(self.ratios)

    def _edge(self) -> Map:
        """Half of the blur that the scan's edges have, from some of its columns; the usual one
        where they do not tell."""
        ny, _, nx = self.ratios.shape
        profile = Profile(2 * REACH)
        for rows in rows_to_learn_from(ny, nx, EDGE_COLUMNS, EDGE_BLOCKS):
            surface, paths = along_first_look(self.ratios[rows])
            residue = surface - averaged(surface, SIGMA_PX)
            if not self.vertical:
                residue[self._share_bridged(surface, REACH) > 0] = np.nan
            profile.add(paths, residue)
        low, high = EDGE_CNR
        cnr = math.sqrt(2.0 * self.limit + 16.0) - 4.0  # limit: cnr²/2 + 4 cnr (calibrate)
        return profile.weights(gaussian(EDGE_BLUR), min(1.0, max(0.0, (cnr - low) / (high - low))))

    def interface(self, *, usual_edge: bool = False) -> tuple[Map, Map]:
        """Position of the interface and its standard deviation, (ny, nx) float32, in slices.

        NaN where no edge is found within reach of the first look. `usual_edge`: the edge's shape is
        not to be learned, as another one may be near.
        """
        ny, _, nx = self.ratios.shape
        self._bridge()
        place = np.empty((ny, nx), np.float32)
        error = np.empty((ny, nx), np.float32)
        edge = gaussian(EDGE_BLUR) if usual_edge else self._edge()
        for rows, near, inner in row_blocks(ny):
            part = interface(self.ratios[near], edge)
            place[rows], error[rows] = part[0][inner], part[1][inner]
        if not self.came.all() and not self.vertical:
            error *= 1 + self._share_bridged(place)
        place += np.float32(self.around.first - 0.5)
        return place, error
