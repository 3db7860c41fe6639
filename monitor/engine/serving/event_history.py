"""Events in memory: the newest for the state, many more on request, and alarms that wait."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.bounded import Bounded
from monitor.engine.serving.paged_history import PER_PAGE, Pages
from monitor.wire.results.cells import Alarm
from monitor.wire.results.queries import EventsRequest

MAX_NEWEST = 200
MAX_KEPT = 20_000
MAX_ALARMS = 1000
ALARMS_SHOWN = 20
NO_NUMBER = 0


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A published event. `number`: the number of the event; None if it has none."""

    version: int
    number: int | None
    kind: str
    cell: str
    frame: bytes


class EventHistory:
    """One thread at a time: the store's lock is held."""

    def __init__(self) -> None:
        self._frames = Pages()
        self._versions, self._numbers = array("q"), array("q")
        self._kinds, self._cells = array("I"), array("I")
        self._words: dict[str, int] = {}
        self._alarms: Bounded[int, Alarm] = Bounded(MAX_ALARMS)
        self._lasting: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def add(self, event: KeptEvent, time: float, data: Mapping[str, Any]) -> None:
        """Adds a published event."""
        self._keep(event)
        number = event.number
        if event.kind == "alarm" and number is not None:
            facts: Alarm = {
                "number": number,
                "time": time,
                "cell": event.cell,
                "text": data.get("text", ""),
                "scan": data.get("scan"),
                "condition": data.get("condition", ""),
                "ended": None,
            }
            self._alarms[number] = facts
            if condition := facts["condition"]:
                self._lasting.setdefault(event.cell, set()).add(str(condition))
        elif event.kind == "alarm_acknowledged":
            seen = data.get("alarm")
            self._alarms.pop(seen if isinstance(seen, int) else 0, None)
        elif event.kind == "alarm_ended":
            over = data.get("alarm")
            self._lasting.get(event.cell, set()).discard(str(data.get("condition")))
            if isinstance(over, int) and over in self._alarms:
                self._alarms[over] = {**self._alarms[over], "ended": time}

    def _keep(self, event: KeptEvent) -> None:
        self._frames.append(event.frame)
        self._versions.append(event.version)
        self._numbers.append(NO_NUMBER if event.number is None else event.number)
        self._kinds.append(self._words.setdefault(event.kind, len(self._words)))
        self._cells.append(self._words.setdefault(event.cell, len(self._words)))
        if len(self) >= MAX_KEPT + PER_PAGE:
            self._frames.forget_page()
            for column in (self._versions, self._numbers, self._kinds, self._cells):
                del column[:PER_PAGE]

    def since(self, version: int) -> list[bytes]:
        """Frames of the newest events that arrived after a version, oldest first."""
        newest = range(max(0, len(self) - MAX_NEWEST), len(self))
        return self._told([place for place in newest if self._versions[place] > version])

    def select(self, request: EventsRequest) -> list[bytes]:
        """Frames of the newest events that were asked for, oldest first: one more than its limit,
        if there are more."""
        kinds = {self._words.get(kind) for kind in request.kinds}
        cell = self._words.get(request.cell)
        found: list[int] = []
        for place in reversed(range(len(self))):
            if (
                (not request.cell or self._cells[place] == cell)
                and (not kinds or self._kinds[place] in kinds)
                and (request.before is None or self._numbers[place] < request.before)
            ):
                found.append(place)
                if len(found) > request.limit:
                    break
        return self._told(found[::-1])

    def _told(self, places: list[int]) -> list[bytes]:
        return list(self._frames.some([self._frames.first + place for place in places]))

    def alarms(self, cell: str) -> list[Alarm]:
        """The newest alarms of a cell ("": those of no cell) that wait to be acknowledged, oldest
        first."""
        return [facts for facts in self._alarms.values() if facts["cell"] == cell][-ALARMS_SHOWN:]

    def lasting(self, cell: str) -> list[str]:
        """Conditions of a cell's alarms that have not ended, acknowledged or not."""
        return sorted(self._lasting.get(cell, ()))

    def waits(self, cell: str, number: int) -> bool:
        """Whether this alarm of the cell waits to be acknowledged."""
        return number in self._alarms and self._alarms[number]["cell"] == cell
