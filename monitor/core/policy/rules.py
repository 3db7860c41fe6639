"""The conditions that a scan can meet, each with the number that it was judged by.

Every rule looks at a `Situation`: what is recorded of a scan, and nothing else, so that a decision
can be made again from the recording. A number that is not known meets no rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from monitor.closure import LEAST_COULOMETRY_UM
from monitor.quantities.table import FINDINGS
from monitor.records import Json, Pit, Reason, ScanResult, Summary, is_preliminary, number_of
from monitor.settings import OnsetSettings

CHARGE_RULES = frozenset(name for name, one in FINDINGS.items() if "charge" in one.needs)
"""Rules that need the charge: they wait for readings that cover the scan. Others need heights."""


@dataclass(frozen=True, eq=False)
class Situation:
    """One finished scan as the policy sees it. `time`: its end, UTC s; `summary`: as recorded."""

    cell: str
    run: str
    scan: int
    reason: Reason
    request: str
    time: float
    length_unit: str
    foil_um: float
    summary: Summary
    pits: Sequence[Pit]

    @classmethod
    def of(cls, result: ScanResult, foil_um: float) -> Situation:
        """The situation that a result describes."""
        start = result.start
        return cls(
            start.key.cell, start.key.run, start.key.scan, start.reason, start.request,
            start.stop_time, start.length_unit, foil_um, result.summary, result.pits,
        )  # fmt: skip

    @property
    def preliminary(self) -> bool:
        """Whether readings to come may change what depends on the charge."""
        return is_preliminary(self.summary)

    def number(self, name: str) -> float:
        """A number of the summary; NaN where it is not known."""
        value = number_of(self.summary, name)
        return math.nan if value is None else float(value)

    @property
    def deepest(self) -> Pit | None:
        """The deepest pit."""
        return max(self.pits, key=lambda pit: pit.depth_max, default=None)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found: the number it judges, its limit, and whether it is met."""

    rule: str
    met: bool
    value: float
    limit: float

    @property
    def unit(self) -> str:
        """Unit of value and limit."""
        return FINDINGS[self.rule].unit_text("µm")

    @property
    def text(self) -> str:
        """In words, such as "deepest pit at the next scan 61.2 µm, limit 62.5"."""
        value = "not known" if math.isnan(self.value) else f"{self.value:.3g} {self.unit}".strip()
        return f"{FINDINGS[self.rule].title} {value}, limit {self.limit:.3g}"

    def data(self) -> dict[str, Json]:
        """JSON-ready."""
        value = None if math.isnan(self.value) else self.value
        return {"met": self.met, "value": value, "limit": self.limit, "unit": self.unit}


@dataclass(frozen=True, eq=False)
class Before:
    """What rules must know of the past. `last_pit`: highest pit id that was asked about; `charged`:
    the last scan whose charge was known."""

    situation: Situation | None = None
    last_pit: int = 0
    charged: Situation | None = None


def findings(now: Situation, before: Before, limits: OnsetSettings) -> dict[str, Finding]:
    """What every rule finds in a scan, by the rule's name. Of a preliminary scan, rules that need
    the charge find nothing."""
    known = replace(now, summary={}) if now.preliminary else now
    found = {}
    for name, rule in _RULES.items():
        found[name] = rule(known if name in CHARGE_RULES else now, before, limits)
    return found


def _over(rule: str, value: float, limit: float) -> Finding:
    return Finding(rule, value >= limit, value, limit)


def _new_pits(now: Situation, before: Before, limits: OnsetSettings) -> Finding:
    new = [pit for pit in now.pits if pit.id > before.last_pit]
    large = now.length_unit != "µm" or sum(p.area for p in new) >= limits.min_pit_area_um2
    count, limit = float(len(new)), float(limits.min_pits)
    return Finding("new_pits", count >= limit and large, count, limit)


def _growth(now: Situation, before: Before, limits: OnsetSettings) -> Finding:
    """Of pits seen in both scans, the fastest growth in depth since the scan before, µm/h."""
    fastest, former = math.nan, before.situation
    if former is not None and now.length_unit == "µm" and now.time > former.time:
        hours = (now.time - former.time) / 3600.0
        depths = {pit.id: pit.depth_max for pit in former.pits}
        rates = [(p.depth_max - depths[p.id]) / hours for p in now.pits if p.id in depths]
        fastest = max(rates, default=math.nan)
    return _over("growth", fastest, limits.max_growth_um_h)


def _current(now: Situation, before: Before, limits: OnsetSettings) -> Finding:
    value = now.number("j_running_p99")
    return _over("current", value, limits.max_j_mA_cm2)


def _depth(now: Situation, before: Before, limits: OnsetSettings) -> Finding:
    limit = limits.depth_share * now.foil_um
    return _over("depth", now.number("forecast_depth_um"), limit)


def _closure(now: Situation, before: Before, limits: OnsetSettings) -> Finding:
    """Out of the band on either side; not judged before 1 µm has been stripped."""
    low, high = limits.closure_band
    value = now.number("closure")
    if not abs(now.number("coulometry_um")) >= LEAST_COULOMETRY_UM:
        value = math.nan
    return Finding("closure", value < low or value > high, value, low if value < 1 else high)


def _current_step(now: Situation, before: Before, limits: OnsetSettings) -> Finding:
    former = before.charged
    step = math.nan
    if former is not None:
        step = abs(now.number("current_mA_cm2") - former.number("current_mA_cm2"))
    return _over("current_step", step, limits.current_step_mA_cm2)


def _moss_front(now: Situation, before: Before, limits: OnsetSettings) -> Finding:
    return _over("moss_front", now.number("front_p99_um"), limits.max_front_um)


def _breakthrough(now: Situation, before: Before, limits: OnsetSettings) -> Finding:
    """The low end of the interval: the collector may be reached that soon."""
    value, limit = now.number("collector_low_h"), limits.least_breakthrough_h
    return Finding("breakthrough", value <= limit, value, limit)


_RULES: dict[str, Callable[[Situation, Before, OnsetSettings], Finding]] = {
    "new_pits": _new_pits,
    "growth": _growth,
    "current": _current,
    "depth": _depth,
    "closure": _closure,
    "current_step": _current_step,
    "moss_front": _moss_front,
    "breakthrough": _breakthrough,
}
