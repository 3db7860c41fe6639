"""Watches over one cell: what is wrong is reported once when it begins and once when it is over.

Scans are judged when they are finished (`signs`). How long a feed is silent, and a scan overdue, by
the clock of the machine, the engine says by a record. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from monitor.core.channels.coincidence import Samples, as_facts, coincidences, sentence
from monitor.core.cycler.documents import Notice
from monitor.core.cycler.time_checks import UNTRUE
from monitor.core.news import Facts, Sign, Told
from monitor.core.watchdog import checks
from monitor.core.watchdog.checks import Usual
from monitor.records import (
    PLANNED,
    FeedSilence,
    ScanResult,
    ScanStart,
    SilenceState,
    SilentFeed,
)
from monitor.records.state import Watch
from monitor.settings import WatchSettings

OF_IMAGES = ("closure", "noise", "grey_levels", "registration", "valid", "levels_lost")
"""Conditions that the beam, or the surroundings of the cell, may cause."""
IN_A_ROW = ("closure", "noise", "grey_levels")
"""Need some bad scans in a row. Others begin with the first: its maps cannot be used."""


@dataclass
class Condition:
    """Begins after so many bad signs in a row, and ends after so many good ones."""

    begin_after: int = 1
    end_after: int = 1
    lasting: bool = False
    row: int = 0

    def take(self, *, bad: bool, good: bool) -> bool:
        """Whether it begins or ends with this sign."""
        self.row = self.row + 1 if (good if self.lasting else bad) else 0
        if self.row < (self.end_after if self.lasting else self.begin_after):
            return False
        self.lasting, self.row = not self.lasting, 0
        return True


class CellWatch:
    """All conditions of one cell. Methods return the news, in order."""

    def __init__(
        self,
        cell: str,
        settings: WatchSettings,
        period_s: float,
        *,
        channels: Callable[[], Iterable[Samples]] = tuple,
    ) -> None:
        """`period_s`: how often a scan is expected, s of cell time; `channels`: returns the values
        of the cell's channels."""
        self._cell = cell
        self._settings = settings
        self._period_s = period_s
        self._conditions: dict[str, Condition] = {}
        self._channels = channels
        self._unaffected: dict[str, ScanStart] = {}
        self._usual = Usual()
        self._planned: float | None = None
        self._delay_s = 0.0
        self._now: float | None = None

    # --- finished scans -------------------------------------------------------------------------

    def judge(self, result: ScanResult, doubt: str, at: float) -> list[Told]:
        """What a scan says. `doubt`: why it may lie beside the reference, or ""; `at`: the time of
        that, UTC s. While it is preliminary its charge says nothing: see `judge_charge`."""
        if not self._settings.enabled:
            return []
        news: list[Told] = []
        for sign in checks.of_scan(result.summary, self._settings, self._usual, doubt):
            news += self._judge_sign(sign, result.start, at)
        self._unaffected |= dict.fromkeys(
            checks.standard_of(result.summary, self._usual), result.start
        )
        self._usual.remember(result.summary, self._settings)
        return news

    def judge_charge(self, result: ScanResult) -> list[Told]:
        """What the charge of a scan says that was preliminary when it was finished."""
        sign = checks.closure(result.summary, self._settings) if self._settings.enabled else None
        if sign is None:
            return []
        return self._judge_sign(sign, result.start, result.start.stop_time)

    def _judge_sign(self, sign: Sign, start: ScanStart, at: float) -> list[Told]:
        """What one sign of a scan says. If an alarm begins, what channels did since the last scan
        without this fault is stated in it."""
        news = self._take(sign, scan=start.key.scan, at=at)
        if not sign.bad:
            self._unaffected[sign.condition] = start
        before = self._unaffected.get(sign.condition)
        if sign.condition not in OF_IMAGES or before is None:
            return news
        return [self._with_coincidences(told, before, start) for told in news]

    def _with_coincidences(self, told: Told, before: ScanStart, start: ScanStart) -> Told:
        if told.kind != "alarm":
            return told
        found = coincidences(self._channels(), before.stop_time, start.stop_time)
        if not found:
            return told
        text = f"{told.data['text']}. {sentence(found, before.key.scan, start.stop_time)}"
        facts: Facts = {"text": text, "coincidences": [as_facts(one) for one in found]}
        return replace(told, data={**told.data, **facts})

    # --- schedule -------------------------------------------------------------------------------

    def started(self, start: ScanStart) -> list[Told]:
        """A scan began; one on schedule ends the wait for it."""
        if start.reason not in PLANNED:
            return []
        if self._planned is None or start.start_time > self._planned:
            self._planned = start.start_time
            self._delay_s = max(0.0, (self._now or start.start_time) - start.start_time)
        text = f"scan {start.key.scan} has begun"
        return self._over(("scan_late", "scan_dead"), text, scan=start.key.scan, at=None)

    def run_ended(self) -> list[Told]:
        """The cycler's run has ended: no scan on schedule is expected."""
        text = "the cycler's run has ended: no scan is expected"
        return self._over(("scan_late", "scan_dead"), text, scan=None, at=None)

    def told(self, time: float) -> None:
        """The cycler tells the time, UTC s: that of its newest reading. It goes back if a reading
        is taken back."""
        self._now = time

    def overdue(self, *, scanning: bool) -> tuple[SilenceState, float]:
        """LATE or DEAD, and for how long a scan is overdue, s of cell time; LIVE if none is, as
        while one runs."""
        if scanning or self._planned is None or self._now is None:
            return "LIVE", 0.0
        if any(self._condition(name).lasting for name in UNTRUE):
            return "LIVE", 0.0  # the cell's time is not known
        late = self._now - (self._planned + self._period_s + self._delay_s)
        if late <= self._grace_s:
            return "LIVE", max(0.0, late)
        return "DEAD" if late > self._period_s else "LATE", late

    @property
    def _grace_s(self) -> float:
        return self._settings.due_grace * self._period_s

    @property
    def state(self) -> Watch:
        """`scan_delay_s`: how long after its start, in cell time, the last scan on schedule was
        received from (None before any, and without a cycler); `conditions`: what is wrong now."""
        known = self._planned is not None and self._now is not None
        lasting = [name for name, condition in self._conditions.items() if condition.lasting]
        return {"scan_delay_s": self._delay_s if known else None, "conditions": sorted(lasting)}

    # --- times of readings --------------------------------------------------------------------

    def times(self, found: Iterable[Sign], *, scan: int | None = None) -> list[Told]:
        """What the times of readings and scans say."""
        if not self._settings.enabled:
            return []
        return [told for sign in found for told in self._take(sign, scan=scan)]

    def notice(self, notice: Notice) -> list[Told]:
        """What documents say of the feed of readings."""
        sign = Sign(notice.condition, not notice.over, notice.over, notice.text, notice.facts)
        return self.times([sign])

    # --- silence --------------------------------------------------------------------------------

    def silence(self, record: FeedSilence, *, scanning: bool) -> list[Told]:
        """The engine reports that a part of a feed has fallen silent, or is received again."""
        if not self._settings.enabled or (record.feed == "slices" and not scanning):
            return []
        if record.feed == "schedule":
            return self._late(record)
        what = "slices" if record.feed == "slices" else "cycler"
        message = "slice" if what == "slices" else "reading"
        conditions = (f"{what}_late", f"{what}_dead")
        if record.state in ("LIVE", "IDLE"):
            text = f"{message}s are received again"
            if record.state == "IDLE" and what == "cycler":
                text = "the cycler's run has ended: no reading is expected"
            return self._over(conditions, text, scan=None, at=None)
        source = "running scan" if what == "slices" else "cycler"
        todo = "reconstruction" if what == "slices" else "cycler, its proxy"
        text = (
            f"no {message} of the {source} has been received for {record.seconds:.0f} s: check the "
            f"{todo} and the network"
        )
        facts: Facts = {"value": record.seconds, "limit": record.limit_s, "unit": "s"}
        return self._worsen(what, record.state, text, facts)

    def _late(self, record: FeedSilence) -> list[Told]:
        if record.state not in ("LATE", "DEAD"):
            return []
        late = record.seconds
        facts: Facts = {"value": late, "limit": record.limit_s, "unit": "s"}
        text = f"a scan is overdue by {late:.0f} s of cell time: is the acquisition running?"
        return self._worsen("scan", record.state, text, facts)

    def concluded(self, scan: int) -> list[Told]:
        """No scan of the cell runs any more: its slices are not waited for."""
        text = f"scan {scan} was finished"
        return self._over(("slices_late", "slices_dead"), text, scan=scan, at=None)

    def silence_of(self, feed: SilentFeed) -> SilenceState:
        """What was reported last of a feed's part of the cell."""
        what = "slices" if feed == "slices" else "cycler"
        if self._condition(f"{what}_dead").lasting:
            return "DEAD"
        return "LATE" if self._condition(f"{what}_late").lasting else "LIVE"

    # --- words ----------------------------------------------------------------------------------

    def _worsen(self, what: str, state: str, text: str, facts: Facts) -> list[Told]:
        """Late, then dead: the one ends where the other begins."""
        late, dead = f"{what}_late", f"{what}_dead"
        if state == "LATE":
            if self._condition(dead).lasting:
                return []
            return self._take(Sign(late, bad=True, good=False, text=text, facts=facts))
        more = "the condition has become more serious: see the next alarm"
        news = self._over((late,), more, scan=None, at=None)
        return news + self._take(Sign(dead, bad=True, good=False, text=text, facts=facts))

    def _over(
        self, conditions: Iterable[str], text: str, *, scan: int | None, at: float | None
    ) -> list[Told]:
        news: list[Told] = []
        for name in conditions:
            if self._condition(name).lasting:
                sign = Sign(name, bad=False, good=True, text=text)
                news += self._take(sign, scan=scan, at=at)
        return news

    def _take(self, sign: Sign, *, scan: int | None = None, at: float | None = None) -> list[Told]:
        condition = self._condition(sign.condition)
        if not condition.take(bad=sign.bad, good=sign.good):
            return []
        kind = "alarm" if condition.lasting else "alarm_ended"
        said = {"condition": sign.condition, "scan": scan, "text": sign.text, **sign.facts}
        return [Told(kind, self._cell, said, at)]

    def _condition(self, name: str) -> Condition:
        if name not in self._conditions:
            some = self._settings.scans
            begin = some if name in IN_A_ROW else 1
            end = some if name in (*IN_A_ROW, "valid") else 1
            self._conditions[name] = Condition(begin, end)
        return self._conditions[name]
