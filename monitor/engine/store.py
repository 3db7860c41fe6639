"""What screens may ask for, in memory: the scans' results, readings, events and requests.

The compute thread writes; the serving thread reads. Both hold the lock only to swap references or
to copy what is small; arrays are read-only and are cut outside of it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from monitor.engine.readings import READING, Readings
from monitor.errors import BadMessage
from monitor.recording.stored import StoredMaps
from monitor.records import CyclerReading, Event, Pit, ScanKey, ScanRequest, ScanResult, ScanStart
from monitor.settings import Settings
from monitor.wire.fields import to_json
from monitor.wire.results import Status, encode_status, table_rows

PREVIEWS = ("scan_progress", "maps", "heartbeat")
MAX_EVENTS = 200
MAX_PREVIEWS_WAITING = 1000
MAX_REQUESTS = 200

StoredMap = Callable[[str, int, str], NDArray[Any] | None]


@dataclass(eq=False)
class Scan:
    """One scan as it is kept: its maps may have gone to disk, all else stays."""

    start: ScanStart
    provisional: bool
    summary: Mapping[str, Any]
    names: tuple[str, ...]
    maps: dict[str, NDArray[Any]]
    pits: tuple[Pit, ...]
    version: int
    text: bytes

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.maps.values())


FATES = {"scan_suggested": {"status": "suggested"}, "suggestion_closed": {"status": "closed"}}
"""What an event says of a request beyond its data."""


class Store:
    """Results of one engine. `version` grows by one with each status message."""

    def __init__(self, settings: Settings, stored_map: StoredMap | None, mode: str) -> None:
        self._settings = settings
        self._stored_map = stored_map
        self._mode = mode
        self._lock = threading.Lock()
        self._engine = uuid.uuid4().hex
        self._started = time.time()
        self._scans: dict[str, dict[ScanKey, Scan]] = {c.name: {} for c in settings.cells}
        self._readings = {cell.name: Readings() for cell in settings.cells}
        self._requests: dict[str, dict[str, dict[str, Any]]] = {c.name: {} for c in settings.cells}
        self._events: deque[tuple[int, bytes]] = deque(maxlen=MAX_EVENTS)
        self._feeds: Mapping[str, Any] = {}
        self._running: Mapping[str, Mapping[str, Any] | None] = {}
        self._cycler: dict[str, CyclerReading] = {}
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
    ) -> None:
        """Takes the outputs of one message and puts what is to be published into `outbox`."""
        todo = tuple(outputs)
        told = {o.data.get("id") for o in todo if isinstance(o, Event) and o.kind == "scan_request"}
        with self._lock:
            self._feeds, self._running = feeds, running
            self._recorder = self._recorder if recorder is None else recorder
            for cell, reading in cycler.items():
                if reading is not self._cycler.get(cell) and cell in self._readings:
                    self._readings[cell].add(reading)
                    self._cycler[cell] = reading
            for output in todo:
                self._take(output, told)

    def _take(self, output: Event | ScanResult | ScanRequest, told: set[Any]) -> None:
        if isinstance(output, Event):
            self._note_request(output.cell, {**output.data, **FATES.get(output.kind, {})})
            data = {"number": output.number, **output.data}
            self._say(output.kind, output.time, output.cell, data)
        elif isinstance(output, ScanRequest):
            data = {
                "id": output.id,
                "reason": output.reason,
                "after_scan": output.after_scan,
                "status": "sent",
            }
            self._note_request(output.cell, data)
            data["evidence"] = output.evidence
            now = self._cell_time(output.cell) or 0.0
            if output.id not in told:
                self._say("scan_request", now, output.cell, data)
        else:
            self._keep(output)

    def _keep(self, result: ScanResult) -> None:
        key, scans = result.key, self._scans.get(result.key.cell)
        if scans is None:
            return
        stored = isinstance(result.maps, StoredMaps)
        maps: dict[str, NDArray[Any]] = {} if stored else dict(result.maps)
        if result.pit_labels is not None:
            maps["pit_labels"] = result.pit_labels
        names = tuple(result.maps) if stored else tuple(maps)
        status = "scanning" if result.provisional else "done"
        if result.start.request in self._requests[key.cell]:
            answer = {"id": result.start.request, "scan": key.scan, "status": status}
            self._note_request(key.cell, answer)
        data = {"scan": key.scan, "provisional": result.provisional, "maps": list(names)}
        self._say("maps", result.start.time, key.cell, data)
        scans[key] = Scan(
            result.start,
            result.provisional,
            result.summary,
            names,
            maps,
            result.pits,
            self._version,
            _scan_text(result, names, self._version),
        )
        self._evict()

    def _evict(self) -> None:
        """Oldest maps leave memory first; the latest scan of each cell stays."""
        latest = {id(self.latest(cell)) for cell in self._scans}
        kept = [s for scans in self._scans.values() for s in scans.values() if s.maps]
        kept.sort(key=lambda scan: scan.version)
        excess = sum(scan.nbytes for scan in kept) - self._settings.results.memory_MB * 1e6
        for scan in kept:
            if excess <= 0:
                return
            if id(scan) not in latest:
                excess -= scan.nbytes
                scan.maps = {}

    def _say(self, kind: str, at: float, cell: str, data: Mapping[str, Any]) -> None:
        self._version += 1
        if kind != "heartbeat":
            self._changed = self._version
        frame = encode_status(Status(kind, self._version, at, cell, data))
        if kind not in PREVIEWS:
            self._events.append((self._version, frame))
        if kind in PREVIEWS and len(self.outbox) >= MAX_PREVIEWS_WAITING:
            self._dropped_previews += 1
        else:
            self.outbox.append(frame)

    def heartbeat(self) -> None:
        """The status message that says, each second of wall time, that the engine lives."""
        with self._lock:
            data = {
                "feeds": self._feeds,
                "recorder": self._recorder,
                "dropped_previews": self._dropped_previews,
            }
            self._say("heartbeat", time.time(), "", data)

    def _note_request(self, cell: str, data: Mapping[str, Any]) -> None:
        known = self._requests.get(cell)
        number = data.get("id")
        if known is None or not isinstance(number, str):
            return
        blank = {
            "id": number,
            "reason": "",
            "status": "",
            "why": "",
            "scan": None,
            "after_scan": None,
        }
        entry = known.get(number, blank)
        known[number] = entry | {k: data[k] for k in blank if data.get(k) is not None}
        while len(known) > MAX_REQUESTS:
            del known[next(iter(known))]

    def latest(self, cell: str) -> Scan | None:
        """The newest scan of the cell, running or final."""
        scans = self._scans.get(cell)
        return max(scans.values(), key=lambda s: s.start.start_time) if scans else None

    def time_of(self, cell: str) -> float:
        """The newest time that the data of a cell have told, UTC s; 0 before any."""
        with self._lock:
            return self._cell_time(cell) or 0.0

    def _cell_time(self, cell: str) -> float | None:
        times = (
            [
                s.start.start_time if s.provisional else s.start.stop_time
                for s in self._scans[cell].values()
            ]
            if cell in self._scans
            else []
        )
        if cell in self._cycler:
            times.append(self._cycler[cell].time)
        if running := self._running.get(cell):
            times.append(running.get("start_time") or 0.0)
        return max(times, default=None)

    def _next_scan_time(self, cell: str) -> float | None:
        """Start of the newest scan on schedule plus the period; extra scans do not move it."""
        planned = ("reference", "periodic")
        times = [
            scan.start.start_time
            for scan in self._scans[cell].values()
            if scan.start.reason in planned
        ]
        running = self._running.get(cell)
        if running and running.get("reason") in planned:
            times.append(running.get("start_time") or 0.0)
        return max(times) + self._settings.schedule.period_s if times else None

    def state(self, since: int, engine: str) -> bytes:
        """The state as JSON: whole, or only what moves all the time where nothing else is newer."""
        with self._lock:
            now: dict[str, Any] = {
                "type": "state",
                "version": self._version,
                "engine": self._engine,
                "time": time.time(),
                "feeds": self._feeds,
                "recorder": self._recorder,
            }
            if engine == self._engine and self._changed <= since:
                now["unchanged"] = True
                now["cells"] = {cell: self._moving(cell) for cell in self._scans}
                return to_json(now)
            since = since if engine == self._engine else -1
            now |= {"experiment": self._experiment(), "settings": self._shown_settings()}
            cells = b",".join(self._cell_text(cell) for cell in self._scans)
            events = b",".join(frame for version, frame in self._events if version > since)
            return b'%s,"cells":{%s},"events":[%s]}' % (to_json(now)[:-1], cells, events)

    def _experiment(self) -> dict[str, Any]:
        experiment = self._settings.experiment
        return {
            "name": experiment.name,
            "record_slices": experiment.record_slices,
            "mode": self._mode,
            "started": self._started,
        }

    def _shown_settings(self) -> dict[str, Any]:
        return {
            "period_s": self._settings.schedule.period_s,
            "requests": self._settings.requests.backend,
            "slices": self._settings.feeds.slices,
            "onset": self._settings.onset.mode,
        }

    def _moving(self, cell: str) -> dict[str, Any]:
        reading = self._cycler.get(cell)
        names = (*READING, "cycle", "step")
        return {
            "running": self._running.get(cell),
            "cycler": {name: getattr(reading, name) for name in names} if reading else None,
            "cycler_points": self._readings[cell].count,
            "next_scan_time": self._next_scan_time(cell),
            "time": self._cell_time(cell),
        }

    def _cell_text(self, name: str) -> bytes:
        cell = self._settings.cell(name)
        assert cell is not None
        scans = sorted(self._scans[name].values(), key=lambda scan: scan.start.start_time)
        facts = self._moving(name) | {
            "area_cm2": cell.area_cm2,
            "layers": cell.layers,
            "reversed_z": cell.reversed_z,
            "foil_thickness_um": cell.foil_thickness_um,
            "table": table_rows(scan.summary for scan in scans if not scan.provisional),
            "requests": list(self._requests[name].values()),
        }
        texts = b",".join(scan.text for scan in scans)
        return b'%s:%s,"scans":[%s]}' % (to_json(name), to_json(facts)[:-1], texts)

    def columns(self, cell: str, max_points: int) -> dict[str, list[Any]]:
        """The cycler's readings of a cell, thinned."""
        with self._lock:
            self._check(cell)
            return self._readings[cell].columns(max_points)

    def scan(self, cell: str, number: int | None) -> Scan:
        """A scan by its number, or the latest. Raises BadMessage where there is none."""
        with self._lock:
            self._check(cell)
            found = self.latest(cell) if number is None else self._numbered(cell, number)
        if found is None:
            which = "any scan" if number is None else f"scan {number}"
            raise BadMessage("no_scan", f"cell {cell} does not have {which} yet")
        return found

    def map(self, scan: Scan, name: str) -> NDArray[Any]:
        """A map of a scan, from memory or from disk. Raises BadMessage where there is none."""
        key = scan.start.key
        if name not in scan.names:
            raise BadMessage("no_map", f"scan {key.scan} of cell {key.cell} has no map {name}")
        # taken once: the writer may let go of the map at any moment
        found = scan.maps.get(name)
        if found is None and self._stored_map is not None:
            found = self._stored_map(key.cell, key.scan, name)
        if found is None:
            raise BadMessage(
                "no_map", f"{name} of scan {key.scan} has left memory and is not on disk"
            )
        return found

    def _numbered(self, cell: str, number: int) -> Scan | None:
        """The scan of this number; where several runs have one, the newest run's."""
        scans = reversed(self._scans[cell].items())
        return next((scan for key, scan in scans if key.scan == number), None)

    def is_on_disk(self, cell: str, number: int | None, name: str) -> bool:
        """True where reading this map means reading a file."""
        scan = self.scan(cell, number)
        return name in scan.names and name not in scan.maps

    def _check(self, cell: str) -> None:
        if cell not in self._scans:
            known = ", ".join(self._scans)
            raise BadMessage("unknown_cell", f"cell {cell!r} is unknown; there is {known}")

    def check_cell(self, cell: str) -> None:
        """Raises BadMessage for a cell that is not configured."""
        self._check(cell)


def _scan_text(result: ScanResult, names: tuple[str, ...], version: int) -> bytes:
    start = result.start
    facts: dict[str, Any] = {
        "scan": start.key.scan,
        "run": start.key.run,
        "reason": start.reason,
        "complete": result.complete,
        "provisional": result.provisional,
        "start_time": start.start_time,
        "stop_time": start.stop_time,
        "length_unit": start.length_unit,
        "shape": start.volume_shape[1:],
        "volume_shape": start.volume_shape,
        "voxel_size": start.voxel_size,
        "maps": names,
        "version": version,
    }
    return to_json({**result.summary, **facts})
