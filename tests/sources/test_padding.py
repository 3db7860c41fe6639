"""Slices of one value: sent if the format shows that they were written, as the padding of a
reconstruction; holes if it cannot show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
import tifffile

from monitor.errors import SourceError
from monitor.sources.volumes.volume import open_volumes
from tests.sources.volume_files import Write, hdf5, map_parts, noise, stack, tiff, write_parts

DATA = noise()
PADDED = DATA.copy()
PADDED[:2] = PADDED[-3:] = 0
OUTSIDE = [0, 1, 9, 10, 11]


def holes(path: Path, keep_blank: bool = False) -> list[int]:
    """Which slices are holes; all others must be those of `PADDED`."""
    (volume,) = open_volumes([path], keep_blank)
    planes = list(volume.slices())
    assert len(planes) == len(PADDED)
    for plane, right in zip(planes, PADDED, strict=True):
        if plane is not None:
            np.testing.assert_array_equal(plane, right)
    return [z for z, plane in enumerate(planes) if plane is None]


def virtual_of_chunked(folder: Path, data: Any) -> Path:
    names = [f"part{k}.h5" for k in range(3)]
    for name, part in zip(names, np.split(data, 3), strict=True):
        with h5py.File(folder / name, "w") as file:
            file.create_dataset("data", data=part, chunks=(1, 8, 20))
    map_parts(folder / "master.h5", names, data.shape, data.dtype)
    return folder / "master.h5"


def virtual_of_plain(folder: Path, data: Any) -> Path:
    map_parts(folder / "master.h5", write_parts(folder, data), data.shape, data.dtype)
    return folder / "master.h5"


WRITTEN: dict[str, Write] = {
    "chunked": hdf5(chunks=(1, 16, 20)),
    "gzip": hdf5(chunks=(1, 5, 7), compression="gzip"),
    "bitshuffle": hdf5(chunks=(1, 16, 20), **hdf5plugin.Bitshuffle()),
    "another fill value": hdf5(chunks=(1, 16, 20), fillvalue=9),
    "virtual of chunked": virtual_of_chunked,
    "tiff zlib": tiff(compression="zlib"),
    "tiff zlib tiles": tiff(compression="zlib", tile=(16, 16)),
    "stack zlib": stack(compression="zlib"),
}
UNKNOWN: dict[str, Write] = {
    "plain": hdf5(),
    "virtual of plain": virtual_of_plain,
    "tiff": tiff(),
    "stack": stack(),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_padding_that_was_written_is_sent(name: str, tmp_path: Path) -> None:
    assert holes(WRITTEN[name](tmp_path, PADDED)) == []


@pytest.mark.parametrize("name", UNKNOWN)
def test_without_a_sign_of_writing_they_are_holes_unless_told_otherwise(
    name: str, tmp_path: Path
) -> None:
    path = UNKNOWN[name](tmp_path, PADDED)
    assert holes(path) == OUTSIDE
    assert holes(path, keep_blank=True) == []


@pytest.mark.parametrize(
    ("deep", "expected"), [(2, [9]), (3, [0, 1]), (5, [0, 1, 9]), (12, OUTSIDE)]
)
def test_within_a_deep_chunk_the_writer_may_have_stopped(
    deep: int, expected: list[int], tmp_path: Path
) -> None:
    """A chunk is there as soon as one of its slices was written."""
    path = hdf5(chunks=(deep, 16, 20))(tmp_path, PADDED)
    assert holes(path) == expected


def test_chunks_that_were_allocated_early_say_nothing(tmp_path: Path) -> None:
    """As parallel HDF5 makes them."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, 16, 20))
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        space = h5py.h5s.create_simple(DATA.shape)
        made = h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_UINT16, space, properties)
        h5py.Dataset(made)[2:9] = DATA[2:9]
    assert holes(tmp_path / "volume.h5") == OUTSIDE


@pytest.mark.parametrize("order", ["yxz", "xzy"])
def test_chunks_count_along_z_whichever_axis_it_is(order: str, tmp_path: Path) -> None:
    axes = ["zyx".index(letter) for letter in order]
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        chunks = tuple(1 if letter == "z" else 8 for letter in order)
        stored = file.create_dataset("data", data=PADDED.transpose(axes), chunks=chunks)
        stored.attrs["axes"] = ":".join(order)
    assert holes(tmp_path / "volume.h5") == []


def test_a_volume_of_nothing_but_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="all 12 slices contain a single value"):
        path = hdf5(chunks=(1, 16, 20))(tmp_path, np.zeros_like(DATA))
        list(open_volumes([path])[0].slices())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("write", [hdf5(), tiff(), stack()])
def test_pixels_that_cannot_be_sent_are_told_before_anything_is(
    bad: float, write: Write, tmp_path: Path
) -> None:
    data = DATA.astype(np.float32)
    data[7, 3, 2] = bad
    with pytest.raises(SourceError, match="slice 7 has 1 pixels that are not finite"):
        open_volumes([write(tmp_path, data)])


def test_integers_that_cannot_be_sent_are_told_before_anything_is(tmp_path: Path) -> None:
    data = DATA.astype(np.uint32)
    data[7, 3, 2] = 2**31
    tifffile.imwrite(tmp_path / "labels.tif", data, photometric="minisblack")
    with pytest.raises(SourceError, match="slice 7 holds the integer 2147483648"):
        open_volumes([tmp_path / "labels.tif"])
