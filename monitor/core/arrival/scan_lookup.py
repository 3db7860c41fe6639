"""Which scan a message of the slice stream belongs to: it names its scan by stream and number, and
the same number may be used again in the same stream."""

from __future__ import annotations

from monitor.bounded import Bounded
from monitor.records import ScanKey, ScanStart

MAX_NAMES = 20_000
MAX_USES = 8
"""Of one number in one stream, the newest: each slice looks through them."""
Use = tuple[int, ScanKey]


class ScanNames:
    """By stream and number as sent, the scans that were announced so; the newest `MAX_NAMES`."""

    def __init__(self) -> None:
        self._uses: Bounded[tuple[str, int], tuple[Use, ...]] = Bounded(MAX_NAMES)

    def add(self, start: ScanStart) -> None:
        """A header arrived. `start.key` is the scan that it announces."""
        name = start.stream, start.number
        uses = self._uses.get(name, ())
        if all(key != start.key for _, key in uses):
            uses = tuple(sorted((*uses, (start.msg_number, start.key)), reverse=True)[:MAX_USES])
        self._uses.renew(name, uses)

    def find(self, stream: str, number: int, msg_number: int) -> tuple[ScanKey, ...]:
        """The scans that a message may belong to, the likeliest first: those whose header was sent
        before it, the newest first; if there are none, the oldest, whose header it has overtaken.
        Empty if no header arrived."""
        uses = self._uses.get((stream, number), ())
        if len(uses) < 2:
            return (uses[0][1],) if uses else ()
        before = tuple(key for begun, key in uses if begun <= msg_number)
        return before or (uses[-1][1],)
