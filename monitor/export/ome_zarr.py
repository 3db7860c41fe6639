"""Maps as OME-Zarr 0.5: an image (scan, map, y, x) for each cell.

https://ngff.openmicroscopy.org/0.5
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path

import numpy as np

from monitor.export.recorded import Output, RecordedCell, RecordedScan
from monitor.quantities.quantity import Quantity
from monitor.recording.format import iso_time
from monitor.sources.formats import Software

SOFTWARE = Software("zarr", "`export --to zarr`", "export")
VERSION = "0.5"
CHUNK = 1024
UNITS = {"µm": "micrometer"}


def outputs(cells: Sequence[RecordedCell]) -> list[Output]:
    """One image for the scans of a cell that have the same shape and voxel size: all, but for
    rare exceptions."""
    wanted = []
    taken = {cell.name for cell in cells}
    for cell in cells:
        alike: dict[object, list[RecordedScan]] = {}
        for scan in cell.scans:
            start = scan.result.start
            if scan.result.maps:
                key = start.volume_shape[1:], scan.voxel_size, scan.length_unit
                alike.setdefault(key, []).append(scan)
        numbered = (f"{cell.name}-{number}" for number in count(2))
        names = chain([cell.name], (name for name in numbered if name not in taken))
        for name, scans in zip(names, alike.values(), strict=False):
            wanted.append(Output(Path(f"{name}.ome.zarr"), partial(_write, scans=scans)))
    return wanted


def _write(path: Path, *, scans: Sequence[RecordedScan]) -> None:
    import zarr

    maps = {name: one for scan in scans for name, one in scan.maps().items()}
    shape = len(scans), len(maps), *scans[0].result.start.volume_shape[1:]
    store = zarr.open_group(path, mode="w", zarr_format=3)
    image = store.create_array(
        "0",
        shape=shape,
        dtype="float32",
        chunks=(1, 1, min(shape[2], CHUNK), min(shape[3], CHUNK)),
        fill_value=np.nan,
        dimension_names=("t", "c", "y", "x"),
    )
    limits = np.full((len(maps), 2), (np.inf, -np.inf))
    for row, scan in enumerate(scans):
        for channel, quantity in enumerate(maps.values()):
            if quantity.name not in scan.result.maps:
                continue
            values = np.asarray(scan.map(quantity), np.float32)
            image[row, channel] = values
            if np.isfinite(values).any():
                low, high = limits[channel]
                limits[channel] = min(low, np.nanmin(values)), max(high, np.nanmax(values))
    store.attrs.update(_attributes(scans, maps, limits))


def _attributes(
    scans: Sequence[RecordedScan], maps: dict[str, Quantity], limits: np.ndarray
) -> dict[str, object]:
    """`ome` as the specification has it; `pitwatch`: what it has no place for, such
    as times: scans are not equally far apart."""
    first = scans[0]
    _, y, x = first.voxel_size
    unit = {"unit": UNITS[first.length_unit]} if first.length_unit in UNITS else {}
    space = [{"name": axis, "type": "space", **unit} for axis in ("y", "x")]
    ome = {
        "version": VERSION,
        "multiscales": [
            {
                "name": first.result.key.cell,
                "axes": [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}, *space],
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, y, x]}],
                    }
                ],
            }
        ],
        "omero": {
            "channels": [
                {
                    "label": name,
                    "color": "FFFFFF",
                    "active": number == 0,
                    "window": {"min": low, "max": high, "start": low, "end": high},
                }
                for number, (name, (low, high)) in enumerate(
                    zip(maps, np.where(np.isfinite(limits), limits, 0).tolist(), strict=True)
                )
            ]
        },
    }
    about = {
        "cell": first.result.key.cell,
        "scans": [scan.number for scan in scans],
        "times": [iso_time(scan.result.start.start_time) for scan in scans],
        "units": {name: one.units(first.length_unit) for name, one in maps.items()},
    }
    return {"ome": ome, "pitwatch": about}
