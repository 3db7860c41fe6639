"""A recording → the records that the session took, in the same order, pixels included."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.recording import layout
from monitor.recording.journal import record_of, slice_of
from monitor.recording.read import Experiment, Scan
from monitor.records import Acknowledgement, Record, ScanEnd, ScanStart, SliceFrame
from monitor.wire import stins

ScanName = tuple[str, str, int]


def replay_records(
    experiment: Experiment, first: int | None = None, last: int | None = None
) -> Iterator[tuple[str, Record]]:
    """(feed, record) of every message, as it was given to the session.

    With `first`, scans before it are left out, but each cell's reference scan and all readings of
    the cycler come, so that removal and charge are known. With `last`, it ends with that scan.
    Message numbers close up over what is left out, so that no gap is seen that was none; what was
    acknowledged is left out too, as alarms have other numbers then.

    Raises RecordingError, also while it runs, for a recording without slices or with a damaged
    file.
    """
    if not experiment.has_slices:
        raise RecordingError(
            f"{experiment.path}: cannot be replayed, it holds no slices "
            "(experiment.record_slices was false)"
        )
    plan = _plan(experiment, first, last)
    return _records(experiment, plan)


@dataclass(frozen=True)
class _Plan:
    """Which scans (cell, stream, number) to leave out, and the line to stop after (None: none)."""

    left_out: frozenset[ScanName]
    stop: int | None


def _plan(experiment: Experiment, first: int | None, last: int | None) -> _Plan:
    if first is None and last is None:
        return _Plan(frozenset(), None)
    references: dict[str, ScanName] = {}
    named: dict[str, bool] = {}
    lines: dict[ScanName, int] = {}
    for number, entry in enumerate(experiment.journal()):
        header = entry.get("header")
        if header is None:
            continue
        scan = _scan_of(header)
        lines[scan] = number
        if header["htype"] == "header":
            is_named = header.get("reason") == "reference"
            if scan[0] not in references or (is_named and not named[scan[0]]):
                references[scan[0]], named[scan[0]] = scan, is_named
    wanted = {
        scan
        for scan in lines
        if scan[2] >= (first or 0) and scan[2] <= (math.inf if last is None else last)
    }
    if not wanted:
        there = sorted({scan[2] for scan in lines})
        raise RecordingError(
            f"{experiment.path}: no scan from {first} to {last}; it holds "
            f"{f'{there[0]} to {there[-1]}' if there else 'no scans'}"
        )
    wanted |= set(references.values())
    stop = None if last is None else max(lines[scan] for scan in wanted)
    return _Plan(frozenset(set(lines) - wanted), stop)


def _scan_of(header: Mapping[str, Any]) -> ScanName:
    return (str(header.get("cell")), str(header.get("stream")), int(header.get("scan", -1)))


def _records(experiment: Experiment, plan: _Plan) -> Iterator[tuple[str, Record]]:
    skipped: Counter[str] = Counter()
    pixels = _Pixels(experiment)
    try:
        for number, entry in enumerate(experiment.journal()):
            header = entry.get("header")
            if header is None:
                record = record_of(entry)
                if not (plan.left_out and isinstance(record, Acknowledgement)):
                    yield entry["feed"], record
            elif _scan_of(header) in plan.left_out:
                skipped[str(header["stream"])] += 1
            else:
                header["msg_number"] -= skipped[str(header["stream"])]
                message = _of_the_stream(entry, pixels)
                if message is not None:
                    yield entry["feed"], message
            if number == plan.stop:
                return
    finally:
        pixels.close()


def _of_the_stream(entry: Mapping[str, Any], pixels: _Pixels) -> Record | None:
    """None for a slice whose pixels a crash kept from reaching the disk."""
    header, frame = entry["header"], entry["frame"]
    if header["htype"] != "image":
        record: ScanStart | SliceFrame | ScanEnd = record_of(entry)  # type: ignore[assignment]
        return record
    if frame.get("pixels") == "kept":
        found = pixels.read(header["cell"], frame["file"], header["frame"])
        return None if found is None else slice_of(entry, found)
    value = np.zeros((), stins.DTYPES[header["type"]])
    if frame.get("pixels") == "not_finite":
        value[()] = np.nan
    return slice_of(entry, np.broadcast_to(value, header["shape"]))


class _Pixels:
    """Slices out of the scans' files; the last one that was read of each cell stays open."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._open: dict[str, tuple[str, h5py.File, NDArray[np.int64]]] = {}

    def read(self, cell: str, name: str, frame: int) -> NDArray[Any] | None:
        """Read-only slice, (ny, nx) or for axis y (nz, nx); None where its pixels are not there."""
        file, order = self._scan(cell, name)
        if order[frame] < 0:
            return None
        try:
            volume = file[layout.SLICES]
            data = volume[frame] if file["entry"].attrs["axis"] == "z" else volume[:, frame, :]
        except (KeyError, OSError) as error:
            raise RecordingError(f"{file.filename}: is damaged ({error})") from None
        pixels = np.ascontiguousarray(data)
        pixels.setflags(write=False)
        return pixels

    def close(self) -> None:
        for _, file, _ in self._open.values():
            file.close()
        self._open.clear()

    def _scan(self, cell: str, name: str) -> tuple[h5py.File, NDArray[np.int64]]:
        known = self._open.get(cell)
        if known is None or known[0] != name:
            if known is not None:
                known[1].close()
            folder = self._experiment.path / cell
            part = name + layout.PART
            # where a recording is gone on with, the part is being written again out of the old one
            found = (folder / file for file in (name, part + layout.OLD, part))
            path = next((file for file in found if file.exists()), folder / part)
            order = Scan(path).order()
            known = self._open[cell] = (name, Scan(path).open(), order)
        return known[1], known[2]
