"""Truth: foils with pits whose places, widths and depths are known. No code of the simulators'.

A field is kept three times finer than a pixel, so that an image can be blurred sideways too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

VOXEL_UM = 0.717
FINE = 3
FOIL_UM = 60.0
PLATEAU_UM = 5.0
ROUGHNESS_UM = 0.2
STEEPNESS = 2.5


@dataclass(frozen=True)
class Pit:
    """Centre (from the middle of pixel (0, 0)), width across the opening and depth, all in µm."""

    y: float
    x: float
    width: float
    depth: float


@dataclass(frozen=True, eq=False)
class Field:
    """A piece of foil. `fine`: (3n, 3n) float32, thickness in voxels; `pits`: what was dug."""

    fine: NDArray[np.float32]
    pits: tuple[Pit, ...] = ()

    @property
    def height(self) -> NDArray[np.float32]:
        """(n, n) thickness in the middle of each pixel, voxels."""
        return self.fine[FINE // 2 :: FINE, FINE // 2 :: FINE]


def flat(n: int, *, seed: int = 0) -> Field:
    """A foil as it comes, slightly rough; the same for the same seed."""
    noise = np.random.default_rng((seed, 0)).standard_normal((n * FINE, n * FINE), np.float32)
    rough = gaussian_filter(noise, 4.0 * FINE)
    return Field((FOIL_UM + ROUGHNESS_UM * rough / rough.std()) / VOXEL_UM)


def level(n: int, thickness: float) -> Field:
    """A perfectly flat foil, `thickness` voxels thick."""
    return Field(np.full((n * FINE, n * FINE), thickness, np.float32))


def dug(foil: Field, pits: list[Pit], *, steepness: float = STEEPNESS) -> Field:
    """The foil less an even layer and the pits: depth · (1 − (r/R)^steepness), the deepest wins."""
    place = (np.arange(len(foil.fine)) - FINE // 2) * VOXEL_UM / FINE
    depth = np.zeros_like(foil.fine)
    for pit in pits:
        radius = 0.5 * pit.width
        rows = slice(*np.searchsorted(place, (pit.y - radius, pit.y + radius)))
        columns = slice(*np.searchsorted(place, (pit.x - radius, pit.x + radius)))
        r = np.hypot(place[rows, None] - pit.y, place[columns] - pit.x) / radius
        bowl = pit.depth * (1.0 - np.minimum(r, 1.0) ** steepness)
        depth[rows, columns] = np.maximum(depth[rows, columns], bowl)
    return Field(foil.fine - (PLATEAU_UM + depth) / VOXEL_UM, tuple(pits))


def crowded(
    n: int, *, per_mm2: float = 1300.0, seed: int = 0, steepness: float = STEEPNESS
) -> Field:
    """Pits as in the paper: 26–34 µm wide, 15–30 µm deep, so many that most of them merge."""
    rng = np.random.default_rng((seed, 1))
    margin, side = 17.0, n * VOXEL_UM
    count = round(per_mm2 * 1e-6 * (side + 2 * margin) ** 2)
    pits = [
        Pit(*rng.uniform(-margin, side + margin, 2), rng.uniform(26, 34), rng.uniform(15, 30))
        for _ in range(count)
    ]
    return dug(flat(n, seed=seed), pits, steepness=steepness)


def moved(field: Field, by: tuple[int, int]) -> Field:
    """The field moved in y and x by so many thirds of a voxel; what leaves it on one side comes in
    on the other, so that the foil does not end. Its pits are not told."""
    return Field(np.roll(field.fine, by, axis=(0, 1)))


def few(n: int, *, seed: int = 0) -> Field:
    """Pits as large, but so few that most of the field is plain."""
    return crowded(n, per_mm2=350.0, seed=seed)


def apart(n: int, width_um: float, depth_um: float, *, seed: int = 0) -> Field:
    """Equal pits that do not touch: on a grid, each moved by a random part of a pixel."""
    rng = np.random.default_rng((seed, 2))
    pitch, margin = max(1.6 * width_um, 20.0), 0.5 * width_um + 4.0
    places = np.arange(margin, n * VOXEL_UM - margin, pitch)
    pits = [
        Pit(*(np.array([y, x]) + rng.uniform(-0.5, 0.5, 2) * VOXEL_UM), width_um, depth_um)
        for y in places
        for x in places
    ]
    return dug(flat(n, seed=seed), pits)
