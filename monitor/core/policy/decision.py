"""The decision on one scan, and the request that may follow from it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from monitor.core.policy.rules import Finding, Situation
from monitor.records import Json, PolicyMode, Scalar, ScanRequest

Verdict = Literal["ask", "suggest", "no"]
REASONS = {"new_pits": "pit_onset"}


@dataclass(frozen=True, eq=False)
class Decision:
    """What follows from one scan, and why. `onset`: pits are significant for the first time;
    `confirmed`: what this scan, made on request, says of the request's reason; None = it was not
    asked for, or nothing is to be confirmed. `request`: what to ask for, or to suggest. `mode`,
    `max_scans`: the policy that decided, as it was set then. `waiting`: entries that are judged
    once readings cover the scan. `untrusted`: what is wrong with the scan, in words, by condition
    (docs/reference/watchdog.md)."""

    verdict: Verdict
    why: str
    onset: bool
    findings: Mapping[str, Finding]
    request: ScanRequest | None = None
    confirmed: bool | None = None
    mode: PolicyMode = "auto"
    max_scans: int = 0
    waiting: tuple[str, ...] = ()
    untrusted: Mapping[str, str] = field(default_factory=dict)

    def data(self) -> dict[str, Json]:
        """JSON-ready, as it goes into the events."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "onset": self.onset,
            "confirmed": self.confirmed,
            "request": self.request.id if self.request else "",
            "mode": self.mode,
            "max_scans": self.max_scans,
            "waiting": list(self.waiting),
            "findings": {name: found.data() for name, found in self.findings.items()},
            "untrusted": dict(self.untrusted),
        }


def request_for(
    experiment: str,
    now: Situation,
    rules: Sequence[str],
    found: Mapping[str, Finding],
    wrong: Mapping[str, str],
    entry: str,
) -> ScanRequest:
    """What a scan asks for because the `rules` of an entry are met. `experiment`: what ids are made
    from; `wrong`: what is wrong with the scan, by condition."""
    reason = REASONS.get(rules[0], rules[0])
    evidence = _evidence(now, rules, found, entry)
    if wrong:
        evidence["untrusted"] = ", ".join(wrong)
    return ScanRequest(
        id=request_id(experiment, now.cell, now.run, now.scan, reason),
        cell=now.cell,
        reason=reason,
        after_scan=now.scan,
        evidence=evidence,
    )


def _evidence(
    now: Situation, rules: Sequence[str], found: Mapping[str, Finding], entry: str
) -> dict[str, Scalar]:
    """What led to a request: the findings, and the deepest pit."""
    evidence: dict[str, Scalar] = {"rule": entry}
    evidence |= {rule: found[rule].value for rule in rules}
    evidence["pit_count"] = len(now.pits)
    unit = "um" if now.length_unit == "µm" else "voxel"
    if (pit := now.deepest) is not None:
        evidence |= {f"depth_max_{unit}": pit.depth_max, "p_value": pit.p_value}
        evidence |= {f"x_{unit}": pit.x, f"y_{unit}": pit.y}
    names = ("forecast_depth_um", "forecast_low_um", "forecast_high_um", "collector_h")
    return evidence | {k: now.summary[k] for k in names if now.summary.get(k) is not None}


def request_id(*parts: object) -> str:
    """The id of a request follows from what it asks: a replay asks with the same ids."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(str(part) for part in parts)))
