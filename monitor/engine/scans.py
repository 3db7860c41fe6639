"""The scans of all cells as the engine keeps them: maps may have gone to disk, all else stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import BadMessage
from monitor.recording.stored import StoredMaps
from monitor.records import PLANNED, Pit, ScanKey, ScanResult, ScanStart
from monitor.wire.fields import to_json
from monitor.wire.results import TABLE_KEYS

StoredMap = Callable[[str, int, str], NDArray[Any] | None]
PIT = tuple(field.name for field in fields(Pit))
WHOLE = ("id", "parent", "first_scan")


class PitRows:
    """The pits of a scan as rows of numbers, which take a quarter of the memory."""

    def __init__(self, pits: Sequence[Pit]) -> None:
        self._rows = np.array([[getattr(pit, name) for name in PIT] for pit in pits]).reshape(
            len(pits), len(PIT)
        )

    def __iter__(self) -> Iterator[Pit]:
        return map(_pit, self._rows)

    def find(self, number: int) -> Pit | None:
        """The pit of this id; None where it is not seen in this scan."""
        found = self._rows[self._rows[:, PIT.index("id")] == number]
        return _pit(found[0]) if len(found) else None

    def children_of(self, number: int) -> set[int]:
        """Ids of those that split from this pit, or were swallowed by it."""
        found = self._rows[self._rows[:, PIT.index("parent")] == number]
        return {int(row[PIT.index("id")]) for row in found}


def _pit(row: NDArray[np.float64]) -> Pit:
    values = zip(PIT, row.tolist(), strict=True)
    return Pit(**{name: int(value) if name in WHOLE else value for name, value in values})


@dataclass(eq=False)
class Scan:
    """One scan as it is kept. `names`: its maps, of which `maps` are in memory; `text`: its facts
    as JSON, with the whole summary; `summary`: what of it is asked for here."""

    start: ScanStart
    provisional: bool
    summary: Mapping[str, Any]
    names: tuple[str, ...]
    maps: dict[str, NDArray[Any]]
    pits: PitRows
    version: int
    text: bytes

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.maps.values())

    @property
    def told(self) -> float:
        """The newest time that it tells of, UTC s."""
        return self.start.start_time if self.provisional else self.start.stop_time


def names_of(result: ScanResult) -> tuple[str, ...]:
    """The maps that can be asked for; those of a recording's file name their labels themselves."""
    if isinstance(result.maps, StoredMaps) or result.pit_labels is None:
        return tuple(result.maps)
    return (*result.maps, "pit_labels")


class Scans:
    """One thread at a time: the store's lock is held, but for `map`."""

    def __init__(
        self, cells: Iterable[str], memory_bytes: float, stored_map: StoredMap | None
    ) -> None:
        self._cells: dict[str, dict[ScanKey, Scan]] = {name: {} for name in cells}
        self._memory_bytes = memory_bytes
        self._stored_map = stored_map

    def keep(self, result: ScanResult, version: int) -> None:
        """Takes a result in the place of what was known of that scan."""
        names = names_of(result)
        maps: dict[str, NDArray[Any]] = {}
        if not isinstance(result.maps, StoredMaps):
            maps |= result.maps
        if result.pit_labels is not None:
            maps["pit_labels"] = result.pit_labels
        self._cells[result.key.cell][result.key] = Scan(
            result.start,
            result.provisional,
            {key: result.summary[key] for key in TABLE_KEYS if key in result.summary},
            names,
            maps,
            PitRows(result.pits),
            version,
            _text(result, names, version),
        )
        self._evict()

    def _evict(self) -> None:
        """Oldest maps leave memory first; the latest scan of each cell stays."""
        latest = {id(self.latest(cell)) for cell in self._cells}
        kept = [s for scans in self._cells.values() for s in scans.values() if s.maps]
        kept.sort(key=lambda scan: scan.version)
        excess = sum(scan.nbytes for scan in kept) - self._memory_bytes
        for scan in kept:
            if excess <= 0:
                return
            if id(scan) not in latest:
                excess -= scan.nbytes
                scan.maps = {}

    def of(self, cell: str) -> list[Scan]:
        """All of a cell, in the order of time."""
        return sorted(self._cells[cell].values(), key=lambda scan: scan.start.start_time)

    def latest(self, cell: str) -> Scan | None:
        """The newest scan of the cell, running or final."""
        return max(self._cells[cell].values(), key=lambda s: s.start.start_time, default=None)

    def find(self, cell: str, number: int | None) -> Scan:
        """A scan by its number, or the latest; where several runs have the number, the newest
        run's. Raises BadMessage where there is none."""
        scans = reversed(self._cells[cell].items())
        found = next((scan for key, scan in scans if key.scan == number), None)
        found = self.latest(cell) if number is None else found
        if found is None:
            which = "any scan" if number is None else f"scan {number}"
            raise BadMessage("no_scan", f"cell {cell} does not have {which} yet")
        return found

    def map(self, scan: Scan, name: str) -> NDArray[Any]:
        """A map of a scan, from memory or from disk. Raises BadMessage where there is none."""
        key = scan.start.key
        if name not in scan.names:
            raise BadMessage("no_map", f"scan {key.scan} of cell {key.cell} has no map {name}")
        # taken once: the writer may let go of the map at any moment
        found = scan.maps.get(name)
        if found is None and self._stored_map is not None:
            found = self._stored_map(key.cell, key.scan, name)
        if found is None:
            raise BadMessage(
                "no_map", f"{name} of scan {key.scan} has left memory and is not on disk"
            )
        return found

    def planned_starts(self, cell: str) -> list[float]:
        """When scans on schedule began, UTC s."""
        scans = self._cells[cell].values()
        return [scan.start.start_time for scan in scans if scan.start.reason in PLANNED]


def _text(result: ScanResult, names: tuple[str, ...], version: int) -> bytes:
    start = result.start
    facts: dict[str, Any] = {
        "scan": start.key.scan,
        "run": start.key.run,
        "reason": start.reason,
        "complete": result.complete,
        "provisional": result.provisional,
        "start_time": start.start_time,
        "stop_time": start.stop_time,
        "length_unit": start.length_unit,
        "shape": start.volume_shape[1:],
        "volume_shape": start.volume_shape,
        "voxel_size": start.voxel_size,
        "maps": names,
        "version": version,
    }
    return to_json({**result.summary, **facts})
