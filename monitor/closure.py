"""Closure: removed lithium divided by what the charge accounts for, and when it is out of bounds.

One rule for the alarm, the policy and the colour on the screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

LEAST_COULOMETRY_UM = 1.0
"""Closure is not judged before this thickness has been stripped or plated by charge."""
SURE = 2.0
"""Standard errors that closure must lie outside of its band to be called out of bounds."""

Verdict = Literal["unjudged", "inside", "outside"]


@dataclass(frozen=True, slots=True)
class Closure:
    """Closure of one scan and its standard error, both without unit; `coulometry_um`: thickness of
    dense lithium by charge."""

    value: float
    error: float
    coulometry_um: float

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Closure | None:
        """That of a scan's summary; None if it is not known."""
        value, coulometry = summary.get("closure"), summary.get("coulometry_um")
        if value is None or not coulometry:
            return None
        error = (summary.get("averaged_error_um") or 0.0) / abs(coulometry)
        return cls(float(value), float(error), float(coulometry))

    def verdict(self, band: tuple[float, float]) -> Verdict:
        """Whether it is outside of the band by more than its standard error explains."""
        if abs(self.coulometry_um) < LEAST_COULOMETRY_UM:
            return "unjudged"
        low, high = band
        margin = SURE * self.error
        return "outside" if self.value < low - margin or self.value > high + margin else "inside"
