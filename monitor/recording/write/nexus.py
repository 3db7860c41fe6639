"""What other programs look for in a recorded file: NeXus' own names beside those of the contract.

Application definition NXtomoproc for scans whose slices are kept; NXdata for maps, with their
errors. https://manual.nexusformat.org/classes/applications/NXtomoproc.html

Nothing here is read by pitwatch itself, and nothing depends on a clock: the same messages give the
same file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import h5py

from monitor.quantities.table import LABELS, MAPS
from monitor.recording import format
from monitor.records import ScanStart

UNKNOWN = "unknown"
VERSION = format.version_of("pitwatch")
"""Read once: no file need be opened while a scan is written."""
PROCESS = "entry/process"
"""How the maps were made; older files have none."""
PLOT = "entry/interface"
"""What is shown by default."""
ERROR_LINKS: Mapping[str, str] = {
    one.error: f"{one.name}_errors"
    for one in MAPS.values()
    if one.error in MAPS and MAPS[one.error].unit == one.unit
}
"""NeXus' names of the maps of errors."""
IMAGE = {"interpretation": "image"}
_OF_INDEX = {"x": "z", "y": "y", "z": "x"}
"""NXtomoproc names the axes of a volume in the order of its indices: its x is our z."""


def links() -> dict[str, str]:
    """Names that lead to a dataset of another name, by path."""
    of_errors = {
        f"{where}/{ERROR_LINKS[name]}": f"{where}/{name}"
        for name, where in format.MAP_GROUPS.items()
        if name in ERROR_LINKS
    }
    return _of_slices() | of_errors


def _of_slices() -> dict[str, str]:
    of_axes = {f"entry/data/{axis}_position": f"entry/reconstruction/{axis}" for axis in "zyx"}
    return {"entry/data/data": format.SLICES, **of_axes}


def describe(file: h5py.File, start: ScanStart, *, tomography: bool) -> None:
    """Completes a scan's file that is laid out; `tomography`: with slices."""
    entry = file["entry"]
    source = _group(_group(entry, "instrument", "NXinstrument"), "source", "NXsource")
    _texts(source, name=UNKNOWN, type=UNKNOWN, probe="x-ray")
    source["type"].attrs["custom"] = True
    process = _group(entry, "process", "NXprocess")
    _texts(process, program="pitwatch", version=VERSION, date=_date(start))
    parameters = _group(process, "parameters", "NXparameters")
    _texts(parameters, settings=f"../{format.SETTINGS_FILE}")
    if tomography:
        _tomography(entry, start)
    for where in dict.fromkeys(format.MAP_GROUPS.values()):
        group = file[where]
        names = [name for name in (*MAPS, LABELS.name) if name in group]
        describe_plot(group, names, ("y", "x"))
        for name in names:
            describe_map(group, name)
    for name, of in _of_slices().items():
        if of in file:
            file[name] = file[of]


def describe_plot(group: h5py.Group, names: Sequence[str], axes: tuple[str, ...]) -> None:
    """Which axis is which, and which maps are shown beside the first of a group: all but errors.
    `names`: of its maps."""
    for index, axis in enumerate(axes):
        group.attrs[f"{axis}_indices"] = index
    first = group.attrs["signal"]
    beside = [name for name in names if name != first and name not in ERROR_LINKS]
    group.attrs["auxiliary_signals"] = beside


def describe_map(group: h5py.Group, name: str) -> None:
    """How a map is shown, and NeXus' name if it is one of errors."""
    group[name].attrs.update(IMAGE)
    if name in ERROR_LINKS:
        group[ERROR_LINKS[name]] = group[name]


def _tomography(entry: h5py.Group, start: ScanStart) -> None:
    """The group of the slices is the process that made them; a plot of them is beside it."""
    process = entry["reconstruction"]
    process.attrs["NX_class"] = "NXprocess"
    _texts(process, program=UNKNOWN, version=UNKNOWN, date=_date(start))
    parameters = _group(process, "parameters", "NXparameters")
    _texts(parameters, raw_file=UNKNOWN, run=start.key.run, stream=start.stream)
    process["data"].attrs.update({"transform": "none", "offset": "0", "scaling": "1", **IMAGE})
    data = _group(entry, "data", "NXdata")
    data.attrs["signal"] = "data"
    data.attrs["axes"] = [f"{axis}_position" for axis in "zyx"]
    for index, axis in enumerate("zyx"):
        data.attrs[f"{axis}_position_indices"] = index
    for theirs, ours in _OF_INDEX.items():
        positions = data.create_dataset(theirs, data=process[ours][()])
        positions.attrs["units"] = start.length_unit
        positions.attrs["long_name"] = f"{ours} (NXtomoproc counts axes by index)"


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def _texts(group: h5py.Group, **texts: str) -> None:
    for name, text in texts.items():
        group.create_dataset(name, data=text).attrs["units"] = ""


def _date(start: ScanStart) -> str:
    """The end of the scan: a clock of this machine would make each replay another file."""
    return format.iso_time(start.stop_time)
