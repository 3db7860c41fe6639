"""Cycler files of one cell, joined by their times, each read on while it grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.errors import PitwatchError, SettingError, SourceError
from monitor.sources.cyclers.growing_file import GrowingFile
from monitor.sources.cyclers.table import COLUMNS, CyclerTable, make_table
from monitor.sources.cyclers.timeline import reading_origin
from monitor.sources.formats import is_pattern

SAME_S = 1e-3
"""Readings of two files that lie nearer than this are one."""

Timed = tuple[CyclerTable, NDArray[np.float64]]
"""Readings and their times, UTC s."""


def cycler_paths(given: Sequence[str | Path]) -> list[Path]:
    """The files that paths and quoted patterns such as 'run_*.mpt' name, each once.

    Raises SettingError for a pattern that fits nothing.
    """
    paths: list[Path] = []
    for entry in given:
        path = Path(entry)
        found = [path]
        if is_pattern(path):
            found = sorted(p for p in path.parent.glob(path.name) if not p.name.startswith("."))
        if not found:
            raise SettingError(
                "--cycler", got=str(entry), expected="a file", todo="correct the pattern"
            )
        paths += found
    return list(dict.fromkeys(paths))


class CyclerFiles:
    """`first` is what the files held at the start, in time order, with its times; `notes` are
    lines for the operator.

    Raises SourceError for a file that cannot be read, holds no reading yet, or does not say when
    it began and so cannot be joined to others; MissingSoftware if its reader is not installed.
    """

    def __init__(self, paths: Sequence[Path], now: float) -> None:
        self._files = [GrowingFile(path) for path in paths]
        self.name = ", ".join(path.name for path in paths)
        self.notes: list[str] = []
        self._noted: set[str] = set()
        for path, file in zip(paths, self._files, strict=True):
            if len(paths) > 1 and file.first.start_time is None:
                raise SourceError(
                    f"{path}: has no start time, and cannot be joined to {len(paths) - 1} "
                    "others; export it with its header"
                )
        self._origins = [reading_origin(file.first, now) for file in self._files]
        timed = [
            (file.first, origin + file.first.time_s)
            for file, origin in zip(self._files, self._origins, strict=True)
        ]
        for path, (table, _) in zip(paths, timed, strict=True):
            self.notes.append(_about(path, table))
            self._note(table)
        self.first = self._joined(paths, timed)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        for file in self._files:
            self._running.enter_context(file)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def new(self) -> Iterator[Timed]:
        """What has been read since this was last asked; its new notes are added to `notes`."""
        for file, origin in zip(self._files, self._origins, strict=True):
            for table in file.new():
                self._note(table)
                yield table, origin + table.time_s

    def end(self) -> None:
        """Looks a last time into all files, and stops."""
        for file in self._files:
            file.end()

    @property
    def problem(self) -> PitwatchError | None:
        """Why a file cannot be read any more."""
        return next((file.problem for file in self._files if file.problem is not None), None)

    def _note(self, table: CyclerTable) -> None:
        self.notes += [line for line in table.notes if line not in self._noted]
        self._noted.update(table.notes)

    def _joined(self, paths: Sequence[Path], timed: list[Timed]) -> Timed:
        """All readings in time order; what two files have of one instant is taken once."""
        order = sorted(range(len(timed)), key=lambda i: float(timed[i][1].min()))
        for before, after in pairwise(order):
            inside = int((timed[after][1] <= timed[before][1].max()).sum())
            if inside:
                self.notes.append(
                    f"{paths[after].name}: {inside} of its {len(timed[after][0])} readings lie "
                    f"before the end of {paths[before].name}: those of the same instant are taken "
                    "once, all others are sorted by time"
                )
        times = np.empty(0)
        kept = {}
        for i in order:
            kept[i] = _distance_s(timed[i][1], times) >= SAME_S
            times = np.sort(np.concatenate([times, timed[i][1][kept[i]]]))
        times = np.concatenate([timed[i][1][kept[i]] for i in order])
        index = np.argsort(times, kind="stable")
        columns = {
            name: np.concatenate([getattr(timed[i][0], name)[kept[i]] for i in order])[index]
            for name in COLUMNS
        }
        first = timed[order[0]][0]
        return make_table(columns, first.start_time, first.start_time_assumed_utc, 0), times[index]


def _distance_s(times: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each time to the nearest of the others, which are sorted."""
    padded = np.concatenate([[-np.inf], others, [np.inf]])
    after = np.searchsorted(others, times) + 1
    nearest: NDArray[np.float64] = np.minimum(padded[after] - times, times - padded[after - 1])
    return nearest


def _about(path: Path, table: CyclerTable) -> str:
    if table.start_time is None:
        origin = "without a start time: its first reading is assumed to be now"
    elif table.start_time_assumed_utc:
        origin = "start time without a time zone: assumed to be UTC"
    else:
        origin = "start time in the time zone given"
    skipped = f"; {table.skipped_lines} lines skipped" if table.skipped_lines else ""
    return f"cycler {path.name}: {len(table)} readings, {origin}{skipped}"
