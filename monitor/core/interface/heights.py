"""The heights of a scan, with errors, and the noise in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.robust import sigma_of

SCATTER_SAMPLES = 50_000

Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Moss:
    """The porous deposit on the dense lithium. `front` (ny, nx) float32: height of its front above
    the lithium's bottom, that of the lithium if there is none; NaN where it cannot be determined.
    `confidence`: 0 to 1. `porosity` of the field and its standard deviation; `share` of the field
    that has moss."""

    front: Map
    front_error: Map
    confidence: Map
    porosity: float
    porosity_error: float
    share: float


@dataclass(frozen=True, eq=False)
class Heights:
    """Maps (ny, nx) float32 in the scan's length unit; NaN = no interface was found there.

    With moss, `height` is that of the dense lithium.

    `height` is the distance from the bottom of the lithium to its interface with the electrolyte;
    `error` its standard deviation; `bottom` the position of the lithium's bottom along z.
    """

    height: Map
    error: Map
    bottom: Map
    noise: float
    moss: Moss | None = None

    @property
    def lithium(self) -> Map:
        """Thickness of the lithium, that in the moss included, as if it were dense."""
        if self.moss is None:
            return self.height
        return self.height + np.float32(1 - self.moss.porosity) * (self.moss.front - self.height)

    @property
    def lithium_error(self) -> Map:
        """Standard deviation of `lithium`."""
        if self.moss is None:
            return self.error
        share = np.float32(self.moss.porosity)
        error: Map = np.hypot(share * self.error, (1 - share) * self.moss.front_error)
        return error


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
    return sigma_of(values[np.isfinite(values)]) / float(np.sqrt(6))
