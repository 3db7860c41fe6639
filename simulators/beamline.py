"""What the plan works with: cells and their devices, time, and what interrupts a RunEngine."""

from __future__ import annotations

import threading
import time as wall
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ophyd.status import Status

from simulators.devices.beam import Ring
from simulators.devices.cycler import Cycler
from simulators.devices.detector import Tomograph
from simulators.mailbox import Mailbox
from simulators.truth.protocol import CellTime, Program

READING_S = 60.0
POLL_WALL_S = 0.05


@dataclass(slots=True)
class Station:
    """One cell with its two devices, and when each is due next (UTC s of cell time)."""

    name: str
    cycler: Cycler
    tomograph: Tomograph
    program: Program
    metadata: Mapping[str, str | float]
    next_scan: float
    next_reading: float
    periodic_left: float = float("inf")
    run: str = ""
    scans: int = 0
    has_reference: bool = False
    finished: bool = field(default=False)

    @property
    def due(self) -> float:
        return min(self.next_scan, self.next_reading)


class Pace:
    """Ties cell time to the wall: `speed` s of cell time a second, later where work takes longer.

    Lost time is made up for, but no more than `patience_s` of cell time.
    """

    def __init__(self, time: CellTime, speed: float, patience_s: float) -> None:
        self._speed = speed
        self._patience_s = patience_s
        self._cell_origin = time.now
        self._wall_origin = wall.monotonic()

    def time(self) -> float:
        """Cell time that the wall has reached."""
        return self._cell_origin + (wall.monotonic() - self._wall_origin) * self._speed

    def lag(self, now: float) -> None:
        """Takes note that the beamline is at `now`; what is too late is forgiven."""
        late_s = self.time() - now - self._patience_s
        if late_s > 0.0:
            self._wall_origin += late_s / self._speed

    def nap_s(self, until: float) -> float:
        """Seconds to sleep now on the way to `until`: short, so that the mailbox is visible."""
        return min(POLL_WALL_S, max(0.0, (until - self.time()) / self._speed))


def no_state() -> str:
    """Nobody knows whether a RunEngine was paused: each interruption is taken for lost beam."""
    return ""


def never() -> bool:
    """No suspender is watched."""
    return False


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What the plan works with. `period_s`, `scan_s`: cell time from one periodic scan of a cell to
    the next, and length of a scan. `state` tells the RunEngine's state, `lambda: str(RE.state)`;
    `suspended` whether a suspender is tripped, `lambda: any(s.tripped for s in RE.suspenders)`.
    `ring`: read together with each cycler, if there is one."""

    stations: Sequence[Station]
    time: CellTime
    mailbox: Mailbox
    pace: Pace
    period_s: float
    scan_s: float
    stop: threading.Event
    progress: Callable[[str], None]
    state: Callable[[], str] = no_state
    suspended: Callable[[], bool] = never
    ring: Ring | None = None

    @property
    def active(self) -> list[Station]:
        """Cells whose experiment continues."""
        return [station for station in self.stations if not station.finished]


class Interruptions:
    """What the RunEngine reports pauses and suspensions; to it, a device that can be paused.

    The cell does not wait meanwhile. A scan that runs goes to its end while an operator pauses,
    since its turn is timed by hardware; a suspender has lost the beam, so that scan is cut.
    """

    name = "interruptions"
    parent = None

    def __init__(self, beamline: Acquisition) -> None:
        self.count = 0
        self.scanning: Tomograph | None = None
        self._beamline = beamline
        self._lag_s: float | None = None

    def pause(self) -> None:
        """Called by the RunEngine, also where a suspender and an operator interrupt at once."""
        self.count += 1
        if self._lag_s is None:
            self._lag_s = self._beamline.pace.time() - self._beamline.time.now
        if self.scanning is not None and self._beamline.state() != "pausing":
            self.scanning.stop(success=False, why="suspended, the beam is not stable")

    def resume(self) -> None:
        """Cell time continues to where it has been all along; what was due meanwhile is left
        out."""
        if self._lag_s is None:
            return
        beamline = self._beamline
        beamline.time.reach(beamline.pace.time() - self._lag_s)
        for station in beamline.active:
            missed = _passed(station.next_scan, beamline.period_s, beamline.time.now)
            station.next_scan += missed * beamline.period_s
            readings = _passed(station.next_reading, READING_S, beamline.time.now)
            station.next_reading += readings * READING_S
            if missed:
                beamline.progress(
                    f"cell {station.name}: {missed} periodic scan(s) skipped, the plan was "
                    "interrupted"
                )

    def over(self) -> None:
        """The plan runs again."""
        self._lag_s = None


def _passed(due: float, every_s: float, now: float) -> int:
    """How many of the times due, due + every_s, … lie before `now`."""
    return max(0, -int((due - now) // every_s))


class Attempt:
    """One scan as the RunEngine triggers and waits for it; whether it was complete, `status` says.

    The RunEngine throws a failed status into whichever plan runs just then. That may be the one
    that waits out a suspension, which would end with it. So it is reported when the scan ends, and
    the plan asks how.
    """

    parent = None

    def __init__(self, tomograph: Tomograph) -> None:
        self.name = tomograph.name
        self.status: Status | None = None
        self._tomograph = tomograph

    def trigger(self) -> Status:
        ended = Status(self)
        self.status = self._tomograph.trigger()
        self.status.add_callback(lambda status: ended.set_finished())
        return ended

    @property
    def done(self) -> bool:
        return self.status is not None and self.status.done

    @property
    def why(self) -> str:
        """Why it has failed; "" if it has not, or continues."""
        if self.status is None or not self.status.done or self.status.success:
            return ""
        error = self.status.exception(timeout=0)
        return str(error) or type(error).__name__
