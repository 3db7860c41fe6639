"""Message numbers of the producers' streams: what is missing, seen at once."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

from monitor.bounded import Bounded

LATER = 512
"""A number that is missing so many numbers later is lost, not merely out of order."""
MAX_REMEMBERED = 100_000
MAX_STREAMS = 64
MAX_STREAMS_OF_SCAN = 64
"""A producer that is started again has a new stream, and may resume its scan."""


@dataclass(frozen=True, slots=True)
class Gap:
    """So many messages, `lost`, of a stream never came by themselves since this was last told;
    `total` so far, in `count` gaps, the last of which ended with the number `before`."""

    lost: int
    total: int
    before: int
    count: int


class StreamCounter:
    """Counts the messages of a stream that were skipped and have not arrived later by themselves.

    The first message seen is where counting begins: a monitor that joins late has lost nothing.
    What arrived again because it was asked for was lost on the way anyway, but is `missing` no
    more. What is missing is certain to be lost once it is settled: `LATER` numbers later, or at the
    end of the scan.
    """

    def __init__(self) -> None:
        self.missing: set[int] = set()
        self._recovered: OrderedDict[int, None] = OrderedDict()
        self._ahead: Bounded[int, None] = Bounded(MAX_REMEMBERED)
        self._forgotten = 0
        self._last: int | None = None
        self._unsettled: deque[tuple[range, int]] = deque()
        self._uncertain = 0
        self._certain_below = 0
        self._gaps = self._untold = self._ended_with = 0

    @property
    def has_due(self) -> bool:
        """Whether a gap can be settled."""
        unsettled = self._unsettled
        return bool(unsettled) and (self._last or 0) >= unsettled[0][0].stop + LATER

    @property
    def certain(self) -> int:
        """Messages that are settled to be lost."""
        return self.lost - self._uncertain

    def settle(self, *, everything: bool = False) -> list[Gap]:
        """Settles the gaps that are certain by now; with `everything`, all: nothing more comes of
        them. Returns what is to be reported: the 1st, 2nd, 4th, 8th … gap, and with `everything`
        the last one."""
        news = []
        while self._unsettled and (everything or self.has_due):
            numbers, forgotten = self._unsettled.popleft()
            lost = forgotten + sum(n in self.missing or n in self._recovered for n in numbers)
            self._uncertain -= lost
            self._certain_below = numbers.stop
            if lost:
                self._gaps += 1
                self._untold += lost
                self._ended_with = numbers.stop
                if self._gaps & (self._gaps - 1) == 0:
                    news.append(self._news())
        if everything and self._untold:
            news.append(self._news())
        return news

    def _news(self) -> Gap:
        untold, self._untold = self._untold, 0
        return Gap(untold, self.certain, self._ended_with, self._gaps)

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
        self._unsettled.clear()
        self._uncertain = 0
        self._forgotten = lost
        return remembered

    def take(self, number: int) -> int:
        """Note one message; returns how many were skipped right before it."""
        last, self._last = self._last, max(number, self._last or 0)
        if last is None:
            return 0
        if number <= last:
            self._came_later(number)
            return 0
        self._ahead.pop(number, None)
        if number == last + 1:
            return 0
        skipped = number - last - 1
        remembered = min(skipped, max(0, MAX_REMEMBERED - len(self.missing)))
        self.missing.update(range(number - remembered, number))
        self._forgotten += skipped - remembered
        self._uncertain += skipped
        self._unsettled.append((range(number - remembered, number), skipped - remembered))
        for early in [n for n in self._ahead if n < number]:
            del self._ahead[early]
            self.recover(early)
        return skipped

    def _came_later(self, number: int) -> None:
        """A number that others have overtaken has come by itself: it was not lost."""
        if number not in self.missing and number not in self._recovered:
            return
        self.missing.discard(number)
        self._recovered.pop(number, None)
        if number >= self._certain_below:
            self._uncertain -= 1

    def recover(self, number: int) -> None:
        """Note one message that arrived because it was asked for."""
        if number in self.missing:
            self.missing.discard(number)
            self._recovered[number] = None
            if len(self._recovered) > MAX_REMEMBERED:
                oldest, _ = self._recovered.popitem(last=False)
                self._forgotten += 1
                self._uncertain -= oldest >= self._certain_below
        elif self._last is not None and number > self._last:
            self._ahead[number] = None


class Streams:
    """The counters of all streams, within bounded memory: what was received from last is kept
    best."""

    def __init__(self) -> None:
        self._counters: OrderedDict[str, StreamCounter] = OrderedDict()
        self._forgotten = 0

    @property
    def lost(self) -> int:
        """Messages of all streams that have not come by themselves so far."""
        return self._forgotten + sum(counter.lost for counter in self._counters.values())

    @property
    def gaps(self) -> int:
        """Messages of all streams that are certain never to have come by themselves."""
        return self._forgotten + sum(counter.certain for counter in self._counters.values())

    def known(self, stream: str) -> StreamCounter | None:
        """The counter of a stream, if it is one of those received from last."""
        return self._counters.get(stream)

    def of(self, stream: str) -> StreamCounter:
        """The counter of a stream that is received from now."""
        counter = self._counters.pop(stream, None) or StreamCounter()
        self._counters[stream] = counter
        if len(self._counters) > MAX_STREAMS:
            self._forgotten += self._counters.popitem(last=False)[1].lost
        return counter

    def is_lossy(self, stream: str) -> bool:
        """Whether messages of a stream are missing that may still arrive."""
        counter = self._counters.get(stream)
        return counter is not None and bool(counter.missing)

    def make_room(self) -> None:
        """Forgets the numbers that are missing in the streams that were not received from for
        longest, if they are too many in all."""
        counters = list(self._counters.values())
        remembered = sum(counter.remembered for counter in counters)
        for counter in counters[:-1]:
            if remembered <= MAX_REMEMBERED:
                return
            remembered -= counter.forget()
