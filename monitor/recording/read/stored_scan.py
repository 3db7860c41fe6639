"""A finished scan's file → the result that it was written from, its maps read when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import BadMessage, RecordingError
from monitor.quantities.table import PIT_COLUMNS
from monitor.recording import format
from monitor.recording.read.experiment import Scan
from monitor.records import Pit, ScanResult, ScanStart, frozen
from monitor.wire.slices import stins


class StoredMaps(Mapping[str, NDArray[Any]]):
    """The maps of a scan that are in its file, `pit_labels` among them: (ny, nx) each, read-only.

    Each is read again whenever it is asked for, and not kept. Raises RecordingError then.
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._names = scan.map_names()

    def __getitem__(self, name: str) -> NDArray[Any]:
        found = self._scan.map(name) if name in self._names else None
        if found is None:
            raise KeyError(name)
        return frozen(found)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # nothing is read for that

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def result_of(scan: Scan) -> ScanResult:
    """The final result of a scan, with `StoredMaps` for its maps. Raises RecordingError."""
    start = start_of(scan)
    return ScanResult(
        start=start,
        provisional=False,
        complete=scan.complete,
        ledger=frozen(scan.ledger()),
        maps=StoredMaps(scan),
        pit_labels=None,
        pits=pits_of(scan),
        # a summary in a file cuts long texts short, and cannot tell "" from unknown
        summary={**scan.summary(), "reason": start.reason, "request": start.request},
    )


def start_of(scan: Scan) -> ScanStart:
    """The scan's start as it was sent. Raises RecordingError if it could not have been."""
    header = scan.header
    known = header.get("length_unit") == "µm"
    message = {
        **header,
        "htype": "header",
        "voxel_size_um": header.get("voxel_size") if known else None,
        "start_time": header.get("start_time_s"),
        "stop_time": header.get("stop_time_s"),
    }
    try:
        start = stins.decode([json.dumps(message).encode()])
    except (BadMessage, TypeError, ValueError) as error:
        raise RecordingError(f"{scan.path}: its header cannot be used ({error})") from None
    if not isinstance(start, ScanStart):
        raise RecordingError(f"{scan.path}: its header cannot be used (it is not a header)")
    sent = header.get(format.SENT)
    return replace(start, sent=sent) if isinstance(sent, int) else start


def pits_of(scan: Scan) -> tuple[Pit, ...]:
    """The recorded pits, in the length unit of the scan. Raises RecordingError."""
    columns = scan.pits()
    unit = str(scan.header.get("length_unit"))
    named = {name: column.key(unit) for name, column in PIT_COLUMNS.items()}
    rows = len(columns.get("id", ()))
    if any(len(column) != rows for column in columns.values()):
        raise RecordingError(f"{scan.path}: is damaged (columns of pits differ in length)")
    unknown = {
        name: [-1 if column.form == "count" else np.nan] * rows
        for name, column in PIT_COLUMNS.items()
    }
    lists = {
        name: columns[stored].tolist() if stored in columns else unknown[name]
        for name, stored in named.items()
    }
    return tuple(
        Pit(**dict(zip(lists, row, strict=True))) for row in zip(*lists.values(), strict=True)
    )
