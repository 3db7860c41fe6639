"""What is asked of the acquisition and what operators order, for all cells: the policy's decisions,
requests and what became of them, suggestions, notes, alarms that have been seen.

Methods return the news in order; the session numbers them and gives them out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace

from monitor.core.news import News, Told
from monitor.core.policy.decision import Decision, request_id
from monitor.core.policy.onset import OnsetWatch
from monitor.core.policy.requests import RequestBook
from monitor.core.policy.rules import Situation
from monitor.core.watchdog.acknowledgements import Alarms
from monitor.errors import BadMessage
from monitor.number_text import counted
from monitor.records import (
    Acknowledgement,
    OperatorNote,
    OperatorRequest,
    Order,
    PolicyChange,
    RecordingTrouble,
    ScanReply,
    ScanRequest,
    ScanResult,
    ScanStart,
    TroublePart,
)
from monitor.records.state import Policy
from monitor.settings import Settings


class ScanRequests:
    """Knows every request, every policy and every alarm of a session. Reads no clock."""

    def __init__(self, settings: Settings, identity: str = "") -> None:
        """`identity`: of the recording, which ids of requests are made from; "" for one that has
        none: then the name of the experiment."""
        self._experiment = identity or settings.experiment.name
        names = [cell.name for cell in settings.cells]
        self._watches = {
            name: OnsetWatch(settings.onset, self._experiment, settings.watch) for name in names
        }
        self._book = RequestBook()
        self._asked: Counter[str] = Counter()
        self.alarms = Alarms()
        self.troubles: dict[TroublePart, None] = {}
        """Those of the engine itself that last, in their order."""

    @property
    def unserved(self) -> list[ScanRequest]:
        """Requests whose scan has not been seen to begin."""
        return self._book.unserved

    def policies(self, time: float) -> dict[str, Policy]:
        """The policy of each cell as it is at `time`, JSON-ready."""
        return {name: watch.state(time) for name, watch in self._watches.items()}

    # --- scans ----------------------------------------------------------------------------------

    def judge(self, situation: Situation) -> Decision:
        """The decision on a finished scan."""
        return self._watches[situation.cell].judge(situation)

    def judge_charge(self, situation: Situation) -> Decision | None:
        """The decision on a scan that was preliminary, as its charge is known now; None if no
        rule needs it."""
        return self._watches[situation.cell].judge_charge(situation)

    def decided(
        self, result: ScanResult, decision: Decision, at: float, *, corrected: bool = False
    ) -> list[News]:
        """The decision on a scan, also a "no", and what follows from it. `at`: its time, UTC s;
        `corrected`: it is the second one, after readings arrived that were missing."""
        name, scan = result.key.cell, result.key.scan
        news: list[News] = []
        if decision.onset:
            text = f"{counted(len(result.pits), 'significant pit')}, the first in this cell"
            news.append(Told("pit_onset", name, {"scan": scan, "why": text}, at))
        if decision.confirmed is not None:
            kind = "request_confirmed" if decision.confirmed else "request_refuted"
            news.append(Told(kind, name, {"scan": scan, "id": result.start.request}, at))
        said = {"scan": scan, "corrected": corrected, **decision.data()}
        news.append(Told("decision", name, said, at))
        overtaken = not corrected or decision.request is not None
        stale = self._book.suggestion(name) if overtaken else None
        if stale is not None:
            news.append(_closed(stale, "another scan was requested first"))
        request = decision.request
        if request is not None and decision.verdict == "ask":
            news += self._ask(request)
        elif request is not None:
            self._book.suggest(request)
            news.append(_about(request, "scan_suggested", at))
        return news

    def started(self, start: ScanStart) -> list[News]:
        """A scan began, which may answer a request."""
        return self._news(start.key.cell, self._book.started(start))

    def ended(self, start: ScanStart, received: int, *, whole: bool) -> list[News]:
        """A scan was concluded with so many slices; `whole`: it was not interrupted."""
        replies = [self._book.ended(start, received, whole=whole), *self._book.overtaken(start)]
        return [one for reply in replies for one in self._news(start.key.cell, reply)]

    def reply(self, reply: ScanReply) -> list[News]:
        """The acquisition answered."""
        return self._news(self._book.cell_of(reply.id), self._book.heard(reply))

    def _news(self, name: str, news: ScanReply | None) -> list[News]:
        if news is None:
            return []
        if name in self._watches:
            self._watches[name].reply(news)
        return [Told("scan_reply", name, asdict(news))]

    # --- recording ------------------------------------------------------------------------------

    def recording(self, trouble: RecordingTrouble) -> list[News]:
        """A trouble of the engine itself begins or is over: an alarm of no cell."""
        if trouble.failing == (trouble.part in self.troubles):
            return []
        if trouble.failing:
            self.troubles[trouble.part] = None
        else:
            del self.troubles[trouble.part]
        facts = {"condition": trouble.part, "scan": None, "text": trouble.text}
        kind = "alarm" if trouble.failing else "alarm_ended"
        return [Told(kind, "", facts | {"slices_not_recorded": trouble.lacking})]

    # --- operators ------------------------------------------------------------------------------

    def order(self, order: Order, last_scan: int, now: float) -> list[News]:
        """What an operator orders. `last_scan`: number of the cell's last concluded scan; `now`:
        newest time of the data, UTC s. Raises BadMessage for what there is nothing to do about."""
        general = isinstance(order, OperatorNote | Acknowledgement)
        if order.cell not in self._watches and not (general and order.cell == ""):
            raise BadMessage("unknown_cell", f"operator: there is no cell {order.cell[:40]!r}")
        match order:
            case OperatorRequest():
                return self._wish(order, last_scan, now)
            case PolicyChange():
                return self._policy(order)
            case OperatorNote():
                said = {"text": order.text, "by": order.by, "scan": order.scan}
                return [Told("note", order.cell, said, order.time or None)]
            case Acknowledgement():
                alarm = self.alarms.acknowledge(order.cell, order.number)
                seen = {"alarm": order.number, "by": order.by, "text": alarm.data.get("text", "")}
                return [Told("alarm_acknowledged", order.cell, seen, order.time or None)]

    def _policy(self, order: PolicyChange) -> list[News]:
        watch = self._watches[order.cell]
        before = watch.mode
        watch.change(order.mode, order.max_scans)
        now = {"mode": watch.mode, "before": before, "max_scans": watch.max_scans, "by": order.by}
        news: list[News] = [Told("policy_changed", order.cell, now, order.time or None)]
        waiting = self._book.suggestion(order.cell) if order.mode == "off" else None
        if waiting is not None:
            news.append(_closed(waiting, "the policy was switched off"))
        return news

    def _wish(self, wish: OperatorRequest, last_scan: int, now: float) -> list[News]:
        if wish.suggestion:
            return self._answer_suggestion(wish, now)
        self._asked[wish.cell] += 1
        identity = request_id(
            self._experiment, wish.cell, last_scan, wish.reason, self._asked[wish.cell]
        )
        evidence = {"asked_by": "operator", **_words(wish)}
        return self._ask(ScanRequest(identity, wish.cell, wish.reason, last_scan, evidence))

    def _answer_suggestion(self, wish: OperatorRequest, now: float) -> list[News]:
        waiting = self._book.suggested(wish.cell)
        if waiting is None or waiting.id != wish.suggestion:
            raise BadMessage(
                "no_suggestion",
                f"operator: no suggestion {wish.suggestion[:40]!r} is waiting in cell "
                f"{wish.cell}; it "
                "has already been answered or replaced",
            )
        self._book.suggestion(wish.cell)
        if not wish.accepted:
            why = f": {wish.why}" if wish.why else ""
            return [_closed(waiting, f"declined by the operator{why}")]
        self._watches[wish.cell].accept(waiting, now)
        return self._ask(replace(waiting, evidence={**waiting.evidence, **_words(wish)}))

    def _ask(self, request: ScanRequest) -> list[News]:
        self._book.add(request)
        return [request, _about(request, "scan_request")]


def _words(wish: OperatorRequest) -> dict[str, str]:
    """What the operator has said of a wish, as far as anything."""
    return {key: text for key, text in (("why", wish.why), ("by", wish.by)) if text}


def _about(request: ScanRequest, kind: str, at: float | None = None) -> Told:
    data = asdict(request)
    return Told(kind, data.pop("cell"), data, at)


def _closed(request: ScanRequest, why: str) -> Told:
    return Told("suggestion_closed", request.cell, {"id": request.id, "why": why})
