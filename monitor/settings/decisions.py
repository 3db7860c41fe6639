"""Settings of what the monitor concludes: pits, extra scans, alarms."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.quantities.table import FINDINGS
from monitor.settings.section import NotNegative, Positive, Section

RULES = tuple(FINDINGS)
QUIET_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


class PitSettings(Section):
    """What counts as a pit."""

    min_depth_um: Positive = 2.0
    """Least depth of a pit."""
    min_diameter_um: Positive = 5.0
    """Least diameter of a pit."""
    significance: Positive = 5.0
    """Least depth of each pixel of a pit, in standard errors of its height."""


class OnsetSettings(Section):
    """When the monitor requests an extra scan by itself."""

    mode: Literal["off", "suggest", "auto"] = "auto"
    """`auto`: scans are requested; `suggest`: the operator confirms; `off`: decisions are only
    recorded."""
    when: tuple[str, ...] = ("new_pits",)
    """Rules, any of which requests a scan; "a and b": both must be met. The rules are listed in
    docs/reference/policy.md."""
    min_pits: Annotated[int, Field(ge=1, strict=True)] = 1
    """`new_pits`: least number of significant pits for which no scan has been requested yet."""
    min_pit_area_um2: NotNegative = 0.0
    """`new_pits`: least total area of their openings."""
    max_growth_um_h: Positive = 10.0
    """`growth`: growth in depth of the fastest pit."""
    max_j_mA_cm2: Positive = 5.0
    """`current`: 99th percentile of the running local current density."""
    depth_share: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.5
    """`depth`: forecast depth at the next periodic scan, as a share of the foil."""
    closure_band: tuple[NotNegative, Positive] = (0.8, 1.2)
    """`closure`: the rule is met outside this band."""
    current_step_mA_cm2: Positive = 0.1
    """`current_step`: change of the applied current density from one scan to the next."""
    max_front_um: Positive = 50.0
    """`moss_front`: height of the deposit's front above the first surface, 99th percentile."""
    least_breakthrough_h: Positive = 4.0
    """`breakthrough`: low end of the forecast time until a pit reaches the collector."""
    early_verdict: Annotated[bool, Field(strict=True)] = True
    """Whether a scan is evaluated, and another one requested, as soon as no remaining slice can
    change its heights; if not, when it has ended."""
    confirm: Annotated[bool, Field(strict=True)] = True
    """Whether the extra scan is used to confirm or refute its reason."""
    clear_scans: Annotated[int, Field(ge=1, strict=True)] = 2
    """Number of scans in which an entry of `when` must not be met before it may request again."""
    cooldown_s: NotNegative = 900.0
    """Least time between two requests (cell time)."""
    quiet_hours: tuple[str, ...] = ()
    """Times of day (UTC) in which no scan is requested, such as ["22:00-06:00"]."""
    max_scans_per_hour: Annotated[int, Field(ge=0, strict=True)] = 2
    """Most extra scans of a cell within an hour, including those that an operator requested."""
    max_scans_per_cell: Annotated[int, Field(ge=0, strict=True)] = 20
    """Most extra scans of a cell in total, including those that an operator requested."""
    dose_per_scan_kGy: NotNegative = 0.0
    """Dose of one scan; 0: dose is not counted."""
    max_dose_kGy: NotNegative = 0.0
    """Largest dose of a cell, all scans together; 0: no limit."""
    max_dose_kGy_per_hour: NotNegative = 0.0
    """Largest dose of a cell within an hour; 0: no limit."""

    @model_validator(mode="after")
    def _check(self) -> OnsetSettings:
        for name in (name for entry in self.when for name in rules_of(entry)):
            if name not in RULES:
                near = difflib.get_close_matches(name, RULES, n=1, cutoff=0.0)[0]
                raise ValueError(f"rules from {', '.join(RULES)}; did you mean {near!r}?")
        if self.closure_band[0] >= self.closure_band[1]:
            raise ValueError("closure_band as [low, high], low below high")
        for span in self.quiet_hours:
            if not QUIET_HOURS.fullmatch(span):
                raise ValueError('quiet_hours such as ["22:00-06:00"], UTC')
        return self


def rules_of(entry: str) -> tuple[str, ...]:
    """The rules of one entry of `onset.when`: all of them must be met."""
    return tuple(name.strip() for name in entry.split(" and "))


class WatchSettings(Section):
    """What is judged in each scan, and when an alarm is raised."""

    enabled: Annotated[bool, Field(strict=True)] = True
    """Whether scans are judged; if not, every scan is trusted."""
    closure_band: tuple[NotNegative, Positive] = (0.85, 1.15)
    """A closure outside this band raises an alarm, once 1 µm has been stripped."""
    noise_factor: Annotated[float, Field(gt=1, allow_inf_nan=False, strict=True)] = 1.5
    """Largest noise of the heights, relative to the median of the earlier scans."""
    contrast_share: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.6
    """Least contrast and contrast-to-noise ratio, relative to the first scan."""
    max_level_drift: Positive = 0.5
    """Largest drift of lithium's grey level since the first scan, as a share of the contrast."""
    least_valid: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.6
    """Least share of the columns that have a height."""
    max_shift_error_um: Positive = 5.0
    """Largest error of a scan's shift relative to the reference."""
    scans: Annotated[int, Field(ge=1, strict=True)] = 2
    """Number of bad scans in a row after which an alarm begins, and of good ones after which it
    ends."""
    late_s: Positive = 10.0
    """Time without a slice of a running scan, by this machine's clock, after which the feed is
    LATE."""
    dead_s: Positive = 60.0
    """Time without a slice of a running scan after which the feed is DEAD."""
    cycler_s: Positive = 60.0
    """Time without a reading after which the cycler is DEAD. Set it above the pause between
    readings."""
    due_grace: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.1
    """How long a scan may be overdue before it is LATE, as a share of the period."""

    @model_validator(mode="after")
    def _check(self) -> WatchSettings:
        if self.closure_band[0] >= self.closure_band[1]:
            raise ValueError("closure_band as [low, high], low below high")
        if self.late_s >= self.dead_s:
            raise ValueError("late_s below dead_s")
        return self
