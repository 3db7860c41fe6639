"""What became of each scan request of a cell, as a screen shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_REQUESTS = 200
STATUS = {"scan_suggested": "suggested", "suggestion_closed": "closed"}
"""What the kind of an event says of its request, beyond its data."""

BLANK: dict[str, Any] = {
    "id": "", "reason": "", "status": "", "why": "", "scan": None, "after_scan": None,
}  # fmt: skip


class Fates:
    """The newest requests of one cell, by id."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}

    def __contains__(self, identity: str) -> bool:
        return identity in self._known

    def note(self, data: Mapping[str, Any], kind: str = "") -> None:
        """Takes what `data` says of the request whose id it holds, if it holds one."""
        identity = data.get("id")
        if not isinstance(identity, str):
            return
        said = {key: data[key] for key in BLANK if data.get(key) is not None}
        said |= {"status": STATUS[kind]} if kind in STATUS else {}
        self._known[identity] = self._known.get(identity, BLANK) | said
        while len(self._known) > MAX_REQUESTS:
            del self._known[next(iter(self._known))]

    def newest(self) -> list[dict[str, Any]]:
        """All that are kept, oldest first; JSON-ready."""
        return list(self._known.values())
