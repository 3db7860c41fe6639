"""What the cycler is reported to do, as a function of cell time. No clock runs here."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from simulators.truth.stripping import Stripping

SECONDS_PER_HOUR = 3600.0


@dataclass(slots=True)
class CellTime:
    """The time at which the simulated beamline stands, UTC s. The plan alone moves it, forward."""

    now: float

    def reach(self, time: float) -> None:
        """Moves to `time`; never back."""
        self.now = max(self.now, time)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the program: so much charge at so much current, or a rest of given length."""

    kind: Literal["rest", "discharge", "charge"]
    current_mA_cm2: float = 0.0
    charge_mAh_cm2: float = 0.0
    rest_s: float = 0.0
    stripping: Stripping | None = None

    @property
    def duration_s(self) -> float:
        if self.kind == "rest":
            return self.rest_s
        return self.charge_mAh_cm2 / self.current_mA_cm2 * SECONDS_PER_HOUR

    @property
    def rate_mA_cm2(self) -> float:
        """Current density with the sign of stripping: + takes lithium away."""
        return {"rest": 0.0, "discharge": 1.0, "charge": -1.0}[self.kind] * self.current_mA_cm2


@dataclass(frozen=True, slots=True)
class Instant:
    """What the program does at one time. `number` counts steps from 1; 0 = not begun."""

    step: Step
    number: int
    cycle: int
    progress: float
    rate_mA_cm2: float
    stripped_mAh_cm2: float


class Program:
    """A list of steps that begins at `start` (UTC s). Before and after it the cell rests."""

    def __init__(self, steps: tuple[Step, ...], start: float) -> None:
        self.steps = steps
        self.edges = [start, *(start + t for t in accumulate(s.duration_s for s in steps))]
        charges = (s.rate_mA_cm2 * s.duration_s / SECONDS_PER_HOUR for s in steps)
        self._stripped = [0.0, *accumulate(charges)]
        self._rest = Step("rest")

    @property
    def end(self) -> float:
        """Time at which the last step ends."""
        return self.edges[-1]

    def at(self, time: float) -> Instant:
        """What happens at `time`; an edge belongs to the step that begins there."""
        index = bisect_right(self.edges, time) - 1
        if index < 0 or index >= len(self.steps):
            number = 0 if index < 0 else len(self.steps) + 1
            total = self._stripped[0 if index < 0 else -1]
            return Instant(self._rest, number, self._cycle(index), 1.0, 0.0, total)
        step = self.steps[index]
        elapsed = time - self.edges[index]
        stripped = self._stripped[index] + step.rate_mA_cm2 * elapsed / SECONDS_PER_HOUR
        progress = elapsed / step.duration_s if step.duration_s else 1.0
        return Instant(step, index + 1, self._cycle(index), progress, step.rate_mA_cm2, stripped)

    def between(self, begin: float, end: float) -> list[tuple[Step, int, float]]:
        """(step, number, stripped mAh/cm²) of each part of a step inside [begin, end], in order."""
        times = [begin, *(t for t in self.edges if begin < t < end), end]
        parts = []
        for t0, t1 in pairwise(times):
            here = self.at(t0)
            charge = here.rate_mA_cm2 * (t1 - t0) / SECONDS_PER_HOUR
            parts.append((here.step, here.number, charge))
        return parts

    def _cycle(self, index: int) -> int:
        discharges = sum(s.kind == "discharge" for s in self.steps[: max(index, 0) + 1])
        return max(1, discharges)
