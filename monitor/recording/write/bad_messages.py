"""Bad messages from which no event follows: counted, and written as one line of the journal, so
that many small ones take no room on the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from monitor.records import BadInput

LONGEST_WAIT_S = 10.0
"""What a crash may cost of the counts."""


class BadMessages:
    """Those that are not in the journal yet, by feed and kind.

    The session only counts them. So their line may stand anywhere before the next message that an
    event `bad_message` follows from, and a replay gives the same events.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, str], tuple[float, BadInput]] = {}
        self._known: set[tuple[str, str, str]] = set()
        self._since = 0.0

    def add(self, feed: str, at: float, bad: BadInput, *, told: bool) -> bool:
        """One more; `feed`, `at`: of its message. False if it gets a line of its own: the first of
        a kind, and one from which an event follows (`told`)."""
        key = feed, bad.feed, bad.kind
        if told or key not in self._known:
            self._known.add(key)
            return False
        if not self._waiting:
            self._since = time.monotonic()
        if key in self._waiting:
            bad = replace(bad, count=bad.count + self._waiting[key][1].count)
        self._waiting[key] = at, bad
        return True

    @property
    def are_due(self) -> bool:
        """Whether some have waited long enough."""
        return bool(self._waiting) and time.monotonic() - self._since >= LONGEST_WAIT_S

    def summed_up(self) -> Iterator[tuple[str, float, BadInput]]:
        """(feed, at, all of a kind) of those that wait, each let go once the next is asked for."""
        for key in list(self._waiting):
            at, bad = self._waiting[key]
            yield key[0], at, bad
            del self._waiting[key]
