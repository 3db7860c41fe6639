"""What a session gives out: events with their numbers and times, results, requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monitor.core.news import News
from monitor.core.watchdog.acknowledgements import Alarms
from monitor.errors import BadMessage
from monitor.records import Event, Json, Output, ScanRequest

FEEDS = ("slices", "documents", "requests")


class Outputs:
    """`now`: what follows from the record that is being fed, in order; `time`: the latest time that
    the data have told, UTC s; `bad`: messages that could not be used, by feed and kind."""

    def __init__(self, alarms: Alarms) -> None:
        self.now: list[Output] = []
        self.time = 0.0
        self.bad: dict[str, Counter[str]] = {feed: Counter() for feed in FEEDS}
        self._alarms = alarms
        self._number = 0

    def add(self, output: Output) -> None:
        """The next one."""
        self.now.append(output)

    def refuse(self, feed: str, error: BadMessage, messages: int = 1) -> None:
        """Count a message that cannot be used; say so at the 1st, 2nd, 4th, 8th … of a kind."""
        counter = self.bad.setdefault(feed, Counter())
        before = counter[error.kind]
        count = counter[error.kind] = before + messages
        if count.bit_length() > before.bit_length():
            self.event(
                "bad_message", "", feed=feed, bad_kind=error.kind, count=count, text=str(error)
            )

    def event(self, kind: str, cell: str, *, at: float | None = None, **data: Json) -> None:
        """An event at `at` of the data's time, or at the latest time that has been received
        from."""
        self._number += 1
        time = self.time if at is None else at
        event = Event(self._number, kind, cell, time, data)
        self.now.append(event)
        if kind == "alarm":
            self._alarms.raised(event)

    def news(self, news: Iterable[News]) -> None:
        """Events and requests that follow from what the requests or a watch made of a record."""
        for told in news:
            if isinstance(told, ScanRequest):
                self.now.append(told)
            elif told.kind == "alarm_ended":
                number = self._alarms.ended(told.cell, str(told.data["condition"]))
                self.event(told.kind, told.cell, at=told.at, alarm=number, **told.data)
            else:
                self.event(told.kind, told.cell, at=told.at, **told.data)
