"""Reconstructed volumes in HDF5 files of their own, and the bluesky documents that name them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import h5py
import numpy as np
from event_model import StreamDatum, StreamRange, StreamResource, compose_stream_resource
from numpy.typing import NDArray

from monitor.records import ScanStart

MIMETYPE = "application/x-hdf5"
DATASET = "/entry/data/data"

Documents = Iterator[tuple[str, StreamResource | StreamDatum]]


class VolumeFile:
    """One scan's volume while it grows: `<name>.h5.part`, which becomes `<name>.h5` when whole.

    The dataset is (1, nz, ny, nx), so that the volumes of a run stack along a new first axis.
    What a cut scan has left stays in the `.part`.
    """

    def __init__(self, folder: Path, start: ScanStart) -> None:
        """Creates the file. Raises OSError if that cannot be done."""
        key = start.key
        self.path = folder / f"{key.cell}_{key.run[:8] or 'scan'}_{key.scan:04d}.h5"
        self._part = self.path.with_suffix(".h5.part")
        self._axis = start.axis
        self._file = h5py.File(self._part, "w")
        entry = self._file.create_group("entry")
        entry.attrs.update(NX_class="NXentry", default="data", scan=key.scan, cell=key.cell)
        data = entry.create_group("data")
        data.attrs.update(NX_class="NXdata", signal="data", voxel_size_um=start.voxel_size)
        nz, ny, nx = start.volume_shape
        self.chunks = (1, 1, ny, nx) if start.axis == "z" else (1, nz, 1, nx)
        self._data = data.create_dataset(
            "data", (1, nz, ny, nx), np.dtype(start.dtype), chunks=self.chunks
        )

    def write(self, index: int, pixels: NDArray[Any]) -> None:
        """Slice `index` along the scan's axis."""
        where = (0, index) if self._axis == "z" else (0, slice(None), index)
        self._data[where] = pixels

    def whole(self) -> None:
        """The last slice is in: closes the file under its final name."""
        self._file.close()
        self._part.replace(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class VolumeDocuments:
    """`stream_resource` and `stream_datum` of each whole volume; rows count on through a run."""

    def __init__(self, data_key: str) -> None:
        self._data_key = data_key
        self._run = ""
        self._rows = 0
        self._files: list[VolumeFile] = []

    def add(self, run: str, file: VolumeFile) -> None:
        """A volume of this run is complete; its documents go out with the next event."""
        if run != self._run:
            self._run, self._rows = run, 0
        self._files.append(file)

    def collect(self) -> Documents:
        """Documents of the volumes that are complete and have not been told of."""
        while self._files:
            file = self._files.pop(0)
            resource = compose_stream_resource(
                mimetype=MIMETYPE,
                uri=f"file://localhost{quote(file.path.resolve().as_posix())}",
                data_key=self._data_key,
                parameters={
                    "dataset": DATASET,
                    "chunk_shape": list(file.chunks),
                    "join_method": "stack",
                    "swmr": False,
                },
            )
            yield "stream_resource", resource.stream_resource_doc
            row, self._rows = self._rows, self._rows + 1
            rows = StreamRange(start=row, stop=row + 1)
            yield "stream_datum", resource.compose_stream_datum(rows)
