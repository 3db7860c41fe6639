"""What is reported of a scan that has been concluded, or whose numbers have been corrected."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.core.analysis import Correction
from monitor.core.news import Facts, Told
from monitor.core.plating import Measured
from monitor.core.policy.decision import Decision
from monitor.number_text import counted
from monitor.records import LEDGER_MISSING, ScanResult, ScanStart, Summary

LISTED = 100
"""Missing slices at most whose indices are listed."""
BRIEF = (
    "averaged_um", "complete_um", "coulometry_um", "closure", "pit_count", "soc", "charge_state",
)  # fmt: skip
"""Numbers of the summary that go into the event of a scan."""


def verdict(result: ScanResult, decision: Decision, at: float) -> Told:
    """No slice to come can change what a scan says: the decision, and every number that is known.
    `at`: how far the data are then, UTC s."""
    known = {name: value for name, value in result.summary.items() if value is not None}
    facts: Facts = {
        "scan": result.key.scan,
        "slices_to_come": int((result.ledger == LEDGER_MISSING).sum()) if result.provisional else 0,
        "decision": decision.verdict,
        "preliminary": result.preliminary,
        **_brief(result),
        "summary": known,
    }
    return Told("scan_verdict", result.key.cell, facts, at)


def complete(result: ScanResult) -> Told:
    """A scan has been concluded."""
    facts = {"scan": result.key.scan, "complete": result.complete, **_brief(result)}
    return Told("scan_complete", result.key.cell, facts, result.start.stop_time)


def corrected(correction: Correction) -> Told:
    """Readings that were missing have arrived: numbers of a scan have changed."""
    result = correction.after
    facts: Facts = {"scan": result.key.scan, "changed": correction.changed, **_brief(result)}
    return Told("scan_corrected", result.key.cell, facts, result.start.stop_time)


def nothing_came(start: ScanStart) -> Told:
    """A scan has ended of which no slice was received."""
    facts: Facts = {"scan": start.key.scan, "text": "no slice of this scan was received"}
    return Told("alarm", start.key.cell, facts)


def slices_missing(result: ScanResult) -> Iterator[Told]:
    """An alarm if the maps were made without some slices."""
    missing = (result.ledger == LEDGER_MISSING).nonzero()[0].tolist()
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        text = f"{counted(len(missing), 'slice')} of {len(result.ledger)} {verb} missing"
        yield _alarm(result.start, text, missing=missing[:LISTED])


def deposit_unknown(measured: Measured) -> Told:
    """Lithium had been plated before a scan, which was not known when its slices arrived."""
    scan = measured.start.key.scan
    return _alarm(
        measured.start,
        f"lithium was plated before scan {scan}, but the readings that show it "
        "arrived after its slices: no porous deposit was looked for, and heights may be those "
        "of its "
        "front; `reprocess` measures the scan again with the deposit",
    )


def not_corrected(start: ScanStart) -> Told:
    """Readings have arrived for a scan that memory could not hold for so long."""
    return _alarm(
        start,
        f"readings up to scan {start.key.scan} arrived after so many later scans that its "
        "charge, current and closure could not be corrected; they stay preliminary",
    )


def _alarm(start: ScanStart, text: str, **facts: list[int]) -> Told:
    return Told(
        "alarm", start.key.cell, {"scan": start.key.scan, "text": text, **facts}, start.stop_time
    )


def _brief(result: ScanResult) -> Summary:
    return {name: result.summary.get(name) for name in BRIEF}
