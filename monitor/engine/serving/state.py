"""Data for screens, in memory: results of the scans, readings, events and requests.

The compute thread writes; the serving thread reads. Both hold the lock only to swap references or
to copy small data; arrays are read-only and are cut outside the lock.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.engine import health
from monitor.engine.serving.cell_results import CellResults
from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.event_history import EventHistory, KeptEvent
from monitor.engine.serving.reading_history import ChannelValues
from monitor.engine.serving.request_states import RequestStates
from monitor.engine.serving.scan_history import Scan, Scans, StoredMap, names_of
from monitor.errors import BadMessage
from monitor.records import ChannelValue, CyclerPoint, Event, Output, ScanRequest, ScanResult
from monitor.records.state import ScanProgress
from monitor.settings import Settings
from monitor.wire.fields import to_json
from monitor.wire.results.queries import ChannelRequest, CyclerRequest, EventsRequest
from monitor.wire.results.replies import Status, encode_status
from monitor.wire.results.state import (
    Experiment,
    FeedsHealth,
    Heartbeat,
    Kernels,
    Mode,
    Role,
    Security,
    ShownSettings,
    State,
)

PREVIEWS = ("scan_progress", "maps", "heartbeat")
MAX_PREVIEWS_WAITING = 1000


class Store:
    """Results of one engine. `version` grows by one with each status message."""

    def __init__(
        self,
        settings: Settings,
        stored_map: StoredMap | None,
        mode: Mode,
        security: Callable[[], Security] = Security,
        kernels: Callable[[], Kernels] | None = None,
    ) -> None:
        """`security`: returns which clients and orders were refused so far. `kernels`: returns how
        many kernels are compiled, as long as no message can be processed."""
        self._security, self._kernels = security, kernels
        self._settings = settings
        self._mode = mode
        self._lock = threading.Lock()
        self._identity = uuid.uuid4().hex
        self._started = time.time()
        self.may_order = "" if mode == "live" else f"This is a {mode}: nothing can be requested"
        names = [cell.name for cell in settings.cells]
        self._scans = Scans(names, settings.results.memory_MB * 1e6, stored_map)
        self._channels = {(n, c): ChannelValues() for n, c, _ in settings.all_channels}
        self._cells = {
            cell.name: CellResults(
                cell,
                settings,
                self._scans.of(cell.name),
                self.may_order,
                {c: self._channels[n, c] for c, (n, _) in settings.channels_of(cell.name).items()},
            )
            for cell in settings.cells
        }
        self._events = EventHistory()
        self._engine = EngineState(ended=mode == "recording")
        self.outbox: deque[bytes] = deque()
        self._dropped_previews = 0
        self._version = 0
        self._changed = 0

    def update(
        self,
        outputs: Iterable[Output],
        engine: EngineState,
        points: Iterable[CyclerPoint] = (),
        channels: Iterable[ChannelValue] = (),
    ) -> None:
        """Takes the outputs of one message, the state of the engine after it, the new readings and
        values of channels; puts what is to be published into `outbox`."""
        todo = tuple(outputs)
        asked = [o for o in todo if isinstance(o, Event) and o.kind == "scan_request"]
        # out of a recording, an id may be anything
        told = {event.data["id"] for event in asked if isinstance(event.data.get("id"), str)}
        with self._lock:
            was_ended, was_running = self._engine.ended, self._engine.running
            self._engine = replace(engine, ended=engine.ended or was_ended)
            if engine.ended and not was_ended:
                self._version += 1
                self._changed = self._version
            for point in points:
                if cell := self._cells.get(point.reading.cell):
                    cell.readings.add_point(point)
            for value in channels:
                if kept := self._channels.get((value.cell, value.name)):
                    kept.add(value)
            for name, reading in engine.cycler.items():
                if cell := self._cells.get(name):
                    cell.add_reading(reading)
            for output in todo:
                self._take(output, told)
            if begun := _begun(was_running, engine.running):
                self._scans.make_room(begun)

    def _take(self, output: Output, told: set[str]) -> None:
        name = output.key.cell if isinstance(output, ScanResult) else output.cell
        cell = self._cells.get(name)
        if isinstance(output, Event):
            if cell is not None:
                cell.requests.note(output.data, output.kind)
                if output.kind == "policy_changed":
                    cell.policy_changed(output.data)
            self._say(output.kind, output.time, name, {**output.data, "number": output.number})
        elif isinstance(output, ScanRequest):
            data = {"id": output.id, "reason": output.reason, "after_scan": output.after_scan}
            sent = {**data, "status": "sent", "evidence": output.evidence}
            if cell is not None:
                cell.requests.note(sent)
                if self._mode == "live":
                    cell.requests.sent(output.id, time.monotonic())
            if output.id not in told:
                self._say("scan_request", self._time_of(name) or 0.0, name, sent)
        elif cell is not None:
            self._keep(output, cell.requests)

    def _keep(self, result: ScanResult, states: RequestStates) -> None:
        key, request = result.key, result.start.request
        corrected = self._scans.of(key.cell).is_final(key)
        if request in states and not corrected:
            status = "scanning" if result.provisional else "done"
            states.note({"id": request, "scan": key.scan, "status": status})
        names = names_of(result)
        data = {"scan": key.scan, "provisional": result.provisional, "maps": names}
        self._say("maps", result.start.time, key.cell, data)
        self._scans.keep(result, self._version)

    def _say(self, kind: str, at: float, cell: str, data: Mapping[str, Any]) -> None:
        self._version += 1
        if kind != "heartbeat":
            self._changed = self._version
        frame = encode_status(Status(kind, self._version, at, cell, data))
        if kind not in PREVIEWS:
            number = data.get("number")
            event = KeptEvent(self._version, number, kind, cell, frame)
            self._events.add(event, at, data)
        if kind in PREVIEWS and len(self.outbox) >= MAX_PREVIEWS_WAITING:
            self._dropped_previews += 1
        else:
            self.outbox.append(frame)

    def heartbeat(self) -> None:
        """The status message that says, each second of wall time, that the engine lives."""
        with self._lock:
            data: Heartbeat = {
                "feeds": self._engine.feeds,
                "health": self._health(),
                "recorder": self._engine.recorder,
                "dropped_previews": self._dropped_previews,
                "security": self._security(),
            }
            self._say("heartbeat", time.time(), "", data)

    def time_of(self, cell: str) -> float:
        """The newest time in the data of a cell ("": of all cells), UTC s; 0 before the first."""
        with self._lock:
            times = [self._time_of(name) for name in ([cell] if cell else self._cells)]
            return max((time for time in times if time is not None), default=0.0)

    def _time_of(self, cell: str) -> float | None:
        known = self._cells.get(cell)
        return None if known is None else known.time(self._engine.running.get(cell))

    def state(
        self,
        since: int,
        identity: str,
        role: Role = "operator",
        *,
        changes: bool = False,
        tag: str = "",
    ) -> bytes:
        """The state as JSON, for a client of this role: complete (with `changes` only the scans
        that are newer), or only what changes continuously if nothing else is newer."""
        with self._lock:
            engine, now = self._engine, time.monotonic()
            told: State = {
                "type": "state",
                "version": self._version,
                "engine": self._identity,
                "time": time.time(),
                "resuming": engine.resuming,
                "feeds": engine.feeds,
                "health": self._health(),
                "recorder": engine.recorder,
                "security": self._security(),
                "tag": tag,
            }
            if self._kernels is not None and not engine.feeds:
                told["kernels"] = self._kernels()
            if identity == self._identity and self._changed <= since:
                told["unchanged"] = True
                moving = {n: c.moving(engine, self._events, now) for n, c in self._cells.items()}
                return to_json({**told, "cells": moving})
            since = since if identity == self._identity else -1
            told["changes"] = changes = changes and since >= 0
            told["experiment"], told["settings"] = self._experiment(), self._shown_settings()
            told["may_order"], told["role"] = self.may_order, role
            told["alarms"] = self._events.alarms("")
            # put together once: with hundreds of scans it is long
            pieces = [to_json(told)[:-1], b',"cells":{']
            for number, (name, cell) in enumerate(self._cells.items()):
                pieces += [b"," if number else b"", to_json(name), b":"]
                pieces += cell.text(engine, self._events, now, since if changes else -1)
            pieces += [b'},"events":[', b",".join(self._events.since(since)), b"]}"]
        return b"".join(pieces)

    def _experiment(self) -> Experiment:
        experiment = self._settings.experiment
        return {
            "name": experiment.name,
            "record_slices": experiment.record_slices,
            "mode": self._mode,
            "started": self._started,
            "ended": self._engine.ended,
        }

    def _health(self) -> FeedsHealth:
        """Of the two feeds and of each cell, at this moment: ages are counted here."""
        engine, now = self._engine, time.monotonic()
        if self._mode == "live":
            cells = {n: c.health(engine, self._events, now) for n, c in self._cells.items()}
        else:
            last = engine.feeds.get("slices", {}).get("last_time")
            told = health.recorded(self._mode, ended=engine.ended, last_time=last)
            cells = dict.fromkeys(self._cells, health.CellHealth(told, told))
        ended = self._cells if engine.ended else engine.silence.ended
        return health.report(cells, engine.feeds.get("documents", {}), ended)

    def _shown_settings(self) -> ShownSettings:
        watch = self._settings.watch
        return {
            "period_s": self._settings.schedule.period_s,
            "requests": self._settings.requests.backend,
            "slices": self._settings.feeds.slice_addresses,
            "onset": self._settings.onset.mode,
            "watch": {
                "late_s": watch.late_s,
                "dead_s": watch.dead_s,
                "cycler_s": watch.cycler_s,
                "due_grace": watch.due_grace,
            },
            "closure_band": watch.closure_band,
        }

    def columns(self, request: CyclerRequest) -> dict[str, NDArray[np.float64]]:
        """The cycler's readings of a cell, thinned; NaN where a number is not known."""
        self.check_cell(request.cell)
        kept = self._cells[request.cell]
        with self._lock:
            return kept.readings.columns(
                request.max_points,
                span=(request.since, request.until),
                area_cm2=kept.cell.area_cm2,
                reference_mAh=self._engine.references.get(request.cell),
                capacity_mAh=kept.cell.capacity_mAh,
            )

    def channel(self, request: ChannelRequest) -> tuple[str, NDArray[np.float64]]:
        """The unit of a channel, and its times and values (2, n), thinned. Raises BadMessage if
        the cell has no such channel."""
        self.check_cell(request.cell)
        channels = self._cells[request.cell].channels
        found = channels.get(request.name)
        if found is None:
            known = ", ".join(channels) or "none: no channel is declared for this cell"
            raise BadMessage("unknown_channel", f"channel {request.name!r:.80}, expected {known}")
        with self._lock:
            return found.unit, found.rows(request.max_points, request.since, request.until)

    def events(self, request: EventsRequest) -> bytes:
        """The reply to a question for events, as JSON."""
        if request.cell:
            self.check_cell(request.cell)
        with self._lock:
            found = self._events.select(request)
        more = len(found) > request.limit
        header = {"type": "events", "cell": request.cell, "more": more, "tag": request.tag}
        return b'%s,"events":[%s]}' % (to_json(header)[:-1], b",".join(found[-request.limit :]))

    def alarm_waits(self, cell: str, number: int) -> bool:
        """Whether this alarm of the cell ("": without one) waits to be acknowledged."""
        with self._lock:
            return self._events.waits(cell, number)

    def finals(self, cell: str) -> list[Scan]:
        """The final scans of a cell in the order of time."""
        with self._lock:
            self.check_cell(cell)
            return self._scans.of(cell).finals()

    def scan(self, cell: str, number: int | None) -> Scan:
        """A scan by its number, or the latest. Raises BadMessage if there is none."""
        with self._lock:
            self.check_cell(cell)
            return self._scans.find(cell, number)

    def map(self, scan: Scan, name: str) -> NDArray[Any]:
        """A map of a scan, from memory or from disk. Raises BadMessage if there is none."""
        return self._scans.map(scan, name)

    def is_on_disk(self, cell: str, number: int | None, name: str) -> bool:
        """True if reading this map means reading a file."""
        scan = self.scan(cell, number)
        return name in scan.names and name not in scan.maps

    def check_cell(self, cell: str) -> None:
        """Raises BadMessage for a cell that is not configured."""
        if cell not in self._cells:
            known = ", ".join(self._cells)
            raise BadMessage("unknown_cell", f"cell {cell!r} is unknown; expected {known}")


def _begun(
    before: Mapping[str, ScanProgress | None], now: Mapping[str, ScanProgress | None]
) -> list[str]:
    """The cells that are in the middle of a scan, and were not in the middle of it before."""
    found = []
    for name, scan in now.items():
        was = before.get(name)
        if scan is not None and (was is None or was["scan"] != scan["scan"]):
            found.append(name)
    return found
