"""What the policy remembers of one cell: which entries may ask, and what has been asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.bounded import Bounded
from monitor.core.policy.rules import CHARGE_RULES, Before, Finding, Situation

MAX_UNCHARGED = 1000
"""Scans that wait for readings."""


@dataclass(slots=True)
class Entry:
    """One entry of `onset.when`, and whether it may ask. `unheard`: it was met while requests were
    off, so that nothing came of it."""

    name: str
    rules: tuple[str, ...]
    armed: bool = True
    unheard: bool = False
    clear: int = 0

    @property
    def needs_charge(self) -> bool:
        return not CHARGE_RULES.isdisjoint(self.rules)

    def met(self, found: Mapping[str, Finding]) -> bool:
        return all(found[rule].met for rule in self.rules)

    def follow(self, met: bool, clear_scans: int) -> None:
        """Arms the entry again once it has not been met for long enough."""
        self.clear = 0 if met else self.clear + 1
        if self.clear >= clear_scans:
            self.armed, self.unheard = True, False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way: the entry that asked, and the pits it was about."""

    entry: str
    pits: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A scan whose charge is not known yet: what rules must know of the past, and the request that
    it answers, where the charge says whether that was for a real reason."""

    before: Before
    asked: Asked | None


@dataclass(frozen=True, slots=True)
class Suggested:
    """A request that was only suggested, because its scan cannot be trusted: its entry, and the
    highest id of the pits that it is about."""

    id: str
    entry: Entry
    last_pit: int


@dataclass(slots=True)
class Past:
    situation: Situation | None = None
    charged: Situation | None = None
    last_pit: int = 0
    last_asked: float = -math.inf
    begun: bool = False
    waiting: dict[str, Asked] = field(default_factory=dict)
    uncharged: Bounded[tuple[str, int], Waiting] = field(
        default_factory=lambda: Bounded(MAX_UNCHARGED)
    )
    suggested: Suggested | None = None
