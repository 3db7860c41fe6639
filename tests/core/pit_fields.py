"""Removal maps with round-bottomed pits whose places, widths and depths are known."""

from dataclasses import dataclass

import numpy as np

VOXEL_UM = 0.717


@dataclass(frozen=True)
class Field:
    """Without noise, all in µm. `removal`, `depth`: (n, n); `centres`: (pits, 2) as (y, x)."""

    removal: np.ndarray
    depth: np.ndarray
    centres: np.ndarray
    diameters: np.ndarray
    depths: np.ndarray


def craters(shape, centres, diameters, depths, voxel=VOXEL_UM):
    """Depth map of the union of paraboloids: where two overlap the deeper one counts."""
    y = (np.arange(shape[0]) + 0.5) * voxel
    x = (np.arange(shape[1]) + 0.5) * voxel
    depth = np.zeros(shape)
    for (cy, cx), diameter, deepest in zip(centres, diameters, depths, strict=True):
        rows = slice(*np.searchsorted(y, [cy - diameter / 2, cy + diameter / 2]))
        columns = slice(*np.searchsorted(x, [cx - diameter / 2, cx + diameter / 2]))
        r2 = (y[rows, None] - cy) ** 2 + (x[None, columns] - cx) ** 2
        bowl = deepest * (1.0 - r2 / (diameter / 2) ** 2)
        depth[rows, columns] = np.maximum(depth[rows, columns], bowl)
    return depth


def scattered(
    n=256, per_mm2=1300.0, diameter=(30.0, 35.0), depth=(25.0, 30.0), plateau=5.0, apart=0.0, seed=0
):
    """Pits at random places, their centres at least `apart` µm from one another."""
    rng = np.random.default_rng(seed)
    side = n * VOXEL_UM
    wanted = round(per_mm2 * (side / 1000.0) ** 2)
    centres = np.empty((0, 2))
    for place in rng.uniform(0.0, side, (50 * wanted, 2)):
        if len(centres) < wanted and np.all(np.hypot(*(centres - place).T) >= apart):
            centres = np.vstack((centres, place))
    diameters = rng.uniform(*diameter, len(centres))
    depths = rng.uniform(*depth, len(centres))
    map_ = craters((n, n), centres, diameters, depths)
    return Field(plateau + map_, map_, centres, diameters, depths)


def noisy(removal, noise, seed=0):
    """(map with white noise, its error), both float32."""
    rng = np.random.default_rng(seed)
    return (
        (removal + rng.normal(0.0, noise, removal.shape)).astype(np.float32),
        np.full(removal.shape, max(noise, 0.05), np.float32),
    )
