"""What is exported of a recording: cells and scans as they were chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from monitor.errors import RecordingError, SettingError
from monitor.quantities.quantity import Quantity
from monitor.quantities.table import LABELS, MAPS
from monitor.recording.read.experiment import Cell, Experiment
from monitor.recording.read.stored_scan import result_of
from monitor.records import ScanResult
from monitor.sources.formats import Software


@dataclass(frozen=True, slots=True)
class RecordedScan:
    """A whole scan; `name` is that of its file without the suffix: it is unique in the cell."""

    name: str
    result: ScanResult

    @property
    def number(self) -> int:
        return self.result.key.scan

    @property
    def length_unit(self) -> str:
        return self.result.start.length_unit

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """(z, y, x) in `length_unit`; 1 if unknown."""
        return self.result.start.voxel_size

    def maps(self) -> Mapping[str, Quantity]:
        """The maps that were made, by their names in files for other programs."""
        known = {**MAPS, LABELS.name: LABELS}
        made = [quantity for name, quantity in known.items() if name in self.result.maps]
        return {one.column(self.length_unit): one for one in made}

    def map(self, quantity: Quantity) -> NDArray[Any]:
        """(ny, nx) float32, or int32 for labels; NaN = not measurable. Raises RecordingError."""
        return self.result.maps[quantity.name]


@dataclass(frozen=True, slots=True)
class RecordedCell:
    """A cell with its chosen scans in the order of time."""

    cell: Cell
    stripping_current_sign: int
    scans: Sequence[RecordedScan]

    @property
    def name(self) -> str:
        return self.cell.name


@dataclass(frozen=True, slots=True)
class Output:
    """A file or folder to be made: its path below the output folder, and what writes it at the
    path that it is given. Raises RecordingError, OSError."""

    path: Path
    write: Callable[[Path], None]


class Exporter(Protocol):
    """A module that writes one format."""

    @property
    def SOFTWARE(self) -> Software | None: ...

    def outputs(self, cells: Sequence[RecordedCell]) -> list[Output]:
        """What is to be written of these cells."""
        ...


def choose(
    experiment: Experiment, names: Sequence[str], scans: str
) -> tuple[list[RecordedCell], list[str]]:
    """The cells of these names (all, if there are none) with the scans that `scans` names, such as
    "0-5,8" (all, if empty); and a line for each file that cannot be read. Raises SettingError,
    RecordingError."""
    if unknown := [name for name in names if name not in experiment.cells]:
        raise SettingError(
            "--cell", got=unknown[0], expected=", ".join(experiment.cells), todo="name one of them"
        )
    numbers = _numbers(scans)
    cells, problems = [], []
    for name in dict.fromkeys(names or experiment.cells):
        found, wrong = _scans(experiment.cells[name], numbers)
        settings = experiment.settings.cell(name)
        sign = settings.stripping_current_sign if settings is not None else -1
        cells.append(RecordedCell(experiment.cells[name], sign, found))
        problems += wrong
    if numbers is not None and not any(cell.scans for cell in cells):
        raise SettingError(
            "--scans",
            got=scans,
            expected="scans that are complete in the recording",
            todo="name others; `pitwatch open` shows them",
        )
    return cells, problems


def _scans(cell: Cell, numbers: Sequence[range] | None) -> tuple[list[RecordedScan], list[str]]:
    found, problems = [], []
    for scan in cell.scans:
        try:
            if numbers is None or any(scan.number in one for one in numbers):
                found.append(RecordedScan(scan.path.stem, result_of(scan)))
        except RecordingError as error:
            problems.append(str(error))
    found.sort(key=lambda scan: scan.result.start.start_time)
    return found, problems


def _numbers(text: str) -> list[range] | None:
    """ "0-5,8" → ranges; None for all."""
    if not text:
        return None
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    except ValueError:
        ends = [[]]
    if not all(len(one) in (1, 2) for one in ends):
        raise SettingError(
            "--scans", got=text, expected="numbers and ranges such as 0-5,8", todo="correct it"
        )
    return [range(one[0], one[-1] + 1) for one in ends]
