"""Grey level and noise of each layer of a scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.settings import CellSettings, GreyLevels


@dataclass(frozen=True)
class Levels:
    """Grey levels in the order of growing slice index, and the noise of one voxel (standard
    deviation). A level is None if the cell has no such layer."""

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


def fixed_levels(cell: CellSettings) -> Levels | None:
    """Those that the settings say; None if they leave one open."""
    grey: GreyLevels = cell.grey_levels
    if grey.lithium is None or grey.electrolyte is None or grey.noise is None:
        return None
    if cell.has_collector and grey.collector is None:
        return None
    return levels_of(cell, grey.collector, grey.lithium, grey.electrolyte, grey.noise)


def levels_of(
    cell: CellSettings, collector: float | None, lithium: float, electrolyte: float, noise: float
) -> Levels:
    """In the order of growing slice index, of levels from the collector upwards."""
    if cell.reversed_z:
        return Levels(electrolyte, lithium, collector, noise)
    return Levels(collector, lithium, electrolyte, noise)
