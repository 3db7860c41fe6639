"""The channels of one cell in its file, which grows during the whole experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from monitor.recording import format
from monitor.recording.write import disk_space, hdf5_files
from monitor.records import ChannelValue
from monitor.settings import ChannelSettings

MOST_WAITING = 100_000
"""Values of a channel that wait for the disk; more are in the journal only."""


@dataclass
class Waiting:
    """Values (time, value) of a channel that are to be appended, instead of those of `since` and
    later, UTC s, that are in the file."""

    unit: str = ""
    rows: list[tuple[float, float]] = field(default_factory=list)
    since: float = math.inf
    written_until: float = -math.inf


class ChannelsFile:
    """Keeps the values of a cell's channels until they are written."""

    def __init__(self, path: Path, channels: Mapping[str, ChannelSettings]) -> None:
        self._path = path
        self._channels = channels
        self._waiting = {name: Waiting(one.unit) for name, one in channels.items()}

    @property
    def waits(self) -> bool:
        """Whether values wait for the next `write`."""
        return any(waiting.rows for waiting in self._waiting.values())

    def rewrite(self) -> None:
        """All values are about to be added again, out of the journal."""
        for waiting in self._waiting.values():
            waiting.since = -math.inf

    def add(self, value: ChannelValue) -> None:
        """Keeps a value of a channel of the cell; those that it replaces go."""
        waiting, since = self._waiting[value.name], value.replaces_from
        if waiting.written_until >= since:
            waiting.since = min(waiting.since, since)
        while waiting.rows and waiting.rows[-1][0] >= since:
            waiting.rows.pop()
        waiting.unit = value.unit
        if len(waiting.rows) < MOST_WAITING:
            waiting.rows.append((value.time, value.value))

    def write(self) -> None:
        """Appends what waits. Raises OSError."""
        due = {name: waiting for name, waiting in self._waiting.items() if waiting.rows}
        append_values(self._path, self._channels, due)
        for waiting in due.values():
            waiting.written_until, waiting.since = waiting.rows[-1][0], math.inf
            waiting.rows.clear()


def append_values(
    path: Path, channels: Mapping[str, ChannelSettings], waiting: Mapping[str, Waiting]
) -> None:
    """Appends to the file of these channels, which it creates if needed. Raises OSError.

    The file is open for some milliseconds only, in SWMR mode: at any other time it opens with plain
    h5py, and a reader that has it open meanwhile sees whole rows.
    """
    disk_space.need(path.parent, leave=disk_space.LAST_BYTES)
    if not path.exists():
        part = path.with_name(path.name + format.PART)
        hdf5_files.write_new(part, lambda file: lay_out(file, channels, {}))
        part.replace(path)
    with hdf5_files.changing(path) as file:
        lengths = {name: _cut(file[name], waiting[name]) for name in waiting}
        file.swmr_mode = True
        for name, length in lengths.items():
            rows = np.array(waiting[name].rows, np.float64).reshape(-1, 2)
            for column, values in zip(format.CHANNEL_COLUMNS, rows.T, strict=True):
                file[name][column].resize((length + len(values),))
                file[name][column][length:] = values
        file.flush()


def _cut(group: h5py.Group, waiting: Waiting) -> int:
    """Rows that stay. What is not possible in SWMR mode is done: shortening, a unit that has become
    known."""
    time, value = (group[name] for name in format.CHANNEL_COLUMNS)
    if value.attrs["units"] != waiting.unit:
        value.attrs["units"] = waiting.unit
    # a writer that was killed may have left columns of different length: whole rows count
    length = min(len(time), len(value))
    if waiting.since < math.inf:
        length = int(np.searchsorted(time[:length], waiting.since))
    for column in (time, value):
        if len(column) > length + len(waiting.rows):
            column.resize((length + len(waiting.rows),))
    return length


def lay_out(
    file: h5py.File, channels: Mapping[str, ChannelSettings], units: Mapping[str, str]
) -> None:
    """A group for each channel, without values. `units`: those that are known beside the
    settings."""
    file.attrs["NX_class"] = "NXroot"
    for name, one in channels.items():
        group = file.create_group(name)
        group.attrs["NX_class"] = "NXlog"
        group.attrs["title"] = one.title or name
        group.attrs["key"] = one.key
        for column, unit in zip(
            format.CHANNEL_COLUMNS, ("s", one.unit or units.get(name, "")), strict=True
        ):
            made = group.create_dataset(column, (0,), np.float64, maxshape=(None,), chunks=(1024,))
            made.attrs["units"] = unit
