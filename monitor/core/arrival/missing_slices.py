"""What can be asked for again: which slices of a running scan, which headers, and where.

Nothing here asks, waits or reads a clock: the engine does.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.bounded import Bounded
from monitor.errors import BadMessage
from monitor.records import ScanKey, ScanStart
from monitor.settings import FeedSettings

MOST_OVERTAKEN, LEAST_OVERTAKEN = 64, 4
"""Slices that must have passed a missing one before it counts as lost, not merely out of order."""
MAX_UNKNOWN = 16
MAX_ADDRESSES = 4

ENDPOINT = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
LOOPBACK = re.compile(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\]")


@dataclass(frozen=True, slots=True, eq=False)
class Lacking:
    """What an open scan lacks and can still use. Indices of slices, (n,) int64, ascending.

    `lost`: passed by so many others that they are not merely out of order; `passed`: passed by
    any; `all`: also those that may not have been sent yet. `heard`: how many slices have come by
    themselves; `over`: no more will; `sent`: as in `ScanStart`.
    """

    key: ScanKey
    stream: str
    address: str
    slice_bytes: int
    heard: int
    over: bool
    lost: NDArray[np.int64]
    passed: NDArray[np.int64]
    all: NDArray[np.int64]
    sent: int | None = None

    @property
    def number(self) -> int:
        """The scan's number as the producer sent it."""
        return self.key.scan if self.sent is None else self.sent


@dataclass(frozen=True, slots=True)
class Unknown:
    """A scan of which something has arrived, but no header."""

    cell: str
    stream: str
    scan: int


@dataclass(frozen=True, slots=True)
class MissedScan:
    """A scan that may have been sent while no engine listened, in whatever stream. It begins
    `after` that, s, or if it is of `run` `after_in_run`; otherwise it is of another experiment.
    `newest`: there may be others after it; `skipped`: numbers just before it that are not
    available."""

    cell: str
    scan: int
    after: float
    newest: bool = True
    skipped: int = 0
    run: str = ""
    after_in_run: float = math.inf

    def may_be(self, start: ScanStart) -> bool:
        """Whether a header with its number is that of it."""
        in_run = start.key.run == self.run and start.start_time >= self.after_in_run
        return in_run or start.start_time > self.after


class Progress:
    """How far along its axis a scan has arrived, now and `margin` slices ago.

    A producer sends slices mostly in growing or in falling order; which, is recognised by where
    they went from the first one.
    """

    def __init__(self, count: int, margin: int) -> None:
        self.heard = 0
        self._count = count
        self._first = 0
        self._now = (count, -1)
        self._before: deque[tuple[int, int]] = deque(maxlen=margin)

    def note(self, frame: int) -> None:
        """A slice has come by itself."""
        self._before.append(self._now)
        low, high = self._now
        self._first = frame if not self.heard else self._first
        self._now = min(low, frame), max(high, frame)
        self.heard += 1

    def passed(self, *, surely: bool) -> range:
        """Indices that slices have gone past; `surely`: `margin` slices ago already."""
        low, high = self._now
        rising = high - self._first >= self._first - low
        if surely:
            if len(self._before) < (self._before.maxlen or 0):
                return range(0)
            low, high = self._before[0]
        return range(max(high, 0)) if rising else range(low + 1, self._count)


def margin(slice_bytes: int, memory_bytes: int) -> int:
    """Slices that pass a missing one before it is asked for: what waits for it meanwhile must not
    fill the memory that there is for waiting."""
    return max(LEAST_OVERTAKEN, min(MOST_OVERTAKEN, memory_bytes // (4 * slice_bytes)))


@dataclass(slots=True)
class _Headless:
    """What is known of a scan without a header. `gave_up`: nobody has its header."""

    ended: bool = False
    gave_up: bool = False


class Recovery:
    """Where can be asked, and for which headers."""

    def __init__(self, feeds: FeedSettings) -> None:
        self._feeds = feeds
        listed = () if isinstance(feeds.resend, str) else feeds.resend
        self._addresses: Bounded[str, None] = Bounded(max(MAX_ADDRESSES, len(listed)))
        self._addresses.update(dict.fromkeys(listed))
        self._unknown: Bounded[Unknown, _Headless] = Bounded(MAX_UNKNOWN)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every resend service that is known: from the settings, or the newest of the headers."""
        return tuple(self._addresses)

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """Scans of which no header has arrived; the newest."""
        return tuple(self._unknown)

    def address(self, start: ScanStart) -> str:
        """Where slices of this scan can be asked for; "" if nowhere.

        Raises BadMessage if the header names an address that the settings do not allow.
        """
        address = start.resend
        if not address or self._feeds.resend == "off":
            return ""
        why = refusal(address, self._feeds)
        if why:
            raise BadMessage(
                "resend_refused",
                f"slices: header of cell {start.key.cell} scan {start.key.scan} names the resend "
                f"address {address[:80]!r}, {why}; no slice is requested there",
            )
        if isinstance(self._feeds.resend, str):
            self._addresses.renew(address, None)
        return address

    def miss(self, unknown: Unknown, *, ended: bool = False) -> None:
        """Something of a scan without a header has arrived, or its number was left out. `ended`:
        nothing more of it comes by itself."""
        known = self._unknown.setdefault(unknown, _Headless())
        known.ended |= ended

    def found(self, start: ScanStart) -> bool | None:
        """A header has arrived. None: before anything else of its scan, as it should; otherwise
        whether the end of the scan has arrived already."""
        known = self._unknown.pop(Unknown(start.key.cell, start.stream, start.number), None)
        return None if known is None else known.ended

    def give_up(self, unknown: Unknown) -> None:
        """Nobody has this header."""
        if unknown in self._unknown:
            self._unknown[unknown].gave_up = True

    def sought(self, cell: str) -> list[Unknown]:
        """The scans of a cell that have no header, and whose headers are asked for."""
        if not self._addresses:
            return []
        return [
            one for one, known in self._unknown.items() if one.cell == cell and not known.gave_up
        ]


def refusal(address: str, feeds: FeedSettings) -> str:
    """Why nothing is asked for at an address that came in a header; "" if it is allowed."""
    if not isinstance(feeds.resend, str):
        return "" if address in feeds.resend else "which is not one of feeds.resend"
    found = ENDPOINT.fullmatch(address)
    if found is None or not 0 < int(found[2]) < 65536:
        return "which is not of the form tcp://host:port"
    host = found[1].lower()
    hosts = {known[1].lower() for one in feeds.slices if (known := ENDPOINT.fullmatch(one))}
    if LOOPBACK.fullmatch(host) or host in hosts:
        return ""
    return (
        "which is neither on this machine nor on that of feeds.slices (add it to feeds.resend to "
        "allow it)"
    )
