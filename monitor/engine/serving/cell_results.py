"""Results of one cell that are kept for the screens, and what is sent to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from monitor.engine import health
from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.event_history import EventHistory
from monitor.engine.serving.reading_history import READING, ChannelValues, Readings
from monitor.engine.serving.request_states import RequestStates
from monitor.engine.serving.scan_history import History
from monitor.records import PLANNED, CyclerReading
from monitor.records.state import Policy, ScanProgress
from monitor.settings import CellSettings, ChannelSettings, Settings
from monitor.wire.fields import to_json
from monitor.wire.results.cells import CellFacts, Channel, MovingCell, Reading
from monitor.wire.results.replies import table_rows

NOT_RECEIVED_S = 10.0
"""Time (s) without an answer, or two repeats if these take longer, after which a request counts as
not received."""


class CellResults:
    """All that is kept of one cell, except the maps of its scans and its events.

    One thread at a time: the store's lock is held.
    """

    def __init__(
        self,
        cell: CellSettings,
        settings: Settings,
        scans: History,
        refusal: str,
        channels: Mapping[str, ChannelValues],
    ) -> None:
        """`refusal`: why no orders are taken, or ""; `channels`: the values of its channels, those
        of all cells among them, by name."""
        self.cell = cell
        self.scans = scans
        self.readings = Readings()
        self.channels = channels
        self._declared = {n: one for n, (_, one) in settings.channels_of(cell.name).items()}
        self.requests = RequestStates()
        self.reading: CyclerReading | None = None
        onset, self._settings = settings.onset, settings
        self._policy: Policy = {
            "mode": onset.mode,
            "max_scans": onset.max_scans_per_cell,
            "extra_scans": None,
            "max_scans_per_hour": onset.max_scans_per_hour,
            "refusal": refusal,
        }

    def add_reading(self, reading: CyclerReading) -> None:
        """Takes the last reading of the cycler, which may already be known."""
        if reading is not self.reading:
            self.readings.add(reading)
            self.reading = reading

    def policy_changed(self, data: Mapping[str, object]) -> None:
        """An event says what the policy is now; a session may say more of it."""
        said = {key: data.get(key) for key in ("mode", "max_scans")}
        self._policy = cast(Policy, {**self._policy, **said})

    def time(self, running: ScanProgress | None) -> float | None:
        """The newest time in the data, UTC s; None before the first."""
        reading = None if self.reading is None else self.reading.time
        times = (self.scans.told, reading, running["start_time"] if running else None)
        return max((time for time in times if time is not None), default=None)

    def _next_scan_time(self, running: ScanProgress | None) -> float | None:
        """Start of the newest scan on schedule plus the period; extra scans do not move it."""
        is_planned = running is not None and running["reason"] in PLANNED
        times = [self.scans.planned, running["start_time"] if running and is_planned else None]
        known = [time for time in times if time is not None]
        return max(known) + self._settings.schedule.period_s if known else None

    def health(self, engine: EngineState, events: EventHistory, now: float) -> health.CellHealth:
        """Health of the cell of a live engine, at `now` of the monotonic clock, s."""
        return health.live(
            self.cell.name,
            engine.silence,
            now,
            running=engine.running.get(self.cell.name),
            has_scans=self.scans.latest() is not None,
            has_readings=self.reading is not None,
            conditions=events.lasting(self.cell.name),
        )

    def moving(self, engine: EngineState, events: EventHistory, now: float) -> MovingCell:
        """The part of the state that changes continuously, at `now` of the monotonic clock, s."""
        name = self.cell.name
        running, watch = engine.running.get(name), engine.watches.get(name)
        return {
            "unanswered": self.requests.unanswered(
                now, max(NOT_RECEIVED_S, 2 * self._settings.requests.resend_s)
            ),
            "running": running,
            "cycler": _told(self.reading),
            "cycler_points": self.readings.count,
            "channels": [_channel(n, one, self.channels[n]) for n, one in self._declared.items()],
            "next_scan_time": self._next_scan_time(running),
            "time": self.time(running),
            "watch": {
                "scan_delay_s": watch["scan_delay_s"] if watch else None,
                "conditions": events.lasting(name),
                "clock_offset_estimate_s": engine.clock_offsets_s.get(name),
            },
            "policy": engine.policies.get(name) or self._policy,
        }

    def text(
        self, engine: EngineState, events: EventHistory, now: float, since: int
    ) -> Iterator[bytes]:
        """All that is told of the cell, as the JSON of `Cell` in pieces, of its scans only those
        that changed after the version `since`."""
        facts: CellFacts = {
            **self.moving(engine, events, now),
            "area_cm2": self.cell.area_cm2,
            "clock_offset_s": self.cell.clock_offset_s,
            "layers": self.cell.layers,
            "reversed_z": self.cell.reversed_z,
            "foil_thickness_um": self.cell.foil_thickness_um,
            "grain_boundaries": self.cell.boundaries is not None,
            "table": table_rows(self.scans.summaries()),
            "requests": self.requests.newest(),
            "alarms": events.alarms(self.cell.name),
        }
        yield to_json(facts)[:-1] + b',"scans":['
        for number, text in enumerate(self.scans.texts(since)):
            yield b"," if number else b""
            yield text
        yield b"]}"


def _channel(name: str, settings: ChannelSettings, values: ChannelValues) -> Channel:
    time, value = values.last or (None, None)
    return {
        "name": name,
        "title": settings.title or name,
        "unit": values.unit or settings.unit,
        "points": values.count,
        "time": time,
        "value": value,
    }


def _told(reading: CyclerReading | None) -> Reading | None:
    found = {name: getattr(reading, name) for name in READING} if reading else None
    return cast("Reading | None", found)
