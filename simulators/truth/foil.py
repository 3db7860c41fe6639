"""The lithium foil as it arrives: flat, slightly rough, made of grains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """The piece of electrode that is looked at, pristine."""

    size: int = 384
    voxel_um: float = 0.717
    foil_um: float = 125.0
    roughness_um: float = 0.2
    grain_um: float = 70.0
    field_share: float = 1.0

    @property
    def side_um(self) -> float:
        return self.size * self.voxel_um


def pristine_um(field: FieldOfView, rng: np.random.Generator) -> NDArray[np.float64]:
    """(size, size) float64 µm: a flat foil with a smooth roughness of the given rms."""
    waves: NDArray[np.float64] = gaussian_filter(
        rng.normal(size=(field.size, field.size)), 4.0, mode="wrap"
    )
    return np.asarray(field.foil_um + field.roughness_um * (waves - waves.mean()) / waves.std())


def grain_boundaries_um(
    field: FieldOfView, rng: np.random.Generator, margin_um: float
) -> NDArray[np.float64]:
    """(n, 2) float64 µm: points (y, x) on the boundaries of Voronoi grains, margin included."""
    low, high = -margin_um - field.grain_um, field.side_um + margin_um + field.grain_um
    count = max(4, round(((high - low) / field.grain_um) ** 2))
    seeds = rng.uniform(low, high, (count, 2))
    axis = np.arange(-margin_um, field.side_um + margin_um, max(1.0, field.side_um / 400.0))
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    distance, _ = cKDTree(seeds).query(points, k=2)
    edge: NDArray[np.float64] = distance[:, 1] - distance[:, 0]
    return np.asarray(points[edge <= max(2.0, float(np.quantile(edge, 0.01)))])
