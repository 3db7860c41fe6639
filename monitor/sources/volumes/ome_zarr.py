"""Volumes in OME-Zarr: a folder of chunks, with the voxel size beside them (OME-NGFF 0.4, 0.5)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import MissingSoftware, PitwatchError, SourceError
from monitor.sources.formats import Format, Software, one_line
from monitor.sources.volumes.planes import Planes
from monitor.sources.volumes.voxel_size import UM, Size, three

FORMAT = Format("OME-Zarr", "a folder", software=Software("zarr", "OME-Zarr", "export"))
METADATA = ("zarr.json", ".zattrs")
"""Of version 3 and 2 of Zarr."""
MOST_METADATA = 2**22
LARGEST_UM = 1000.0
"""A voxel larger than this is not in the unit that is named: nabu names metres for micrometres."""


class OmeZarr:
    """The largest level of the image in a folder. Raises SourceError if it is not a volume, and
    MissingSoftware without zarr."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            import zarr
        except ImportError:
            raise MissingSoftware(
                f"{path}: is OME-Zarr, which needs zarr: run \"pip install 'pitwatch[export]'\""
            ) from None
        image = image_in(path)
        with _readable(path):
            level = image["datasets"][0]
            self.array: Any = zarr.open_array(path / level["path"], mode="r")
            axes = [str(axis["name"]).lower() for axis in image.get("axes", ())]
            self.voxel_size_um = _voxel_size(image, level)
        if axes != ["z", "y", "x"] or len(self.array.shape) != 3 or 0 in self.array.shape:
            raise SourceError(
                f"{path}: contains {self.array.shape} with the axes {axes}; expected one volume "
                "(nz, ny, nx) with the axes z, y, x"
            )
        nz, ny, nx = map(int, self.array.shape)
        self.shape = (nz, ny, nx)
        self.dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        grid = self.array.shards or self.array.chunks
        self.depth = int(grid[0])
        self._folder = path / level["path"]
        self._tiles = [range(-(-side // size)) for side, size in zip(self.shape, grid, strict=True)]

    @property
    def fill(self) -> float:
        """What is read in place of chunks that were never written."""
        return float(self.array.fill_value or 0)

    @property
    def filled_in_part(self) -> bool:
        """Whether a file holds several chunks along z, which may be written one after another."""
        return bool(self.array.shards and self.array.shards[0] > self.array.chunks[0])

    def files(self, layer: int) -> list[Path]:
        """Those with the slices from `layer * depth` on."""
        metadata = self.array.metadata
        return [
            self._folder / metadata.encode_chunk_key((layer, *tile))
            for tile in product(*self._tiles[1:])
        ]

    def lacks(self, layer: int) -> str:
        """The first file of a layer that does not exist, as a line, or ""."""
        lacking = next((file for file in self.files(layer) if not file.is_file()), None)
        if lacking is None:
            return ""
        return (
            f"{self.path}: {lacking.relative_to(self.path)} is missing: slice {layer * self.depth} "
            "was never written, or its writer leaves out chunks of one value; wait until the "
            "reconstruction is complete, or write all chunks (write_empty_chunks=True of zarr)"
        )

    @property
    def layers(self) -> range:
        return self._tiles[0]

    def slab(self, start: int, stop: int) -> NDArray[Any]:
        """Slices (stop - start, ny, nx). Raises SourceError."""
        with _readable(self.path):
            return np.asarray(self.array[start:stop])


def image_in(path: Path) -> Mapping[str, Any]:
    """What OME-NGFF says of the image in a folder. Raises SourceError if there is none."""
    for name in METADATA:
        try:
            with (path / name).open("rb") as file:
                said = json.loads(file.read(MOST_METADATA))
            said = said.get("attributes", said)
            image = said.get("ome", said)["multiscales"][0]
            if isinstance(image, dict) and image["datasets"]:
                return image
        except (OSError, ValueError, LookupError, AttributeError, TypeError):
            continue
    raise SourceError(f"{path}: contains no image of OME-Zarr; name the folder of the image")


def is_image(path: Path) -> bool:
    """Whether a folder is an image of OME-Zarr."""
    try:
        return bool(image_in(path))
    except SourceError:
        return False


def recognises(path: Path, head: bytes) -> bool:
    """By the description in the folder."""
    return path.is_dir() and is_image(path)


def read(path: Path, dataset: str) -> Planes:
    """The volume in a folder. Raises SourceError if a chunk was never written, MissingSoftware
    without zarr."""
    volume = OmeZarr(path)
    for layer in volume.layers:
        if lacks := volume.lacks(layer):
            raise SourceError(lacks)
    return Planes(
        volume.shape,
        volume.dtype,
        volume.voxel_size_um,
        lambda: _planes(volume),
        fill=volume.fill,
        depth=volume.depth,
        encoded=True,
    )


def _planes(volume: OmeZarr) -> Iterator[NDArray[Any]]:
    step = int(volume.array.chunks[0])
    for start in range(0, volume.shape[0], step):
        yield from volume.slab(start, min(start + step, volume.shape[0]))


def _voxel_size(image: Mapping[str, Any], level: Mapping[str, Any]) -> Size | None:
    """From the scales of the image and of its largest level."""
    sides = np.ones(3)
    for holder in (image, level):
        for step in holder.get("coordinateTransformations", ()):
            if step["type"] == "scale":
                sides = sides * np.abs(np.asarray(step["scale"], float))
    units = [str(axis.get("unit", "")).lower() for axis in image.get("axes", ())]
    um = [UM.get(unit) for unit in units]
    if None in um or len(um) != 3:
        return None
    size = sides * np.asarray(um, float)
    return three(sides if (size > LARGEST_UM).all() else size)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever zarr raises for what is damaged becomes one SourceError."""
    try:
        yield
    except PitwatchError:
        raise
    except Exception as error:
        raise SourceError(
            f"{path}: cannot be read as OME-Zarr ({one_line(error)}); check the folder, or copy it "
            "again"
        ) from None
