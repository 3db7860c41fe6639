"""A cell's NeXus master: its scans stacked as virtual datasets (scan, y, x)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from monitor.recording import layout


def write_master(folder: Path, cell: str) -> None:
    """Writes `<cell>.nxs` anew from the whole scans in `folder`, and puts it in place at once.

    Scans whose maps have another shape than most are NaN in the stacks. Raises OSError.
    """
    target = folder / layout.master_name(cell)
    part = target.with_name(target.name + layout.PART)
    with h5py.File(part, "w", libver=layout.HDF5_VERSION, locking=False) as file:
        fill_master(file, sorted(folder.glob("scan_*.h5")), cell)
    part.replace(target)


def fill_master(file: h5py.File, paths: Sequence[Path], cell: str) -> None:
    """All that a master of these scans' files holds, in their order. Raises OSError."""
    scans = [_facts(path, path.stat().st_mtime_ns) for path in paths]
    entry = file.create_group("entry")
    entry.attrs.update({"NX_class": "NXentry", "default": "interface"})
    file.attrs["default"] = "entry"
    _text(entry, "title", f"cell {cell}")
    sample = entry.create_group("sample")
    sample.attrs["NX_class"] = "NXsample"
    _text(sample, "name", cell)
    _stacks(entry, scans)
    _summary(entry, scans)
    links = entry.create_group("scans")
    for scan in scans:
        links[Path(scan["file"]).stem] = h5py.ExternalLink(scan["file"], "/entry")


@lru_cache(maxsize=4096)
def _facts(path: Path, written_ns: int) -> dict[str, Any]:
    """All that the master needs of a scan's file; read once for each time it was written."""
    with h5py.File(path, "r", locking=False) as file:
        height = file["entry/interface/height"]
        return {
            "file": path.name,
            "number": int(file["entry"].attrs["scan"]),
            "shape": height.shape,
            "x": file["entry/interface/x"][...],
            "y": file["entry/interface/y"][...],
            "units": {
                name: file[f"{where}/{name}"].attrs["units"]
                for name, where in layout.MAP_GROUPS.items()
            },
            "length_unit": file["entry"].attrs["length_unit"],
            "summary": {key: item[()] for key, item in file["entry/summary"].items()},
        }


def _stacks(entry: h5py.Group, scans: list[dict[str, Any]]) -> None:
    if not scans:
        return
    shape = Counter(scan["shape"] for scan in scans).most_common(1)[0][0]
    like = next(scan for scan in scans if scan["shape"] == shape)
    for path, signal in (("interface", "height"), ("current_density", "cumulative")):
        group = entry.create_group(path)
        group.attrs.update({"NX_class": "NXdata", "signal": signal, "axes": ["scan", "y", "x"]})
        _numbers(group, "scan", [scan["number"] for scan in scans], "1")
        _numbers(group, "y", like["y"], like["length_unit"])
        _numbers(group, "x", like["x"], like["length_unit"])
    for name, where in layout.MAP_GROUPS.items():
        stack = h5py.VirtualLayout((len(scans), *shape), np.float32)
        for row, scan in enumerate(scans):
            if scan["shape"] == shape and scan["length_unit"] == like["length_unit"]:
                stack[row] = h5py.VirtualSource(scan["file"], f"{where}/{name}", shape, np.float32)
        dataset = entry[f"/{where}"].create_virtual_dataset(name, stack, fillvalue=np.nan)
        dataset.attrs["units"] = like["units"][name]


def _summary(entry: h5py.Group, scans: list[dict[str, Any]]) -> None:
    group = entry.create_group("summary")
    group.attrs["NX_class"] = "NXcollection"
    _numbers(group, "scan", [scan["number"] for scan in scans], "1")
    for key in dict.fromkeys(key for scan in scans for key in scan["summary"]):
        missing = layout.stored_scalar(key, None)
        column = [scan["summary"].get(key, missing) for scan in scans]
        if any(isinstance(value, bytes) for value in column):
            text = [value if isinstance(value, bytes) else b"" for value in column]
            group.create_dataset(key, data=np.array(text, f"S{layout.TEXT_BYTES}"))
            group[key].attrs["units"] = ""
        else:
            _numbers(group, key, column, layout.units_of(key))


def _numbers(group: h5py.Group, name: str, values: Any, units: str) -> None:
    group.create_dataset(name, data=np.asarray(values)).attrs["units"] = units


def _text(group: h5py.Group, name: str, text: str) -> None:
    group.create_dataset(name, data=text).attrs["units"] = ""
