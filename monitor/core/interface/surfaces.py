"""Slabs of slices → the two edges of the lithium, column by column → heights with errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.core.deposit.surfaces import Deposit, deposit
from monitor.core.interface import height_kernels, kernels
from monitor.core.interface.heights import SCATTER_SAMPLES, Heights, Map, Moss, scatter
from monitor.core.interface.levels import Levels
from monitor.core.interface.window import Window
from monitor.core.refinement.band import Band, Range, Spare
from monitor.core.refinement.refine import smoothed
from monitor.core.robust import MAD_TO_SIGMA, known_of_rows
from monitor.records import LEDGER_MISSING, ScanStart, frozen
from monitor.settings import CellSettings

MIN_EVIDENCE = 5.0
MIN_SHARE = 0.25
NEAR_HOLE = 3
STRAY_BOTTOM, STRAY_SPREADS = 6.0, 6.0
RIM_PX, RIM_SHARE = 7, 0.05
MOSS_EXPECTED = 0.9
LOOK_EVERY = 64
"""Slices between two looks at whether a scan whose field leaves the electrode has settled."""


class Surfaces:
    """The two edges of the lithium in one scan, column by column, while its slices arrive."""

    def __init__(
        self,
        start: ScanStart,
        cell: CellSettings,
        spare: Spare | None = None,
        *,
        plated: bool = False,
    ) -> None:
        """`plated`: lithium was plated before this scan, so that there may be moss."""
        _, ny, nx = start.volume_shape
        self._start = start
        self._cell = cell
        self._state = np.zeros((ny, kernels.PLANES, nx), np.float32)
        self._stage = np.full(ny, kernels.OPEN)
        self._until = np.zeros(ny, np.float32)
        if cell.layers == ("lithium", "electrolyte"):
            self._state[:, kernels.EVIDENCE_1] = 2 * kernels.SETTLED
            self._stage[:] = kernels.FIRST_SETTLED
        self._model = np.zeros(6, np.float32)
        self._levels: Levels | None = None
        self._band: Band | None = None
        self._window: Window | None = None
        self._refined: tuple[Map, Map] | None = None
        self._is_refined = self._is_settled = False
        self._look_at = 0
        self._off: NDArray[np.bool_] | None = None
        self._deposit: Deposit | None = None
        self._settled: Heights | None = None
        self._plated = plated
        self._spare = spare or Spare()

    @property
    def refined(self) -> bool:
        """Whether the interface has been found to a fraction of a voxel: it moves no more."""
        return self._is_refined

    @property
    def settled(self) -> bool:
        """Whether no slice to come, or missing, can change any height any more."""
        return self._is_settled

    def set_levels(
        self, levels: Levels, around: Range | None = None, *, final: bool = True
    ) -> None:
        """The grey levels that the slices to come are judged by, and where the interface is.

        With `around` (slices that are all still to come, or kept) the interface is refined: now, if
        the last of them is there. Until levels are `final`, slices along z to come are kept.
        """
        self._levels = levels
        self._model = levels.model()
        are_kept = False
        if around is not None:
            ratio = self._model[:3] if self._cell.reversed_z else self._model[3:]
            if self._window is not None and self._window.reaches(around):
                are_kept = self._window.end >= around.last
                self._band = self._window.band(around, ratio, self._spare)
            else:
                self._band = Band(self._start, around, ratio, self._spare)
        if final or around is not None:
            self._window = None
        elif self._window is not None:
            self._window.span(levels)
        elif self._start.axis == "z":
            self._window = Window(self._start, levels)
        if are_kept:
            self._refine()

    def keeps(self, around: Range) -> bool:
        """Whether the slices of a range that were added have been kept."""
        return self._window is not None and self._window.reaches(around)

    def add(self, first: int, slices: tuple[NDArray[np.generic], ...]) -> None:
        """Slices `first`, `first` + 1, … along z, each (ny, nx); read in place."""
        if self._is_settled:
            return
        done, rows = 0, (self._state, self._stage, self._until)
        for size in (kernels.SLAB, kernels.GROUP):
            while len(slices) - done >= size:
                slab = slices[done : done + size]
                kernels.advance(slab, first + done, self._model, *rows)
                done += size
        for image in slices[done:]:
            kernels.advance_one(image, first + done, self._model, *rows)
            done += 1
        self._keep(first, slices)
        if self.refined:
            self._settle(first + len(slices))

    def _settle(self, end: int) -> None:
        """Looks whether the edges of all columns are beyond doubt, but for those that lie off the
        electrode and never show all layers: these have no height, whatever is to come. `end`: index
        of the next slice."""
        self._is_settled = bool((self._stage == kernels.DONE).all())
        upright = self._cell.has_collector and not self._cell.reversed_z
        if self._is_settled or not upright or end < self._look_at:
            return
        self._look_at = end + LOOK_EVERY
        none_missing = np.zeros(self._start.volume_shape[0], np.bool_)
        edge, bottom, *_ = self._columns(none_missing)
        off = self._off_electrode(edge, bottom)
        if not kernels.open_columns(self._state, self._stage, self._until, off).any():
            self._is_settled, self._off = True, off

    def _keep(self, first: int, slices: tuple[NDArray[np.generic], ...]) -> None:
        """Slices near the interface are kept; it is refined as soon as the last of them has
        arrived, while the scan continues."""
        if self._window is not None:
            for z, image in enumerate(slices, first):
                self._window.add(z, image)
        if self._band is None:
            return
        for z, image in enumerate(slices, first):
            self._band.add(z, image)
        if first + len(slices) >= self._band.around.last:
            self._refine()

    def _refine(self) -> None:
        if self._band is not None:
            self._refined = self._band.interface(usual_edge=self._plated)
            self._is_refined = True
            self._look_at = self._band.around.last + int(kernels.SETTLED_DEPTH)
            if self._plated:
                self._refined = self._look_for_moss(self._band, *self._refined)
            self._band.close()
            self._band = None

    def _look_for_moss(self, band: Band, place: Map, error: Map) -> tuple[Map, Map]:
        """The top of the dense lithium and its error, in slices; NaN where it cannot be
        determined."""
        found = deposit(
            band.ratios,
            band.around,
            band.limit,
            place,
            error,
            came=band.came,
            vertical=band.vertical,
            reversed_z=self._cell.reversed_z,
            expected=MOSS_EXPECTED,
        )
        if not found.stack.present:
            return place, error
        self._deposit = found
        return found.dense, found.dense_error

    def add_vertical(self, row: int, image: NDArray[np.generic]) -> None:
        """The vertical slice (nz, nx) at index `row` along y."""
        kernels.advance_column_slice(image, self._model, self._state[row])
        self._until[row] = len(image)
        if self._band is not None:
            self._band.add_vertical(row, image)

    def heights(self, ledger: NDArray[np.uint8], *, last: bool = False) -> Heights:
        """Heights by the slices so far. `ledger`: (n,) as in ScanResult, for the holes; `last`: no
        more slices will arrive."""
        if self._settled is None:
            if last:
                self._refine()
            heights = self._measured(ledger)
            if not (last or self.settled):
                return heights
            self._settled = heights
            self._state = self._state[:, :, :0].copy()
            self._refined = self._deposit = self._off = None
        return self._settled

    def _columns(self, missing: NDArray[np.bool_]) -> tuple[Map, Map, Map, Map]:
        """Of single columns, in voxels: the edge next to the collector (counted from 1), bottom,
        height, and the variance by the `missing` slices, (n,)."""
        lower, upper = self._edges()
        height, bottom, variance = (np.empty(lower.shape, np.float32) for _ in range(3))
        height_kernels.measure(
            lower,
            upper,
            self._state,
            self._until,
            self._least_evidence(),
            _hole_before(missing),
            _share_missing(missing),
            self._cell.reversed_z,
            height,
            bottom,
            variance,
        )
        return upper if self._cell.reversed_z else lower, bottom, height, variance

    def _measured(self, ledger: NDArray[np.uint8]) -> Heights:
        along_z = self._start.axis == "z"
        nz = self._start.volume_shape[0]
        missing = ledger == LEDGER_MISSING if along_z else np.zeros(nz, np.bool_)
        edge, bottom, height, variance = self._columns(missing)
        if self._cell.has_collector:
            off = self._off_electrode(edge, bottom) if self._off is None else self._off
            for values in (height, bottom, variance):
                values[off] = np.nan
        del edge
        if self._refined is None:
            noise = scatter(height)
            variance += np.float32(noise) ** 2
        else:
            noise = _typical(self._refined[1])
            self._put_refined(*self._refined, height, bottom, variance)
        voxel = self._start.voxel_size[0]
        height_kernels.into_lengths(height, bottom, variance, np.float32(voxel))
        moss = self._moss(height, bottom, variance)
        return Heights(
            frozen(height), frozen(variance), frozen(bottom), noise * float(np.float32(voxel)), moss
        )

    def _moss(self, height: Map, bottom: Map, error: Map) -> Moss | None:
        """The moss in the length unit; changes `height` and `error`: what is under moss and cannot
        be determined has no number."""
        found = self._deposit
        if found is None:
            return None
        unknown = ~np.isfinite(found.dense)
        height[unknown] = error[unknown] = np.nan
        voxel, nz = np.float32(self._start.voxel_size[0]), self._start.volume_shape[0]
        front = nz - 1 - found.front if self._cell.reversed_z else found.front
        front = np.where(np.isfinite(height), voxel * front - bottom, np.float32(np.nan))
        return Moss(
            frozen(front),
            frozen(voxel * found.front_error),
            frozen(found.confidence),
            found.stack.porosity,
            found.stack.porosity_error,
            found.stack.share,
        )

    def _put_refined(
        self, place: Map, place_error: Map, height: Map, bottom: Map, variance: Map
    ) -> None:
        """The refined interface over a smoothed bottom, in voxels, in place of the single columns'.

        The bottom is the surface of a stiff collector: neighbours are averaged (Gaussian, two
        pixels). If no edge was refined, the column's own stays, with its larger error.
        """
        alone = np.float32(scatter(height)) ** 2
        if self._cell.has_collector:
            np.copyto(bottom, smoothed(bottom), where=np.isfinite(bottom))
        top = self._start.volume_shape[0] - 1 - place if self._cell.reversed_z else place
        height_kernels.put(top, place_error, bottom, alone, height, variance)

    def _edges(self) -> tuple[Map, Map]:
        """Positions of the lithium's two edges along the slice index, voxel centres at 1, 2, … as
        the kernels count them; where layers leave one open, the end of the field."""
        nz = self._start.volume_shape[0]
        first, second = self._state[:, kernels.EDGE_1_OF_2], self._state[:, kernels.EDGE_2]
        if self._cell.layers == ("lithium", "electrolyte"):
            first = np.full(second.shape, 0.5, np.float32)
        elif self._cell.layers == ("electrolyte", "lithium"):
            first = self._state[:, kernels.EDGE_1]
            second = np.full(first.shape, nz + 0.5, np.float32)
        return first, second

    def _least_evidence(self) -> tuple[np.float32, np.float32, np.float32]:
        """Evidence that a column must have to be measured: of the first edge, of the second, and of
        the second for each voxel beyond it, which must have the grey level expected there."""
        levels = self._levels
        if self._cell.layers == ("electrolyte", "lithium"):
            values = (MIN_EVIDENCE, -np.inf, 0.0)
        elif levels is None or levels.third is None:
            values = (np.inf, np.inf, 0.0)
        else:
            # reversed, the collector beyond takes back the evidence that it was entered by lithium
            entry = -np.inf if self._cell.reversed_z else MIN_EVIDENCE
            expected = 0.5 * ((levels.third - levels.second) / levels.noise) ** 2
            values = (entry, MIN_EVIDENCE, MIN_SHARE * expected)
        first, second, per_voxel = (np.float32(value) for value in values)
        return first, second, per_voxel

    def _off_electrode(self, edge: Map, bottom: Map) -> NDArray[np.bool_]:
        """(ny, nx) columns whose `edge` next to the collector lies far from where the collector is:
        they see no electrode. Where many lie together the field leaves it, and neighbours are
        misled there."""
        stray, off = np.zeros(edge.shape, np.bool_), np.zeros(edge.shape, np.bool_)
        known = known_of_rows(bottom, SCATTER_SAMPLES)
        if not known.size:
            return off
        middle = np.median(known)
        spread = MAD_TO_SIGMA * np.median(np.abs(known - middle))
        limit = np.float32(max(STRAY_BOTTOM, STRAY_SPREADS * spread))
        top = self._start.volume_shape[0] - 1 if self._cell.reversed_z else -1
        place = np.float32(top), np.float32(middle), limit
        counts = height_kernels.strays(edge, self._until, *place, stray)
        most = RIM_SHARE * (2 * RIM_PX + 1) ** 2
        height_kernels.off_electrode(stray, counts, RIM_PX, most, off)
        return off


def _typical(error: Map) -> float:
    """Median of a map's known values; of a large map, one row in some is enough."""
    known = known_of_rows(error, SCATTER_SAMPLES)
    return float(np.median(known)) if known.size else float("nan")


def _hole_before(missing: NDArray[np.bool_]) -> Map:
    """(n,) number of missing slices right before each slice that arrived, 0 for the missing
    ones."""
    before = np.zeros(len(missing), np.float32)
    run = 0
    for z in range(len(missing)):
        before[z] = 0 if missing[z] else run
        run = run + 1 if missing[z] else 0
    return before


def _share_missing(missing: NDArray[np.bool_]) -> Map:
    """(n,) share of the slices within `NEAR_HOLE` of each one that are missing."""
    width = 2 * NEAR_HOLE + 1
    near = np.convolve(missing, np.ones(width) / width)[NEAR_HOLE:-NEAR_HOLE]
    return near.astype(np.float32)
