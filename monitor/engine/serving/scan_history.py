"""The scans of all cells as the engine keeps them: maps may be on the disk only, everything else
stays in memory."""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.engine.serving.paged_history import Pages
from monitor.errors import BadMessage
from monitor.recording.read.stored_scan import StoredMaps
from monitor.records import PLANNED, Pit, ScanKey, ScanResult, ScanStart
from monitor.wire.fields import to_json
from monitor.wire.results import cells
from monitor.wire.results.replies import TABLE_KEYS

StoredMap = Callable[[str, int, str], NDArray[Any] | None]
PIT = tuple(field.name for field in fields(Pit))
WHOLE = ("id", "parent", "first_scan")
TEXTS = ("step", "charge_state")
"""The texts among the values that `table_rows` needs."""
COLUMNS = tuple(key for key in TABLE_KEYS if key not in TEXTS)
NOTHING: Mapping[str, NDArray[Any]] = {}


class PitRows:
    """The pits of a scan as rows of numbers, which take a quarter of the memory."""

    def __init__(self, rows: NDArray[np.float64]) -> None:
        self._rows = rows.reshape(-1, len(PIT))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Pit]:
        return map(_pit, self._rows)

    def find(self, number: int) -> Pit | None:
        """The pit with this id; None if this scan does not have it."""
        found = self._rows[self._rows[:, PIT.index("id")] == number]
        return _pit(found[0]) if len(found) else None

    def children_of(self, number: int) -> set[int]:
        """Ids of the pits that split from this pit, or merged with it."""
        found = self._rows[self._rows[:, PIT.index("parent")] == number]
        return {int(row[PIT.index("id")]) for row in found}


def _pit(row: NDArray[np.float64]) -> Pit:
    values = zip(PIT, row.tolist(), strict=True)
    return Pit(**{name: int(value) if name in WHOLE else value for name, value in values})


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """One scan as it is reported. `names`: its maps, of which `maps` are in memory."""

    start: ScanStart
    provisional: bool
    summary: Mapping[str, Any]
    names: tuple[str, ...]
    maps: Mapping[str, NDArray[Any]]
    pits: PitRows


def names_of(result: ScanResult) -> tuple[str, ...]:
    """The maps that can be asked for; those of a recording's file name their labels themselves."""
    if isinstance(result.maps, StoredMaps) or result.pit_labels is None:
        return tuple(result.maps)
    return (*result.maps, "pit_labels")


class History:
    """The scans of one cell, with everything that is reported of them except their maps; kept
    small, because there may be hundreds. Numbers are in the order in which scans first arrived."""

    def __init__(self) -> None:
        self._numbers: dict[ScanKey, int] = {}
        self._facts, self._pits = Pages(), Pages(compress=False)
        self._begun, self._versions, self._final = array("d"), array("q"), bytearray()
        self._table = {key: array("d") for key in COLUMNS}
        self._texts: dict[str, list[str | None]] = {key: [] for key in TEXTS}
        self._asked: tuple[tuple[int, int], Scan] | None = None
        self.told: float | None = None
        self.planned: float | None = None

    def keep(self, result: ScanResult, names: tuple[str, ...], version: int) -> None:
        """Takes a result instead of what was known of that scan."""
        start = result.start
        number = self._numbers.setdefault(start.key, len(self._facts))
        facts = _joined(to_json(asdict(start)), to_json(_facts(result, names, version)))
        pits = np.array([[getattr(pit, name) for name in PIT] for pit in result.pits], "f8")
        if number == len(self._facts):
            self._facts.append(facts)
            self._pits.append(pits.tobytes())
            for column in (self._begun, *self._table.values()):
                column.append(0.0)
            self._versions.append(0)
            self._final.append(0)
            for texts in self._texts.values():
                texts.append(None)
        else:
            self._facts[number], self._pits[number] = facts, pits.tobytes()
        self._begun[number], self._versions[number] = start.start_time, version
        self._final[number] = not result.provisional
        for key, column in self._table.items():
            value = result.summary.get(key)
            column[number] = float(value) if isinstance(value, Real) else math.nan
        for key, texts in self._texts.items():
            text = result.summary.get(key)
            texts[number] = sys.intern(text) if isinstance(text, str) else None
        told = start.start_time if result.provisional else start.stop_time
        self.told = told if self.told is None else max(self.told, told)
        if start.reason in PLANNED:
            self.planned = max(self.planned or 0.0, start.start_time)

    def is_final(self, key: ScanKey) -> bool:
        """Whether a final result of this scan is known."""
        number = self._numbers.get(key)
        return number is not None and bool(self._final[number])

    def keys(self) -> list[ScanKey]:
        """In the order in which they first arrived."""
        return list(self._numbers)

    def latest(self) -> ScanKey | None:
        """The newest scan, running or final."""
        return max(self._numbers, key=lambda key: self._begun[self._numbers[key]], default=None)

    def texts(self, since: int) -> Iterator[bytes]:
        """The scans that changed after a version, as JSON, in the order of time."""
        newer = [n for n in self._in_time() if self._versions[n] > since]
        return (_parted(facts)[1] for facts in self._facts.some(newer))

    def summaries(self) -> Iterator[dict[str, float | str | None]]:
        """The values that `table_rows` needs, of the final scans in the order of time."""
        for number in self._in_time():
            if self._final[number]:
                row = {key: column[number] for key, column in self._table.items()}
                found = {key: value for key, value in row.items() if not math.isnan(value)}
                yield found | {key: texts[number] for key, texts in self._texts.items()}

    def scan(self, key: ScanKey, maps: Mapping[str, NDArray[Any]] = NOTHING) -> Scan:
        """One scan. The last requested one is cached, because screens request it many times."""
        number = self._numbers[key]
        name = (number, self._versions[number])
        if self._asked is None or self._asked[0] != name:
            self._asked = (name, _scan(self._facts[number], self._pits[number]))
        return replace(self._asked[1], maps=maps)

    def finals(self) -> list[Scan]:
        """The final ones in the order of time."""
        numbers = [n for n in self._in_time() if self._final[n]]
        both = zip(self._facts.some(numbers), self._pits.some(numbers), strict=True)
        return [_scan(facts, pits) for facts, pits in both]

    def _in_time(self) -> list[int]:
        return sorted(range(len(self._begun)), key=self._begun.__getitem__)


def _facts(result: ScanResult, names: tuple[str, ...], version: int) -> dict[str, object]:
    start = result.start
    facts: cells.Scan = {
        "scan": start.key.scan,
        "run": start.key.run,
        "sent": start.number,
        "reason": start.reason,
        "complete": result.complete,
        "provisional": result.provisional,
        "judged": bool(result.summary),
        "start_time": start.start_time,
        "stop_time": start.stop_time,
        "length_unit": start.length_unit,
        "shape": (start.volume_shape[1], start.volume_shape[2]),
        "volume_shape": start.volume_shape,
        "voxel_size": start.voxel_size,
        "maps": names,
        "version": version,
    }
    return {**result.summary, **facts}


def _joined(start: bytes, facts: bytes) -> bytes:
    return len(start).to_bytes(4, "little") + start + facts


def _parted(record: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(record[:4], "little")
    return record[4:end], record[end:]


def _scan(record: bytes, pits: bytes) -> Scan:
    start, facts = map(json.loads, _parted(record))
    start["key"] = ScanKey(**start["key"])
    for name in ("volume_shape", "voxel_size_um"):
        start[name] = tuple(start[name]) if start[name] else None
    names = tuple(facts["maps"])
    rows = PitRows(np.frombuffer(pits))
    return Scan(ScanStart(**start), facts["provisional"], facts, names, NOTHING, rows)


class Scans:
    """For one thread at a time: the store's lock is held, except for `map`."""

    def __init__(
        self, cells: Iterable[str], memory_bytes: float, stored_map: StoredMap | None
    ) -> None:
        self._cells = {name: History() for name in cells}
        self._maps: dict[ScanKey, dict[str, NDArray[Any]]] = {}
        self._memory_bytes = memory_bytes
        self._stored_map = stored_map

    def keep(self, result: ScanResult, version: int) -> None:
        """Takes a result instead of what was known of that scan."""
        self._cells[result.key.cell].keep(result, names_of(result), version)
        self._maps.pop(result.key, None)
        maps: dict[str, NDArray[Any]] = {}
        if not isinstance(result.maps, StoredMaps):
            maps |= result.maps
        if result.pit_labels is not None:
            maps["pit_labels"] = result.pit_labels
        if maps:
            self._maps[result.key] = maps
        self._evict()

    def make_room(self, begun: Collection[str]) -> None:
        """In these cells another scan begins: if memory is short, that one needs it, and the maps
        of the last one are read from the disk."""
        if self._stored_map is not None:
            self._evict(begun)

    def _evict(self, begun: Collection[str] = ()) -> None:
        """Oldest maps leave memory first; the latest scan of each cell stays, unless it is final
        and another one has `begun`."""
        latest = {
            key
            for name, history in self._cells.items()
            if (key := history.latest()) and not (name in begun and history.is_final(key))
        }
        sizes = {key: sum(a.nbytes for a in maps.values()) for key, maps in self._maps.items()}
        excess = sum(sizes.values()) - self._memory_bytes
        for key, size in sizes.items():
            if excess <= 0:
                return
            if key not in latest:
                excess -= size
                del self._maps[key]

    def of(self, cell: str) -> History:
        """What is known of a cell's scans."""
        return self._cells[cell]

    def find(self, cell: str, number: int | None) -> Scan:
        """A scan by its number, or the latest; if several runs have the number, the newest
        run's. Raises BadMessage if there is none."""
        history = self._cells[cell]
        fitting = (key for key in reversed(history.keys()) if key.scan == number)
        key = history.latest() if number is None else next(fitting, None)
        if key is None:
            which = "any scan" if number is None else f"scan {number}"
            raise BadMessage("no_scan", f"cell {cell} does not have {which} yet")
        return history.scan(key, self._maps.get(key, NOTHING))

    def map(self, scan: Scan, name: str) -> NDArray[Any]:
        """A map of a scan, from memory or from disk. Raises BadMessage if there is none."""
        key = scan.start.key
        if name not in scan.names:
            raise BadMessage("no_map", f"scan {key.scan} of cell {key.cell} has no map {name}")
        found = scan.maps.get(name)
        if found is None and self._stored_map is not None:
            found = self._stored_map(key.cell, key.scan, name)
        if found is None:
            raise BadMessage(
                "no_map", f"{name} of scan {key.scan} is no longer in memory and is not on disk"
            )
        return found
