"""Writes a recorded experiment. One thread at a time: `engine.recorder` gives it its own."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.channels.documents import ChannelDocuments
from monitor.core.cycler.history import MeasuredReadings
from monitor.errors import RecordingError
from monitor.recording import format
from monitor.recording.journal import NUMBER, JournalWriter, Place, entry_of, slice_header
from monitor.recording.read import experiment
from monitor.recording.write.bad_messages import BadMessages
from monitor.recording.write.cell_files import CellFiles
from monitor.recording.write.cell_logs import EventWriter
from monitor.recording.write.scan_file import ScanFile
from monitor.recording.write.slice_compression import SliceCompression
from monitor.records import (
    BadInput,
    ConnectionChange,
    CyclerDocument,
    Event,
    FeedSilence,
    Order,
    Output,
    Record,
    ScanEnd,
    ScanRequest,
    ScanResult,
    ScanStart,
    SliceFrame,
)
from monitor.settings import ChannelSettings, Settings
from monitor.wire.slices.stins import Header

PREVIEWS = frozenset({"scan_progress", "heartbeat", "maps"})
MAX_RESULTS_BYTES = 2**29


@dataclass(frozen=True, slots=True)
class Message:
    """One message, and what the session made of it. `at`: when it arrived, by this machine's clock;
    `again`: it is out of the journal of a recording that is resumed."""

    feed: str
    at: float
    header: bytes | memoryview | None
    record: Record
    outputs: tuple[Output, ...]
    again: bool = False

    @property
    def nbytes(self) -> int:
        """About what it keeps in memory."""
        size = self.record.data.nbytes if isinstance(self.record, SliceFrame) else 0
        for output in self.outputs:
            if isinstance(output, ScanResult) and not output.provisional:
                size += _nbytes(output)
        return size + 1024


class _Refused(Exception):
    """The disk did not take a slice of this scan's file."""

    def __init__(self, file: str, why: Exception) -> None:
        super().__init__(file)
        self.file, self.why = file, why


class ExperimentWriter:
    """Takes the messages of an experiment in order; what fails is returned, and it continues.

    Lines, readings and results that the disk refuses wait, each kind up to a bound, and are tried
    again with each `flush`. Slices do not: `lacking` counts them by file, "<cell>/scan_NNNN.h5".
    `compression`: of the newest slice's scan, by cell.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.scans_written = 0
        self.lacking: Counter[str] = Counter()
        self.compression: dict[str, SliceCompression] = {}
        self._waiting: deque[ScanResult] = deque()
        self._events = EventWriter()
        self._settings = settings
        self._readings = MeasuredReadings(settings)
        self._channels = ChannelDocuments(settings)
        self._journal = JournalWriter(folder / format.JOURNAL_FILE)
        self._bad = BadMessages()
        keep, compress = settings.experiment.record_slices, settings.experiment.compress_slices
        self._cells = {
            cell.name: CellFiles(folder / cell.name, keep, compress, _channels(settings, cell.name))
            for cell in settings.cells
        }
        for cell in self._cells.values():
            cell.folder.mkdir(exist_ok=True)

    def take(self, message: Message) -> list[OSError]:
        """Stores one message everywhere that it belongs; returns what did not succeed."""
        errors: list[OSError] = []
        attempt(errors, lambda: self._log(message))
        for output in message.outputs:
            match output:
                case ScanResult() if not output.provisional:
                    self._conclude(output, errors)
                case Event() if output.kind not in PREVIEWS:
                    attempt(errors, lambda event=output: self._event(asdict(event), event.cell))
                case ScanRequest() if not _told(output, message.outputs):
                    request = {"kind": "scan_request", "cell": output.cell, "data": asdict(output)}
                    attempt(errors, lambda line=request: self._event(line, str(line["cell"])))
        return errors

    def flush(self, *, last: bool = False) -> list[OSError]:
        """Hands running scans, the journal and the cycler's readings to the system, and what waits
        for room on the disk or, unless this is the `last` time, for its turn."""
        errors: list[OSError] = []
        if last or self._bad.are_due:
            attempt(errors, self._sum_up)
        for cell in self._cells.values():
            for scan in cell.open.values():
                if scan.unflushed:
                    attempt(errors, scan.flush)
        if self._events.waits:
            # after what they follow from, on the disk itself: else one that outlives a crash, or a
            # loss of power, is numbered again by the next
            if attempt(errors, self._journal.sync):
                attempt(errors, self._events.flush)
        else:
            attempt(errors, self._journal.flush)
        self._retry(errors)
        for cell in self._cells.values():
            if cell.readings:
                attempt(errors, cell.write_readings)
            if cell.channel_values.waits:
                attempt(errors, cell.channel_values.write)
            if cell.master_due:
                attempt(errors, lambda cell=cell: cell.write_master(last=last))
        return errors

    def close(self) -> list[OSError]:
        """Ends the recording; a scan that was not finished stays a readable `.part`."""
        errors = self.flush(last=True)
        for cell in self._cells.values():
            for scan in (*cell.open.values(), *cell.waiting.values()):
                if not scan.finished:
                    attempt(errors, scan.close)
        attempt(errors, self._journal.close)
        return errors

    def section(self, name: str, number: int | None, axis: str, index: int) -> NDArray[Any]:
        """Vertical cut of the running or a finished scan. Raises RecordingError."""
        if not self._settings.experiment.record_slices:
            raise RecordingError("slices are not recorded: there is no cross-section")
        scan = self._newest(name, number)
        if scan is None:
            which = "it has no scan yet" if number is None else f"scan {number} is not recorded"
            raise RecordingError(f"no cross-section of cell {name}: {which}")
        try:
            if isinstance(scan, Path):
                return experiment.Scan(scan).section(axis, index)
            plane = scan.section(axis, index)
        except IndexError as error:
            raise RecordingError(f"no cross-section of cell {name}: {error}") from None
        if plane is None:
            raise RecordingError(f"no cross-section of cell {name}: no slice has been received yet")
        return plane

    def stored_map(self, name: str, number: int, map_name: str) -> NDArray[Any] | None:
        """A map of a finished scan; None if there is none."""
        scan = self._newest(name, number)
        return experiment.Scan(scan).map(map_name) if isinstance(scan, Path) else None

    # --- journal and slices ---------------------------------------------------------------------

    def _log(self, message: Message) -> None:
        record = message.record
        if isinstance(record, BadInput):
            told = bool(message.outputs)
            if self._bad.add(message.feed, message.at, record, told=told):
                return
        if any(isinstance(o, Event) and o.kind == "bad_message" for o in message.outputs):
            self._sum_up()
        header: Header | None = None
        frame: Place = {}
        failure: OSError | None = None
        if isinstance(record, ScanStart | SliceFrame | ScanEnd):
            header = slice_header(message.header, record)
            try:
                frame = self._slice_stream(record)
            except _Refused as error:
                frame, failure = {"pixels": "refused", "file": error.file}, as_os_error(error.why)
            except Exception as error:
                frame, failure = {"pixels": "refused"}, as_os_error(error)
        elif isinstance(record, CyclerDocument):
            self._read(record)
        entry = entry_of(record, header, frame)
        self._journal.append({"at": message.at, "feed": message.feed, **entry})
        if isinstance(record, Order | FeedSilence | ConnectionChange):
            # what an operator was told is done must outlive a crash; a silence, and the loss of a
            # connection, do not arrive again
            self._journal.sync()
        if failure is not None:
            raise failure

    def _sum_up(self) -> None:
        """Puts the bad messages that were only counted into the journal."""
        for feed, at, bad in self._bad.summed_up():
            self._journal.append({"at": at, "feed": feed, **entry_of(bad, None, {})})

    def _slice_stream(self, record: ScanStart | SliceFrame | ScanEnd) -> Place:
        if isinstance(record, ScanStart):
            return self._start(record)
        if isinstance(record, ScanEnd):
            return {}
        scan = self._running(record)
        if scan is None or not scan.fits(record):
            return {"pixels": "none"}
        if record.data.dtype.kind == "f" and not self._is_finite(record):
            return {"pixels": "not_finite"}
        try:
            self._store(scan, record)
        except Exception as error:
            self.lacking[f"{record.cell}/{scan.path.name}"] += 1
            raise _Refused(scan.path.name, error) from error
        return {"pixels": "kept", "file": scan.path.name}

    def _is_finite(self, frame: SliceFrame) -> bool:
        return bool(np.isfinite(frame.data).all())

    def _store(self, scan: ScanFile, frame: SliceFrame) -> None:
        self.compression[frame.cell] = scan.compression
        scan.add(frame)

    def _start(self, start: ScanStart) -> Place:
        cell = self._cells.get(start.key.cell)
        scan = cell.start(start) if cell else None
        frame: Place = {"file": scan.path.name} if scan else {}
        return frame if start.sent is None else {**frame, NUMBER: start.key.scan}

    def _running(self, frame: SliceFrame) -> ScanFile | None:
        cell = self._cells.get(frame.cell)
        return None if cell is None else cell.running(frame)

    def _newest(self, name: str, number: int | None) -> ScanFile | Path | None:
        cell = self._cells.get(name)
        return None if cell is None else cell.newest(number)

    # --- results ----------------------------------------------------------------------------------

    def _conclude(self, result: ScanResult, errors: list[OSError]) -> None:
        """Writes the results of a scan, after those that wait; now, or when there is room. Results
        of the same scan that wait still are out of date."""
        self._waiting = deque(one for one in self._waiting if one.key != result.key)
        self._waiting.append(result)
        self._retry(errors)
        while len(self._waiting) > 1 and sum(map(_nbytes, self._waiting)) > MAX_RESULTS_BYTES:
            lost = self._waiting.popleft().key
            errors.append(OSError(f"results of cell {lost.cell}, scan {lost.scan} are lost"))

    def _retry(self, errors: list[OSError]) -> None:
        for _ in range(len(self._waiting)):
            result, before = self._waiting.popleft(), len(errors)
            attempt(errors, lambda result=result: self._finish(result))
            if len(errors) > before:
                self._waiting.append(result)

    def _finish(self, result: ScanResult) -> None:
        cell = self._cells[result.key.cell]
        self.scans_written += result.key not in cell.done
        cell.finish(result)
        self._journal.flush()
        cell.write_master()

    def _event(self, line: Mapping[str, object], cell: str) -> None:
        folder = self._cells[cell].folder if cell in self._cells else self.folder
        self._events.append(folder / format.EVENTS_FILE, line)

    # --- cycler -----------------------------------------------------------------------------------

    def _read(self, document: CyclerDocument) -> None:
        """Keeps the readings and channels in a document; those that are not used are in the journal
        only. A channel of all cells is kept with each of them."""
        for point in self._readings.points(document):
            self._cells[point.reading.cell].read(point)
        for value in self._channels.take(document).values:
            for cell in [value.cell] if value.cell else self._cells:
                self._cells[cell].channel_values.add(value)


def _channels(settings: Settings, cell: str) -> dict[str, ChannelSettings]:
    """The channels of a cell by name."""
    return {name: one for name, (_, one) in settings.channels_of(cell).items()}


def _told(request: ScanRequest, outputs: Sequence[Output]) -> bool:
    """True if an event says the same."""
    return any(
        isinstance(o, Event) and o.kind == "scan_request" and o.data.get("id") == request.id
        for o in outputs
    )


def _nbytes(result: ScanResult) -> int:
    return sum(values.nbytes for values in result.maps.values())


def attempt(errors: list[OSError], action: Any) -> bool:
    """Runs one step of writing; whatever it raises costs that step only. Whether it succeeded."""
    try:
        action()
    except Exception as error:
        errors.append(as_os_error(error))
        return False
    return True


def as_os_error(error: Exception) -> OSError:
    """As it is, or its words: HDF5 reports a full disk in several ways."""
    if isinstance(error, OSError):
        return error
    made = OSError(repr(error))
    made.__cause__ = error
    return made
