"""Message numbers of the producers' streams: what is missing, seen at once."""

from __future__ import annotations

MAX_REMEMBERED = 100_000
MAX_STREAMS = 64
MAX_STREAMS_OF_SCAN = 64
"""A producer that is started anew has a new stream, and may go on with its scan."""


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

    @property
    def remembered(self) -> int:
        """Numbers that are kept one by one."""
        return len(self.missing) + len(self._recovered) + len(self._ahead)

    def forget(self) -> int:
        """Only counts from now on what is missing until now; returns how many were remembered."""
        remembered, lost = self.remembered, self.lost
        self.missing.clear()
        self._recovered.clear()
        self._ahead.clear()
        self._forgotten = lost
        return remembered

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


class Streams:
    """The counters of all streams, within bounded memory: what was heard of last is kept best."""

    def __init__(self) -> None:
        self._counters: dict[str, StreamCounter] = {}
        self._forgotten = 0

    @property
    def lost(self) -> int:
        """Messages of all streams that have not come by themselves so far."""
        return self._forgotten + sum(counter.lost for counter in self._counters.values())

    def of(self, stream: str) -> StreamCounter:
        """The counter of a stream that is heard of now."""
        counter = self._counters.pop(stream, None) or StreamCounter()
        self._counters[stream] = counter
        if len(self._counters) > MAX_STREAMS:
            self._forgotten += self._counters.pop(next(iter(self._counters))).lost
        return counter

    def is_lossy(self, stream: str) -> bool:
        """Whether messages of a stream are missing that may still come."""
        counter = self._counters.get(stream)
        return counter is not None and bool(counter.missing)

    def make_room(self) -> None:
        """Forgets the numbers that are missing in the streams that were not heard of for longest,
        where they are too many in all."""
        counters = list(self._counters.values())
        remembered = sum(counter.remembered for counter in counters)
        for counter in counters[:-1]:
            if remembered <= MAX_REMEMBERED:
                return
            remembered -= counter.forget()
