"""One scan's file: `scan_NNNN.h5.part` while it grows, `scan_NNNN.h5` when it is complete.

Everything is laid out before the first slice, and the file then grows in SWMR mode: what was
flushed stays readable, from another process or after this one was killed.
"""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from monitor.quantities.table import LABELS, MAPS, form_of, recorded_units
from monitor.recording import checksums, file_descriptors, format
from monitor.recording.read.compressed_chunks import section
from monitor.recording.write import disk_space, hdf5_files, nexus
from monitor.recording.write.compressed_chunks import write_plane
from monitor.recording.write.slice_compression import SliceCompression
from monitor.records import (
    LEDGER_RECEIVED,
    LEDGER_RECOVERED,
    ScanResult,
    ScanStart,
    SliceFrame,
)
from monitor.settings.experiment import CompressSlices
from monitor.wire.results.replies import pit_columns

FLUSH_EVERY_SLICES = 32
WRITE_EVERY_BYTES = 2**26
EMPTY = np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.uint32)


class ScanFile:
    """Writes the file of one scan, made at the first need, so that a full disk costs a try."""

    def __init__(
        self,
        path: Path,
        start: ScanStart,
        *,
        keep_slices: bool,
        compress: CompressSlices = "auto",
        finished: bool = False,
    ) -> None:
        """`finished`: it is complete, and may be written again."""
        self.path = path
        self.start = start
        self.finished = finished
        self._keep_slices = keep_slices
        self.compression = SliceCompression(compress)
        self._file: h5py.File | None = None
        self._volume: h5py.Dataset | None = None
        self._laid_out = False
        self._hold_ledger(start.slice_count)
        self._stored = 0
        self._dtype = np.dtype(start.dtype)
        self.unflushed = 0
        self._reserved = 0
        self._held_bytes = 0

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + format.PART)

    def fits(self, frame: SliceFrame) -> bool:
        """True for what can be a slice of this scan."""
        return (
            0 <= frame.frame < self.start.slice_count
            and frame.data.shape == self.start.slice_shape
            and frame.data.dtype == self._dtype
        )

    def add(self, frame: SliceFrame) -> bool:
        """Stores a slice that fits; False for a repeat: the first to come wins. Raises OSError."""
        if self._order[frame.frame] >= 0:
            return False
        disk_space.need(self.path.parent, frame.data.nbytes)
        file = self._open()
        self._reserve(file, frame.data.nbytes)
        if self._keep_slices:
            self._write_pixels(file, frame)
        self._enter(frame, checksums.of_array(frame.data))
        return True

    def _write_pixels(self, file: h5py.File, frame: SliceFrame) -> None:
        _, number, rows_axis = self._place(frame.frame)
        if self._volume is None:
            self._volume = file[format.SLICES]
        compress = self.compression.on
        stored = write_plane(self._volume, frame.data, number, rows_axis, compress=compress)
        if compress:
            self.compression.note(frame.data.nbytes, stored)
        self._held_bytes += stored
        if self._held_bytes >= WRITE_EVERY_BYTES:
            self._held_bytes = 0
            disk_space.begin_writing(file.id.get_vfd_handle())

    def begin(self) -> None:
        """Makes the file before its first slice. Raises OSError."""
        disk_space.need(self.path.parent, leave=disk_space.LAST_BYTES)
        self._open()

    def note(self, frame: SliceFrame, crc: int) -> bool:
        """As `add`, of a slice whose pixels are not at hand, for a file that keeps none: its
        checksum is given."""
        if self._order[frame.frame] >= 0:
            return False
        self._enter(frame, crc)
        return True

    def _enter(self, frame: SliceFrame, crc: int) -> None:
        self._received[frame.frame] = LEDGER_RECOVERED if frame.recovered else LEDGER_RECEIVED
        self._order[frame.frame] = self._stored
        self._crc[frame.frame] = crc
        self._stored += 1
        self.unflushed += 1
        if self.unflushed >= FLUSH_EVERY_SLICES:
            self.flush()

    def flush(self) -> None:
        """Makes what was stored so far readable for others. Raises OSError."""
        disk_space.need(self.path.parent, leave=disk_space.LAST_BYTES)
        file = self._open()
        self._reserve(file)
        file["entry/ledger/received"][...] = self._received
        file["entry/ledger/order"][...] = self._order
        if checksums.NAME in file["entry/ledger"]:  # not in one that an older version began
            file["entry/ledger"][checksums.NAME][...] = self._crc
        file.flush()
        self.unflushed = 0

    def finish(self, result: ScanResult) -> None:
        """Writes the results and gives the file its final name. May be called again, with others
        or where the disk refused: until it is complete again it has the name of a part, as slices
        are too many to be copied. Raises OSError."""
        size = sum(values.nbytes for values in result.maps.values()) + 4 * math.prod(
            result.start.volume_shape[1:]
        )
        disk_space.need(self.path.parent, size)
        if self.finished:
            self._reopen()
        file = self._open()
        self._reserve(file, size)
        self._received = result.ledger
        _write_maps(file, result)
        _write_pits(file, result)
        told = {format.LACKING: float(self.lacking), format.LATE: float(self.late)}
        extras = _write_summary(file, result, told)
        file["entry/ledger/complete"][()] = np.uint8(result.complete)
        self.flush()
        if not extras:  # who finds it sealed may take it for whole
            checksums.seal_groups(file)
        self.close()
        if extras:
            self._append(extras)
        with file_descriptors.when_free(lambda: self.part.open("rb")) as whole:
            os.fsync(whole.fileno())
        self.part.replace(self.path)
        self.finished = True
        self._hold_ledger(0)  # the file has it; hundreds of scans are done in the end

    def _reopen(self) -> None:
        """A file that was finished gets the name of a part again, and is written further."""
        self.path.replace(self.part)
        try:
            file = hdf5_files.opened(self.part)
            self._take_ledger(file["entry/ledger"])
        except BaseException:
            self.part.replace(self.path)
            raise
        self._file, self._laid_out, self.finished = file, True, False

    @property
    def lacking(self) -> int:
        """How many slices arrived, and are in the maps, but not in the file: the disk refused
        them."""
        return int(np.count_nonzero((self._received > 0) & (self._order < 0)))

    @property
    def late(self) -> int:
        """How many slices are in the file, but arrived too late for the maps."""
        return int(np.count_nonzero((self._received == 0) & (self._order >= 0)))

    def section(self, axis: str, index: int) -> NDArray[Any] | None:
        """Vertical cut through the slices that have arrived; None before the first one."""
        return None if self._file is None else section(self._file[format.SLICES], axis, index)

    def close(self) -> None:
        """Closes the file; one that was not finished stays a readable `.part`."""
        if self.unflushed:
            self.flush()
        if self._file is not None:
            file, self._file, self._volume = self._file, None, None
            file.close()
            self._reserved = 0
            disk_space.release(self.part)

    def _hold_ledger(self, count: int) -> None:
        """An empty one of so many slices."""
        if not count:
            self._received, self._order, self._crc = EMPTY
            return
        self._received = np.zeros(count, np.uint8)
        self._order = np.full(count, -1, np.int64)
        self._crc = np.zeros(count, np.uint32)

    def _take_ledger(self, ledger: h5py.Group) -> None:
        """Of a file that was finished, maybe before a crash: nothing of it is in memory then."""
        self._hold_ledger(self.start.slice_count)
        self._order[:] = ledger["order"][...]
        if checksums.NAME in ledger:
            self._crc[:] = ledger[checksums.NAME][...]

    def _place(self, index: int) -> tuple[int, tuple[int, int, int], int]:
        return (0, (index, 0, 0), 1) if self.start.axis == "z" else (1, (0, index, 0), 0)

    def _open(self) -> h5py.File:
        if self._file is None:
            if not self._laid_out:  # else it was closed before it was complete
                keep_slices = self._keep_slices
                hdf5_files.write_new(
                    self.part, partial(lay_out, start=self.start, keep_slices=keep_slices)
                )
                self._laid_out = True
            file = hdf5_files.opened(self.part)
            try:
                self._reserve(file)
                file.swmr_mode = True
            except BaseException:
                file.close()
                raise
            self._file = file
        return self._file

    def _reserve(self, file: h5py.File, size: int = 0) -> None:
        """Disk for `size` more bytes and what HDF5 needs beside them. Raises OSError."""
        end = file.id.get_filesize() + size + disk_space.LAST_BYTES
        if end > self._reserved:
            disk_space.reserve(self.part, self._reserved, end - self._reserved)
            self._reserved = end

    def _append(self, extras: dict[str, float | bytes]) -> None:
        with hdf5_files.changing(self.part) as file:
            for key, value in extras.items():
                _scalar(file["entry/summary"], key, value)
            checksums.seal_groups(file)


def lay_out(
    file: h5py.File, start: ScanStart, *, keep_slices: bool, described: bool = True
) -> None:
    """Makes every group and dataset of a scan's file, empty; not `described` in the terms of NeXus,
    as older versions did not."""
    entry = _group(file, "entry", "NXentry")
    file.attrs["default"] = "entry"
    entry.attrs["default"] = "interface"
    _header(entry, start)
    _texts(entry, start, tomography=keep_slices)
    if keep_slices:
        _slices(entry, start)
    _ledger(entry, start)
    _maps(entry, start)
    _pits(entry, start)
    summary = _group(entry, "summary", "NXcollection")
    for key in format.summary_keys(start.length_unit):
        _scalar(summary, key, format.stored_scalar(key, None))
    if described:
        nexus.describe(file, start, tomography=keep_slices)
    checksums.lay_out(file)


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def _header(entry: h5py.Group, start: ScanStart) -> None:
    """The facts of the scan's `header` message, as attributes."""
    key = start.key
    entry.attrs.update(
        {
            "cell": key.cell,
            "run": key.run,
            "scan": key.scan,
            "stream": start.stream,
            "msg_number": start.msg_number,
            "reason": start.reason,
            "request": start.request,
            "axis": start.axis,
            "volume_shape": start.volume_shape,
            "type": start.dtype,
            "length_unit": start.length_unit,
            "voxel_size": start.voxel_size,
            "start_time_s": start.start_time,
            "stop_time_s": start.stop_time,
            "resend": start.resend,
        }
    )
    if start.sent is not None:
        entry.attrs[format.SENT] = start.sent


def _texts(entry: h5py.Group, start: ScanStart, *, tomography: bool) -> None:
    texts = {
        "title": f"cell {start.key.cell}, scan {start.key.scan}",
        "start_time": format.iso_time(start.start_time),
        "end_time": format.iso_time(start.stop_time),
    }
    if tomography:
        texts["definition"] = "NXtomoproc"
    for name, text in texts.items():
        entry.create_dataset(name, data=text).attrs["units"] = ""
    sample = _group(entry, "sample", "NXsample")
    sample.create_dataset("name", data=start.key.cell).attrs["units"] = ""


def _slices(entry: h5py.Group, start: ScanStart) -> None:
    group = _group(entry, "reconstruction", "NXdata")
    dtype = np.dtype(start.dtype)
    rows, columns = start.slice_shape
    rows = format.chunk_rows(rows, columns * dtype.itemsize)
    chunks = (1, rows, columns) if start.axis == "z" else (rows, 1, columns)
    data = group.create_dataset(
        "data", start.volume_shape, dtype, chunks=chunks, **format.compression()
    )
    data.attrs["units"] = "1"
    group.attrs["signal"] = "data"
    group.attrs["axes"] = ["z", "y", "x"]
    for axis in range(3):
        _axis(group, "zyx"[axis], start, axis)


def _axis(group: h5py.Group, name: str, start: ScanStart, axis: int) -> None:
    positions = np.arange(start.volume_shape[axis]) * start.voxel_size[axis]
    group.create_dataset(name, data=positions).attrs["units"] = start.length_unit


def _ledger(entry: h5py.Group, start: ScanStart) -> None:
    """`order`: the how-many-th of the scan's slices to come, -1 = missing."""
    ledger = _group(entry, "ledger", "NXcollection")
    ledger.create_dataset("received", data=np.zeros(start.slice_count, np.uint8))
    ledger.create_dataset("order", data=np.full(start.slice_count, -1, np.int64))
    ledger.create_dataset(checksums.NAME, data=np.zeros(start.slice_count, np.uint32))
    ledger.create_dataset("complete", data=np.uint8(0))
    for name in ledger:
        ledger[name].attrs["units"] = "1"


def _maps(entry: h5py.Group, start: ScanStart) -> None:
    shape = start.volume_shape[1:]
    for path, signal in (("interface", "height"), ("current_density", "cumulative")):
        group = _group(entry, path, "NXdata")
        group.attrs["signal"] = signal
        group.attrs["axes"] = ["y", "x"]
        _axis(group, "y", start, 1)
        _axis(group, "x", start, 2)
    chunks = (format.chunk_rows(shape[0], shape[1] * 4), shape[1])
    for name, where in format.MAP_GROUPS.items():
        # not compressed: maps open with any HDF5 reader, and a chunk never written takes no room
        dataset = entry[f"/{where}"].create_dataset(
            name, shape, np.float32, chunks=chunks, fillvalue=np.nan
        )
        dataset.attrs.update(units=MAPS[name].recorded_units(start.length_unit), crc32=np.uint32(0))
    labels = entry["interface"].create_dataset(format.PIT_LABELS, shape, np.int32, chunks=chunks)
    labels.attrs.update(units=LABELS.recorded_units(start.length_unit), crc32=np.uint32(0))


def _pits(entry: h5py.Group, start: ScanStart) -> None:
    group = _group(entry, "pits", "NXcollection")
    for name in format.pit_names(start.length_unit):
        dtype = np.int64 if form_of(name) == "count" else np.float64
        column = group.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(1024,))
        column.attrs["units"] = recorded_units(name)


def _scalar(group: h5py.Group, key: str, value: float | bytes) -> None:
    if isinstance(value, bytes):
        text = h5py.string_dtype("utf-8", format.TEXT_BYTES)
        dataset = group.create_dataset(key, data=value, dtype=text)
    else:
        dataset = group.create_dataset(key, data=np.float64(value))
    dataset.attrs["units"] = recorded_units(key)


def _write_maps(file: h5py.File, result: ScanResult) -> None:
    for name, where in format.MAP_GROUPS.items():
        dataset = file[f"{where}/{name}"]
        if name in result.maps:
            _write_map(dataset, np.asarray(result.maps[name], "<f4"))
        elif dataset.attrs.get("crc32"):  # made before readings corrected the scan
            _write_map(dataset, np.full(dataset.shape, np.nan, "<f4"))
            checksums.seal(dataset, 0)
    if result.pit_labels is not None:
        labels = np.asarray(result.pit_labels, "<i4")
        _write_map(file[f"entry/interface/{format.PIT_LABELS}"], labels)


def _write_map(dataset: h5py.Dataset, values: NDArray[Any]) -> None:
    write_plane(dataset, values, (0, 0), 0)
    checksums.seal(dataset, checksums.of_array(values))


def _write_pits(file: h5py.File, result: ScanResult) -> None:
    columns = pit_columns(result.pits, result.start.length_unit)
    for name, dataset in file["entry/pits"].items():
        dataset.resize((len(result.pits),))
        dataset[...] = columns.get(name, np.full(len(result.pits), np.nan))


def _write_summary(
    file: h5py.File, result: ScanResult, of_file: dict[str, float]
) -> dict[str, float | bytes]:
    """Writes the scalars that are laid out; returns the others. `of_file`: what the file knows
    beyond the summary."""
    group = file["entry/summary"]
    extras = {}
    for key, value in format.scalars(
        {**result.summary, **of_file}, result.start.length_unit
    ).items():
        if key in group:
            group[key][()] = value
        else:
            extras[key] = value
    return extras
