"""Truth → slices, written without a look at the simulators: an error in one cannot hide in the
other.

    grey = electrolyte − (electrolyte − lithium) (1 − S(z − top)) + (collector − lithium) (1 − S(z − bottom))
    S(u) = (1 + erf(u / √2 s)) / 2 + a (u/w) exp((1 − (u/w)²) / 2)

All lengths in voxels, voxel centres at 0, 1, … Where asked for, the whole is blurred sideways too.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from tests.studies.validation.fields import FINE, Field

COLLECTOR, LITHIUM, ELECTROLYTE = 46000.0, 30000.0, 34000.0
CONTRAST = ELECTROLYTE - LITHIUM
ABOVE = 40
REACH = 12.0
"""An edge further away than this many voxels is not seen."""
RING_MEMORY = float(np.exp(-1 / 8))
"""Rings of neighbouring slices are alike, over about eight slices."""

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Optics:
    """Where the foil lies and what becomes of its edges, in voxels; `fringe` as a share of the
    contrast. `tilt`: from one side of the field to the other; `sideways`: blur within a slice."""

    blur: float = 0.8
    fringe: float = 0.0
    fringe_width: float = 1.4
    sideways: float = 0.0
    bottom: float = 11.3
    tilt: float = 0.0


@dataclass(frozen=True)
class Detector:
    """What is laid over the slices.

    `cnr`: contrast over the standard deviation of the noise; `ramp`: share of the noise's variance
    whose power in the plane grows as |k|; `rings`: standard deviation, share of the contrast.
    """

    cnr: float = 2.0
    ramp: float = 0.0
    rings: float = 0.0
    gain: float = 1.0


def render(
    field: Field, optics: Optics, detector: Detector, *, seed: int = 0
) -> NDArray[np.uint16]:
    """(nz, n, n) uint16 of one scan; the same seed gives the same noise and rings."""
    rng = np.random.default_rng((seed, 3))
    clean = _clean(field, optics)
    n = clean.shape[1]
    radius = _radius(n)
    ring = rng.standard_normal(radius.max() + 1, np.float32)
    fresh = np.sqrt(1 - RING_MEMORY**2)
    volume = np.empty(clean.shape, np.uint16)
    for plane, grey in zip(volume, clean, strict=True):
        noise = _noise(n, detector.ramp, rng) / detector.cnr
        ring = RING_MEMORY * ring + fresh * rng.standard_normal(len(ring), np.float32)
        noise += detector.rings * ring[radius]
        plane[:] = np.clip(np.rint(detector.gain * (grey + CONTRAST * noise)), 0, 65535)
    return volume


@lru_cache(maxsize=6)
def _clean(field: Field, optics: Optics) -> Grey:
    """(nz, n, n) float32 without noise; kept, as the same scan is looked at with other noise."""
    side = len(field.fine)
    foil = field.fine if optics.sideways else field.height
    across = np.linspace(-0.5, 0.5, side)[:, None] if optics.sideways else _across(side // FINE)
    bottom = np.float32(optics.bottom) + np.float32(optics.tilt) * across.astype(np.float32)
    planes = int(optics.bottom + field.fine.max()) + ABOVE
    volume = np.empty((planes, side // FINE, side // FINE), np.float32)
    for z in range(planes):
        grey = LITHIUM + CONTRAST * _edge(z - bottom - foil, optics)
        grey += (COLLECTOR - LITHIUM) * (1 - _edge(z - bottom, optics))
        if optics.sideways and np.ptp(grey) > 0:
            grey = gaussian_filter(grey, FINE * optics.sideways)
        volume[z] = grey[FINE // 2 :: FINE, FINE // 2 :: FINE] if optics.sideways else grey
    return volume


def _across(n: int) -> NDArray[np.float64]:
    """(n, 1) from −½ to ½ over the field."""
    return np.linspace(-0.5, 0.5, n)[:, None]


def _edge(u: Grey, optics: Optics) -> Grey:
    if np.min(u) > REACH or np.max(u) < -REACH:
        return (u > 0).astype(np.float32)
    v = u / np.float32(optics.fringe_width)
    step = 0.5 * (1 + erf(u / np.float32(np.sqrt(2) * optics.blur)))
    return step + np.float32(optics.fringe) * v * np.exp(0.5 * (1 - v * v))


def _noise(n: int, ramp: float, rng: np.random.Generator) -> Grey:
    """(n, n) of variance 1: white, and a share `ramp` of the variance with power ∝ |k|."""
    white = rng.standard_normal((n, n), np.float32)
    if not ramp:
        return white
    other = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((n, n), np.float32)) * _ramp_filter(n))
    return (np.sqrt(1 - ramp) * white + np.sqrt(ramp) * other).astype(np.float32)


@lru_cache(maxsize=4)
def _ramp_filter(n: int) -> NDArray[np.float64]:
    """(n, n // 2 + 1) factors √|k| that keep the variance."""
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    return np.sqrt(k / k.mean())[:, : n // 2 + 1]


@lru_cache(maxsize=4)
def _radius(n: int) -> NDArray[np.int64]:
    """(n, n) whole voxels from the axis of rotation, in the middle of the field."""
    y, x = np.ogrid[:n, :n]
    return np.hypot(y - 0.5 * (n - 1), x - 0.5 * (n - 1)).astype(np.int64)
