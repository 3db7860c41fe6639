"""Whether a scan can be trusted: what an automatic request for another one rests on.

The same checks and limits as those of the alarms (`signs`, `[watch]`), applied to one scan alone.
It looks at what is recorded of scans and at nothing else, so that a decision can be made again.
"""

from __future__ import annotations

from collections.abc import Iterable

from monitor.core.watchdog import checks
from monitor.core.watchdog.checks import Usual
from monitor.records import Summary
from monitor.settings import WatchSettings

DOUBTFUL_SHIFT = "the sideways shift of the cell is not known: the scan cannot be aligned"


def untrusted(
    summary: Summary, settings: WatchSettings, usual: Usual, about: Iterable[str] = ()
) -> dict[str, str]:
    """What is wrong with a scan, in words, by condition; empty if nothing is. `usual`: the scans
    before; `about`: conditions that are themselves the reason for a request, and do not count."""
    if not settings.enabled or "valid_fraction" not in summary:
        return {}
    doubt = DOUBTFUL_SHIFT if summary.get("shift_doubtful") else ""
    left_out = {"refinement", *about}  # heights of single columns are right, with larger errors
    bad = (sign for sign in checks.of_scan(summary, settings, usual, doubt) if sign.bad)
    return {sign.condition: sign.text for sign in bad if sign.condition not in left_out}
