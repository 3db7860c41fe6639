"""Whether two runs send readings of one cell at the same time."""

from __future__ import annotations

RETURNS = 3
ALONE = 1000
REMEMBERED = 100


class InterleavedRuns:
    """Hears which run each reading of a cell is of.

    A run may follow another, also if a last reading of the one before arrives late.
    Two that take turns are two cyclers, or one that is sent twice.
    """

    def __init__(self) -> None:
        self._runs: dict[str, None] = {}
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
            if len(self._runs) > REMEMBERED:
                del self._runs[next(iter(self._runs))]
            self._now, self._alone = run, 0
        else:
            self._alone += 1
        if not self._two and self._returns >= RETURNS:
            self._two = True
            return True
        if self._two and self._alone >= ALONE:
            self._two, self._returns, self._runs = False, 0, {run: None}
            return False
        return None
