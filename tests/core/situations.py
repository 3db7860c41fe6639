"""Situations for the policy: scans of one cell with so many pits of a given depth."""

from monitor.core.policy.rules import Situation
from monitor.records import Pit


def pit(identity, depth=4.0, *, area=80.0, first_scan=0):
    return Pit(
        identity, -1, first_scan, 10.0 * identity, 5.0, area, 10.0, depth, 2.0, 160.0, 1.0, 1e-9
    )


def situation(scan, pits=(), *, reason="periodic", request="", time=None, unit="µm", **summary):
    """Half an hour apart; `pits`: ids, or pits."""
    made = tuple(p if isinstance(p, Pit) else pit(p, 4.0 + p) for p in pits)
    time = 1800.0 * scan if time is None else time
    return Situation("A", "", scan, reason, request, time, unit, 125.0, summary, made)
