"""Rules and their memory → a scan request, or the reason for none.

An entry of `onset.when` asks when all of its rules are met, and then not again before it has not
been met for `clear_scans` scans. Entries by heights alone are judged when a scan is finished; those
that need the charge once readings cover the scan. What stands against a request that is due
(cooldown, quiet hours, budget, one on its way) holds it back as long as that lasts. A scan that
cannot be trusted never asks by itself: what it shows is suggested to the operator, and stays due
for the next scan. The scan that answers reports whether what led to it was real. Reads no clock:
the same situations and replies in the same order give the same decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from monitor.core.policy.budget import Budget, is_quiet
from monitor.core.policy.decision import Decision, request_for
from monitor.core.policy.onset_memory import Asked, Entry, Past, Suggested, Waiting
from monitor.core.policy.rules import Before, Finding, Situation, findings
from monitor.core.policy.trust import untrusted
from monitor.core.watchdog.checks import Usual
from monitor.records import PolicyMode, ScanReply, ScanRequest
from monitor.records.state import Policy
from monitor.settings import OnsetSettings, WatchSettings, rules_of


class OnsetWatch:
    """The policy for one cell: a decision for each scan, and another one when readings arrive that
    were missing."""

    def __init__(
        self, settings: OnsetSettings, experiment: str, limits: WatchSettings | None = None
    ) -> None:
        """`limits`: what a scan must keep to be trusted; by default the settings' defaults."""
        self._settings = settings
        self._limits = limits or WatchSettings()
        self._usual = Usual()
        self._experiment = experiment
        self._entries = [Entry(name, rules_of(name)) for name in settings.when]
        self._past = Past()
        self.budget = Budget(settings)

    def judge(self, now: Situation) -> Decision:
        """The decision on a finished scan; while it is preliminary, by what its heights tell."""
        past, settings, preliminary = self._past, self._settings, now.preliminary
        self._note(now)
        before = Before(past.situation, past.last_pit, past.charged)
        found = findings(now, before, settings)
        asked = past.waiting.pop(now.request, None)
        later = preliminary and asked is not None and self._needs_charge(asked)
        if preliminary:
            past.uncharged[now.run, now.scan] = Waiting(before, asked if later else None)
        confirmed = None if later else self._confirmed(asked, now, found)
        onset = not past.begun and len(now.pits) >= settings.min_pits
        past.begun = past.begun or onset
        past.suggested = None
        waiting = [entry for entry in self._entries if preliminary and entry.needs_charge]
        judged = [entry for entry in self._entries if entry not in waiting]
        decision = self._follow(now, found, judged, onset, confirmed)
        self._usual.remember(now.summary, self._limits)
        past.situation = now
        if not preliminary:
            past.charged = now
        if not waiting:
            return decision
        names = tuple(entry.name for entry in waiting)
        later_on = f"{', '.join(names)}: waiting for cycler readings that cover the scan"
        why = f"{decision.why}; {later_on}" if judged else later_on
        return replace(decision, why=why, waiting=names)

    def judge_charge(self, now: Situation) -> Decision | None:
        """The decision on a scan that was judged as preliminary, by what needs the charge; None
        if nothing in `onset.when` does."""
        past = self._past
        waited = past.uncharged.pop((now.run, now.scan), Waiting(Before(), None))
        before = replace(waited.before, charged=past.charged)
        found = findings(now, before, self._settings)
        confirmed = self._confirmed(waited.asked, now, found)
        entries = [entry for entry in self._entries if entry.needs_charge]
        past.charged = now
        return self._follow(now, found, entries, False, confirmed) if entries else None

    def _follow(
        self,
        now: Situation,
        found: Mapping[str, Finding],
        entries: list[Entry],
        onset: bool,
        confirmed: bool | None,
    ) -> Decision:
        """The decision by some of the entries, each of which follows the scan."""
        settings = self._settings
        met = {entry.name: entry.met(found) for entry in entries}
        due = [entry for entry in entries if met[entry.name] and entry.armed]
        about = due[0].rules if due else ()
        wrong = untrusted(now.summary, self._limits, self._usual, about)
        decision = self._decide(now, found, entries, due, onset, confirmed, wrong)
        for entry in entries:
            entry.follow(met[entry.name], settings.clear_scans)
        return replace(
            decision,
            mode=settings.mode,
            max_scans=settings.max_scans_per_cell,
            untrusted=wrong,
        )

    def reply(self, reply: ScanReply) -> None:
        """What became of a request; one that brought no scan costs nothing."""
        if reply.id not in self._past.waiting:
            return
        if reply.status in ("refused", "failed"):
            del self._past.waiting[reply.id]
            self.budget.refund(reply.id)
        else:
            self.budget.spend(reply.id, self._past.last_asked)

    def accept(self, request: ScanRequest, time: float) -> None:
        """The operator wants what was suggested."""
        suggested = self._past.suggested
        if suggested is not None and suggested.id == request.id:
            suggested.entry.armed = False
            self._past.last_pit = max(self._past.last_pit, suggested.last_pit)
        self._wait_for(request, request.reason, frozenset(), time)

    def change(self, mode: PolicyMode, max_scans: int | None) -> None:
        """Another mode, and another budget of extra scans (None: as it is), from the next decision
        on. What was met while requests were off may ask now."""
        if max_scans is None:
            max_scans = self._settings.max_scans_per_cell
        limits = {"mode": mode, "max_scans_per_cell": max_scans}
        self._settings = self._settings.model_copy(update=limits)
        self.budget.limit(self._settings)
        if mode != "off":
            for entry in self._entries:
                entry.armed = entry.armed or entry.unheard
                entry.unheard = False

    @property
    def mode(self) -> PolicyMode:
        """What is done where an extra scan is due."""
        return self._settings.mode

    @property
    def max_scans(self) -> int:
        """How many extra scans there may be in all."""
        return self._settings.max_scans_per_cell

    def state(self, time: float) -> Policy:
        """The policy, what it has spent, what it waits for an answer to, and why it could not ask
        at `time`; JSON-ready."""
        return {
            "mode": self.mode,
            "max_scans": self.max_scans,
            "extra_scans": self.budget.extra_scans,
            "unanswered": self.budget.extra_scans - self.budget.spent,
            "max_scans_per_hour": self._settings.max_scans_per_hour,
            "refusal": self._held(time),
        }

    def granted(self, identity: str, time: float) -> None:
        """An extra scan that was asked for has been made, and is not shown to this policy."""
        self._past.waiting.pop(identity, None)
        self.budget.spend(identity, time)
        self.budget.exposed(time)

    def _note(self, now: Situation) -> None:
        """What the scan itself costs."""
        self.budget.exposed(now.time)
        if now.reason in ("extra", "manual"):
            self.budget.spend(now.request or f"scan {now.run} {now.scan}", now.time)

    def _needs_charge(self, asked: Asked) -> bool:
        """Whether the charge says if the reason of a request was real."""
        entry = next((e for e in self._entries if e.name == asked.entry), None)
        return not asked.pits and entry is not None and entry.needs_charge

    def _confirmed(
        self, asked: Asked | None, now: Situation, found: Mapping[str, Finding]
    ) -> bool | None:
        if asked is None or not self._settings.confirm:
            return None
        if asked.pits:
            real = len(asked.pits & {pit.id for pit in now.pits}) >= self._settings.min_pits
            if not real:
                self._past.begun = False
            return real
        entry = next((e for e in self._entries if e.name == asked.entry), None)
        return None if entry is None else entry.met(found)

    def _decide(
        self,
        now: Situation,
        found: Mapping[str, Finding],
        entries: list[Entry],
        due: list[Entry],
        onset: bool,
        confirmed: bool | None,
        wrong: Mapping[str, str],
    ) -> Decision:
        if not due:
            return Decision("no", self._why_not(found, entries), onset, found, None, confirmed)
        entry, mode = due[0], self._settings.mode
        why = "; ".join(found[rule].text for rule in entry.rules)
        held = self._held(now.time) if mode != "off" else ""
        if held:
            return Decision("no", f"{why}; not requested: {held}", onset, found, None, confirmed)
        if wrong and mode == "auto":
            return self._suggest_only(now, entry, found, why, onset, confirmed, wrong)
        for asking in due:
            asking.armed, asking.unheard = False, mode == "off"
        if mode == "off":
            return Decision("no", f"{why}; requests are off", onset, found, None, confirmed)
        request = request_for(self._experiment, now, entry.rules, found, wrong, entry.name)
        new = {pit.id for pit in now.pits if pit.id > self._past.last_pit}
        self._past.last_pit = max([self._past.last_pit, *(pit.id for pit in now.pits)])
        if mode == "suggest":
            return Decision("suggest", why, onset, found, request, confirmed)
        about = frozenset(new) if "new_pits" in entry.rules else frozenset()
        self._wait_for(request, entry.name, about, now.time)
        return Decision("ask", why, onset, found, request, confirmed)

    def _suggest_only(
        self,
        now: Situation,
        entry: Entry,
        found: Mapping[str, Finding],
        why: str,
        onset: bool,
        confirmed: bool | None,
        wrong: Mapping[str, str],
    ) -> Decision:
        """What a scan shows that cannot be trusted: the operator decides. The entry stays armed, so
        that the next scan that can be trusted asks by itself if it is still met."""
        request = request_for(self._experiment, now, entry.rules, found, wrong, entry.name)
        last_pit = max([self._past.last_pit, *(pit.id for pit in now.pits)])
        self._past.suggested = Suggested(request.id, entry, last_pit)
        why = f"{why}; not requested automatically, because the scan cannot be trusted "
        why += f"({', '.join(wrong)}): {'; '.join(wrong.values())}"
        return Decision("suggest", why, onset, found, request, confirmed)

    def _wait_for(
        self, request: ScanRequest, entry: str, pits: frozenset[int], time: float
    ) -> None:
        self._past.waiting[request.id] = Asked(entry, pits)
        self._past.last_asked = time
        self.budget.ask(request.id, time)

    def _held(self, time: float) -> str:
        """What stands against asking now; "" for nothing."""
        settings, past = self._settings, self._past
        if past.waiting:
            return "an extra scan has been requested and is not finished"
        if is_quiet(time, settings.quiet_hours):
            return f"quiet hours ({', '.join(settings.quiet_hours)} UTC)"
        since = time - past.last_asked
        if since < settings.cooldown_s:
            return f"the last request was {since:.0f} s ago, cooldown {settings.cooldown_s:.0f} s"
        return self.budget.refusal(time, len(past.waiting))

    @staticmethod
    def _why_not(found: Mapping[str, Finding], entries: list[Entry]) -> str:
        """Why nothing is asked for: what is met but has asked before, or all that is not met."""
        told = [e for e in entries if e.met(found)]
        if told:
            return f"{told[0].name} has already led to a request, and has not ended since"
        rules = dict.fromkeys(rule for entry in entries for rule in entry.rules)
        return "; ".join(found[rule].text for rule in rules) or "no rules in onset.when"
