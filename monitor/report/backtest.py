"""What a policy would have asked for in a recorded experiment, and what was known later.

A policy judges what is recorded of each scan, and reads no clock; so the policy that ran live gives
the same decisions again, from the same scans and replies, and from the operator's changes of it.
Another one is shown the scans that would have been there without it: those on schedule and the
operator's. What it asks for is taken to be granted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from monitor.core.policy.decision import Decision
from monitor.core.policy.onset import OnsetWatch
from monitor.core.policy.rules import Situation
from monitor.recording.read.experiment import Cell, EventLine, Experiment, Scan
from monitor.recording.read.stored_scan import pits_of
from monitor.records import EventData, ScanReply, ScanRequest
from monitor.settings import OnsetSettings

LIVE = "as recorded"
TOLD_LATER = ("mode", "max_scans", "waiting", "untrusted")
"""What older recordings do not say of a decision."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One scan and the decision on it."""

    situation: Situation
    decision: Decision

    @property
    def asks(self) -> bool:
        return self.decision.verdict != "no"


@dataclass(eq=False)
class Outcome:
    """One policy on one cell. `reproduced`: how many of the recorded decisions came out the same,
    of how many; None for a policy that did not run live."""

    policy: str
    cell: str
    scans: list[Judged] = field(default_factory=list)
    extra_scans: int = 0
    dose_kGy: float = 0.0
    reproduced: tuple[int, int] | None = None

    def note(self, judged: Judged, *, corrected: bool) -> None:
        """Adds a scan; `corrected`: it is there, and counts as asking if either decision asks."""
        if not corrected:
            self.scans.append(judged)
            return
        for place, one in enumerate(self.scans):
            same = (one.situation.run, one.situation.scan) == (
                judged.situation.run,
                judged.situation.scan,
            )
            if same and not one.asks:
                self.scans[place] = judged

    @property
    def fired(self) -> list[Judged]:
        """The scans after which an extra one was asked for, or suggested."""
        return [judged for judged in self.scans if judged.asks]


def live(experiment: Experiment, cell: Cell) -> Outcome:
    """The recorded policy again, beside the decisions that were recorded. Raises RecordingError."""
    settings = experiment.settings.onset
    outcome = Outcome(LIVE, cell.name)
    watch = OnsetWatch(settings, experiment.request_namespace, experiment.settings.watch)
    suggested: dict[str, ScanRequest] = {}
    decision: Decision | None = None
    same = told = 0
    for event, situation in _story(experiment, cell):
        data, kind = event["data"], event["kind"]
        if situation is not None:
            corrected = kind == "scan_corrected"
            judge = watch.judge_charge if corrected else watch.judge
            decision = judge(situation if corrected else _as_told(situation, data))
            if decision is None:
                continue
            outcome.note(Judged(situation, decision), corrected=corrected)
            if decision.verdict == "suggest" and decision.request:
                suggested[decision.request.id] = decision.request
        elif kind == "decision" and decision is not None:
            told += 1
            same += _is_same(decision, data)
        elif kind == "policy_changed":
            watch.change(data["mode"], data["max_scans"])
        elif kind == "scan_reply":
            watch.reply(ScanReply(data["id"], data["status"]))
        elif kind == "scan_request" and data.get("id") in suggested:
            watch.accept(suggested.pop(data["id"]), event["time"])
    outcome.extra_scans, outcome.dose_kGy = watch.budget.extra_scans, watch.budget.dose_kGy
    outcome.reproduced = (same, told)
    return outcome


def _as_told(situation: Situation, data: EventData) -> Situation:
    """The situation at the end of the scan: its charge may have become known only later."""
    summary = {**situation.summary, "charge_state": data.get("charge_state", "final")}
    return replace(situation, summary=summary)


def _is_same(decision: Decision, recorded: EventData) -> bool:
    """Whether a decision is the one that was recorded, by a version that may not have told all."""
    again = json.loads(json.dumps(decision.data()))
    told = {key: recorded.get(key) for key in again if key in recorded or key not in TOLD_LATER}
    return {key: again[key] for key in told} == told


def what_if(experiment: Experiment, cell: Cell, policy: OnsetSettings, name: str) -> Outcome:
    """Another policy on the scans that did not depend on one. Raises RecordingError."""
    outcome = Outcome(name, cell.name)
    watch = OnsetWatch(policy, experiment.request_namespace, experiment.settings.watch)
    for event, situation in _story(experiment, cell):
        if situation is None or situation.reason == "extra" or event["kind"] != "scan_complete":
            continue
        decision = watch.judge(situation)
        if decision.verdict == "ask" and decision.request is not None:
            watch.granted(decision.request.id, situation.time)
        outcome.scans.append(Judged(situation, decision))
    outcome.extra_scans, outcome.dose_kGy = watch.budget.extra_scans, watch.budget.dose_kGy
    return outcome


def first_known_later(outcome: Outcome) -> int | None:
    """The first scan in which there was a pit that was still there in a later scan: known only
    afterwards, whatever was decided. None if no pit lasted."""
    seen: dict[int, int] = {}
    lasting = []
    for judged in outcome.scans:
        for pit in judged.situation.pits:
            if pit.id in seen:
                lasting.append(seen[pit.id])
            seen.setdefault(pit.id, judged.situation.scan)
    return min(lasting, default=None)


def _story(experiment: Experiment, cell: Cell) -> Iterator[tuple[EventLine, Situation | None]]:
    """The events of a cell in order; with each `scan_complete` or `scan_corrected` the situation as
    it is recorded."""
    settings = experiment.settings.cell(cell.name)
    foil = settings.foil_thickness_um if settings else 0.0
    scans: dict[int | None, list[Scan]] = {}
    for scan in cell.scans:
        scans.setdefault(scan.number, []).append(scan)
    complete: dict[int | None, list[Scan]] = {}
    for event in cell.events():
        number, kind = event["data"].get("scan"), event["kind"]
        waiting, passed = scans.get(number, []), complete.setdefault(number, [])
        if kind == "scan_complete" and waiting:
            passed.append(waiting.pop(0))
            yield event, situation_of(passed[-1], cell.name, foil)
        elif kind == "scan_corrected" and passed:
            yield event, situation_of(passed[-1], cell.name, foil)
        else:
            yield event, None


def situation_of(scan: Scan, cell: str, foil_um: float) -> Situation:
    """A recorded scan as a policy saw it."""
    header = scan.header
    return Situation(
        cell=cell,
        run=str(header["run"]),
        scan=int(header["scan"]),
        reason=header["reason"],
        request=str(header["request"]),
        time=float(header["stop_time_s"]),
        length_unit=str(header["length_unit"]),
        foil_um=foil_um,
        summary=scan.summary(),
        pits=pits_of(scan),
    )
