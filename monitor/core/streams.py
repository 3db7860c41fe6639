"""Message numbers of one producer's stream: what is missing, seen at once."""

from __future__ import annotations

MAX_REMEMBERED = 100_000


class StreamCounter:
    """Counts the messages of a stream that were skipped and have not come later by themselves.

    The first message seen is where counting begins: a monitor that joins late has lost nothing.
    What came again because it was asked for was lost on the way all the same, but is `missing` no
    more.
    """

    def __init__(self) -> None:
        self.missing: set[int] = set()
        self._recovered: dict[int, None] = {}
        self._ahead: dict[int, None] = {}
        self._forgotten = 0
        self._last: int | None = None

    @property
    def lost(self) -> int:
        """Messages that have not come by themselves so far."""
        return len(self.missing) + len(self._recovered) + self._forgotten

    def take(self, number: int) -> int:
        """Note one message; returns how many were skipped right before it."""
        last, self._last = self._last, max(number, self._last or 0)
        if last is None:
            return 0
        if number <= last:
            self.missing.discard(number)
            self._recovered.pop(number, None)
            return 0
        self._ahead.pop(number, None)
        if number == last + 1:
            return 0
        skipped = number - last - 1
        remembered = min(skipped, max(0, MAX_REMEMBERED - len(self.missing)))
        self.missing.update(range(number - remembered, number))
        self._forgotten += skipped - remembered
        for early in [n for n in self._ahead if n < number]:
            del self._ahead[early]
            self.recover(early)
        return skipped

    def recover(self, number: int) -> None:
        """Note one message that came because it was asked for."""
        if number in self.missing:
            self.missing.discard(number)
            self._recovered[number] = None
            if len(self._recovered) > MAX_REMEMBERED:
                del self._recovered[next(iter(self._recovered))]
                self._forgotten += 1
        elif self._last is not None and number > self._last:
            self._ahead[number] = None
            if len(self._ahead) > MAX_REMEMBERED:
                del self._ahead[next(iter(self._ahead))]
