"""Time without slices and readings of each cell, by the clock of this machine.

LATE and DEAD are each reported once when they begin, and LIVE only after messages have arrived for
a while without such a gap: a message that arrives now and then does not raise an alarm each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitor.engine.health import Heard, Silence
from monitor.records import FeedSilence, SilenceState, SilentFeed
from monitor.settings import WatchSettings

DEAF_S = 0.5


@dataclass
class _Part:
    """A feed's part of one cell. `since`: when the first message arrived after the last gap."""

    last: float
    since: float
    state: SilenceState = "LIVE"


class Silences:
    """Is notified of arriving messages, and returns changes of state. Times are those of a
    monotonic clock, s."""

    def __init__(self, settings: WatchSettings, period_s: float = 1800.0) -> None:
        """`period_s`: how often a scan is expected, s of cell time."""
        self._enabled = settings.enabled
        self._late_s, self._grace_s = settings.late_s, settings.due_grace * period_s
        self._limits: dict[SilentFeed, tuple[float, float]] = {
            "slices": (settings.late_s, settings.dead_s),
            "documents": (settings.cycler_s, settings.cycler_s),
        }
        self._parts: dict[tuple[SilentFeed, str], _Part] = {}
        self._overdue: dict[str, _Part] = {}
        self._late_by_s: dict[str, float] = {}
        self._ended: set[str] = set()
        self._looked: float | None = None

    @property
    def state(self) -> Silence:
        """The present state, for screens: the states that were reported, and when a message of each
        part of a feed last arrived."""
        return Silence(
            {key: Heard(part.last, part.state) for key, part in self._parts.items()},
            {n: (part.state, self._late_by_s.get(n, 0.0)) for n, part in self._overdue.items()},
            frozenset(self._ended),
        )

    def heard(self, feed: SilentFeed, cell: str, now: float) -> None:
        """A message of a cell has arrived."""
        part = self._parts.get((feed, cell))
        if part is None:
            self._parts[feed, cell] = _Part(now, now)
            return
        if now - part.last > self._limits[feed][0]:
            part.since = now
        part.last = now

    def go_on(self, feed: SilentFeed, cell: str, state: SilenceState, now: float) -> None:
        """Restores the state of a part of a feed from a recording; its silence counts from now
        on."""
        self._parts[feed, cell] = _Part(now, now, state)

    def look(
        self,
        scanning: Iterable[str],
        now: float,
        overdue: Mapping[str, tuple[SilenceState, float]] | None = None,
        ended: Iterable[str] = (),
    ) -> list[FeedSilence]:
        """Changes since the last call. `scanning`: cells in which a scan runs; `overdue`: by cell,
        whether a scan is overdue in the cell's own time, and for how long (s); `ended`: cells whose
        cycler has ended its run, so that no reading is expected. Without alarms (`watch` is not
        enabled) the states are followed anyway, and nothing is returned."""
        self._leave_out(now)
        running, self._ended = set(scanning), set(ended)
        changes = []
        for (feed, cell), part in self._parts.items():
            waited = cell not in self._ended if feed == "documents" else cell in running
            state = self._state(feed, part, now, waited=waited)
            if state != part.state:
                part.state = state
                limit = self._limits[feed][state == "DEAD"]
                changes.append(FeedSilence(feed, cell, state, round(now - part.last, 3), limit))
        changes += self._schedule(overdue or {}, now)
        return changes if self._enabled else []

    def _schedule(
        self, overdue: Mapping[str, tuple[SilenceState, float]], now: float
    ) -> list[FeedSilence]:
        """A scan is called overdue when it has been for a while by the clock as well: in a
        simulation, minutes of the cell pass while messages wait in a socket."""
        changes = []
        for cell, (state, late) in overdue.items():
            if state == "LIVE":
                self._overdue.pop(cell, None)
                continue
            part = self._overdue.setdefault(cell, _Part(now, now))
            self._late_by_s[cell] = late
            if now - part.since > self._late_s and state != part.state:
                part.state = state
                changes.append(FeedSilence("schedule", cell, state, late, self._grace_s))
        return changes

    def _leave_out(self, now: float) -> None:
        """While maps are computed nobody listens: what waits in the sockets then is not late."""
        deaf = 0.0 if self._looked is None else now - self._looked
        self._looked = now
        parts = (*self._parts.values(), *self._overdue.values())
        for part in parts if deaf > DEAF_S else ():
            part.last, part.since = min(now, part.last + deaf), min(now, part.since + deaf)

    def _state(self, feed: SilentFeed, part: _Part, now: float, *, waited: bool) -> SilenceState:
        if not waited:
            return "LIVE" if part.state == "LIVE" else "IDLE"
        late_s, dead_s = self._limits[feed]
        silent = now - part.last
        if silent > late_s:
            return "DEAD" if silent > dead_s or part.state == "DEAD" else "LATE"
        if part.state in ("LIVE", "IDLE") or part.last - part.since >= late_s:
            return "LIVE"
        return part.state
