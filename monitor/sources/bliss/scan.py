"""A scan as BLISS describes it: number, names, channels with their units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from monitor.errors import SourceError

STREAMS = "esrf:stream:"
MAX_TEXT = 200
MALFORMED = (LookupError, TypeError, ValueError, AttributeError)


class ScanState(IntEnum):
    """In the order in which a scan reaches them."""

    CREATED = 0
    PREPARED = 1
    STARTED = 2
    STOPPED = 3
    CLOSED = 4


@dataclass(frozen=True, slots=True)
class Channel:
    """What a scan measures under a name. `stream`: key of its points in Redis; `dtype`: of a point,
    None if it is not one real number; `chain`: name of the acquisition chain that it is in, and
    `group` of channels with as many points: "" if the scan does not say."""

    name: str
    stream: str
    dtype: np.dtype[Any] | None
    unit: str = ""
    chain: str = ""
    group: str = ""

    @property
    def counter(self) -> str:
        """Its name without that of the controller, as it is typed in BLISS."""
        return self.name.rpartition(":")[2]

    def goes_with(self, other: Channel) -> bool:
        """Whether both have a point for each point of the scan, as far as the scan says."""
        return self.chain == other.chain and (self.group == other.group or not self.group)


@dataclass(frozen=True, slots=True)
class BlissScan:
    """`session`: the BLISS session that made it; `states`: key of its states in Redis;
    `end_reason`: "" until it is closed."""

    key: str
    number: int
    title: str
    session: str
    proposal: str
    collection: str
    dataset: str
    states: str
    channels: Mapping[str, Channel]
    end_reason: str = ""

    def __str__(self) -> str:
        return f"scan {self.number} ({self.title})" if self.title else f"scan {self.number}"

    def named(self, name: str) -> list[Channel]:
        """The channel of this name, or those whose counter has it."""
        if name in self.channels:
            return [self.channels[name]]
        return [channel for channel in self.channels.values() if channel.counter == name]


def parse_scan(key: str, document: Any) -> BlissScan:
    """What a scan's document in Redis says. Raises SourceError if it is not that of a scan."""
    try:
        identity, info = document["id"], document.get("info") or {}
        chains, told = dict(_chains(info)), info.get("channels") or {}
        channels = {
            name: _channel(name, stream, told.get(name) or {}, chains.get(name, ""))
            for name, stream in document["data_streams"].items()
        }
        return BlissScan(
            key=key,
            number=int(identity["number"]),
            title=_text(info.get("title") or identity.get("name")),
            session=_text(info.get("session_name")),
            proposal=_text(identity.get("proposal")),
            collection=_text(identity.get("collection")),
            dataset=_text(identity.get("dataset")),
            states=STREAMS + document["state_stream"]["pk"],
            channels=channels,
            end_reason=_text(info.get("end_reason")),
        )
    except MALFORMED as error:
        raise SourceError(
            f"BLISS: the description of {key[:80]} cannot be read ({type(error).__name__}: "
            f"{str(error)[:80]}); the scan is not published"
        ) from None


def _channel(name: str, stream: Any, told: Mapping[str, Any], chain: str) -> Channel:
    encoding, info = stream["encoding"] or {}, stream["info"] or {}
    dtype = None
    if encoding.get("type") == "numeric" and not encoding["shape"]:
        kind = np.dtype(str(encoding["dtype_str"]))
        dtype = kind if kind.kind in "biuf" else None
    unit = told.get("unit") or info.get("unit")
    group = _text(told.get("group"))
    return Channel(name, STREAMS + stream["pk"], dtype, _text(unit), chain, group)


def _chains(info: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Channels, each with the name of its chain: those of all devices that its master triggers."""
    devices = info.get("devices") or {}
    for name, chain in (info.get("acquisition_chain") or {}).items():
        waiting, known = [chain.get("top_master")], set()
        while waiting:
            key = waiting.pop()
            if key in known or key not in devices:
                continue
            known.add(key)
            waiting += devices[key].get("triggered_devices") or ()
            for channel in devices[key].get("channels") or ():
                yield channel, name


def _text(value: object) -> str:
    return " ".join(value.split())[:MAX_TEXT] if isinstance(value, str) else ""
