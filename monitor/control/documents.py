"""Results of a cell as one bluesky run: an event for each scan, maps by the recording's files.

Documents are those of event-model, checked against its schemas as they are composed.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from event_model import StreamRange, compose_run, compose_stream_resource

from monitor.quantities.quantity import Quantity
from monitor.quantities.table import LABELS, MAPS, SCALARS
from monitor.recording import format
from monitor.wire.results.cells import Scan

Document = tuple[str, Mapping[str, Any]]
"""Its name and itself, as callbacks of bluesky take them."""

SCANS, CORRECTIONS = "scans", "corrections"
HDF5 = "application/x-hdf5"
MAPS_OF_A_FILE = (*MAPS, LABELS.name)
LABELS_GROUP = format.MAP_GROUPS["height"]


@dataclass(slots=True)
class _Stream:
    """An open stream: what composes its events, and how many it has."""

    descriptor: Any
    compose_event: Any
    events: int = 0


class CellRun:
    """The run of one cell. Each method returns the documents that follow."""

    def __init__(self, cell: str, metadata: Mapping[str, str], time: float) -> None:
        """`metadata`: more for the start document; `time`: of it, UTC s."""
        self.cell = cell
        self._run = compose_run(
            time=time, metadata={**metadata, "cell": cell, "plan_name": "pitwatch"}
        )
        self._streams: dict[tuple[str, str, tuple[int, ...]], _Stream] = {}

    def start(self) -> Iterator[Document]:
        yield "start", self._run.start_doc

    def scan(self, scan: Scan, file: Path | None) -> Iterator[Document]:
        """A concluded scan; `file`: that of its recording, None: without maps."""
        shape = tuple(scan["shape"]) if file is not None else ()
        stream = yield from self._stream(SCANS, scan, shape)
        yield self._event(stream, scan)
        if file is not None:
            yield from self._maps(stream, file, shape)

    def correction(self, scan: Scan) -> Iterator[Document]:
        """The numbers of a scan that later readings of the cycler have changed."""
        stream = yield from self._stream(CORRECTIONS, scan, ())
        yield self._event(stream, scan)

    def stop(self, reason: str) -> Iterator[Document]:
        yield "stop", self._run.compose_stop(exit_status="success", reason=reason)

    def _stream(
        self, name: str, scan: Scan, shape: tuple[int, ...]
    ) -> Generator[Document, None, _Stream]:
        key = name, scan["length_unit"], shape
        if key in self._streams:
            return self._streams[key]
        alike = sum(known[0] == name for known in self._streams)
        keys = {
            **_data_keys(scan["length_unit"], self.cell),
            **_map_keys(scan["length_unit"], self.cell, shape),
        }
        made = self._run.compose_descriptor(
            name=f"{name}_{alike + 1}" if alike else name,
            time=scan["stop_time"],
            data_keys=keys,
            hints={"pitwatch": {"fields": ["pit_count", "closure"]}},
            object_keys={"pitwatch": list(keys)},
        )
        stream = self._streams[key] = _Stream(made.descriptor_doc, made.compose_event)
        yield "descriptor", made.descriptor_doc
        return stream

    def _event(self, stream: _Stream, scan: Scan) -> Document:
        stream.events += 1
        data = numbers_of(scan)
        times = dict.fromkeys(data, scan["stop_time"])
        event = stream.compose_event(
            data=data, timestamps=times, time=scan["stop_time"], seq_num=stream.events
        )
        return "event", event

    def _maps(self, stream: _Stream, file: Path, shape: tuple[int, ...]) -> Iterator[Document]:
        for name in MAPS_OF_A_FILE:
            resource = compose_stream_resource(
                mimetype=HDF5,
                uri=f"file://localhost{quote(file.resolve().as_posix())}",
                data_key=name,
                parameters={
                    "dataset": f"{format.MAP_GROUPS.get(name, LABELS_GROUP)}/{name}",
                    "chunk_shape": list(shape),
                    "join_method": "concat",
                    "swmr": False,
                },
                start=self._run.start_doc,
            )
            yield "stream_resource", resource.stream_resource_doc
            rows = StreamRange(start=stream.events - 1, stop=stream.events)
            numbers = StreamRange(start=stream.events, stop=stream.events + 1)
            yield "stream_datum", resource.compose_stream_datum(rows, numbers, stream.descriptor)


def _data_keys(length_unit: str, cell: str) -> dict[str, dict[str, Any]]:
    """Scan, run and every scalar of the table, with units."""
    source = f"pitwatch:{cell}"
    keys: dict[str, dict[str, Any]] = {
        "scan": {"source": source, "dtype": "integer", "shape": [], "dtype_numpy": "<i8"},
        "run": {"source": source, "dtype": "string", "shape": []},
        "complete": {"source": source, "dtype": "boolean", "shape": [], "dtype_numpy": "|b1"},
    }
    for one in SCALARS.values():
        keys[_name(one, length_unit)] = _scalar_key(one, length_unit, source)
    return keys


def _scalar_key(one: Quantity, length_unit: str, source: str) -> dict[str, Any]:
    if one.form == "text":
        return {"source": source, "dtype": "string", "shape": []}
    return {
        "source": source,
        "dtype": "number",
        "dtype_numpy": "<f8",
        "shape": [],
        "units": _no_one(one.units(length_unit)),
        "precision": max(one.digits or 0, 0),
    }


def _map_keys(length_unit: str, cell: str, shape: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """Every map of a scan's file, of this shape; none if it is empty."""
    maps = (*MAPS.values(), LABELS) if shape else ()
    return {
        one.name: {
            "source": f"pitwatch:{cell}",
            "dtype": "array",
            "dtype_numpy": "<i4" if one is LABELS else "<f4",
            "shape": list(shape),
            "units": _no_one(one.units(length_unit)),
            "external": "STREAM:",
        }
        for one in maps
    }


def _name(one: Quantity, length_unit: str) -> str:
    """Its data key; Tiled has a column `time` of its own."""
    return "scan_time" if one.name == "time" else one.key(length_unit)


def _no_one(unit: str) -> str:
    return "" if unit == "1" else unit


def numbers_of(scan: Scan) -> dict[str, Any]:
    """What the event of a scan holds, by its data keys; NaN is not known."""
    facts: Mapping[str, object] = scan
    data: dict[str, Any] = {
        "scan": scan["scan"],
        "run": scan["run"],
        "complete": bool(scan["complete"]),
    }
    for one in SCALARS.values():
        key, value = _name(one, scan["length_unit"]), facts.get(one.key(scan["length_unit"]))
        if one.form == "text":
            data[key] = value if isinstance(value, str) else ""
        else:
            data[key] = float(value) if isinstance(value, int | float) else math.nan
    return data
