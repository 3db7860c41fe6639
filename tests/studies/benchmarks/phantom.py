"""A large foil with many pits, rendered quickly: that is not what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

LEVELS = {"collector": 200.0, "lithium": 60.0, "electrolyte": 120.0}
NOISE = 20.0
VOXEL_UM = 0.717
LOWER = 10.0
PIT_DENSITY_MM2 = 1000.0
PIT_RADIUS_UM = (8.0, 16.0)
FAR = 80
"""Slices beyond the foil after which none matters to a height: noise that is the same in a column
again and again would."""


@dataclass(frozen=True)
class Foil:
    """A square foil `thickness` voxels thick, `side` pixels wide, in `slices` slices. `grey`: what
    grey values, of 8 bits, are multiplied by; `reversed_z`: slices come from the electrolyte."""

    side: int
    slices: int
    thickness: int = 60
    grey: int = 1
    reversed_z: bool = False

    def heights(self, scan: int, seed: int = 0) -> np.ndarray:
        """Upper edge (side, side) float32, voxels: a plateau that recedes, and domes eaten away."""
        upper = np.full((self.side, self.side), LOWER + self.thickness - 1.5 * scan, np.float32)
        rng = np.random.default_rng(seed)
        count = round(PIT_DENSITY_MM2 * (self.side * VOXEL_UM / 1000) ** 2)
        places = rng.integers(0, self.side, (count, 2))
        radii = rng.uniform(*PIT_RADIUS_UM, count) / VOXEL_UM
        for (y, x), radius in zip(places if scan else (), radii, strict=False):
            reach = int(radius) + 1
            y0, x0 = max(0, y - reach), max(0, x - reach)
            window = upper[y0 : y + reach, x0 : x + reach]
            yy, xx = np.ogrid[y0 : y0 + window.shape[0], x0 : x0 + window.shape[1]]
            dome = np.sqrt(np.clip(1 - ((yy - y) ** 2 + (xx - x) ** 2) / radius**2, 0, None))
            depth = min(4.0 + 4.0 * scan, 0.6 * self.thickness)
            np.minimum(window, LOWER + self.thickness - 1.5 * scan - depth * dome, out=window)
        return upper

    @property
    def layers(self) -> list[str]:
        """In the order of the slice index."""
        return [*LEVELS][::-1] if self.reversed_z else [*LEVELS]

    def volume(self, scan: int, dtype: str = "uint16", seed: int = 0) -> np.ndarray:
        """(slices, side, side): all of `planes`."""
        made = np.empty((self.slices, self.side, self.side), dtype)
        for number, plane in enumerate(self.planes(scan, dtype, seed)):
            made[number] = plane
        return made

    def planes(self, scan: int, dtype: str = "uint16", seed: int = 0) -> Iterator[np.ndarray]:
        """(side, side) one after the other: one-voxel ramps, and one plane of noise, moved sideways
        anew for each slice; those far beyond the foil are three arrays in turn."""
        rng = np.random.default_rng(seed + 1)
        noise = rng.standard_normal((self.side, self.side), np.float32)
        noise *= np.float32(NOISE)
        upper = self.heights(scan)
        lowest, highest = float(upper.min()) - 1, float(upper.max()) + 1
        low, mid, high = LEVELS["collector"], LEVELS["lithium"], LEVELS["electrolyte"]
        beyond: dict[int, np.ndarray] = {}
        for index in range(self.slices):
            z = self.slices - 1 - index if self.reversed_z else index
            is_far = z >= highest + FAR
            if is_far and z % 3 in beyond:
                yield beyond[z % 3]
                continue
            level = low + (mid - low) * min(max(z - LOWER + 0.5, 0.0), 1.0)
            grey = np.roll(noise, rng.integers(self.side, size=2), axis=(0, 1))
            if lowest < z < highest:
                grey += np.clip(z - upper + 0.5, 0, 1) * np.float32(high - mid)
            grey += np.float32(level + (high - mid) * (z >= highest))
            if dtype != "float32":
                np.clip(grey, 0, 255, out=grey)
            grey *= np.float32(self.grey)
            plane = grey.astype(dtype, copy=False)
            if is_far:
                beyond[z % 3] = plane
            yield plane
