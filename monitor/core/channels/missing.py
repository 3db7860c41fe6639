"""Channels of which no value has arrived: an alarm for each, with the cause as far as it is known.

Reads no clock: time is that of the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.core.news import Told
from monitor.settings import ChannelSettings, Settings

MISSING_S = 600.0
"""So long after the first reading or scan a channel without a value is reported."""
Channel = tuple[str, str]
"""Cell ("": all cells) and name."""


class MissingChannels:
    """The channels in the settings that have no value yet, and what is known of their data keys."""

    def __init__(self, settings: Settings) -> None:
        found = settings.all_channels if settings.watch.enabled else ()
        self._waiting: dict[Channel, str] = {
            (cell, name): f"no run whose start was received has its data key {one.key[:60]!r}. "
            "Correct `key` of the channel, or start the run that reads it again"
            for cell, name, one in found
        }
        self._reported: set[Channel] = set()
        self._began: float | None = None
        self._ended: list[Told] = []

    def described(
        self, channel: Channel, one: ChannelSettings, stream: Mapping[str, Any], cell: str
    ) -> None:
        """A descriptor has the data key of a channel, in a run of this cell ("": of none)."""
        if channel not in self._waiting:
            return
        key, name = repr(one.key[:60]), str(stream.get("name"))[:60]
        if one.stream not in ("", name):
            why = f"{key} is in the stream {name!r}, not in {one.stream!r}. Correct `stream` of the"
            why += " channel"
        elif channel[0] and cell not in ("", channel[0]):
            why = f"{key} is in a run of cell {cell[:40]!r}. Declare the channel for that cell, or"
            why += " for all cells"
        else:
            why = f"its data key {key} is announced, but no event with a usable value of it was"
            why += " received. Check the device, and the events of the kind bad_message"
        self._waiting[channel] = why

    def arrived(self, channel: Channel) -> None:
        """A channel has a value."""
        if self._waiting.pop(channel, None) is not None and channel in self._reported:
            self._ended.append(_told("alarm_ended", channel, "has values now"))

    def news(self, time: float) -> list[Told]:
        """What is to be reported at `time` of the data, UTC s."""
        news, self._ended = self._ended, []
        if not self._waiting or time <= 0:
            return news
        self._began = time if self._began is None else self._began
        if time - self._began < MISSING_S:
            return news
        for channel, why in self._waiting.items():
            if channel not in self._reported:
                self._reported.add(channel)
                news.append(_told("alarm", channel, f"has had no value since the beginning: {why}"))
        return news


def _told(kind: str, channel: Channel, what: str) -> Told:
    cell, name = channel
    owner = f"channel {name} of cell {cell}" if cell else f"channel {name}"
    condition = f"channel_missing {name}"
    return Told(kind, cell, {"condition": condition, "scan": None, "text": f"{owner} {what}"})
