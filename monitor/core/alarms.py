"""Alarms that no operator has acknowledged yet, by the number of their event."""

from __future__ import annotations

from monitor.errors import BadMessage
from monitor.records import Event

REMEMBERED = 1000


class Alarms:
    """The newest alarms of a session that wait to be seen."""

    def __init__(self) -> None:
        self._waiting: dict[int, Event] = {}

    def raised(self, alarm: Event) -> None:
        """An event of kind `alarm` was given out."""
        self._waiting[alarm.number] = alarm
        if len(self._waiting) > REMEMBERED:
            del self._waiting[next(iter(self._waiting))]

    def acknowledge(self, cell: str, number: int) -> Event:
        """Takes an alarm off the list. Raises BadMessage where it does not wait there."""
        alarm = self._waiting.get(number)
        if alarm is None or alarm.cell != cell:
            where = f"in cell {cell[:40]!r}" if cell else "without a cell"
            raise BadMessage(
                "no_alarm",
                f"operator: no alarm {number} waits {where}; it has been acknowledged already, or "
                "is not there",
            )
        return self._waiting.pop(number)

    def newest(self, cell: str, most: int) -> list[Event]:
        """At most so many of a cell ("": of those without one), oldest first."""
        return [alarm for alarm in self._waiting.values() if alarm.cell == cell][-most:]
