"""Replies, and the snapshot that follows from them: no socket and no Qt.

The client's thread writes, the screen's thread reads; both under one lock.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.gui.state.snapshot import Answer, Order, Query, Snapshot, colour_levels, rims
from monitor.wire.results.headers import ReplyHeader
from monitor.wire.results.queries import ChannelRequest, CyclerRequest, MapRequest
from monitor.wire.results.state import State
from monitor.wire.results.state_updates import updated

Array = NDArray[Any]

MAX_EVENTS = 200
MAX_ORDERS = 20
STATE_PATIENCE_S = 3.0
RATE_POINTS = 16


class SnapshotStore:
    """The newest of everything that the engine sent."""

    def __init__(self, address: str) -> None:
        self.lock = threading.Lock()
        self._snapshot = Snapshot(address=address)
        self._heard: float | None = None
        self._begun = time.monotonic()
        self._taken: deque[tuple[float, float]] = deque(maxlen=RATE_POINTS)
        self._wanted: Mapping[str, Query] = {}

    def snapshot(self) -> Snapshot:
        """The newest of everything."""
        now = time.monotonic()
        with self.lock:
            return dataclasses.replace(
                self._snapshot,
                linked=self._is_linked(now),
                silent_s=now - (self._begun if self._heard is None else self._heard),
                rate_MB_s=self._rate(now),
            )

    @property
    def state(self) -> State | None:
        """The engine's state, as it was reported last."""
        return self._snapshot.state

    def has(self, name: str) -> bool:
        """Whether an answer of this name is there."""
        return name in self._snapshot.answers

    def _is_linked(self, now: float) -> bool:
        return self._heard is not None and now - self._heard < STATE_PATIENCE_S

    def keep(self, wanted: Mapping[str, Query]) -> None:
        """Drops the answers that no view requests; keeps all while the engine does not answer,
        because they could not be fetched again."""
        with self.lock:
            self._wanted = wanted
            if not self._is_linked(time.monotonic()):
                return
            kept = {name: a for name, a in self._snapshot.answers.items() if name in wanted}
            if len(kept) < len(self._snapshot.answers):
                self._change(answers=kept)

    def bad_reply(self) -> None:
        """Counts a reply that cannot be read."""
        with self.lock:
            self._change(bad_replies=self._snapshot.bad_replies + 1)

    def order(self, order: Order) -> None:
        """Updates the state of an order."""
        with self.lock:
            others = tuple(o for o in self._snapshot.orders if o.number != order.number)
            self._change(orders=(*others, order)[-MAX_ORDERS:])

    def answer(self, name: str, query: Query, header: ReplyHeader, array: Array | None) -> None:
        """Stores a reply to a view's request; time-consuming work on it is done here, not in the
        screen's thread."""
        try:
            answer = _worked_out(query, header, array)
        except (TypeError, ValueError, AttributeError):
            self.bad_reply()
            return
        with self.lock:
            if name in self._wanted:
                self._change(answers={**self._snapshot.answers, name: answer})

    def take_state(self, header: State) -> bool:
        """Stores the engine's state; True if a different engine answers than before. Raises
        KeyError, TypeError, ValueError or AttributeError if it is malformed, and then changes
        nothing."""
        now = time.monotonic()
        _check_state(header)
        with self.lock:
            old = self._snapshot.state
            is_other = old is None or old["engine"] != header["engine"]
            state = updated(old, header)
            known = () if is_other else self._snapshot.events
            events = (*known, *header.get("events", ()))[-MAX_EVENTS:]
            if is_other:
                # nothing fetched from the engine before may be shown as this one's
                self._taken.clear()
                self._change(answers={})
            self._heard = now
            self._note_rate(header, now)
            self._change(state=state, events=events)
            return is_other

    def _note_rate(self, header: State, now: float) -> None:
        """How many bytes of slices the engine has received by now."""
        size = header.get("feeds", {}).get("slices", {}).get("bytes")
        if size is not None:
            self._taken.append((now, float(size)))

    def _rate(self, now: float) -> float:
        """MB/s of slices over the last seconds; 0 where nothing was reported for a while."""
        if len(self._taken) < 2 or now - self._taken[-1][0] > STATE_PATIENCE_S:
            return 0.0
        (begin, first), (end, last) = self._taken[0], self._taken[-1]
        return max(0.0, (last - first) / max(end - begin, 1e-3) / 1e6)

    def _change(self, **fields: Any) -> None:
        number = self._snapshot.number + 1
        self._snapshot = dataclasses.replace(self._snapshot, number=number, **fields)


def _check_state(header: State) -> None:
    """Raises ValueError, or what reading it raises, for a state that lacks what is read of it."""
    if not isinstance(header["version"], int) or not isinstance(header["engine"], str):
        raise ValueError("version and engine")
    float(header["time"])
    feeds = header.get("feeds", {})
    for feed in (feeds.get("slices", {}), feeds.get("documents", {}), feeds.get("requests", {})):
        int(feed.get("messages") or 0)
        float(feed.get("bytes") or 0.0)
        float(feed.get("last_time") or 0.0)
    if kernels := header.get("kernels"):
        _ = int(kernels["compiled"]), int(kernels["of"])
    for cell in dict(header["cells"]).values():
        if running := cell.get("running"):
            _ = running["scan"], running["received"]
        if cycler := cell.get("cycler"):
            _ = cycler["time"]
        for channel in cell.get("channels", ()):
            _ = str(channel["name"]), str(channel["title"]), str(channel["unit"])
            _ = int(channel["points"])
    if not all(isinstance(event, dict) for event in header.get("events", ())):
        raise ValueError("events")


def _worked_out(query: Query, header: ReplyHeader, array: Array | None) -> Answer:
    """The answer with what its views need of it: columns, levels of the colours, rims of pits."""
    request = query.request
    if header.get("type") == "error":
        return Answer(request, header, array)
    if isinstance(request, CyclerRequest | ChannelRequest):
        table = np.zeros((0, 0)) if array is None else array
        columns = dict(zip(header.get("names", ()), table, strict=True))
        return Answer(request, {**header, "columns": columns}, array)
    if array is None:
        return Answer(request, header, array)
    if not isinstance(request, MapRequest):
        levels = colour_levels(array[array != 0])  # a slice that has not arrived is 0
        return Answer(request, header, array, levels)
    if request.name != "pit_labels":
        return Answer(request, header, array, colour_levels(array))
    return Answer(request, header, array, rims=rims(array))
