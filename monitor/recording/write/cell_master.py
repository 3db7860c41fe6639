"""A cell's NeXus master: its scans stacked as virtual datasets (scan, y, x)."""

from __future__ import annotations

import fnmatch
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from monitor.quantities.table import MAPS, recorded_units
from monitor.recording import files, format
from monitor.recording.read import checked_hdf5
from monitor.recording.write import hdf5_files, nexus

AXES = ("scan", "y", "x")


class Master:
    """What a cell's master is made of. What has been read of scans' files is kept for the next
    time: all numbers in one row after another, for an experiment has hundreds of scans, and each
    by itself would keep a page of memory."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the cell's, named as the cell."""
        self._folder = folder
        self._known: dict[str, _Scan] = {}
        self._rows: dict[_Alike, tuple[_Alike, array[float]]] = {}

    def write(self) -> None:
        """Writes `<cell>.nxs` again from the whole scans in the folder, and puts it in place at
        once.

        Scans whose maps have another shape than most are NaN in the stacks. Raises OSError,
        RecordingError.
        """
        target = self._folder / format.master_name(self._folder.name)
        part = target.with_name(target.name + format.PART)
        frame, *pieces = self._pieces(self._whole())
        hdf5_files.write_new(part, frame)
        for piece in pieces:
            # an open file keeps all its stacks in memory, with hundreds of scans 1 MB each
            with hdf5_files.changing(part) as file:
                piece(file)
        part.replace(target)

    def _whole(self) -> list[Path]:
        found = files.names(self._folder, self._folder.parent)
        return [self._folder / name for name in fnmatch.filter(found, "scan_*.h5")]

    def fill(self, file: h5py.File, paths: Sequence[Path], *, described: bool = True) -> None:
        """All that a master of these scans' files holds, in their order. Raises OSError,
        RecordingError."""
        for piece in self._pieces(paths, described=described):
            piece(file)

    def _pieces(
        self, paths: Sequence[Path], *, described: bool = True
    ) -> Iterator[Callable[[h5py.File], None]]:
        """What writes a master, one after the other; `described`: see `scan_file.lay_out`."""
        scans = [self._scan(path) for path in paths]
        yield lambda file: _frame(file, scans, self._folder.name)
        if scans:
            like = _usual(scans)
            path = paths[0].parent / like.file
            yield lambda file: _axes(file["entry"], scans, like, path, described=described)
            for name in format.MAP_GROUPS:
                yield partial(_stack_of, scans=scans, like=like, name=name, described=described)

    def _scan(self, path: Path) -> _Scan:
        """Of a scan's file; read once for each time that it was written."""
        written_ns = path.stat().st_mtime_ns
        known = self._known.get(path.name)
        if known is None or known.written_ns != written_ns:
            known = self._known[path.name] = self._read(path, written_ns)
        return known

    def _read(self, path: Path, written_ns: int) -> _Scan:
        with checked_hdf5.opened_file(path) as file:
            entry = checked_hdf5.attributes(file, "entry")
            summary: dict[str, Any] = {}
            for key in checked_hdf5.group(file, "entry/summary"):
                found = checked_hdf5.find(file, f"entry/summary/{key}")
                summary[key] = None if found is None else checked_hdf5.scalar(found)
                if summary[key] is None:
                    raise checked_hdf5.damaged(
                        file, f"entry/summary/{key}", "not a scalar", "a scalar"
                    )
            height = checked_hdf5.find(file, "entry/interface/height")
            if height is None:
                raise checked_hdf5.damaged(file, "entry/interface/height", "missing", "a map")
            texts = {
                key: bytes(value) for key, value in summary.items() if isinstance(value, bytes)
            }
            numbers = [float(value) for key, value in summary.items() if key not in texts]
            alike = _Alike(
                height.shape,
                str(entry["length_unit"]),
                tuple(key for key in summary if key not in texts),
                tuple(texts.items()),
            )
            alike, rows = self._rows.setdefault(alike, (alike, array("d")))
            begin = len(rows)
            rows.extend(numbers)
            number = int(entry["scan"])
            return _Scan(path.name, written_ns, number, alike, rows, begin)


class _Alike(NamedTuple):
    """What is the same in most scans: the summary's numbers by `names`, its texts by name."""

    shape: tuple[int, ...]
    length_unit: str
    names: tuple[str, ...]
    texts: tuple[tuple[str, bytes], ...]


class _Scan(NamedTuple):
    """What the master needs of a scan's file. The summary's numbers, in the order of their names,
    lie in `rows` from `begin` on."""

    file: str
    written_ns: int
    number: int
    alike: _Alike
    rows: array[float]
    begin: int

    @property
    def numbers(self) -> array[float]:
        return self.rows[self.begin : self.begin + len(self.alike.names)]


def _frame(file: h5py.File, scans: list[_Scan], cell: str) -> None:
    entry = file.create_group("entry")
    entry.attrs.update({"NX_class": "NXentry", "default": "interface"})
    file.attrs["default"] = "entry"
    _text(entry, "title", f"cell {cell}")
    sample = entry.create_group("sample")
    sample.attrs["NX_class"] = "NXsample"
    _text(sample, "name", cell)
    _summary(entry, scans)
    links = entry.create_group("scans")
    for scan in scans:
        links[Path(scan.file).stem] = h5py.ExternalLink(scan.file, "/entry")


def _usual(scans: list[_Scan]) -> _Scan:
    """The first scan whose maps have the shape of most."""
    shape = Counter(scan.alike.shape for scan in scans).most_common(1)[0][0]
    return next(scan for scan in scans if scan.alike.shape == shape)


def _axes(
    entry: h5py.Group, scans: list[_Scan], like: _Scan, path: Path, *, described: bool
) -> None:
    with checked_hdf5.opened(path) as model:
        for name, signal in (("interface", "height"), ("current_density", "cumulative")):
            group = entry.create_group(name)
            group.attrs.update({"NX_class": "NXdata", "signal": signal, "axes": list(AXES)})
            _numbers(group, "scan", [scan.number for scan in scans], "1")
            for axis in ("y", "x"):
                positions = checked_hdf5.array(model, f"entry/interface/{axis}", (None,), "float64")
                _numbers(group, axis, positions, like.alike.length_unit)
            if described:
                names = [
                    one for one, where in format.MAP_GROUPS.items() if f"/{where}" == group.name
                ]
                nexus.describe_plot(group, names, AXES)


def _stack_of(
    file: h5py.File, *, scans: list[_Scan], like: _Scan, name: str, described: bool
) -> None:
    where = format.MAP_GROUPS[name]
    sources = [(row, scan.file) for row, scan in enumerate(scans) if _lies_on(scan, like)]
    shape = (len(scans), *like.alike.shape)
    dataset = _stack(file[where], name, shape, sources, f"{where}/{name}")
    dataset.attrs["units"] = MAPS[name].recorded_units(
        "µm" if like.alike.length_unit == "µm" else "voxel"
    )
    if described:
        nexus.describe_map(file[where], name)


def _lies_on(scan: _Scan, like: _Scan) -> bool:
    return scan.alike[:2] == like.alike[:2]


def _stack(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    sources: Sequence[tuple[int, str]],
    where: str,
) -> h5py.Dataset:
    """A virtual dataset of the maps at `where` in the files of `sources`, each in its row; NaN in
    the others. By HDF5's own functions: h5py's layout takes ten times the memory, and an
    experiment has hundreds of scans."""
    whole, one = h5py.h5s.create_simple(shape), h5py.h5s.create_simple(shape[1:])
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_fill_value(np.array(np.nan, np.float32))
    made.set_obj_track_times(False)  # the same scans make the same file
    for row, file in sources:
        whole.select_hyperslab((row, 0, 0), (1, *shape[1:]))
        made.set_virtual(whole, file.encode(), where.encode(), one)
    whole.select_all()
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, whole, dcpl=made)
    return group[name]


def _summary(entry: h5py.Group, scans: list[_Scan]) -> None:
    group = entry.create_group("summary")
    group.attrs["NX_class"] = "NXcollection"
    _numbers(group, "scan", [scan.number for scan in scans], "1")
    alike: dict[tuple[str, ...], list[int]] = {}
    for row, scan in enumerate(scans):
        alike.setdefault(scan.alike.names, []).append(row)
    tables = [(names, rows, _table(scans, rows)) for names, rows in alike.items()]
    told = [dict(scan.alike.texts) for scan in scans]
    texts = dict.fromkeys(key for words in told for key in words)
    for key in texts:
        words = [one.get(key, b"") for one in told]
        group.create_dataset(key, data=np.array(words, f"S{format.TEXT_BYTES}"))
        group[key].attrs["units"] = ""
    for key in dict.fromkeys(key for names in alike for key in names if key not in texts):
        column = np.full(len(scans), np.nan)
        for names, rows, table in tables:
            if key in names:
                column[rows] = table[:, names.index(key)]
        _numbers(group, key, column, recorded_units(key))


def _table(scans: list[_Scan], rows: list[int]) -> NDArray[np.float64]:
    """(rows, names) of scans whose numbers have the same names."""
    return np.array([scans[row].numbers for row in rows])


def _numbers(group: h5py.Group, name: str, values: Any, units: str) -> None:
    group.create_dataset(name, data=np.asarray(values)).attrs["units"] = units


def _text(group: h5py.Group, name: str, text: str) -> None:
    group.create_dataset(name, data=text).attrs["units"] = ""
