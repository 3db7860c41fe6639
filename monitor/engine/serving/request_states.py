"""State of each scan request of a cell, as a screen shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from monitor.bounded import Bounded
from monitor.wire.results.cells import RequestState, UnansweredRequest

MAX_REQUESTS = 200
STATUS = {"scan_suggested": "suggested", "suggestion_closed": "closed"}
"""The state of a request that follows from the kind of an event."""

BLANK: RequestState = {
    "id": "", "reason": "", "status": "", "why": "", "scan": None, "after_scan": None,
}  # fmt: skip


class RequestStates:
    """The newest requests of one cell, by id."""

    def __init__(self) -> None:
        self._known: Bounded[str, RequestState] = Bounded(MAX_REQUESTS)
        self._sent: Bounded[str, float] = Bounded(MAX_REQUESTS)

    def __contains__(self, identity: str) -> bool:
        return identity in self._known

    def note(self, data: Mapping[str, object], kind: str = "") -> None:
        """Updates the request whose id is in `data`, if there is one."""
        identity = data.get("id")
        if not isinstance(identity, str):
            return
        said = {key: data[key] for key in BLANK if data.get(key) is not None}
        evidence = data.get("evidence")
        if isinstance(evidence, Mapping):  # an operator's name and words, if there are any
            words = {"by": evidence.get("by"), "words": evidence.get("why")}
            said |= {key: text for key, text in words.items() if isinstance(text, str)}
            said = {key: text for key, text in said.items() if text or key in BLANK}
        said |= {"status": STATUS[kind]} if kind in STATUS else {}
        if said.get("status", "sent") != "sent":
            self._sent.pop(identity, None)
        known = self._known.get(identity, BLANK)
        self._known[identity] = cast(RequestState, {**known, **said})

    def sent(self, identity: str, now: float) -> None:
        """A request was sent at `now` of the monotonic clock, s: no answer has been received
        yet."""
        self._sent[identity] = now

    def unanswered(self, now: float, limit_s: float) -> list[UnansweredRequest]:
        """Requests without an answer, JSON-ready: `id`, `age_s` since they were sent,
        `received`: false after `limit_s` of silence, null before."""
        return [
            {
                "id": identity,
                "age_s": round(now - sent, 1),
                "received": False if now - sent > limit_s else None,
            }
            for identity, sent in self._sent.items()
        ]

    def newest(self) -> list[RequestState]:
        """All that are kept, oldest first; JSON-ready."""
        return list(self._known.values())
