"""A recording shown at once: what is in its files is served as an engine serves it, and nothing is
computed again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from monitor.cli.demo import Screen, until_closed
from monitor.core.cycler.history import CyclerHistory
from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.publisher import Publisher
from monitor.errors import BadMessage, PitwatchError, RecordingError
from monitor.processes import free_addresses, is_free, stop_on_signal
from monitor.recording.folder_lock import is_growing
from monitor.recording.read.channels import RecordedChannel
from monitor.recording.read.contents import Part, Problem, in_order, read_contents
from monitor.recording.read.counters import feed_counters
from monitor.recording.read.experiment import Cell, Experiment, open_experiment
from monitor.recording.read.map_cache import MapCache
from monitor.recording.read.past_events import past_of
from monitor.records import ChannelValue, CyclerReading, Event, Output, ScanResult
from monitor.records.state import Feeds, ScanProgress
from monitor.settings import CellSettings, Settings, as_table, parse
from monitor.wire.results.state import Recorder as RecorderState

MOST_READINGS = 400_000
MOST_PROBLEMS_SAID = 10


def run_open(
    path: Path,
    *,
    pull: str | None,
    status: str | None,
    screen: Screen | None,
    say: Callable[[str], None],
) -> None:
    """Serve the experiment in `path` until a signal arrives, or until `screen` is closed.

    Raises PitwatchError if there is no experiment, or an address cannot be listened on.
    """
    with stop_on_signal() as stop:
        experiment = open_experiment(path)
        recorded = Recorded(experiment, serving_settings(experiment, pull, status))
        publisher = recorded.publish()
        try:
            for problem in recorded.problems[:MOST_PROBLEMS_SAID]:
                say(problem.text)
            say(
                f"serving {recorded}; screens connect to {publisher.pull_address} "
                f"(status {publisher.status_address})"
            )
            if screen is None:
                stop.wait()
            elif not stop.is_set():
                until_closed(screen, publisher.pull_address, publisher.status_address)
        finally:
            publisher.close()


def serving_settings(experiment: Experiment, pull: str | None, status: str | None) -> Settings:
    """The settings of a recording for showing it, under the name of its folder: nobody is asked for
    scans; an address that is not given is as recorded, or another one if that is taken."""
    table = as_table(experiment.settings)
    table["requests"]["backend"] = "none"
    table["security"] = {}  # who was let in then is not who may come in now
    results, others = table["results"], free_addresses(2)
    for key, given in (("pull", pull), ("status", status)):
        if given is not None:
            results[key] = given
        elif results[key] in (pull, status) or not is_free(results[key]):
            results[key] = others.pop()
    made = parse(table)
    # a folder can have been given a name that no setting could have
    named = made.experiment.model_copy(update={"name": experiment.name})
    return made.model_copy(update={"experiment": named})


class Recorded:
    """What a recording holds, read but for maps and pixels: those are read when asked for."""

    def __init__(self, experiment: Experiment, settings: Settings) -> None:
        self._experiment = experiment
        self._settings = settings
        self._growing = is_growing(experiment.path)
        names = [cell.name for cell in settings.cells]
        # events before scans: a scan's file is there before the event that reports it
        self._past = past_of(experiment, names)
        self._contents = {n: read_contents(Cell(experiment.path / n)) for n in names}
        self._outputs = list(in_order(self._past, self._contents.values()))
        self._cycler = {name: self._columns(name) for name in names}
        self._channels = {name: self._read_channels(name) for name in names}
        files = {name: found.files for name, found in self._contents.items()}
        self.maps = MapCache(files, settings.results.memory_MB * 1e6)

    def __str__(self) -> str:
        scans = sum(len(found.results) for found in self._contents.values())
        return f"{self._experiment.name} ({scans} scans of cells {', '.join(self._contents)})"

    @property
    def problems(self) -> list[Problem]:
        """What could not be read, and scans in which the recording was interrupted."""
        found = [Problem("", None, text) for text in self._past.problems]
        for contents in self._contents.values():
            found += contents.problems
            if not self._growing:
                found += [_broken_off(part) for part in contents.parts]
        return found

    def publish(self) -> Publisher:
        """Serves it all, until the publisher is closed. Raises PitwatchError."""
        publisher = Publisher(
            self._settings,
            section=self.section,
            on_operator=_refuse,
            stored_map=self.maps.get,
            mode="recording",
        )
        columns = self._cycler
        made = {cell.name: history_of(cell, columns[cell.name]) for cell in self._settings.cells}
        publisher.update(
            [*self._outputs, *self._alarms()],
            EngineState(
                feeds=self._feeds(),
                running=self._running(),
                cycler={name: history.last for name, history in made.items() if history.last},
                recorder=self._recorder(),
                references={n: reference_charge(h, self._outputs) for n, h in made.items()},
            ),
            [point for history in made.values() for point in history.take_new()],
            self._channel_values(),
        )
        return publisher

    def section(self, cell: str, number: int | None, axis: str, index: int) -> NDArray[Any]:
        """Vertical cut, (nz, nx) at y = index or (nz, ny) at x = index, of a scan, also of one that
        was not finished; None: the newest. Raises RecordingError."""
        found = self._contents.get(cell)
        scan = (found.latest if number is None else found.files.get(number)) if found else None
        if scan is None:
            which = "it has no scan" if number is None else f"scan {number} is not recorded"
            raise RecordingError(f"no cross-section of cell {cell}: {which}")
        try:
            return scan.section(axis, index)
        except IndexError as error:
            raise RecordingError(f"no cross-section of cell {cell}: {error}") from None

    def _columns(self, cell: str) -> Mapping[str, NDArray[np.float64]]:
        try:
            return Cell(self._experiment.path / cell).cycler()
        except RecordingError as error:
            self._contents[cell].problems.append(Problem(cell, None, str(error)))
            return {}

    def _channel_values(self) -> Iterator[ChannelValue]:
        """The recorded channels; of many values, every n-th. One of all cells is taken from the
        first cell that has it."""
        known = set[tuple[str, str]]()
        for cell in self._settings.cells:
            declared = self._settings.channels_of(cell.name)
            for one in self._channels[cell.name]:
                owner = declared[one.name][0] if one.name in declared else None
                if owner is None or (owner, one.name) in known:
                    continue
                known.add((owner, one.name))
                step = max(1, -(-len(one.times) // MOST_READINGS))
                rows = zip(one.times[::step].tolist(), one.values[::step].tolist(), strict=True)
                for time, value in rows:
                    yield ChannelValue(owner, one.name, time, value, one.unit)

    def _read_channels(self, cell: str) -> list[RecordedChannel]:
        try:
            return Cell(self._experiment.path / cell).channels()
        except RecordingError as error:
            self._contents[cell].problems.append(Problem(cell, None, str(error)))
            return []

    def _feeds(self) -> Feeds:
        readings = sum(len(columns.get("time", ())) for columns in self._cycler.values())
        return feed_counters(self._experiment, self._past, self._contents.values(), readings)

    def _running(self) -> dict[str, ScanProgress | None]:
        """Of a recording that grows, the scan that each cell is in the middle of."""
        return {
            name: _progress(found.parts[-1]) if self._growing and found.parts else None
            for name, found in self._contents.items()
        }

    def _recorder(self) -> RecorderState:
        found = self._contents.values()
        return {
            "folder": str(self._experiment.path.resolve()),
            "slices": sum(contents.slices for contents in found),
            "scans": sum(len(contents.results) for contents in found),
        }

    def _alarms(self) -> list[Event]:
        """The problems as events, after all that were recorded."""
        first = self._past.last_number + 1
        return [
            Event(first + n, "alarm", p.cell, self._time(p.cell), {"scan": p.scan, "text": p.text})
            for n, p in enumerate(self.problems)
        ]

    def _time(self, cell: str) -> float:
        """The newest time that is recorded of a cell ("": of any), UTC s; 0 where there is none."""
        chosen = [found for name, found in self._contents.items() if cell in ("", name)]
        times = [result.start.stop_time for found in chosen for result in found.results]
        times += [part.start.start_time for found in chosen for part in found.parts]
        return max(times, default=0.0)


def history_of(cell: CellSettings, columns: Mapping[str, NDArray[np.float64]]) -> CyclerHistory:
    """The recorded readings as they stood in the session; if they are too many, every n-th."""
    history = CyclerHistory(cell)
    step = max(1, -(-len(columns.get("time", ())) // MOST_READINGS))
    names = tuple(columns)
    for row in zip(*(column[::step].tolist() for column in columns.values()), strict=True):
        with contextlib.suppress(BadMessage):
            history.add(CyclerReading(cell.name, **dict(zip(names, row, strict=True))))
    return history


def reference_charge(history: CyclerHistory, outputs: Iterable[Output]) -> float | None:
    """Net charge, mAh, that the reference scan found stripped; None if there is none. The
    reference is the first scan that was concluded with heights."""
    results = (output for output in outputs if isinstance(output, ScanResult))
    for result in results:
        if result.key.cell == history.cell.name and result.summary.get("valid_fraction"):
            return history.charge_at(result.start.time)
    return None


def _progress(part: Part) -> ScanProgress:
    start = part.start
    return {
        "scan": start.key.scan,
        "reason": start.reason,
        "start_time": start.start_time,
        "received": part.received,
        "slices": start.slice_count,
    }


def _broken_off(part: Part) -> Problem:
    key, total = part.start.key, part.start.slice_count
    text = (
        f"scan {key.scan} of cell {key.cell} was not finished: {part.received} of {total} slices "
        "are recorded, but no maps"
    )
    return Problem(key.cell, key.scan, text)


def _refuse(order: object) -> NoReturn:
    raise PitwatchError("this is a recording: nothing can be changed in it")
