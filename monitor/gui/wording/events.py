"""Events as sentences: one function a kind (docs/reference/events.md). Pure functions, no Qt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitor.gui.formatting import counted, number, stamp
from monitor.gui.wording.requests import reason_text
from monitor.plain_text import visible
from monitor.quantities.table import MAPS, of_key
from monitor.wire.results.events import StatusEvent

LEFT_OUT = ("type", "version", "time", "cell", "number", "id", "run", "request", "stream")
"""Keys that are not shown of an event whose kind has no sentence of its own."""
DECISIONS = {
    "ask": "an extra scan is requested",
    "suggest": "an extra scan is suggested",
    "no": "no extra scan",
}
"""What the decision on a scan was, in words."""
NO_TIME = "no time yet         "


def event_line(event: StatusEvent) -> str:
    """Date and time of the data, cell, and the sentence."""
    when = stamp(event["time"]) if event.get("time") else NO_TIME
    cell = f"{event['cell']}  " if event.get("cell") else ""
    return visible(f"{when}  {cell}{sentence(event)}".rstrip())


def sentence(event: StatusEvent) -> str:
    """What happened, as a sentence."""
    kind = str(event.get("type", ""))
    text = SENTENCES.get(kind, _plain)(event)
    if kind == "note":  # these are an operator's own words
        return text
    text = text.rstrip(". ")
    return text if text.endswith(("?", "!")) else f"{text}."


def scan_of(event: StatusEvent) -> int | None:
    """The scan that an event is about, or after which it happened; None if there is none."""
    for key in ("scan", "after_scan"):
        value = event.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def _scan_started(event: StatusEvent) -> str:
    asked = ", as requested" if event.get("request") else ""
    slices = event.get("slices")
    many = f", {counted(slices, 'slice')}" if isinstance(slices, int) else ""
    return f"Scan {event.get('scan')} has started ({event.get('reason')}{many}){asked}."


def _scan_complete(event: StatusEvent) -> str:
    pits = event.get("pit_count")
    facts = [] if pits is None else [counted(int(pits), "pit")]
    if event.get("averaged_um") is not None:
        facts.append(f"averaged removal {number(event['averaged_um'])} µm")
    if event.get("closure") is not None:
        facts.append(f"closure {number(event['closure'], 2)}")
    whole = "is complete" if event.get("complete", True) else "has ended with missing slices"
    return f"Scan {event.get('scan')} {whole}" + (f": {', '.join(facts)}." if facts else ".")


def _scan_verdict(event: StatusEvent) -> str:
    left = event.get("slices_to_come")
    early = f", {counted(left, 'slice')} before its end" if isinstance(left, int) else ""
    decision = event.get("decision") or event.get("verdict")
    found = f": {DECISIONS.get(str(decision), _words(decision))}" if decision else ""
    return f"Scan {event.get('scan')} has been evaluated{early}{found}."


def _scan_corrected(event: StatusEvent) -> str:
    names = dict.fromkeys(_title(str(name)) for name in event.get("changed") or ())
    which = f": {', '.join(names)}" if names else ""
    return (
        f"The charge-based numbers of scan {event.get('scan')} were corrected, because cycler "
        f"readings now cover it{which}."
    )


def _title(name: str) -> str:
    """Title of a number or a map; the words of its name if it is not known here."""
    known = MAPS.get(name) or of_key(name)
    return _words(name) if known is None else known.title


def _pit_onset(event: StatusEvent) -> str:
    return f"Pitting has begun in scan {event.get('scan')}{_because(event)}."


def _scan_request(event: StatusEvent) -> str:
    return f"An extra scan was requested {_request(event)}."


def _scan_suggested(event: StatusEvent) -> str:
    return f"An extra scan is suggested {_request(event)}. E accepts it, D declines it."


def _scan_reply(event: StatusEvent) -> str:
    status, scan = str(event.get("status", "")), event.get("scan")
    which = "The requested scan" + (f" (scan {scan})" if scan is not None else "")
    texts = {
        "accepted": "The acquisition has accepted the request for a scan",
        "refused": "The acquisition has refused the request for a scan",
        "running": f"{which} is running",
        "done": f"{which} is done",
        "failed": f"{which} has failed",
    }
    return texts.get(status, f"The acquisition has answered a request: {status}") + (
        f"{_because(event)}."
    )


def _decision(event: StatusEvent) -> str:
    verdict = DECISIONS.get(str(event.get("verdict")), str(event.get("verdict")))
    return f"Decision on scan {event.get('scan')}: {verdict}{_because(event)}."


def _suggestion_closed(event: StatusEvent) -> str:
    return f"The suggestion of an extra scan was closed{_because(event)}."


def _request_judged(event: StatusEvent) -> str:
    verb = "confirms" if event.get("type") == "request_confirmed" else "refutes"
    return f"Scan {event.get('scan')} {verb} the reason why it was requested."


def _policy_changed(event: StatusEvent) -> str:
    before = f" from {event['before']}" if event.get("before") else ""
    most, by = event.get("max_scans"), f", by {event['by']}" if event.get("by") else ""
    budget = "" if most is None else f", at most {counted(int(most), 'extra scan')}"
    return f"The policy was changed{before} to {event.get('mode')}{budget}{by}."


def _note(event: StatusEvent) -> str:
    about = "" if event.get("scan") is None else f" on scan {event['scan']}"
    return f"Note{about}{_by(event)}: {event.get('text', '')}"


def _alarm(event: StatusEvent) -> str:
    what = "Alarm ended" if event.get("type") == "alarm_ended" else "Alarm"
    return f"{what}{_on_scan(event)}: {event.get('text', '')}."


def _alarm_acknowledged(event: StatusEvent) -> str:
    return f"An alarm was acknowledged{_by(event)}: {event.get('text', '')}."


def _gap(event: StatusEvent) -> str:
    lost, total = event.get("lost"), event.get("total")
    many = counted(lost, "message") if isinstance(lost, int) else "Messages"
    verb = "was" if lost == 1 else "were"
    text = f"{many} of the slice stream {verb} lost"
    if event.get("before") is not None:
        text += f" before message {event['before']}"
    return text + (f", {total} in total." if total is not None and total != lost else ".")


def _bad_message(event: StatusEvent) -> str:
    feed, kind = event.get("feed", "a feed"), event.get("bad_kind", "")
    count = event.get("count")
    many = f", {count} of this kind so far" if isinstance(count, int) and count > 1 else ""
    return f"A message from {feed} cannot be used ({_words(kind)}{many}): {event.get('text', '')}."


def _connection(event: StatusEvent) -> str:
    """A connection that was lost, or is back; the text names setting and address."""
    what = {"lost": "Connection lost", "back": "Connection restored"}.get(
        str(event.get("state")), "Connection"
    )
    text = event.get("text") or " ".join(
        str(event[key]) for key in ("setting", "address", "reason") if event.get(key)
    )
    since = event.get("since")
    begun = f", lost since {stamp(since)} UTC" if isinstance(since, int | float) else ""
    return f"{what}: {text}" + (begun if event.get("state") == "back" else "")


SENTENCES: dict[str, Callable[[StatusEvent], str]] = {
    "scan_started": _scan_started,
    "scan_complete": _scan_complete,
    "scan_verdict": _scan_verdict,
    "scan_corrected": _scan_corrected,
    "pit_onset": _pit_onset,
    "scan_request": _scan_request,
    "scan_reply": _scan_reply,
    "decision": _decision,
    "scan_suggested": _scan_suggested,
    "suggestion_closed": _suggestion_closed,
    "request_confirmed": _request_judged,
    "request_refuted": _request_judged,
    "policy_changed": _policy_changed,
    "note": _note,
    "alarm_acknowledged": _alarm_acknowledged,
    "gap": _gap,
    "alarm": _alarm,
    "alarm_ended": _alarm,
    "bad_message": _bad_message,
    "connection": _connection,
}


def _plain(event: StatusEvent) -> str:
    """Kind and facts of an event of a kind that is not known here."""
    facts = [
        f"{_words(key.removesuffix('_um'))} {_short(value)}"
        + (" µm" if key.endswith("_um") else "")
        for key, value in event.items()
        if key not in LEFT_OUT and not isinstance(value, dict | list) and value not in (None, "")
    ]
    return f"{_words(event.get('type', '')).capitalize()}: {', '.join(facts)}".rstrip(": ") + "."


def _request(event: StatusEvent) -> str:
    """Why, after which scan, by whom and in which words."""
    evidence = event.get("evidence")
    said = evidence if isinstance(evidence, Mapping) else {}
    after = scan_of(event)
    when = "before any scan" if after is None else f"after scan {after}"
    manual = event.get("reason") == "manual"
    why = "" if manual else f" ({reason_text(event.get('reason', ''))})"
    who = f" by {said['by']}" if said.get("by") else " by the operator" if manual else ""
    words = f": “{said['why']}”" if said.get("why") else ""
    return f"{when}{why}{who}{words}"


def _because(event: StatusEvent) -> str:
    return f": {event['why']}" if event.get("why") else ""


def _by(event: StatusEvent) -> str:
    return f" by {event['by']}" if event.get("by") else ""


def _on_scan(event: StatusEvent) -> str:
    scan = event.get("scan")
    named = scan is None or str(event.get("text", "")).startswith(f"scan {scan} ")
    return "" if named else f" on scan {scan}"


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else _words(value)
