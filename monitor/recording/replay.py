"""A recording → the records that the session took, in the same order, pixels included."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from monitor.core.arrival.cell_scans import few_before
from monitor.errors import BadMessage, RecordingError
from monitor.recording import format
from monitor.recording.journal import DAMAGED, Line, Place, number_of, record_of, slice_of
from monitor.recording.read import checked_hdf5
from monitor.recording.read.compressed_chunks import window
from monitor.recording.read.experiment import Experiment, Scan
from monitor.records import (
    Acknowledgement,
    FeedQuiet,
    Record,
    ScanStart,
    SliceFrame,
    frozen,
)
from monitor.wire.slices import stins
from monitor.wire.slices.limits import Limits, check_slice, limits_of

ScanName = tuple[str, str, int]

LEAST_BYTES_OF_PIXEL = 64
MOST_HOLES = 20
UNUSABLE = (BadMessage, *DAMAGED)


def replay_records(
    experiment: Experiment,
    first: int | None = None,
    last: int | None = None,
    *,
    pixels: bool = True,
    resumed: bool = False,
) -> Iterator[tuple[str, Record]]:
    """(feed, record) of every message, as it was given to the session. If the recording is
    `resumed`, slices whose file a crash kept from the disk are left out, and may be sent again.

    With `first`, scans before it are left out, but each cell's reference scan and all readings of
    the cycler come, so that removal and charge are known. With `last`, it ends with that scan.
    Message numbers close up over what is left out, so that no gap is visible that was none; what
    was acknowledged is left out too, as alarms have other numbers then. Without `pixels`, those of
    all slices are 0 and take no memory; but where the recorded ones are not finite, they are NaN.

    Raises RecordingError, also while it runs, for a recording without slices or with a damaged
    file.
    """
    if not experiment.has_slices:
        raise RecordingError(
            f"{experiment.path}: cannot be replayed, it contains no slices "
            "(experiment.record_slices was false)"
        )
    plan = _plan(experiment, first, last)
    return _records(experiment, _Reader(experiment, plan, pixels=pixels, resumed=resumed))


@dataclass(frozen=True)
class _Plan:
    """Which scans (cell, stream, number as recorded) to leave out, and the line to stop after
    (None: none)."""

    left_out: frozenset[ScanName]
    stop: int | None


def _plan(experiment: Experiment, first: int | None, last: int | None) -> _Plan:
    if first is None and last is None:
        return _Plan(frozenset(), None)
    references: dict[str, ScanName] = {}
    named: dict[str, bool] = {}
    numbers = _Numbers()
    lines: dict[ScanName, int] = {}
    for number, entry in enumerate(experiment.journal()):
        header = entry.get("header")
        if header is None:
            continue
        try:
            scan = numbers.scan_of(entry)
        except UNUSABLE as error:
            raise _damaged(experiment, number, error) from None
        lines[scan] = number
        if header.get("htype") == "header":
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
        holds = f"{there[0]} to {there[-1]}" if there else "no scans"
        between = (islice(range(a + 1, b), MOST_HOLES) for a, b in pairwise(there))
        holes = list(islice(chain.from_iterable(between), MOST_HOLES))
        holds += f" without {', '.join(map(str, holes))}" if holes else ""
        raise RecordingError(
            f"{experiment.path}: no scan from {first} to {last}; it contains {holds}"
        )
    wanted |= set(references.values())
    stop = None if last is None else max(lines[scan] for scan in wanted)
    return _Plan(frozenset(set(lines) - wanted), stop)


class _Numbers:
    """Which scan a line of the slice stream is of, read from the first to the last."""

    def __init__(self) -> None:
        self._here: dict[ScanName, int] = {}

    def scan_of(self, entry: Line) -> ScanName:
        header = entry["header"]
        cell, stream = str(header.get("cell")), str(header.get("stream"))
        sent = int(header.get("scan", -1))
        if header.get("htype") == "header":
            self._here[cell, stream, sent] = number_of(entry)
        return cell, stream, self._here.get((cell, stream, sent), sent)


def _records(experiment: Experiment, reader: _Reader) -> Iterator[tuple[str, Record]]:
    try:
        for number, entry in enumerate(experiment.journal()):
            try:
                found = reader.read(entry)
            except UNUSABLE as error:
                raise _damaged(experiment, number, error) from None
            if found is not None:
                yield str(entry.get("feed", "")), found
            if isinstance(found, ScanStart):
                yield from (("slices", quiet) for quiet in reader.left_out_before(found))
            if number == reader.plan.stop:
                return
    finally:
        reader.close()


def _damaged(experiment: Experiment, number: int, error: Exception) -> RecordingError:
    path = experiment.path / format.JOURNAL_FILE
    why = f" ({error})" if isinstance(error, BadMessage) else ""
    return RecordingError(f"{path}: line {number + 1} is damaged{why}")


class _Reader:
    """Lines of the journal → records."""

    def __init__(self, experiment: Experiment, plan: _Plan, *, pixels: bool, resumed: bool) -> None:
        self.plan = plan
        self._resumed = resumed
        self._with_pixels = pixels
        self._limits = _limits(experiment)
        self._numbers = _Numbers()
        self._skipped: Counter[str] = Counter()
        self._pixels = Pixels(experiment, self._limits)

    def read(self, entry: Line) -> Record | None:
        """None for what is left out, and for a slice whose pixels a crash kept from the disk."""
        header = entry.get("header")
        if header is None:
            record = record_of(entry)
            return None if self.plan.left_out and isinstance(record, Acknowledgement) else record
        scan = self._numbers.scan_of(entry)
        if scan in self.plan.left_out:
            self._skipped[scan[1]] += 1
            return None
        header["msg_number"] -= self._skipped[scan[1]]
        if header["htype"] != "image":
            return record_of(entry, self._limits)
        return self._slice(entry, header, entry["frame"])

    def left_out_before(self, start: ScanStart) -> Iterator[FeedQuiet]:
        """Nobody has the scans just before one that the plan leaves out: it does not wait for
        them."""
        cell = start.key.cell
        for number in few_before(start.number):
            if (cell, start.stream, number) in self.plan.left_out:
                yield FeedQuiet(cell=cell, stream=start.stream, scan=number)

    def close(self) -> None:
        self._pixels.close()

    def _slice(self, entry: Line, header: stins.Header, frame: Place) -> SliceFrame | None:
        check_slice(header["shape"], self._limits)
        if frame.get("pixels") == "kept":
            place = header["cell"], frame["file"], header["frame"]
            if self._resumed and not self._pixels.is_there(*place[:2]):
                return None
            if self._with_pixels:
                found = self._pixels.read(*place)
                return None if found is None else slice_of(entry, found)
            if not self._pixels.has(*place):
                return None
        if frame["pixels"] == "refused":  # it arrived, but the disk did not take it
            return None
        dtype = stins.DTYPES[header["type"]]
        if frame["pixels"] == "not_finite":
            return slice_of(entry, np.broadcast_to(np.full((), np.nan, dtype), header["shape"]))
        if self._with_pixels:
            return slice_of(entry, frozen(np.zeros(header["shape"], dtype)))
        return slice_of(entry, np.broadcast_to(np.zeros((), dtype), header["shape"]))


def _limits(experiment: Experiment) -> Limits:
    """As when it was recorded; less where this machine has not the memory for it."""
    limits = limits_of(experiment.settings.feeds)
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        pixels = min(limits.slice_pixels, memory // LEAST_BYTES_OF_PIXEL)
        limits = replace(limits, slice_pixels=pixels)
    return limits


class Pixels:
    """Slices out of the scans' files; the last one that was read of each cell stays open."""

    def __init__(self, experiment: Experiment, limits: Limits | None = None) -> None:
        self._experiment = experiment
        self._limits = limits or _limits(experiment)
        self._open: dict[str, tuple[str, h5py.File, NDArray[np.int64]]] = {}

    def has(self, cell: str, name: str, frame: int) -> bool:
        """Whether the pixels of a slice are there. Raises RecordingError if it cannot be."""
        file, order = self._scan(cell, name)
        if not 0 <= frame < len(order):
            raise RecordingError(f"{file.filename}: has no slice {frame}")
        return bool(order[frame] >= 0)

    def read(self, cell: str, name: str, frame: int) -> NDArray[Any] | None:
        """Read-only slice, (ny, nx) or for axis y (nz, nx); None if its pixels are missing."""
        if not self.has(cell, name, frame):
            return None
        file, _ = self._scan(cell, name)
        try:
            volume = checked_hdf5.find(file, format.SLICES)
            if volume is None:
                raise RecordingError(f"{file.filename}: is damaged (its slices are missing)")
            shape, kinds = (None, None, None), tuple(stins.DTYPES)
            checked_hdf5.check(file, format.SLICES, volume, shape, kinds, math.inf)
            along_z = checked_hdf5.group(file, "entry").attrs["axis"] == "z"
            check_slice(volume.shape[1:] if along_z else volume.shape[::2], self._limits)
            nz, ny, nx = map(range, volume.shape)
            one = range(frame, frame + 1)
            ranges = (one, ny, nx) if along_z else (nz, one, nx)
            pixels = window(volume, *ranges).squeeze(axis=0 if along_z else 1)
        except checked_hdf5.UNREADABLE as error:
            why = checked_hdf5.one_line(error)
            raise RecordingError(f"{file.filename}: is damaged ({why})") from None
        pixels.setflags(write=False)
        return pixels

    def is_there(self, cell: str, name: str) -> bool:
        """Whether the file of a scan is."""
        return self._open.get(cell, ("",))[0] == name or os.path.lexists(self._path(cell, name))

    def close(self) -> None:
        for _, file, _ in self._open.values():
            file.close()
        self._open.clear()

    def _scan(self, cell: str, name: str) -> tuple[h5py.File, NDArray[np.int64]]:
        known = self._open.get(cell)
        if known is None or known[0] != name:
            if known is not None:
                known[1].close()
            path = self._path(cell, name)
            order = Scan(path).order()
            known = self._open[cell] = (name, Scan(path).open(), order)
        return known[1], known[2]

    def _path(self, cell: str, name: str) -> Path:
        """Of a scan that is complete, or of its part."""
        folder = self._experiment.cells[cell].path
        if not format.SCAN_FILE.fullmatch(name):
            raise ValueError  # it would be a path to anywhere
        part = name + format.PART
        # where a recording is resumed, the part is being written again out of the old one
        found = (folder / file for file in (name, part + format.OLD, part))
        return next((file for file in found if os.path.lexists(file)), folder / part)
