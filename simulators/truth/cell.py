"""The truth: a lithium foil that is stripped and plated, pit by pit, without losing an atom.

The surface is `foil - plateau removal - pit excess`. Where the current goes is a model (pits start
at grain boundaries, grow in width and depth, stay where they are, merge: the deepest wins); how
much goes is Faraday's law: after every step the plateau is set so that the removed volume is the
charge through the field of view. That holds for any pits and for a foil that wears through.

Charge lays lithium down dense, or as moss on top of the dense lithium (moss.py): in the pits and on
the plain. A discharge takes the moss first; only when it is gone are pits dug on.

`field_share` is the mean current density of the field divided by that of the whole electrode. The
published cells closed at 16/14.84 and 16/16.97: their field carried that share, and so does ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import brentq

from monitor import faraday
from simulators.truth.deposit import Moss, MossLayer, Plating
from simulators.truth.foil import FieldOfView, grain_boundaries_um, pristine_um
from simulators.truth.stripping import Stripping

PIT_CURVE = 2.3  # excess = depth (1 - (r/R)^PIT_CURVE): a round bottom and a steep rim
RADIUS_GROWTH, DEPTH_GROWTH = 0.4, 0.5
LONGEST_GROWTH = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Pits:
    """Pit columns, (n,) float64: centres in µm from pixel (0, 0), radius and depth in µm."""

    y_um: NDArray[np.float64]
    x_um: NDArray[np.float64]
    radius_um: NDArray[np.float64]
    depth_um: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.y_um)


@dataclass(slots=True)
class _Site:
    """A pit and its growth in the present discharge, from `start` (radius, depth) to `end`."""

    y: float
    x: float
    birth: float
    start: tuple[float, float]
    end: tuple[float, float]

    def grown(self, stage: float) -> tuple[float, float]:
        """Radius and depth, µm, at growth stage 0 (start of the discharge) to 1 (its end)."""
        age = max(0.0, (stage - self.birth) / (1.0 - self.birth))
        radius = self.start[0] + (self.end[0] - self.start[0]) * age**RADIUS_GROWTH
        depth = self.start[1] + (self.end[1] - self.start[1]) * age**DEPTH_GROWTH
        return radius, depth


class Cell:
    """One lithium electrode. `update` moves charge and returns the new heights."""

    def __init__(
        self, field: FieldOfView, stripping: Stripping, seed: int, plating: Plating | None = None
    ) -> None:
        self.field = field
        self._rng = np.random.default_rng(seed)
        self._plating = plating or Plating()
        self._stripping = stripping
        self._pristine = pristine_um(field, self._rng)
        self._boundary = grain_boundaries_um(field, self._rng, margin_um=_reach_um(stripping))
        self._dense_um = float(self._pristine.mean())
        self._excess = np.zeros_like(self._pristine)
        self._moss = MossLayer(self._pristine.shape, self._plating)
        self._plateau = 0.0
        self._sites: list[_Site] = []
        self._stage = 0.0
        self._removed_in_discharge = 0.0
        self._excess_at_start = self._excess.copy()
        self._discharging = False

    @property
    def heights_um(self) -> NDArray[np.float64]:
        """(size, size) float64 µm: thickness of the dense lithium, never below 0. A copy."""
        return np.maximum(self._pristine - self._plateau - self._excess, 0.0)

    @property
    def moss(self) -> Moss | None:
        """The moss on the dense lithium, a copy; None if there is none."""
        return self._moss.seen()

    @property
    def front_um(self) -> NDArray[np.float64]:
        """(size, size) float64 µm: height of the deposit's front, moss included."""
        return self.heights_um + self._moss.thickness_um

    @property
    def plateau_um(self) -> float:
        """Removal of the un-pitted surface since pristine, µm; negative above the old surface."""
        return self._plateau

    @property
    def pits(self) -> Pits:
        """The pits that are open now, those centred outside the field but reaching in included."""
        grown = [(s.y, s.x, *s.grown(self._stage)) for s in self._sites]
        table = np.array([row for row in grown if row[3] > 0.0], np.float64).reshape(-1, 4)
        return Pits(*(np.ascontiguousarray(column) for column in table.T))

    def begin(self, stripping: Stripping) -> None:
        """A new discharge: pits that are there continue growing, new ones are laid out for it."""
        self._stripping = stripping
        self._removed_in_discharge = 0.0
        self._excess_at_start = self._excess.copy()
        for site in self._sites:
            site.start = site.grown(self._stage)
            site.birth = 0.0
            width, depth = self._draw_shape()
            site.end = (max(site.start[0], 0.5 * width), max(site.start[1], depth))
        self._stage = 0.0
        self._lay_out()
        self._discharging = True

    def update(self, charge_mAh_cm2: float) -> NDArray[np.float64]:
        """Strip (charge > 0) or plate (< 0) and return `heights_um`.

        `charge_mAh_cm2` is per area of the electrode; the field carries `field_share` of it.
        Raises ValueError if more lithium would be stripped than is left; nothing changes then.
        """
        removal_um = faraday.thickness_um(charge_mAh_cm2) * self.field.field_share
        left_um = self._dense_um + self._moss.lithium_um
        if removal_um > left_um:
            raise ValueError(
                f"update: {removal_um:.2f} µm to strip, {left_um:.2f} µm of lithium left; "
                "end the discharge earlier or use a thicker foil"
            )
        if removal_um > 0.0:
            if not self._discharging:
                self.begin(self._stripping)
            removal_um = self._moss.strip(removal_um)
            self._dense_um -= removal_um
            if removal_um > 0.0:
                self._strip(removal_um)
        elif removal_um < 0.0:
            self._discharging = False
            if self._plating.porosity > 0.0:
                self._moss.grow(-removal_um, self._excess)
            else:
                self._dense_um -= removal_um
                self._plate(-removal_um)
        self._settle()
        return self.heights_um

    def _strip(self, removal_um: float) -> None:
        self._removed_in_discharge += removal_um
        pitted_um = self._stripping.pitted_at(self._removed_in_discharge)
        wanted = float(self._excess_at_start.mean()) + pitted_um
        before = float(self._excess.mean())

        def missing(stage: float) -> float:
            return float(self._dug(stage).mean()) - wanted

        if self._sites and missing(self._stage) < 0.0:
            if missing(LONGEST_GROWTH) <= 0.0:
                self._stage = LONGEST_GROWTH
            else:
                self._stage = brentq(missing, self._stage, LONGEST_GROWTH, xtol=1e-9)
            self._excess = self._dug(self._stage)
        self._plateau += removal_um - (float(self._excess.mean()) - before)

    def _plate(self, gain_um: float) -> None:
        pitted = float(self._excess.mean())
        into_pits = min((1.0 - self._plating.plain_share) * gain_um, max(pitted, 0.0))
        left = 1.0 - into_pits / pitted if pitted > 0.0 else 1.0
        self._excess *= left
        for site in self._sites:
            radius, depth = site.grown(self._stage)
            site.start = site.end = (radius, depth * left)
        self._plateau -= gain_um - into_pits

    def _settle(self) -> None:
        """Moves the plateau until the lithium that is left is exactly what Faraday's law leaves.

        Newton's method on a convex, piecewise linear function of the plateau. Where the foil is
        worn through its height stays 0 and the rest of the surface gives the lithium.
        """
        for _ in range(100):
            raw = self._pristine - self._plateau - self._excess
            worn = raw < 0.0
            error = float(np.where(worn, 0.0, raw).mean()) - self._dense_um
            if abs(error) <= 1e-14 * self.field.foil_um:
                break
            self._plateau += error / max(1.0 - worn.mean(), 1.0 / raw.size)
        self._excess[worn] = self._pristine[worn] - self._plateau

    def _dug(self, stage: float) -> NDArray[np.float64]:
        excess = np.maximum(self._excess, self._excess_at_start)
        for site in self._sites:
            radius, depth = site.grown(stage)
            if depth > 0.0 and radius > 0.0:
                _dig(excess, site.y, site.x, radius, depth, self.field.voxel_um)
        return excess

    def _lay_out(self) -> None:
        """Adds sites until the pits, fully grown, hold `pitted_um` more than now."""
        goal = self._excess.mean() + self._stripping.pitted_um
        excess = self._dug(1.0)
        mean = float(excess.mean())
        reach = _reach_um(self._stripping)
        area_mm2 = ((self.field.side_um + 2 * reach) * 1e-3) ** 2
        for _ in range(int(20000 * area_mm2) + 200):
            if mean >= goal:
                break
            site = self._draw_site(reach)
            if site is None:
                continue
            self._sites.append(site)
            radius, depth = site.end
            mean += _dig(excess, site.y, site.x, radius, depth, self.field.voxel_um) / excess.size
        if self._sites:
            earliest = min(site.birth for site in self._sites)
            for site in self._sites:
                site.birth -= earliest

    def _draw_shape(self) -> tuple[float, float]:
        width = self._rng.uniform(*self._stripping.width_um)
        mean, deviation = self._stripping.depth_um
        depth = mean + deviation * float(np.clip(self._rng.normal(), -2.0, 2.0))
        return width, depth

    def _draw_site(self, reach: float) -> _Site | None:
        """A new pit, or None if it would sit on top of one that is there."""
        birth = self._stripping.late_birth * self._rng.random() ** 1.5
        early = birth < 0.35 * self._stripping.late_birth
        share = self._stripping.boundary_share * (1.0 if early else 0.5)
        if self._rng.random() < share:
            y, x = self._boundary[self._rng.integers(len(self._boundary))]
        else:
            y, x = self._rng.uniform(-reach, self.field.side_um + reach, 2)
        width, depth = self._draw_shape()
        near = (0.4 * width) ** 2
        if any((s.y - y) ** 2 + (s.x - x) ** 2 < near for s in self._sites):
            return None
        return _Site(float(y), float(x), birth, (0.0, 0.0), (0.5 * width, depth))


def _reach_um(stripping: Stripping) -> float:
    """How far outside the field a pit may sit and still reach into it."""
    return 0.5 * stripping.width_um[1]


@njit(nogil=True, cache=True)
def _dig(excess, y_um, x_um, radius_um, depth_um, voxel_um):  # type: ignore[no-untyped-def]
    """Deepens `excess` (in place) to one pit, if that is deeper; returns the sum of the gain."""
    ny, nx = excess.shape
    y, x, radius = y_um / voxel_um, x_um / voxel_um, radius_um / voxel_um
    gain = 0.0
    for i in range(max(0, int(y - radius)), min(ny, int(y + radius) + 2)):
        for j in range(max(0, int(x - radius)), min(nx, int(x + radius) + 2)):
            r2 = ((i - y) ** 2 + (j - x) ** 2) / radius**2
            if r2 < 1.0:
                deep = depth_um * (1.0 - r2 ** (0.5 * PIT_CURVE))
                if deep > excess[i, j]:
                    gain += deep - excess[i, j]
                    excess[i, j] = deep
    return gain
