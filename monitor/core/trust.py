"""Whether a scan can be trusted: what an automatic request for another one rests on.

The same checks and limits as those of the alarms (`signs`, `[watch]`), applied to one scan alone.
It looks at what is recorded of scans and at nothing else, so that a decision can be made again.
"""

from __future__ import annotations

from collections.abc import Iterable

from monitor.core import signs
from monitor.core.signs import Sign, Summary, Usual
from monitor.records import is_preliminary
from monitor.settings import WatchSettings

DOUBTFUL_SHIFT = "how far the cell has moved sideways is not known: the scan cannot be placed"


def untrusted(
    summary: Summary, settings: WatchSettings, usual: Usual, about: Iterable[str] = ()
) -> dict[str, str]:
    """What is wrong with a scan, in words, by condition; empty if nothing is. `usual`: the scans
    before; `about`: conditions that are themselves the reason for a request, and do not count."""
    if not settings.enabled or "valid_fraction" not in summary:
        return {}
    doubt = DOUBTFUL_SHIFT if summary.get("shift_doubtful") else ""
    told: list[Sign | None] = [
        signs.levels_lost(summary),
        signs.valid(summary, settings),
        signs.registration(summary, settings, doubt),
        None if is_preliminary(summary) else signs.closure(summary, settings),
        signs.noise(summary, settings, usual.noises),
        signs.grey_levels(summary, settings, usual.first) if usual.first else None,
    ]
    bad = (sign for sign in told if sign is not None and sign.bad)
    return {sign.condition: sign.text for sign in bad if sign.condition not in about}
