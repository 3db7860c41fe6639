"""Where pits are going: depth of each one as it grows with the charge, with an interval.

A pit born at the charge x₀ is taken to deepen as D(x) = c (x − x₀)^b, x the charge stripped per
area: b = 1/2 is growth limited by diffusion or of a half-sphere fed by a constant share of the
current, b = 1 a constant rate (cf. Frankel, J. Electrochem. Soc. 145, 2186 (1998), on pit growth
laws). Neither is known beforehand. For a grid of b and x₀ the factor c follows from the depths seen
by weighted least squares; all of them are kept, each with its likelihood (Bayesian model
averaging), so that a forecast is a mixture of normal distributions. How well the forecasts of the
scan before have come true widens or narrows the next ones. Lengths in the length unit of the scan.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from monitor.records import Pit

Values = NDArray[np.float64]

EXPONENTS = np.linspace(0.2, 1.3, 12)
EXPONENT, EXPONENT_SPREAD = 0.4, 0.25
BIRTHS = (np.arange(9) - 3.5) / 6
"""Parts of the interval between the last scan without the pit and the first one with it."""
FORMER_BIRTHS = np.geomspace(0.1, 10.0, 7)
"""How long ago, in units of the charge since, a pit that a discharge has found there may begin."""
USUAL_UM, USUAL_SPREAD = 15.0, 0.8
"""Depth of a pit one mAh/cm² after its birth, and the spread of its logarithm, before any is
known."""
OWN_SPREAD, OWN_PITS = 0.4, 4.0
"""The same once others of the cell have been followed, which then count against so many unknown."""
KEPT = 5
FOLLOWED = 24
RELATIVE_ERROR = 0.022
NOISE_FACTOR, LEAST_ERROR = 2.0, 0.05
PLATEAU_SPREAD = 0.3
SCALE_PITS, SCALE_MEMORY = 12.0, 0.7
LEAST_SCALE, LARGEST_SCALE = 0.45, 4.0
CHANCE = (0.05, 0.5, 0.95)
FARTHEST_H = 200.0
LEAST_STEP_MAH_CM2 = 1e-3
GRID = 96


@dataclass(frozen=True, slots=True)
class Interval:
    """5 %, 50 % and 95 % quantile of something to come."""

    low: float
    middle: float
    high: float


@dataclass(slots=True)
class _History:
    """What was seen of one pit in this discharge: charge, depth, error; and when it may begin."""

    births: Values
    seen: deque[tuple[float, float, float]] = field(default_factory=lambda: deque(maxlen=KEPT))


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Normal distributions (n,) with their weights, which sum to one."""

    weight: Values
    mean: Values
    sd: Values

    def below(self, at: Values) -> Values:
        """Chance to be below each of the values."""
        chance: Values = ndtr((at[:, None] - self.mean) / self.sd) @ self.weight
        return chance

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation."""
        mean = float(self.weight @ self.mean)
        square = self.weight @ (self.sd**2 + (self.mean - mean) ** 2)
        return mean, math.sqrt(float(square))

    def span(self) -> tuple[float, float]:
        """Between these nearly everything lies."""
        kept = self.weight > 1e-4
        return (
            float((self.mean - 4.0 * self.sd)[kept].min()),
            float((self.mean + 4.0 * self.sd)[kept].max()),
        )


class Growth:
    """Follows the pits of one cell, scan after scan, and says where they will be."""

    def __init__(self) -> None:
        self._pits: dict[int, _History] = {}
        self._front: _History | None = None
        self._discharge: int | None = None
        self._charge = math.nan
        self._plateau, self._plateau_rate = math.nan, 0.0
        self._scale = 1.0
        self._usual, self._usual_spread = math.log(USUAL_UM), USUAL_SPREAD

    @property
    def scale(self) -> float:
        """By how much past forecasts were further off (> 1) or nearer than they said."""
        return self._scale

    def update(
        self,
        pits: Sequence[Pit],
        noise: float,
        plateau: float,
        charge_mAh_cm2: float,
        discharge: int | None,
    ) -> None:
        """Takes in one scan. `noise`: standard error of a smoothed depth; `charge_mAh_cm2`: net
        charge stripped since the reference; `discharge`: its number. Growth in another discharge
        begins again. Without charge passed since the last scan, nothing is learned."""
        if discharge != self._discharge or not charge_mAh_cm2 >= self._charge:
            known = set(self._pits)
            self._discharge = discharge
            self._pits, self._front, self._plateau_rate = {}, None, 0.0
            self._take(pits, noise, charge_mAh_cm2, known)
        elif charge_mAh_cm2 - self._charge > LEAST_STEP_MAH_CM2:
            self._calibrate(pits, charge_mAh_cm2)
            step = charge_mAh_cm2 - self._charge
            self._plateau_rate = max(0.0, (plateau - self._plateau) / step)
            self._take(pits, noise, charge_mAh_cm2, set())
        else:
            return
        self._charge, self._plateau = charge_mAh_cm2, plateau
        self._learn_usual()

    def _learn_usual(self) -> None:
        """How fast the pits of this cell grow, by those seen three times: it reports new ones."""
        old = [kept for kept in self._pits.values() if len(kept.seen) > 2][:FOLLOWED]
        if not old:
            return
        logs = [_mean_log(*self._posterior(kept)[::2]) for kept in old]
        part = len(logs) / (len(logs) + OWN_PITS)
        self._usual = part * float(np.median(logs)) + (1 - part) * math.log(USUAL_UM)
        self._usual_spread = part * OWN_SPREAD + (1 - part) * USUAL_SPREAD

    def _take(self, pits: Sequence[Pit], noise: float, charge: float, known: set[int]) -> None:
        """Notes the depths; a pit not seen before began since the last scan, unless `known`."""
        noise = noise if math.isfinite(noise) else 0.0
        for pit in pits:
            history = self._pits.get(pit.id)
            if history is None:
                history = self._pits[pit.id] = _History(self._births(pit.id in known, charge))
            history.seen.append((charge, pit.depth_max, _error(pit.depth_max, noise)))
        seen = {pit.id for pit in pits}
        self._pits = {name: kept for name, kept in self._pits.items() if name in seen}
        if not pits:
            self._front = None
            return
        if self._front is None:
            self._front = _History(self._births(bool(known & seen), charge))
        deepest = max(pit.depth_max for pit in pits)
        self._front.seen.append((charge, deepest, _error(deepest, noise)))

    def _births(self, known: bool, charge: float) -> Values:
        if known or not math.isfinite(self._charge) or charge - self._charge <= 0.0:
            since = max(charge, LEAST_STEP_MAH_CM2)
            return charge - FORMER_BIRTHS * since
        return self._charge + BIRTHS * (charge - self._charge)

    def _calibrate(self, pits: Sequence[Pit], charge: float) -> None:
        """Learns from how far off the forecasts for this scan were."""
        scores = []
        for pit in pits:
            history = self._pits.get(pit.id)
            if history is not None and len(history.seen) > 1:
                mean, sd = self._mixture(history, charge).moments()
                error = RELATIVE_ERROR * pit.depth_max
                scores.append(min(abs(pit.depth_max - mean) / math.hypot(sd, error), 6.0))
            if len(scores) >= FOLLOWED:
                break
        if not scores:
            return
        found = self._scale * float(np.quantile(scores, 0.9)) / 1.645
        trust = len(scores) / (len(scores) + SCALE_PITS)
        blend = math.log(self._scale) * (1 - trust * (1 - SCALE_MEMORY))
        blend += trust * (1 - SCALE_MEMORY) * math.log(max(found, 1e-3))
        self._scale = min(max(math.exp(blend), LEAST_SCALE), LARGEST_SCALE)

    def _posterior(self, history: _History) -> tuple[Values, Values, Values]:
        """(exponents, births) each: likelihood of the pair, weight of c, and c itself."""
        x, depth, error = (np.array(column) for column in zip(*history.seen, strict=True))
        shape = np.maximum(x[:, None] - history.births, 1e-9)[:, None, :] ** EXPONENTS[:, None]
        weight = (1.0 / error**2)[:, None, None]
        square = (weight * shape * shape).sum(axis=0)
        product = (weight * shape * depth[:, None, None]).sum(axis=0)
        factor = product / square
        score = 0.5 * product**2 / square - 0.5 * np.log(square)
        score -= 0.5 * (((EXPONENTS - EXPONENT) / EXPONENT_SPREAD) ** 2)[:, None]
        score -= 0.5 * ((np.log(factor) - self._usual) / self._usual_spread) ** 2
        likely = np.exp(score - score.max())
        return likely / likely.sum(), square, factor

    def _mixture(self, history: _History, charge: float) -> Mixture:
        """Depth of one pit at a charge to come."""
        likely, square, factor = self._posterior(history)
        later = np.maximum(charge - history.births, 1e-9)[None, :] ** EXPONENTS[:, None]
        sd = self._scale * np.sqrt(later**2 / square + (0.3 * RELATIVE_ERROR * factor * later) ** 2)
        return Mixture(likely.ravel(), (factor * later).ravel(), sd.ravel())

    def _penetration(self, charge: float) -> Mixture | None:
        """Depth of the deepest pit below the original surface at a charge to come."""
        if self._front is None or not charge >= self._charge:
            return None
        mixture = self._mixture(self._front, charge)
        step = self._plateau_rate * (charge - self._charge)
        sd = np.hypot(mixture.sd, PLATEAU_SPREAD * step)
        return Mixture(mixture.weight, mixture.mean + self._plateau + step, sd)

    def penetration(self, charge_mAh_cm2: float) -> Interval | None:
        """Depth below the original surface of whatever pit is deepest at a charge to come; None
        if there are no pits, or the charge has been passed."""
        mixture = self._penetration(charge_mAh_cm2)
        if mixture is None:
            return None
        at = np.linspace(*mixture.span(), GRID)
        return Interval(*(float(v) for v in np.interp(CHANCE, mixture.below(at), at)))

    def arrival(self, depth: float, current_mA_cm2: float) -> Interval | None:
        """Hours from the last scan until a pit is as deep, at a constant current; beyond
        `FARTHEST_H` infinite. None without pits or without stripping."""
        if self._front is None or not current_mA_cm2 > 0.0:
            return None
        hours = np.concatenate(([0.0], np.geomspace(0.02, FARTHEST_H, 40)))
        ahead = (self._penetration(self._charge + current_mA_cm2 * t) for t in hours)
        below = [1.0 if m is None else float(m.below(np.array([depth]))[0]) for m in ahead]
        reached = np.maximum.accumulate(1.0 - np.array(below))
        return Interval(*(_crossing(hours, reached, q) for q in CHANCE))


def _error(depth: float, noise: float) -> float:
    return math.hypot(NOISE_FACTOR * noise, RELATIVE_ERROR * depth, LEAST_ERROR)


def _crossing(hours: Values, reached: Values, chance: float) -> float:
    """When a growing chance first is as large; infinite where it never is."""
    place = int(np.searchsorted(reached, chance))
    if place == 0:
        return 0.0
    if place == len(hours):
        return math.inf
    low, high = reached[place - 1], reached[place]
    part = (chance - low) / (high - low) if high > low else 1.0
    return float(hours[place - 1] + part * (hours[place] - hours[place - 1]))


def _mean_log(likely: Values, factor: Values) -> float:
    return float((likely * np.log(factor)).sum())
