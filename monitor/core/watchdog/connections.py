"""Connections that were lost, and opened again: an event for each change, an alarm while one is
lost. Reads no clock: the engine says by a record what has become of its sockets."""

from __future__ import annotations

from monitor.core.news import Facts, Told
from monitor.records import ConnectionChange


class Connections:
    """The connections of a session that are lost now."""

    def __init__(self) -> None:
        self._lost: dict[tuple[str, str], ConnectionChange] = {}

    @property
    def lost(self) -> tuple[ConnectionChange, ...]:
        """Those that are not back yet, the oldest loss first."""
        return tuple(self._lost.values())

    def take(self, change: ConnectionChange) -> list[Told]:
        """What has become of one connection; nothing if that is known."""
        name = (change.setting, change.address)
        was_lost = name in self._lost
        if was_lost == (change.state == "lost"):
            return []
        facts: Facts = {
            "setting": change.setting,
            "address": change.address,
            "state": change.state,
            "reason": change.reason,
            "since": change.since,
            "times": change.times,
            "text": change.text,
        }
        condition = f"connection {change.setting} {change.address}"
        alarm: Facts = {"condition": condition, "scan": None, "text": change.text}
        if change.state == "lost":
            self._lost[name] = change
            return [Told("connection", "", facts), Told("alarm", "", alarm)]
        del self._lost[name]
        return [Told("connection", "", facts), Told("alarm_ended", "", alarm)]
