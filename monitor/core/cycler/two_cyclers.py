"""Whether two runs send readings of one cell at the same time."""

from __future__ import annotations

from monitor.bounded import Bounded

RETURNS = 3
ALONE = 1000
REMEMBERED = 100


class InterleavedRuns:
    """Hears which run each reading of a cell is of.

    A run may follow another, also if a last reading of the one before arrives late.
    Two that take turns are two cyclers, or one that is sent twice.
    """

    def __init__(self) -> None:
        self._runs: Bounded[str, None] = Bounded(REMEMBERED)
        self._now = ""
        self._returns = 0
        self._alone = 0
        self._two = False

    def heard(self, run: str) -> bool | None:
        """A reading of a run: True when two have begun to take turns, False when one alone has sent
        readings for a while again, None when nothing has changed."""
        if run != self._now:
            self._returns += run in self._runs
            self._runs[run] = None
            self._now, self._alone = run, 0
        else:
            self._alone += 1
        if not self._two and self._returns >= RETURNS:
            self._two = True
            return True
        if self._two and self._alone >= ALONE:
            self._two, self._returns = False, 0
            self._runs.clear()
            self._runs[run] = None
            return False
        return None
