"""Alarms that no operator has acknowledged yet, by the number of their event; and those whose
condition lasts."""

from __future__ import annotations

from monitor.bounded import Bounded
from monitor.errors import BadMessage
from monitor.records import Event

REMEMBERED = 1000


class Alarms:
    """The newest alarms of a session that wait to be visible."""

    def __init__(self) -> None:
        self._waiting: Bounded[int, Event] = Bounded(REMEMBERED)
        self._lasting: dict[tuple[str, str], int] = {}

    def raised(self, alarm: Event) -> None:
        """An event of kind `alarm` was given out."""
        self._waiting[alarm.number] = alarm
        if condition := alarm.data.get("condition"):
            self._lasting[alarm.cell, condition] = alarm.number

    def ended(self, cell: str, condition: str) -> int | None:
        """A condition is over: the number of its alarm, which still waits to be acknowledged where
        nobody has."""
        return self._lasting.pop((cell, condition), None)

    def acknowledge(self, cell: str, number: int) -> Event:
        """Takes an alarm off the list. Raises BadMessage if it does not wait there."""
        alarm = self._waiting.get(number)
        if alarm is None or alarm.cell != cell:
            where = f"in cell {cell[:40]!r}" if cell else "without a cell"
            raise BadMessage(
                "no_alarm",
                f"operator: no alarm {number} is waiting {where}; it has already been "
                "acknowledged, or "
                "does not exist",
            )
        return self._waiting.pop(number)

    def newest(self, cell: str, most: int) -> list[Event]:
        """At most so many of a cell ("": of those without one), oldest first."""
        return [alarm for alarm in self._waiting.values() if alarm.cell == cell][-most:]
