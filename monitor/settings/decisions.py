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
    min_diameter_um: Positive = 5.0
    significance: Positive = 5.0


class OnsetSettings(Section):
    """When the monitor asks for an extra scan by itself."""

    mode: Literal["off", "suggest", "auto"] = "auto"
    when: tuple[str, ...] = ("new_pits",)
    min_pits: Annotated[int, Field(ge=1, strict=True)] = 1
    min_pit_area_um2: NotNegative = 0.0
    max_growth_um_h: Positive = 10.0
    max_j_mA_cm2: Positive = 5.0
    depth_share: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.5
    closure_band: tuple[NotNegative, Positive] = (0.8, 1.2)
    current_step_mA_cm2: Positive = 0.1
    max_front_um: Positive = 50.0
    least_breakthrough_h: Positive = 4.0
    confirm: Annotated[bool, Field(strict=True)] = True
    clear_scans: Annotated[int, Field(ge=1, strict=True)] = 2
    cooldown_s: NotNegative = 900.0
    quiet_hours: tuple[str, ...] = ()
    max_scans_per_hour: Annotated[int, Field(ge=0, strict=True)] = 2
    max_scans_per_cell: Annotated[int, Field(ge=0, strict=True)] = 20
    dose_per_scan_kGy: NotNegative = 0.0
    max_dose_kGy: NotNegative = 0.0
    max_dose_kGy_per_hour: NotNegative = 0.0

    @model_validator(mode="after")
    def _check(self) -> OnsetSettings:
        for name in (name for entry in self.when for name in rules_of(entry)):
            if name not in RULES:
                near = difflib.get_close_matches(name, RULES, n=1, cutoff=0.0)[0]
                raise ValueError(f"rules out of {', '.join(RULES)}; did you mean {near!r}?")
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
    """When an alarm is raised (docs/reference/watchdog.md)."""

    enabled: Annotated[bool, Field(strict=True)] = True
    closure_band: tuple[NotNegative, Positive] = (0.85, 1.15)
    noise_factor: Annotated[float, Field(gt=1, allow_inf_nan=False, strict=True)] = 1.5
    contrast_share: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.6
    max_level_drift: Positive = 0.5
    least_valid: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.6
    max_shift_error_um: Positive = 5.0
    scans: Annotated[int, Field(ge=1, strict=True)] = 2
    late_s: Positive = 10.0
    dead_s: Positive = 60.0
    cycler_s: Positive = 60.0
    due_grace: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.1

    @model_validator(mode="after")
    def _check(self) -> WatchSettings:
        if self.closure_band[0] >= self.closure_band[1]:
            raise ValueError("closure_band as [low, high], low below high")
        if self.late_s >= self.dead_s:
            raise ValueError("late_s below dead_s")
        return self
