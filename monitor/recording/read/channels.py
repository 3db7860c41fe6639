"""Reads the channels of a cell, also of a recording that is growing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.plain_text import visible
from monitor.recording import format
from monitor.recording.read import checked_hdf5


@dataclass(frozen=True, slots=True, eq=False)
class RecordedChannel:
    """A channel with its values: `times` (n,), UTC s, rising, and `values` (n,), in `unit` ("": not
    known)."""

    name: str
    title: str
    unit: str
    times: NDArray[np.float64]
    values: NDArray[np.float64]


def read_channels(cell: Path) -> list[RecordedChannel]:
    """The channels in the folder of a cell, none if there are none. Raises RecordingError."""
    path = cell / format.CHANNELS_FILE
    if not os.path.lexists(path):
        return []
    with checked_hdf5.opened(path) as file:
        return [read_channel(file, name) for name in checked_hdf5.group(file, "")]


def read_channel(file: h5py.File, name: str) -> RecordedChannel:
    """One channel of an opened file; whole rows count. Raises RecordingError."""
    found = [
        checked_hdf5.array(file, f"{name}/{column}", (None,), "float64")
        for column in format.CHANNEL_COLUMNS
    ]
    columns = [column for column in found if column is not None]
    if len(columns) < len(found):
        raise RecordingError(
            f"{file.filename}: is damaged (a column of {visible(name)} is missing)"
        )
    whole = min(map(len, columns))
    times, values = (column[:whole] for column in columns)
    title = checked_hdf5.attributes(file, name).get("title", name)
    unit = checked_hdf5.attributes(file, f"{name}/value").get("units", "")
    return RecordedChannel(name, visible(title), visible(unit), times, values)
