"""A foil with pits under a drifting eye: surfaces known between the pixels, and their heights."""

import numpy as np
from scipy.ndimage import gaussian_filter

from monitor.core.interface.heights import Heights

NOISE = {2: 0.33, 8: 0.15}
"""Error of a refined height in voxels, by contrast-to-noise ratio; neighbours share it."""
WAVES = 120


class Foil:
    """A surface that can be asked for at any place: waves of a rough foil, pits that grow."""

    def __init__(self, side, *, pits=0, rough=0.0, seed=0):
        rng = np.random.default_rng(seed)
        self.side = side
        self.place = rng.uniform(-10, side + 10, (pits, 2))
        self.radius = rng.uniform(14, 22, pits)
        self.depth = rng.uniform(20, 40, pits)
        self.birth = rng.uniform(0, 0.6, pits)
        angle, turn = rng.uniform(0, 2 * np.pi, (2, WAVES))
        number = np.abs(rng.normal(0, 0.2, WAVES)) + 0.03
        self.waves = np.stack([number * np.sin(angle), number * np.cos(angle), turn], axis=1)
        self.rough = rough * np.sqrt(2.0 / WAVES)

    def height(self, stage=0.0, shift=(0.0, 0.0)):
        """(side, side) voxels, the structure moved by `shift` (y, x) pixels."""
        axis = np.arange(self.side)
        y, x = axis[:, None] - shift[0], axis[None, :] - shift[1]
        height = np.full((self.side, self.side), 60.0 - 7.0 * stage)
        if self.rough:
            for along_y, along_x, turn in self.waves:
                height += self.rough * (
                    np.cos(along_y * y) * np.cos(along_x * x + turn)
                    - np.sin(along_y * y) * np.sin(along_x * x + turn)
                )
        pitted = np.zeros_like(height)
        for (py, px), radius, depth, birth in zip(
            self.place, self.radius, self.depth, self.birth, strict=True
        ):
            age = max(0.0, stage - birth) / (1.0 - birth)
            inside = 1 - ((y - py) ** 2 + (x - px) ** 2) / (radius * age**0.4 + 1e-9) ** 2
            np.maximum(pitted, depth * age**0.5 * np.clip(inside, 0, None), out=pitted)
        return height - pitted


def noise(shape, sigma, rng):
    """Noise of the given standard deviation that neighbours share, as refined heights have it."""
    values = gaussian_filter(rng.normal(size=shape), 1.0, mode="wrap")
    return sigma * values / values.std()


def seen(height, cnr, rng, bottom=12.0, voxel=1.0):
    """The `Heights` that a scan of this surface would give; `height` and `bottom` in voxels."""
    measured = height + noise(height.shape, NOISE[cnr], rng)
    low = bottom + noise(height.shape, 0.1, rng)
    error = np.full(height.shape, NOISE[cnr] * voxel, np.float32)
    maps = (np.asarray(values * voxel, np.float32) for values in (measured, low))
    made, low = maps
    return Heights(made, error, low, NOISE[cnr] * voxel)
