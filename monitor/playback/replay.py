"""A recording watched again: its messages go through the same engine as live ones."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from monitor.cli.demo import Screen
from monitor.engine.engine import Engine
from monitor.engine.feeds.subscribe import Received
from monitor.engine.recorder import Recorder
from monitor.errors import EngineFailed, PitwatchError, RecordingError, SettingError
from monitor.number_text import counted, number
from monitor.processes import free_addresses, is_free, stop_on_signal
from monitor.recording.read.experiment import Experiment, Scan, open_experiment
from monitor.recording.replay import replay_records
from monitor.records import CyclerDocument, Output, ScanKey, ScanResult, ScanStart
from monitor.settings import Settings, as_table, parse
from monitor.units import MAX_TIME_S

SLICES_AT_ONCE = 64
STEP_S = 0.05


class ReplaySource:
    """The messages of a recording, as fast as they are taken or at `speed` × cell time."""

    def __init__(
        self, experiment: Experiment, first: int | None, last: int | None, speed: float | None
    ) -> None:
        self.done = threading.Event()
        self._records = replay_records(experiment, first, last)
        self._speed = speed
        self._first = first or 0
        self._begun: tuple[float, float] | None = None
        self._due = 0.0
        self._held: Received | None = None
        self.begun: dict[str, ScanKey] = {}
        """By cell: the newest scan that has begun so far."""

    def take(self, timeout_ms: int) -> Iterator[Received]:
        """The next messages that are due; waits up to `timeout_ms` if none is."""
        for _ in range(SLICES_AT_ONCE):
            message = self._held or self._next()
            self._held = None
            if message is None:
                self.done.set()
                time.sleep(timeout_ms / 1000.0)
                return
            if self._early(message):
                self._held = message
                time.sleep(STEP_S)
                return
            if isinstance(message.record, ScanStart):
                self.begun[message.record.key.cell] = message.record.key
            yield message

    def close(self) -> None:
        """Nothing to free: files close with the iterator."""

    def _next(self) -> Received | None:
        found = next(self._records, None)
        return None if found is None else Received(found[0], None, found[1])

    def _early(self, message: Received) -> bool:
        """Whether the time of the data, at the speed that was asked for, has not arrived yet."""
        if self._speed is None:
            return False
        when = _time_of(message)
        now = time.monotonic()
        record = message.record
        begins = isinstance(record, ScanStart) and record.key.scan >= self._first
        if when is not None and (begins or self._begun is not None):
            self._begun = self._begun or (when, now)
            self._due = max(self._due, self._begun[1] + (when - self._begun[0]) / self._speed)
        return now < self._due


def _time_of(message: Received) -> float | None:
    """UTC s of the data at which a message belongs; None if it belongs to the one before."""
    record = message.record
    if isinstance(record, ScanStart):
        return record.start_time
    if isinstance(record, CyclerDocument) and record.name == "event":
        when = record.doc.get("time")
        return float(when) if isinstance(when, int | float) and abs(when) < MAX_TIME_S else None
    return None


def run_replay(
    path: Path,
    *,
    speed: float | None,
    first: int | None,
    last: int | None,
    out: Path | None,
    screen: Screen | None,
    say: Callable[[str], None],
) -> None:
    """Replay the experiment in `path`; record it again where `out` is given.

    Without a screen it ends with the last message; with one, when the screen is closed. Raises
    PitwatchError, EngineFailed for an error of our own, also where it arrived beside the screen.
    """
    if first is not None and last is not None and first > last:
        raise SettingError(
            "--from and --to",
            got=f"{first} and {last}",
            expected="the first scan before the last one",
            todo="swap them",
        )
    experiment = open_experiment(path)
    settings = replay_settings(experiment.settings)
    source = ReplaySource(experiment, first, last, speed)
    identity = experiment.identity
    recorder = Recorder(settings, out, identity=identity) if out is not None else None

    def tell(output: Output) -> None:
        if isinstance(output, ScanResult) and not output.provisional:
            say(line_of(output))

    engine = Engine(
        settings,
        source,
        mode="replay",
        recorder=recorder,
        section=_sections(experiment, source),
        on_output=tell,
        identity=identity,
        ended=source.done.is_set,
    )
    try:
        with stop_on_signal() as stop:
            if screen is None:
                _until_done(engine, source, stop)
            else:
                _beside_screen(engine, stop, screen, say)
    except BaseException:
        if recorder is not None:
            recorder.leave_broken()
        raise
    finally:
        engine.close()
    if recorder is not None:
        if recorder.status["failures"]:
            raise RecordingError(recorder.status["alarm"])
        say(f"recorded in {recorder.folder}")


def replay_settings(settings: Settings) -> Settings:
    """The settings of a recording for watching it: nobody is asked, addresses are free ones."""
    table = as_table(settings)
    table["requests"]["backend"] = "none"
    table["security"] = {}  # who was let in then is not who may come in now
    addresses = [table["results"][key] for key in ("status", "pull")]
    if not all(is_free(address) for address in addresses):
        table["results"]["status"], table["results"]["pull"] = free_addresses(2)
    return parse(table)


class _Running:
    """The engine in a thread of its own; `failure`: what ended it, if that was an error."""

    def __init__(self, engine: Engine, stop: threading.Event, say: Callable[[str], None]) -> None:
        self.failure: Exception | None = None
        self.ended = threading.Event()
        self._engine, self._stop, self._say = engine, stop, say
        self._thread = threading.Thread(target=self._run, name="replay")
        self._thread.start()

    def end(self) -> None:
        """Stops the engine. Raises what it ended with."""
        self._stop.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self._engine.run(self._stop)
        except Exception as error:
            self.failure = error
            if not isinstance(error, PitwatchError):
                self.failure = EngineFailed(self._engine.fail(error))
            self._say(str(self.failure))
        finally:
            self.ended.set()


def _until_done(engine: Engine, source: ReplaySource, stop: threading.Event) -> None:
    running = _Running(engine, stop, lambda text: None)
    while not (stop.is_set() or running.ended.is_set() or source.done.wait(0.1)):
        pass
    running.end()


def _beside_screen(
    engine: Engine, stop: threading.Event, screen: Screen, say: Callable[[str], None]
) -> None:
    running = _Running(engine, stop, say)
    try:
        code = screen(engine.pull_address, engine.status_address)
    except BaseException:
        with contextlib.suppress(Exception):
            running.end()
        raise
    running.end()
    if code:
        raise PitwatchError(f"the screen ended with code {code}")


def _sections(
    experiment: Experiment, source: ReplaySource
) -> Callable[[str, int | None, str, int], NDArray[Any]]:
    def section(cell: str, scan: int | None, axis: str, index: int) -> NDArray[Any]:
        begun = source.begun.get(cell)
        if scan is None and begun is None:
            raise RecordingError(f"no cross-section of cell {cell}: it has no scan yet")
        number = begun.scan if begun is not None and scan is None else scan
        found = [one for one in _scans(experiment, cell) if one.number == number]
        # where runs have counted alike: that of the scan on the screen, or else of the newest run
        same = [one for one in found if begun is not None and one.header["run"] == begun.run]
        for one in (same or found)[-1:]:
            try:
                return one.section(axis, index)
            except IndexError as error:
                raise RecordingError(f"no cross-section of cell {cell}: {error}") from None
        raise RecordingError(f"no cross-section of cell {cell}: scan {number} is not recorded")

    return section


def _scans(experiment: Experiment, cell: str) -> list[Scan]:
    """Of a cell, also those that were not finished."""
    known = experiment.cells.get(cell)
    return [] if known is None else [*known.scans, *known.unfinished]


def line_of(result: ScanResult) -> str:
    """A finished scan in one line; one that is corrected later has a second."""
    summary = result.summary
    unit = "µm" if result.start.length_unit == "µm" else "voxel"
    suffix = "um" if unit == "µm" else "voxel"
    averaged, plateau = summary.get(f"averaged_{suffix}"), summary.get(f"complete_{suffix}")
    numbers = " ".join(
        f"{name} {number(value, 2, unit)}"
        for name, value in (("averaged", averaged), ("complete", plateau))
        if value is not None
    )
    key = result.key
    state = summary.get("charge_state")
    waits = f", charge {state}" if result.preliminary and state != "none" else ""
    pits = counted(len(result.pits), "pit")
    return f"cell {key.cell} scan {key.scan}: {numbers}, {pits}{waits}"
