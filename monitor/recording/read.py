"""Reads a recorded experiment, also one that is growing or that a crash cut short."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - registers the filter of the slices
import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.recording import journal, layout
from monitor.recording.scan_file import cut
from monitor.settings import Settings, parse


def open_experiment(path: Path) -> Experiment:
    """The experiment recorded in the folder `path`. Raises RecordingError where it is none, or was
    written by a newer version."""
    settings_file = Path(path) / layout.SETTINGS_FILE
    try:
        table = tomllib.loads(settings_file.read_text("utf-8"))
    except FileNotFoundError:
        raise RecordingError(
            f"{path}: no recorded experiment ({layout.SETTINGS_FILE} is not there); give the "
            "folder that holds it"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecordingError(f"{settings_file}: cannot be read ({error})") from None
    version = table.get("format")
    if not isinstance(version, int) or version > layout.FORMAT:
        raise RecordingError(
            f"{path}: recorded in format {version!r}, this pitwatch reads up to {layout.FORMAT}; "
            "install a newer pitwatch"
        )
    return Experiment(Path(path), table)


class Experiment:
    """One recorded experiment; what is in its files is read when it is asked for."""

    def __init__(self, path: Path, table: dict[str, Any]) -> None:
        self.path = path
        self.versions: dict[str, str] = table.get("versions", {})
        self.created: str = table.get("created", "")
        self._settings_table: dict[str, Any] = table.get("settings", {})

    @property
    def name(self) -> str:
        """Name of the folder: unique where the same name was recorded again."""
        return self.path.resolve().name

    @cached_property
    def settings(self) -> Settings:
        """The settings as used. Raises SettingError."""
        return parse(self._settings_table)

    @property
    def has_slices(self) -> bool:
        return bool(self._settings_table.get("experiment", {}).get("record_slices", False))

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Cells by name, in the order of the settings."""
        names = [cell["name"] for cell in self._settings_table.get("cells", [])]
        return {name: Cell(self.path / name) for name in names}

    def journal(self) -> Iterator[dict[str, Any]]:
        """The lines of the journal."""
        return journal.lines(self.path / layout.JOURNAL_FILE)


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
        return [Scan(path) for path in sorted(self.path.glob("scan_*.h5"))]

    @property
    def unfinished(self) -> list[Scan]:
        """Scans that are running, or were when the recording broke off."""
        return [Scan(path) for path in sorted(self.path.glob(f"scan_*.h5{layout.PART}"))]

    def cycler(self) -> dict[str, NDArray[np.float64]]:
        """Columns of the cycler's readings, empty where there are none."""
        path = self.path / layout.CYCLER_FILE
        if not path.exists():
            return {name: np.empty(0) for name in layout.CYCLER_COLUMNS}
        with opened(path) as file:
            columns = {name: file[name][...] for name in layout.CYCLER_COLUMNS}
        whole = min(len(column) for column in columns.values())
        return {name: column[:whole] for name, column in columns.items()}

    def events(self) -> list[dict[str, Any]]:
        """Events and decisions, in order; a last line that was cut short is left out."""
        path = self.path / layout.EVENTS_FILE
        return list(journal.lines(path)) if path.exists() else []


class Scan:
    """One scan's file. It is opened for each question, so that none stays open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def header(self) -> dict[str, Any]:
        """The facts of the `header` message, with `length_unit` and `voxel_size` (z, y, x)."""
        with opened(self.path) as file:
            return {key: _plain(value) for key, value in file["entry"].attrs.items()}

    @property
    def number(self) -> int:
        return int(self.header["scan"])

    @property
    def partial(self) -> bool:
        return self.path.name.endswith(layout.PART)

    @property
    def complete(self) -> bool:
        """True where every slice came and the maps were made."""
        with opened(self.path) as file:
            return bool(file["entry/ledger/complete"][()])

    def ledger(self) -> NDArray[np.uint8]:
        """(slices,): 0 missing, 1 received, 2 recovered by resend."""
        with opened(self.path) as file:
            return np.asarray(file["entry/ledger/received"][...])

    def order(self) -> NDArray[np.int64]:
        """(slices,): the how-many-th each slice was to come, -1 where no pixels are there."""
        with opened(self.path) as file:
            return np.asarray(file["entry/ledger/order"][...])

    def summary(self) -> dict[str, Any]:
        """The scalars; None = unknown."""
        with opened(self.path) as file:
            items = file["entry/summary"].items()
            return {key: layout.read_scalar(key, item[()]) for key, item in items}

    def map(self, name: str) -> NDArray[Any] | None:
        """(ny, nx) map by its name in the contract, or `pit_labels`; None where it was not made."""
        where = layout.MAP_GROUPS.get(name, "entry/interface")
        with opened(self.path) as file:
            dataset = file.get(f"{where}/{name}")
            if dataset is None or dataset.id.get_num_chunks() == 0:
                return None
            return np.asarray(dataset[...])

    def pits(self) -> dict[str, NDArray[Any]]:
        """Equal-length columns, one row a pit."""
        with opened(self.path) as file:
            return {name: column[...] for name, column in file["entry/pits"].items()}

    def section(self, axis: str, index: int) -> NDArray[Any]:
        """Vertical cut (nz, nx) at y = index, or (nz, ny) at x = index. Raises RecordingError."""
        with opened(self.path) as file:
            return cut(self._volume(file), axis, index)

    def open(self) -> h5py.File:
        """The file itself; the caller closes it. Raises RecordingError."""
        return _open(self.path)

    def _volume(self, file: h5py.File) -> h5py.Dataset:
        if layout.SLICES not in file:
            raise RecordingError(
                f"{self.path}: holds no slices (experiment.record_slices was false)"
            )
        return file[layout.SLICES]


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, for reading, whatever state its writer left it in. Raises RecordingError."""
    with _open(path) as file:
        try:
            yield file
        except (KeyError, OSError) as error:
            raise RecordingError(f"{path}: is damaged ({error})") from None


def _open(path: Path) -> h5py.File:
    """A file that is growing, or whose writer was killed, opens in SWMR mode only. A finished one
    is never opened so: where it is damaged, HDF5 would wait for its writer for ever."""
    try:
        return h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise RecordingError(f"{path}: is not there") from None
    except OSError as error:
        if path.suffix not in (layout.PART, layout.OLD) and path.name != layout.CYCLER_FILE:
            raise RecordingError(f"{path}: cannot be read ({error})") from None
    try:
        return h5py.File(path, "r", libver="latest", swmr=True, locking=False)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error})") from None


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
