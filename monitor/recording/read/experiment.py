"""Reads a recorded experiment, also one that is growing or that a crash cut short."""

from __future__ import annotations

import fnmatch
import math
import os
import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Required, TypedDict, cast

import h5py
import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.quantities.table import form_of
from monitor.recording import files, format, journal
from monitor.recording.checksums import NAME as CRC
from monitor.recording.read import checked_hdf5, pictures
from monitor.recording.read.channels import RecordedChannel, read_channels
from monitor.recording.read.checked_hdf5 import Attributes, opened, opened_file
from monitor.recording.read.compressed_chunks import section
from monitor.records import EventData, Summary
from monitor.settings import CELL_NAME, Settings, Table, parse
from monitor.wire.slices.stins import DTYPES

MAX_SETTINGS_BYTES, MAX_DOTS = 2**18, 100
"""Of settings, and of one line of them: what TOML costs grows with the square of a dotted key."""


class EventLine(TypedDict, total=False):
    """A line of the events' files: the fields of a `records.Event`, or of a request that no event
    says (without `number` and `time`)."""

    number: int
    kind: Required[str]
    cell: str
    time: float
    data: Required[EventData]


class Manifest(TypedDict, total=False):
    """The file of a recording's settings."""

    format: int
    id: str
    created: str
    versions: dict[str, str]
    settings: Table


def open_experiment(path: Path) -> Experiment:
    """The experiment recorded in the folder `path`. Raises RecordingError if it is none, or was
    written by a newer version."""
    settings_file = Path(path) / format.SETTINGS_FILE
    try:
        table = tomllib.loads(settings_text(Path(path)).decode("utf-8"))
    except FileNotFoundError:
        raise RecordingError(
            f"{path}: not a recorded experiment ({format.SETTINGS_FILE} is missing); give the "
            "folder that contains it"
        ) from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: also of a number too long
        raise RecordingError(f"{settings_file}: cannot be read ({error})") from None
    version = table.get("format")
    if not isinstance(version, int) or version > format.FORMAT:
        raise RecordingError(
            f"{path}: recorded in format {version!r:.20}, this pitwatch reads up to "
            f"{format.FORMAT}; install a newer pitwatch"
        )
    if not _has_names(table.get("settings", {})):
        raise RecordingError(f"{settings_file}: is damaged (its cells have no names)")
    return Experiment(Path(path), cast(Manifest, table))


def settings_text(folder: Path) -> bytes:
    """The settings as they are written there. Raises RecordingError, OSError."""
    path = folder / format.SETTINGS_FILE
    with files.opened(path, folder) as file:
        text = file.read(MAX_SETTINGS_BYTES + 1)
    if len(text) > MAX_SETTINGS_BYTES:
        raise RecordingError(f"{path}: is too long for a settings file")
    if any(line.count(b".") > MAX_DOTS for line in text.split(b"\n")):
        raise RecordingError(f"{path}: is damaged (a line with more than {MAX_DOTS} dots)")
    return text


def _complete(settings: Table) -> Table:
    """With what older versions did not write: they judged scans when these had ended."""
    onset = settings.get("onset", {})
    if not isinstance(onset, dict) or "early_verdict" in onset:
        return settings
    return {**settings, "onset": {**onset, "early_verdict": False}}


def _has_names(settings: Any) -> bool:
    """Whether every cell is called as one may be: folders are named so."""
    cells = settings.get("cells", []) if isinstance(settings, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        return False
    names = [cell.get("name") for cell in cells]
    return all(isinstance(name, str) and re.fullmatch(CELL_NAME, name) for name in names)


class Experiment:
    """One recorded experiment; what is in its files is read when it is asked for."""

    def __init__(self, path: Path, table: Manifest) -> None:
        self.path = path
        self.versions = table.get("versions", {})
        identity = table.get("id", "")
        self.identity: str = identity if isinstance(identity, str) else ""
        self._settings_table = table.get("settings", {})

    @property
    def name(self) -> str:
        """Name of the folder: unique where the same name was recorded again."""
        return self.path.resolve().name

    @cached_property
    def settings(self) -> Settings:
        """The settings as used, but for what would lead out of the recording: a second folder to
        write into, and pictures (its own are in their place). Raises SettingError."""
        settings = pictures.of_recording(parse(_complete(self._settings_table)), self.path)
        alone = settings.experiment.model_copy(update={"second_dir": ""})
        return settings.model_copy(update={"experiment": alone})

    @property
    def request_namespace(self) -> str:
        """What ids of scan requests are made from: of a recording that has no `id`, as an older
        version made it, the name of the experiment."""
        return self.identity or self.settings.experiment.name

    @property
    def has_slices(self) -> bool:
        experiment = self._settings_table.get("experiment")
        return isinstance(experiment, dict) and experiment.get("record_slices") is True

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Cells by name, in the order of the settings."""
        names = [cell["name"] for cell in self._settings_table.get("cells", [])]
        return {name: Cell(self.path / name) for name in names}

    def journal(self) -> Iterator[journal.Line]:
        """The lines of the journal."""
        found = journal.lines(self.path / format.JOURNAL_FILE, self.path)
        return cast(Iterator[journal.Line], found)


class Cell:
    """What is recorded of one cell."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def scans(self) -> list[Scan]:
        """Whole scans in the order of their numbers."""
        return self._scans("")

    @property
    def unfinished(self) -> list[Scan]:
        """Scans that are running, or were when the recording was interrupted."""
        return self._scans(format.PART)

    def _scans(self, ending: str) -> list[Scan]:
        """In the order of their names. Raises RecordingError if the folder is a link."""
        found = files.names(self.path, self.path.parent)
        return [Scan(self.path / name) for name in fnmatch.filter(found, f"scan_*.h5{ending}")]

    def cycler(self) -> dict[str, NDArray[np.float64]]:
        """Columns of the cycler's readings, empty if there are none."""
        path = self.path / format.CYCLER_FILE
        if not os.path.lexists(path):
            return {name: np.empty(0) for name in format.CYCLER_COLUMNS}
        with opened(path) as file:
            found = {
                n: checked_hdf5.array(file, n, (None,), "float64") for n in format.CYCLER_COLUMNS
            }
        columns = {name: column for name, column in found.items() if column is not None}
        if len(columns) < len(found):
            raise RecordingError(
                f"{path}: is damaged ({', '.join(set(found) - set(columns))} is missing)"
            )
        whole = min(len(column) for column in columns.values())
        return {name: column[:whole] for name, column in columns.items()}

    @property
    def has_channels(self) -> bool:
        """Whether values of channels were recorded."""
        return os.path.lexists(self.path / format.CHANNELS_FILE)

    def channels(self) -> list[RecordedChannel]:
        """The channels, those of all cells among them. Raises RecordingError."""
        return read_channels(self.path)

    def events(self) -> list[EventLine]:
        """Events and decisions, in order; a last line that was cut short is left out. Raises
        RecordingError if one has no kind or no data."""
        path = self.path / format.EVENTS_FILE
        found = list(journal.lines(path, self.path.parent)) if os.path.lexists(path) else []
        for number, event in enumerate(found, 1):
            if not isinstance(event.get("kind"), str) or not isinstance(event.get("data"), dict):
                raise RecordingError(f"{path}: line {number} is damaged")
        return cast(list[EventLine], found)


class Scan:
    """One scan's file. It is opened for each question, so that none stays open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def header(self) -> Attributes:
        """The facts of the `header` message, with `length_unit` and `voxel_size` (z, y, x)."""
        with opened(self.path) as file:
            found = checked_hdf5.attributes(file, "entry")
            return {key: _plain(value) for key, value in found.items()}

    @property
    def number(self) -> int:
        return int(self.header["scan"])

    @property
    def partial(self) -> bool:
        return self.path.name.endswith(format.PART)

    @property
    def complete(self) -> bool:
        """True if every slice arrived and the maps were made."""
        with opened(self.path) as file:
            found = checked_hdf5.array(file, "entry/ledger/complete", (), "uint8")
            return found is not None and bool(found)

    def ledger(self) -> NDArray[np.uint8]:
        """(slices,): 0 missing, 1 received, 2 recovered by resend."""
        return self._ledger("received", "uint8")

    def order(self) -> NDArray[np.int64]:
        """(slices,): the how-many-th each slice was to come, -1 where no pixels are there."""
        return self._ledger("order", "int64")

    def checksums(self) -> NDArray[np.uint32]:
        """(slices,) CRC-32 of the pixels of each slice; 0 where there are none, and all where an
        older version recorded them."""
        with opened(self.path) as file:
            found = checked_hdf5.array(file, f"entry/ledger/{CRC}", (self._slices,), "uint32")
        return np.zeros(self._slices, np.uint32) if found is None else found

    def _ledger(self, name: str, dtype: str) -> NDArray[Any]:
        with opened(self.path) as file:
            found = checked_hdf5.array(file, f"entry/ledger/{name}", (self._slices,), dtype)
        if found is None:
            raise RecordingError(f"{self.path}: is damaged (its ledger is missing)")
        return found

    def summary(self) -> Summary:
        """The scalars; None = unknown."""
        with opened(self.path) as file:
            found = {
                name: checked_hdf5.scalar(item) for name, item in _datasets(file, "entry/summary")
            }
        known = {key: value for key, value in found.items() if value is not None}
        return {key: format.read_scalar(key, value) for key, value in known.items()}

    def map(self, name: str) -> NDArray[Any] | None:
        """(ny, nx) map by its name in the contract, or `pit_labels`; None if it was not made."""
        with opened(self.path) as file:
            return checked_hdf5.array(file, _map_path(name), self._shape[1:], _map_type(name))

    def map_names(self) -> tuple[str, ...]:
        """The maps that were made. Raises RecordingError if one is not what it must be."""
        made = []
        with opened(self.path) as file:
            for name in (*format.MAP_GROUPS, format.PIT_LABELS):
                dataset = checked_hdf5.find(file, _map_path(name))
                if dataset is None:
                    continue
                types = (_map_type(name),)
                checked_hdf5.check(file, _map_path(name), dataset, self._shape[1:], types)
                if checked_hdf5.is_written(dataset):
                    made.append(name)
        return tuple(made)

    def pits(self) -> dict[str, NDArray[Any]]:
        """Equal-length columns, one row a pit."""
        with opened(self.path) as file:
            columns = {
                name: checked_hdf5.array(
                    file,
                    f"entry/pits/{name}",
                    (None,),
                    "int64" if form_of(name) == "count" else "float64",
                )
                for name, _ in _datasets(file, "entry/pits")
            }
        return {name: column for name, column in columns.items() if column is not None}

    def section(self, axis: str, index: int) -> NDArray[Any]:
        """Vertical cut (nz, nx) at y = index, or (nz, ny) at x = index. Raises RecordingError."""
        with opened(self.path) as file:
            return section(self._volume(file), axis, index)

    def open(self) -> h5py.File:
        """The file itself; the caller closes it. Raises RecordingError."""
        return opened_file(self.path)

    @property
    def _shape(self) -> tuple[int, int, int]:
        """(nz, ny, nx) of the volume. Raises RecordingError if the header does not say it."""
        shape = self.header.get("volume_shape")
        if not isinstance(shape, list) or len(shape) != 3:
            raise RecordingError(f"{self.path}: is damaged (volume_shape is {shape!r})")
        return int(shape[0]), int(shape[1]), int(shape[2])

    @property
    def _slices(self) -> int:
        return self._shape[1 if self.header.get("axis") == "y" else 0]

    def _volume(self, file: h5py.File) -> h5py.Dataset:
        volume = checked_hdf5.find(file, format.SLICES)
        if volume is None:
            raise RecordingError(
                f"{self.path}: contains no slices (experiment.record_slices was false)"
            )
        checked_hdf5.check(file, format.SLICES, volume, self._shape, tuple(DTYPES), math.inf)
        return volume


def _datasets(file: h5py.File, group: str) -> Iterator[tuple[str, h5py.Dataset]]:
    for name in checked_hdf5.group(file, group):
        dataset = checked_hdf5.find(file, f"{group}/{name}")
        if dataset is not None:
            yield name, dataset


def _map_path(name: str) -> str:
    return f"{format.MAP_GROUPS.get(name, 'entry/interface')}/{name}"


def _map_type(name: str) -> str:
    return "int32" if name == format.PIT_LABELS else "float32"


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
