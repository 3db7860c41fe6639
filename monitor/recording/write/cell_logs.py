"""What grows during a whole experiment, cell by cell: events and the cycler's readings."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from monitor.recording import checksums, file_descriptors, format
from monitor.recording.write import disk_space, hdf5_files
from monitor.records import CyclerReading
from monitor.wire.fields import plain

MAX_WAITING_BYTES = 2**24


class EventWriter:
    """Appends events to the files that they belong to, in the order in which they arrived. What the
    disk refuses waits in memory, up to a bound, and is tried again."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Path, bytes]] = deque()
        self._bytes = 0

    @property
    def waits(self) -> bool:
        """Whether lines wait for the next `flush`."""
        return bool(self._waiting)

    def append(self, path: Path, event: Mapping[str, object]) -> None:
        """Keeps one line for the next `flush`. Raises OSError if too many wait already; then
        only is it lost."""
        text = json.dumps(plain(event), separators=(",", ":"), allow_nan=False)
        line = checksums.with_crc(text.encode())
        if self._bytes + len(line) > MAX_WAITING_BYTES:
            raise OSError("too many events are waiting for the disk")
        self._waiting.append((path, line))
        self._bytes += len(line)

    def flush(self) -> None:
        """Puts what waits on the disk. Raises OSError; nothing is lost by that."""
        while self._waiting:
            path, line = self._waiting[0]
            _append_line(path, line)
            self._waiting.popleft()
            self._bytes -= len(line)


def _append_line(path: Path, line: bytes) -> None:
    """All of it, or nothing. Raises OSError."""
    with file_descriptors.when_free(lambda: path.open("ab", buffering=0)) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            if file.write(line) != len(line):
                raise OSError("the disk accepted only a part of a line")
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def append_readings(path: Path, readings: Sequence[CyclerReading], since: float = math.inf) -> None:
    """Appends to `cycler.h5`, which it creates if needed; rows of `since` and later,
    UTC s, are replaced. Raises OSError.

    The file is open for some milliseconds only, in SWMR mode: at any other time it opens with plain
    h5py, and a reader that has it open meanwhile sees whole rows.
    """
    disk_space.need(path.parent, leave=disk_space.LAST_BYTES)
    if not path.exists():
        part = path.with_name(path.name + format.PART)
        hdf5_files.write_new(part, _lay_out)
        part.replace(path)
    with hdf5_files.changing(path) as file:
        columns = {name: file[name] for name in format.CYCLER_COLUMNS}
        # a writer that was killed may have left columns of different length: whole rows count
        length = min(map(len, columns.values()))
        if since < math.inf:
            length = int(np.searchsorted(columns["time"][:length], since))
        for column in columns.values():
            if len(column) > length + len(readings):  # not possible in SWMR mode
                column.resize((length + len(readings),))
        file.swmr_mode = True
        for name, column in columns.items():
            column.resize((length + len(readings),))
            column[length:] = [getattr(reading, name) for reading in readings]
        file.flush()


def _lay_out(file: h5py.File) -> None:
    file.attrs["NX_class"] = "NXroot"
    for name, units in format.CYCLER_COLUMNS.items():
        column = file.create_dataset(name, (0,), np.float64, maxshape=(None,), chunks=(1024,))
        column.attrs["units"] = units
