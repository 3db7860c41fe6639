"""Chunks compressed beside HDF5 are what HDF5's own filter reads and writes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.recording import format
from monitor.recording.read.compressed_chunks import section, window
from monitor.recording.write import compressed_chunks


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<f4", "<i4"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 100), (129, 77)])
@pytest.mark.parametrize("by_filter", [False, True])
def test_planes_come_back(
    tmp_path: Path,
    dtype: str,
    shape: tuple[int, int],
    by_filter: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if by_filter:
        monkeypatch.setattr(compressed_chunks, "_compressor", lambda: None)
    plane = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    rows = format.chunk_rows(shape[0], shape[1] * plane.itemsize, target_bytes=4000)
    flat, upright = (1, rows, shape[1]), (rows, 1, shape[1])
    with h5py.File(tmp_path / "file.h5", "w") as file:
        along_z = file.create_dataset("z", (4, *shape), dtype, chunks=flat, **format.compression())
        along_y = file.create_dataset(
            "y", (shape[0], 4, shape[1]), dtype, chunks=upright, **format.compression()
        )
        compressed_chunks.write_plane(along_z, plane, (2, 0, 0), 1)
        compressed_chunks.write_plane(along_y, plane, (0, 3, 0), 0)
    with h5py.File(tmp_path / "file.h5") as file:
        np.testing.assert_array_equal(file["z"][2], plane)
        np.testing.assert_array_equal(file["y"][:, 3], plane)
        assert not file["z"][1].any() and not file["y"][:, 2].any()
        rows, columns = map(range, shape)
        for one, wanted in ((range(2, 3), plane), (range(1, 2), np.zeros_like(plane))):
            np.testing.assert_array_equal(window(file["z"], one, rows, columns)[0], wanted)
        np.testing.assert_array_equal(window(file["y"], rows, range(3, 4), columns)[:, 0], plane)
        last = shape[0] - 1, shape[1] - 1
        for name, axis, index in (("z", "y", last[0]), ("z", "x", last[1]), ("y", "x", 0)):
            wanted = file[name][:, index] if axis == "y" else file[name][:, :, index]
            np.testing.assert_array_equal(section(file[name], axis, index), wanted)


def test_the_bytes_are_those_of_the_filter() -> None:
    if compressed_chunks._compressor() is None:
        pytest.skip("hdf5plugin exports no bitshuffle library here")
    block = np.random.default_rng(0).normal(1000, 30, (40, 96)).astype("<u2")
    with h5py.File.in_memory() as file:
        dataset = file.create_dataset("d", data=block, chunks=block.shape, **format.compression())
        _, expected = dataset.id.read_direct_chunk((0, 0))
    assert compressed_chunks.compressed(block).tobytes() == expected


def test_a_chunk_is_about_half_a_megabyte() -> None:
    assert format.chunk_rows(8368, 8368 * 2) == 31
    assert format.chunk_rows(384, 384 * 2) == 384
    assert format.chunk_rows(10, 2**30) == 1
