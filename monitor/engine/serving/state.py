"""What screens may ask for, in memory: the scans' results, readings, events and requests.

The compute thread writes; the serving thread reads. Both hold the lock only to swap references or
to copy what is small; arrays are read-only and are cut outside of it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.engine import health
from monitor.engine.health import CellHealth, Silence
from monitor.engine.serving.event_history import EventHistory, KeptEvent
from monitor.engine.serving.reading_history import READING, Readings
from monitor.engine.serving.request_states import RequestStates
from monitor.engine.serving.scan_history import Scan, Scans, StoredMap, names_of
from monitor.errors import BadMessage
from monitor.records import (
    PLANNED,
    CyclerPoint,
    CyclerReading,
    Event,
    ScanRequest,
    ScanResult,
)
from monitor.settings import Settings
from monitor.wire.fields import to_json
from monitor.wire.results.queries import CyclerRequest, EventsRequest
from monitor.wire.results.replies import Status, encode_status, table_rows

PREVIEWS = ("scan_progress", "maps", "heartbeat")
MAX_PREVIEWS_WAITING = 1000
SILENCE_SETTINGS = ("late_s", "dead_s", "cycler_s", "due_grace")
"""The limits that the states were decided by."""
NOT_RECEIVED_S = 10.0
"""A request of which nothing has been heard for so long, or for two repeats, was not received."""


class Store:
    """Results of one engine. `version` grows by one with each status message."""

    def __init__(
        self,
        settings: Settings,
        stored_map: StoredMap | None,
        mode: str,
        security: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """`security`: who and what was refused so far, JSON-ready."""
        self._security = security
        self._settings = settings
        self._mode = mode
        self._lock = threading.Lock()
        self._engine = uuid.uuid4().hex
        self._started = time.time()
        names = [cell.name for cell in settings.cells]
        self._scans = Scans(names, settings.results.memory_MB * 1e6, stored_map)
        self._readings = {name: Readings() for name in names}
        self._request_states = {name: RequestStates() for name in names}
        self._events = EventHistory()
        self._feeds: Mapping[str, Any] = {}
        self._running: Mapping[str, Mapping[str, Any] | None] = {}
        self._cycler: dict[str, CyclerReading] = {}
        self._references: Mapping[str, float | None] = {}
        self._policies: Mapping[str, Mapping[str, Any]] = {}
        self._watches: Mapping[str, Mapping[str, Any]] = {}
        self._clock_offsets_s: Mapping[str, float | None] = {}
        self._told: dict[str, dict[str, Any]] = {name: {} for name in names}
        self.may_order = "" if mode == "live" else f"this is a {mode}: nothing can be asked for"
        self._silence = Silence()
        self._ended = mode == "recording"
        self._recorder: Mapping[str, Any] = {}
        self.outbox: deque[bytes] = deque()
        self._dropped_previews = 0
        self._version = 0
        self._changed = 0

    def update(
        self,
        outputs: Iterable[Event | ScanResult | ScanRequest],
        feeds: Mapping[str, Any],
        running: Mapping[str, Mapping[str, Any] | None],
        cycler: Mapping[str, CyclerReading],
        recorder: Mapping[str, Any] | None,
        points: Iterable[CyclerPoint] = (),
        references: Mapping[str, float | None] | None = None,
        policies: Mapping[str, Mapping[str, Any]] | None = None,
        watches: Mapping[str, Mapping[str, Any]] | None = None,
        clock_offsets_s: Mapping[str, float | None] | None = None,
        silence: Silence | None = None,
        *,
        ended: bool = False,
    ) -> None:
        """Takes the outputs of one message and puts what is to be published into `outbox`."""
        todo = tuple(outputs)
        asked = [o for o in todo if isinstance(o, Event) and o.kind == "scan_request"]
        # out of a recording, an id may be anything
        told = {event.data["id"] for event in asked if isinstance(event.data.get("id"), str)}
        with self._lock:
            self._feeds, self._running = feeds, running
            self._recorder = self._recorder if recorder is None else recorder
            self._references = self._references if references is None else references
            self._policies = self._policies if policies is None else policies
            self._watches = self._watches if watches is None else watches
            self._clock_offsets_s = clock_offsets_s or self._clock_offsets_s
            self._silence = silence or self._silence
            if ended and not self._ended:
                self._ended = True
                self._version += 1
                self._changed = self._version
            for point in points:
                if point.reading.cell in self._readings:
                    self._readings[point.reading.cell].add_point(point)
            for cell, reading in cycler.items():
                if reading is not self._cycler.get(cell) and cell in self._readings:
                    self._readings[cell].add(reading)
                    self._cycler[cell] = reading
            for output in todo:
                self._take(output, told)

    def _take(self, output: Event | ScanResult | ScanRequest, told: set[Any]) -> None:
        cell = output.key.cell if isinstance(output, ScanResult) else output.cell
        states = self._request_states.get(cell)
        if isinstance(output, Event):
            if states is not None:
                states.note(output.data, output.kind)
            if output.kind == "policy_changed" and cell in self._told:
                self._told[cell] = {key: output.data.get(key) for key in ("mode", "max_scans")}
            self._say(output.kind, output.time, cell, {**output.data, "number": output.number})
        elif isinstance(output, ScanRequest):
            data = {"id": output.id, "reason": output.reason, "after_scan": output.after_scan}
            if states is not None:
                states.note({**data, "status": "sent", "evidence": output.evidence})
                if self._mode == "live":
                    states.sent(output.id, time.monotonic())
            if output.id not in told:
                sent = {**data, "status": "sent", "evidence": output.evidence}
                self._say("scan_request", self._cell_time(cell) or 0.0, cell, sent)
        elif states is not None:
            self._keep(output, states)

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
            data = {
                "feeds": self._feeds,
                "health": self._health(),
                "recorder": self._recorder,
                "dropped_previews": self._dropped_previews,
                "security": self._security(),
            }
            self._say("heartbeat", time.time(), "", data)

    def time_of(self, cell: str) -> float:
        """The newest time that the data of a cell ("": of any) have told, UTC s; 0 before any."""
        with self._lock:
            times = [self._cell_time(name) for name in ([cell] if cell else self._readings)]
            return max((time for time in times if time is not None), default=0.0)

    def _cell_time(self, cell: str) -> float | None:
        if cell not in self._readings:
            return None
        told = self._scans.of(cell).told
        times = [] if told is None else [told]
        if cell in self._cycler:
            times.append(self._cycler[cell].time)
        if running := self._running.get(cell):
            times.append(running.get("start_time") or 0.0)
        return max(times, default=None)

    def _next_scan_time(self, cell: str) -> float | None:
        """Start of the newest scan on schedule plus the period; extra scans do not move it."""
        planned = self._scans.of(cell).planned
        times = [] if planned is None else [planned]
        running = self._running.get(cell)
        if running and running.get("reason") in PLANNED:
            times.append(running.get("start_time") or 0.0)
        return max(times) + self._settings.schedule.period_s if times else None

    def state(
        self,
        since: int,
        engine: str,
        role: str = "operator",
        *,
        changes: bool = False,
        tag: str = "",
    ) -> bytes:
        """The state as JSON, for a client of this role: whole (with `changes` only with the scans
        that are newer), or only what moves all the time where nothing else is newer."""
        with self._lock:
            now: dict[str, Any] = {
                "type": "state",
                "version": self._version,
                "engine": self._engine,
                "time": time.time(),
                "feeds": self._feeds,
                "health": self._health(),
                "recorder": self._recorder,
                "security": self._security(),
                "tag": tag,
            }
            if engine == self._engine and self._changed <= since:
                now["unchanged"] = True
                now["cells"] = {cell: self._moving(cell) for cell in self._readings}
                return to_json(now)
            since = since if engine == self._engine else -1
            now["changes"] = changes = changes and since >= 0
            now |= {"experiment": self._experiment(), "settings": self._shown_settings()}
            now |= {"may_order": self.may_order, "role": role}
            now["alarms"] = self._events.alarms("")
            # put together once: with hundreds of scans it is long
            pieces = [to_json(now)[:-1], b',"cells":{']
            for number, cell in enumerate(self._readings):
                pieces += [
                    b"," if number else b"",
                    *self._cell_text(cell, since if changes else -1),
                ]
            pieces += [b'},"events":[', b",".join(self._events.since(since)), b"]}"]
        return b"".join(pieces)

    def _experiment(self) -> dict[str, Any]:
        experiment = self._settings.experiment
        return {
            "name": experiment.name,
            "record_slices": experiment.record_slices,
            "mode": self._mode,
            "started": self._started,
            "ended": self._ended,
        }

    def _health(self) -> dict[str, Any]:
        """Of the two feeds and of each cell, at this moment, JSON-ready."""
        cells = self._healths()
        documents = health.feed((name, cell.cycler) for name, cell in cells.items())
        counts = self._feeds.get("documents", {})
        if self._mode == "live":
            documents = health.without_readings(
                documents, counts.get("bad", {}), counts.get("readings", 0)
            )
        return {
            "slices": health.feed((name, cell.slices) for name, cell in cells.items()).data(),
            "documents": documents.data(),
            "cells": {
                name: {**cell.data(), "ended": self._ended or name in self._silence.ended}
                for name, cell in cells.items()
            },
        }

    def _healths(self) -> dict[str, CellHealth]:
        """Of each cell, at this moment: ages are counted here, by this machine's clock."""
        if self._mode != "live":
            last = self._feeds.get("slices", {}).get("last_time")
            told = health.recorded(self._mode, ended=self._ended, last_time=last)
            return {name: CellHealth(told, told) for name in self._readings}
        now = time.monotonic()
        return {
            name: health.live(
                name,
                self._silence,
                now,
                running=self._running.get(name),
                has_scans=self._scans.of(name).latest() is not None,
                has_readings=name in self._cycler,
                conditions=self._events.lasting(name),
            )
            for name in self._readings
        }

    def _shown_settings(self) -> dict[str, Any]:
        return {
            "period_s": self._settings.schedule.period_s,
            "requests": self._settings.requests.backend,
            "slices": self._settings.feeds.slices,
            "onset": self._settings.onset.mode,
            "watch": self._settings.watch.model_dump(include=set(SILENCE_SETTINGS)),
            "closure_band": self._settings.watch.closure_band,
        }

    def _moving(self, cell: str) -> dict[str, Any]:
        reading = self._cycler.get(cell)
        limit_s = max(NOT_RECEIVED_S, 2 * self._settings.requests.resend_s)
        return {
            "unanswered": self._request_states[cell].unanswered(time.monotonic(), limit_s),
            "running": self._running.get(cell),
            "cycler": {name: getattr(reading, name) for name in READING} if reading else None,
            "cycler_points": self._readings[cell].count,
            "next_scan_time": self._next_scan_time(cell),
            "time": self._cell_time(cell),
            "watch": {
                "scan_delay_s": self._watches.get(cell, {}).get("scan_delay_s"),
                "conditions": self._events.lasting(cell),
                "clock_offset_estimate_s": self._clock_offsets_s.get(cell),
            },
            "policy": self._policies.get(cell) or self._policy_by_events(cell),
        }

    def _policy_by_events(self, cell: str) -> dict[str, Any]:
        """Where no session says it: the settings, and what was changed since."""
        onset = self._settings.onset
        return {
            "mode": onset.mode,
            "max_scans": onset.max_scans_per_cell,
            "extra_scans": None,
            "max_scans_per_hour": onset.max_scans_per_hour,
            "refusal": self.may_order,
            **self._told[cell],
        }

    def _cell_text(self, name: str, since: int) -> Iterator[bytes]:
        cell = self._settings.cell(name)
        assert cell is not None
        scans = self._scans.of(name)
        facts = self._moving(name) | {
            "area_cm2": cell.area_cm2,
            "clock_offset_s": cell.clock_offset_s,
            "layers": cell.layers,
            "reversed_z": cell.reversed_z,
            "foil_thickness_um": cell.foil_thickness_um,
            "grain_boundaries": cell.boundaries is not None,
            "table": table_rows(scans.summaries()),
            "requests": self._request_states[name].newest(),
            "alarms": self._events.alarms(name),
        }
        yield b'%s:%s,"scans":[' % (to_json(name), to_json(facts)[:-1])
        for number, text in enumerate(scans.texts(since)):
            yield b"," if number else b""
            yield text
        yield b"]}"

    def columns(self, request: CyclerRequest) -> dict[str, NDArray[np.float64]]:
        """The cycler's readings of a cell, thinned; NaN where a number is not known."""
        cell = request.cell
        self.check_cell(cell)
        chosen = self._settings.cell(cell)
        assert chosen is not None
        with self._lock:
            return self._readings[cell].columns(
                request.max_points,
                span=(request.since, request.until),
                area_cm2=chosen.area_cm2,
                reference_mAh=self._references.get(cell),
                capacity_mAh=chosen.capacity_mAh,
            )

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
        """A scan by its number, or the latest. Raises BadMessage where there is none."""
        with self._lock:
            self.check_cell(cell)
            return self._scans.find(cell, number)

    def map(self, scan: Scan, name: str) -> NDArray[Any]:
        """A map of a scan, from memory or from disk. Raises BadMessage where there is none."""
        return self._scans.map(scan, name)

    def is_on_disk(self, cell: str, number: int | None, name: str) -> bool:
        """True where reading this map means reading a file."""
        scan = self.scan(cell, number)
        return name in scan.names and name not in scan.maps

    def check_cell(self, cell: str) -> None:
        """Raises BadMessage for a cell that is not configured."""
        if cell not in self._readings:
            known = ", ".join(self._readings)
            raise BadMessage("unknown_cell", f"cell {cell!r} is unknown; there is {known}")
