"""Volumes in files that grow, or are filled, while they are published."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from monitor.records import ScanStart
from monitor.sources.folder.hdf5_files import opened
from tests.helpers.waiting import eventually
from tests.sources.nabu_files import ENTRY, Reconstruction
from tests.sources.test_publish_folder import NZ, RULES, STEP, Watched, volume
from tests.sources.test_publish_folder import watched as watched  # a fixture

pytestmark = pytest.mark.slow

ALONE = RULES.model_copy(update={"slices": None})
DATASET = f"{ENTRY}/reconstruction/results/data"
WRITER = """
import sys
import h5py, numpy as np
path, source, how = sys.argv[1:]
data = np.load(source)
with h5py.File(path, "w", libver=None if how == "contiguous" else "latest") as file:
    if how == "contiguous":
        made = file.create_dataset("data", data.shape, data.dtype)
    else:
        depth = int(how)
        made = file.create_dataset("data", data.shape, data.dtype, chunks=(depth, *data.shape[1:]))
        file.swmr_mode = True
    for line in sys.stdin:
        start, stop = map(int, line.split())
        made[start:stop] = data[start:stop]
        made.flush()
        file.flush()
        print("written", flush=True)
"""


class Writer:
    """Writes an HDF5 file in a process of its own, and keeps it open."""

    def __init__(self, path: Path, data: Any, how: str) -> None:
        source = path.with_suffix(".source")
        with source.open("wb") as file:
            np.save(file, data)
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(source), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def write(self, start: int, stop: int) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{start} {stop}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "written\n"

    def close(self) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0


@pytest.fixture
def writer() -> Iterator[Callable[[Path, Any, str], Writer]]:
    made: list[Writer] = []

    def make(path: Path, data: Any, how: str) -> Writer:
        made.append(Writer(path, data, how))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_master_that_is_there_first_is_followed_as_its_files_appear(watched: Watched) -> None:
    data = volume(4)
    recon = Reconstruction(watched.folder, "rec_0004", "hdf5", data)
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    for start in range(0, NZ, STEP):
        name = f"rec_0004/rec_0004_{start:05d}.hdf5"
        layout[start : start + STEP] = h5py.VirtualSource(name, DATASET, (STEP, 10, 8))
    with h5py.File(recon.path, "w") as file:
        file.create_virtual_dataset(DATASET, layout)
    with watched.publishing(ALONE) as received:
        other = Reconstruction(watched.folder, "rec_0003", "tiff", volume(3))
        other.write(0, NZ)
        other.finish()
        received.wait_for_end(3)  # meanwhile none of the others is there
        for start in range(0, NZ, STEP):
            recon.write(start, start + STEP)
            received.wait_for(4, start + STEP)
        received.wait_for_end(4)
    assert received.frames(4) == list(range(NZ))
    np.testing.assert_array_equal(received.volume(4), data)


def test_source_files_of_a_master_are_no_volumes_of_their_own(watched: Watched) -> None:
    data = volume(5)
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    for start in range(0, NZ, STEP):
        layout[start : start + STEP] = h5py.VirtualSource(f"part_{start}.h5", "d", (STEP, 10, 8))
    with h5py.File(watched.folder / "whole_5.h5", "w") as file:
        file.create_virtual_dataset("d", layout)
    with watched.publishing(ALONE) as received:
        for start in range(0, NZ, STEP):
            with h5py.File(watched.folder / f"part_{start}.h5", "w") as file:
                file["d"] = data[start : start + STEP]
            received.wait_for(5, start + STEP)
        received.wait_for_end(5)
    assert {start.number for start in received.records(ScanStart)} == {5}
    np.testing.assert_array_equal(received.volume(5), data)


@pytest.mark.parametrize(("how", "behind"), [("1", 0), ("2", 2), ("contiguous", 1)])
def test_one_hdf5_file_that_its_writer_keeps_open(
    how: str, behind: int, watched: Watched, writer: Any
) -> None:
    """`behind`: slices that may still be incomplete."""
    data = volume(6)
    made = writer(watched.folder / "rec_0006.h5", data, how)
    with watched.publishing(ALONE) as received:
        for start in range(0, NZ, STEP):
            made.write(start, start + STEP)
            whole = start + STEP
            received.wait_for(6, whole if whole == NZ else whole - behind)
        received.wait_for_end(6)
    assert received.frames(6) == list(range(NZ))
    np.testing.assert_array_equal(received.volume(6), data)


def test_npy_that_is_filled_slice_by_slice(watched: Watched) -> None:
    data = volume(7)
    with watched.publishing(ALONE) as received:
        made = np.lib.format.open_memmap(
            watched.folder / "rec_0007.npy", "w+", data.dtype, shape=data.shape
        )
        for start in range(0, NZ, STEP):
            made[start : start + STEP] = data[start : start + STEP]
            made.flush()
            received.wait_for(7, start + STEP - (start + STEP < NZ))
        received.wait_for_end(7)
    assert received.frames(7) == list(range(NZ))
    np.testing.assert_array_equal(received.volume(7), data)


def vol_in_place(folder: Path) -> Any:
    text = f"NUM_X = 8\nNUM_Y = 10\nNUM_Z = {NZ}\nvoxelSize = 0.65\n"
    (folder / "rec_0007.vol.info").write_text(text)
    return np.memmap(folder / "rec_0007.vol", "<f4", "w+", shape=(NZ, 10, 8))


def tiff_in_place(folder: Path) -> Any:
    path = folder / "rec_0007.tif"
    return tifffile.memmap(path, shape=(NZ, 10, 8), dtype="f4", photometric="minisblack")


@pytest.mark.parametrize("make", [vol_in_place, tiff_in_place])
def test_a_file_that_has_its_full_size_before_it_is_filled(
    make: Callable[[Path], Any], watched: Watched
) -> None:
    data = volume(7)
    with watched.publishing() as received:
        pixels = make(watched.folder)
        eventually(lambda: received.records(ScanStart) or received.failed)
        for z in range(NZ):
            pixels[z] = data[z]
            pixels.flush()
            received.wait_for(7, z)  # all but the last one
        received.wait_for_end(7)
    assert received.frames(7) == list(range(NZ))
    np.testing.assert_array_equal(received.volume(7), data)


def test_npy_that_grows_at_its_end(watched: Watched, tmp_path: Path) -> None:
    data = volume(8)
    np.save(tmp_path / "whole.npy", data)
    raw = (tmp_path / "whole.npy").read_bytes()
    plane = data[0].nbytes
    head = len(raw) - data.nbytes
    with watched.publishing(ALONE) as received:
        for count in range(STEP, NZ + 1, STEP):
            with (watched.folder / "rec_0008.npy").open("ab") as file:
                done = file.tell()
                file.write(raw[done : head + count * plane + (7 if count < NZ else 0)])
            received.wait_for(8, count)
        received.wait_for_end(8)
    assert received.frames(8) == list(range(NZ))
    np.testing.assert_array_equal(received.volume(8), data)


def test_jpeg_2000_slice_by_slice(watched: Watched) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    data = (volume(9) * 60000).astype(np.uint16)
    with watched.publishing() as received:
        for index, plane in enumerate(data):
            coded = imagecodecs.jpeg2k_encode(plane, codecformat="jp2", reversible=True)
            (watched.folder / f"rec_0009_{index:06d}.jp2").write_bytes(coded)
            received.wait_for(9, index + 1)
        received.wait_for_end(9)
    np.testing.assert_array_equal(received.volume(9), data)


def test_a_file_that_is_read_can_be_opened_for_writing(tmp_path: Path) -> None:
    """nabu opens its files again, to add a histogram."""
    path = tmp_path / "rec.h5"
    with h5py.File(path, "w") as file:
        file["data"] = volume(0)
    append = f"import h5py; h5py.File({str(path)!r}, 'a').create_group('histogram')"
    with opened(path) as file:
        assert file["data"].shape == (NZ, 10, 8)
        subprocess.run([sys.executable, "-c", append], check=True, timeout=60)
