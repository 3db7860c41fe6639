"""Other ways to a height map on the same slices.

All are told, for nothing, where the bottom of the lithium is, and begin above it; two of them are
told the true grey levels as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label

from tests.studies.validation.phantom import CONTRAST, LITHIUM

HALF_WAY = LITHIUM + 0.5 * CONTRAST
CLEAR = 8
"""Slices left out above the bottom: the collector's edge and its fringe."""

Volume = NDArray[np.uint16]
Map = NDArray[np.floating]


def threshold(volume: Volume, bottom: float) -> Map:
    """ImageJ practice: upwards in each column, the first crossing of the grey level half-way
    between lithium and electrolyte; linear between slices. Returns heights, voxels."""
    first = int(bottom) + CLEAR
    cut = volume[first:]
    above = cut >= HALF_WAY
    at = np.argmax(above, axis=0)
    high = np.take_along_axis(cut, at[None], 0)[0].astype(float)
    low = np.take_along_axis(cut, np.maximum(at - 1, 0)[None], 0)[0].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(high > low, (HALF_WAY - low) / (high - low), 0.0)
    crossing = at - 1 + np.clip(part, 0.0, 1.0)
    return np.where(above.any(axis=0), first + crossing - bottom, np.nan)


def change_point(volume: Volume, bottom: float) -> Map:
    """Each column alone: the cut that parts it best in two true grey levels. Heights, voxels."""
    first = int(bottom) + CLEAR
    excess = volume[first:].astype(np.float32) - np.float32(HALF_WAY)
    before = np.zeros((1, *excess.shape[1:]), np.float32)
    sums = np.concatenate([before, np.cumsum(excess, axis=0, dtype=np.float32)])
    return first - 0.5 + np.argmin(sums, axis=0) - bottom


def otsu(volume: Volume, bottom: float) -> Map:
    """A scikit-image pipeline: Gaussian filter (one voxel), Otsu's threshold, the largest connected
    body of lithium, its highest voxel in each column. Heights, voxels."""
    first = int(bottom) + CLEAR
    smooth = gaussian(volume[first:].astype(np.float32), sigma=1.0, preserve_range=True)
    dark = smooth < threshold_otsu(smooth)
    bodies = label(dark, connectivity=1)
    sizes = np.bincount(bodies.ravel())
    sizes[0] = 0
    lithium = bodies == np.argmax(sizes)
    highest = len(lithium) - 1 - np.argmax(lithium[::-1], axis=0)
    return np.where(lithium.any(axis=0), first + highest + 0.5 - bottom, np.nan)


PEERS = {
    "change point, single columns": change_point,
    "half-way threshold": threshold,
    "Gaussian filter and Otsu": otsu,
}
