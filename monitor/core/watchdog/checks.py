"""What the numbers of one finished scan say of each condition that is watched. Pure functions.

A sign is bad, good, or neither: between the two lies the margin that keeps an alarm from coming
and going. What cannot be determined of a scan gives no sign.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.closure import Closure
from monitor.core.news import Facts, Sign
from monitor.records import Summary, is_preliminary, number_of
from monitor.settings import WatchSettings

CLOSURE_MARGIN = 0.1
"""Share of the closure band, at either edge, in which an alarm neither begins nor ends."""
VALID_MARGIN = 0.05
LEAST_SCANS_OF_NOISE = 3
MAX_NOISES = 500
BACK = 0.5
"""Of the way from the usual value to the limit: so far back it must come for an alarm to end."""


@dataclass(frozen=True, slots=True)
class Greys:
    """Grey levels of a scan: of lithium, the electrolyte's above it, and cnr."""

    lithium: float
    contrast: float
    cnr: float

    @classmethod
    def of(cls, summary: Summary) -> Greys | None:
        names = ("grey_lithium", "grey_electrolyte", "cnr")
        lithium, electrolyte, cnr = (number_of(summary, name) for name in names)
        if lithium is None or electrolyte is None or not cnr or electrolyte == lithium:
            return None
        return cls(lithium, electrolyte - lithium, cnr)


@dataclass(slots=True)
class Usual:
    """What later scans are compared with: grey levels of the first scan, and noise of those that
    were not noisy."""

    first: Greys | None = None
    noises: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_NOISES))

    def remember(self, summary: Summary, settings: WatchSettings) -> None:
        """Takes in a scan that has been judged."""
        self.first = self.first or Greys.of(summary)
        value, _ = length(summary, "noise")
        noisy = noise(summary, settings, self.noises)
        if value is not None and not (noisy and noisy.bad):
            self.noises.append(value)


def of_scan(summary: Summary, settings: WatchSettings, usual: Usual, doubt: str) -> list[Sign]:
    """What a finished scan says of itself, as far as it can be reported. `usual`: the scans before;
    `doubt`: why it may lie beside the reference, or ""."""
    told = (
        levels_lost(summary),
        refinement(summary),
        valid(summary, settings),
        registration(summary, settings, doubt),
        None if is_preliminary(summary) else closure(summary, settings),
        noise(summary, settings, usual.noises),
        grey_levels(summary, settings, usual.first) if usual.first else None,
    )
    return [sign for sign in told if sign is not None]


def standard_of(summary: Summary, usual: Usual) -> list[str]:
    """The conditions that cannot be judged yet, of which this scan is a standard for later ones."""
    found = []
    if length(summary, "noise")[0] is not None and len(usual.noises) < LEAST_SCANS_OF_NOISE:
        found.append("noise")
    if usual.first is None and Greys.of(summary) is not None:
        found.append("grey_levels")
    return found


def closure(summary: Summary, settings: WatchSettings) -> Sign | None:
    """Removed lithium over what the cycler's charge says, outside of its band by more than its
    standard error explains. Not told before enough has been stripped."""
    found = Closure.of(summary)
    verdict = "unjudged" if found is None else found.verdict(settings.closure_band)
    if found is None or verdict == "unjudged":
        return None
    low, high = settings.closure_band
    margin = CLOSURE_MARGIN * (high - low)
    inside = low <= found.value <= high
    text = (
        f"closure {found.value:.2f} ± {found.error:.2f} is outside {low:g} to {high:g}: charge and "
        "removed lithium do not agree; check `electrode_diameter_mm`, the cycler's clock, the "
        "registration"
    )
    if inside:
        text = f"closure {found.value:.2f} is within {low:g} to {high:g} again"
    return Sign(
        "closure",
        bad=verdict == "outside",
        good=low + margin <= found.value <= high - margin,
        text=text,
        facts={
            "value": found.value,
            "limit": low if found.value < 1 else high,
            "error": found.error,
        },
    )


def registration(summary: Summary, settings: WatchSettings, doubt: str) -> Sign | None:
    """The scan cannot be placed on the reference. A surface without structure says nothing."""
    registered, error = bool(summary.get("registered")), number_of(summary, "shift_error_um")
    facts = {"value": error, "limit": settings.max_shift_error_um, "unit": "µm"}
    if doubt:
        return Sign("registration", bad=True, good=False, text=doubt, facts=facts)
    if not registered:
        return None
    bad = error is not None and error > settings.max_shift_error_um
    text = "scans are registered on the reference again"
    if bad:
        text = (
            f"the scan is registered sideways only to within ± {error:.1f} µm (limit "
            f"{settings.max_shift_error_um:g} µm): this blurs the maps of removal"
        )
    return Sign("registration", bad=bad, good=not bad, text=text, facts=facts)


def noise(summary: Summary, settings: WatchSettings, before: Sequence[float]) -> Sign | None:
    """The heights' noise against the median of the scans `before` that were not noisy."""
    value, unit = length(summary, "noise")
    if value is None or len(before) < LEAST_SCANS_OF_NOISE:
        return None
    usual, factor = statistics.median(before), settings.noise_factor
    limit = factor * usual
    text = f"noise of the heights is {value:.3g} {unit}, usually {usual:.3g} {unit}"
    if value > limit:
        text += f" (limit {factor:g} times that): check beam, exposure and reconstruction"
    return Sign(
        "noise",
        bad=value > limit,
        good=value < _back(usual, limit),
        text=text,
        facts={"value": value, "limit": limit, "usual": usual, "unit": unit},
    )


def grey_levels(summary: Summary, settings: WatchSettings, first: Greys) -> Sign | None:
    """Contrast of electrolyte to lithium, cnr and lithium's grey level against the first scan."""
    now = Greys.of(summary)
    if now is None:
        return None
    limit, drift_limit = settings.contrast_share, settings.max_level_drift
    contrast, cnr = now.contrast / first.contrast, now.cnr / first.cnr
    drift = abs(now.lithium - first.lithium) / abs(first.contrast)
    least = min(contrast, cnr)
    bad = least < limit or drift > drift_limit
    least_text, most_text = (f" (limit {end:g})" if bad else "" for end in (limit, drift_limit))
    text = (
        "relative to the first scan: contrast of electrolyte to lithium "
        f"{contrast:.2f}{least_text}, CNR {cnr:.2f}{least_text}, drift of lithium's grey level "
        f"{drift:.2f} of the contrast{most_text}"
    )
    return Sign(
        "grey_levels",
        bad=bad,
        good=least > _back(1.0, limit) and drift < BACK * drift_limit,
        text=text + (": check flat fields and normalisation" if bad else ""),
        facts={"value": least, "limit": limit, "drift": drift, "drift_limit": drift_limit},
    )


def levels_lost(summary: Summary) -> Sign:
    """Grey levels were not found: there are no heights at all."""
    lost = summary.get("cnr") is None and not summary.get("valid_fraction")
    text = (
        "grey levels were not found: no heights in this scan; check `layers`, or set "
        "`grey_levels` of this cell"
    )
    return Sign("levels_lost", lost, not lost, text if lost else "grey levels were found again")


def valid(summary: Summary, settings: WatchSettings) -> Sign | None:
    """The share of the columns that have a height."""
    share, least = number_of(summary, "valid_fraction"), settings.least_valid
    if share is None or levels_lost(summary).bad:
        return None
    text = f"heights in {100 * share:.0f} % of the columns"
    if share < least:
        text = (
            f"heights in only {100 * share:.0f} % of the columns: check `layers` and "
            "`foil_thickness_um` of this cell, and whether the electrode is in the field of view"
        )
    good = share >= min(least + VALID_MARGIN, 1.0)
    return Sign("valid", share < least, good, text, {"value": share, "limit": least})


def refinement(summary: Summary) -> Sign | None:
    """Heights are those of single columns, with several times the error."""
    refined, memory = summary.get("refined"), number_of(summary, "refine_memory_MB")
    if refined is None or levels_lost(summary).bad:
        return None
    text = "heights are refined with neighbouring columns again"
    if not refined:
        text = "heights were measured column by column, with a larger error: "
        text += (
            "there was too little memory to keep the slices until the grey levels were known; "
            "set feeds.reorder_memory_MB to "
            f"{math.ceil(memory)} or more"
            if memory
            else "the interface extends over more slices than are kept, or too few slices were "
            "received"
        )
    facts: Facts = {"value": memory, "unit": "MB"} if memory else {}
    return Sign("refinement", bad=not refined, good=bool(refined), text=text, facts=facts)


def length(summary: Summary, name: str) -> tuple[float | None, str]:
    """A length of the summary and its unit: µm, or voxel where the voxel size is unknown."""
    for unit, suffix in (("µm", "_um"), ("voxel", "_voxel")):
        value = number_of(summary, name + suffix)
        if value is not None and math.isfinite(value):
            return float(value), unit
    return None, "µm"


def _back(usual: float, limit: float) -> float:
    """From here on back towards the usual value, an alarm ends."""
    return usual + BACK * (limit - usual)
