"""A recorded experiment measured again with other settings, its scans side by side on Dask.

What takes time in a scan, from slices to heights, needs no other scan: each is a task of its own.
All that follows (registration, removal, currents, pits, decisions) goes in the order of the scans,
through the same session as live, which takes the journal without pixels and finds each scan
measured. With the settings as recorded the results are the same, bit for bit.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.core.arrival.assembly import Arrival, Assembly
from monitor.core.arrival.measurement import ScanSetup, SliceMeasurement
from monitor.core.interface.heights import Heights
from monitor.core.plating import Measured
from monitor.core.refinement.band import Spare
from monitor.core.session import Session
from monitor.errors import MissingSoftware, RecordingError
from monitor.playback.replay import line_of, replay_settings
from monitor.recording import format
from monitor.recording.folder_lock import FolderLock
from monitor.recording.journal import number_of
from monitor.recording.read.experiment import Experiment, Scan, open_experiment
from monitor.recording.replay import UNUSABLE, Pixels, replay_records
from monitor.recording.write.experiment import Message
from monitor.recording.write.new_experiment import create_experiment
from monitor.recording.write.without_pixels import WriterWithoutPixels
from monitor.records import (
    Acknowledgement,
    Output,
    Record,
    ScanKey,
    ScanResult,
    SliceFrame,
    frozen,
)
from monitor.reprocess import SOFTWARE
from monitor.reprocess.cluster import RemoteScheduler, cluster
from monitor.reprocess.settings import changed
from monitor.settings import Settings

FLUSH_EVERY = 1000
MEMORY_SHARE, BYTES_OF_PIXEL = 0.7, 200
"""Of the machine's memory that workers may take; of a scan, for each column: its state, what is
kept around the interface, and its maps."""
AHEAD = 2
"""Scans for each worker that are measured, or being measured, before their turn."""

SENT = (
    "its workers are sent the path of the recording, the settings of each cell and the headers of "
    "its scans; no keys, and no other settings"
)

Say = Callable[[str], None]


class Promise(Protocol):
    """What a pool gives for a task."""

    def result(self) -> Any: ...


class Pool(Protocol):
    """Where tasks run."""

    workers: int

    def submit(self, work: Callable[..., Any], task: Task) -> Promise: ...


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One scan to be measured. `slices`: index of each, and whether it was recovered, in the order
    in which they arrived; `file`: of the recording, that holds them."""

    experiment: Path
    file: str
    setup: ScanSetup
    slices: tuple[tuple[int, bool], ...]

    def __str__(self) -> str:
        return f"cell {self.setup.start.key.cell} scan {self.setup.start.key.scan}"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A scan as measured. `settled_after`: slices after which none to come could change its
    heights, and the ledger then; `used_previous_levels`: whether the grey levels of the scan before
    matter for it."""

    scan: Measured | None = None
    settled_after: int | None = None
    early_ledger: NDArray[np.uint8] | None = None
    used_previous_levels: bool = False

    def early(self) -> Measured | None:
        """As it was once it had settled."""
        if self.scan is None or self.early_ledger is None:
            return None
        return replace(self.scan, ledger=self.early_ledger, running=True)


def measure(task: Task) -> Found:
    """Measures one scan. Raises RecordingError."""
    start, key = task.setup.start, task.setup.start.key
    assembly = Assembly(start, task.setup.memory_bytes)
    measurement = SliceMeasurement(task.setup, assembly, Spare())
    pixels = Pixels(open_experiment(task.experiment))
    settled_after = early_ledger = None
    try:
        for number, (index, recovered) in enumerate(task.slices):
            data = pixels.read(key.cell, task.file, index)
            if data is not None:
                frame = SliceFrame(key.cell, key.scan, start.stream, number, index, data, recovered)
                if assembly.add(frame) is Arrival.NEW:
                    measurement.take(frame)
                if settled_after is None and measurement.settled:
                    settled_after, early_ledger = number + 1, frozen(assembly.ledger.copy())
    except UNUSABLE as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RecordingError(
            f"{task.experiment / key.cell / task.file}: is damaged ({why})"
        ) from None
    finally:
        pixels.close()
    if not assembly.received:
        return Found()
    scan = measurement.finish()
    return Found(scan, settled_after, early_ledger, measurement.used_previous_levels)


class Unmeasured:
    """A scan whose slices are measured elsewhere: here only which of them arrived is noted."""

    def __init__(
        self,
        setup: ScanSetup,
        _assembly: Assembly,
        _spare: Spare,
        *,
        measured: Callable[[ScanSetup], Found],
    ) -> None:
        """`measured`: asked once, for what was measured; it waits for that."""
        self._found = measured(setup)
        self._came = 0

    def take(self, frame: SliceFrame) -> None:
        """Its pixels may be anything that has the shape and type."""
        self._came += 1

    def provisional(self) -> Heights | None:
        """Nothing is known while slices arrive."""
        return None

    @property
    def settled(self) -> bool:
        """Whether no slice to come can change its heights."""
        after = self._found.settled_after
        return after is not None and self._came >= after

    def early(self) -> Measured | None:
        """What was measured elsewhere, with the slices that had arrived when it settled."""
        return self._found.early()

    def finish(self) -> Measured | None:
        """What was measured elsewhere."""
        return self._found.scan


class Listed:
    """A scan that is not measured yet: only which of its slices arrive is noted."""

    settled = False

    def __init__(
        self,
        setup: ScanSetup,
        _assembly: Assembly,
        _spare: Spare,
        *,
        note: Callable[[ScanSetup, tuple[tuple[int, bool], ...]], None],
    ) -> None:
        """`note`: is given the slices of the maps, as in `Task`, at the scan's end."""
        self._setup = setup
        self._came: list[tuple[int, bool]] = []
        self._note = note

    def take(self, frame: SliceFrame) -> None:
        """Its pixels may be anything that has the shape and type."""
        self._came.append((frame.frame, frame.recovered))

    def provisional(self) -> None:
        """Nothing is known while slices arrive."""

    def early(self) -> None:
        """It never settles."""

    def finish(self) -> None:
        """Notes the slices."""
        self._note(self._setup, tuple(self._came))


def run_reprocess(
    path: Path,
    *,
    changes: Sequence[str],
    scheduler: RemoteScheduler | None,
    out: Path | None,
    say: Say,
) -> Path:
    """Measures the experiment in `path` again; returns the folder of the new recording, which has
    everything but the slices.

    `changes`: "key=value", as in the settings' file with a dot for each section; `scheduler`: of a
    Dask cluster whose workers have pitwatch and see `path`, None for one on this machine. Raises
    SettingError, RecordingError, MissingSoftware.
    """
    if find_spec(SOFTWARE.module) is None:
        raise MissingSoftware(
            f"{SOFTWARE.files} measures scans side by side with Dask, which is not installed: run "
            f"\"pip install 'pitwatch[{SOFTWARE.extra}]'\""
        )
    experiment = open_experiment(path.resolve())
    settings = changed(replay_settings(experiment.settings), changes)
    tasks = _tasks(experiment, settings)
    with cluster(scheduler, _workers(tasks.values())) as pool:
        say(f"{len(tasks)} scans to measure, {pool.workers} at a time")
        if scheduler is not None:
            say(f"{scheduler.address}: {SENT}")
        return reprocess(experiment, settings, pool, out or path.resolve().parent, say, tasks)


def reprocess(
    experiment: Experiment,
    settings: Settings,
    pool: Pool,
    data_dir: Path,
    say: Say,
    tasks: dict[ScanKey, Task] | None = None,
) -> Path:
    """Measures the scans in the pool, and records what follows from them in `data_dir`."""
    tasks = _tasks(experiment, settings) if tasks is None else tasks
    scans = _Measuring(tasks, pool)
    identity = experiment.identity
    session = Session(settings, partial(Unmeasured, measured=scans.measured), identity=identity)
    name = f"{settings.experiment.name}-again"
    folder = create_experiment(settings, data_dir, name, identity)
    lock = FolderLock(folder)
    files = {key: experiment.cells[key.cell].path / task.file for key, task in tasks.items()}
    writer = WriterWithoutPixels(
        settings, folder, lambda key: Scan(files[key]).checksums() if key in files else None
    )
    is_whole = False
    try:
        for number, (feed, record) in enumerate(_records(experiment)):
            outputs = session.feed(record)
            _check(folder, writer.take(Message(feed, 0.0, None, record, outputs)))
            _tell(outputs, say)
            if number % FLUSH_EVERY == 0:
                _check(folder, writer.flush())
        is_whole = True
    finally:
        errors = writer.close()
        lock.release(broken=not is_whole or bool(errors))
    _check(folder, errors)
    return folder


def _records(experiment: Experiment) -> Iterator[tuple[str, Record]]:
    """The journal without pixels. Alarms may have other numbers with other settings: what was
    acknowledged then is left out."""
    for feed, record in replay_records(experiment, pixels=False):
        if not isinstance(record, Acknowledgement):
            yield feed, record


def _check(folder: Path, errors: Sequence[OSError]) -> None:
    if errors:
        why = errors[0].strerror or str(errors[0])
        raise RecordingError(f"{folder}: cannot be written ({why}); free some space")


def _tell(outputs: Sequence[Output], say: Say) -> None:
    for output in outputs:
        if isinstance(output, ScanResult) and not output.provisional:
            say(line_of(output))


def _tasks(experiment: Experiment, settings: Settings) -> dict[ScanKey, Task]:
    """What is to be measured, in the order in which it will be asked for."""
    files = _files(experiment)
    tasks: dict[ScanKey, Task] = {}

    def note(setup: ScanSetup, slices: tuple[tuple[int, bool], ...]) -> None:
        file = files.get(setup.start.key)
        if file is not None:
            setup = replace(setup, previous_levels=None)
            tasks[setup.start.key] = Task(experiment.path, file, setup, slices)

    session = Session(settings, partial(Listed, note=note), identity=experiment.identity)
    for _, record in _records(experiment):
        session.feed(record)
    # of readings that arrived after their scan, the session could not know it then
    for key, task in tasks.items():
        plated = session.plated_by(key.cell, task.setup.start.stop_time)
        setup = replace(task.setup, plated=task.setup.plated or plated)
        tasks[key] = replace(task, setup=setup)
    return tasks


def _files(experiment: Experiment) -> dict[ScanKey, str]:
    """The file that holds the slices of each scan."""
    files: dict[ScanKey, str] = {}
    for entry in experiment.journal():
        header: Any = entry.get("header")
        frame: Any = entry.get("frame")
        try:
            if header["htype"] == "header" and format.SCAN_FILE.fullmatch(frame["file"]):
                # `run` may be left out, or null, if there is none
                key = ScanKey(header["cell"], header.get("run") or "", number_of(entry))
                files.setdefault(key, frame["file"])
        except UNUSABLE:
            continue  # another line, or one that the session is not given either
    return files


class _Measuring:
    """Has scans measured some way ahead of their turn."""

    def __init__(self, tasks: dict[ScanKey, Task], pool: Pool) -> None:
        self._tasks = tasks
        self._pool = pool
        self._waiting = iter(tasks)
        self._promises: dict[ScanKey, Promise] = {}
        self._go_ahead(AHEAD * pool.workers)

    def measured(self, setup: ScanSetup) -> Found:
        """What was measured of a scan that has begun; waits for it."""
        key = setup.start.key
        while key in self._tasks and key not in self._promises and self._go_ahead(1):
            pass
        promise = self._promises.pop(key, None)
        if promise is None:
            return Found()
        found: Found = promise.result()
        self._go_ahead(1)
        if found.used_previous_levels and setup.previous_levels is not None:
            task = self._tasks[key]
            previous = replace(task.setup, previous_levels=setup.previous_levels)
            task = replace(task, setup=previous)
            found = self._pool.submit(measure, task).result()
        return found

    def _go_ahead(self, count: int) -> bool:
        """Hands out so many more; False if there are none left."""
        keys = list(itertools.islice(self._waiting, count))
        for key in keys:
            self._promises[key] = self._pool.submit(measure, self._tasks[key])
        return bool(keys)


def _workers(tasks: Collection[Task]) -> int:
    """As many as this machine has cores and memory for, and there are scans."""
    count = min(os.cpu_count() or 1, len(tasks))
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        largest = max((_bytes_of(task) for task in tasks), default=1)
        count = min(count, int(MEMORY_SHARE * memory / largest))
    return max(1, count)


def _bytes_of(task: Task) -> int:
    """About what it takes to measure a scan."""
    _, ny, nx = task.setup.start.volume_shape
    return BYTES_OF_PIXEL * ny * nx + task.setup.memory_bytes
