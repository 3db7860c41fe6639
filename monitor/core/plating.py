"""What charge has plated since the last discharge: how much, where, and how porous."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.cycler.history import CyclerHistory
from monitor.core.deposit.mass_balance import plated_um, plating_shares, porosity_by_charge
from monitor.core.interface.heights import Heights
from monitor.core.interface.levels import Levels
from monitor.core.pits.link import PitMap
from monitor.records import ScanStart
from monitor.settings import CellSettings


@dataclass(frozen=True, eq=False)
class Measured:
    """One finished scan: where and when, which slices arrived, and the heights they gave.

    `refined`: heights are those of neighbouring columns together; if they are not,
    `refine_memory_MB` is what slices would have had to wait in, None if that is not the reason.
    `plated`: a porous deposit on the lithium was looked for. `made_again`: it was interrupted, and
    the same scan is being made again: that one is the reference, if there is none yet. `running`:
    slices are still to come, none of which can change the heights.
    """

    start: ScanStart
    ledger: NDArray[np.uint8]
    levels: Levels | None
    heights: Heights
    refined: bool = False
    refine_memory_MB: float | None = None
    plated: bool = False
    made_again: bool = False
    running: bool = False


@dataclass(frozen=True, slots=True)
class Plating:
    """What has been plated since the last discharge: mean thickness, µm (voxels), the share of it
    that lies in pits, and the share of the field in which it was measured. If it is porous, its
    thickness, the share of the field that has it, and its porosity: by the slices, with its
    standard deviation and confidence (0 to 1), and by the charge. None = unknown."""

    plated_um: float
    plated_in_pits: float
    plated_measured: float
    moss_um: float | None = None
    moss_share: float | None = None
    moss_porosity: float | None = None
    moss_porosity_error: float | None = None
    moss_confidence: float | None = None
    moss_porosity_by_charge: float | None = None


class PlatingWatch:
    """Follows one cell: its last scan before lithium was plated, and what has grown on it."""

    def __init__(self, cell: CellSettings) -> None:
        self._cell = cell
        self._before: Measured | None = None
        self._labels: NDArray[np.int32] | None = None

    def update(self, scan: Measured, history: CyclerHistory, pits: PitMap | None) -> Plating | None:
        """Takes in one scan; None before lithium has been plated. All scans are in one frame.

        `pits`: those of the scan before this one. Porosity by charge takes the field's share of
        the current to be that of the electrode.
        """
        if not history.plated_by(scan.start.time) or self._before is None:
            self._before = scan
            return None
        if self._labels is None:
            shape = scan.heights.height.shape
            self._labels = pits.labels if pits is not None else np.zeros(shape, np.int32)
        if self._before.start.volume_shape[1:] != scan.start.volume_shape[1:]:
            return None
        return self._numbers(self._before, scan, history, self._labels)

    def _numbers(
        self, before: Measured, scan: Measured, history: CyclerHistory, labels: NDArray[np.int32]
    ) -> Plating | None:
        q0, q1 = history.charge_at(before.start.time), history.charge_at(scan.start.time)
        charge = (q0 - q1) / self._cell.area_cm2 if q0 is not None and q1 is not None else None
        if charge is not None and charge <= 0:
            return None  # what was plated has been stripped again
        now, moss = scan.heights, scan.heights.moss
        front = now.height if moss is None else moss.front
        porosity = 0.0 if moss is None else moss.porosity
        grown = plated_um(before.heights.lithium, now.height, front, porosity)
        shares = plating_shares(grown, labels)
        plated = Plating(shares.plated_um, shares.pit_share, shares.measured)
        if moss is None or not shares.measured:
            return plated
        by_charge = None
        if charge is not None and scan.start.voxel_size_um:
            deposit = float(np.nanmean(front - before.heights.lithium))
            by_charge = porosity_by_charge(deposit, charge)
        return replace(
            plated,
            moss_um=float(np.nanmean(front - now.height)),
            moss_share=moss.share,
            moss_porosity=moss.porosity,
            moss_porosity_error=moss.porosity_error,
            moss_confidence=float(np.mean(moss.confidence)),
            moss_porosity_by_charge=by_charge,
        )
