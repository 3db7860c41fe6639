"""Pits → whether to ask for an extra scan, and why."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.records import ScanRequest, ScanResult
from monitor.settings import OnsetSettings


@dataclass(frozen=True)
class Verdict:
    """What follows from one scan: whether pitting begins with it, and the request if one is due."""

    onset: bool
    why: str
    request: ScanRequest | None


class OnsetWatch:
    """Watches one cell for the first scan in which pits are significant."""

    def __init__(self, settings: OnsetSettings, experiment: str) -> None:
        self._settings = settings
        self._experiment = experiment
        self._begun = False

    def judge(self, result: ScanResult) -> Verdict:
        """The verdict on a finished scan. Pitting begins once for a cell."""
        count = len(result.pits)
        if self._begun:
            return Verdict(False, "pitting has begun before", None)
        if count < self._settings.min_pits:
            why = f"{count} significant pits, {self._settings.min_pits} needed"
            return Verdict(False, why, None)
        self._begun = True
        why = f"{count} significant pits, the first in this cell"
        if self._settings.mode == "off":
            return Verdict(True, why + "; requests are off", None)
        deepest = max(result.pits, key=lambda pit: pit.depth_max)
        unit = "um" if result.start.length_unit == "µm" else "voxel"
        evidence = {
            "pit_count": count,
            f"depth_max_{unit}": deepest.depth_max,
            f"x_{unit}": deepest.x,
            f"y_{unit}": deepest.y,
            "p_value": deepest.p_value,
        }
        return Verdict(True, why, self.request(result, "pit_onset", evidence))

    def request(
        self, result: ScanResult, reason: str, evidence: Mapping[str, object]
    ) -> ScanRequest:
        key = result.key
        return ScanRequest(
            id=request_id(self._experiment, key.cell, key.run, key.scan, reason),
            cell=key.cell,
            reason=reason,
            after_scan=key.scan,
            evidence=evidence,
        )


def request_id(*parts: object) -> str:
    """The id of a request follows from what it asks: a replay asks with the same ids."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(str(part) for part in parts)))
