"""Events in memory: the newest for the state, many more for who asks, and alarms that wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from monitor.wire.questions import EventsRequest

MAX_NEWEST = 200
MAX_KEPT = 20_000
MAX_ALARMS = 1000
ALARMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Happening:
    """One event that was published. `number`: that of the event; None where it has none."""

    version: int
    number: int | None
    kind: str
    cell: str
    frame: bytes


class Happenings:
    """One thread at a time: the store's lock is held."""

    def __init__(self) -> None:
        self._kept: deque[Happening] = deque(maxlen=MAX_KEPT)
        self._alarms: dict[int, dict[str, Any]] = {}
        self._lasting: dict[str, set[str]] = {}

    def add(self, happening: Happening, time: float, data: Mapping[str, Any]) -> None:
        """An event has been published."""
        self._kept.append(happening)
        number = happening.number
        if happening.kind == "alarm" and number is not None:
            facts = {"number": number, "time": time, "cell": happening.cell}
            facts |= {"text": data.get("text", ""), "scan": data.get("scan")}
            facts |= {"condition": data.get("condition", ""), "ended": None}
            self._alarms[number] = facts
            if condition := facts["condition"]:
                self._lasting.setdefault(happening.cell, set()).add(str(condition))
            if len(self._alarms) > MAX_ALARMS:
                del self._alarms[next(iter(self._alarms))]
        elif happening.kind == "alarm_acknowledged":
            seen = data.get("alarm")
            self._alarms.pop(seen if isinstance(seen, int) else 0, None)
        elif happening.kind == "alarm_ended":
            over = data.get("alarm")
            self._lasting.get(happening.cell, set()).discard(str(data.get("condition")))
            if isinstance(over, int) and over in self._alarms:
                self._alarms[over] = self._alarms[over] | {"ended": time}

    def since(self, version: int) -> list[bytes]:
        """Frames of the newest events that came after a version, oldest first."""
        newest = islice(reversed(self._kept), MAX_NEWEST)
        return [happening.frame for happening in newest if happening.version > version][::-1]

    def all(self) -> list[Happening]:
        """What is kept, oldest first."""
        return list(self._kept)

    def alarms(self, cell: str) -> list[dict[str, Any]]:
        """The newest alarms of a cell ("": without one) that wait to be seen, oldest first."""
        return [facts for facts in self._alarms.values() if facts["cell"] == cell][-ALARMS_SHOWN:]

    def lasting(self, cell: str) -> list[str]:
        """What is wrong with a cell now, seen by an operator or not."""
        return sorted(self._lasting.get(cell, ()))

    def waits(self, cell: str, number: int) -> bool:
        """Whether this alarm of the cell waits to be seen."""
        return number in self._alarms and self._alarms[number]["cell"] == cell


def select(kept: Sequence[Happening], request: EventsRequest) -> list[bytes]:
    """Frames of the newest events that were asked for, oldest first: one more than its limit, where
    there are more."""
    fitting = (
        happening.frame
        for happening in reversed(kept)
        if request.cell in ("", happening.cell)
        and (not request.kinds or happening.kind in request.kinds)
        and (request.before is None or (happening.number or 0) < request.before)
    )
    return list(islice(fitting, request.limit + 1))[::-1]
