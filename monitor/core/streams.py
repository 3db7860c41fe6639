"""Message numbers of one producer's stream: what is missing, seen at once."""

from __future__ import annotations

MAX_REMEMBERED = 100_000


class StreamCounter:
    """Counts the messages of a stream that were skipped and have not come later.

    The first message seen is where counting begins: a monitor that joins late has lost nothing.
    """

    def __init__(self) -> None:
        self.missing: set[int] = set()
        self._forgotten = 0
        self._last: int | None = None

    @property
    def lost(self) -> int:
        """Messages that have not come so far."""
        return len(self.missing) + self._forgotten

    def take(self, number: int) -> int:
        """Note one message; returns how many were skipped right before it."""
        last, self._last = self._last, max(number, self._last or 0)
        if last is None or number == last + 1:
            return 0
        if number <= last:
            self.missing.discard(number)
            return 0
        skipped = number - last - 1
        remembered = min(skipped, max(0, MAX_REMEMBERED - len(self.missing)))
        self.missing.update(range(number - remembered, number))
        self._forgotten += skipped - remembered
        return skipped
